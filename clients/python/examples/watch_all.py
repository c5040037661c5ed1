"""Watch every job, until one with the label stop=yes has ended: watch_all.py"""

from longshore import Client, Event, Progress, Resynced, Snapshot
from longshore.v1 import job_pb2


def main() -> None:
    with Client() as client, client.watch() as watch:
        for value in watch:
            match value:
                case Snapshot() | Resynced():
                    print("snapshot", len(value.jobs), flush=True)
                    if any(is_last(job) for job in value.jobs):
                        break
                case Event():
                    print(line(value), flush=True)
                    if is_last(value.job):
                        break
                case Progress():
                    pass


def line(event: Event) -> str:
    state = job_pb2.JobState.Name(event.job.state).removeprefix("JOB_STATE_")
    return f"{event.kind} {event.job.job_id} {state} revision={event.revision}"


def is_last(job: job_pb2.Job) -> bool:
    return job.HasField("end_time") and job.labels.get("stop") == "yes"


if __name__ == "__main__":
    main()
