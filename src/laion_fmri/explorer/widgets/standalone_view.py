"""The base class of the explorer's standalone views."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.explorer.data import ExplorerData, data_of_page
from laion_fmri.explorer.runtime.background import is_served
from laion_fmri.explorer.runtime.delivery import deliver_every_change
from laion_fmri.explorer.runtime.host_check import check_hosts
from laion_fmri.explorer.runtime.notebook import prepare
from laion_fmri.explorer.runtime.theme import THEME
from laion_fmri.subject import Subject

check_hosts()


class StandaloneView(Viewer):
    """A view of the explorer: displays itself as the last line of a cell, and can be linked.

    Its parameters hold the user's choices. They can be read, set, watched
    (``view.param.watch``), linked (`link`) and passed to another view, which then follows
    (``BrainView(sub, trial=browser.param.trial)``).
    """

    __abstract = True

    _height_in_a_cell: ClassVar[int | None] = None

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        if is_served():
            deliver_every_change()

    def link(
        self, target: param.Parameterized, *, bidirectional: bool = False, **names: str
    ) -> None:
        """Make parameters of another view follow those of this one, from now on.

        Parameters
        ----------
        target : Parameterized
        bidirectional : bool
            Make this one follow the other as well.
        **names
            Parameters of this view, and their names in `target`.

        Examples
        --------
        >>> picker.link(view, value="rois", bidirectional=True)
        """

        def hand_over(*events: Any) -> None:
            target.param.update({names[event.name]: event.new for event in events})

        def hand_back(*events: Any) -> None:
            self.param.update({back[event.name]: event.new for event in events})

        back = {theirs: ours for ours, theirs in names.items()}
        target.param.update({theirs: getattr(self, ours) for ours, theirs in names.items()})
        self.param.watch(hand_over, list(names))
        if bidirectional:
            target.param.watch(hand_back, list(back))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        prepare()
        height = self._height_in_a_cell
        shown = pmui.Column(
            self,
            theme_config=THEME,
            sizing_mode="stretch_width",
            height=height,
            height_policy="fixed" if height else "min",  # a cell has no height to fill
            scroll="y-auto" if height else False,
            margin=(8, 0, 0, 0),  # space for the label of the first control
        )
        return shown._repr_mimebundle_(include, exclude)


def name_of(subject: Subject | str | None) -> str:
    """Return the full identifier of a subject; empty without one.

    Raises
    ------
    SubjectNotFoundError
        If it is malformed.
    """
    if subject is None:
        return ""
    return subject.name if isinstance(subject, Subject) else layout.subject_id(subject)


def data_of(
    subject: Subject | str | None = None, data_dir: str | os.PathLike[str] | None = None
) -> ExplorerData:
    """Return data for a standalone view: of a data directory, a subject, or as configured."""
    if data_dir is None and isinstance(subject, Subject):
        data_dir = subject.data_dir
    return data_of_page(load_settings(data_dir=data_dir))
