"""The brain view: a subject's maps and ROIs on cortex and slices, with all controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import panel as pn
import param
from numpy.typing import NDArray

from laion_fmri._errors import LaionFmriError
from laion_fmri.analysis.slices import available_anatomies
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.layout import BrainLayout
from laion_fmri.explorer.brain.roi_picker import roi_code
from laion_fmri.explorer.brain.stage import drawn_rois, shape_of
from laion_fmri.explorer.brain.surface_view import SurfaceView
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, explain
from laion_fmri.explorer.widgets.standalone_view import data_of, name_of
from laion_fmri.layout import split_extension
from laion_fmri.maps import BrainMap, given_map
from laion_fmri.subject import Subject


class BrainView(BrainLayout):
    """Interactive view of one subject's brain: a map, ROIs, and details of a location.

    Parameters
    ----------
    sub : Subject or str, optional
        By default the first downloaded subject.
    data : ExplorerData, optional
        Shared by the views of a page.
    gate : Gate, optional
        Gate of the view that contains this one; by default its own.

    Examples
    --------
    >>> from laion_fmri.explorer import BrainView
    >>> view = BrainView(sub, rois=["face"])
    >>> view.add_map(sub.get_noise_ceiling(session="ses-01") > 30, name="Above 30 %")
    >>> view.map
    'Above 30 %'
    """

    def __init__(
        self,
        sub: Subject | str | None = None,
        data: ExplorerData | None = None,
        gate: Gate | None = None,
        **params: Any,
    ) -> None:
        if sub is not None:
            params["subject"] = name_of(sub)
        super().__init__(data or data_of(sub), gate, **params)
        self.controls.open_file.read_maps(self._gate, self._subject, self._add_upload, self._say)
        self.controls.folds.param.watch(lambda _: self._load(), "value")
        with param.parameterized.discard_events(self):  # the first `refresh` displays them
            self._display.read()
        if gate is None:
            self.refresh()

    # --- public interface ------------------------------------------------------------------

    @property
    def maps(self) -> list[BrainMap]:
        """The available maps."""
        return self._offered.maps

    def add_map(
        self,
        values: NDArray | Mapping[str, NDArray] | str | Path,
        name: str,
        *,
        units: str = "",
        explanation: str = "",
        show: bool = True,
        subject: str = "",
    ) -> None:
        """Add a custom map.

        Parameters
        ----------
        values : array, mapping or path
            One value per voxel of the brain mask or of the grid, ``{"L": …, "R": …}`` with one
            per vertex, or a NIfTI on the functional grid.
        name : str
            Replaces a custom map of the same name.
        units, explanation : str
        show : bool
            Display it immediately.
        subject : str
            Subject of the map, by default the chosen one.

        Raises
        ------
        InvalidArgumentError
            If the shape is none of these, or there is no subject.
        InconsistentDataError, DamagedFileError
            If a NIfTI has another grid, or cannot be read.
        """
        sub = self._data.subject(subject or self.subject)
        self._offered.give(sub, given_map(sub, values, name, units, explanation))
        if sub.name == self._offered.subject:
            self._offer_maps()
            if show:
                self.choose(map=name)
            self._load()

    def refresh(self) -> None:
        """Update the available choices and the display, with the current files."""
        local = self._data.local_subjects()
        for side in self.stage.sides:
            side.forget_request()
        with pn.io.hold():
            self._side.visible = self.view.visible = bool(local)
            self.controls.set_shown(bool(local))
            if not local:
                self.missing.show_first(self.subject)
                return
            if self.subject not in local:
                self.subject = local[0]  # triggers another refresh
                return
            self.controls.offer_subjects(local, self.subject, self.compare_subject or self.subject)
            try:
                self._offer_maps()
                self.picker.value = list(self.rois)
                self.picker.set_subject(self._subject())
                self.controls.offer_anatomies(available_anatomies(self._subject()))
                self._comparison.update_controls()
            except LaionFmriError as error:
                self._say(explain(error))
        if self._offered.subject == self.subject:
            self._update()
        self.missing.show_missing(self.subject)

    def _subject(self) -> Subject:
        return self._data.subject(self.subject)

    # --- the picture -------------------------------------------------------------------------

    @param.depends("trial", "trials", watch=True)
    def _offer_trials(self) -> None:
        if self.subject and self._offered.subject == self.subject:
            self._offer_maps()
            self._load()

    def _offer_maps(self) -> None:
        trials: list[Sequence[int]] = [[self.trial] if self.trial >= 0 else [], self.trials]
        self._offered.update(self._subject(), trials)
        shown = self._map_to_show
        self.controls.offer_maps(self._offered.names, shown or None, self.compare)
        self.choose(map=shown)

    @param.depends("subject", "map", "space", "threshold", "display", watch=True)
    def _update(self) -> None:
        """Update the controls and the brain."""
        self._display.read()
        self.controls.space.value = self.space
        if self._offered.subject != self.subject:
            self.refresh()
        else:
            shown = self._map_to_show
            self.controls.map.value = shown or None
            self.choose(map=shown)
            self._load()
            self._display.apply()
            self._show_code()

    def _load(self) -> None:
        """Load the chosen picture in a thread, then display it."""
        if self._offered.subject != self.subject:
            return  # not available yet
        try:
            wanted = self._offered.find(self.map)
        except LaionFmriError as error:
            self._say(explain(error))
            return
        before = self._display.picture
        self._display.picture = None
        folds = self.controls.folds.value
        side = self.stage.first
        if not side.load(self.subject, wanted, self.space, folds, self._show, self._show_error):
            self._display.picture = before

    def _show(self, picture: Picture) -> None:
        self.messages.clear()
        self.view.visible = True
        self.stage.set_picture(picture)
        self.inspector.set_picture(picture, self.maps)
        self.export.set_picture(picture)
        self._show_rois()
        self._display.picture = picture
        self._display.apply()
        self._comparison.update()

    def _show_error(self, text: str) -> None:
        self._display.picture = self.picture
        self._say(text)

    @param.depends("compare", "compare_subject", "linked", watch=True)
    def _update_comparison(self) -> None:
        self._comparison.update()
        self._display.write()

    @param.depends("rois", watch=True)
    def _show_rois(self) -> None:
        if self.picker.value != self.rois:
            self.picker.value = list(self.rois)
        picture = self.picture
        if picture is not None and picture.subject.name == self.subject:
            self.stage.rois = list(self.rois)
            self.inspector.rois = drawn_rois(picture, self.rois)
            self.export.set_rois(self.inspector.rois)
            self._show_code()

    def _show_code(self) -> None:
        if self.picture is not None:
            queries = [query for query in self.rois if query in self.picker.choice.options]
            self.code.code = _code(self.picture, queries, self.view)

    def _add_upload(self, sub: Subject, values: NDArray, name: str) -> None:
        title, is_shown = split_extension(name)[0] or "given", sub.name == self.subject
        self.add_map(values, title, explanation=f"From {name}.", show=is_shown, subject=sub.name)


def _code(picture: Picture, queries: list[str], view: SurfaceView) -> str:
    """Return Python that draws the displayed map and returns its values."""
    shape = shape_of(view)
    options = {
        "shape": "inflated" if shape == "flat" else shape,  # a flat patch has only one side
        "space": picture.space,
        "lower": view.lower,
        "upper": view.upper,
        "colormap": view.colormap,
        "rois": {roi: picture.roi_colours[roi] for roi in drawn_rois(picture, queries)},
    }
    chosen = ", ".join(f"{name}={value!r}" for name, value in options.items() if value)
    lines = [
        "from laion_fmri import load_subject, maps",
        "from laion_fmri.analysis.cortex import map_on_cortex",
        "from laion_fmri.analysis.map_figure import plot_map",
        "",
        f'sub = load_subject("{picture.subject.name}")',
        f"shown = {picture.brain_map.code}",
        f'surface = map_on_cortex(sub, shown, "{picture.space}")  # left and right',
        f"figure = plot_map(sub, shown, {chosen})",
    ]
    if queries:
        lines += [roi_code(queries), f'rois = sub.get_roi_data({queries!r}, format="func.gii")']
    return "\n".join(lines)
