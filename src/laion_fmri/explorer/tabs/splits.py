"""The Splits tab: what a split is, what it does, and how to make another."""

from __future__ import annotations

from functools import partial
from typing import Any

from laion_fmri.explorer import split_space
from laion_fmri.explorer.background import begin
from laion_fmri.explorer.components.split_inspector import SplitInspector
from laion_fmri.explorer.tabs.base import Tab

_SHARED = ("pool", "split", "subject", "session")


class SplitsTab(Tab):
    """The split that is chosen, for the images and trials at hand."""

    title = "Splits"

    def build(self) -> None:
        """Fill the layout."""
        for model in split_space.local_models(self.data)[:1]:
            begin(partial(split_space.image_space, self.data, model))
        chosen = {name: getattr(self.state, name) for name in _SHARED}
        self.inspector = SplitInspector(data=self.data, gate=self._gate, **chosen)
        self.layout[:] = [self.inspector]
        self.inspector.param.watch(
            lambda *events: self.state.param.update({e.name: e.new for e in events}), list(_SHARED)
        )
        self.inspector.param.watch(self._show_on_brain, "maps_wanted")
        self.inspector.param.watch(
            lambda _: self.state.param.trigger("files_changed"), "files_arrived"
        )
        self.state.param.watch(self._follow, list(_SHARED))

    def refresh(self) -> None:
        """Offer what there is and show what is chosen."""
        self._set_choices()
        self.inspector.refresh()

    def _follow(self, *_: object) -> None:
        if self.shown and self._built:
            self._set_choices()

    def _show_on_brain(self, event: Any) -> None:
        maps = list(event.new)
        if maps:
            self.inspector.maps_wanted = []  # the same may be asked for again
            self.state.param.update(
                given_maps=maps, subject=maps[0].subject, map=maps[0].name, tab="Brain"
            )

    def _set_choices(self) -> None:
        self.inspector.param.update({name: getattr(self.state, name) for name in _SHARED})
