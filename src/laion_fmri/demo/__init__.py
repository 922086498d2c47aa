"""A synthetic dataset in the published layout, with a known truth.

Pictures are drawn from shapes, masks are exactly those shapes, captions describe them,
embeddings follow from them, and betas are linear in the embeddings plus noise of known
size. Brains are bent from the template that nilearn ships, so nothing is fetched.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laion_fmri.demo.profiles import PROFILES, DemoDataset
    from laion_fmri.demo.truth import DemoTruth, load_truth
    from laion_fmri.demo.write import copy_gated_stimuli, write_demo

__all__ = ["PROFILES", "DemoDataset", "DemoTruth", "copy_gated_stimuli", "load_truth", "write_demo"]

_HOMES = {
    "PROFILES": "profiles",
    "DemoDataset": "profiles",
    "DemoTruth": "truth",
    "load_truth": "truth",
    "copy_gated_stimuli": "write",
    "write_demo": "write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
