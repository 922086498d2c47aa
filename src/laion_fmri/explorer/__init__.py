"""The explorer: a web app on top of the library, and its views for notebooks.

Needs the extra ``explorer``: ``pip install "laion-fmri-explorer[explorer]"``.

Four roles: `state` holds the user's choices, `data` answers queries from the library,
components and tabs display the answers, `app` is the shell. Views never access each other;
they communicate through `state`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laion_fmri.explorer.brain.roi_picker import RoiPicker
    from laion_fmri.explorer.brain.view import BrainView
    from laion_fmri.explorer.download.standalone import DownloadManager
    from laion_fmri.explorer.splits.inspector import SplitInspector
    from laion_fmri.explorer.tabs import Explorer
    from laion_fmri.explorer.trials.browser import TrialBrowser
    from laion_fmri.explorer.trials.image_view import ImageView
    from laion_fmri.explorer.trials.response_profile import ResponseProfile

_HOMES = {
    "BrainView": "brain.view",
    "DownloadManager": "download.standalone",
    "Explorer": "tabs",
    "ImageView": "trials.image_view",
    "ResponseProfile": "trials.response_profile",
    "RoiPicker": "brain.roi_picker",
    "SplitInspector": "splits.inspector",
    "TrialBrowser": "trials.browser",
}
__all__ = [
    "BrainView",
    "DownloadManager",
    "Explorer",
    "ImageView",
    "ResponseProfile",
    "RoiPicker",
    "SplitInspector",
    "TrialBrowser",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Panel alone displays layouts that combine views (`pn.Row(browser, view)`).
    import_module(f"{__name__}.runtime.notebook").prepare()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
