"""What the Splits tab shows, from the library: a split, its trials, its pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError, StimuliNotDownloadedError
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.splits import Split, SplitSizes, load_split, split_sizes
from laion_fmri.splits.own import own_path
from laion_fmri.splits.published import split_path
from laion_fmri.splits.registry import DECLARED, splits_dir
from laion_fmri.splits.summary import composition, trial_counts

if TYPE_CHECKING:
    import pandas as pd

THUMBNAIL = 96  # pixels


@dataclass(frozen=True)
class SplitChoice:
    """What was chosen.

    Attributes
    ----------
    pool, name : str
    ood_types : tuple of str
        Empty means all.
    subject, session : str
        Whose trials are counted; empty means nobody's, and every local session.
    """

    pool: str
    name: str
    ood_types: tuple[str, ...] = ()
    subject: str = ""
    session: str = ""


@dataclass(frozen=True, eq=False)
class SplitReport:
    """A split in figures.

    Attributes
    ----------
    choice : SplitChoice
    sizes : SplitSizes
    split : Split or None
        None where it cannot be had; then `problem` says why.
    composition, trials : DataFrame or None
        As from `laion_fmri.splits.summary`.
    problem, trials_problem : str
        Why there is no split, or no count of trials; empty when there is.
    """

    choice: SplitChoice
    sizes: SplitSizes
    split: Split | None = None
    composition: pd.DataFrame | None = None
    trials: pd.DataFrame | None = None
    problem: str = ""
    trials_problem: str = ""


def report(data: ExplorerData, choice: SplitChoice) -> SplitReport:
    """The split that was chosen, in figures.

    Raises
    ------
    LaionFmriError
        When there is no such pool or split, or its sizes are not known either.
    """
    types = choice.ood_types or None
    sizes_known = split_sizes(choice.name, choice.pool, types, data.settings.data_dir)
    try:
        split = chosen_split(data, choice)
    except LaionFmriError as error:
        return SplitReport(choice, sizes_known, problem=str(error))
    trials, problem = None, ""
    if choice.subject:
        try:
            trials = trial_counts(split, _labels(data, choice.subject, choice.session))
        except LaionFmriError as error:
            problem = str(error)
    sizes = SplitSizes(split.n_train, split.n_test)
    return SplitReport(choice, sizes, split, composition(split), trials, "", problem)


def examples(ids: Sequence[str], n: int) -> list[str]:
    """`n` of the ids, evenly from the first to the last; all where there are no more."""
    if len(ids) <= n:
        return list(ids)
    return [ids[round(i * (len(ids) - 1) / (n - 1))] for i in range(n)]


@dataclass(frozen=True)
class Looks:
    """What images look like.

    Attributes
    ----------
    pictures : mapping or None
        ``data:`` addresses by name; None where the images are not here.
    captions : mapping
        In their place.
    """

    pictures: Mapping[str, str] | None
    captions: Mapping[str, str]


def looks(data: ExplorerData, names: Sequence[str]) -> Looks:
    """Pictures where the images are here, else captions where those are, else nothing.

    Raises
    ------
    DamagedFileError
    """
    if has_images(data):
        return Looks(thumbnails(data, names), {})
    try:
        return Looks(None, captions(data, names))
    except StimuliNotDownloadedError:
        return Looks(None, {})


def has_images(data: ExplorerData) -> bool:
    """Whether the images are local and may be seen."""
    return data.has_images()


def thumbnails(data: ExplorerData, names: Sequence[str]) -> Mapping[str, str]:
    """Small pictures as ``data:`` addresses by name.

    Raises
    ------
    StimuliNotDownloadedError, DamagedFileError
    """
    path = layout.local_path(data.data_dir, layout.STIMULI_IMAGES)
    key = ("thumbnails", tuple(names))
    return data.remember(key, lambda: {n: _thumbnail(data, n) for n in names}, files=[path])


def captions(data: ExplorerData, names: Sequence[str]) -> Mapping[str, str]:
    """The first caption of each image that has one: a human's before a model's.

    Raises
    ------
    StimuliNotDownloadedError, DamagedFileError
    """
    found = data.stimuli().captions
    first = {name: next(iter(found.list(name)), "") for name in names}
    return {name: str(caption) for name, caption in first.items() if caption}


def _thumbnail(data: ExplorerData, name: str) -> str:
    picture = data.stimuli().images.get(name)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stored.getvalue()).decode()


def name_files(data: ExplorerData) -> list[Path]:
    """The files that image names and pools are read from."""
    root = data.data_dir
    files = [layout.local_path(root, layout.STIMULI_METADATA), splits_dir(root) / DECLARED]
    if not files[0].exists():
        files += [path for sub in data.local_subjects() for path in _trial_tables(root, sub)]
    return files


def chosen_split(data: ExplorerData, choice: SplitChoice) -> Split:
    """The split that was chosen.

    Raises
    ------
    LaionFmriError
        When it cannot be had.
    """
    root = data.data_dir
    files = [
        *name_files(data),
        split_path(choice.pool, choice.name, root),
        own_path(choice.pool, choice.name, root),
    ]
    types = choice.ood_types or None
    return data.remember(
        ("split", choice.pool, choice.name, types),
        lambda: load_split(choice.name, choice.pool, types, root),
        files=files,
    )


def _labels(data: ExplorerData, subject: str, session: str) -> list[str]:
    """The image of each trial of one local session, or of all."""
    return trial_labels(data, subject, session)[0]


def trial_labels(data: ExplorerData, subject: str, session: str) -> tuple[list[str], list[str]]:
    """The image and the session of each trial of one local session, or of all.

    Raises
    ------
    LaionFmriError
    """

    def read() -> tuple[list[str], list[str]]:
        tables = data.subject(subject).get_trial_info([session] if session else None)
        assert isinstance(tables, dict)
        labels = [label for table in tables.values() for label in table["label"]]
        return labels, [name for name, table in tables.items() for _ in range(len(table))]

    files = _trial_tables(data.data_dir, subject)
    return data.remember(("labels", subject, session), read, files=files)


def _trial_tables(root: Path, subject: str) -> list[Path]:
    folders = sorted((root / layout.subject_betas_dir(subject)).glob("ses-*"))
    return [layout.local_path(root, layout.trials(subject, f.name)) for f in folders]
