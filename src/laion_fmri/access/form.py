"""The form of the data use agreement: its questions, valid answers, and prompts."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from laion_fmri._errors import InvalidArgumentError

SHORTEST_PURPOSE = 20  # characters
_LONGEST = {
    "name": 200,
    "email": 254,
    "institution": 300,
    "pi_or_supervisor": 200,
    "research_purpose": 5000,
}
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")

QUESTIONS: Mapping[str, str] = {
    "name": "Your name",
    "email": "Your institutional e-mail address",
    "institution": "Your institution",
    "pi_or_supervisor": "Your PI or supervisor",
    "research_purpose": f"What you will use the images for ({SHORTEST_PURPOSE} characters or more)",
    "accepted_terms": "I accept the terms",
    "acknowledged_privacy": "I have read how my data are handled",
}
"""The question of each field, in the order of the form."""

BOXES = ("accepted_terms", "acknowledged_privacy")
"""The fields that are checkboxes."""

Ask = Callable[[str], str]


@dataclass(frozen=True)
class StimulusRequest:
    """The filled-in form.

    Attributes
    ----------
    name, email, institution, pi_or_supervisor, research_purpose : str
    accepted_terms, acknowledged_privacy : bool
    """

    name: str = ""
    email: str = ""
    institution: str = ""
    pi_or_supervisor: str = ""
    research_purpose: str = ""
    accepted_terms: bool = False
    acknowledged_privacy: bool = False

    def problems(self) -> dict[str, str]:
        """Return the problem of each invalid field, in the order of the form."""
        found = {field: _problem(field, value) for field, value in asdict(self).items()}
        return {field: problem for field, problem in found.items() if problem}

    def answers(self) -> dict[str, str | bool]:
        """Return the fields as they are sent, stripped of surrounding whitespace."""
        return {f: v.strip() if isinstance(v, str) else v for f, v in asdict(self).items()}

    def require_valid(self) -> None:
        """Raise an error when the form is invalid.

        Raises
        ------
        InvalidArgumentError
            When a field is invalid; every invalid field is named.
        """
        if problems := self.problems():
            told = "; ".join(f"{field}: {problem}" for field, problem in problems.items())
            raise InvalidArgumentError(f"The form cannot be sent. {told}")


def _problem(field: str, value: object) -> str:
    """Return the problem with one answer; empty when it is valid."""
    if field in BOXES:
        return "" if value is True else "This must be agreed to."
    if not isinstance(value, str):
        return "This must be text."
    text, longest = value.strip(), _LONGEST[field]
    allowed = "\n\r\t" if field == "research_purpose" else ""
    if not text:
        return "This must not be empty."
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in allowed for c in text):
        return "This holds characters that cannot be printed."
    if len(text) > longest:
        return f"This is too long: {len(text)} characters, at most {longest}."
    if field == "email" and not _EMAIL.fullmatch(text):
        return "This is not an e-mail address (name@institution.org)."
    if field == "research_purpose" and len(text) < SHORTEST_PURPOSE:
        return f"This is too short: {len(text)} characters, at least {SHORTEST_PURPOSE}."
    return ""


def unanswered(given: Mapping[str, str | bool]) -> list[str]:
    """Return the unanswered fields, in the order of the form.

    Raises
    ------
    InvalidArgumentError
        When a given answer is invalid.
    """
    problems = {field: _problem(field, value) for field, value in given.items()}
    told = "; ".join(f"{field}: {problem}" for field, problem in problems.items() if problem)
    if told:
        raise InvalidArgumentError(f"The form cannot be sent. {told}")
    return [field for field in QUESTIONS if field not in given]


def fill_in(
    given: Mapping[str, str | bool], ask: Ask, say: Callable[[str], None]
) -> StimulusRequest:
    """Complete the form, prompting for missing answers until each is valid.

    Raises
    ------
    InvalidArgumentError
        When a given answer is invalid, or the terms are declined.
    """
    asked = {field: _answer(field, ask, say) for field in unanswered(given)}
    return StimulusRequest(**given, **asked)  # type: ignore[arg-type]


def can_answer() -> bool:
    """Whether a user at a terminal or a notebook can answer prompts."""
    if _is_notebook():
        return True
    streams = (sys.stdin, sys.stdout)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _answer(field: str, ask: Ask, say: Callable[[str], None]) -> str | bool:
    """Ask one question until the answer is valid."""
    question = f"{QUESTIONS[field]} [yes/no]: " if field in BOXES else f"{QUESTIONS[field]}: "
    while True:
        try:
            said = ask(question).strip()
        except (EOFError, NotImplementedError):  # the latter in a non-interactive notebook
            raise InvalidArgumentError(
                "The form was not finished. Nothing was sent or stored."
            ) from None
        if field not in BOXES:
            problem = _problem(field, said)
            if not problem:
                return said
        elif said.lower() in ("y", "yes"):
            return True
        elif said.lower() in ("n", "no"):
            raise InvalidArgumentError(
                "Without this there is no access to the images. Nothing was sent or stored."
            )
        else:
            problem = "Answer yes or no."
        say(f"  {problem}")
