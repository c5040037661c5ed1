"""What the members of a group make of each other."""

from dataclasses import replace

from longshored.errors import Kind
from longshored.job import life
from longshored.job.group import settle
from longshored.job.model import Group, Job, Options
from longshored.job.states import State
from tests.job.jobs import ASK, BROKEN, NOW, in_state

G = Group("g")
MANUAL = Options(auto_finalize=False)


def member(name: str, state: State, options: Options = MANUAL) -> Job:
    return in_state(state, job_id=name, group=G, options=options)


def states(jobs: list[Job]) -> list[State]:
    return [job.state for job in jobs]


def test_nothing_happens_while_one_still_works() -> None:
    members = [member("a", State.WAITING), member("b", State.RUNNING)]
    assert settle(members, NOW) == members


def test_all_become_pending_when_the_last_has_worked() -> None:
    members = [member("a", State.WAITING), member("b", State.WAITING)]
    assert states(settle(members, NOW)) == [State.PENDING, State.PENDING]


def test_finalising_one_finalises_all() -> None:
    asked = life.finalize(member("a", State.PENDING), ASK)
    _, other = settle([asked, member("b", State.PENDING)], NOW)
    assert other.wanted.finalize == ASK


def test_a_group_finalises_itself_only_if_every_member_wants_that() -> None:
    auto = Options(auto_finalize=True)
    one, other = member("a", State.PENDING, auto), member("b", State.PENDING)
    assert not any(job.is_finalizing for job in settle([one, other], NOW))
    willing = member("b", State.PENDING, auto)
    assert all(job.is_finalizing for job in settle([one, willing], NOW))


def test_one_failure_unwinds_the_others() -> None:
    failed = life.failed(member("a", State.RUNNING), BROKEN, NOW)
    members = [failed, member("b", State.RUNNING), member("c", State.PENDING)]
    after = settle(members, NOW)
    assert states(after) == [State.ABORTING] * 3
    assert after[1].failure is not None
    assert after[1].failure.kind is Kind.GROUP_MEMBER_FAILED


def test_a_failure_ends_a_queued_member_at_once() -> None:
    failed = life.failed(member("a", State.RUNNING), BROKEN, NOW)
    _, queued = settle([failed, member("b", State.QUEUED)], NOW)
    assert queued.state is State.CANCELLED


def test_a_member_of_a_group_being_finalised_goes_on_when_another_falls() -> None:
    asked = replace(member("a", State.WAITING).wanted, finalize=ASK)
    again = replace(member("a", State.WAITING), wanted=asked)
    failed = member("b", State.FAILED)
    gone_on, _ = settle([again, failed], NOW)
    assert gone_on.is_finalizing


def test_a_lone_job_finalises_itself() -> None:
    (job,) = settle([in_state(State.PENDING)], NOW)
    assert job.is_finalizing
