"""Passes a file created by the server to the browser, which saves it."""

from __future__ import annotations

from typing import ClassVar

import param
from panel.custom import JSComponent


class SaveFile(JSComponent):
    """Invisible: makes the browser save the file passed to `hand_over`."""

    file = param.Dict(default={}, doc="What `hand_over` sends to the page: name, mime, bytes.")

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

    def hand_over(self, name: str, mime: str, contents: bytes) -> None:
        """Make the browser save a file.

        Parameters
        ----------
        name : str
            File name, without a folder.
        mime : str
        contents : bytes
        """
        self.file = {"name": name, "mime": mime, "bytes": contents}
