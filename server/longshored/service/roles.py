"""Who may do what: the role that each method of the contract needs, in one table.

Jobs belong to nobody in this: an operator acts on every job, whoever made it. The
owner of a job says whom to ask, not who may.
"""

from collections.abc import Mapping
from enum import IntEnum


class Role(IntEnum):
    """Each may do what those before it may."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


ROLES = {str(role): role for role in Role}

NEEDS: Mapping[str, Role] = {
    # Looking.
    "GetJob": Role.VIEWER,
    "ListJobs": Role.VIEWER,
    "WatchJobs": Role.VIEWER,
    "WaitJob": Role.VIEWER,
    "PlanJob": Role.VIEWER,
    "GetImage": Role.VIEWER,
    "MapImage": Role.VIEWER,
    "GetCapabilities": Role.VIEWER,
    "GetRateLimits": Role.VIEWER,
    # Making and steering jobs.
    "CreateJob": Role.OPERATOR,
    "CreateJobGroup": Role.OPERATOR,
    "CreateImage": Role.OPERATOR,
    "UpdateJob": Role.OPERATOR,
    "UpdateJobGroup": Role.OPERATOR,
    "PauseJob": Role.OPERATOR,
    "ResumeJob": Role.OPERATOR,
    "CancelJob": Role.OPERATOR,
    "CompleteJob": Role.OPERATOR,
    "FinalizeJob": Role.OPERATOR,
    "DismissJob": Role.OPERATOR,
    # What every job of the host feels.
    "UpdateRateLimits": Role.ADMIN,
}
