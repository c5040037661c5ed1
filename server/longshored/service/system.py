"""SystemService: this daemon's tables, caps and names as data; what all jobs share."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from longshore.v1 import rate_limit_pb2
from longshore.v1 import system_service_pb2 as pb

from .. import __version__
from ..block.roots import Roots
from ..drivers.images import device_of
from ..errors import field_invalid
from ..job.states import FINAL, MOVES, VERBS, State, Verb
from ..scheduler.limits import DAEMON, SharedLimits
from ..scheduler.newjob import Caller
from . import checks, enums, jobs, wiretime
from .crossing import Crossing
from .images import image_path
from .requests import rate_change
from .translate_limit import device, limit_to_proto
from .translate_spec import LONGEST_CHAIN, kinds
from .wait import LONGEST_WAIT

API_VERSIONS = ("longshore.v1",)


@dataclass(frozen=True, slots=True)
class About:
    """What only the wiring knows. Retention in seconds; None: for ever."""

    history_id: str
    epoch: int
    host: str
    roots: tuple[str, ...]
    served: Mapping[str, Collection[Verb]]
    retention: Mapping[State, float | None]
    watch_count: int
    client_watch_count: int
    unfinished_job_count: int
    running_job_count: int


class SystemService:
    def __init__(
        self,
        *,
        about: About,
        limits: SharedLimits,
        roots: Roots,
        verbs: Crossing,
        reads: Crossing,
    ) -> None:
        # Replaced as a whole, on the loop.
        self.about = about
        # Set once.
        self._limits = limits
        self._roots = roots
        self._verbs = verbs
        self._reads = reads

    async def GetCapabilities(
        self, request: pb.GetCapabilitiesRequest, caller: Caller
    ) -> pb.GetCapabilitiesResponse:
        about = self.about
        return pb.GetCapabilitiesResponse(
            version=__version__,
            api_versions=API_VERSIONS,
            kinds=[_kind(kind, about.served.get(kind)) for kind in kinds()],
            states=[_state(state) for state in State],
            actions=[_verb(verb) for verb in Verb],
            limits=_limits(about),
            retention=[
                _retention(state, about.retention[state])
                for state in State
                if state in about.retention
            ],
            history_id=about.history_id,
            epoch=about.epoch,
            host=about.host,
            roots=about.roots,
        )

    async def GetRateLimits(
        self, request: pb.GetRateLimitsRequest, caller: Caller
    ) -> pb.GetRateLimitsResponse:
        if request.HasField("scope"):
            found = [self._limits.get(await self._level(request.scope))]
        else:
            found = self._limits.all()
        return pb.GetRateLimitsResponse(
            rate_limits=[limit_to_proto(limit) for limit in found]
        )

    async def UpdateRateLimits(
        self, request: pb.UpdateRateLimitsRequest, caller: Caller
    ) -> pb.UpdateRateLimitsResponse:
        change = rate_change(request)
        level = await self._level(request.scope)
        limit = await self._verbs.call(self._limits.update, level, change, caller)
        return pb.UpdateRateLimitsResponse(rate_limit=limit_to_proto(limit))

    async def _level(self, scope: rate_limit_pb2.RateLimitScope) -> str:
        match scope.WhichOneof("scope"):
            case "daemon":
                return DAEMON
            case "device":
                return device("scope.device", scope.device)
            case "image_uri":
                return await self._reads.call(self._device_of, scope.image_uri)
            case _:
                raise field_invalid(
                    "scope", "Required: one of daemon, device, image_uri"
                )

    def _device_of(self, uri: str) -> str:
        """The device that an image lies on; the image itself is not opened."""
        place = self._roots.resolve(image_path("scope.image_uri", uri))
        return device_of(self._roots.identify(place))


def _kind(kind: str, verbs: Collection[Verb] | None) -> pb.JobKindCapability:
    known = () if verbs is None else verbs
    return pb.JobKindCapability(
        job_type=kind,
        served=verbs is not None,
        actions=[enums.ACTIONS[verb] for verb in Verb if verb in known],
    )


def _state(state: State) -> pb.JobStateCapability:
    return pb.JobStateCapability(
        state=enums.STATES[state],
        next_states=[enums.STATES[one] for one in State if one in MOVES[state]],
        is_final=state in FINAL,
    )


def _verb(verb: Verb) -> pb.JobActionCapability:
    return pb.JobActionCapability(
        action=enums.ACTIONS[verb],
        states=[enums.STATES[one] for one in State if one in VERBS[verb]],
    )


def _retention(state: State, seconds: float | None) -> pb.RetentionRule:
    rule = pb.RetentionRule(state=enums.STATES[state])
    if seconds is not None:
        rule.age.CopyFrom(wiretime.duration(seconds))
    return rule


def _limits(about: About) -> pb.Limits:
    return pb.Limits(
        job_id_bytes=checks.JOB_ID_BYTES,
        label_count=checks.MOST_LABELS,
        label_key_bytes=checks.LABEL_KEY_BYTES,
        label_value_bytes=checks.LABEL_VALUE_BYTES,
        comment_bytes=checks.COMMENT_BYTES,
        job_bytes=checks.JOB_BYTES,
        request_bytes=checks.REQUEST_BYTES,
        default_page_size=jobs.DEFAULT_PAGE,
        page_size=jobs.LARGEST_PAGE,
        watch_count=about.watch_count,
        client_watch_count=about.client_watch_count,
        unfinished_job_count=about.unfinished_job_count,
        running_job_count=about.running_job_count,
        group_member_count=checks.MOST_MEMBERS,
        chain_length=LONGEST_CHAIN,
        wait_timeout=wiretime.duration(LONGEST_WAIT),
    )
