"""The server's downloads, checks and image access, as the visitor of a page may use them.

Whoever may not act gets something to look at: asked to change anything, it refuses. Views need
not be trusted with that, since a page can be made to press buttons that are not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from laion_fmri._errors import NotAllowedError
from laion_fmri.access import StimulusRequest
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.explorer.checkup import CheckSnapshot, Checkup, shared_checkup
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.image_access import ImageAccess, Standing, Terms
from laion_fmri.explorer.job import Job
from laion_fmri.explorer.jobs import JobQueue, JobSnapshot, shared_queue
from laion_fmri.explorer.roles import Visitor
from laion_fmri.transfer.plan import TransferPlan

DOWNLOADING = "Downloading"
CHECKING = "Checking local files"
AGREEING = "Access to the images"


@dataclass(frozen=True)
class ShownQueue:
    """The downloads of a server, for somebody who may look at them.

    Attributes
    ----------
    queue : JobQueue
    visitor : Visitor
    """

    queue: JobQueue
    visitor: Visitor

    is_owner = False  # whoever looks runs no downloads

    @property
    def why_not_mine(self) -> str:
        """Why nothing can be changed here."""
        return self.visitor.why_not(DOWNLOADING)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return self.queue.is_busy

    @property
    def n_over(self) -> int:
        """How many runs have come to an end so far."""
        return self.queue.n_over

    @property
    def rate(self) -> float | None:
        """Bytes a second, now or as last measured."""
        return self.queue.rate

    def jobs(self) -> tuple[JobSnapshot, ...]:
        """All jobs."""
        return self.queue.jobs()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called when a job is added, begins or ends."""
        return self.queue.subscribe(listener)

    def submit(self, plan: TransferPlan, title: str, n_jobs: int = 1) -> Job:
        """Refuse.

        Raises
        ------
        NotAllowedError
        """
        self.visitor.require_owner(DOWNLOADING)
        return self.queue.submit(plan, title, n_jobs)

    def pause(self, number: int) -> None:
        """Refuse."""
        self.visitor.require_owner("Pausing a download")

    def resume(self, number: int) -> None:
        """Refuse."""
        self.visitor.require_owner("Resuming a download")

    def cancel(self, number: int) -> None:
        """Refuse."""
        self.visitor.require_owner("Cancelling a download")

    def forget_history(self) -> None:
        """Refuse."""
        self.visitor.require_owner("Clearing the history")


@dataclass(frozen=True)
class ShownCheckup:
    """The checks of a server, for somebody who may look at them.

    Attributes
    ----------
    checkup : Checkup
    visitor : Visitor
    """

    checkup: Checkup
    visitor: Visitor

    def snapshot(self) -> CheckSnapshot:
        """The check as it is now."""
        return self.checkup.snapshot()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called when a check begins or ends."""
        return self.checkup.subscribe(listener)

    def start(self, settings: Settings, bucket: Callable[[], Bucket], subject: str = "") -> None:
        """Refuse.

        Raises
        ------
        NotAllowedError
        """
        self.visitor.require_owner(CHECKING)

    def stop(self) -> None:
        """Refuse."""
        self.visitor.require_owner(CHECKING)

    def take_repair(self) -> TransferPlan | None:
        """Refuse."""
        self.visitor.require_owner("Repairing local files")
        return None


@dataclass(frozen=True)
class NoImageAccess:
    """The access service for somebody to whom it is none of their business.

    Neither the request id, masked or not, nor the address of whoever has it can be asked of it.

    Attributes
    ----------
    visitor : Visitor
    """

    visitor: Visitor

    def standing(self) -> Standing:
        """Nothing is known."""
        return Standing()

    def terms(self) -> Terms:
        """Refuse.

        Raises
        ------
        NotAllowedError
        """
        raise self._refusal()

    def ask(self, form: StimulusRequest, terms: Terms) -> Standing:
        """Refuse."""
        raise self._refusal()

    def login(self, request_id: str) -> Standing:
        """Refuse."""
        raise self._refusal()

    def check(self) -> Standing:
        """Refuse."""
        raise self._refusal()

    def logout(self) -> Standing:
        """Refuse."""
        raise self._refusal()

    def _refusal(self) -> NotAllowedError:
        return NotAllowedError(self.visitor.why_not(AGREEING))


def queue_of(data: ExplorerData) -> JobQueue | ShownQueue:
    """The downloads of the server, to change or to look at."""
    queue = shared_queue(data.settings)
    return queue if data.visitor.may_act else ShownQueue(queue, data.visitor)


def checkup_of(data: ExplorerData) -> Checkup | ShownCheckup:
    """The checks of the server, to begin or to look at."""
    checkup = shared_checkup(data.settings)
    return checkup if data.visitor.may_act else ShownCheckup(checkup, data.visitor)


def image_access_of(data: ExplorerData) -> ImageAccess | NoImageAccess:
    """The access service of the images, or none of it."""
    if not data.visitor.may_act:
        return NoImageAccess(data.visitor)
    settings = data.settings
    key = ("image access", settings.access_url)
    return data.remember(key, lambda: ImageAccess(settings))
