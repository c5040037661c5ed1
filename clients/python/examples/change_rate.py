"""Flatten an image slowly, and without a limit once it moves: change_rate.py TOP"""

import sys

from longshore import Client, JobHandle, Progress, Submit
from longshore.v1 import job_options_pb2, job_pb2

SLOWLY = Submit(options=job_options_pb2.JobOptions(speed_bytes_per_second=64 * 1024))


def main(top: str) -> None:
    with Client() as client:
        job = client.pull(top, submit=SLOWLY)
        print(job.job_id, flush=True)
        job.wait(states=[job_pb2.JOB_STATE_RUNNING])
        wait_for_progress(job)
        job.set_speed(None)
        job.wait()
        print(job.job_id, "SUCCEEDED")


def wait_for_progress(job: JobHandle) -> None:
    with job.watch(progress_interval=0.1) as watch:
        for value in watch:
            if isinstance(value, Progress):
                return


if __name__ == "__main__":
    main(sys.argv[1])
