"""What a visitor of a shared server gets of its data: the same answers, less what is not theirs.

Everything is asked of the server's own `ExplorerData`, so that pages share what was made. What
was made for somebody who sees the images is kept apart from what was made for somebody who
does not: no thumbnail can come out of the wrong drawer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.explorer.bucket_listing import BucketListing
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.hidden_images import StimuliWithoutImages, SubjectWithoutImages
from laion_fmri.explorer.roles import Visitor
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.subject import Subject, load_subject

T = TypeVar("T")


class VisitorData(ExplorerData):
    """The data of a server as one visitor may have them.

    Parameters
    ----------
    whole : ExplorerData
        The server's.
    visitor : Visitor
    """

    def __init__(self, whole: ExplorerData, visitor: Visitor) -> None:
        self._whole = whole
        self.visitor = visitor

    @property
    def settings(self) -> Settings:  # type: ignore[override]
        """What the server works with."""
        return self._whole.settings

    def bucket(self) -> Bucket:
        """The bucket."""
        return self._whole.bucket()

    def listing(self) -> BucketListing:
        """The listing of the whole bucket."""
        return self._whole.listing()

    def list_again(self) -> None:
        """Forget what the bucket listed."""
        self._whole.list_again()

    def keep_overview(self) -> None:
        """Keep what the overview listed."""
        self._whole.keep_overview()

    def settings_with(self, changes: Mapping[str, str]) -> Settings:
        """The settings as they would be.

        Raises
        ------
        NotAllowedError
            To anybody but the owner.
        ConfigError
        """
        self.visitor.require_owner("Changing the settings")
        return self._whole.settings_with(changes)

    def change_settings(self, changes: Mapping[str, str]) -> None:
        """Work with other settings from now on; see `ExplorerData.change_settings`.

        Raises
        ------
        NotAllowedError
            To anybody but the owner.
        ConfigError
        """
        self.visitor.require_owner("Changing the settings")
        self._whole.change_settings(changes)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called when the settings change."""
        return self._whole.subscribe(listener)

    def subject(self, name: str) -> Subject:
        """A handle on a local subject, without images where they are not to be seen."""
        if self.visitor.sees_images:
            return super().subject(name)

        def make() -> Subject:
            found = load_subject(name, self.data_dir)
            return SubjectWithoutImages(found.name, found.data_dir)

        return self.remember(("subject", name), make, self.stimulus_files())

    def stimuli(self) -> Stimuli:
        """The stimuli, without images where they are not to be seen."""
        if self.visitor.sees_images:
            return super().stimuli()
        return self.remember(
            ("stimuli",), lambda: StimuliWithoutImages(self.data_dir), self.stimulus_files()
        )

    def remember(self, key: Hashable, make: Callable[[], T], files: Iterable[Path] = ()) -> T:
        """The result of `make`, shared with visitors who see as much as this one."""
        drawer = key if self.visitor.sees_images else ("without images", key)
        return self._whole.remember(drawer, make, files)
