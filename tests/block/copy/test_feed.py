"""Who gets which share, when a batch ends, and that nothing is lost at its end."""

from collections.abc import Iterable

from longshored.block.copy.feed import BatchLimits, Begun, Feed
from longshored.block.copy.plan import Copy, Request, Zero

CLUSTER = 64
NEVER = BatchLimits()


def feed(*requests: Request, now: Iterable[float] | None = None) -> Feed:
    ticks = iter(now) if now is not None else None
    made = Feed(requests, CLUSTER, lambda: 0.0 if ticks is None else next(ticks))
    made.open(NEVER)
    return made


def test_a_share_is_cut_to_whole_clusters() -> None:
    assert feed(Copy(0, 640)).take(200) == (Copy(0, 192),)


def test_a_share_is_at_least_a_cluster() -> None:
    assert feed(Copy(0, 640)).take(1) == (Copy(0, 64),)


def test_a_share_gathers_scattered_runs() -> None:
    work = feed(Copy(0, 64), Copy(640, 64, 1, 7), Copy(1280, 64))
    assert work.take(128) == (Copy(0, 64), Copy(640, 64, 1, 7))


def test_nothing_follows_a_ragged_copy_in_its_share() -> None:
    work = feed(Copy(0, 64), Copy(64, 10), Copy(128, 64))
    assert work.take(640) == (Copy(0, 64), Copy(64, 10))


def test_the_rest_of_a_cut_copy_comes_next() -> None:
    work = feed(Copy(0, 640, 1, 1000))
    work.take(128)
    assert work.take(128) == (Copy(128, 128, 1, 1128),)


def test_zeros_go_by_without_a_worker() -> None:
    work = feed(Zero(0, 64), Copy(64, 64), Zero(128, 64))
    assert work.take(640) == (Copy(64, 64),)
    assert work.take_zeros() == [Zero(0, 64), Zero(128, 64)]


def test_zeros_that_nobody_published_are_work() -> None:
    work = feed(Zero(0, 64))
    assert work.take(640) == ()
    assert not work.is_done


def test_a_batch_ends_by_bytes() -> None:
    work = feed(Copy(0, 640))
    work.open(BatchLimits(length=128))
    taken = [work.take(64), work.take(64), work.take(64)]
    assert taken == [(Copy(0, 64),), (Copy(64, 64),), ()]


def test_a_batch_ends_by_time() -> None:
    work = feed(Copy(0, 640), now=[0.0, 0.0, 1.0, 2.5])
    work.open(BatchLimits(seconds=2.0))
    assert [bool(work.take(64)) for _ in range(2)] == [True, False]


def test_a_batch_ends_by_runs() -> None:
    work = feed(*(Copy(128 * n, 64) for n in range(9)))
    work.open(BatchLimits(runs=3))
    assert [len(work.take(64)) for _ in range(4)] == [1, 1, 1, 0]


def test_a_closed_feed_gives_nothing() -> None:
    work = feed(Copy(0, 64))
    work.close()
    assert work.take(64) == ()


def test_the_next_batch_goes_on_where_the_last_one_ended() -> None:
    work = feed(Copy(0, 128))
    work.take(64)
    work.close()
    work.open(NEVER)
    assert work.take(64) == (Copy(64, 64),)


def test_what_came_back_is_handed_out_first() -> None:
    work = feed(Copy(0, 128))
    share = work.take(64)
    work.give_back(share)
    assert work.take(64) == share


def test_copies_to_be_tried_alone_are_a_share_each() -> None:
    work = feed()
    work.give_back_alone([Copy(0, 64), Copy(64, 64)])
    assert [work.take(640), work.take(640)] == [(Copy(0, 64),), (Copy(64, 64),)]


def test_a_begun_cluster_is_finished_by_whoever_comes() -> None:
    work = feed()
    begun = Begun(Copy(0, 64), host=4096, filled=32)
    work.give_back_begun(begun)
    assert work.take_begun() is begun
    assert work.take_begun() is None


def test_a_feed_is_done_when_all_is_taken() -> None:
    work = feed(Copy(0, 64))
    work.take(64)
    assert work.is_done
