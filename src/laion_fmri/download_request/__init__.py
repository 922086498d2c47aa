"""Download by kind of data, such as a subject's betas, ROIs or anatomy.

A `Request` names subjects, sessions and kinds of data (`CHOICES`). `plan_request` returns its plan,
with equivalent Python and shell commands. The Download tab of the explorer uses them.
"""

from laion_fmri.download_request.choices import CHOICES, Choice
from laion_fmri.download_request.plan import PlanFacts, plan_request, read_offer
from laion_fmri.download_request.request import (
    Call,
    Offer,
    Request,
    SubjectOffer,
    calls,
    needs_images,
)

__all__ = [
    "CHOICES", "Call", "Choice", "Offer", "PlanFacts", "Request", "SubjectOffer", "calls",
    "needs_images", "plan_request", "read_offer",
]  # fmt: skip
