"""Selection of a subject's trials by filters, caption words, expressions and splits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import LaionFmriError
from laion_fmri.arguments import one_of
from laion_fmri.layout import session_id
from laion_fmri.splits import get_split_masks
from laion_fmri.stimuli.caption_search import CaptionIndex
from laion_fmri.stimuli.hub import LocalStimuli
from laion_fmri.trial_selection.expressions import rows_that_pass
from laion_fmri.trial_selection.filters import SIDES, Filters, TrialFilter
from laion_fmri.trial_selection.trial_table import trial_table

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject import Subject

T = TypeVar("T")


def select_trials(
    sub: Subject,
    *,
    where: str = "",
    caption: str = "",
    noun: str = "",
    session: str | int = "",
    run: str | int = "",
    dataset: str = "",
    seen_by: str = "",
    repeats: str | int = "",
    ood_type: str = "",
    split: str = "random_0",
    pool: str = "shared",
    side: str = "",
) -> pd.DataFrame:
    """Select the trials that pass every filter.

    Parameters
    ----------
    sub : Subject
    where : str
        An expression over columns, such as ``"run <= 3 and not dataset == OOD"``; see
        `laion_fmri.trial_selection.expressions`.
    caption : str
        Words or ``"phrases"`` in the captions of the image; see `CaptionIndex.search`. The trials
        with the best matches come first.
    noun : str
        An object in the segmentations of the image.
    session, run, dataset, repeats, ood_type : str or int
        The value of a column. `repeats` counts the downloaded trials with the same image.
    seen_by : {"", "shared", "unique"}
    split, pool : str
        A split, for `side`.
    side : {"", "train", "test", "neither"}
        The side of the split that the image is on.

    Returns
    -------
    DataFrame
        The rows of `trial_table`; the index is the global trial index.

    Raises
    ------
    ExpressionError
        When `where` cannot be read or names an unknown column.
    UnknownNameError
        When there is no such side or session.
    StimuliNotDownloadedError
        When captions are searched and not downloaded.
    LaionFmriError
        When a trial table is missing or damaged, or the split cannot be read.

    Examples
    --------
    >>> sub = laion_fmri.load_subject("sub-01")
    >>> table = select_trials(sub, where="repeats >= 4 and run < 3", session="ses-01")
    >>> bool((table["repeats"] >= 4).all())
    True
    """
    chosen_side = one_of("side", side, SIDES) if side else ""
    trials = read_trials(sub)
    if where:
        rows_that_pass(where, trials.columns, len(trials))  # `filtered` would not raise
    filters = Filters(
        session=session_id(session) if session != "" else "",
        run=str(run),
        dataset=dataset,
        seen_by=seen_by,
        repeats=str(repeats),
        ood_type=ood_type,
        noun=noun,
        caption=caption,
        side=chosen_side,
        where=where,
    )
    search = CaptionIndex.read(LocalStimuli(sub.data_dir).captions) if caption else None
    sides = split_sides(trials, split, pool, sub.data_dir) if side else None
    return trials.table.iloc[trials.filtered(filters, search=search, sides=sides).trials]


def read_trials(sub: Subject, stimuli: LocalStimuli | None = None) -> TrialFilter:
    """Read the trials of a subject, with nouns and captions if downloaded.

    Raises
    ------
    LaionFmriError
        When a trial table is missing or damaged.
    """
    local = stimuli or LocalStimuli(sub.data_dir)
    return TrialFilter(
        trial_table(sub),
        _or_none(lambda: local.segmentations.metadata),
        _or_none(lambda: local.captions.metadata),
    )


def split_sides(
    trials: TrialFilter, split: str, pool: str, data_dir: str | os.PathLike[str] | None = None
) -> NDArray[np.intp]:
    """Return the split side of each trial's image, as an index into `SIDES`.

    Returns
    -------
    ndarray of int, shape (n_trials,)

    Raises
    ------
    LaionFmriError
        When the split cannot be read.
    """
    train, test = get_split_masks(trials.images, split, pool, data_dir=data_dir)
    of_image = np.where(train, SIDES.index("train"), SIDES.index("neither"))
    of_image[test] = SIDES.index("test")
    return of_image[trials.image_of]


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except LaionFmriError:
        return None
