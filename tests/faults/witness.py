"""A watcher that writes down every durable change it is told of, over all cuts."""

import threading

import grpc

from longshore import Event, channels
from longshore.v1 import job_service_pb2_grpc
from longshore.watch import Finished, Snapshot, Watcher, selector

Seen = tuple[int, str, str]
"""Revision, kind, job id."""

START_SECONDS = 30.0

# Only so long does one try last: the line may be dead without a word.
STREAM_SECONDS = 5.0


class Witness:
    """The client's own rules of resuming, without its politeness between tries."""

    def __init__(self, address: str) -> None:
        # Set once.
        self._channel = grpc.insecure_channel(address, options=channels.WATCH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        # Guarded by _news.
        self._news = threading.Condition()
        self.seen: list[Seen] = []
        self._has_begun = False
        self.streams = 0

    def start(self) -> None:
        """What changes after this is told as an event; before, it is in a snapshot."""
        self._thread.start()
        with self._news:
            assert self._news.wait_for(lambda: self._has_begun, START_SECONDS)

    def wait_for(self, revision: int, seconds: float) -> bool:
        """True once a change of this revision, or a later one, has come."""
        with self._news:
            return self._news.wait_for(lambda: self._has(revision), seconds)

    def stop(self) -> None:
        self._stop.set()
        # Ends the stream that is open, and with it the thread.
        self._channel.close()
        self._thread.join()

    def _has(self, revision: int) -> bool:
        return bool(self.seen) and self.seen[-1][0] >= revision

    def _watch(self) -> None:
        watcher = Watcher(selector(), omit_progress=True)
        while not self._stop.is_set():
            try:
                self._stream(watcher)
            # grpc says ValueError of a channel that `stop` has closed.
            except (grpc.RpcError, Finished, ValueError):
                self._stop.wait(0.005)

    def _stream(self, watcher: Watcher) -> None:
        stub = job_service_pb2_grpc.JobServiceStub(self._channel)
        call = stub.WatchJobs(watcher.request(), timeout=STREAM_SECONDS)
        self.streams += 1
        for frame in call:
            for value in watcher.frame(frame):
                if isinstance(value, Event):
                    self._note(value)
                elif isinstance(value, Snapshot):
                    self._begin()

    def _begin(self) -> None:
        with self._news:
            self._has_begun = True
            self._news.notify_all()

    def _note(self, event: Event) -> None:
        with self._news:
            self.seen.append((event.revision, event.kind.lower(), event.job.job_id))
            self._news.notify_all()


def differs(seen: list[Seen], truth: list[Seen]) -> list[str]:
    """W: lost, told twice, out of order, or never happened; in words."""
    revisions = [one[0] for one in seen]
    wrong = [f"lost {one}" for one in sorted(set(truth) - set(seen))]
    wrong += [f"never happened {one}" for one in sorted(set(seen) - set(truth))]
    if len(set(revisions)) != len(revisions):
        wrong.append("something was told twice")
    if sorted(revisions) != revisions:
        wrong.append("something was told out of order")
    return wrong
