"""Human and AI captions, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.stimuli.metadata import RowsByName, read_table, require_stimulus_file
from laion_fmri.stimuli.once import Kept

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from numpy.typing import NDArray

COLUMNS = (
    "image_name",
    "caption_idx",
    "source",
    "caption",
    "origin_collection",
    "participant_id",
    "ai_model",
)


class Captions:
    """Captions of every image: humans' in rank order, and AI's where there is one.

    Images without captions give empty answers, not errors.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    StimuliNotDownloadedError
        On first use, when the captions are not local.
    """

    def __init__(self, data_dir: str | PathLike[str] | None = None) -> None:
        self.data_dir = load_settings(data_dir=data_dir).require_data_dir()
        self._kept = Kept()

    @property
    def metadata(self) -> pd.DataFrame:
        """One row a caption: image_name, caption_idx (0 = AI, 1… = human rank), source
        (human, ai), caption, origin_collection, participant_id, ai_model.
        """
        return self._kept.get("metadata", self._read)

    def _read(self) -> pd.DataFrame:
        return read_table(require_stimulus_file(self.data_dir, layout.CAPTIONS), COLUMNS)

    def _texts(self, name: str, source: str) -> list[str]:
        """The captions of one image from one source, as `get` has them, without a table."""
        places, sources, texts = self._kept.get("columns", self._columns)
        rows = self._rows.of(name)
        rows = rows[sources[rows] == source]
        return texts[rows[np.argsort(places[rows])]].tolist()

    def _columns(self) -> tuple[NDArray, NDArray, NDArray]:
        """Of every row: its place in the order of ``caption_idx``, its source, its caption."""
        table = self.metadata
        order = table["caption_idx"].reset_index(drop=True).sort_values(kind="stable").index
        return (
            np.argsort(order),
            table["source"].to_numpy(dtype=object),
            table["caption"].to_numpy(dtype=object),
        )

    @property
    def _rows(self) -> RowsByName:
        return self._kept.get("rows", lambda: RowsByName(self.metadata))

    def get(self, name: str) -> pd.DataFrame:
        """The captions of one image with all that is known of them, by ``caption_idx``."""
        rows = self._rows.of(name)
        return self.metadata.iloc[rows].sort_values("caption_idx", kind="stable", ignore_index=True)

    def human(self, name: str) -> list[str]:
        """The human captions of one image, in rank order."""
        return self._texts(name, "human")

    def ai(self, name: str) -> str | None:
        """The AI caption of one image; None where there is none."""
        return next(iter(self._texts(name, "ai")), None)

    def list(self, name: str) -> list[str]:
        """Every caption of one image: humans' in rank order, then AI's."""
        return self.human(name) + self._texts(name, "ai")[:1]

    def close(self) -> None:
        """Forget what was read."""
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
