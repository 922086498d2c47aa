"""Object masks of the shared images, by name and noun."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, InconsistentDataError, UnknownNameError
from laion_fmri.config import load_settings
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.metadata import RowsByName, read_table, require_stimulus_file
from laion_fmri.stimuli.once import Kept

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

COLUMNS = (
    "mask_row",
    "image_name",
    "noun",
    "instance_id",
    "score",
    "box_x0",
    "box_y0",
    "box_x1",
    "box_y1",
    "localized",
)


class Segmentations:
    """Object masks: for each noun found in a shared image, one mask an instance.

    Images without masks give empty lists, not errors.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    StimuliNotDownloadedError
        On first use, when the masks or their metadata are not local.
    """

    def __init__(self, data_dir: str | PathLike[str] | None = None) -> None:
        self.data_dir = load_settings(data_dir=data_dir).require_data_dir()
        self._kept = Kept()

    @property
    def _file(self) -> LazyHdf5:
        return self._kept.get(
            "file", lambda: LazyHdf5(require_stimulus_file(self.data_dir, layout.SEGMENTATIONS))
        )

    @property
    def metadata(self) -> pd.DataFrame:
        """One row a mask: mask_row, image_name, noun, instance_id (0 = best score), score,
        box_x0, box_y0, box_x1, box_y1 (pixels), localized (0 or 1), mask_file.
        """
        return self._kept.get("metadata", self._read)

    def _read(self) -> pd.DataFrame:
        path = require_stimulus_file(self.data_dir, layout.SEGMENTATIONS_METADATA)
        table = read_table(path, COLUMNS)
        if len(table) and table["mask_row"].dtype.kind not in "iu":
            raise DamagedFileError(path, "a mask_row is no whole number")
        twice = table["mask_row"].duplicated()
        if twice.any():
            raise InconsistentDataError(
                f"{path.name} lists mask_row {table['mask_row'][twice].iloc[0]} twice, so masks "
                "cannot be told apart. Download it again."
            )
        return table

    @property
    def _rows(self) -> RowsByName:
        return self._kept.get("rows", lambda: RowsByName(self.metadata))

    def has_image(self, name: str) -> bool:
        """Whether an image has any mask."""
        return name in self._rows

    def for_image(self, name: str) -> pd.DataFrame:
        """The metadata rows of one image's masks; empty where it has none."""
        return self.metadata.iloc[self._rows.of(name)]

    def nouns(self, name: str, localized_only: bool = False) -> list[str]:
        """The nouns found in one image, sorted; empty where it has no masks.

        Parameters
        ----------
        name : str
        localized_only : bool
            Leave out nouns that were recognised but not bounded in space.
        """
        rows = self.for_image(name)
        if localized_only:
            rows = rows[rows["localized"] == 1]
        return sorted(rows["noun"].unique())

    def get(self, name: str, noun: str, instance: int = 0) -> NDArray[np.uint8]:
        """One mask.

        Parameters
        ----------
        name, noun : str
        instance : int
            0 has the best score.

        Returns
        -------
        ndarray of uint8, shape (1000, 1000)

        Raises
        ------
        UnknownNameError
            When the image has no such noun or instance.
        InconsistentDataError
            When the metadata name two masks of that noun and instance.
        """
        rows = self.for_image(name)
        of_noun = rows[rows["noun"] == noun]
        if of_noun.empty:
            raise UnknownNameError("noun", noun, self.nouns(name), f"Looked for in {name}.")
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
        """Masks by their ``mask_row``, in the order asked for; shape (n, height, width).

        A mask asked for several times is read once.
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
        """Close the file and forget what was read; the next read opens it again."""
        for made in self._kept.made():
            if isinstance(made, LazyHdf5):
                made.close()
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
