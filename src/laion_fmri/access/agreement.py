"""The data use agreement of the stimulus images: accept it, log in, log out."""

from __future__ import annotations

import getpass
from collections.abc import Callable

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.access.answers import Grant
from laion_fmri.access.credentials import forget_credentials, require_place, save_credentials
from laion_fmri.access.files import AccessFiles
from laion_fmri.access.form import Ask, fill_in, is_terminal, unanswered
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
    """Fill in the form of the data use agreement and keep the request id that comes back.

    What is not given is asked for in the terminal. What is filled in goes to the access
    service; of it, this machine keeps the e-mail address.

    Parameters
    ----------
    name, email, institution, pi_or_supervisor, research_purpose : str, optional
    accept_terms, acknowledge_privacy : bool
        That you have read and accept what the service's pages ``/terms`` and ``/privacy`` say.
    source : {"cli", "explorer"}
        Where the form was filled in.
    settings : Settings, optional
        Says which access service.
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
        When the request id could not be kept; nothing is sent.
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
    if missing and ask is None and not is_terminal():
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
    """Keep a request id that you have, after the access service said that it knows it.

    Parameters
    ----------
    request_id : str, optional
        Asked for in the terminal, without showing it, when not given.
    settings : Settings, optional
        Says which access service.
    ask : callable, optional
        Instead of `getpass.getpass`.

    Raises
    ------
    InvalidArgumentError
        When it cannot be a request id, or is missing and there is no terminal.
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
    """Delete the request id from this machine; whether there was one.

    One in the environment (``LAION_FMRI_REQUEST_ID``) stays there.

    Raises
    ------
    ConfigError
        When the file cannot be deleted.
    """
    return forget_credentials((settings or load_settings()).access_url)


def require_access(source: AccessFiles, ask: Ask | None = None) -> Grant:
    """Links for `source`; whoever sits at the terminal fills in the form the first time.

    Parameters
    ----------
    source : AccessFiles
    ask : callable, optional
        Instead of `input`.

    Raises
    ------
    AccessNotFoundError
        When there is no request id and nobody to ask.
    AccessRevokedError, TermsOutdatedError, AccessServiceError, InvalidArgumentError
    """
    if not source.knows_request_id() and (ask is not None or is_terminal()):
        settings = Settings(access_url=source.service.url)
        source.use(request_stimulus_access(settings=settings, ask=ask))
    return source.require_grant()


def _service(settings: Settings | None) -> AccessService:
    return AccessService((settings or load_settings()).access_url)


def _asked_for_id(ask: Ask | None) -> str:
    if ask is None and not is_terminal():
        raise InvalidArgumentError(
            "Which request id? Give it as an argument, or run this in a terminal, which asks."
        )
    try:
        return (ask or getpass.getpass)("Request id (it is not shown): ")
    except EOFError:
        raise InvalidArgumentError("No request id was given. Nothing was kept.") from None
