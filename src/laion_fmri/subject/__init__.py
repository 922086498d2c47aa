"""One subject's files as arrays and tables. Arrays are not cached."""

from __future__ import annotations

import os

from laion_fmri import layout
from laion_fmri._errors import DataNotDownloadedError, closest
from laion_fmri.arguments import same_number
from laion_fmri.config import load_settings
from laion_fmri.html import shortened, table
from laion_fmri.subject.betas import BetasAccessors
from laion_fmri.subject.localizers import LocalizerAccessors
from laion_fmri.subject.noise_ceilings import NoiseCeilingAccessors
from laion_fmri.subject.raw_bids import RawDataAccessors
from laion_fmri.subject.responses import ResponseAccessors
from laion_fmri.subject.rois import RoiAccessors
from laion_fmri.subject.stimuli import StimulusAccessors
from laion_fmri.subject.templates import TemplateAccessors
from laion_fmri.subject.torch_datasets import TorchAccessors
from laion_fmri.subject.volumes import VolumeAccessors
from laion_fmri.subject_files import local_subjects

__all__ = ["Subject", "load_subject", "local_subjects"]


def load_subject(subject: str | int, data_dir: str | os.PathLike[str] | None = None) -> Subject:
    """Load a handle of one subject's downloaded files.

    Parameters
    ----------
    subject : str or int
        ``"sub-03"``, ``"03"`` or 3.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataDirNotSetError
        When no data directory is configured, or it does not exist.
    SubjectNotFoundError
        When the identifier is malformed.
    DataNotDownloadedError
        When none of the subject's files are downloaded.

    Examples
    --------
    >>> sub = load_subject("sub-01")
    >>> sub.get_sessions()[0]
    'ses-01'
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    name = layout.subject_id(subject)
    downloaded = local_subjects(root)
    if name not in downloaded:
        text = f"{name} has no files in {root}."
        if downloaded:
            text += f" Downloaded: {', '.join(downloaded)}."
        close = same_number(name, downloaded) or closest(name, downloaded)
        if close:
            text += f" Did you mean {' or '.join(close)}?"
        raise DataNotDownloadedError(f"{text} `laion-fmri download --subject {name}` fetches them.")
    return Subject(name, root)


class Subject(
    StimulusAccessors,
    BetasAccessors,
    ResponseAccessors,
    NoiseCeilingAccessors,
    RoiAccessors,
    LocalizerAccessors,
    VolumeAccessors,
    TemplateAccessors,
    TorchAccessors,
    RawDataAccessors,
):
    """One subject's downloaded files; created by `load_subject`.

    Parameters
    ----------
    subject_id : str
        ``"sub-03"`` or ``"03"``.
    data_dir : path
    stimuli : LocalStimuli, optional
        A shared handle of the stimuli.

    Attributes
    ----------
    subject_id, name : str
        Full identifier, ``"sub-03"``.
    data_dir : Path
    """

    def __repr__(self) -> str:
        sessions = self.get_sessions()
        return f"<Subject {self.name}: {len(sessions)} sessions in {self.data_dir}>"

    def _repr_html_(self) -> str:
        rois = self._files.roi_index().categories
        return table(
            self.name,
            [
                ("Sessions", shortened(self.get_sessions())),
                *((f"ROIs: {category}", shortened(names)) for category, names in rois.items()),
                ("Stimuli", shortened(self._stimuli.local_parts, 9)),
            ],
            note=f"In {self.data_dir}",
        )
