"""The stimuli and subjects of somebody who may not see the images: all there is but those."""

from __future__ import annotations

from pathlib import Path

from laion_fmri._errors import NotAllowedError
from laion_fmri.explorer.roles import IMAGES_HIDDEN
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.stimuli.images import Images
from laion_fmri.stimuli.metadata import NameIndex
from laion_fmri.subject import Subject


class HiddenImages(Images):
    """Images that refuse to be read: every access raises `NotAllowedError`.

    Parameters
    ----------
    data_dir : Path
    """

    @property
    def _file(self) -> LazyHdf5:
        raise NotAllowedError(IMAGES_HIDDEN)

    @property
    def _index(self) -> NameIndex:
        raise NotAllowedError(IMAGES_HIDDEN)


class StimuliWithoutImages(Stimuli):
    """Stimuli whose images are hidden."""

    @property
    def images(self) -> Images:
        """Images that refuse to be read."""
        return HiddenImages(self.data_dir)


class SubjectWithoutImages(Subject):
    """A subject whose images are hidden.

    Parameters
    ----------
    name : str
    data_dir : Path
    """

    def __init__(self, name: str, data_dir: Path) -> None:
        super().__init__(name, data_dir)
        self._stimuli = StimuliWithoutImages(data_dir)
