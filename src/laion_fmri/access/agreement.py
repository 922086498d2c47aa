"""Accept the data use agreement of the stimulus images, log in and log out."""

from __future__ import annotations

import getpass
from collections.abc import Callable

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.access.answers import Grant
from laion_fmri.access.credentials import forget_credentials, require_place, save_credentials
from laion_fmri.access.files import AccessFiles
from laion_fmri.access.form import Ask, can_answer, fill_in, unanswered
from laion_fmri.access.secret import RequestId
from laion_fmri.access.service import AccessService
from laion_fmri.config import Settings, load_settings

_ARGUMENTS = {"accepted_terms": "accept_terms", "acknowledged_privacy": "acknowledge_privacy"}


def request_stimulus_access(
    name: str | None = None,
    email: str | None = None,
    institution: str | None = None,
    pi_or_supervisor: str | None = None,
    research_purpose: str | None = None,
    accept_terms: bool = False,
    acknowledge_privacy: bool = False,
    source: str = "cli",
    *,
    settings: Settings | None = None,
    ask: Ask | None = None,
    say: Callable[[str], None] = print,
) -> Grant:
    """Submit the form of the data use agreement and store the request id.

    Missing answers are asked for in the terminal. The answers go to the access service; only the
    e-mail address is stored on this machine.

    Parameters
    ----------
    name, email, institution, pi_or_supervisor, research_purpose : str, optional
    accept_terms, acknowledge_privacy : bool
        Confirm that you have read and accept the service's pages ``/terms`` and ``/privacy``.
    source : {"cli", "explorer"}
        Where the form was submitted.
    settings : Settings, optional
        Settings that name the access service.
    ask, say : callable, optional
        Instead of `input` and `print`.

    Returns
    -------
    Grant

    Raises
    ------
    InvalidArgumentError
        When an argument is not valid, or is missing and there is no terminal.
    ConfigError
        When the request id cannot be stored; nothing is sent.
    FormRefusedError, TermsOutdatedError, AccessServiceError
    """
    service = _service(settings)
    texts = {
        "name": name,
        "email": email,
        "institution": institution,
        "pi_or_supervisor": pi_or_supervisor,
        "research_purpose": research_purpose,
    }
    given: dict[str, str | bool] = {f: text for f, text in texts.items() if text is not None}
    boxes = {"accepted_terms": accept_terms, "acknowledged_privacy": acknowledge_privacy}
    given |= {f: box for f, box in boxes.items() if box}
    missing = unanswered(given)
    if missing and ask is None and not can_answer():
        raise InvalidArgumentError(
            f"The form lacks {', '.join(_ARGUMENTS.get(f, f) for f in missing)}. Give these as "
            "arguments (`laion-fmri request-access --help`), or run it in a terminal, which asks. "
            f"The terms are at {service.terms_url}, how your data are handled at "
            f"{service.privacy_url}."
        )
    require_place()
    manifest = service.manifest()
    if missing:
        say(
            "The stimulus images are under a data use agreement.\n"
            f"  Terms (version {manifest.terms_version}): {service.terms_url}\n"
            f"  How your data are handled: {service.privacy_url}"
        )
    form = fill_in(given, ask or input, say)
    grant = service.request(form, terms_version=manifest.terms_version, source=source)
    save_credentials(service.url, grant.request_id, str(form.answers()["email"]))
    return grant


def login(
    request_id: str | RequestId | None = None,
    *,
    settings: Settings | None = None,
    ask: Ask | None = None,
) -> Grant:
    """Store an existing request id after the access service has confirmed it.

    Parameters
    ----------
    request_id : str, optional
        Asked for in the terminal, without echo, when not given.
    settings : Settings, optional
        Settings that name the access service.
    ask : callable, optional
        Instead of `getpass.getpass`.

    Raises
    ------
    InvalidArgumentError
        When it is not a valid request id, or is missing and there is no terminal.
    AccessNotFoundError, AccessRevokedError, TermsOutdatedError, AccessServiceError, ConfigError
    """
    service = _service(settings)
    if request_id is None:
        request_id = _asked_for_id(ask)
    if not isinstance(request_id, RequestId):
        request_id = RequestId(request_id.strip() if isinstance(request_id, str) else request_id)
    require_place()
    grant = service.refresh(request_id)
    save_credentials(service.url, request_id)
    return grant


def logout(*, settings: Settings | None = None) -> bool:
    """Delete the request id from this machine; return whether there was one.

    The environment variable ``LAION_FMRI_REQUEST_ID`` is not changed.

    Raises
    ------
    ConfigError
        When the file cannot be deleted.
    """
    return forget_credentials((settings or load_settings()).access_url)


def require_access(source: AccessFiles, ask: Ask | None = None) -> Grant:
    """Return links for `source`; on first use, ask for the form in the terminal or notebook.

    Parameters
    ----------
    source : AccessFiles
    ask : callable, optional
        Instead of `input`.

    Raises
    ------
    AccessNotFoundError
        When there is no request id and no terminal.
    AccessRevokedError, TermsOutdatedError, AccessServiceError, InvalidArgumentError
    """
    if not source.knows_request_id() and (ask is not None or can_answer()):
        settings = Settings(access_url=source.service.url)
        source.use(request_stimulus_access(settings=settings, ask=ask))
    return source.require_grant()


def _service(settings: Settings | None) -> AccessService:
    return AccessService((settings or load_settings()).access_url)


def _asked_for_id(ask: Ask | None) -> str:
    if ask is None and not can_answer():
        raise InvalidArgumentError(
            "Which request id? Give it as an argument, or run this in a terminal, which asks."
        )
    try:
        return (ask or getpass.getpass)("Request id (it is not shown): ")
    except (EOFError, NotImplementedError):
        raise InvalidArgumentError("No request id was given. Nothing was stored.") from None
