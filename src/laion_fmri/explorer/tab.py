"""The base class of tabs: a view of state and data, built when first opened."""

from __future__ import annotations

from typing import Any, ClassVar

import panel as pn
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.runtime.page_turn import Rendered
from laion_fmri.explorer.state import ExplorerState


class Tab(Viewer):
    """A tab.

    Subclasses set `title` and fill ``self.layout`` in `build`, which is called once, when the tab
    is first opened; later only the contents change. A hidden tab does no work: `refresh` is called
    when the tab is displayed and something it depends on may have changed. Slow work uses
    `latest`.
    """

    title: ClassVar[str] = ""
    fills_window: ClassVar[bool] = False
    """Whether the tab has the height of the window instead of that of its contents."""

    def __init__(self, state: ExplorerState, data: ExplorerData) -> None:
        super().__init__()
        self.state = state
        self.data = data
        sizing: dict[str, Any] = {"sizing_mode": "stretch_both"}
        if not self.fills_window:
            # By default a column ends with the window, and its contents overlap the rest.
            sizing = {
                "sizing_mode": "stretch_width",
                "styles": {"max-height": "none", "min-width": "0"},
            }
        self.layout = pn.Column(margin=0, **sizing)
        self._gate = Gate()
        self._container = pn.Column(visible=False, margin=0, **sizing)
        self._built = False
        state.param.watch(self._show_or_hide, "tab")
        state.param.watch(self._refresh_if_shown, "files_changed")

    @property
    def shown(self) -> bool:
        """Whether this tab is the open one."""
        return self.state.tab == self.title

    def build(self) -> None:
        """Fill the layout; called once."""
        raise NotImplementedError(f"{type(self).__name__} must build its layout")

    def refresh(self) -> None:
        """Update the contents; called each time the tab is opened."""

    def latest(self, busy: Viewable) -> Latest:
        """Create a runner for slow work of this tab; `busy` displays the loading indicator."""
        return Latest(busy, self._gate)

    def replace_contents(self, contents: Viewable) -> None:
        """Replace the placeholder that the layout displays until the first answer."""
        if contents not in self.layout:
            self.layout[:] = [contents]

    def open(self) -> None:
        """Display the tab; build it the first time."""
        if self._built:
            self.refresh()
        else:
            self._built = True
            with self._gate.making():
                self.build()
                self.refresh()
            self._container[:] = [self.layout, Rendered(self._gate.open)]
        self._container.visible = True

    def _show_or_hide(self, *_: object) -> None:
        if self.shown:
            self.open()
        else:
            self._container.visible = False

    def _refresh_if_shown(self, *_: object) -> None:
        if self.shown and self._built:
            self.refresh()

    def __panel__(self) -> pn.Column:
        return self._container
