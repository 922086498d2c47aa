"""A button that takes a file, and no more of it than the server has room for."""

from __future__ import annotations

from typing import Any, ClassVar

import panel_material_ui as pmui
import param

from laion_fmri.explorer.upload import MOST_BYTES


class BoundedFileInput(pmui.FileInput):
    """Refuses files beyond a size, also those of a browser that was told to send them anyway."""

    refused = param.Event(doc="Triggered when more was sent than is taken.", precedence=-1)

    _rename: ClassVar[dict[str, str | None]] = {"refused": None}  # nothing a browser is told

    def __init__(self, **params: Any) -> None:
        super().__init__(max_file_size=MOST_BYTES, **params)

    def _process_chunk(self, msg: dict[str, Any]) -> None:
        if self._held() + len(msg["data"]) > MOST_BYTES:
            self._file_buffer.clear()
            self._buffer.clear()
            self.param.trigger("refused")
            return
        super()._process_chunk(msg)

    def _held(self) -> int:
        coming = (len(c) for file in self._file_buffer.values() for c in file["chunks"].values())
        return sum(coming) + sum(len(file["value"]) for file in self._buffer)
