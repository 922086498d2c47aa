"""Hands a file that the server made to the reader's browser to keep."""

from __future__ import annotations

from typing import ClassVar

import param
from panel.custom import JSComponent


class Saver(JSComponent):
    """Saves what `hand_over` is given; shows nothing."""

    file = param.Dict(default={}, doc="What `hand_over` sent to the page: name, mime, bytes.")

    _esm: ClassVar[str] = """
    export function render({ model }) {
      model.on("file", () => {
        const { name, mime, bytes } = model.file
        if (!name) return
        const address = URL.createObjectURL(new Blob([bytes], { type: mime }))
        Object.assign(document.createElement("a"), { href: address, download: name }).click()
        setTimeout(() => URL.revokeObjectURL(address), 10000)
        model.file = {}
      })
      return document.createElement("span")
    }
    """

    def hand_over(self, name: str, mime: str, content: bytes) -> None:
        """Have the browser save a file."""
        self.file = {"name": name, "mime": mime, "bytes": content}
