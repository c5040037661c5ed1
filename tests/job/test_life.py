"""Each verb in each state, and the races between verbs and reports."""

from dataclasses import replace

import pytest

from longshored.clock import SECOND
from longshored.errors import Kind, ServiceError
from longshored.job import life
from longshored.job.model import (
    HISTORY_LENGTH,
    Ask,
    CompletionMode,
    Failure,
    Group,
    Holder,
    Job,
    Pause,
    Pending,
    PendingReason,
    Transition,
    Wanted,
)
from longshored.job.nodes import IoStatus
from longshored.job.progress import Estimate, Ledger, LimitedBy, Progress
from longshored.job.states import (
    FINAL,
    MOVES,
    Answer,
    ImpossibleMove,
    State,
    Verb,
    answer,
    verbs_allowed,
)
from tests.job.jobs import ASK, BROKEN, HELD, NOW, WORKER, a_job, in_state
from tests.support.drivers import node

CELLS = [(verb, state) for verb in Verb for state in State]


def ask(verb: Verb, job: Job) -> Job:
    match verb:
        case Verb.PAUSE:
            return life.pause(job, ASK)
        case Verb.RESUME:
            return life.resume(job, ASK)
        case Verb.CANCEL:
            return life.cancel(job, ASK)
        case Verb.COMPLETE:
            return life.complete(job, ASK, CompletionMode.SWITCH)
        case Verb.FINALIZE:
            return life.finalize(job, ASK)
        case Verb.UPDATE:
            return life.update(job, replace(job.options, priority=7))
        case Verb.DISMISS:
            life.check_dismiss(job)
            return job


def describe(cell: tuple[Verb, State]) -> str:
    return f"{cell[0].value}-{cell[1].value}"


@pytest.mark.parametrize("cell", CELLS, ids=describe)
def test_a_verb_does_in_each_state_what_the_table_says(
    cell: tuple[Verb, State],
) -> None:
    verb, state = cell
    job = in_state(state)
    match answer(verb, state):
        case Answer.ACCEPTED:
            ask(verb, job)
        case Answer.REACHED:
            assert ask(verb, job) is job
        case Answer.REFUSED:
            with pytest.raises(ServiceError) as refusal:
                ask(verb, job)
            assert refusal.value.kind is Kind.ACTION_NOT_ALLOWED


@pytest.mark.parametrize("cell", CELLS, ids=describe)
def test_a_verb_given_twice_does_no_more_than_once(cell: tuple[Verb, State]) -> None:
    verb, state = cell
    if answer(verb, state) is Answer.REFUSED:
        return
    once = ask(verb, in_state(state))
    if answer(verb, once.state) is not Answer.REFUSED:
        assert ask(verb, once) == once


def test_a_refusal_names_the_verbs_that_are_allowed() -> None:
    with pytest.raises(ServiceError) as refusal:
        life.pause(in_state(State.PENDING), ASK)
    assert refusal.value.facts == {
        "job_id": "job-1",
        "state": "PENDING",
        "action": "PAUSE",
        "allowed_actions": "CANCEL, FINALIZE, UPDATE",
    }


def test_only_an_ended_job_can_be_dismissed() -> None:
    allowed = {state for state in State if Verb.DISMISS in verbs_allowed(state)}
    assert allowed == FINAL


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_a_move_that_is_not_in_the_table_is_impossible(old: State, new: State) -> None:
    job = replace(in_state(old), failure=BROKEN)
    if new in MOVES[old]:
        assert life.move(job, new, NOW, "").state is new
    else:
        with pytest.raises(ImpossibleMove):
            life.move(job, new, NOW, "")


def test_the_first_entry_of_a_history_is_the_birth() -> None:
    assert [step.state for step in a_job().history] == [State.QUEUED]


def test_a_long_history_loses_its_middle() -> None:
    job = in_state(State.RUNNING)
    for _ in range(HISTORY_LENGTH):
        job = life.unparked(life.parked(job, NOW), NOW)
    assert len(job.history) == HISTORY_LENGTH
    assert job.history[0].reason == "created"


def test_cancel_of_a_queued_job_ends_it_at_once() -> None:
    assert life.cancel(a_job(), ASK).state is State.CANCELLED


def test_cancel_of_a_running_job_only_asks() -> None:
    asked = life.cancel(in_state(State.RUNNING), ASK)
    assert (asked.state, asked.end_time) == (State.ABORTING, None)


def test_cancel_after_finalising_began_changes_no_state() -> None:
    finalizing = life.finalize(in_state(State.PENDING), ASK)
    asked = life.cancel(finalizing, ASK)
    assert asked.wanted.cancel == ASK
    assert life.succeeded(asked, NOW).state is State.SUCCEEDED


def test_cancel_loses_against_finalising_across_a_restart() -> None:
    finalizing = life.finalize(in_state(State.PENDING), ASK)
    asked = life.cancel(life.adopt(finalizing, NOW), ASK)
    assert (asked.state, asked.failure) == (State.QUEUED, None)


def test_the_first_failure_is_the_one_shown() -> None:
    failed = life.failed(in_state(State.RUNNING), BROKEN, NOW)
    again = life.failed(failed, Failure(Kind.INTERNAL, "second"), NOW)
    assert again.failure == BROKEN


def test_a_failure_while_a_cancel_is_unwound_stays_a_cancel() -> None:
    unwinding = life.failed(in_state(State.ABORTING), BROKEN, NOW)
    assert life.ended(unwinding, NOW).state is State.CANCELLED


def test_a_paused_job_runs_when_the_last_holder_lets_go() -> None:
    window = Pause(Holder.WINDOW, "night only", NOW, life.SYSTEM)
    job = life.hold(life.hold(in_state(State.RUNNING), HELD), window)
    assert life.resume(job, ASK).pauses == (window,)
    assert life.let_go(life.resume(job, ASK), (Holder.WINDOW,)).pauses == ()


def test_a_node_in_trouble_is_well_again_when_its_error_is_let_go() -> None:
    full = replace(node("a"), io_status=IoStatus.NOSPACE)
    job = replace(in_state(State.RUNNING), nodes=(full, node("b", reads=True)))
    for holder in (Holder.WINDOW, Holder.ERROR_POLICY):
        job = life.hold(job, Pause(holder, "", NOW, life.SYSTEM))
    opened = life.let_go(job, (Holder.WINDOW,))
    assert opened.nodes == job.nodes
    resumed = life.resume(opened, ASK)
    assert [one.io_status for one in resumed.nodes] == [IoStatus.OK, IoStatus.OK]


def test_who_resumes_is_in_the_history() -> None:
    asked = life.resume(life.parked(life.hold(in_state(State.RUNNING), HELD), NOW), ASK)
    assert asked.wanted.resume == ASK
    running = life.unparked(asked, NOW)
    assert running.history[-1] == Transition(State.RUNNING, NOW, "resumed", "ada")
    assert running.wanted == Wanted()


def test_who_resumes_what_a_restart_has_queued_is_in_the_history() -> None:
    paused = life.parked(life.hold(in_state(State.RUNNING), HELD), NOW)
    asked = life.resume(life.adopt(paused, NOW), ASK)
    assert asked.state is State.QUEUED
    running = life.started(asked, WORKER, NOW)
    assert running.history[-1] == Transition(State.RUNNING, NOW, "resumed", "ada")
    assert running.wanted == Wanted()
    unasked = life.started(life.adopt(in_state(State.RUNNING), NOW), WORKER, NOW)
    assert unasked.history[-1].reason == "started"


def test_who_opens_a_window_is_nobody() -> None:
    window = Pause(Holder.WINDOW, "night only", NOW, life.SYSTEM)
    held = life.hold(life.hold(in_state(State.RUNNING), HELD), window)
    asked = life.resume(life.parked(held, NOW), ASK)
    opened = life.unparked(life.let_go(asked, (Holder.WINDOW,)), NOW)
    assert opened.history[-1].actor == life.SYSTEM


def test_a_resume_that_no_worker_has_reached_is_overtaken_by_a_pause() -> None:
    asked = life.resume(life.parked(life.hold(in_state(State.RUNNING), HELD), NOW), ASK)
    assert life.hold(asked, HELD).wanted == Wanted()


def test_a_resume_that_no_worker_has_reached_does_not_outlive_the_daemon() -> None:
    asked = life.resume(life.parked(life.hold(in_state(State.RUNNING), HELD), NOW), ASK)
    assert life.adopt(asked, NOW).wanted == Wanted()


def test_a_pause_of_a_user_is_his_in_the_history() -> None:
    window = Pause(Holder.WINDOW, "night only", NOW, life.SYSTEM)
    held = life.pause(life.hold(in_state(State.RUNNING), window), ASK)
    assert life.parked(held, NOW).history[-1].actor == ASK.by


def test_a_long_comment_is_shortened_in_the_history() -> None:
    long = life.pause(in_state(State.RUNNING), replace(ASK, comment="c" * 1024))
    kept = life.parked(long, NOW).history[-1].reason
    assert (len(kept), kept[-2:]) == (life.LONGEST_REASON, "c…")


def test_a_pause_that_nobody_asked_for_is_the_daemons_in_the_history() -> None:
    window = Pause(Holder.WINDOW, "night only", NOW, life.SYSTEM)
    held = life.hold(in_state(State.RUNNING), window)
    assert life.parked(held, NOW).history[-1].actor == life.SYSTEM


def test_who_asked_for_a_finalising_is_in_the_history() -> None:
    asked = life.finalize(in_state(State.PENDING), ASK)
    assert life.succeeded(asked, NOW).history[-1].actor == ASK.by


def test_a_ready_job_that_is_paused_stands_by_and_comes_back_ready() -> None:
    standby = in_state(State.STANDBY)
    assert life.unparked(standby, NOW).state is State.READY


def test_an_error_withdraws_ready() -> None:
    assert life.diverged(in_state(State.READY), NOW).state is State.RUNNING


def test_a_lone_job_that_has_worked_is_pending() -> None:
    assert life.worked(in_state(State.RUNNING), NOW).state is State.PENDING


def test_a_pause_that_came_too_late_is_gone_when_the_work_is_done() -> None:
    assert life.worked(life.pause(in_state(State.RUNNING), ASK), NOW).pauses == ()


def test_a_member_of_a_group_that_has_worked_waits() -> None:
    job = in_state(State.RUNNING, group=Group("g"))
    assert life.worked(job, NOW).state is State.WAITING


def test_the_start_time_is_that_of_the_first_start() -> None:
    again = life.started(life.adopt(in_state(State.RUNNING), 8), WORKER, 9)
    assert again.start_time == NOW


@pytest.mark.parametrize("state", [state for state in State if state not in FINAL])
def test_a_restart_leaves_a_job_queued_or_unwinding_without_a_worker(
    state: State,
) -> None:
    adopted = life.adopt(in_state(state), NOW)
    assert adopted.worker is None
    assert adopted.state in (State.QUEUED, State.ABORTING)


def test_an_adopted_job_says_that_it_waits_for_recovery() -> None:
    assert life.adopt(in_state(State.RUNNING), NOW).pending == life.AFTER_RESTART


def test_a_queued_job_is_adopted_as_it_is() -> None:
    queued = life.waits(a_job(), Pending(PendingReason.SLOT, "all busy"))
    assert life.adopt(queued, NOW) is queued


def test_a_reason_to_wait_that_is_the_same_changes_nothing() -> None:
    waiting = life.waits(a_job(), Pending(PendingReason.SLOT, "all busy"))
    again = life.waits(waiting, Pending(PendingReason.SLOT, "all busy"))
    assert again is waiting


def test_a_job_whose_image_is_taken_queues_again_without_a_worker() -> None:
    taken = Pending(PendingReason.HOLD, "in use", pid=7)
    job = life.requeued(in_state(State.RUNNING), taken, NOW)
    assert (job.state, job.worker, job.pending) == (State.QUEUED, None, taken)


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_only_a_job_at_work_has_a_rate(state: State) -> None:
    estimate = Estimate(1, 2, "recent rate")
    moving = Progress(rate=9, estimate=estimate, limited_by=LimitedBy.SOURCE)
    job = in_state(state, progress=moving)
    if state is State.QUEUED:
        job = life.adopt(in_state(State.RUNNING, progress=moving), NOW)
    is_moving = state in (State.RUNNING, State.READY, State.ABORTING)
    assert job.progress == (moving if is_moving else Progress())


@pytest.mark.parametrize("state", [State.PAUSED, State.STANDBY])
def test_who_leaves_a_pause_has_all_of_it_in_the_ledger(state: State) -> None:
    job = in_state(state, progress=Progress(ledger=Ledger(paused=2)))
    later = NOW + 30 * SECOND
    assert life.cancel(job, Ask("ada", later)).progress.ledger.paused == 32
    assert life.adopt(job, later).progress.ledger.paused == 32
    assert life.unparked(replace(job, pauses=()), later).progress.ledger.paused == 32


def test_a_sample_that_has_a_part_of_the_pause_is_added_the_rest() -> None:
    seen = Progress(ledger=Ledger(paused=20), sample_time=NOW + 20 * SECOND)
    job = replace(in_state(State.PAUSED), progress=seen)
    aborting = life.failed(job, BROKEN, NOW + 30 * SECOND)
    assert aborting.progress.ledger.paused == 30


def test_elapsed_goes_on_in_the_queue_and_never_back() -> None:
    adopted = life.adopt(in_state(State.RUNNING), NOW + 10 * SECOND)
    assert adopted.progress.elapsed == 10
    assert life.cancel(adopted, Ask("ada", NOW + 5 * SECOND)).progress.elapsed == 10
    assert life.started(adopted, WORKER, NOW + 15 * SECOND).progress.elapsed == 15


def test_a_job_that_never_started_has_no_time_elapsed() -> None:
    ended = life.cancel(in_state(State.QUEUED), Ask("ada", NOW + 5 * SECOND))
    assert ended.progress.elapsed == 0


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_job_that_did_not_succeed_never_shows_all_as_done(state: State) -> None:
    shown = in_state(state, progress=Progress(current=1000, total=1000)).progress
    assert (shown.current, shown.total) == (999, 1000)
    some = Progress(current=400, total=1000)
    assert in_state(state, progress=some).progress == some
    nothing = Progress(current=0, total=0, total_is_final=True)
    assert in_state(state, progress=nothing).progress == nothing


@pytest.mark.parametrize("state", [State.WAITING, State.PENDING, State.SUCCEEDED])
def test_a_job_that_has_done_its_work_shows_all_of_it(state: State) -> None:
    done = Progress(current=1000, total=1000)
    assert in_state(state, progress=done).progress == done
