"""What tests of watches share: paces that do not wait, and looks at what came."""

from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import watch_pb2
from longshored.app.daemon import Tuning
from longshored.service.watchers import Clamp, Pace
from longshored.store.retain import Retention
from tests.support.daemon import Stubs

FAST = Pace(heartbeat=Clamp(0.01, 0.05, 1.0), progress=Clamp(0.005, 0.02, 1.0))
FAST_TUNING = Tuning(pace=FAST)
SHORT_LOG = Tuning(
    pace=FAST, event_log=Retention(fewest=4, shortest=0, most=8), memory_log=2
)


def cursor_of(stubs: Stubs) -> watch_pb2.Cursor:
    """The head now."""
    return stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).cursor


def revisions(events: list[watch_pb2.JobEvent]) -> list[int]:
    return [event.revision for event in events]
