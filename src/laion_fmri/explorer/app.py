"""The shell: the page, its tabs, and the address that remembers what is shown."""

from __future__ import annotations

import functools
import logging
import warnings

import panel as pn
import panel_material_ui as pmui
from bokeh.util.warnings import BokehUserWarning
from tornado.websocket import WebSocketClosedError

from laion_fmri.explorer.browser_files import BrowserFiles, module_url
from laion_fmri.explorer.components.ahead import Ahead
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.page import ExplorerPage, account, banner
from laion_fmri.explorer.roles import Visitor
from laion_fmri.explorer.session_role import visitor_here
from laion_fmri.explorer.shell import Explorer
from laion_fmri.explorer.state import IN_THE_ADDRESS
from laion_fmri.explorer.theme import THEME

TITLE = "LAION-fMRI Explorer"


class _LeftPages(logging.Filter):
    """A page that was left while something was written to it is no error."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, WebSocketClosedError)


logging.getLogger("asyncio").addFilter(_LeftPages())
# The first click on a control that came after the page did describes it whole; harmless.
warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)


def create_app(data: ExplorerData | None = None, visitor: Visitor | None = None) -> pmui.Page:
    """One page of the explorer.

    Parameters
    ----------
    data : ExplorerData, optional
        Shared by the pages of a server; by default on the configured settings.
    visitor : Visitor, optional
        Who opens it; by default told from the request, with care.
    """
    pn.extension(js_files={"plots": module_url(BrowserFiles.plots)})
    data = (data or _configured_data()).for_visitor(visitor or visitor_here())
    explorer = Explorer(data=data)
    if pn.state.location:
        pn.state.location.sync(explorer, list(IN_THE_ADDRESS))
    return ExplorerPage(
        title=TITLE,
        header=account(data.visitor),
        main=[*banner(data.visitor), explorer.strip, *explorer.tabs, Ahead()],
        theme_config=THEME,
    )


@functools.cache
def _configured_data() -> ExplorerData:
    return ExplorerData()
