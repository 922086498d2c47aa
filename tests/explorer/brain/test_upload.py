"""The button that uploads a map."""

from __future__ import annotations

from laion_fmri.analysis.map_bytes import MOST_BYTES
from laion_fmri.explorer.brain.upload import BoundedFileInput


def test_more_than_there_is_room_for_is_not_even_kept():
    field = BoundedFileInput()
    told = []
    field.param.watch(told.append, "refused")
    part = b"\0" * (10 << 20)
    chunk = {"name": "m.nii", "total_chunks": 99, "mime_type": "x", "data": part}
    for number in range(1, 9):
        field._process_chunk({**chunk, "chunk": number})
    assert len(told) == 1
    assert field._held() <= MOST_BYTES
    assert field.value is None
