"""PNGs of every kind that the format knows, encoded by hand."""

from __future__ import annotations

import struct
import zlib

import numpy as np

COLOUR_TYPES = {"grey": 0, "RGB": 2, "palette": 3, "grey and alpha": 4, "RGB and alpha": 6}


def png(
    samples: np.ndarray,
    kind: str,
    bits: int,
    palette: np.ndarray | None = None,
    transparency: bytes = b"",
) -> bytes:
    """A PNG of these samples, shape (height, width, n_channels), each of `bits` bits."""
    height, width, _ = samples.shape
    if bits == 16:
        rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    elif bits == 8:
        rows = samples.astype(np.uint8).reshape(height, -1)
    else:
        flat = samples.reshape(height, -1).astype(np.uint8)
        each = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(each.reshape(height, -1), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[kind], 0, 0, 0)),
        *([(b"PLTE", palette.astype(np.uint8).tobytes())] if palette is not None else []),
        *([(b"tRNS", transparency)] if transparency else []),
        (b"IDAT", zlib.compress(data)),
        (b"IEND", b""),
    ]
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
