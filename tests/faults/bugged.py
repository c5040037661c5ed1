"""A daemon with one bug on purpose: python -m tests.faults.bugged serve …

The variable LONGSHORE_SEEDED_BUG names it. A checker that does not see the bug it is
for is worth nothing, so each has its bug here; some of them were ours once. Only
this process is patched, whose whole purpose is to be wrong.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from longshored.__main__ import main
from longshored.block import raw, roots
from longshored.block.copy import feed
from longshored.block.qcow2 import image, ledger, rewrite
from longshored.drivers import pull_batches, pull_work
from longshored.service import watchlog
from longshored.store import journal, transaction
from longshored.store.change import ChangeKind
from longshored.store.commit import give_up

VARIABLE = "LONGSHORE_SEEDED_BUG"

CREATED = ChangeKind.CREATED


def skip_flush() -> None:
    """The data of a batch is published without being flushed."""
    batches: Any = pull_batches
    overlay = batches.Overlay
    batches.Overlay = lambda publisher, flush, marks: overlay(
        publisher, lambda: None, marks
    )


def retry_flush() -> None:
    """A failed flush is tried again until it says yes."""
    node: Any = raw.RawNode
    flush = node.flush

    def again(self: Any) -> None:
        for _ in range(3):
            with suppress(Exception):
                flush(self)
                return
            self._taint = None

    node.flush = again


def ack_without_commit() -> None:
    """The answer does not wait for the disk."""
    module: Any = journal
    module.commit = lambda connection, *_: give_up(connection)


def forget_requests() -> None:
    """The same request makes a second job."""
    tx: Any = transaction.Transaction
    tx.replayed = lambda *_: None
    tx.remember = lambda *_: None


def zeros_on_error() -> None:
    """What cannot be read is taken for zeros."""
    node: Any = raw.RawNode
    read = node.readinto

    def readinto(self: Any, offset: int, buffer: memoryview) -> None:
        try:
            read(self, offset, buffer)
        except Exception:  # noqa: BLE001 - that is the bug
            buffer[:] = bytes(len(buffer))

    node.readinto = readinto


def drop_event() -> None:
    """Watchers are not told of new jobs."""
    log: Any = watchlog.WatchLog
    publish = log.publish

    def some(self: Any, changes: Sequence[Any]) -> None:
        publish(self, [one for one in changes if one.kind is not CREATED])

    log.publish = some


def pointers_first() -> None:
    """Tables point to clusters that no counter covers yet."""
    book: Any = ledger.Ledger
    write, point = book._write_what_is_pointed_to, book._write_pointers
    book._write_what_is_pointed_to, book._write_pointers = point, write


def unlink_early() -> None:
    """The backing file is given up before its bytes are copied."""
    work: Any = pull_work.PullWork
    run = work.run

    def early(self: Any) -> None:
        rewrite.rewrite_backing(self._top, None, None)
        run(self)

    work.run = early


def keep_leaks() -> None:
    """What a killed pull had counted stays counted."""
    module: Any = image
    module.reclaim_leaks = lambda _: 0


def forget_copies() -> None:
    """What a full disk stopped is not tried again, and nobody counts."""
    handed: Any = feed.Feed
    handed.give_back = lambda *_: None
    batches: Any = pull_batches.PullBatches
    batches._check_all_moved = lambda *_: None


def follow_anywhere() -> None:
    """Paths are resolved as the kernel does it by itself."""
    module: Any = roots
    module.open_beneath = lambda directory, path, flags: os.open(
        path, flags | os.O_CLOEXEC, dir_fd=directory
    )


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        skip_flush,
        retry_flush,
        ack_without_commit,
        forget_requests,
        zeros_on_error,
        drop_event,
        pointers_first,
        unlink_early,
        keep_leaks,
        forget_copies,
        follow_anywhere,
    )
}

if __name__ == "__main__":
    BUGS[os.environ[VARIABLE]]()
    sys.exit(main())
