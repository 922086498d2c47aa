"""What every tab is: a view made of state and data, filled when it is first opened."""

from __future__ import annotations

from typing import ClassVar

import panel as pn
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.background import Gate, Latest, once_whole
from laion_fmri.explorer.components.arrival import Arrival
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import ExplorerState


class Tab(Viewer):
    """A tab.

    Subclasses set `title` and fill ``self.layout`` in `build`, which is called once, the
    first time the tab is opened; from then on the layout stays and only contents change.
    While the tab is not shown it must do no work: `refresh` is called when it is shown
    and something it depends on may have changed. Slow work goes through `latest`.
    """

    title: ClassVar[str] = ""

    def __init__(self, state: ExplorerState, data: ExplorerData) -> None:
        super().__init__()
        self.state = state
        self.data = data
        self.layout = pn.Column(sizing_mode="stretch_both", margin=0)
        self._gate = Gate()
        self._place = pn.Column(sizing_mode="stretch_both", visible=False, margin=0)
        self._built = False
        state.param.watch(self._show_or_hide, "tab")
        state.param.watch(self._refresh_if_shown, "files_changed")

    @property
    def shown(self) -> bool:
        """Whether this is the tab the user looks at."""
        return self.state.tab == self.title

    def build(self) -> None:
        """Fill the layout; called once."""
        raise NotImplementedError(f"{type(self).__name__} must build its layout")

    def refresh(self) -> None:
        """Bring the contents up to date; called each time the tab is opened."""

    def latest(self, busy: Viewable) -> Latest:
        """A way to do slow work for this tab; `busy` is what shows that it runs."""
        return Latest(busy, self._gate)

    def put_in_place(self, contents: Viewable) -> None:
        """Show `contents` instead of what stood in the layout until the first answer."""
        if contents not in self.layout:
            self.layout[:] = [contents]

    def open(self) -> None:
        """Show the tab, building it the first time."""
        if self._built:
            self.refresh()
        else:
            self._built = True
            with self._gate.making():
                self.build()
                self.refresh()
            self._place[:] = [self.layout, Arrival(self._gate.open)]
        self._place.visible = True

    def _show_or_hide(self, *_: object) -> None:
        once_whole(self._follow_the_tab)

    def _follow_the_tab(self) -> None:
        if self.shown:
            self.open()
        else:
            self._place.visible = False

    def _refresh_if_shown(self, *_: object) -> None:
        if self.shown and self._built:
            self.refresh()

    def __panel__(self) -> pn.Column:
        return self._place
