"""Human and AI captions, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import one_of, whole_number
from laion_fmri.config import load_settings
from laion_fmri.stimuli.cache import Cache
from laion_fmri.stimuli.metadata import RowsByName, require_stimulus_file
from laion_fmri.tables import Types, read_table

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd
    from numpy.typing import NDArray

TYPES: Types = {
    "image_name": "text",
    "caption_idx": "integer",
    "source": "text",
    "caption": "text",
    "origin_collection": "text",
    "participant_id": "text",
    "ai_model": "text",
}
COLUMNS = tuple(TYPES)
SOURCES = ("human", "ai")


class Captions:
    """Captions of every image: human ones in rank order, and an AI caption if available.

    Images without captions give empty results, not errors. ``len`` is the number of captions,
    ``in`` tests whether an image has any.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    StimuliNotDownloadedError
        On first use, when the captions are not downloaded.
    """

    def __init__(self, data_dir: str | PathLike[str] | None = None) -> None:
        self.data_dir = load_settings(data_dir=data_dir).require_data_dir()
        self._cache = Cache()

    @property
    def metadata(self) -> pd.DataFrame:
        """One row per caption: image_name, caption_idx (0 = AI, 1… = human rank), source
        (human, ai), caption, origin_collection, participant_id, ai_model.
        """
        return self._cache.get("metadata", self._read)

    def _read(self) -> pd.DataFrame:
        return read_table(require_stimulus_file(self.data_dir, layout.CAPTIONS), TYPES)

    def _texts(self, name: str, source: str | None = None) -> list[str]:
        """Return the captions of one image in the order of `get`, of one source or all."""
        places, sources, texts, is_known = self._cache.get("columns", self._columns)
        rows = self._rows.of(name)
        rows = rows[is_known[rows]]
        if source is not None:
            rows = rows[sources[rows] == source]
        return texts[rows[np.argsort(places[rows])]].tolist()

    def _columns(self) -> tuple[NDArray, NDArray, NDArray, NDArray[np.bool_]]:
        """Return rank, source, caption and presence of a caption for every row."""
        table = self.metadata
        order = table["caption_idx"].reset_index(drop=True).sort_values(kind="stable").index
        return (
            np.argsort(order),
            table["source"].to_numpy(dtype=object),
            table["caption"].to_numpy(dtype=object),
            table["caption"].notna().to_numpy(),
        )

    @property
    def _rows(self) -> RowsByName:
        return self._cache.get("rows", lambda: RowsByName(self.metadata))

    def get(self, name: str) -> pd.DataFrame:
        """Return the captions of one image with their metadata, sorted by ``caption_idx``."""
        rows = self._rows.of(name)
        return self.metadata.iloc[rows].sort_values("caption_idx", kind="stable", ignore_index=True)

    def images(self) -> list[str]:
        """Return the images that have captions, in the order of the table."""
        return self._rows.names

    def __len__(self) -> int:
        """Number of captions."""
        return len(self.metadata)

    def __contains__(self, name: object) -> bool:
        """Whether an image has captions."""
        return name in self._rows

    def human(self, name: str, limit: int | None = None) -> list[str]:
        """Return the human captions of one image, in rank order.

        Parameters
        ----------
        name : str
        limit : int, optional
            Largest number of captions, best first.

        Raises
        ------
        InvalidArgumentError
            When `limit` is not a whole number of 0 or more.
        """
        n = None if limit is None else whole_number(limit)
        if n is None and limit is not None:
            raise InvalidArgumentError(f"limit is a whole number of 0 or more, not {limit!r}.")
        return self._texts(name, "human")[:n]

    def ai(self, name: str) -> str | None:
        """Return the AI caption of one image; None if there is none."""
        return next(iter(self._texts(name, "ai")), None)

    def list(self, name: str, source: str | None = None) -> list[str]:
        """Return all captions of one image by ``caption_idx``: AI, then human in rank order.

        Parameters
        ----------
        name : str
        source : {"human", "ai"}, optional
            Only of these.

        Raises
        ------
        UnknownNameError
            When there is no such source.
        """
        return self._texts(name, None if source is None else one_of("source", source, SOURCES))

    def close(self) -> None:
        """Clear the cache."""
        self._cache.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
