"""The missing files of a subject, and the first files to download when there is no subject."""

from __future__ import annotations

from collections.abc import Callable

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.widgets.missing_files_card import MissingCard
from laion_fmri.missing_files import MissingPart, missing_parts, subject_to_begin_with

_NO_SUBJECT = (
    "No subject is downloaded yet. The Download tab has every file; this view needs those below."
)


class MissingFiles:
    """Two cards of missing files, of which at most one is visible.

    Parameters
    ----------
    data : ExplorerData
    gate : Gate
        Gate of the view that contains this one.
    on_arrival : callable
        Called when files have been downloaded.
    say : callable
        Called with the message to display above the view.

    Attributes
    ----------
    of_subject, to_begin : MissingCard
    """

    def __init__(
        self,
        data: ExplorerData,
        gate: Gate,
        on_arrival: Callable[[], object],
        say: Callable[[str], None],
    ) -> None:
        self._data, self._say = data, say
        self.of_subject, self.to_begin = (MissingCard(data, on_arrival) for _ in range(2))
        self._latest = Latest(self.of_subject.rows, gate)

    def show_missing(self, subject: str) -> None:
        """List the missing files of a downloaded subject."""
        self.to_begin.set_parts("", [])
        self._latest.ask(
            lambda: self._read(subject),
            lambda found: self.of_subject.set_parts(*found),
            # The Discover and Download tabs report a bucket that cannot be reached.
            lambda _: None,
        )

    def show_first(self, wanted: str) -> None:
        """List the first files to download, of the requested subject or of another one."""

        def read() -> tuple[str, list[MissingPart]]:
            name = subject_to_begin_with(wanted, self._data.bucket())
            return self._read(name) if name else (name, [])

        def show(found: tuple[str, list[MissingPart]]) -> None:
            self._say(_NO_SUBJECT)
            self.to_begin.set_parts(*found)

        self._latest.ask(
            read,
            show,
            lambda text: self._say(
                f"No subject is downloaded yet. The Download tab fetches one. {text}"
            ),
        )

    def _read(self, subject: str) -> tuple[str, list[MissingPart]]:
        data = self._data
        return subject, missing_parts(subject, data.settings.data_dir, data.bucket())
