"""Requests to the access service, and the errors for its refusals."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from laion_fmri._errors import (
    AccessNotFoundError,
    AccessRevokedError,
    AccessServiceError,
    AccessServiceUnavailableError,
    ConfigError,
    FormRefusedError,
    InvalidArgumentError,
    LaionFmriError,
    NetworkError,
    TermsOutdatedError,
)
from laion_fmri._version import __version__
from laion_fmri.access.answers import Grant, Manifest
from laion_fmri.access.credentials import HOW_TO_GET_ACCESS, server_address
from laion_fmri.access.form import StimulusRequest
from laion_fmri.access.secret import RequestId, harmless
from laion_fmri.config import DEFAULT_ACCESS_URL
from laion_fmri.http.client import (
    CONNECT_TIMEOUT,
    LOG_IN_FIRST,
    READ_TIMEOUT,
    HttpClient,
    NetworkProblem,
    is_web_page,
)

DATASET_VERSION = "v1"
SOURCES = ("cli", "explorer")
"""Sources of a submitted form."""

_ANSWER_SECONDS = 60.0  # for a whole answer, even while bytes keep arriving
_LONGEST_ANSWER = 4 << 20  # bytes
_HEADERS = {"Accept": "application/json", "User-Agent": f"laion-fmri/{__version__}"}
_CHECK_THE_NETWORK = "Check the network and its address (LAION_FMRI_ACCESS_URL), then try again."
_CHECK_THE_ADDRESS = "Check its address (LAION_FMRI_ACCESS_URL)."


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """Return the parsed content; None when it is not JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    @property
    def detail(self) -> Any:
        """Return the reason that the service gives for a refusal."""
        told = self.json
        return told.get("detail") if isinstance(told, dict) else None


class AccessService:
    """The access service at one address.

    Parameters
    ----------
    access_url : str
    connect_timeout, read_timeout : float
        Seconds after which the service counts as unreachable.

    Attributes
    ----------
    url : str

    Raises
    ------
    ConfigError
        When the address is invalid.
    """

    def __init__(
        self,
        access_url: str = DEFAULT_ACCESS_URL,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self.url = server_address(access_url)
        self._http = HttpClient(connect_timeout, read_timeout)

    @property
    def terms_url(self) -> str:
        """Address of the page of the terms."""
        return f"{self.url}/terms"

    @property
    def privacy_url(self) -> str:
        """Address of the privacy policy."""
        return f"{self.url}/privacy"

    @property
    def takedown_url(self) -> str:
        """Address of the page for requests to remove an image."""
        return f"{self.url}/takedown"

    def manifest(self) -> Manifest:
        """Request the public list of the files and the terms in force.

        Raises
        ------
        AccessServiceError, UnsafeKeyError
        """
        return Manifest.read(self._ask("GET", "/api/v1/manifest"))

    def request(
        self,
        form: StimulusRequest,
        *,
        terms_version: str | int | None = None,
        source: str = "cli",
    ) -> Grant:
        """Send the form.

        Parameters
        ----------
        form : StimulusRequest
        terms_version : str or int, optional
            The terms that were shown; by default those in force.
        source : {"cli", "explorer"}
            Where the form was submitted.

        Raises
        ------
        InvalidArgumentError
            When the form is invalid; nothing is sent.
        FormRefusedError
            When the service rejects the form; `problems` gives the reason by field.
        TermsOutdatedError
            When the terms have changed since.
        AccessServiceError
        """
        form.require_valid()
        if source not in SOURCES:
            raise InvalidArgumentError(f"source={source!r} is none of {', '.join(SOURCES)}.")
        if terms_version is None:
            terms_version = self.manifest().terms_version
        body = {**form.answers(), "terms_version": terms_version, "source": source}
        return Grant.read(self._ask("POST", "/api/v1/access/request", body))

    def refresh(self, request_id: RequestId) -> Grant:
        """Request new links for a request id.

        Raises
        ------
        AccessNotFoundError
            When the service does not know the request id.
        AccessRevokedError, TermsOutdatedError, AccessServiceError
        """
        body = {"request_id": request_id.reveal(), "dataset_version": DATASET_VERSION}
        return Grant.read(self._ask("POST", "/api/v1/refresh", body, request_id), request_id)

    def _ask(
        self,
        method: str,
        route: str,
        body: Mapping[str, Any] | None = None,
        request_id: RequestId | None = None,
    ) -> Any:
        answer = self._answer(method, route, body)
        if answer.status not in (200, 201):
            raise _refusal(self.url, answer, request_id)
        told = answer.json
        if told is None:
            advice = LOG_IN_FIRST if is_web_page(answer, answer.content) else ""
            raise AccessServiceError(
                f"What answers at {self.url} is not the access service: it sent no JSON. "
                f"{_CHECK_THE_ADDRESS} {advice}".rstrip()
            )
        return told

    def _answer(self, method: str, route: str, body: Mapping[str, Any] | None) -> _Answer:
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError, LocationValueError

        headers, content = dict(_HEADERS), None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        try:
            response = self._http.request(method, self.url + route, body=content, headers=headers)
            return _Answer(response.status, response.headers, _read_all(response))
        except LocationValueError:
            raise ConfigError(f"{self.url} cannot be asked. {_CHECK_THE_ADDRESS}") from None
        except NetworkError as error:
            problem = NetworkProblem(str(error).rstrip("."), "", may_pass=False)
        except _TooMuchError as error:
            problem = NetworkProblem(str(error), "", may_pass=True)
        except LaionFmriError:
            raise
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            problem = NetworkProblem.of(error)
        if problem.may_pass:
            raise AccessServiceUnavailableError(
                f"The access service {self.url} does not answer ({problem.reason}). "
                f"{problem.advice or _CHECK_THE_NETWORK}"
            )
        raise AccessServiceError(
            f"The access service {self.url} cannot be reached: {problem.reason}. {problem.advice}"
        )


class _TooMuchError(ValueError):
    """An answer is too long, or takes too long."""


def _read_all(response: Any) -> bytes:
    deadline = time.monotonic() + _ANSWER_SECONDS
    content = b""
    try:
        while block := response.read1(1 << 16):
            content += block
            if len(content) > _LONGEST_ANSWER:
                raise _TooMuchError("its answer is too long")
            if time.monotonic() > deadline:
                raise _TooMuchError("its answer takes too long")
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return content


def _refusal(url: str, answer: _Answer, request_id: RequestId | None) -> AccessServiceError:
    """Return the error for a refusal."""
    status, detail = answer.status, answer.detail
    secrets = (request_id,) if request_id is not None else ()
    said = harmless(detail if isinstance(detail, str) else "", *secrets)
    if status == 403:
        return _forbidden(url, detail, said, secrets)
    if status in (401, 404) and request_id is not None:
        return AccessNotFoundError(
            f"The access service {url} does not know the request id {request_id}. "
            f"{HOW_TO_GET_ACCESS}"
        )
    if status == 422:
        return _refused_form(detail, secrets)
    if 300 <= status < 400:
        host = urlsplit(answer.headers.get("Location", "")).hostname or "another address"
        return AccessServiceError(
            f"The access service {url} sends on to {harmless(host, *secrets)}, where "
            "nothing was sent. If that is its new address, set LAION_FMRI_ACCESS_URL. "
            f"{LOG_IN_FIRST}"
        )
    if status == 429:
        wait = _seconds_to_wait(answer.headers.get("Retry-After", ""))
        when = "in a few minutes" if wait is None else f"in {max(1, round(wait))} s"
        return AccessServiceUnavailableError(
            f"Too many requests to the access service {url}. Try again {when}.", wait
        )
    if status == 511:  # the network answered instead of the service
        return AccessServiceError(
            f"The network does not let requests to {url} pass. {LOG_IN_FIRST}"
        )
    if status == 408 or status >= 500:
        return AccessServiceUnavailableError(
            f"The access service {url} answered {status}. Try again later.",
            _seconds_to_wait(answer.headers.get("Retry-After", "")),
        )
    because = f" ({said})" if said else ""
    return AccessServiceError(
        f"The access service {url} answered {status}{because}. {_CHECK_THE_ADDRESS}"
    )


def _forbidden(
    url: str, detail: Any, said: str, secrets: tuple[RequestId, ...]
) -> AccessServiceError:
    if isinstance(detail, dict) and detail.get("error") == "terms_outdated":
        version = harmless(detail.get("current_terms_version", ""), *secrets)
        accept_url = _accept_url(url, detail.get("accept_url"), secrets)
        return TermsOutdatedError(
            "The terms of the data use agreement have changed"
            f"{f' (now {version})' if version else ''}. Read and accept them at "
            f"{accept_url} or with `laion-fmri request-access`, then try again.",
            accept_url,
        )
    if "revoked" in json.dumps(detail).lower():
        return AccessRevokedError(
            "Your access to the stimulus images was revoked. Write to those who run "
            f"{url} if that surprises you; images that you have must be deleted."
        )
    because = f" ({said})" if said else ""
    return AccessServiceError(f"The access service {url} refuses{because}.")


def _accept_url(service: str, told: Any, secrets: tuple[RequestId, ...]) -> str:
    """Return the page to accept new terms on; by default the page of the terms."""
    if not isinstance(told, str):
        return f"{service}/terms"
    try:
        url = urljoin(f"{service}/", told)
        is_address = urlsplit(url).scheme in ("http", "https") and " " not in url
    except ValueError:
        return f"{service}/terms"
    # An address that contains the request id is not shown, not even in part.
    return url if is_address and harmless(url, *secrets) == url else f"{service}/terms"


def _refused_form(detail: Any, secrets: tuple[RequestId, ...]) -> FormRefusedError:
    problems: dict[str, str] = {}
    for entry in detail if isinstance(detail, list) else ():
        place = entry.get("loc") if isinstance(entry, dict) else None
        if isinstance(place, list) and place:
            problems[harmless(place[-1], *secrets)] = harmless(entry.get("msg", ""), *secrets)
    told = "; ".join(f"{field}: {problem}" for field, problem in problems.items())
    if not told:
        told = harmless(detail, *secrets) if isinstance(detail, str) else "no reason given"
    return FormRefusedError(
        f"The access service refuses what was filled in ({told}). Correct it and send it again.",
        problems,
    )


def _seconds_to_wait(told: str) -> float | None:
    """Parse the seconds of a ``Retry-After`` header."""
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
