"""Access to the stimulus images: its state on this machine, and requests for it.

The request id is stored only in the credentials file; no attribute or message shows it in plain
text.
"""

from __future__ import annotations

import datetime
import threading
from dataclasses import dataclass

from laion_fmri import access
from laion_fmri.access import AccessService, Grant, StimulusRequest, load_credentials
from laion_fmri.access.credentials import require_place
from laion_fmri.config import Settings


@dataclass(frozen=True)
class Standing:
    """The state of this machine's access to the images.

    Attributes
    ----------
    masked_id : str
        The masked request id; empty when there is none.
    email : str
    is_from_environment : bool
        Whether the request id comes from the environment, which the explorer cannot change.
    holds_until : datetime or None
        Expiry of the latest links, in UTC.
    """

    masked_id: str = ""
    email: str = ""
    is_from_environment: bool = False
    holds_until: datetime.datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is a request id to request links with."""
        return bool(self.masked_id)


@dataclass(frozen=True)
class Terms:
    """The terms to accept, and the pages that state them.

    Attributes
    ----------
    version : str or int
        As the service writes it.
    terms_url, privacy_url, takedown_url : str
    """

    version: str | int
    terms_url: str
    privacy_url: str
    takedown_url: str


class ImageAccess:
    """The access service named by settings; thread-safe.

    Parameters
    ----------
    settings : Settings
    source : str
        Where the form is submitted; sent to the service.
    """

    def __init__(self, settings: Settings, source: str = "explorer") -> None:
        self._settings, self._source = settings, source
        self._lock = threading.Lock()
        self._grant: Grant | None = None

    def standing(self) -> Standing:
        """Return the state known without a request to the service.

        Raises
        ------
        ConfigError
            When the saved request id cannot be used.
        """
        found = load_credentials(self._settings.access_url)
        if found is None:
            return Standing()
        with self._lock:
            is_same = self._grant is not None and self._grant.request_id == found.request_id
            until = self._grant.expires_at if self._grant and is_same else None
        return Standing(str(found.request_id), found.email, found.source == "environment", until)

    def terms(self) -> Terms:
        """Return the terms in force.

        Raises
        ------
        AccessServiceError
        """
        service = self._service()
        version = service.manifest().terms_version
        return Terms(version, service.terms_url, service.privacy_url, service.takedown_url)

    def ask(self, form: StimulusRequest, terms: Terms) -> Standing:
        """Send the form with the terms that were shown, and save the request id.

        Raises
        ------
        InvalidArgumentError, ConfigError
            Before anything is sent.
        FormRefusedError, TermsOutdatedError, AccessServiceError
        """
        form.require_valid()
        require_place()
        service = self._service()
        grant = service.request(form, terms_version=terms.version, source=self._source)
        access.save_credentials(service.url, grant.request_id, str(form.answers()["email"]))
        return self._remember(grant)

    def login(self, request_id: str) -> Standing:
        """Save a request id that the service issued earlier.

        Raises
        ------
        InvalidArgumentError, ConfigError
        AccessNotFoundError, AccessRevokedError, TermsOutdatedError, AccessServiceError
        """
        return self._remember(access.login(request_id, settings=self._settings))

    def check(self) -> Standing:
        """Check the request id by requesting new links from the service.

        Raises
        ------
        AccessNotFoundError, AccessRevokedError, TermsOutdatedError, AccessServiceError
        """
        return self._remember(access.stimulus_source(self._settings).require_grant())

    def logout(self) -> Standing:
        """Delete the request id from this machine.

        Raises
        ------
        ConfigError
        """
        access.logout(settings=self._settings)
        with self._lock:
            self._grant = None
        return self.standing()

    def _service(self) -> AccessService:
        return AccessService(self._settings.access_url)

    def _remember(self, grant: Grant) -> Standing:
        with self._lock:
            self._grant = grant
        return self.standing()
