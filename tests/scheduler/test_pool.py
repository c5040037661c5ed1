"""Threads: as many as there are tasks, and none is lost."""

import threading

from longshored.scheduler.pool import Pool


def test_tasks_that_wait_do_not_keep_others_out() -> None:
    pool = Pool()
    release, ran = threading.Event(), threading.Event()
    for _ in range(20):
        pool.run(lambda: assert_true(release.wait(20)))
    pool.run(ran.set)
    assert ran.wait(20)
    release.set()
    assert pool.join(20)


def test_an_idle_thread_is_used_again() -> None:
    pool = Pool()
    names: list[int] = []
    for _ in range(10):
        pool.run(lambda: names.append(threading.get_ident()))
        assert pool.join(20)
    assert len(names) == 10
    assert len(set(names)) < 10


def test_a_task_that_raises_ends_no_thread() -> None:
    pool = Pool()
    pool.run(lambda: assert_true(False))
    assert pool.join(20)
    ran = threading.Event()
    pool.run(ran.set)
    assert ran.wait(20)


def test_a_join_that_waits_too_long_says_so() -> None:
    pool = Pool()
    release = threading.Event()
    pool.run(lambda: assert_true(release.wait(20)))
    assert not pool.join(0.0)
    release.set()
    assert pool.join(20)


def assert_true(value: bool) -> None:
    assert value
