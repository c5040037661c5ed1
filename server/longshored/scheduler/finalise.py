"""Making results visible: every prepare, then every commit, on one thread.

Until the first commit all members can still be unwound, and one failure unwinds
them all. From the first commit on, going on is the only way to "all": a member
that fails then fails alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..drivers.base import FailPoint, Work
from ..job.model import Failure
from ..job.progress import Progress
from ..job.spec import Result
from .attempt import Attempt
from .reports import Claim, Report, Reports


@dataclass(frozen=True, slots=True)
class Finalised:
    """The end of those that stand, on its way to be durable, and those that fell."""

    report: Report[None] | None
    fallen: Sequence[Attempt] = ()


class Finaliser:
    """Finalises groups, one at a time; a job alone is a group of one."""

    def __init__(self, reports: Reports, fail_point: FailPoint) -> None:
        # Set once.
        self._reports = reports
        self._fail_point = fail_point

    def finalise(self, members: Sequence[Attempt]) -> Finalised:
        """Bring the members to their end; those that fell are left to be unwound."""
        failures: dict[Attempt, Failure] = {}
        results: dict[Claim, tuple[Result, Progress]] = {}
        is_visible = any(member.was_finalizing for member in members)
        for member in members:
            try:
                self._prepare(member)
            except Exception as error:  # noqa: BLE001 - a driver's bug fails its job
                failures[member] = member.failure(error)
                if not is_visible:
                    return self._all_fall(members, member, failures[member])
        self._fail_point("group.prepared")
        for member in members:
            if member in failures:
                continue
            try:
                result = self._commit(member)
            except Exception as error:  # noqa: BLE001 - as above
                failures[member] = member.failure(error)
                if not is_visible:
                    return self._all_fall(members, member, failures[member])
            else:
                is_visible = True
                progress = member.control.meter.sample()
                results[member.control.claim] = result, progress
        return self._report(results, failures)

    def _prepare(self, member: Attempt) -> None:
        _work_of(member).prepare()
        self._fail_point("job.prepared")

    def _commit(self, member: Attempt) -> Result:
        result = _work_of(member).commit()
        self._fail_point("job.committed")
        member.clean()
        self._fail_point("job.cleaned")
        return result

    def _report(
        self,
        results: dict[Claim, tuple[Result, Progress]],
        failures: dict[Attempt, Failure],
    ) -> Finalised:
        self._fail_point("group.committed")
        report = self._reports.succeeded(results)
        self._fail_point("job.ended")
        if not failures:
            return Finalised(report)
        report.made()
        for member, failure in failures.items():
            control = member.control
            self._reports.failed(control.claim, failure, control.meter.sample())
        return Finalised(report, list(failures))

    def _all_fall(
        self, members: Sequence[Attempt], first: Attempt, failure: Failure
    ) -> Finalised:
        claims = [member.control.claim for member in members]
        self._reports.fallen(claims, first.control.claim, failure)
        return Finalised(None, list(members))


def _work_of(member: Attempt) -> Work:
    assert member.work is not None, "who has worked has a work"
    return member.work
