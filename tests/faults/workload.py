"""Pulls asked of a daemon that may die at any moment, and the ledger of its words.

What was acknowledged is written down when the answer is read; what was not is asked
again with the same request id, as any client would.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc

from longshore import Client
from longshore.requests import ImageName, Submit, pull_info
from longshore.steps import request_id
from longshore.v1 import job_info_pb2, job_options_pb2, job_pb2, job_service_pb2
from tests.faults.chains import Chain

# One call: a daemon that was told to die does not answer.
CALL_SECONDS = 10.0
JOB_SECONDS = 40.0

# What a call ends with when its daemon dies under it.
SILENCE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


@dataclass(slots=True)
class Asked:
    """One pull that a client wants, and the job that it has been promised."""

    chain: Chain
    sources: dict[str, str]
    request: job_service_pb2.CreateJobRequest
    job_id: str | None = None


def pull_of(chain: Chain) -> job_info_pb2.JobInfo:
    """What a chain is for; some shapes have a snapshot that shows what is below."""
    base: ImageName | None = None
    if chain.kept is not None:
        base = (chain.kept, chain.kept_format)
    return pull_info((chain.top, "qcow2"), base, (), allow_snapshot_loss=True)


@dataclass(slots=True)
class Ledger:
    """Everything one client asked for, over all lives of the daemon."""

    asked: list[Asked] = field(default_factory=list)

    def want(
        self, chain: Chain, speed: int | None = None, *, auto_finalize: bool = True
    ) -> Asked:
        """Note a pull; nothing is sent yet."""
        options = job_options_pb2.JobOptions(
            speed_bytes_per_second=speed, auto_finalize=auto_finalize
        )
        submit = Submit(options=options, request_id=request_id())
        request = submit.request(pull_of(chain))
        self.asked.append(Asked(chain, chain.sources(), request))
        return self.asked[-1]

    def send(self, client: Client) -> bool:
        """Ask for what nobody has acknowledged yet; False at the first silence."""
        stub = client.stub("JobService")
        for one in self.asked:
            if one.job_id is not None:
                continue
            try:
                answer = stub.CreateJob(one.request, timeout=CALL_SECONDS)
            except grpc.RpcError as error:
                if error.code() not in SILENCE:
                    raise
                return False
            one.job_id = answer.job.job_id
        return True

    def acknowledged(self) -> list[str]:
        return [one.job_id for one in self.asked if one.job_id is not None]

    def lost(self, client: Client) -> list[str]:
        """J1, J2: what was acknowledged must exist, once."""
        wrong = []
        there = [job.job_id for job in client.list(page_size=1000)]
        promised = self.acknowledged()
        wrong += [
            f"{name}: acknowledged, and gone" for name in set(promised) - set(there)
        ]
        wrong += [f"{name}: nobody asked for it" for name in set(there) - set(promised)]
        if len(there) != len(set(there)):
            wrong.append("a job is listed twice")
        return wrong

    def wait(self, client: Client) -> list[job_pb2.Job]:
        """The jobs at their end."""
        return [
            client.job(name).wait(JOB_SECONDS, raise_on_failure=False)
            for name in self.acknowledged()
        ]


def say(client: Client, method: str, requests: Sequence[object]) -> bool:
    """Send requests to a daemon that may die of them; False if it did not answer."""
    call = getattr(client.stub("JobService"), method)
    for request in requests:
        try:
            call(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            if error.code() not in SILENCE:
                raise
            return False
    return True
