"""The blocking client. `aio` is its twin for asyncio; what both do is in `plans`."""

import builtins
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc

from . import channels, plans, requests
from .address import check_address, default_address
from .credentials import Credentials
from .enums import CompletionMode, JobState
from .errors import LongshoreError, from_call
from .listener import NOBODY, Listener
from .steps import Call, Plan, Sleep, T, Wait, wait
from .stream import Watch
from .v1 import (
    image_pb2,
    image_service_pb2,
    job_info_pb2,
    job_options_pb2,
    job_pb2,
    job_plan_pb2,
    job_service_pb2,
    rate_limit_pb2,
    system_service_pb2,
    watch_pb2,
)
from .watch import How, Watcher, selector

Item = TypeVar("Item")


class Client:
    """One daemon. Threads may share it; close it, or use it as a context manager.

    `address` is `unix:PATH` or `HOST:PORT`; without one, LONGSHORE_ADDRESS or the
    usual socket. Without `credentials` they are those of the environment. Raises
    ValueError for what is none. Connects when first used. The `listener` hears of
    troubles that are ridden out.
    """

    def __init__(
        self,
        address: str | None = None,
        credentials: Credentials | None = None,
        listener: Listener = NOBODY,
    ) -> None:
        # Set once.
        self.address = check_address(address or default_address())
        who = credentials or Credentials.from_environment()
        self._credentials = who.check(self.address)
        self._listener = listener
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._is_closed = False
        self._channels: dict[str, grpc.Channel] = {}
        self._stubs: dict[str, Any] = {}
        self._watches = weakref.WeakSet[Watch]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every watch and every connection."""
        with self._lock:
            self._is_closed = True
            watches = list(self._watches)
        for watch in watches:
            watch.close()
        for channel in self._channels.values():
            channel.close()

    def stub(self, service: str = "JobService") -> Any:
        """The generated stub, for what this wrapper does not offer."""
        with self._lock:
            if service not in self._stubs:
                channel = self._channel_locked("control", channels.CONTROL)
                self._stubs[service] = channels.STUBS[service](channel)
            return self._stubs[service]

    def _channel_locked(self, use: str, options: channels.Options) -> grpc.Channel:
        if self._is_closed:
            raise RuntimeError("this client is closed")
        if use not in self._channels:
            self._channels[use] = channels.blocking(
                self.address, self._credentials, options
            )
        return self._channels[use]

    # Jobs

    def job(self, job_id: str) -> "JobHandle":
        """A handle on a job; asks nothing of the daemon yet."""
        return JobHandle(self, job_id)

    def create(
        self, info: job_info_pb2.JobInfo, submit: requests.Submit = requests.PLAINLY
    ) -> "JobHandle":
        """Start a job of any kind. Sent again when an answer is lost, made once."""
        answer = self.run(plans.create(info, submit))
        is_new = not (answer.replayed or answer.existing)
        return JobHandle(self, answer.job.job_id, answer.job, is_new=is_new)

    def pull(
        self,
        top: requests.ImageName,
        *,
        base: requests.ImageName | None = None,
        backing_chain: Iterable[requests.ImageName] = (),
        allow_snapshot_loss: bool = False,
        submit: requests.Submit = requests.PLAINLY,
    ) -> "JobHandle":
        """Populate `top` from its backing chain, wholly or down to `base`.

        `allow_snapshot_loss`: also if internal snapshots of it lose data by that.
        """
        info = requests.pull_info(
            top, base, backing_chain, allow_snapshot_loss=allow_snapshot_loss
        )
        return self.create(info, submit)

    def create_group(
        self, request: job_service_pb2.CreateJobGroupRequest
    ) -> tuple["JobHandle", ...]:
        """Start jobs that become visible together or not at all."""
        answer = self.run(plans.create_group(request))
        return tuple(
            JobHandle(self, job.job_id, job, is_new=not answer.replayed)
            for job in answer.jobs
        )

    def update_group(
        self,
        group_id: str,
        rate_limit: rate_limit_pb2.RateLimit,
        *,
        paths: Iterable[str] | None = None,
    ) -> job_service_pb2.UpdateJobGroupResponse:
        """Change what the jobs of a group share now: the fields that are set, or
        those that `paths` names; one that is named and not set is taken away.
        """
        return self.run(plans.update_group(group_id, rate_limit, paths))

    def plan(
        self, info: job_info_pb2.JobInfo, submit: requests.Submit = requests.PLAINLY
    ) -> job_plan_pb2.JobPlan:
        """What a job would do; nothing happens."""
        return self.run(plans.plan(info, submit))

    def list(
        self,
        *,
        states: Iterable[JobState] = (),
        page_size: int = 0,
        select: watch_pb2.JobSelector | None = None,
    ) -> Iterator[job_pb2.Job]:
        """Jobs, newest first; pages are fetched as they are needed."""
        return self._items(plans.jobs(states, page_size, select))

    def watch(
        self, select: watch_pb2.JobSelector | None = None, **how: Unpack[How]
    ) -> Watch:
        """Jobs as they are, then every change; `watch.How` says how."""
        watcher = Watcher(select or selector(), self._listener, **how)
        watch = Watch(self._open_stream, watcher)
        with self._lock:
            self._watches.add(watch)
        return watch

    # Images and the daemon itself

    def image(
        self,
        name: requests.ImageName,
        *,
        backing_chain: Iterable[requests.ImageName] = (),
    ) -> image_pb2.Image:
        """An image and the chain below it, even while it is in use."""
        return self.run(plans.image(name, backing_chain))

    def map(
        self,
        name: requests.ImageName,
        *,
        backing_chain: Iterable[requests.ImageName] = (),
    ) -> Iterator[image_pb2.MapExtent]:
        """The extents of an image through its chain, in order."""
        return self._items(plans.extents(name, backing_chain))

    def create_image(
        self, request: image_service_pb2.CreateImageRequest
    ) -> image_pb2.Image:
        """Make an empty image or an overlay. Not sent twice: it may exist then."""
        return self.run(plans.create_image(request))

    def capabilities(self) -> system_service_pb2.GetCapabilitiesResponse:
        """What the daemon is and can do."""
        return self.run(plans.capabilities())

    def rate_limits(
        self, scope: requests.Scope | None = None
    ) -> builtins.list[rate_limit_pb2.SharedRateLimit]:
        """The limits that all jobs share, or those of one device."""
        return self.run(plans.rate_limits(scope))

    def limit(
        self,
        scope: requests.Scope,
        rate_limit: rate_limit_pb2.RateLimit,
        *,
        paths: Iterable[str] | None = None,
    ) -> rate_limit_pb2.SharedRateLimit:
        """Limit the daemon or a device now; fields and `paths` as `update_group` has
        them. What is taken away leaves what is configured.
        """
        return self.run(plans.limit(scope, rate_limit, paths))

    # The engine

    def run(self, plan: Plan[T]) -> T:
        """Drive a plan to its result."""
        answer: Any = None
        error: LongshoreError | None = None
        while True:
            try:
                step = plan.throw(error) if error else plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if error is not None:
                self._listener.failed(error)
            answer, error = self._do(step)

    def _do(self, step: Call | Sleep) -> tuple[Any, LongshoreError | None]:
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None, None
        method = getattr(self.stub(step.service), step.method)
        try:
            answer = method(
                step.request,
                timeout=step.seconds,
                metadata=channels.metadata(self._credentials),
            )
        except grpc.RpcError as error:
            return None, from_call(error)
        self._listener.heard()
        return answer, None

    def _items(self, pages: plans.Pages[Item]) -> Iterator[Item]:
        while pages.is_more:
            yield from self.run(pages.next_page())

    def _open_stream(self, request: watch_pb2.WatchJobsRequest) -> Any:
        with self._lock:
            channel = self._channel_locked("watch", channels.WATCH)
        stub = channels.STUBS["JobService"](channel)
        return stub.WatchJobs(request, metadata=channels.metadata(self._credentials))


class JobHandle:
    """A job by its id. `job` is what the last answer said, None before any.

    `expected_revision` makes a verb fail with Conflict if the job has changed since
    it had that revision; 0 does not ask.
    """

    def __init__(
        self,
        client: Client,
        job_id: str,
        job: job_pb2.Job | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        self.client = client
        self.job_id = job_id
        self.job = job
        self.is_new = is_new

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.job_id!r})"

    def _run(self, plan: Plan[job_pb2.Job]) -> job_pb2.Job:
        job = self.client.run(plan)
        if job.job_id:
            self.job = job
        return job

    def get(self) -> job_pb2.Job:
        return self._run(plans.get(self.job_id))

    def wait(
        self,
        timeout: float | None = None,
        *,
        states: Iterable[JobState] = (),
        raise_on_failure: bool = True,
    ) -> job_pb2.Job:
        """See `steps.wait`. A timeout never cancels the job."""
        wish = Wait(self.job_id, tuple(states), timeout, raise_on_failure)
        return self._run(wait(wish, time.monotonic))

    def pause(self, comment: str = "", *, expected_revision: int = 0) -> job_pb2.Job:
        return self._run(plans.pause(self.job_id, comment, expected_revision))

    def resume(self, *, expected_revision: int = 0) -> job_pb2.Job:
        return self._run(plans.resume(self.job_id, expected_revision))

    def cancel(
        self,
        comment: str = "",
        *,
        wait: bool = False,
        force: bool = False,
        expected_revision: int = 0,
    ) -> job_pb2.Job:
        """Ask for the end; with `wait` return when it has come, one way or another."""
        request = job_service_pb2.CancelJobRequest(
            job_id=self.job_id,
            comment=comment,
            force=force,
            expected_revision=expected_revision,
        )
        return self._run(plans.cancel(request, until_ended=wait, now=time.monotonic))

    def complete(
        self,
        mode: CompletionMode = job_service_pb2.COMPLETION_MODE_SWITCH,
        *,
        expected_revision: int = 0,
    ) -> job_pb2.Job:
        return self._run(plans.complete(self.job_id, mode, expected_revision))

    def finalize(self, *, expected_revision: int = 0) -> job_pb2.Job:
        return self._run(plans.finalize(self.job_id, expected_revision))

    def dismiss(
        self, *, allow_missing: bool = False, expected_revision: int = 0
    ) -> job_pb2.Job:
        """Forget the job. Answers its last word, or an empty one if it was gone."""
        return self._run(
            plans.dismiss(
                self.job_id,
                allow_missing=allow_missing,
                expected_revision=expected_revision,
            )
        )

    def set_speed(self, bytes_per_second: int | None) -> job_pb2.Job:
        """Change the rate limit now; None takes it away."""
        return self._run(plans.set_speed(self.job_id, bytes_per_second))

    def update(
        self,
        options: job_options_pb2.JobOptions,
        *,
        paths: Iterable[str] | None = None,
        expected_revision: int = 0,
    ) -> job_pb2.Job:
        """Change the options that are set, or those that `paths` names: one that is
        named and not set is taken back.
        """
        return self._run(plans.update(self.job_id, options, paths, expected_revision))

    def watch(self, **how: Unpack[How]) -> Watch:
        """This job's changes, to its end."""
        how.setdefault("stop_when_finished", True)
        return self.client.watch(selector(job_ids=(self.job_id,)), **how)
