"""The dataset's licence: accepted once for each data directory."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

from laion_fmri import layout
from laion_fmri._errors import ConfigError, LicenseNotAcceptedError
from laion_fmri.access.form import Ask, can_answer
from laion_fmri.atomic_write import write_atomically
from laion_fmri.config import load_settings

LICENSE = "CC0 1.0"
LICENSE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
LICENSE_TEXT = (
    "The fMRI data and public derivatives of LAION-fMRI are released under CC0 1.0 "
    f"({LICENSE_URL}): use them for anything, with no warranty. The stimulus images are not "
    "included; they are under a data use agreement of their own."
)

_AGREED = ("i agree", "yes", "y")


def is_license_accepted(data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Return whether the licence has been accepted for the data directory."""
    root = load_settings(data_dir=data_dir).require_data_dir()
    return (root / layout.LICENSE_MARKER).is_file()


def accept_license(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Accept the licence for the data directory and return the path of the marker file.

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


def accept_licenses(
    include_stimuli: bool = False,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    ask: Ask | None = None,
) -> None:
    """Ask the user to accept the licence and the agreement, in the terminal or notebook.

    Parameters
    ----------
    include_stimuli : bool
        Also fill in the form of the data use agreement of the stimulus images.
    data_dir : path, optional
        Instead of the configured one.
    ask : callable, optional
        Instead of `input`.

    Raises
    ------
    LicenseNotAcceptedError
        When the licence is declined, or there is no terminal.
    AccessNotFoundError, InvalidArgumentError, AccessServiceError
        When the agreement is not accepted.
    """
    settings = load_settings(data_dir=data_dir)
    obtain_license(settings.require_data_dir(), ask=ask)
    if include_stimuli:
        from laion_fmri.access.agreement import require_access
        from laion_fmri.access.files import stimulus_source

        require_access(stimulus_source(settings), ask)


def obtain_license(data_dir: Path, accept: bool = False, ask: Ask | None = None) -> None:
    """Check that the licence is accepted; otherwise ask the user, where possible.

    Parameters
    ----------
    data_dir : Path
    accept : bool
        Accept without asking.
    ask : callable, optional
        Instead of `input`.

    Raises
    ------
    LicenseNotAcceptedError
        When it is declined, or there is no terminal.
    """
    if accept:
        accept_license(data_dir)
    if is_license_accepted(data_dir) or (ask is None and not can_answer()):
        require_license(data_dir)
        return
    print(LICENSE_TEXT)
    try:
        said = (ask or input)("Type I AGREE to accept it for this data directory: ")
    except (EOFError, NotImplementedError):  # the latter in a non-interactive notebook
        said = ""
    if " ".join(said.split()).strip("\"'.").lower() not in _AGREED:
        raise LicenseNotAcceptedError(
            "The licence was not accepted; nothing was fetched. Run it again and type I AGREE, or "
            "call laion_fmri.accept_license()."
        )
    accept_license(data_dir)


def require_license(data_dir: Path) -> None:
    """Check that the licence is accepted.

    Raises
    ------
    LicenseNotAcceptedError
        With instructions on how to accept.
    """
    if not is_license_accepted(data_dir):
        raise LicenseNotAcceptedError(
            f"The dataset's licence ({LICENSE}, {LICENSE_URL}) has not been accepted for "
            f"{data_dir}. Accept it once with laion_fmri.accept_license(), with "
            "download(…, accept_license=True) or with `laion-fmri download --accept-license …`."
        )
