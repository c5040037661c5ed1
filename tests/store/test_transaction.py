"""What bodies on the journal do to jobs, and what they see of each other."""

from dataclasses import replace

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job import life
from longshored.job.model import Group, Job, Options
from longshored.job.progress import Progress
from longshored.job.spec import PullStatus
from longshored.job.states import State
from longshored.store.change import ChangeKind
from longshored.store.transaction import Remembered, Transaction
from tests.job.jobs import ASK, WORKER, a_job
from tests.store.stores import Store


def started(job: Job) -> Job:
    return life.started(job, WORKER, 9)


def refused(store: Store, kind: Kind, body: object) -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        store.journal.run(body)  # type: ignore[arg-type]
    assert refusal.value.kind is kind
    return refusal.value


def test_the_first_job_is_made_by_the_first_revision(store: Store) -> None:
    job = store.add(a_job())
    assert (job.number, job.create_revision, job.revision) == (1, 1, 1)


def test_numbers_grow_with_every_new_job(store: Store) -> None:
    first, second = store.add(a_job(job_id="a")), store.add(a_job(job_id="b"))
    assert first.number < second.number


def test_a_job_is_there_after_add_returns(store: Store) -> None:
    job = store.add(a_job())
    assert store.reader.get("job-1") == job


def test_a_changed_job_gets_the_next_revision(store: Store) -> None:
    job = store.put(started(store.add(a_job())))
    assert (job.revision, job.create_revision) == (2, 1)
    assert store.reader.get("job-1") == job


def test_an_equal_job_moves_no_revision(store: Store) -> None:
    job = store.add(a_job())
    assert store.put(replace(job, owner=job.owner)) == job
    assert store.reader.head() == 1


def test_a_job_made_from_an_older_one_is_refused(store: Store) -> None:
    old = store.add(a_job())
    store.put(started(old))
    error = refused(
        store, Kind.REVISION_MISMATCH, lambda tx: tx.put(replace(old, uid="x"))
    )
    assert (error.facts["expected"], error.facts["actual"]) == (1, 2)


def test_each_change_is_told_with_the_state_before(store: Store) -> None:
    job = store.add(a_job())
    running = store.put(started(job))
    store.put(life.cancel(running, ASK))
    told = [(c.revision, c.kind, c.previous, c.job.state) for c in store.told]
    assert told == [
        (1, ChangeKind.CREATED, None, State.QUEUED),
        (2, ChangeKind.UPDATED, State.QUEUED, State.RUNNING),
        (3, ChangeKind.UPDATED, State.RUNNING, State.ABORTING),
    ]


def test_a_job_may_be_made_and_changed_in_one_body(store: Store) -> None:
    store.journal.run(lambda tx: tx.put(started(tx.add(a_job()))))
    assert [change.job.state for change in store.told] == [State.QUEUED, State.RUNNING]
    assert store.reader.get("job-1").state is State.RUNNING


def test_live_holds_every_job_that_has_not_ended(store: Store) -> None:
    store.add(a_job(job_id="a"))
    ended = store.put(life.cancel(store.add(a_job(job_id="b")), ASK))
    assert ended.is_final
    live = store.journal.run(lambda tx: [job.job_id for job in tx.live().values()])
    assert live == ["a"]


def test_live_shows_the_changes_of_the_body_itself(store: Store) -> None:
    job = store.add(a_job())

    def body(tx: Transaction) -> State:
        tx.put(started(job))
        return tx.live()[job.number].state

    assert store.journal.run(body) is State.RUNNING


def test_an_ended_job_is_found_by_id_and_number(store: Store) -> None:
    ended = store.put(life.cancel(store.add(a_job()), ASK))
    assert store.journal.run(lambda tx: tx.get("job-1")) == ended
    assert store.journal.run(lambda tx: tx.by_number(ended.number)) == ended


def test_an_ended_job_may_still_change(store: Store) -> None:
    ended = store.put(life.cancel(store.add(a_job()), ASK))
    store.put(replace(ended, expire_time=99))
    assert store.reader.get("job-1").expire_time == 99


def test_an_unknown_job_is_not_found(store: Store) -> None:
    error = refused(store, Kind.JOB_NOT_FOUND, lambda tx: tx.get("nobody"))
    assert error.facts == {"job_id": "nobody"}
    refused(store, Kind.JOB_NOT_FOUND, lambda tx: tx.by_number(77))


def test_a_removed_job_is_gone_and_told(store: Store) -> None:
    ended = store.put(life.cancel(store.add(a_job()), ASK))
    store.remove(ended)
    refused(store, Kind.JOB_NOT_FOUND, lambda tx: tx.get("job-1"))
    last = store.told[-1]
    assert (last.kind, last.previous) == (ChangeKind.REMOVED, State.CANCELLED)
    assert last.job == replace(ended, revision=3)


def test_the_id_of_a_live_job_is_taken(store: Store) -> None:
    store.add(a_job())
    error = refused(store, Kind.JOB_ID_TAKEN, lambda tx: tx.add(a_job()))
    assert error.facts == {"job_id": "job-1"}


def test_the_id_of_a_removed_job_stays_taken(store: Store) -> None:
    store.remove(store.put(life.cancel(store.add(a_job()), ASK)))
    refused(store, Kind.JOB_ID_TAKEN, lambda tx: tx.add(a_job()))


def test_an_id_is_taken_within_one_body_too(store: Store) -> None:
    def body(tx: Transaction) -> None:
        tx.remove(tx.put(life.cancel(tx.add(a_job()), ASK)))
        tx.add(a_job())

    refused(store, Kind.JOB_ID_TAKEN, body)


def test_a_body_that_raises_leaves_no_trace(store: Store) -> None:
    job = store.add(a_job(job_id="a"))

    def body(tx: Transaction) -> None:
        tx.put(started(job))
        tx.add(a_job(job_id="b"))
        tx.remember("ada", "r", "body", ["b"])
        raise ServiceError(Kind.JOB_LIMIT, "Too many jobs")

    refused(store, Kind.JOB_LIMIT, body)
    assert store.reader.get("a") == job
    assert store.journal.run(lambda tx: dict(tx.live())) == {job.number: job}
    assert store.journal.run(lambda tx: tx.replayed("ada", "r")) is None
    assert store.add(a_job(job_id="b")).revision == 2


def test_a_bug_in_a_body_reaches_its_caller_alone(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.journal.run(lambda _: 1 // 0)
    assert store.add(a_job()).number == 1


def test_an_answer_is_remembered_for_its_caller(store: Store) -> None:
    store.journal.run(lambda tx: tx.remember("ada", "r", "body", ["job-1"]))
    known = Remembered("body", ("job-1",))
    assert store.journal.run(lambda tx: tx.replayed("ada", "r")) == known
    assert store.journal.run(lambda tx: tx.replayed("bob", "r")) is None


def test_an_answer_is_known_to_the_next_body_before_the_commit(store: Store) -> None:
    def body(tx: Transaction) -> Remembered | None:
        tx.remember("ada", "r", "body", ["job-1"])
        return tx.replayed("ada", "r")

    assert store.journal.run(body) == Remembered("body", ("job-1",))


def test_a_group_is_there_with_its_first_job_and_gone_with_its_last(
    store: Store,
) -> None:
    def body(tx: Transaction) -> tuple[Job, bool, bool]:
        before = tx.has_group("night-run")
        job = tx.add(replace(a_job(), group=Group("night-run")))
        return job, before, tx.has_group("night-run")

    job, before, after = store.journal.run(body)
    assert (before, after) == (False, True)
    ended = store.put(life.cancel(job, ASK))
    assert store.journal.run(lambda tx: tx.has_group("night-run"))
    assert not store.journal.run(lambda tx: tx.has_group("night"))
    store.remove(ended)
    assert not store.journal.run(lambda tx: tx.has_group("night-run"))


def test_a_checkpoint_is_kept_until_its_job_ends(store: Store) -> None:
    job = store.put(started(store.add(a_job())))
    store.journal.run(lambda tx: tx.save_checkpoint(job.number, 1, b"here"))
    assert store.journal.run(lambda tx: tx.checkpoint(job.number)) == b"here"
    unwinding = store.put(life.cancel(job, ASK))
    store.put(life.ended(unwinding, 9))
    assert store.journal.run(lambda tx: tx.checkpoint(job.number)) is None


def test_a_checkpoint_moves_no_revision(store: Store) -> None:
    job = store.add(a_job())
    store.journal.run(lambda tx: tx.save_checkpoint(job.number, 1, b"here"))
    assert store.reader.head() == 1


def test_progress_is_kept_and_moves_no_revision(store: Store) -> None:
    job = store.add(a_job())
    store.told.clear()
    status, progress = PullStatus(published_bytes=7), Progress(current=7)
    store.journal.run(lambda tx: tx.note_progress(job, status, progress))
    noted = replace(job, status=status, progress=progress)
    assert store.reader.get(job.job_id) == noted
    assert (store.reader.head(), store.told) == (1, [])
    # What was made of the job before is right still.
    assert store.put(replace(noted, options=Options(priority=7))).revision == 2


def test_progress_takes_nothing_back_that_was_decided_meanwhile(store: Store) -> None:
    job = store.add(a_job())

    def body(tx: Transaction) -> None:
        tx.put(replace(job, options=Options(priority=7)))
        tx.note_progress(job, None, Progress(current=7))

    store.journal.run(body)
    found = store.reader.get(job.job_id)
    assert (found.options.priority, found.progress.current) == (7, 7)


def test_progress_of_a_body_that_fails_is_not_kept(store: Store) -> None:
    job = store.add(a_job())

    def body(tx: Transaction) -> None:
        tx.note_progress(job, None, Progress(current=7))
        raise ServiceError(Kind.INTERNAL, "on purpose")

    refused(store, Kind.INTERNAL, body)
    assert store.reader.get(job.job_id) == job
    assert store.journal.run(lambda tx: tx.by_number(job.number)) == job


def test_the_checkpoint_of_an_older_claim_is_refused(store: Store) -> None:
    job = store.add(a_job())
    store.journal.run(lambda tx: tx.save_checkpoint(job.number, 2, b"new"))
    refused(
        store,
        Kind.REVISION_MISMATCH,
        lambda tx: tx.save_checkpoint(job.number, 1, b"stale"),
    )
    assert store.journal.run(lambda tx: tx.checkpoint(job.number)) == b"new"


def test_a_checkpoint_saved_as_its_job_ends_is_not_kept(store: Store) -> None:
    job = store.put(started(store.add(a_job())))

    def body(tx: Transaction) -> None:
        tx.save_checkpoint(job.number, 1, b"here")
        tx.put(life.ended(tx.put(life.cancel(job, ASK)), 9))

    store.journal.run(body)
    assert store.journal.run(lambda tx: tx.checkpoint(job.number)) is None
