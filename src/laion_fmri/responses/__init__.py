"""Responses to images: z-scored betas of several sessions, averaged over repeats, with tables.

`Subject.get_responses` reads them, `laion_fmri.group.Group.get_responses` those of several
subjects.

Examples
--------
>>> responses = sub.get_responses(roi="FFA1")
>>> responses.values.shape == (len(responses.images), len(responses.voxels))
True
>>> int(responses.images["repeats"].max())
12
"""

from laion_fmri.responses.container import Responses, require_responses
from laion_fmri.responses.group import GroupResponses
from laion_fmri.responses.request import ResponsesRequest, request_responses, require_sessions
from laion_fmri.zscore import z_scored

__all__ = [
    "GroupResponses",
    "Responses",
    "ResponsesRequest",
    "request_responses",
    "require_responses",
    "require_sessions",
    "z_scored",
]
