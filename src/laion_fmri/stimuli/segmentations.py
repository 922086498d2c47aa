"""Object masks of the shared images, by name and noun."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InconsistentDataError, UnknownNameError
from laion_fmri.config import load_settings
from laion_fmri.names import as_name
from laion_fmri.stimuli.cache import Cache
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.metadata import RowsByName, require_stimulus_file, row_number
from laion_fmri.tables import Types, read_text, typed

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

TYPES: Types = {
    "mask_row": "integer",
    "image_name": "text",
    "noun": "text",
    "instance_id": "integer",
    "score": "number",
    "box_x0": "number",
    "box_y0": "number",
    "box_x1": "number",
    "box_y1": "number",
    "localized": "integer",
    "mask_file": "text",
}
COLUMNS = tuple(name for name in TYPES if name != "mask_file")


class Segmentations:
    """Object masks: one mask per instance of each noun found in a shared image.

    Images without masks give empty lists, not errors. ``segmentations[row]`` is a mask, ``len`` the
    number of masks, ``in`` tests whether an image has any.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    StimuliNotDownloadedError
        On first use, when the masks or their metadata are not downloaded.
    """

    def __init__(self, data_dir: str | PathLike[str] | None = None) -> None:
        self.data_dir = load_settings(data_dir=data_dir).require_data_dir()
        self._cache = Cache()

    @property
    def _file(self) -> LazyHdf5:
        return self._cache.get(
            "file", lambda: LazyHdf5(require_stimulus_file(self.data_dir, layout.SEGMENTATIONS))
        )

    @property
    def metadata(self) -> pd.DataFrame:
        """One row per mask: mask_row, image_name, noun, instance_id (0 = best score), score,
        box_x0, box_y0, box_x1, box_y1 (pixels), localized (0 or 1), mask_file.
        """
        return self._cache.get("metadata", self._read)

    def _read(self) -> pd.DataFrame:
        path = require_stimulus_file(self.data_dir, layout.SEGMENTATIONS_METADATA)
        cells = read_text(path)
        table = typed(cells, TYPES, COLUMNS)
        cells.require("mask_row", "a whole number", table["mask_row"].notna().tolist())
        twice = table["mask_row"].duplicated()
        if twice.any():
            raise InconsistentDataError(
                f"{path.name} lists mask_row {table['mask_row'][twice].iloc[0]} twice, so masks "
                "cannot be told apart. Download it again."
            )
        return table

    @property
    def _rows(self) -> RowsByName:
        return self._cache.get("rows", lambda: RowsByName(self.metadata))

    def has_image(self, name: str) -> bool:
        """Whether an image has any mask."""
        return name in self._rows

    def for_image(self, name: str) -> pd.DataFrame:
        """Return the metadata rows of one image's masks; may be empty."""
        return self.metadata.iloc[self._rows.of(name)]

    def images(self) -> list[str]:
        """Return the images that have masks, in the order of the table."""
        return self._rows.names

    def __len__(self) -> int:
        """Number of masks."""
        return len(self.metadata)

    def __contains__(self, name: object) -> bool:
        """Whether an image has any mask."""
        return name in self._rows

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """Return one mask by its ``mask_row``, shape (1000, 1000).

        Raises
        ------
        RowNotFoundError
        """
        with self._file.dataset("masks", 3) as masks:
            number = row_number("mask", row, len(masks))
        return self.masks([number])[0]

    def nouns(self, name: str, localized_only: bool = True) -> list[str]:
        """Return the nouns found in one image, sorted; may be empty.

        Parameters
        ----------
        name : str
        localized_only : bool
            Leave out nouns that were recognised but not localized.
        """
        rows = self.for_image(name)
        if localized_only:
            rows = rows[rows["localized"] == 1]
        return sorted(rows["noun"].dropna().unique())

    def get(self, name: str, noun: str, instance: int = 0) -> NDArray[np.uint8]:
        """Return one mask.

        Parameters
        ----------
        name, noun : str
        instance : int
            Instance number; 0 has the best score.

        Returns
        -------
        ndarray of uint8, shape (1000, 1000)

        Raises
        ------
        UnknownNameError
            When the image has no such noun or instance.
        InconsistentDataError
            When the metadata list two masks of that noun and instance.
        """
        name, noun = as_name(name), as_name(noun, "noun")
        rows = self.for_image(name)
        of_noun = rows[rows["noun"] == noun]
        if of_noun.empty:
            known = self.nouns(name, localized_only=False)
            raise UnknownNameError("noun", noun, known, f"Looked for in {name}.")
        one = of_noun[of_noun["instance_id"] == instance]
        if one.empty:
            known = [str(i) for i in of_noun["instance_id"]]
            raise UnknownNameError(f"instance of {noun!r}", instance, known)
        if len(one) > 1:
            raise InconsistentDataError(
                f"{name} has two masks of {noun!r}, instance {instance}, which cannot be told "
                "apart. Download the segmentations again."
            )
        return self.masks(one["mask_row"])[0]

    def masks(self, mask_rows: Iterable[int]) -> NDArray[np.uint8]:
        """Read masks by their ``mask_row``, in the given order; shape (n, height, width).

        Repeated masks are read once.
        """
        rows = np.fromiter((int(row) for row in mask_rows), dtype=np.intp)
        with self._file.dataset("masks", 3) as masks:
            if len(rows) and not 0 <= rows.min() <= rows.max() < len(masks):
                raise InconsistentDataError(
                    f"{self._file.path.name} holds {len(masks)} masks but its metadata name row "
                    f"{rows.min() if rows.min() < 0 else rows.max()}. Download both again."
                )
            out = np.empty((len(rows), *masks.shape[1:]), dtype=np.uint8)
            first_place: dict[int, int] = {}
            for place, row in enumerate(rows.tolist()):
                if row in first_place:
                    out[place] = out[first_place[row]]
                else:
                    masks.read_direct(out, np.s_[row], np.s_[place])
                    first_place[row] = place
        return out

    def close(self) -> None:
        """Close the file and clear the cache; the next read opens it again."""
        for made in self._cache.made():
            if isinstance(made, LazyHdf5):
                made.close()
        self._cache.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
