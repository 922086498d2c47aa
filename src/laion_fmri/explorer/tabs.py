"""The whole explorer as a view: its tabs, the strip that selects one, and their choices."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewable

from laion_fmri.explorer.brain.tab import BrainTab
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.discover.tab import DiscoverTab
from laion_fmri.explorer.download.tab import DownloadTab
from laion_fmri.explorer.splits.tab import SplitsTab
from laion_fmri.explorer.state import TABS, ExplorerState
from laion_fmri.explorer.trials.tab import TrialsTab
from laion_fmri.explorer.widgets.notice import notice
from laion_fmri.explorer.widgets.standalone_view import StandaloneView, data_of, name_of
from laion_fmri.subject import Subject

if TYPE_CHECKING:
    from laion_fmri.explorer.tab import Tab

TAB_CLASSES: tuple[type[Tab], ...] = (DiscoverTab, DownloadTab, BrainTab, TrialsTab, SplitsTab)

DEMO_NOTE = "Demo data: nothing here was measured."
_NARROW = {"& .MuiTab-root": {"minWidth": 0, "px": "clamp(8px, 1.6vw, 20px)"}}
"""Fits all tabs of the strip on a phone."""


class Explorer(ExplorerState, StandaloneView):
    """The whole explorer: every tab, with the user's choices as parameters.

    Parameters
    ----------
    sub : Subject or str, optional
        By default the first downloaded subject.
    data : ExplorerData, optional
        Shared with other views, or by the pages of a server.
    data_dir : path, optional
        By default the configured one.
    **chosen
        Other initial choices, as in `ExplorerState`: ``tab="Trials"``, ``trial=12``.

    Notes
    -----
    A tab reads and draws nothing before it is opened.

    Examples
    --------
    >>> from laion_fmri.explorer import Explorer
    >>> explorer = Explorer(sub, tab="Trials", trial=12)
    >>> explorer.subject, explorer.trial
    ('sub-01', 12)
    """

    _height_in_a_cell = 940

    def __init__(
        self,
        sub: Subject | str | None = None,
        data: ExplorerData | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        **chosen: Any,
    ) -> None:
        if sub is not None:
            chosen["subject"] = name_of(sub)
        super().__init__(**chosen)
        self._data = data or data_of(sub, data_dir)
        local = self._data.local_subjects()
        if not self.subject:
            self.subject = next(iter(local), "")
        if not local and "tab" not in chosen:
            self.tab = TABS[0]  # this tab offers the first files

    @cached_property
    def strip(self) -> pmui.Tabs:
        """The strip of tab names."""
        strip = pmui.Tabs(
            *[(title, pn.Spacer(height=0)) for title in TABS],
            active=TABS.index(self.tab),
            sizing_mode="stretch_width",
            sx=_NARROW,
        )
        strip.param.watch(self._select_tab, "active")
        self.param.watch(lambda event: strip.param.update(active=TABS.index(event.new)), "tab")
        return strip

    def _select_tab(self, event: param.parameterized.Event) -> None:
        if event.new in range(len(TABS)):  # a page may send any number
            self.tab = TABS[event.new]

    @cached_property
    def demo_note(self) -> Viewable:
        """The notice above every tab that the data are synthetic."""
        note = notice(DEMO_NOTE, "warning")
        note.param.update(visible=self._data.is_demo, margin=(8, 16, 0, 16))
        self.param.watch(lambda _: note.param.update(visible=self._data.is_demo), "files_changed")
        return note

    @cached_property
    def tabs(self) -> list[Tab]:
        """The tabs; each is built when first opened."""
        tabs = [kind(self, self._data) for kind in TAB_CLASSES]
        next(tab for tab in tabs if tab.shown).open()
        return tabs

    @cached_property
    def _layout(self) -> pn.Column:
        return pn.Column(
            self.demo_note, self.strip, *self.tabs, sizing_mode="stretch_both", margin=0
        )

    def __panel__(self) -> pn.Column:
        return self._layout
