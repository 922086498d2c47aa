"""Values of responses, with tables of what their rows and columns are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from laion_fmri.html import shortened, table
from laion_fmri.responses.choices import chosen_columns, chosen_rows
from laion_fmri.responses.tables import left_out_table, roi_columns
from laion_fmri.transfer.plan import count_of, format_bytes

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject_files import RoiQuery


class _Table:
    """A table that is built when it is first used.

    The ROIs and noise ceilings of voxels are in some 45 files, which take longer to read than the
    averages of an ROI.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            raise AttributeError(self._name)  # the field has no default
        value = instance.__dict__[self._name]
        if callable(value):
            value = instance.__dict__[self._name] = value()
        return value

    def __set__(self, instance: object, value: pd.DataFrame | Callable[[], pd.DataFrame]) -> None:
        instance.__dict__[self._name] = value


@dataclass(frozen=True, eq=False, repr=False)
class ResponsesData:
    """The values and tables of `laion_fmri.responses.Responses`, which describes them."""

    subject: str
    values: NDArray[np.float32]
    images: pd.DataFrame = _Table()  # type: ignore[assignment]
    voxels: pd.DataFrame = _Table()  # type: ignore[assignment]
    left_out: pd.DataFrame = _Table()  # type: ignore[assignment]
    is_average: bool = True
    zscore: str = "session"

    def __repr__(self) -> str:
        n_rows, n_voxels = self.values.shape
        unit = "image" if self.is_average else "trial"
        text = f"{count_of(n_rows, unit)} × {count_of(n_voxels, 'voxel')}"
        size = format_bytes(self.values.nbytes)
        left_out = f", {len(self.left_out):,} left out" if len(self.left_out) else ""
        return f"<Responses of {self.subject}: {text}, {self._scale}, {size}{left_out}>"

    def _repr_html_(self) -> str:
        n_rows, n_voxels = self.values.shape
        n_missing = int(np.isnan(self.values).sum())
        sessions = sorted({ses for found in self.images["sessions"] for ses in found})
        rows = [
            ("Images" if self.is_average else "Trials", f"{n_rows:,}"),
            ("Voxels", f"{n_voxels:,}"),
            ("Values", f"float32, {self._scale}, {format_bytes(self.values.nbytes)}"),
            ("Without value", f"{n_missing:,}"),
            ("Sessions", shortened(sessions)),
            ("ROIs", shortened([roi for roi in self.rois if self.voxels[roi].any()])),
            ("Left out", f"{len(self.left_out):,}"),
        ]
        note = "" if self.left_out.empty else "What was left out, and why: .left_out"
        return table(f"Responses of {self.subject}", rows, note=note)

    def __reduce__(self) -> tuple:
        fields = (self.subject, self.values, self.images, self.voxels, self.left_out)
        return type(self), (*fields, self.is_average, self.zscore)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def _scale(self) -> str:
        return "not z-scored" if self.zscore == "none" else f"z-scored within {self.zscore}"

    @property
    def names(self) -> tuple[str, ...]:
        """The image of each row."""
        return tuple(map(str, self.images["name"]))

    @property
    def rois(self) -> list[str]:
        """The ROIs in the table of voxels."""
        return roi_columns(self.voxels)

    def select(
        self,
        images: str | Iterable[str] | None = None,
        roi: RoiQuery | None = None,
        voxels: ArrayLike | None = None,
    ) -> Self:
        """Keep some images and voxels.

        Parameters
        ----------
        images : str or list of str, optional
            ``"shared"``, ``"unique"`` or names. Images are in the order of the names, trials stay
            in their order. Names without a row are added to `left_out`.
        roi : str or list of str, optional
            Voxels of these ROIs, or of unions such as ``"V1"``. Not with `voxels`.
        voxels : array_like of bool, shape (n_voxels,), or of int, optional
            Which columns, for example ``responses.voxels["noise_ceiling_12rep"] > 20``.

        Returns
        -------
        Responses
            Of the same kind.

        Raises
        ------
        NoMatchingDataError
            When no image or no voxel is left.
        UnknownNameError
            When there is no such ROI.
        InvalidArgumentError
            When both `roi` and `voxels` are given, or `voxels` does not fit.
        """
        rows, lacking = chosen_rows(self.images, self.is_average, images)
        columns = chosen_columns(self.voxels, self.subject, roi, voxels)
        changes: dict[str, Any] = {}
        if rows is not None:
            changes["values"] = self.values[rows]
            changes["images"] = self.images.iloc[rows].reset_index(drop=True)
        if columns is not None:
            changes["values"] = changes.get("values", self.values)[:, columns]
            changes["voxels"] = self.voxels.iloc[columns].reset_index(drop=True)
        if lacking:
            import pandas as pd

            more = left_out_table(("image", name, "not among these responses") for name in lacking)
            changes["left_out"] = pd.concat([self.left_out, more], ignore_index=True)
        return replace(self, **changes)
