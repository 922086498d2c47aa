"""Access to the stimulus images, for the page: who is known, until when, and asking for it.

The request id goes from the form to the access service and into the library's own file; no
attribute here holds it in the clear, and no message has it.
"""

from __future__ import annotations

import datetime
import threading
from dataclasses import dataclass

from laion_fmri import access
from laion_fmri.access import AccessService, Grant, StimulusRequest, load_credentials
from laion_fmri.access.credentials import require_place
from laion_fmri.config import Settings

SOURCE = "explorer"
"""Where the form says that it was filled in."""


@dataclass(frozen=True)
class Standing:
    """How this machine stands to the access service.

    Attributes
    ----------
    masked_id : str
        What may be shown of the request id; empty when there is none.
    email : str
    is_from_environment : bool
        Whether the request id is set where the page cannot delete it.
    holds_until : datetime or None
        Until when the links that were given last open files, in UTC.
    """

    masked_id: str = ""
    email: str = ""
    is_from_environment: bool = False
    holds_until: datetime.datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is a request id to ask for links with."""
        return bool(self.masked_id)


@dataclass(frozen=True)
class Terms:
    """What must be agreed to, and where it can be read.

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
    """The access service of some settings, safe in threads.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._grant: Grant | None = None

    def standing(self) -> Standing:
        """What is known without asking the service.

        Raises
        ------
        ConfigError
            When what is saved here cannot be used.
        """
        found = load_credentials(self._settings.access_url)
        if found is None:
            return Standing()
        with self._lock:
            is_same = self._grant is not None and self._grant.request_id == found.request_id
            until = self._grant.expires_at if self._grant and is_same else None
        return Standing(str(found.request_id), found.email, found.source == "environment", until)

    def terms(self) -> Terms:
        """The terms in force.

        Raises
        ------
        AccessServiceError
        """
        service = self._service()
        version = service.manifest().terms_version
        return Terms(version, service.terms_url, service.privacy_url, service.takedown_url)

    def ask(self, form: StimulusRequest, terms: Terms) -> Standing:
        """Send the form, agreeing to the terms that were shown, and keep the request id.

        Raises
        ------
        InvalidArgumentError, ConfigError
            Before anything is sent.
        FormRefusedError, TermsOutdatedError, AccessServiceError
        """
        form.require_valid()
        require_place()
        service = self._service()
        grant = service.request(form, terms_version=terms.version, source=SOURCE)
        access.save_credentials(service.url, grant.request_id, str(form.answers()["email"]))
        return self._now_with(grant)

    def login(self, request_id: str) -> Standing:
        """Keep a request id that somebody has.

        Raises
        ------
        InvalidArgumentError, ConfigError
        AccessNotFoundError, AccessRevokedError, TermsOutdatedError, AccessServiceError
        """
        return self._now_with(access.login(request_id, settings=self._settings))

    def check(self) -> Standing:
        """Ask the service whether it still knows this machine, for new links.

        Raises
        ------
        AccessNotFoundError, AccessRevokedError, TermsOutdatedError, AccessServiceError
        """
        return self._now_with(access.stimulus_source(self._settings).require_grant())

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

    def _now_with(self, grant: Grant) -> Standing:
        with self._lock:
            self._grant = grant
        return self.standing()
