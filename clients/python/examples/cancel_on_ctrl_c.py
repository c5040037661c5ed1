"""Flatten an image slowly; Ctrl-C cancels the job: cancel_on_ctrl_c.py TOP"""

import sys

from longshore import Client, Submit
from longshore.v1 import job_options_pb2

SLOWLY = Submit(options=job_options_pb2.JobOptions(speed_bytes_per_second=64 * 1024))


def main(top: str) -> None:
    with Client() as client:
        job = client.pull(top, submit=SLOWLY)
        try:
            print(job.job_id, flush=True)
            job.wait()
        except KeyboardInterrupt:
            job.cancel("Ctrl-C", wait=True)
            print(job.job_id, "CANCELLED")
            sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1])
