"""Output of commands, robust to old encodings, closed pipes, full disks and missing consoles."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from contextlib import suppress
from typing import TextIO

_ERRORS = "laion_fmri.plain"
_PLAIN = {"…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "·": "*", "²": "2", "³": "3"}
_CLOSED = (errno.EPIPE, errno.ESHUTDOWN, errno.EINVAL)  # the last on Windows


def prepare() -> None:
    """Make output work if its encoding lacks a character, or if there is no output."""
    codecs.register_error(_ERRORS, _written_plainly)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell, or a program without a console
            nothing = open(os.devnull, "w", encoding="utf-8", errors=_ERRORS)  # noqa: SIM115, PTH123
            setattr(sys, name, nothing)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def say(message: str) -> None:
    """Write a line to standard error; a failure is ignored."""
    with suppress(OSError, ValueError):
        print(message, file=sys.stderr, flush=True)


def give_up(stream: TextIO) -> None:
    """Discard a stream's buffered and later output."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, stream.fileno())
        finally:
            os.close(nothing)
        stream.flush()


def give_up_lost_messages() -> None:
    """Discard unwritten messages of standard error, which Python would write at exit."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        give_up(sys.stderr)


def is_closed(problem: OSError) -> bool:
    """Whether the reader of a pipe has closed it, as `head` does."""
    return problem.errno in _CLOSED


def _written_plainly(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: replace by similar ASCII characters, or else escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or _escaped(c) for c in text), error.end


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")
