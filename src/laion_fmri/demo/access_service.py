"""An access service on this machine, for the demo and the tests: every answer of the real one.

It hands out the demo's stimulus files, which this package draws itself, by the same calls,
links that expire and refusals. It forgets its request ids when it ends.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlencode

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.demo.http_service import Answer, FileAnswer, HttpService, Page, Request
from laion_fmri.fingerprint import file_signature

_BLOCK = 1 << 20  # bytes hashed at a time
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TEXTS = ("name", "email", "institution", "pi_or_supervisor", "research_purpose", "source")
_BOXES = ("accepted_terms", "acknowledged_privacy")
_SHORTEST_PURPOSE = 20  # characters
_RETRY_AFTER = 1  # seconds

_PAGES = {
    "/terms": (
        "Terms of use",
        "Version {version}. The images are for research. Do not pass them on, sell them, or train "
        "general-purpose models with them. These pictures are drawn by a program: nothing here "
        "binds anyone.",
    ),
    "/privacy": (
        "How your data are handled",
        "What you fill in stays in the memory of this program and is gone when it ends.",
    ),
    "/takedown": ("Remove an image", "The demo's pictures show nobody and belong to nobody."),
    "/request": (
        "Ask for access",
        "Run laion-fmri request-access, or fill in the form of the explorer's Download tab.",
    ),
}


@dataclass
class _Person:
    """The person who filled in the form."""

    email: str
    terms_version: str
    is_revoked: bool = False


class DemoAccessService:
    """Serves gated files on loopback, inside a ``with`` statement.

    Parameters
    ----------
    directory : path
        A demo bucket, whose gated stimulus files are served; or any folder, whose files are.
    port : int
        0 takes a free one.
    link_seconds : float
        How long links hold.
    terms_version : str

    Attributes
    ----------
    n_requests : Counter
        How often each route was asked: ``"GET /api/v1/manifest"``,
        ``"POST /api/v1/access/request"``, ``"POST /api/v1/refresh"``, ``"GET /files"`` …

    Raises
    ------
    InvalidArgumentError
        When there are no files to serve.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        port: int = 0,
        link_seconds: float = 3600.0,
        terms_version: str = "1.0",
    ) -> None:
        self._files = _files_in(Path(directory))
        self.link_seconds = link_seconds
        self.terms_version = terms_version
        self.n_requests: Counter[str] = Counter()
        self._people: dict[str, _Person] = {}
        self._key = secrets.token_bytes(32)
        self._n_refusals_left = 0
        self._digests: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._lock = threading.Lock()
        self._http = HttpService(self._answer, port)

    @property
    def url(self) -> str:
        """The address of the server."""
        return self._http.url

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to answer."""
        self._http.start()

    def close(self) -> None:
        """Stop, and end every connection."""
        self._http.close()

    # --- what may happen to a service ---------------------------------------------------

    def issue(self, email: str = "someone@example.org") -> str:
        """A request id, as if the form had been filled in."""
        request_id = f"lfm_{secrets.token_hex(16)}"
        with self._lock:
            self._people[request_id] = _Person(email, self.terms_version)
        return request_id

    def revoke(self, request_id: str) -> None:
        """Withdraw the access of a request id."""
        with self._lock:
            self._people[request_id].is_revoked = True

    def update_terms(self, version: str) -> None:
        """Put new terms in force; everyone must accept them anew."""
        self.terms_version = version

    def expire_links(self) -> None:
        """Let every link given so far expire now."""
        self._key = secrets.token_bytes(32)

    def limit_rate(self, n: int) -> None:
        """Answer the next `n` calls with 429."""
        with self._lock:
            self._n_refusals_left = n

    # --- answers ------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer | FileAnswer | Page:
        is_file = request.path.startswith("/files/")
        route = "/files" if is_file else request.path
        with self._lock:
            self.n_requests[f"{request.method} {route}"] += 1
            if route.startswith("/api/") and self._n_refusals_left > 0:
                self._n_refusals_left -= 1
                return _refusal(429, "Too many requests.", {"Retry-After": str(_RETRY_AFTER)})
        if request.method in ("GET", "HEAD"):
            if is_file:
                return self._file(request)
            if route == "/api/v1/manifest":
                files = [self._entry(name) for name in self._files]
                manifest = {
                    "current_terms_version": self.terms_version,
                    "dataset": "laion-fmri",
                    "versions": ["v1"],
                    "files": files,
                }
                return Answer(manifest)
            if route in _PAGES:
                title, text = _PAGES[route]
                return Page(title, text.format(version=self.terms_version))
        elif request.method == "POST" and route == "/api/v1/access/request":
            return self._request_access(request)
        elif request.method == "POST" and route == "/api/v1/refresh":
            return self._refresh(request)
        return _refusal(404, "Not Found")

    def _request_access(self, request: Request) -> Answer:
        form = request.json
        problems = _form_problems(form)
        if problems:
            return Answer({"detail": problems}, 422)
        if form["terms_version"] != self.terms_version:
            return self._outdated()
        return Answer({"request_id": self.issue(form["email"]), **self._grant()})

    def _refresh(self, request: Request) -> Answer:
        asked = request.json
        problems = _body_problems(asked) or [
            _problem(field, "Field required", "missing", asked)
            for field in ("request_id", "dataset_version")
            if not isinstance(asked.get(field), str)
        ]
        if not problems and asked["dataset_version"] != "v1":
            problems = [_problem("dataset_version", "Input should be 'v1'", "literal_error", asked)]
        if problems:
            return Answer({"detail": problems}, 422)
        person = self._people.get(asked["request_id"])
        if person is None:
            return _refusal(404, "Unknown request id.")
        if person.is_revoked:
            return _refusal(403, "Access has been revoked.")
        if person.terms_version != self.terms_version:
            return self._outdated()
        return Answer(self._grant())

    def _outdated(self) -> Answer:
        detail = {
            "error": "terms_outdated",
            "accept_url": f"{self.url}/terms",
            "current_terms_version": self.terms_version,
        }
        return Answer({"detail": detail}, 403)

    def _grant(self) -> dict[str, Any]:
        until = time.time() + self.link_seconds
        expires_at = datetime.datetime.fromtimestamp(until, datetime.UTC).isoformat()
        files = [{**self._entry(name), "url": self._link(name, until)} for name in self._files]
        return {"expires_at": expires_at, "files": files}

    def _entry(self, name: str) -> dict[str, Any]:
        size, sha256 = self._digest(name)
        return {"name": name, "size": size, "sha256": sha256}

    def _digest(self, name: str) -> tuple[int, str]:
        """Size and SHA-256 of a file, which is read again only when it has changed."""
        version = file_signature(self._files[name])
        with self._lock:
            known = self._digests.get(name)
            if known is None or known[0] != version:
                known = self._digests[name] = (version, _sha256(self._files[name]))
        return version[1], known[1]

    def _link(self, name: str, until: float) -> str:
        expires = f"{until:.3f}"
        asked = urlencode({"expires": expires, "token": self._token(name, expires)})
        return f"{self.url}/files/{quote(name)}?{asked}"

    def _token(self, name: str, expires: str) -> str:
        return hmac.new(self._key, f"{name}\n{expires}".encode(), hashlib.sha256).hexdigest()

    def _file(self, request: Request) -> Answer | FileAnswer:
        name = request.path.removeprefix("/files/")
        asked = parse_qs(request.query)
        expires, token = (asked.get(part, [""])[0] for part in ("expires", "token"))
        if not hmac.compare_digest(token.encode(), self._token(name, expires).encode()):
            return _refusal(403, "The link is not valid.")
        if time.time() >= float(expires):
            return _refusal(403, "The link has expired.")
        return FileAnswer(self._files[name])


def _files_in(directory: Path) -> dict[str, Path]:
    """Files to serve, by name."""
    gated = (layout.STIMULI_IMAGES, layout.STIMULI_METADATA)
    found = [directory / key for key in gated]
    if not found[0].is_file() and directory.is_dir():
        found = sorted(directory.iterdir())
    files = {p.name: p for p in found if p.is_file() and not p.name.startswith(".")}
    if not files:
        raise InvalidArgumentError(
            f"{directory} holds no files to serve. Write a demo dataset with "
            "laion_fmri.demo.write_demo(...) or `laion-fmri demo DIR`."
        )
    return files


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _refusal(status: int, detail: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer({"detail": detail}, status, headers or {})


def _form_problems(form: Any) -> list[dict[str, Any]]:
    """Return the problems of a form, in the format of FastAPI."""
    problems = _body_problems(form)
    if problems:
        return problems
    for field in (*_TEXTS, *_BOXES, "terms_version"):
        if field not in form:
            problems.append(_problem(field, "Field required", "missing", form))
        elif field in _BOXES:
            if form[field] is not True:
                problems.append(_problem(field, "Input should be True", "literal_error", form))
        elif not isinstance(form[field], str):
            problems.append(_problem(field, "Input should be a valid string", "string_type", form))
        elif not form[field].strip():
            text = "String should have at least 1 character"
            problems.append(_problem(field, text, "string_too_short", form))
    wrong = {problem["loc"][-1] for problem in problems}
    if "email" not in wrong and not _EMAIL.fullmatch(form["email"]):
        text = "value is not a valid email address"
        problems.append(_problem("email", text, "value_error", form))
    if "research_purpose" not in wrong and len(form["research_purpose"]) < _SHORTEST_PURPOSE:
        text = f"String should have at least {_SHORTEST_PURPOSE} characters"
        problems.append(_problem("research_purpose", text, "string_too_short", form))
    return problems


def _body_problems(body: Any) -> list[dict[str, Any]]:
    if isinstance(body, dict):
        return []
    text = "Input should be a valid dictionary"
    return [{"type": "dict_type", "loc": ["body"], "msg": text, "input": None}]


def _problem(field: str, text: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "loc": ["body", field], "msg": text, "input": body.get(field, body)}
