"""A button that uploads a NIfTI, limited to the size that the server accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import panel_material_ui as pmui
import param
from numpy.typing import NDArray

from laion_fmri.analysis.map_bytes import MOST_BYTES, read_map_bytes, safe_name, too_large
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.subject import Subject


class BoundedFileInput(pmui.FileInput):
    """Refuses files above a size, even if a browser sends them anyway."""

    refused = param.Event(doc="Triggered when a file is too large.", precedence=-1)

    _rename: ClassVar[dict[str, str | None]] = {"refused": None}  # not sent to the browser

    def __init__(self, **params: Any) -> None:
        super().__init__(max_file_size=MOST_BYTES, **params)

    def read_maps(
        self,
        gate: Gate,
        subject: Callable[[], Subject],
        add_map: Callable[[Subject, NDArray[np.float32], str], None],
        say: Callable[[str], None],
    ) -> None:
        """Read each upload as a map of `subject()` in a thread, and pass on map and name."""
        latest = Latest(self, gate)

        def read(event: param.parameterized.Event) -> None:
            if event.new:
                sub, content, name = subject(), event.new, safe_name(self.filename)
                latest.ask(
                    lambda: read_map_bytes(sub, content, name),
                    lambda values: add_map(sub, values, name),
                    say,
                )

        self.param.watch(read, "value")
        self.param.watch(lambda _: say(too_large("This file")), "refused")

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
