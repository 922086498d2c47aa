"""LAION-fMRI: discover, download, load and explore.

The public names are imported when they are first used, so that ``import laion_fmri``
costs nothing. `download` is in the module of that name: a package cannot show a function
where it has a module.

Examples
--------
>>> import laion_fmri
>>> sub = laion_fmri.load_subject("sub-01")
>>> sub.get_betas(session="ses-01", roi="FFA1").dtype
dtype('float32')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from laion_fmri._version import __version__

if TYPE_CHECKING:
    from laion_fmri.access import (
        accept_license,
        accept_licenses,
        login,
        logout,
        request_stimulus_access,
    )
    from laion_fmri.config import dataset_initialize, get_data_dir
    from laion_fmri.discovery import describe, get_rois, get_subjects, inspect_bucket
    from laion_fmri.download import (
        download_captions,
        download_embeddings,
        download_files,
        download_raw,
        download_segmentations,
        download_stimuli,
    )
    from laion_fmri.group import Group, load_subjects
    from laion_fmri.splits import download_splits
    from laion_fmri.stimuli.captions import Captions
    from laion_fmri.stimuli.embeddings import load_embeddings
    from laion_fmri.stimuli.hub import Stimuli, load_stimuli
    from laion_fmri.stimuli.segmentations import Segmentations
    from laion_fmri.subject import Subject, load_subject
    from laion_fmri.verification import verify

_HOME = {
    "accept_license": "access",
    "accept_licenses": "access",
    "login": "access",
    "logout": "access",
    "request_stimulus_access": "access",
    "download_splits": "splits",
    "verify": "verification",
    "dataset_initialize": "config",
    "get_data_dir": "config",
    "describe": "discovery",
    "get_rois": "discovery",
    "get_subjects": "discovery",
    "inspect_bucket": "discovery",
    "download_captions": "download",
    "download_embeddings": "download",
    "download_files": "download",
    "download_raw": "download",
    "download_segmentations": "download",
    "download_stimuli": "download",
    "Group": "group",
    "load_subjects": "group",
    "Captions": "stimuli.captions",
    "load_embeddings": "stimuli.embeddings",
    "Stimuli": "stimuli.hub",
    "load_stimuli": "stimuli.hub",
    "Segmentations": "stimuli.segmentations",
    "Subject": "subject",
    "load_subject": "subject",
}

__all__ = [
    "Captions",
    "Group",
    "Segmentations",
    "Stimuli",
    "Subject",
    "__version__",
    "accept_license",
    "accept_licenses",
    "dataset_initialize",
    "describe",
    "download_captions",
    "download_embeddings",
    "download_files",
    "download_raw",
    "download_segmentations",
    "download_splits",
    "download_stimuli",
    "get_data_dir",
    "get_rois",
    "get_subjects",
    "inspect_bucket",
    "load_embeddings",
    "load_stimuli",
    "load_subject",
    "load_subjects",
    "login",
    "logout",
    "request_stimulus_access",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
