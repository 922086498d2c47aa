"""Secret strings that are never shown: request ids and links to files."""

from __future__ import annotations

import hmac
import re
from typing import Self

from laion_fmri._errors import InvalidArgumentError

_REQUEST_ID = re.compile(r"[!-~]{1,256}")
_LIKE_A_REQUEST_ID = re.compile(r"lfm_[\w.~-]+", re.IGNORECASE)
_ENDS_SHOWN_FROM = 12  # characters; the ends of a shorter secret would reveal too much
_LONGEST_SHOWN = 300  # characters of a server's message


class Secret:
    """A string that is masked in messages and logs; only `reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself, for requests only."""
        return self._text

    def __str__(self) -> str:
        return "…"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple:
        raise TypeError(f"{self!r} is secret and is not pickled.")


class RequestId(Secret):
    """The bearer token of the stimulus images; shown as ``lfm_…3f``.

    Raises
    ------
    InvalidArgumentError
        When the text is not a valid request id; the message does not show it.
    """

    __slots__ = ()

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not _REQUEST_ID.fullmatch(text):
            raise InvalidArgumentError(
                "That is not a request id. It looks like lfm_… and has no spaces; copy it whole."
            )
        super().__init__(text)

    def __str__(self) -> str:
        if len(self._text) < _ENDS_SHOWN_FROM:
            return "…"
        start = "lfm_" if self._text.startswith("lfm_") else ""
        return f"{start}…{self._text[-2:]}"


def harmless(text: object, *secrets: Secret) -> str:
    """Make a server's text safe to show in one line.

    Mask `secrets` and anything that looks like a request id, remove control characters, and
    truncate long text.
    """
    said = str(text)
    for secret in secrets:
        said = said.replace(secret.reveal(), str(secret))
    said = _LIKE_A_REQUEST_ID.sub("lfm_…", said)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 1]}…"
