"""A steady beat, as long as somebody looks at the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent


class Pulse(JSComponent):
    """Calls a function at a steady pace while it beats.

    The beat comes from the browser: a page that is gone is not written to, and a server
    that is busy is not asked again before it has answered.

    Parameters
    ----------
    on_beat : callable
    """

    beats = param.Integer(default=0, doc="How often the browser has called.")
    beating = param.Boolean(default=False, doc="Whether to call.")
    period = param.Integer(default=500, bounds=(50, None), doc="Milliseconds between two calls.")

    # The page is not busy for looking at the time.
    _busy__ignore: ClassVar[list[str]] = ["beats"]

    _esm: ClassVar[str] = """
    const PATIENCE = 5000
    const LEAVING = 10000 // a page that was not left after all goes on then
    export function render({ model }) {
      let timer = null
      let asked = -Infinity
      const beat = () => {
        if (performance.now() - asked < PATIENCE) return
        asked = performance.now()
        model.beats += 1
      }
      const follow = () => {
        clearInterval(timer)
        asked = -Infinity
        timer = model.beating ? setInterval(beat, model.period) : null
      }
      const leave = () => {
        clearInterval(timer)
        timer = setTimeout(follow, LEAVING)
      }
      model.on("msg:custom", () => { asked = -Infinity })
      model.on("beating", follow)
      model.on("period", follow)
      window.addEventListener("beforeunload", leave)
      model.on("remove", () => {
        clearInterval(timer)
        window.removeEventListener("beforeunload", leave)
      })
      follow()
      return document.createElement("span")
    }
    """

    def __init__(self, on_beat: Callable[[], object], **params: Any) -> None:
        super().__init__(margin=0, **params)
        self._on_beat = on_beat
        self.param.watch(self._answer, "beats")

    def _answer(self, *_: object) -> None:
        if self.beating:
            self._on_beat()
        self._send_msg("answered")
