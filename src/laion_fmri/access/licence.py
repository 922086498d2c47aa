"""The dataset's licence: accepted once for each data directory."""

from __future__ import annotations

import datetime
import json
import os
import warnings
from pathlib import Path

from laion_fmri import layout
from laion_fmri._errors import ConfigError, LicenseNotAcceptedError
from laion_fmri.config import load_settings, write_atomically

LICENSE = "CC0 1.0"
LICENSE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
LICENSE_TEXT = (
    "The fMRI data and public derivatives of LAION-fMRI are released under CC0 1.0 "
    f"({LICENSE_URL}): use them for anything, with no warranty. The stimulus images are not "
    "included; they are under a data use agreement of their own."
)


def is_license_accepted(data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether the licence has been accepted for the data directory."""
    root = load_settings(data_dir=data_dir).require_data_dir()
    return (root / layout.LICENSE_MARKER).is_file()


def accept_license(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Accept the licence for the data directory; returns the marker file.

    Raises
    ------
    DataDirNotSetError
    ConfigError
        When the marker cannot be written.
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    marker = root / layout.LICENSE_MARKER
    if not marker.is_file():
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        text = json.dumps({"license": LICENSE, "accepted_at": now}, indent=2) + "\n"
        try:
            write_atomically(marker, text)
        except OSError as error:
            raise ConfigError(
                f"{marker} cannot be written ({error.strerror or error}). Choose a data directory "
                "that you may write to."
            ) from error
    return marker


def accept_licenses(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The former name of `accept_license`."""
    warnings.warn("accept_licenses is now called accept_license.", DeprecationWarning, stacklevel=2)
    return accept_license(data_dir)


def require_license(data_dir: Path) -> None:
    """Refuse to go on before the licence is accepted.

    Raises
    ------
    LicenseNotAcceptedError
        Saying how to accept.
    """
    if not is_license_accepted(data_dir):
        raise LicenseNotAcceptedError(
            f"The dataset's licence ({LICENSE}, {LICENSE_URL}) has not been accepted for "
            f"{data_dir}. Accept it once with laion_fmri.access.accept_license(), with "
            "download(…, accept_license=True) or with `laion-fmri download --accept-license …`."
        )
