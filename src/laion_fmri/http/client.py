"""The HTTP client of the package, for networks with proxies and private certificates.

Listings, file ranges, the access service and split files all use `HttpClient`, and so the same
proxies, certificates and redirects.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from laion_fmri._errors import ConfigError, NetworkError

CONNECTIONS = 64
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 30.0  # seconds; the latter between two bytes
REDIRECTS = (301, 302, 303, 307, 308)
LOG_IN_FIRST = "If this network asks for a login, open any page in a browser and log in first."

_CERTIFICATE_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
_CERTIFICATE_FOLDERS = "SSL_CERT_DIR"
_CERTIFICATE_SUFFIXES = (".pem", ".crt", ".cer")
_MOST_REDIRECTS = 5
_WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.I | re.S)

NextAddress = Callable[[Any, str], str | None]
"""From a redirect response and its address, return the next address; None to stop."""


class HttpClient:
    """A connection pool that uses the proxies and certificates of the environment.

    Parameters
    ----------
    connect_timeout, read_timeout : float
        Seconds after which a server counts as unreachable.
    """

    def __init__(
        self, connect_timeout: float = CONNECT_TIMEOUT, read_timeout: float = READ_TIMEOUT
    ) -> None:
        import urllib3

        self._timeout = urllib3.Timeout(connect=connect_timeout, read=read_timeout)
        self._pools: dict[tuple[str | None, bool], Any] = {}

    def request(
        self, method: str, url: str, next_address: NextAddress | None = None, **options: Any
    ) -> Any:
        """Send one request without retries; return any status, with the body unread.

        Parameters
        ----------
        method, url : str
        next_address : callable, optional
            Returns the target of a redirect; by default redirects are not followed. The final
            address is the response's ``url``.
        **options
            Options of urllib3: ``headers``, ``body``.

        Raises
        ------
        ConfigError
            When a variable names an invalid proxy or invalid certificates.
        NetworkError
            When redirects do not end.
        urllib3.exceptions.HTTPError, OSError, ValueError
            See `NetworkProblem.of`.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._pool(url).request(
                method, url, retries=False, redirect=False, preload_content=False, **options
            )
            response.url = url
            if response.status == 407:
                give_back(response)
                raise NetworkError(f"{_WANTS_A_PASSWORD.reason}. {_WANTS_A_PASSWORD.advice}")
            if response.status not in REDIRECTS or next_address is None:
                return response
            following = next_address(response, url)
            if following is None:
                return response
            give_back(response)
            url = _require_safe_redirect(url, following)
        raise NetworkError(
            f"The server {urlsplit(url).hostname} redirects again and again. {LOG_IN_FIRST}"
        )

    def _pool(self, url: str) -> Any:
        proxy = _proxy_of(url)
        is_encrypted = url.startswith("https:") or (proxy or "").startswith("https:")
        if (proxy, is_encrypted) not in self._pools:
            self._pools[proxy, is_encrypted] = self._made(proxy, is_encrypted)
        return self._pools[proxy, is_encrypted]

    def _made(self, proxy: str | None, is_encrypted: bool) -> Any:
        import urllib3

        options: dict[str, Any] = {"num_pools": 8, "maxsize": CONNECTIONS, "timeout": self._timeout}
        if is_encrypted:
            options["ssl_context"] = trusted_certificates()
        if proxy is None:
            return urllib3.PoolManager(**options)
        if proxy.startswith("socks"):
            try:
                from urllib3.contrib.socks import SOCKSProxyManager
            except ImportError as error:
                raise ConfigError(
                    "A SOCKS proxy needs the package PySocks. Install it: pip install pysocks."
                ) from error
            return SOCKSProxyManager(proxy, **options)
        parts = urlsplit(proxy)
        return urllib3.ProxyManager(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            proxy_headers=_authorization(parts),
            proxy_ssl_context=options.get("ssl_context"),
            **options,
        )


def trusted_certificates() -> ssl.SSLContext:
    """Return a TLS context that trusts certificates of the system, of certifi, and private ones.

    Private certificates are those named by ``SSL_CERT_FILE``, ``SSL_CERT_DIR``,
    ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` and ``AWS_CA_BUNDLE``.

    Raises
    ------
    ConfigError
        When a variable names a path that is missing or holds no certificates.
    """
    names = (*_CERTIFICATE_FILES, _CERTIFICATE_FOLDERS)
    return _context(tuple((name, value) for name in names if (value := os.environ.get(name))))


@lru_cache(maxsize=4)  # reading them takes longer than a request
def _context(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    import certifi  # the system's store may be empty, as with Python on macOS

    context = ssl.create_default_context()
    # Private certificates often lack extensions that only strict verification requires.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    context.load_verify_locations(certifi.where())
    for variable, value in named:
        paths = [Path(value).expanduser()]
        if variable == _CERTIFICATE_FOLDERS:
            folders = [Path(name).expanduser() for name in value.split(os.pathsep)]
            paths = [folder for folder in folders if folder.is_dir()] or folders
        for path in paths:
            _trust(context, path, variable)
    return context


def describe_network(url: str) -> str:
    """Describe the proxy and the private certificates used for an address.

    Raises
    ------
    ConfigError
        When a variable names an invalid proxy or invalid certificates.
    """
    trusted_certificates()
    proxy = _proxy_of(url)
    names = [n for n in (*_CERTIFICATE_FILES, _CERTIFICATE_FOLDERS) if os.environ.get(n)]
    through = "no proxy" if proxy is None else f"proxy {urlsplit(proxy).netloc.rpartition('@')[2]}"
    return f"{through}; certificates: {', '.join(['the usual ones', *names])}"


def _trust(context: ssl.SSLContext, path: Path, variable: str) -> None:
    """Trust the certificates of a file, or of the files of a folder."""
    try:
        if not path.is_dir():
            context.load_verify_locations(path)
            return
        context.load_verify_locations(capath=path)  # finds only files with hashed names
        for file in sorted(path.iterdir()):
            if file.suffix.lower() in _CERTIFICATE_SUFFIXES:
                with contextlib.suppress(OSError):  # a key, a broken link
                    context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{variable} names {path}, which holds no certificates in PEM form. Correct the "
            "variable or unset it."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{variable} names {path}, which cannot be read ({reason}). Correct the variable or "
            "unset it."
        ) from error


# --- proxies ------------------------------------------------------------------------------


def _proxy_of(url: str) -> str | None:
    """Return the proxy for an address from the environment or the system.

    The proxy is an address with a scheme, including user and password.
    """
    parts = urlsplit(url)
    if not parts.hostname or _is_reached_without_proxy(parts):
        return None
    proxies = urllib.request.getproxies()
    scheme = parts.scheme if proxies.get(parts.scheme) else "all"
    named = (proxies.get(scheme) or "").strip()
    if not named:
        return None
    if "://" not in named:
        named = f"http://{named.lstrip('/')}"
    try:
        proxy = urlsplit(named)
        is_usable = bool(proxy.hostname) and (proxy.port is None or proxy.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable or not re.fullmatch(r"https?|socks\w+", proxy.scheme):
        raise ConfigError(
            f"The proxy in {scheme.upper()}_PROXY cannot be used. Write it as "
            "http://user:password@host:port, special characters of the password as %40 for @."
        )
    return named


def _is_reached_without_proxy(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        port = f":{parts.port}" if parts.port else ""
        return bool(urllib.request.proxy_bypass(host + port))
    if address.version == 4 and urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return True
    without = urllib.request.getproxies().get("no", "")
    return without.strip() == "*" or any(_holds(n, address) for n in without.split(","))


def _holds(name: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an entry of NO_PROXY is this address or a range (10.0.0.0/8) with it."""
    with contextlib.suppress(ValueError):
        return address in ipaddress.ip_network(name.strip().strip("[]"), strict=False)
    return False


def _authorization(proxy: SplitResult) -> dict[str, str]:
    """Return the authorization header of a proxy; empty when its address has no user."""
    if proxy.username is None:
        return {}
    who = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(who.encode()).decode()}"}


# --- redirects ----------------------------------------------------------------------------


def location(response: Any, url: str) -> str | None:
    """Return the ``Location`` of a redirect; None when it is missing."""
    said = response.headers.get("Location", "").strip()
    try:
        return urljoin(url, said) if said else None
    except ValueError:
        return None


def _require_safe_redirect(url: str, following: str) -> str:
    try:
        before, after = urlsplit(url), urlsplit(following)
        is_safe = bool(after.hostname) and after.scheme in (
            ("https",) if before.scheme == "https" else ("http", "https")
        )
    except ValueError:
        is_safe = False
    if not is_safe:
        raise NetworkError(
            f"The server {before.hostname} redirects to an address that is not safe. {LOG_IN_FIRST}"
        )
    return following


# --- what went wrong ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NetworkProblem:
    """The reason why a request had no answer.

    Attributes
    ----------
    reason, advice : str
        For messages; without the requested address, which may be a secret.
    may_pass : bool
        Whether another attempt may succeed.
    """

    reason: str
    advice: str
    may_pass: bool

    @classmethod
    def of(cls, error: Exception) -> NetworkProblem:
        """Classify an error of `HttpClient.request`, or of reading its response."""
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return cls(f"the certificate is not trusted: {cause.verify_message}", _TRUST, False)
        if any("407" in str(cause) for cause in causes if type(cause) is OSError):
            return _WANTS_A_PASSWORD
        for cause in causes:
            if isinstance(cause, ssl.SSLError) and cause.reason:
                reason = cause.reason.replace("_", " ").lower()
                return cls(f"no TLS connection: {reason}", _CHECK_THE_SCHEME, True)
        kinds = [type(cause).__name__ for cause in causes]
        if "ProxyError" in kinds:
            return cls(f"the proxy does not answer: {kinds[-1]}", _CHECK_THE_PROXY, True)
        return cls(kinds[0], "", True)


_TRUST = (
    "If a proxy of your institution or a server of your lab is in between, name the file of its "
    f"certificates (PEM) in SSL_CERT_FILE. {LOG_IN_FIRST}"
)
_CHECK_THE_PROXY = "Check HTTPS_PROXY and HTTP_PROXY, or name the server in NO_PROXY."
_CHECK_THE_SCHEME = "Check whether the addresses of server and proxy begin with http or https."
_WANTS_A_PASSWORD = NetworkProblem(
    "The proxy wants a user name and a password, or others",
    "Write them into HTTPS_PROXY and HTTP_PROXY: http://user:password@host:port.",
    False,
)


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error with its causes, the outermost first."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and all(cause is not f for f in found):
            found.append(cause)
            waiting += [*cause.args, getattr(cause, "original_error", None), cause.__cause__]
    return found


def is_web_page(response: Any, beginning: bytes) -> bool:
    """Whether a response is a web page, judging by its first bytes and its type."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_markup = beginning.lstrip().startswith(b"<")
    is_page = kind in ("text/html", "application/xhtml+xml") and is_markup
    return is_page or bool(_WEB_PAGE.match(beginning))


def web_page_instead(what: str, response: Any) -> NetworkError:
    """Return the error for a web page received instead of `what`."""
    host = urlsplit(response.url or "").hostname
    return NetworkError(
        f"A web page{f' of {host}' if host else ''} came in place of {what}. {LOG_IN_FIRST} "
        "Otherwise check the address and the proxy."
    )


def give_back(response: Any) -> None:
    """Return the connection to the pool if the response was read in full; close it otherwise."""
    with contextlib.suppress(Exception):
        if response.length_remaining:
            response.close()
        response.release_conn()
