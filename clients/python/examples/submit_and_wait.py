"""Flatten an image and wait until it is done: submit_and_wait.py TOP"""

import sys

from longshore import Client, LongshoreError


def main(top: str) -> None:
    with Client() as client:
        job = client.pull(top)
        print(job.job_id, flush=True)
        job.wait()
        print(job.job_id, "SUCCEEDED")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except LongshoreError as error:
        sys.exit(f"submit_and_wait: {error}")
