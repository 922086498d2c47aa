"""LAION-fMRI: discover, download, load and explore.

The public names are imported on first use, so that ``import laion_fmri`` is cheap. `download` stays
in the module of that name, because a package attribute cannot be a function and a submodule at
once.

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

from laion_fmri._errors import (
    AccessDeniedError,
    AccessNotFoundError,
    AccessRevokedError,
    AccessServiceError,
    AccessServiceUnavailableError,
    BucketError,
    BucketUnreachableError,
    CancelledError,
    ConfigError,
    DamagedFileError,
    DataDirNotSetError,
    DataNotDownloadedError,
    DataNotFoundError,
    FormRefusedError,
    InconsistentDataError,
    InvalidArgumentError,
    LaionFmriError,
    LicenseNotAcceptedError,
    MissingDependencyError,
    NetworkError,
    NoMatchingDataError,
    NotAllowedError,
    NotEnoughMemoryError,
    ObjectChangedError,
    ObjectNotFoundError,
    RowNotFoundError,
    StimuliNotDownloadedError,
    StimuliNotFetchedError,
    StoreError,
    SubjectNotFoundError,
    TemporaryBucketError,
    TermsOutdatedError,
    TransferError,
    TrialNotFoundError,
    UnknownNameError,
    UnreadableFileError,
    UnsafeKeyError,
)
from laion_fmri._version import __version__

if TYPE_CHECKING:
    from laion_fmri.access import (
        accept_license,
        accept_licenses,
        login,
        logout,
        request_stimulus_access,
    )
    from laion_fmri.analysis.decoding import Decoding, decode
    from laion_fmri.analysis.encoding import (
        Encoding,
        RidgeEncoder,
        encode,
        split_cv,
        variance_partition,
    )
    from laion_fmri.analysis.neighbours import nearest_images, similar_trials
    from laion_fmri.analysis.rdm_comparison import RdmComparison, compare_rdms
    from laion_fmri.analysis.reliability import (
        ncsnr,
        noise_ceiling,
        reliability_table,
        split_half,
    )
    from laion_fmri.analysis.roi_responses import roi_response_table
    from laion_fmri.analysis.rsa import RDM, rdm
    from laion_fmri.analysis.searchlight import searchlight
    from laion_fmri.availability import dataset_availability
    from laion_fmri.config import dataset_initialize, get_data_dir, set_data_dir
    from laion_fmri.discovery import describe, get_rois, get_subjects, inspect_bucket
    from laion_fmri.download import (
        download_captions,
        download_embeddings,
        download_files,
        download_raw,
        download_segmentations,
        download_stimuli,
    )
    from laion_fmri.features import (
        Features,
        as_features,
        list_features,
        register_features,
        remove_features,
    )
    from laion_fmri.file_preview import preview_file
    from laion_fmri.file_table import find_files
    from laion_fmri.group import Group, load_subjects
    from laion_fmri.layout import resolve_subject_id
    from laion_fmri.responses import GroupResponses, Responses
    from laion_fmri.splits import download_splits, load_split
    from laion_fmri.stimuli.caption_search import search_captions
    from laion_fmri.stimuli.captions import Captions
    from laion_fmri.stimuli.embeddings import Embeddings, load_embeddings
    from laion_fmri.stimuli.hub import Stimuli, load_stimuli
    from laion_fmri.stimuli.pictures import as_displayed_rgb
    from laion_fmri.stimuli.segmentations import Segmentations
    from laion_fmri.subject import Subject, load_subject
    from laion_fmri.trial_selection.selection import select_trials
    from laion_fmri.verification import verify
    from laion_fmri.zscore import z_scored

_HOME = {
    "accept_license": "access",
    "accept_licenses": "access",
    "login": "access",
    "logout": "access",
    "request_stimulus_access": "access",
    "download_splits": "splits",
    "load_split": "splits",
    "verify": "verification",
    "dataset_initialize": "config",
    "get_data_dir": "config",
    "set_data_dir": "config",
    "Responses": "responses",
    "resolve_subject_id": "layout",
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
    "GroupResponses": "responses",
    "load_subjects": "group",
    "Encoding": "analysis.encoding",
    "RidgeEncoder": "analysis.encoding",
    "encode": "analysis.encoding",
    "split_cv": "analysis.encoding",
    "variance_partition": "analysis.encoding",
    "nearest_images": "analysis.neighbours",
    "similar_trials": "analysis.neighbours",
    "roi_response_table": "analysis.roi_responses",
    "Decoding": "analysis.decoding",
    "decode": "analysis.decoding",
    "RdmComparison": "analysis.rdm_comparison",
    "compare_rdms": "analysis.rdm_comparison",
    "ncsnr": "analysis.reliability",
    "noise_ceiling": "analysis.reliability",
    "reliability_table": "analysis.reliability",
    "split_half": "analysis.reliability",
    "RDM": "analysis.rsa",
    "rdm": "analysis.rsa",
    "searchlight": "analysis.searchlight",
    "dataset_availability": "availability",
    "Features": "features",
    "as_features": "features",
    "list_features": "features",
    "register_features": "features",
    "remove_features": "features",
    "find_files": "file_table",
    "preview_file": "file_preview",
    "select_trials": "trial_selection.selection",
    "search_captions": "stimuli.caption_search",
    "Captions": "stimuli.captions",
    "Embeddings": "stimuli.embeddings",
    "load_embeddings": "stimuli.embeddings",
    "as_displayed_rgb": "stimuli.pictures",
    "Stimuli": "stimuli.hub",
    "load_stimuli": "stimuli.hub",
    "Segmentations": "stimuli.segmentations",
    "Subject": "subject",
    "load_subject": "subject",
    "z_scored": "zscore",
}

__all__ = [
    "RDM",
    "AccessDeniedError",
    "AccessNotFoundError",
    "AccessRevokedError",
    "AccessServiceError",
    "AccessServiceUnavailableError",
    "BucketError",
    "BucketUnreachableError",
    "CancelledError",
    "Captions",
    "ConfigError",
    "DamagedFileError",
    "DataDirNotSetError",
    "DataNotDownloadedError",
    "DataNotFoundError",
    "Decoding",
    "Embeddings",
    "Encoding",
    "Features",
    "FormRefusedError",
    "Group",
    "GroupResponses",
    "InconsistentDataError",
    "InvalidArgumentError",
    "LaionFmriError",
    "LicenseNotAcceptedError",
    "MissingDependencyError",
    "NetworkError",
    "NoMatchingDataError",
    "NotAllowedError",
    "NotEnoughMemoryError",
    "ObjectChangedError",
    "ObjectNotFoundError",
    "RdmComparison",
    "Responses",
    "RidgeEncoder",
    "RowNotFoundError",
    "Segmentations",
    "Stimuli",
    "StimuliNotDownloadedError",
    "StimuliNotFetchedError",
    "StoreError",
    "Subject",
    "SubjectNotFoundError",
    "TemporaryBucketError",
    "TermsOutdatedError",
    "TransferError",
    "TrialNotFoundError",
    "UnknownNameError",
    "UnreadableFileError",
    "UnsafeKeyError",
    "__version__",
    "accept_license",
    "accept_licenses",
    "as_displayed_rgb",
    "as_features",
    "compare_rdms",
    "dataset_availability",
    "dataset_initialize",
    "decode",
    "describe",
    "download_captions",
    "download_embeddings",
    "download_files",
    "download_raw",
    "download_segmentations",
    "download_splits",
    "download_stimuli",
    "encode",
    "find_files",
    "get_data_dir",
    "get_rois",
    "get_subjects",
    "inspect_bucket",
    "list_features",
    "load_embeddings",
    "load_split",
    "load_stimuli",
    "load_subject",
    "load_subjects",
    "login",
    "logout",
    "ncsnr",
    "nearest_images",
    "noise_ceiling",
    "preview_file",
    "rdm",
    "register_features",
    "reliability_table",
    "remove_features",
    "request_stimulus_access",
    "resolve_subject_id",
    "roi_response_table",
    "search_captions",
    "searchlight",
    "select_trials",
    "set_data_dir",
    "similar_trials",
    "split_cv",
    "split_half",
    "variance_partition",
    "verify",
    "z_scored",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
