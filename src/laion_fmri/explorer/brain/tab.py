"""The Brain tab: the brain view of the page's choices, and a preloader for its scripts."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from laion_fmri.explorer.assets import BrowserFiles, module_url
from laion_fmri.explorer.brain.view import BrainView
from laion_fmri.explorer.tab import Tab

_SHARED = {
    "subject": "subject",
    "map": "map",
    "rois": "rois",
    "trial": "trial",
    "trials": "selected_trials",
    "display": "display",
}
"""Maps parameters of the view to those of the page's state."""


class BrainTab(Tab):
    """Maps and ROIs of the chosen subject on surface and slices."""

    title = "Brain"
    fills_window = True

    def build(self) -> None:
        """Fill the layout."""
        state = self.state
        self.brain = BrainView(data=self.data, gate=self._gate, **self._wanted())
        self.layout[:] = [self.brain]
        watch = self.brain.param.watch
        watch(self._update_state, ["subject", "map", "rois", "display"])
        watch(self._open_trial, "opened_trial", onlychanged=False)
        watch(self._mark_trials, "marked_trials", onlychanged=False)
        watch(lambda _: state.param.trigger("files_changed"), "files_arrived")
        state.param.watch(self._update_view, list(_SHARED.values()))

    def refresh(self) -> None:
        """Update the available choices and the display."""
        for given in self.state.given_maps:  # from other tabs
            self.brain.add_map(
                given.values,
                given.name,
                units=given.units,
                explanation=given.explanation,
                show=False,
                subject=given.subject,
            )
        self.state.given_maps = []
        self._update_view()
        self.brain.refresh()
        self._update_state()

    def _update_view(self, *_: object) -> None:
        if self.shown:
            self.brain.choose(**self._wanted())

    def _update_state(self, *_: object) -> None:
        if self.shown:
            brain = self.brain
            self.state.param.update(
                subject=brain.subject, map=brain.map, rois=list(brain.rois), display=brain.display
            )

    def _wanted(self) -> dict[str, Any]:
        wanted = {name: getattr(self.state, source) for name, source in _SHARED.items()}
        return {k: list(v) if isinstance(v, list) else v for k, v in wanted.items()}

    def _open_trial(self, event: param.parameterized.Event) -> None:
        self.state.param.update(trial=event.new, tab="Trials")

    def _mark_trials(self, event: param.parameterized.Event) -> None:
        self.state.param.update(selected_trials=list(event.new), tab="Trials")


class Preload(JSComponent):
    """Invisible: fetches and parses the scripts of the brain viewer once the page is idle.

    A browser also starts WebGL only at the first request; without a graphics card, this alone
    takes a third of a second.
    """

    modules = param.List(default=[], item_type=str, doc="Addresses of the viewer's scripts.")

    _esm: ClassVar[str] = """
    export function render({ model }) {
      const preload = () => {
        for (const address of model.modules) {
          const link = document.createElement("link")
          link.rel = "modulepreload"
          link.href = new URL(address, document.baseURI).href
          document.head.append(link)
        }
        const gl = document.createElement("canvas").getContext("webgl2")
        gl?.getExtension("WEBGL_lose_context")?.loseContext()
      }
      setTimeout(() => globalThis.requestIdleCallback?.(preload) ?? preload(), 1000)
      return document.createElement("span")
    }
    """

    def __init__(self, **params: Any) -> None:
        files = BrowserFiles.surface_view.values()
        super().__init__(modules=[module_url(file) for file in files], margin=0, **params)
