"""The explorer: a web app over the library, and its parts for notebooks.

Needs the extra ``explorer``: ``pip install "laion-fmri-explorer[explorer]"``.

Four roles: `state` holds what the user has chosen, `data` answers questions from the
library, components and tabs show it, `app` is the shell. A view never reaches into
another view; they meet in `state`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laion_fmri.explorer.components.brain_view import BrainView
    from laion_fmri.explorer.components.image_view import ImageView
    from laion_fmri.explorer.components.response_profile import ResponseProfile
    from laion_fmri.explorer.components.roi_picker import RoiPicker
    from laion_fmri.explorer.components.split_inspector import SplitInspector
    from laion_fmri.explorer.components.trial_browser import TrialBrowser
    from laion_fmri.explorer.download_manager import DownloadManager
    from laion_fmri.explorer.shell import Explorer

_HOMES = {
    "BrainView": "components.brain_view",
    "DownloadManager": "download_manager",
    "Explorer": "shell",
    "ImageView": "components.image_view",
    "ResponseProfile": "components.response_profile",
    "RoiPicker": "components.roi_picker",
    "SplitInspector": "components.split_inspector",
    "TrialBrowser": "components.trial_browser",
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
    # What is put together of parts (`pn.Row(browser, view)`) is drawn by Panel alone.
    import_module(f"{__name__}.notebook").prepare()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
