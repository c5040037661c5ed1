"""Which jobs a list or a watch is about, and by what they are indexed. Pure.

A facet is a text that jobs have in common: a label, a kind, a domain. The
table `facets` holds every job under each of its facets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..job.model import Job
from ..job.states import State

ALL = "*"
"""The facet of every job."""

# The key of a node that is a domain is this and its uuid.
DOMAIN_KEY = "domain:"


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Every part that is given must hold; an empty query matches every job.

    Of `job_ids`, `kinds`, `domain_ids`, `group_ids` and `states` one must
    match, of `labels` all. A kind may be a whole subsystem: "block.*".
    """

    job_ids: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    domain_ids: frozenset[str] = frozenset()
    group_ids: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()

    def matches(self, job: Job) -> bool:
        if self.job_ids and job.job_id not in self.job_ids:
            return False
        if self.states and job.state not in self.states:
            return False
        if self.kinds and self.kinds.isdisjoint(_kinds(job)):
            return False
        if self.domain_ids and self.domain_ids.isdisjoint(_domains(job)):
            return False
        if self.group_ids and _group_id(job) not in self.group_ids:
            return False
        return all(job.labels.get(key) == value for key, value in self.labels.items())

    def facets(self) -> list[tuple[str, ...]]:
        """What to look up: of each group of facets a job must have at least one."""
        groups: list[tuple[str, ...]] = [
            (_label(key, value),) for key, value in self.labels.items()
        ]
        if self.kinds:
            groups.append(tuple(sorted(_kind(kind) for kind in self.kinds)))
        if self.domain_ids:
            groups.append(tuple(sorted(_domain(uuid) for uuid in self.domain_ids)))
        if self.group_ids:
            groups.append(tuple(sorted(group_facet(name) for name in self.group_ids)))
        return groups or [(ALL,)]


def facets_of(job: Job) -> frozenset[str]:
    """Under what a job is found. Nothing of this may change in a job's life."""
    labels = (_label(key, value) for key, value in job.labels.items())
    kinds = (_kind(kind) for kind in _kinds(job))
    domains = (_domain(uuid) for uuid in _domains(job))
    groups = () if job.group is None else (group_facet(job.group.group_id),)
    return frozenset((ALL, *labels, *kinds, *domains, *groups))


def _kinds(job: Job) -> tuple[str, str]:
    return job.kind, f"{job.kind.partition('.')[0]}.*"


def _domains(job: Job) -> Iterator[str]:
    for node in job.nodes:
        if node.key.startswith(DOMAIN_KEY):
            yield node.key.removeprefix(DOMAIN_KEY)


def _group_id(job: Job) -> str | None:
    return None if job.group is None else job.group.group_id


def _label(key: str, value: str) -> str:
    # Without the escape, "a=b" = "c" and "a" = "b=c" would be one facet.
    escaped = key.replace("%", "%25").replace("=", "%3D")
    return f"label {escaped}={value}"


def _kind(kind: str) -> str:
    return f"kind {kind}"


def group_facet(group_id: str) -> str:
    """The facet of every job of a group."""
    return f"group {group_id}"


def _domain(uuid: str) -> str:
    return f"domain {uuid}"
