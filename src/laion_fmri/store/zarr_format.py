"""The Zarr documents of a store: one sharded array of float32, and small arrays beside it.

A store is a Zarr v3 group. Its large array has one shard, a file of inner chunks: all rows of
`width` neighbouring voxels, little endian, each followed by its CRC-32C; the index of the chunks,
with a CRC-32C of its own, is at the end. A small array is one chunk with a CRC-32C. The group
repeats the documents of its arrays (consolidated metadata), so that xarray reads one file of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBER = np.dtype("<f4")
"""The type of stored responses."""

LAYOUT = 3
"""Changes whenever releases cannot read each other's stores; 1 and 2 were single files."""

CHECKSUM = np.dtype("<u4")
DOCUMENT = "zarr.json"
OWN = "laion_fmri"
"""The attribute of a group that describes the store."""

_BYTES: list[dict[str, Any]] = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "crc32c"},
]
_TEXT: list[dict[str, Any]] = [{"name": "vlen-utf8"}, {"name": "crc32c"}]
_LENGTH = np.dtype("<u4")
_NO_CHECKSUM = "0" * 8


class OtherLayoutError(Exception):
    """A store that another release of the package wrote."""


def crc32c(data: bytes | NDArray[np.uint8], before: int = 0) -> int:
    """Compute the CRC-32C of read-only bytes, continuing from that of the preceding ones."""
    import google_crc32c

    return google_crc32c.extend(before, data)


@dataclass(frozen=True, eq=False)
class SmallArray:
    """An array with one chunk.

    Attributes
    ----------
    dims : tuple of str
        Names of its axes.
    values : ndarray of int or str
    """

    dims: tuple[str, ...]
    values: NDArray

    def encode(self) -> bytes:
        """Return the content of its chunk, without the checksum."""
        if self.values.dtype.kind != "U":
            return self.values.astype(self.values.dtype.newbyteorder("<")).tobytes()
        parts = [_LENGTH.type(len(self.values)).tobytes()]
        for text in self.values.tolist():
            coded = text.encode()
            parts += [_LENGTH.type(len(coded)).tobytes(), coded]
        return b"".join(parts)

    def describe(self) -> dict[str, Any]:
        """Return what `decode` needs besides the bytes."""
        kind = "string" if self.values.dtype.kind == "U" else self.values.dtype.name
        return {"dims": [*self.dims], "shape": [*self.values.shape], "type": kind}

    @classmethod
    def decode(cls, data: bytes, said: Mapping[str, Any]) -> SmallArray:
        """Return the array of a chunk.

        Raises
        ------
        ValueError, KeyError, TypeError
            When the bytes and the description do not fit.
        """
        dims, shape = tuple(said["dims"]), tuple(said["shape"])
        if said["type"] != "string":
            dtype = np.dtype(said["type"]).newbyteorder("<")
            return cls(dims, np.frombuffer(data, dtype).reshape(shape))
        texts, place = [], _LENGTH.itemsize
        for _ in range(math.prod(shape)):
            end = place + _LENGTH.itemsize
            length = int.from_bytes(data[place:end], "little")
            texts.append(data[end : end + length].decode())
            place = end + length
        return cls(dims, np.array(texts, dtype=str).reshape(shape))


@dataclass(frozen=True, eq=False)
class Contents:
    """The arrays of a store and its description.

    Attributes
    ----------
    array : str
        Name of the large array.
    dims : tuple of str
        Names of its rows and columns.
    shape : tuple of int
        Numbers of rows and columns.
    width : int
        Columns of an inner chunk.
    small : dict of str to SmallArray
    said : dict
        What the store holds and what it was made from, as in JSON.
    """

    array: str
    dims: tuple[str, str]
    shape: tuple[int, int]
    width: int
    small: Mapping[str, SmallArray]
    said: Mapping[str, Any]

    def describe(self, checksums: Mapping[str, str]) -> dict[str, Any]:
        """Return the attributes of the group; `checksums` has an entry for each array's file."""
        own = {
            "layout": LAYOUT,
            "array": self.array,
            "dims": [*self.dims],
            "shape": [*self.shape],
            "width": self.width,
            "small": {name: one.describe() for name, one in self.small.items()},
            "checksums": dict(checksums),
            "said": dict(self.said),
        }
        return {OWN: own, "crc32c": checksum_of(own)}

    @property
    def names(self) -> list[str]:
        """The names of all arrays."""
        return [self.array, *self.small]

    @property
    def n_bytes(self) -> int:
        """Bytes of all files together."""
        documents = self.documents(dict.fromkeys(self.names, _NO_CHECKSUM))
        small = sum(
            len(one.encode()) + CHECKSUM.itemsize for one in self.small.values() if one.values.size
        )
        return sum(map(len, documents.values())) + small + shard_bytes(self.shape, self.width)

    def documents(self, checksums: Mapping[str, str]) -> dict[str, bytes]:
        """Return the text of each ``zarr.json``, by its path in the group."""
        arrays = {self.array: self._large()}
        for name, one in self.small.items():
            is_text = one.values.dtype.kind == "U"
            kind = one.describe()["type"]
            shape = one.values.shape
            arrays[name] = _array(
                shape, [max(1, n) for n in shape], kind, one.dims, "" if is_text else 0,
                _TEXT if is_text else _BYTES,
            )  # fmt: skip
        group = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": self.describe(checksums),
            "consolidated_metadata": {
                "kind": "inline",
                "must_understand": False,
                "metadata": arrays,
            },
        }
        named = {DOCUMENT: group} | {f"{name}/{DOCUMENT}": doc for name, doc in arrays.items()}
        return {name: json.dumps(document).encode() for name, document in named.items()}

    def _large(self) -> dict[str, Any]:
        n_rows = max(1, self.shape[0])
        n_blocks = max(1, math.ceil(self.shape[1] / self.width))
        sharding = {
            "chunk_shape": [n_rows, self.width],
            "codecs": _BYTES,
            "index_codecs": _BYTES,
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        shard = [n_rows, n_blocks * self.width]
        return _array(self.shape, shard, "float32", self.dims, "NaN", codecs)


def _array(
    shape: tuple[int, ...], chunk: list[int], kind: str, dims: tuple[str, ...], fill: Any,
    codecs: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [*shape],
        "data_type": kind,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": [*dims],
    }


def read_description(text: bytes) -> dict[str, Any]:
    """Return what the document of a group says of its store.

    Raises
    ------
    OtherLayoutError
    ValueError, KeyError, TypeError
        When it is not the document of a store, or was changed.
    """
    attributes = json.loads(text)["attributes"]
    own = attributes[OWN]
    if own["layout"] != LAYOUT and checksum_of(own) == attributes["crc32c"]:
        raise OtherLayoutError(own["layout"])
    if checksum_of(own) != attributes["crc32c"]:
        raise ValueError("the checksum of its description is wrong")
    return own


def checksum_of(own: Mapping[str, Any]) -> str:
    """Return the checksum of a description, which does not depend on how JSON is written."""
    return as_text(crc32c(json.dumps(own, sort_keys=True).encode()))


def as_text(checksum: int) -> str:
    """Write a checksum in a fixed number of digits, so that sizes are known in advance."""
    return f"{checksum:08x}"


def chunk_name(n_axes: int) -> str:
    """Return the path of the only chunk of an array."""
    return "/".join(["c", *["0"] * n_axes])


def block_bytes(n_rows: int, width: int) -> int:
    """Bytes of an inner chunk with its checksum."""
    return n_rows * width * NUMBER.itemsize + CHECKSUM.itemsize


def shard_bytes(shape: tuple[int, int], width: int) -> int:
    """Bytes of the large array's file; an array without values has none."""
    n_rows, n_columns = shape
    if not n_rows * n_columns:
        return 0
    n_blocks = math.ceil(n_columns / width)
    return n_blocks * block_bytes(n_rows, width) + len(shard_index(n_blocks, n_rows, width))


def shard_index(n_blocks: int, n_rows: int, width: int) -> bytes:
    """Return the end of a shard: offset and length of each inner chunk, and a checksum."""
    size = block_bytes(n_rows, width)
    index = np.empty((n_blocks, 2), "<u8")
    index[:, 0] = np.arange(n_blocks, dtype=np.uint64) * size
    index[:, 1] = size
    entries = index.tobytes()
    return entries + CHECKSUM.type(crc32c(entries)).tobytes()
