"""Word from the browser that it has put a view together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent


class Arrival(JSComponent):
    """Nothing to see: the last part of a view, it says when the browser has got that far.

    Parameters
    ----------
    on_arrival : callable
    """

    arrived = param.Boolean(default=False, doc="Whether the browser has got here.")

    _esm: ClassVar[str] = """
    export function render({ model }) {
      const tell = () => { model.arrived = true }
      // The parts beside it are drawn as well, also by a browser that has much to do.
      const once_calm = () => globalThis.requestIdleCallback?.(tell, { timeout: 6000 }) ?? tell()
      requestAnimationFrame(() => setTimeout(once_calm, 50))
      return document.createElement("span")
    }
    """

    def __init__(self, on_arrival: Callable[[], object], **params: Any) -> None:
        super().__init__(margin=0, **params)
        self.param.watch(lambda _: on_arrival(), "arrived")
