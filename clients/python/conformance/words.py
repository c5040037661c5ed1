"""What the driver says: messages, values of a watch and errors as JSON."""

from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from longshore import Event, Progress, Resynced, ServiceError, Snapshot
from longshore.errors import JobEnded, LongshoreError
from longshore.v1 import job_pb2
from longshore.watch import Value

M = TypeVar("M", bound=Message)


class DriverError(Exception):
    """The runner asks for what this driver does not know."""


def message(found: Message) -> dict[str, Any]:
    shown: dict[str, Any] = MessageToDict(found)
    return shown


def parsed(given: dict[str, Any] | None, kind: type[M]) -> M:
    return ParseDict(given or {}, kind())


def state_name(state: int) -> str | int:
    """The name; the number of a state newer than this client."""
    known = job_pb2.JobState.values()
    return job_pb2.JobState.Name(state) if state in known else state  # type: ignore[arg-type]  # an int is a state


def shown(value: Value) -> dict[str, Any]:
    """A value of a watch."""
    match value:
        case Event():
            return {
                "type": "event",
                "kind": value.kind,
                "revision": str(value.revision),
                "job": message(value.job),
                "previousState": state_name(value.previous_state),
                "cursor": message(value.cursor),
            }
        case Progress():
            progress = message(value.progress)
            return {"type": "progress", "job_id": value.job_id, "progress": progress}
        case Snapshot() | Resynced():
            return {
                "type": type_of(value),
                "jobs": [message(job) for job in value.jobs],
                "cursor": message(value.cursor),
            }


def type_of(value: Value) -> str:
    return type(value).__name__.lower()


def error_of(error: Exception) -> dict[str, Any]:
    """An error by its canonical class."""
    match error:
        case ServiceError():
            return {
                "class": type(error).__name__,
                "code": error.code.name,
                "reason": error.reason,
                "domain": error.domain,
                "metadata": error.metadata,
                "fieldViolations": [
                    {"field": one.field, "description": one.description}
                    for one in error.field_violations
                ],
                "retryDelay": error.retry_delay,
                "requestId": error.request_id,
                "message": error.message,
            }
        case JobEnded():
            return {**plain(type(error).__name__, error), "job": message(error.job)}
        case LongshoreError() | DriverError():
            return plain(type(error).__name__, error)
        case TimeoutError():
            return plain("WaitTimeout", error)
        case ValueError() | OSError():
            return plain("BadArgument", error)
        case _:
            return plain("DriverError", error)


def plain(name: str, error: Exception) -> dict[str, Any]:
    return {"class": name, "message": str(error)}
