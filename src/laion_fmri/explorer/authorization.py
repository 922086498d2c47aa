"""The server's downloads, checks, selections and image access, restricted to a visitor's rights.

`Visitor.require_owner` and `Visitor.require_images` define what is allowed; `ExplorerData` uses
them to hide the images. A viewer gets read-only proxies of the server's objects: views cannot be
trusted to enforce this, since a client can press buttons that are not displayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

from laion_fmri._errors import NotAllowedError
from laion_fmri.access.image_access import ImageAccess, Standing
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.download_queue import JobQueue, shared_queue
from laion_fmri.explorer.runtime.verification_job import VerificationJob, shared_verification
from laion_fmri.explorer.runtime.visitor import (
    AGREEING,
    CHECKING,
    CHOOSING_FOLDER,
    DOWNLOADING,
    Visitor,
)
from laion_fmri.trial_selection.saved_selections import Selections

__all__ = [
    "CHOOSING_FOLDER",
    "DOWNLOADING",
    "image_access_of",
    "queue_of",
    "selections_of",
    "verification_of",
]  # fmt: skip


@dataclass(frozen=True)
class ReadOnly:
    """Read-only proxy of a server object: every attribute except `allowed` is refused.

    Parameters
    ----------
    target : object
    visitor : Visitor
    doing : str
        The refused action, as the subject of a sentence.
    allowed : frozenset of str
        Names of the attributes that only read.
    instead : mapping
        Attributes replaced by other values for a viewer.
    """

    target: object
    visitor: Visitor
    doing: str
    allowed: frozenset[str]
    instead: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self.instead:
            return self.instead[name]
        return getattr(self.target, name) if name in self.allowed else self._refuse

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotAllowedError(self.visitor.why_not(self.doing))


def queue_of(data: ExplorerData) -> JobQueue:
    """Return the server's download queue; read-only for a viewer."""
    queue, visitor = shared_queue(data.settings), data.visitor
    if visitor.may_act:
        return queue
    allowed = frozenset({"is_busy", "n_over", "rate", "jobs", "subscribe", "fetching"})
    instead = {"is_owner": False, "why_read_only": visitor.why_not(DOWNLOADING)}
    return cast("JobQueue", ReadOnly(queue, visitor, DOWNLOADING, allowed, instead))


def verification_of(data: ExplorerData) -> VerificationJob:
    """Return the server's verification of local files; read-only for a viewer."""
    verification, visitor = shared_verification(data.settings), data.visitor
    if visitor.may_act:
        return verification
    allowed = frozenset({"snapshot", "subscribe"})
    return cast("VerificationJob", ReadOnly(verification, visitor, CHECKING, allowed))


def selections_of(data: ExplorerData) -> Selections:
    """Return the saved selections of trials; read-only for a viewer."""
    selections, visitor = Selections(data.data_dir), data.visitor
    if visitor.may_act:
        return selections
    allowed = frozenset({"of"})
    return cast("Selections", ReadOnly(selections, visitor, "Saving selections", allowed))


def image_access_of(data: ExplorerData) -> ImageAccess:
    """Return the access service of the images; hides the owner's access from a viewer."""
    settings = data.settings
    if data.visitor.may_act:
        key = ("image access", settings.access_url)
        return data.remember(key, lambda: ImageAccess(settings))
    service = ReadOnly(None, data.visitor, AGREEING, frozenset(), {"standing": Standing})
    return cast("ImageAccess", service)
