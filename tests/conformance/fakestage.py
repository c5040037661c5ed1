"""Moves of the fake server."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from longshore.v1 import (
    image_service_pb2,
    job_pb2,
    job_service_pb2,
    system_service_pb2,
)
from tests.support.fakeserver import FakeServer, Lost
from tests.support.refusals import Code, Frame, Refusal, retry_info

from .fake import ScriptedServer, from_the_future, many
from .scenario import Scenario
from .stage import Fields, Stage

_SERVICES = (
    job_service_pb2.DESCRIPTOR.services_by_name["JobService"],
    image_service_pb2.DESCRIPTOR.services_by_name["ImageService"],
    system_service_pb2.DESCRIPTOR.services_by_name["SystemService"],
)

_STATES: Any = job_pb2.JobState

# The key of what shall have fields that no contract has yet.
_FUTURE = "future"


class FakeStage(Stage):
    """The fake on a socket of the scenario's own."""

    def __init__(self, directory: Path, scenario: Scenario) -> None:
        super().__init__(directory, scenario)
        self.server = ScriptedServer(directory)
        self.names["address"] = self.server.address
        self.names["history"] = self.server.history

    def open(self) -> None:
        self.server.heartbeat = self.scenario.given.get("heartbeat", 15.0)
        self.server.start()

    def close(self) -> None:
        self.server.end()

    # Jobs

    def move_put(self, job_id: str, state: str | int = "RUNNING", **job: Any) -> Fields:
        """Make or change a job; `future: true` gives it fields of a newer contract, and
        a state that is a number is one that no contract has yet.
        """
        is_new_age = job.pop(_FUTURE, False)
        made = ParseDict(
            {"jobId": job_id, "jobType": "block.pull", **job}, job_pb2.Job()
        )
        made.state = _state(state)
        if state in ("SUCCEEDED", "FAILED", "CANCELLED"):
            made.end_time.FromSeconds(1_000_000)
        if is_new_age:
            from_the_future(made)
            from_the_future(made.info)
        self.server.put_job(made)
        return {"revision": str(self.server.head)}

    def move_put_many(self, count: int, note_bytes: int = 0, **job: Any) -> Fields:
        """New jobs, each as large as its cancel_comment makes it."""
        for job_id in many(count):
            self.move_put(job_id, cancelComment="x" * note_bytes, **job)
        return {"revision": str(self.server.head)}

    def move_touch(
        self, job_id: str, times: int = 1, note_bytes: int = 0, **job: Any
    ) -> Fields:
        """Change a job so often, each time as large as its cancel_comment makes it."""
        for _ in range(times):
            self.move_put(job_id, cancelComment="x" * note_bytes, **job)
        return {"revision": str(self.server.head)}

    def move_set_head(self, revision: str) -> None:
        """Let the next change have the revision after this."""
        self.server.head = int(revision)

    def move_remove(self, job_id: str) -> None:
        self.server.remove(job_id)

    def move_compact(self) -> None:
        self.server.compact()

    def move_restore(self) -> None:
        self.server.restore()

    def move_stutter(self) -> None:
        self.server.stutters = True

    # Its life

    def move_stop(self) -> None:
        self.server.stop()

    def move_start(self) -> None:
        self.server.start()

    def move_cut(self, after: list[int]) -> None:
        """Cut the next watches after so many frames."""
        self.server.cuts.extend(after)

    def move_script(self, frames: list[Fields]) -> None:
        """What the next watch says instead of the truth; silence after it."""
        self.server.scripts.append([_frame(frame) for frame in frames])

    # Answers

    def move_refuse(self, method: str, times: int = 0, **refusal: Any) -> None:
        """An error instead of an answer; at every call, or so many times."""
        if times:
            self.server.fail(method, *(_refusal(**refusal) for _ in range(times)))
            return

        def refuse(_: Message) -> Message:
            raise _refusal(**refusal)

        self.server.answers[method] = refuse

    def move_lose(self, method: str, times: int = 1) -> None:
        """Carry the call out and lose the answer."""
        self.server.fail(method, *(Lost() for _ in range(times)))

    def move_hang(self, method: str) -> None:
        self.server.hangs.add(method)

    def move_unhang(self, method: str) -> None:
        self.server.hangs.discard(method)

    def move_answer(self, method: str, future: bool = False, **answer: Any) -> None:
        made = _kind_of(_method(method).output_type)
        ParseDict(answer, made)
        if future:
            from_the_future(made)
        self.server.answers[method] = made

    # What it has seen

    def move_called(self, method: str) -> Fields:
        requests = [MessageToDict(one) for one in self.server.called(method)]
        return {"count": len(requests), "requests": requests}

    def move_metadata(self) -> Fields:
        return dict(self.server.metadata)

    def move_until_called(self, method: str, count: int = 1) -> None:
        self._until(lambda fake: len(fake.called(method)) >= count)

    def move_until_watchers(self, count: int) -> Fields:
        began = time.monotonic()
        self._until(lambda fake: fake.watchers == count)
        return {"seconds": time.monotonic() - began}

    def move_until_begun(self, count: int) -> None:
        """So many watches know where they begin."""
        self._until(lambda fake: self.server.begun >= count)

    def move_until_bookmarks(self, count: int) -> None:
        wanted = self.server.bookmarks + count
        self._until(lambda fake: fake.bookmarks >= wanted)

    def _until(self, is_so: Callable[[FakeServer], bool]) -> None:
        self.server.wait_for(is_so)


def _state(name: str | int) -> Any:
    return name if isinstance(name, int) else _STATES.Value(f"JOB_STATE_{name}")


def _method(name: str) -> MethodDescriptor:
    return next(
        service.methods_by_name[name]
        for service in _SERVICES
        if name in service.methods_by_name
    )


def _kind_of(descriptor: Any) -> Message:
    made: Message = descriptor._concrete_class()
    return made


def _frame(fields: Fields) -> Frame | Refusal:
    """A frame as JSON; {refuse: …} breaks the stream, {future: true} is of no kind
    that there is yet.
    """
    if "refuse" in fields:
        return _refusal(**fields["refuse"])
    is_new_age = fields.pop(_FUTURE, False)
    frame = ParseDict(fields, Frame())
    if is_new_age:
        from_the_future(frame)
    return frame


def _refusal(
    code: str,
    reason: str = "",
    message: str = "refused",
    metadata: dict[str, str] | None = None,
    domain: str = "jobs.longshore",
    retry_delay: float | None = None,
    violations: dict[str, str] | None = None,
    request_id: str = "",
) -> Refusal:
    details: list[Message] = []
    if retry_delay is not None:
        details.append(retry_info(retry_delay))
    if violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=name, description=text
                    )
                    for name, text in violations.items()
                ]
            )
        )
    if request_id:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    return Refusal(
        getattr(Code, code), reason, message, metadata or {}, tuple(details), domain
    )
