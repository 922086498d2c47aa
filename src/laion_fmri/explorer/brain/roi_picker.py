"""Selection of ROIs by name, by category or all, in the library's query syntax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from numpy.typing import NDArray

from laion_fmri._errors import DataNotDownloadedError
from laion_fmri.explorer.widgets.layout import stacked
from laion_fmri.explorer.widgets.notice import plain_text
from laion_fmri.explorer.widgets.standalone_view import StandaloneView
from laion_fmri.subject import Subject, load_subject
from laion_fmri.transfer.plan import count_of
from laion_fmri.volumes.rois import ALL


class RoiPicker(StandaloneView):
    """A selection of ROIs: names, categories or ``"all"``.

    Parameters
    ----------
    sub : Subject or str, optional
        The subject whose ROIs are available.
    value : list of str
        The initial selection.

    Examples
    --------
    >>> from laion_fmri.explorer import RoiPicker
    >>> picker = RoiPicker(sub, value=["face"])
    >>> picker.rois == sub.get_available_rois("face")
    True
    >>> sub.get_betas("ses-01", mask=picker.mask).shape[0] > 0
    True
    """

    value = param.List(default=[], item_type=str, doc="Names, categories or 'all', as chosen.")
    style: Any = param.Selector(
        default="outline", objects=["outline", "fill"], doc="How they are drawn."
    )

    def __init__(self, sub: Subject | str | None = None, **params: Any) -> None:
        super().__init__(**params)
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.choice = pmui.MultiChoice(
            label="ROI", placeholder="name, category or all", options=[], **wide
        )
        self.styles = pmui.RadioButtonGroup.from_param(
            self.param.style, label="ROI style", description="", **wide
        )
        self._said = plain_text(muted=True)
        self._sub: Subject | None = None
        self._layout = stacked(self.choice, self.styles, self._said)
        self.choice.param.watch(lambda e: self.param.update(value=list(e.new)), "value")
        self.param.watch(self._follow, "value")
        if sub is not None:
            self.set_subject(load_subject(sub) if isinstance(sub, str) else sub)

    def set_subject(self, sub: Subject) -> None:
        """Set the subject; ROIs that it lacks are deselected."""
        self._sub = sub
        categories, names = sub.get_available_categories(), sub.get_available_rois()
        options = [ALL, *categories, *names] if names else []
        kept = [query for query in self.value if query in options]
        self.choice.param.update(options=options, value=kept)
        self.choice.disabled = not options
        if self.value != kept:
            self.value = kept
        else:
            self._follow()

    @property
    def rois(self) -> list[str]:
        """The selected ROIs, without duplicates."""
        return self._sub.resolve_rois(self.value) if self._sub and self.value else []

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The voxels of the selected ROIs: bool of shape (n_voxels,), over the brain mask.

        Raises
        ------
        DataNotDownloadedError
            If there is no subject, or a mask is not downloaded.
        """
        if self._sub is None:
            raise DataNotDownloadedError("Give the picker a subject: RoiPicker('sub-01').")
        if not self.value:
            return np.zeros(self._sub.get_n_voxels(), dtype=bool)
        return self._sub.get_roi_mask(self.value)

    @property
    def code(self) -> str:
        """Python that selects the same voxels, given the subject as ``sub``."""
        return roi_code(self.value)

    def _follow(self, *_: object) -> None:
        known = [query for query in self.value if query in self.choice.options]
        if self.choice.value != known:
            self.choice.value = known
        if self._sub is not None and not self.choice.options:
            self._said.object = f"No ROI of {self._sub.name} is downloaded."
        elif self.value:
            n = len(self.rois) if known == self.value else 0
            self._said.object = f"{count_of(n, 'ROI')} chosen"
        else:
            self._said.object = ""
        self._said.visible = bool(self._said.object)

    def __panel__(self) -> pn.Column:
        return self._layout


def roi_code(queries: Iterable[str]) -> str:
    """Return Python that selects the voxels of ROIs, given the subject as ``sub``."""
    listed = list(queries)
    asked = repr(listed[0]) if len(listed) == 1 else repr(listed)
    return f"mask = sub.get_roi_mask({asked})  # bool, (n_voxels,)" if listed else ""
