"""One page of the explorer: the tabs, and the address that stores the user's choices."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.util.warnings import BokehUserWarning
from tornado.websocket import WebSocketClosedError

from laion_fmri.explorer.assets import BrowserFiles, module_url
from laion_fmri.explorer.brain.tab import Preload
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.page import (
    ExplorerPage,
    PageHistory,
    ThemeChoice,
    account,
    banner,
    first_theme,
)
from laion_fmri.explorer.runtime.background import explain
from laion_fmri.explorer.runtime.host_check import origins_of_process, request_of_page, was_missed
from laion_fmri.explorer.runtime.theme import THEME
from laion_fmri.explorer.runtime.visitor import Visitor, visitor_of_page
from laion_fmri.explorer.state import IN_THE_ADDRESS, QUIET_IN_THE_ADDRESS
from laion_fmri.explorer.tabs import Explorer
from laion_fmri.explorer.widgets.dialog import DialogFocus
from laion_fmri.explorer.widgets.menu_keys import MenuKeys
from laion_fmri.explorer.widgets.notice import notice

TITLE = "LAION-fMRI Explorer"


class _ClosedPages(logging.Filter):
    """Drop the errors logged when a page closes while the server writes to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        is_closed = "connection was closed" in record.getMessage()
        return not is_closed and not isinstance(error, WebSocketClosedError)


for _name in ("asyncio", "bokeh.server.views.ws", "panel.io.document"):
    logging.getLogger(_name).addFilter(_ClosedPages())
# The first click on a control that was added later sends its whole description: harmless.
warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)


def create_app(data: ExplorerData | None = None, visitor: Visitor | None = None) -> pmui.Page:
    """Create one page of the explorer.

    Parameters
    ----------
    data : ExplorerData, optional
        Shared by the pages of a server; by default created from the configured settings.
    visitor : Visitor, optional
        The person who opens the page; by default taken from the request.
    """
    try:
        return _page(data, visitor)
    except Exception as error:  # Panel would put its traceback into the page, as HTML
        message = notice(explain(error), "error")
        return ExplorerPage(title=TITLE, main=[message], theme_config=THEME)


def take_valid(explorer: param.Parameterized, values: Mapping[str, Any]) -> None:
    """Set the parameters whose values are valid; leave the others unchanged."""
    for name, value in values.items():
        with suppress(ValueError, TypeError):
            explorer.param.update(**{name: value})


def _page(data: ExplorerData | None, visitor: Visitor | None) -> pmui.Page:
    request = request_of_page()
    if request is not None and was_missed(request, origins_of_process()):
        # Redirecting to the same address is refused.
        pn.config.authorize_callback = lambda user, path: path
        return ExplorerPage(title=TITLE, theme_config=THEME)
    pn.extension(theme=first_theme(), js_files={"plots": module_url(BrowserFiles.plots)})
    data = (data or _configured_data()).for_visitor(visitor or visitor_of_page())
    explorer = Explorer(data=data)
    defaults = {name: getattr(explorer, name) for name in IN_THE_ADDRESS}
    if pn.state.location:
        # Panel passes all values at once and applies none of them if one is invalid.
        pn.state.location.sync(
            explorer, list(IN_THE_ADDRESS), functools.partial(take_valid, explorer)
        )

    def restore(search: str) -> None:
        if (location := pn.state.location) is not None:
            location.search = search
            given = location.query_params
            absent = {name: defaults[name] for name in IN_THE_ADDRESS if name not in given}
            explorer.param.update(**absent)

    return ExplorerPage(
        title=TITLE,
        header=account(data.visitor),
        main=[
            *banner(data.visitor),
            explorer.demo_note,
            explorer.strip,
            *map(pn.panel, explorer.tabs),  # Panel does not clean up viewers when a page is closed
            Preload(),
            MenuKeys(),
            ThemeChoice(),
            DialogFocus(),
            PageHistory(restore, QUIET_IN_THE_ADDRESS),
        ],
        theme_config=THEME,
    )


@functools.cache
def _configured_data() -> ExplorerData:
    return ExplorerData()
