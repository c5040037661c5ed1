"""The types of enum values, which exist for type checkers only: at run time, int."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from .v1 import job_pb2, job_service_pb2, watch_pb2

    JobState: TypeAlias = job_pb2.JobState.ValueType
    JobEventKind: TypeAlias = watch_pb2.JobEventKind.ValueType
    OnConflict: TypeAlias = job_service_pb2.OnConflict.ValueType
    CompletionMode: TypeAlias = job_service_pb2.CompletionMode.ValueType
else:
    JobState = JobEventKind = OnConflict = CompletionMode = int
