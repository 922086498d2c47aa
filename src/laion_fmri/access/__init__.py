"""Authorization: the dataset's licence and the data use agreement of the stimulus images.

The licence (CC0) is accepted once for each data directory. An access service provides the stimulus
images to users who accept its agreement, and issues a request id, which is a secret and is never
shown.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from laion_fmri.access.licence import (
    LICENSE,
    LICENSE_TEXT,
    LICENSE_URL,
    accept_license,
    accept_licenses,
    is_license_accepted,
    obtain_license,
    require_license,
)

if TYPE_CHECKING:
    from laion_fmri.access.agreement import login, logout, request_stimulus_access, require_access
    from laion_fmri.access.answers import Grant, Manifest, ServedFile
    from laion_fmri.access.credentials import (
        Credentials,
        forget_credentials,
        load_credentials,
        save_credentials,
    )
    from laion_fmri.access.files import AccessFiles, stimulus_source
    from laion_fmri.access.form import StimulusRequest
    from laion_fmri.access.secret import RequestId
    from laion_fmri.access.service import AccessService

__all__ = [
    "LICENSE",
    "LICENSE_TEXT",
    "LICENSE_URL",
    "AccessFiles",
    "AccessService",
    "Credentials",
    "Grant",
    "Manifest",
    "RequestId",
    "ServedFile",
    "StimulusRequest",
    "accept_license",
    "accept_licenses",
    "forget_credentials",
    "is_license_accepted",
    "load_credentials",
    "login",
    "logout",
    "obtain_license",
    "request_stimulus_access",
    "require_access",
    "require_license",
    "save_credentials",
    "stimulus_source",
]

_HOMES = {
    "AccessFiles": "files",
    "AccessService": "service",
    "Credentials": "credentials",
    "Grant": "answers",
    "Manifest": "answers",
    "RequestId": "secret",
    "ServedFile": "answers",
    "StimulusRequest": "form",
    "forget_credentials": "credentials",
    "load_credentials": "credentials",
    "login": "agreement",
    "logout": "agreement",
    "request_stimulus_access": "agreement",
    "require_access": "agreement",
    "save_credentials": "credentials",
    "stimulus_source": "files",
}


def __getattr__(name: str) -> Any:
    # Most commands do not use the access service and need not import its client.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
