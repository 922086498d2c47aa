"""Error messages for the page, and placeholders for what cannot be displayed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from laion_fmri._errors import (
    DataDirNotSetError,
    LaionFmriError,
    StimuliNotDownloadedError,
)

T = TypeVar("T")
log = logging.getLogger("laion_fmri.explorer")

_CALL = re.compile(r"`?laion-fmri |laion_fmri\.\w|\bdownload\w*\(")
_ASIDE = re.compile(r" \(`laion-fmri [^)]*\)")


def explain(error: BaseException) -> str:
    """Return a message for the user: the library's own, without the commands that it suggests.

    Other errors are logged, and the message only says that something failed.
    """
    if isinstance(error, DataDirNotSetError):
        return "No data directory is set. The Discover tab asks for one."
    if isinstance(error, LaionFmriError):
        return _without_commands(str(error))
    log.exception("Unexpected error", exc_info=error)
    return (
        f"An unexpected error occurred ({type(error).__name__}). The rest of the page still "
        "works; the server's log has the details."
    )


def _without_commands(text: str) -> str:
    """Remove the sentences that name a command or a function from an error message."""
    sentences = re.split(r"(?<=[.:!?]) (?=\W?\w)", _ASIDE.sub("", text))
    rest = [sentence for sentence in sentences if not _CALL.search(sentence)]
    if len(rest) < len(sentences) and "download" in text:
        rest.append("The Download tab fetches it.")
    return " ".join(rest) or text


@dataclass(frozen=True)
class Absent:
    """A part of a view that cannot be displayed, and why."""

    reason: str
    not_downloaded: bool = False


def or_absent(read: Callable[[], T]) -> T | Absent:
    """Return the result of `read`, or why it failed; the other parts still load."""
    try:
        return read()
    except StimuliNotDownloadedError as error:
        return Absent(explain(error), not_downloaded=True)
    except Exception as error:  # any error affects this part only
        return Absent(explain(error))
