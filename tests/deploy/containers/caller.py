"""A client with a certificate, run in a container: begins a pull, awaits its end.

Arguments: address, directory with the files of TLS.
"""

import sys
from pathlib import Path

import grpc

from longshore.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc


def main(address: str, directory: Path) -> None:
    credentials = grpc.ssl_channel_credentials(
        root_certificates=(directory / "ca.pem").read_bytes(),
        private_key=(directory / "client.key").read_bytes(),
        certificate_chain=(directory / "client.pem").read_bytes(),
    )
    with grpc.secure_channel(address, credentials) as channel:
        jobs = job_service_pb2_grpc.JobServiceStub(channel)
        request = job_service_pb2.CreateJobRequest()
        top = request.info.block.pull.spec.top
        top.uri, top.format = "/srv/images/top.qcow2", "qcow2"
        job = jobs.CreateJob(request, timeout=20).job
        wait = job_service_pb2.WaitJobRequest(job_id=job.job_id)
        wait.timeout.FromSeconds(30)
        ended = jobs.WaitJob(wait, timeout=40).job
        sys.stdout.write(f"{job_pb2.JobState.Name(ended.state)}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
