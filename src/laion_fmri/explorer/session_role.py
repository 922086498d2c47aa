"""Who is at the page that is being made, where nobody has said how the server was started.

That is so under ``panel serve``, whose options are Panel's own. The careful answer is the
rule: whoever does not sit at this machine is a viewer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from laion_fmri.explorer.roles import OWNER, Policy, Visitor

OWNER_VARIABLE = "LAION_FMRI_OWNER"
SHARE_VARIABLE = "LAION_FMRI_SHARE_IMAGES"

_FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
_ORIGIN_FLAG = "--allow-websocket-origin"


def visitor_here() -> Visitor:
    """Who is at the page that is being made; the owner outside a server.

    ``LAION_FMRI_OWNER`` names the user of Panel's login who is the owner. Without it the owner
    is who opens the page on the server's own machine, unless the server admits pages from
    elsewhere. ``LAION_FMRI_SHARE_IMAGES=1`` states that all users are covered by the agreement.
    """
    import panel as pn

    document = pn.state.curdoc
    context = None if document is None else document.session_context
    if context is None:
        return OWNER
    owner = os.environ.get(OWNER_VARIABLE, "")
    user = pn.state.user
    # Of the process: a script that Panel serves sees other arguments in sys.argv.
    origins = _admitted_origins(sys.orig_argv)
    is_local = is_from_this_machine(context.request) and only_local(origins)
    policy = Policy(
        is_shared=bool(owner) or not is_local,
        has_login=user is not None,
        owner=owner,
        shares_images=os.environ.get(SHARE_VARIABLE) == "1",
    )
    return OWNER if not policy.is_shared else policy.visitor(user)


def is_from_this_machine(request: Any) -> bool:
    """Whether a request came straight from this machine, as far as can be known.

    A proxy on this machine would make everybody look as if they sat here; it is told by the
    name it is asked for and by the headers it adds.

    Parameters
    ----------
    request : object or None
        With ``remote_ip`` and ``headers``, as tornado's.
    """
    headers: Mapping[str, str] = getattr(request, "headers", None) or {}
    names = {str(name).lower(): str(value) for name, value in headers.items()}
    if names.keys() & _FORWARDED:
        return False
    return is_loopback(getattr(request, "remote_ip", "")) and is_loopback(
        host_of(names.get("host", ""))
    )


def only_local(origins: Iterable[str]) -> bool:
    """Whether a server admits pages of this machine alone."""
    return all(is_loopback(host_of(origin)) for origin in origins)


def is_loopback(host: object) -> bool:
    """Whether a name or an address is this machine's own."""
    if not isinstance(host, str):
        return False
    name = host.lower().strip("[]")
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(origin: str) -> str:
    """The host of an origin, with or without a scheme and a port; empty where there is none."""
    text = origin if "//" in origin else f"//{origin}"
    try:
        return urlsplit(text).hostname or ""
    except ValueError:
        return ""


def _admitted_origins(arguments: Sequence[str]) -> list[str]:
    """Origins whose pages a server admits, as its command line and environment say."""
    from bokeh.settings import settings

    found = list(settings.allowed_ws_origin() or [])
    for place, argument in enumerate(arguments):
        flag, _, value = argument.partition("=")
        if flag == _ORIGIN_FLAG:
            found.append(value or next(iter(arguments[place + 1 : place + 2]), ""))
    return found
