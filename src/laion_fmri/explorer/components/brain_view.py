"""The brain: a subject's maps and ROIs on cortex and slices, with everything to choose them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import panel as pn
import param
from numpy.typing import NDArray

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer import brain_data, maps
from laion_fmri.explorer.background import Gate, Latest, explain
from laion_fmri.explorer.brain_data import Picture
from laion_fmri.explorer.components.arrival import Arrival
from laion_fmri.explorer.components.brain_controls import NOTHING, BrainControls
from laion_fmri.explorer.components.brain_export import BrainExport
from laion_fmri.explorer.components.brain_inspector import BrainInspector
from laion_fmri.explorer.components.brain_stage import BrainStage
from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.missing_card import MissingCard
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.components.roi_picker import roi_code
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.maps import BrainMap
from laion_fmri.explorer.missing_files import MissingPart, missing_parts
from laion_fmri.explorer.piece import Piece, data_of, name_of
from laion_fmri.explorer.state import GivenMap
from laion_fmri.explorer.upload import safe_name, too_large, values_of_upload
from laion_fmri.layout import split_extension
from laion_fmri.subject import Subject

_NO_SUBJECT = (
    "No subject is here yet. Choose one in the Download tab; a noise ceiling, the ROIs and the "
    "recon are what this view needs."
)


class BrainView(Piece):
    """A brain to look at: one subject, one map, any ROIs, and what can be asked of a place.

    Parameters
    ----------
    sub : Subject or str, optional
        By default the first subject that is local.
    data : ExplorerData, optional
        Shared by the views of a page.
    gate : Gate, optional
        Of the view that this is a part of; on its own it has one.

    Examples
    --------
    >>> from laion_fmri.explorer import BrainView
    >>> view = BrainView(sub, rois=["face"])
    >>> view.add_map(sub.get_noise_ceiling(session="ses-01") > 30, name="Above 30 %")
    >>> view.map
    'Above 30 %'
    """

    subject = param.String(default="", allow_refs=True, doc="Full identifier, 'sub-01'.")
    map = param.String(default="", allow_refs=True, doc="Name of the map that is shown.")
    rois = param.List(
        default=[],
        item_type=str,
        allow_refs=True,
        doc="Chosen ROIs: names, categories or 'all'.",
    )
    space: Any = param.Selector(
        default="fsnative", objects=list(brain_data.SPACES), doc="Whose cortex is drawn."
    )
    trial = param.Integer(
        default=-1, allow_refs=True, doc="The trial whose response is offered; -1 for none."
    )
    trials = param.List(
        default=[], item_type=int, allow_refs=True, doc="Trials whose mean response is offered."
    )
    opened_trial = param.Integer(default=-1, doc="The trial whose image was clicked last.")
    marked_trials = param.List(default=[], item_type=int, doc="Trials that were marked last.")
    files_arrived = param.Event(doc="Triggered when files that were missing have come.")

    def __init__(
        self,
        sub: Subject | str | None = None,
        data: ExplorerData | None = None,
        gate: Gate | None = None,
        **params: Any,
    ) -> None:
        if sub is not None:
            params["subject"] = name_of(sub)
        super().__init__(**params)
        self._data = data or data_of(sub)
        self._gate = gate or Gate()
        self._given: dict[tuple[str, str], BrainMap] = {}
        self._maps: list[BrainMap] = []
        self._build(is_own=gate is None)
        self._connect()
        if gate is None:
            self.refresh()

    def _build(self, is_own: bool) -> None:
        self.code = CopyCode()
        self.export = BrainExport(self._gate)
        self.missing = MissingCard(self._data, self._files_came)
        self.controls = BrainControls([self.export, self.code, self.missing])
        self.picker = self.controls.picker
        self.stage = BrainStage(self._data, self._gate, self._say)
        self.view = self.stage.view
        self.inspector = BrainInspector(
            self._data,
            self._gate,
            lambda trial: self.param.update(opened_trial=trial),
            lambda trials: self.param.update(marked_trials=list(trials)),
        )
        self.messages = pn.Column(margin=0, sizing_mode="stretch_width")
        self._latest = Latest(self.view, self._gate)
        self._taking = Latest(self.controls.open_file, self._gate)
        self._beside = Latest(self.stage.other, self._gate)
        self._listed = Latest(self.missing.rows, self._gate)
        middle = pn.Column(
            self.messages,
            self.stage,
            sizing_mode="stretch_both",
            margin=(8, 8, 16, 0),
            styles={"flex": "9 1 560px", "min-width": "min(100%, 420px)", "min-height": "700px"},
        )
        self._side = pn.Column(
            self.inspector,
            margin=(8, 12, 16, 4),
            styles={"flex": "1 1 316px", "min-width": "270px"},
        )
        parts: list[Any] = [self.controls, middle, self._side]
        self._layout = pn.FlexBox(
            *parts,
            *([Arrival(self._gate.open)] if is_own else []),
            flex_wrap="wrap",
            align_items="stretch",
            sizing_mode="stretch_width" if is_own else "stretch_both",
            margin=0,
        )

    def _connect(self) -> None:
        take, controls = self._take, self.controls
        controls.subject.param.watch(lambda e: take(subject=e.new or ""), "value")
        controls.map.param.watch(lambda e: take(map=e.new or ""), "value")
        controls.space.param.watch(lambda e: take(space=e.new), "value")
        controls.folds.param.watch(lambda _: self._ask(), "value")
        controls.anatomy.param.watch(lambda e: self.stage.set_slices(e.new), "value")
        controls.compare_map.param.watch(lambda _: self._ask_beside(), "value")
        controls.compare_subject.param.watch(lambda _: self._ask_beside(), "value")
        controls.open_file.param.watch(self._take_file, "value")
        controls.open_file.param.watch(lambda _: self._say(too_large("This file")), "refused")
        self.picker.param.watch(lambda e: take(rois=list(e.new)), "value")
        for view in (self.view, self.stage.other):
            self.picker.styles.link(view, value="roi_style")
        self.view.param.watch(self._follow_choice, ["picked", "crosshair"])
        self.param.watch(lambda _: self.refresh(), "subject")
        self.param.watch(lambda _: self._ask(), ["map", "space"])
        self.param.watch(lambda _: self._show_rois(), "rois")
        self.param.watch(self._offer_trials, ["trial", "trials"])

    def _take(self, **chosen: Any) -> None:
        """Take what a control says; one that only repeats it ends no link with another piece."""
        self.param.update({n: v for n, v in chosen.items() if getattr(self, n) != v})

    # --- what can be asked of it -----------------------------------------------------------

    @property
    def picture(self) -> Picture | None:
        """What is shown."""
        return self.stage.picture

    @property
    def picked(self) -> dict[str, Any] | None:
        """The vertex clicked last: hemisphere, vertex, x, y, z (mm), value; or None."""
        return self.view.picked

    @property
    def mask(self) -> NDArray:
        """The voxels of the chosen ROIs; see `RoiPicker.mask`."""
        return self.picker.mask

    def add_map(
        self,
        values: NDArray | Mapping[str, NDArray] | str | Path,
        name: str,
        *,
        units: str = "",
        explanation: str = "",
        show: bool = True,
    ) -> None:
        """Offer a map of your own.

        Parameters
        ----------
        values : array, mapping or path
            One value a voxel of the brain mask or of the grid, ``{"L": …, "R": …}`` with one
            a vertex, or a NIfTI on the functional grid.
        name : str
            Replaces a map of yours that has the same name.
        units, explanation : str
        show : bool
            Show it at once.

        Raises
        ------
        InvalidArgumentError
            When its shape is none of these, or there is no subject.
        InconsistentDataError, DamagedFileError
            When a NIfTI lies on another grid, or cannot be read.
        """
        given = maps.given_map(self._subject(), values, name, units, explanation)
        self._given[(self.subject, name)] = given
        self._offer_maps()
        if show and self.map == name:
            self._ask()
        elif show:
            self.map = name

    def offer_map(self, given: GivenMap) -> None:
        """Offer a map that another part of the page made, also of another subject.

        Raises
        ------
        InvalidArgumentError
            When it does not fit the subject.
        """
        sub = self._data.subject(given.subject)
        made = maps.given_map(sub, given.values, given.name, given.units, given.explanation)
        self._given[(given.subject, given.name)] = made

    def refresh(self) -> None:
        """Offer what is local and show what is chosen."""
        local = self._data.local_subjects()
        with pn.io.hold():
            self._side.visible = self.view.visible = bool(local)
            self.controls.set_shown(bool(local))
            if not local:
                self._say(_NO_SUBJECT)
                return
            chosen = self.subject if self.subject in local else local[0]
            self.controls.offer_subjects(local, chosen)
            if self.subject != chosen:
                self.subject = chosen  # comes back here
                return
            try:
                self._offer_maps()
                self.picker.value = list(self.rois)
                self.picker.set_subject(self._subject())
                self.controls.offer_anatomies(brain_data.anatomies(self._subject()))
            except LaionFmriError as error:
                self._say(explain(error))
        self._ask()
        self._ask_missing()

    def _subject(self) -> Subject:
        return self._data.subject(self.subject)

    # --- maps ------------------------------------------------------------------------------

    def _offer_maps(self) -> None:
        sub = self._subject()
        offered = [m for (owner, _), m in self._given.items() if owner == sub.name]
        offered += maps.available_maps(sub)
        for trials in ([self.trial] if self.trial >= 0 else [], self.trials):
            try:
                if trials and sub.get_sessions():
                    offered.append(maps.response_map(sub, trials))
            except LaionFmriError:
                continue  # a trial of another subject, or of a session that is gone
        self._maps = offered
        names = [m.name for m in offered]
        self.controls.offer_maps(names, self.map if self.map in names else self._instead(names))

    def _instead(self, names: list[str]) -> str | None:
        """Another trial's response instead of one that is no longer offered; else the first."""
        if self.map.startswith(maps.RESPONSE_OF_TRIAL):
            return next((n for n in names if n.startswith(maps.RESPONSE_OF_TRIAL)), names[0])
        return next(iter(names), None)

    def _offer_trials(self, *_: object) -> None:
        if self.subject and self._maps:
            self._offer_maps()

    def _take_file(self, event: Any) -> None:
        if not event.new:
            return
        content, name = event.new, safe_name(self.controls.open_file.filename)
        owner = self._subject()

        def show(values: NDArray) -> None:
            if owner.name == self.subject:
                title = split_extension(name)[0] or "given"
                self.add_map(values, title, explanation=f"From {name}.")

        self._taking.ask(lambda: values_of_upload(owner, content, name), show, self._say)

    # --- putting the picture together ------------------------------------------------------

    def _ask(self) -> None:
        """Put together in a thread what the controls ask for, then show it."""
        if self.subject not in self._data.local_subjects():
            return
        name, wanted, space = self.subject, self.map, self.space
        folds, offered = self.controls.folds.value, list(self._maps)

        def put_together() -> Picture:
            names = {m.name for m in offered}
            chosen = maps.find_map(offered, wanted if wanted in names else "", name)
            return brain_data.picture(self._data, self._data.subject(name), chosen, space, folds)

        self._latest.ask(put_together, self._show, self._say)

    def _show(self, picture: Picture) -> None:
        self.messages.clear()
        self.view.visible = True
        self.stage.set_picture(picture)
        self.inspector.set_picture(picture, self._maps)
        self._show_rois()
        self.export.set_picture(picture, self.view)
        self.stage.set_slices(self.controls.anatomy.value)
        if self.stage.beside is not None or self.controls.compare_map.value != NOTHING:
            self._ask_beside()

    def _show_rois(self) -> None:
        if self.picker.value != self.rois:
            self.picker.value = list(self.rois)
        picture = self.picture
        if picture is None or picture.subject.name != self.subject:
            return
        self.stage.set_rois(self.rois)
        known = [query for query in self.rois if query in self.picker.choice.options]
        names = picture.subject.resolve_rois(known) if known else []
        self.inspector.set_rois([roi for roi in names if roi in picture.rois])
        self.code.code = _code(picture, known)

    def _ask_beside(self) -> None:
        """Show a second map, or another subject, beside the first."""
        wanted = self.controls.compare_map.value
        owner = self.controls.compare_subject.value or self.subject
        if wanted == NOTHING or self.picture is None:
            self.stage.set_beside(None)
            return
        space, folds, offered = self.space, self.controls.folds.value, list(self._maps)
        is_same = owner == self.subject

        def put_together() -> Picture:
            sub = self._data.subject(owner)
            chosen = maps.find_map(offered if is_same else maps.available_maps(sub), wanted, owner)
            return brain_data.picture(self._data, sub, chosen, space, folds)

        self._beside.ask(put_together, self.stage.set_beside, self._say)

    def _follow_choice(self, *_: object) -> None:
        self.inspector.set_choice(self.view.picked, self.view.crosshair)

    # --- what is missing -------------------------------------------------------------------

    def _ask_missing(self) -> None:
        name, data = self.subject, self._data

        def show(parts: list[MissingPart]) -> None:
            if name == self.subject:
                self.missing.set_parts(name, parts)

        # A bucket that cannot be reached is for the Discover and Download tabs to tell of.
        self._listed.ask(
            lambda: missing_parts(data.subject(name), data.bucket()), show, lambda _: None
        )

    def _files_came(self) -> None:
        self.refresh()
        self.param.trigger("files_arrived")

    def _say(self, text: str) -> None:
        say(self.messages, [notice(text, "warning")])

    def __panel__(self) -> pn.FlexBox:
        return self._layout


def _code(picture: Picture, rois: list[str]) -> str:
    lines = [
        "from laion_fmri.subject import load_subject",
        "",
        f'sub = load_subject("{picture.subject.name}")',
        picture.brain_map.code,
        f'surface = sub.to_template(values, space="{picture.space}")  # left and right',
    ]
    if rois:
        lines += [roi_code(rois), f'rois = sub.get_roi_data({rois!r}, format="func.gii")']
    return "\n".join(lines)
