"""Handing a file that was just made to the browser, which saves it."""

from __future__ import annotations

import base64
from typing import ClassVar

from panel.custom import JSComponent


class SaveFile(JSComponent):
    """Nothing to see: has the browser save what `hand_over` is given."""

    _esm: ClassVar[str] = """
    export function render({ model }) {
      const root = document.createElement("span")
      model.on("msg:custom", ({ name, mime, data }) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
        const link = document.createElement("a")
        link.href = URL.createObjectURL(new Blob([bytes], { type: mime }))
        link.download = name
        link.click()
        setTimeout(() => URL.revokeObjectURL(link.href), 10000)
      })
      return root
    }
    """

    def hand_over(self, name: str, mime: str, contents: bytes) -> None:
        """Have the browser save a file.

        Parameters
        ----------
        name : str
            Of the file, without a folder.
        mime : str
        contents : bytes
        """
        data = base64.b64encode(contents).decode()
        self._send_msg({"name": name, "mime": mime, "data": data})
