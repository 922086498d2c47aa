"""What the Trials tab shows, from the library's public API. No widgets.

Each function reads one thing and raises the library's own errors, so that a view can
show the parts that are here and say of each other part why it is not.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import StimuliNotDownloadedError
from laion_fmri.trials import is_shared

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.stimuli.captions import Captions
    from laion_fmri.stimuli.segmentations import Segmentations
    from laion_fmri.subject import Subject


@dataclass(frozen=True)
class Picture:
    """An encoded picture that every decoder shows alike.

    Attributes
    ----------
    encoded : bytes
    mime : {"image/jpeg", "image/png"}
    """

    encoded: bytes
    mime: str


@dataclass(frozen=True)
class ObjectMask:
    """One object in a picture.

    Attributes
    ----------
    noun : str
    instance : int
        0 has the best score.
    score : float
        Of the detector; NaN where there is none.
    localized : bool
        False when the noun was recognised but not bounded in space.
    shape : (int, int)
        Rows and columns of the mask.
    runs : ndarray of uint32, shape (n_runs, 2)
        First pixel and one past the last of each run of the mask, in C order.
    """

    noun: str
    instance: int
    score: float
    localized: bool
    shape: tuple[int, int]
    runs: NDArray[np.uint32]


@dataclass(frozen=True)
class TrialCaptions:
    """Captions of one image: humans' in rank order, and the AI's where there is one."""

    human: tuple[str, ...]
    ai: str | None
    ai_model: str | None


# --- trials -----------------------------------------------------------------------------


def trial_table_files(sub: Subject) -> list[Path]:
    """The files that `trial_table` depends on."""
    tables = [
        layout.local_path(sub.data_dir, layout.trials(sub.name, session))
        for session in sub.get_sessions()
    ]
    return [*tables, layout.local_path(sub.data_dir, layout.STIMULI_METADATA)]


def trial_table(sub: Subject) -> pd.DataFrame:
    """Every local trial of a subject; the row index is the global trial index.

    Returns
    -------
    DataFrame
        Columns session, session_trial, run, image_name, dataset, unique_or_shared,
        repeat (which showing of its image a trial is, 1-based) and repeats (of how many),
        both counted over the local sessions. Where the stimulus metadata are not local,
        dataset is ``""`` and unique_or_shared comes from the names.

    Raises
    ------
    LaionFmriError
        When a trial table is missing or damaged.
    """
    try:
        table = sub.metadata.copy()
    except StimuliNotDownloadedError:
        table = _without_stimulus_metadata(sub)
    by_image = table.groupby("image_name", sort=False)
    table["repeat"] = by_image.cumcount() + 1
    table["repeats"] = by_image["image_name"].transform("size").astype(int)
    return table


def _without_stimulus_metadata(sub: Subject) -> pd.DataFrame:
    import pandas as pd

    tables = sub.get_trial_info(session=None)
    assert isinstance(tables, dict)
    parts = [
        table.assign(session=session, session_trial=np.arange(len(table)))
        for session, table in tables.items()
    ]
    if not parts:
        parts = [pd.DataFrame({c: [] for c in ("session", "session_trial", "run", "label")})]
    joined = pd.concat(parts, ignore_index=True).rename(columns={"label": "image_name"})
    joined["dataset"] = ""
    joined["unique_or_shared"] = np.where(
        is_shared(joined["image_name"].astype(str)), "shared", "unique"
    )
    return joined


def next_repeat(table: pd.DataFrame, trial: int) -> int:
    """The next trial that shows the same image; the first after the last, itself if alone."""
    same = np.flatnonzero((table["image_name"] == table["image_name"].iloc[trial]).to_numpy())
    return int(same[(np.searchsorted(same, trial) + 1) % len(same)])


def choose_trials(
    table: pd.DataFrame,
    session: str = "",
    dataset: str = "",
    group: str = "",
    names: set[str] | None = None,
) -> NDArray[np.bool_]:
    """Which trials pass every filter; an empty filter passes all. Shape (n_trials,).

    Parameters
    ----------
    table : DataFrame
        As from `trial_table`.
    session, dataset : str
    group : {"", "shared", "unique"}
    names : set of str, optional
        Image names to keep.
    """
    keep = np.ones(len(table), dtype=bool)
    for column, value in (
        ("session", session),
        ("dataset", dataset),
        ("unique_or_shared", group),
    ):
        if value:
            keep &= (table[column] == value).to_numpy(dtype=bool)
    if names is not None:
        keep &= table["image_name"].isin(names).to_numpy()
    return keep


def caption_search(captions: Captions) -> Callable[[str], set[str]]:
    """A function from a text to the names of the images one of whose captions contains it.

    Case is ignored. The captions are read once, here.
    """
    texts: dict[str, str] = {}
    rows = captions.metadata[["image_name", "caption"]].dropna()
    for name, caption in rows.itertuples(index=False):
        texts[name] = f"{texts[name]}\n{caption}" if name in texts else str(caption)
    folded = {name: text.casefold() for name, text in texts.items()}

    def names_with(text: str) -> set[str]:
        wanted = text.casefold()
        return {name for name, captions in folded.items() if wanted in captions}

    return names_with


# --- one trial --------------------------------------------------------------------------


def displayed_picture(sub: Subject, trial: int) -> Picture:
    """The picture of a trial as it was displayed.

    A plain RGB JPEG keeps its stored bytes. Whatever a browser might show differently
    (transparency, a colour profile, an orientation tag) is composited by the library and
    stored without loss.

    Raises
    ------
    LaionFmriError
        When images are not local, or this one is damaged.
    """
    stored = sub.images.get(trial, as_displayed=False)
    if (
        stored.format == "JPEG"
        and stored.mode == "RGB"
        and "icc_profile" not in stored.info
        and not stored.getexif()
    ):
        return Picture(sub.images[trial], "image/jpeg")
    encoded = io.BytesIO()
    sub.images.get(trial).save(encoded, "PNG", compress_level=1)
    return Picture(encoded.getvalue(), "image/png")


def object_masks(sub: Subject, trial: int, segmentations: Segmentations) -> list[ObjectMask]:
    """The objects in the picture of a trial, by noun and instance; empty where none are known.

    Parameters
    ----------
    sub : Subject
    trial : int
    segmentations : Segmentations
        Of the same data directory.

    Raises
    ------
    LaionFmriError
        When masks are not local or damaged.
    """
    rows = sub.segmentations.for_image(trial).sort_values(["noun", "instance_id"])
    masks = segmentations.masks(rows["mask_row"]) if len(rows) else []
    return [
        ObjectMask(
            noun=str(row["noun"]),
            instance=int(row["instance_id"]),
            score=float(row["score"]),
            localized=bool(row["localized"]),
            shape=mask.shape,
            runs=mask_runs(mask),
        )
        for row, mask in zip(rows.to_dict("records"), masks, strict=True)
    ]


def mask_runs(mask: NDArray) -> NDArray[np.uint32]:
    """Where a mask is not zero, as runs in C order; see `ObjectMask`."""
    flat = np.zeros(mask.size + 2, dtype=bool)
    np.not_equal(mask.ravel(), 0, out=flat[1:-1])
    return np.flatnonzero(flat[1:] != flat[:-1]).astype(np.uint32).reshape(-1, 2)


def trial_captions(sub: Subject, trial: int) -> TrialCaptions:
    """The captions of the picture of a trial; empty ones are left out.

    Raises
    ------
    LaionFmriError
        When captions are not local or damaged.
    """
    rows = sub.captions.get(trial).dropna(subset="caption")
    human = rows.loc[rows["source"] == "human", "caption"]
    ai = rows[rows["source"] == "ai"].head(1)
    model = ai["ai_model"].dropna()
    return TrialCaptions(
        human=tuple(map(str, human)),
        ai=str(ai["caption"].iloc[0]) if len(ai) else None,
        ai_model=str(model.iloc[0]) if len(model) else None,
    )
