"""The shell: the page, its tabs, and the address that remembers what is shown."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
from bokeh.util.warnings import BokehUserWarning
from tornado.websocket import WebSocketClosedError

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import IN_THE_ADDRESS, TABS, ExplorerState
from laion_fmri.explorer.tabs.brain import BrainTab
from laion_fmri.explorer.tabs.discover import DiscoverTab
from laion_fmri.explorer.tabs.download import DownloadTab
from laion_fmri.explorer.tabs.splits import SplitsTab
from laion_fmri.explorer.tabs.trials import TrialsTab

if TYPE_CHECKING:
    from laion_fmri.explorer.tabs.base import Tab

TITLE = "LAION-fMRI Explorer"
_TYPOGRAPHY = {
    "fontFamily": "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif",
    "fontSize": 13,
    "button": {"textTransform": "none"},
}
THEME = {
    "light": {"palette": {"primary": {"main": "#3f51b5"}}, "typography": _TYPOGRAPHY},
    "dark": {
        "palette": {"primary": {"main": "#9fa8da"}},
        "typography": _TYPOGRAPHY,
        "components": {
            "MuiAppBar": {
                "styleOverrides": {
                    "root": {
                        "backgroundColor": "#1a2050",
                        "color": "#fff",
                        "& .MuiIconButton-root": {"color": "#fff"},
                    }
                }
            }
        },
    },
}
TAB_CLASSES: tuple[type[Tab], ...] = (DiscoverTab, DownloadTab, BrainTab, TrialsTab, SplitsTab)


class _LeftPages(logging.Filter):
    """A page that was left while something was written to it is no error."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, WebSocketClosedError)


logging.getLogger("asyncio").addFilter(_LeftPages())
# The first click on a control that came after the page did describes it whole; harmless.
warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)


def create_app(data: ExplorerData | None = None) -> pmui.Page:
    """One page of the explorer.

    Parameters
    ----------
    data : ExplorerData, optional
        Shared by the pages of a server; by default on the configured settings.
    """
    pn.extension()
    data = data or _configured_data()
    state = ExplorerState()
    if pn.state.location:
        pn.state.location.sync(state, list(IN_THE_ADDRESS))
    if not state.subject:
        state.subject = next(iter(data.local_subjects()), "")
    tabs = [kind(state, data) for kind in TAB_CLASSES]
    strip = pmui.Tabs(
        *[(title, pn.Spacer(height=0)) for title in TABS],
        active=TABS.index(state.tab),
        sizing_mode="stretch_width",
    )
    strip.param.watch(lambda event: state.param.update(tab=TABS[event.new]), "active")
    state.param.watch(lambda event: strip.param.update(active=TABS.index(event.new)), "tab")
    page = pmui.Page(
        title=TITLE,
        main=[strip, *tabs],
        theme_config=THEME,
        busy_indicator="linear",
    )
    next(tab for tab in tabs if tab.shown).open()
    return page


@functools.cache
def _configured_data() -> ExplorerData:
    return ExplorerData()
