"""Commands of the data use agreement."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

_ANSWERS = {
    "name": "your name",
    "email": "your e-mail address",
    "institution": "your university or company",
    "pi_or_supervisor": "your PI or supervisor",
    "research_purpose": "what you will use the images for, 20 characters or more",
}
_BOXES = {
    "accept_terms": "accept the terms of use",
    "acknowledge_privacy": "acknowledge the privacy notice",
}


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add ``request-access``, ``login`` and ``logout``."""
    request = commands.add_parser(
        "request-access",
        help="fill in the form of the data use agreement of the images",
        description="Asks for missing answers. Shows the terms before it sends anything.",
    )
    for name, help_text in _ANSWERS.items():
        request.add_argument(_flag(name), metavar="TEXT", help=help_text)
    for name, help_text in _BOXES.items():
        request.add_argument(_flag(name), action="store_true", help=help_text)
    request.set_defaults(command=_request_access)

    login = commands.add_parser("login", help="store a request id that you have")
    login.add_argument("--request-id", metavar="ID", help="asked for without echo if not given")
    login.set_defaults(command=_login)

    logout = commands.add_parser("logout", help="delete the request id from this machine")
    logout.set_defaults(command=_logout)


def _request_access(options: argparse.Namespace) -> None:
    from laion_fmri.access import request_stimulus_access

    grant = request_stimulus_access(**_given(options, [*_ANSWERS, *_BOXES]))
    print(f"{grant}\nGet the images with `laion-fmri download-stimuli`.")


def _login(options: argparse.Namespace) -> None:
    from laion_fmri.access import login

    print(login(options.request_id))


def _logout(options: argparse.Namespace) -> None:
    from laion_fmri.access import logout

    print("The request id was deleted." if logout() else "No request id was stored.")


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict:
    return {name: getattr(options, name) for name in names}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
