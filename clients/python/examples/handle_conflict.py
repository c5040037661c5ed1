"""Meet a job that holds the image, end it, and queue up: handle_conflict.py TOP"""

import sys

from longshore import Client, Submit, TargetBusy
from longshore.v1 import job_options_pb2, job_service_pb2

SLOWLY = Submit(options=job_options_pb2.JobOptions(speed_bytes_per_second=64 * 1024))
QUEUED = Submit(on_conflict=job_service_pb2.ON_CONFLICT_QUEUE)


def main(top: str) -> None:
    with Client() as client:
        client.pull(top, submit=SLOWLY)
        try:
            client.pull(top)
        except TargetBusy as busy:
            print("busy:", busy.blocking_job_id, flush=True)
            client.job(busy.blocking_job_id).cancel(wait=True)
        job = client.pull(top, submit=QUEUED)
        job.wait()
        print(job.job_id, "SUCCEEDED")


if __name__ == "__main__":
    main(sys.argv[1])
