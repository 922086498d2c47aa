"""The tabs, the strip that chooses among them, and what is chosen in them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
import param

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.piece import Piece, data_of, name_of
from laion_fmri.explorer.state import TABS, ExplorerState
from laion_fmri.explorer.tabs.brain import BrainTab
from laion_fmri.explorer.tabs.discover import DiscoverTab
from laion_fmri.explorer.tabs.download import DownloadTab
from laion_fmri.explorer.tabs.splits import SplitsTab
from laion_fmri.explorer.tabs.trials import TrialsTab
from laion_fmri.subject import Subject

if TYPE_CHECKING:
    from laion_fmri.explorer.tabs.base import Tab

TAB_CLASSES: tuple[type[Tab], ...] = (DiscoverTab, DownloadTab, BrainTab, TrialsTab, SplitsTab)


class Explorer(ExplorerState, Piece):
    """The whole explorer: every tab, and as parameters what is chosen in them.

    Parameters
    ----------
    sub : Subject or str, optional
        By default the first subject that is local.
    data : ExplorerData, optional
        Shared with other pieces, or by the pages of a server.
    data_dir : path, optional
        Instead of the configured one.
    **chosen
        What else is chosen at first, as in `ExplorerState`: ``tab="Trials"``, ``trial=12``.

    Notes
    -----
    Nothing is read or drawn before it is shown.

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
        if not self.subject:
            self.subject = next(iter(self._data.local_subjects()), "")

    @cached_property
    def strip(self) -> pmui.Tabs:
        """The names of the tabs."""
        strip = pmui.Tabs(
            *[(title, pn.Spacer(height=0)) for title in TABS],
            active=TABS.index(self.tab),
            sizing_mode="stretch_width",
        )
        strip.param.watch(self._follow_the_strip, "active")
        self.param.watch(lambda event: strip.param.update(active=TABS.index(event.new)), "tab")
        return strip

    def _follow_the_strip(self, event: param.parameterized.Event) -> None:
        if event.new in range(len(TABS)):  # a page may send any number
            self.tab = TABS[event.new]

    @cached_property
    def tabs(self) -> list[Tab]:
        """Their contents; each fills itself when it is first opened."""
        tabs = [kind(self, self._data) for kind in TAB_CLASSES]
        next(tab for tab in tabs if tab.shown).open()
        return tabs

    @cached_property
    def _layout(self) -> pn.Column:
        return pn.Column(self.strip, *self.tabs, sizing_mode="stretch_both", margin=0)

    def __panel__(self) -> pn.Column:
        return self._layout
