"""What the Brain tab needs of the browser, got while nothing else is asked of it."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from laion_fmri.explorer.browser_files import BrowserFiles, module_url


class Ahead(JSComponent):
    """Nothing to see: once the page is at rest, it has the brain's viewer fetched and read.

    A browser also starts what draws in three dimensions only when it is first asked to; on a
    machine without a graphics card that alone takes a third of a second.
    """

    modules = param.List(default=[], item_type=str, doc="Addresses of the viewer's scripts.")

    _esm: ClassVar[str] = """
    export function render({ model }) {
      const getReady = () => {
        for (const address of model.modules) {
          const link = document.createElement("link")
          link.rel = "modulepreload"
          link.href = new URL(address, document.baseURI).href
          document.head.append(link)
        }
        const gl = document.createElement("canvas").getContext("webgl2")
        gl?.getExtension("WEBGL_lose_context")?.loseContext()
      }
      const onceCalm = () => globalThis.requestIdleCallback?.(getReady) ?? getReady()
      setTimeout(onceCalm, 1000)
      return document.createElement("span")
    }
    """

    def __init__(self, **params: Any) -> None:
        files = BrowserFiles.surface_view.values()
        super().__init__(modules=[module_url(file) for file in files], margin=0, **params)
