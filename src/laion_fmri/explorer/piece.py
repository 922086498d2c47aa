"""What the explorer's parts have in common when they stand by themselves."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.explorer.data import ExplorerData, data_of_page
from laion_fmri.explorer.notebook import prepare
from laion_fmri.explorer.theme import THEME
from laion_fmri.subject import Subject


class Piece(Viewer):
    """A part of the explorer: shows itself as the last line of a cell, and can be linked.

    What is chosen in it is in its parameters. They can be read, set, watched
    (``piece.param.watch``), linked (`link`) and given to another piece, which follows then
    (``BrainView(sub, trial=browser.param.trial)``).
    """

    __abstract = True

    _height_in_a_cell: ClassVar[int | None] = None

    def link(
        self, target: param.Parameterized, *, bidirectional: bool = False, **names: str
    ) -> None:
        """Have parameters of another piece follow those of this one, from now on.

        Parameters
        ----------
        target : Parameterized
        bidirectional : bool
            Have this one follow the other as well.
        **names
            Parameters of this piece, and what they are called in `target`.

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
            margin=(8, 0, 0, 0),  # room for the label of what stands first
        )
        return shown._repr_mimebundle_(include, exclude)


def name_of(subject: Subject | str | None) -> str:
    """The full identifier of a subject; empty without one.

    Raises
    ------
    SubjectNotFoundError
        When it is malformed.
    """
    if subject is None:
        return ""
    return subject.name if isinstance(subject, Subject) else layout.resolve_subject_id(subject)


def data_of(
    subject: Subject | str | None = None, data_dir: str | os.PathLike[str] | None = None
) -> ExplorerData:
    """What a piece by itself is about: a data directory, a subject's, or the configured one."""
    if data_dir is None and isinstance(subject, Subject):
        data_dir = subject.data_dir
    return data_of_page(load_settings(data_dir=data_dir))
