"""Preview of a file of the bucket: the start of a text or table, the header of a NIfTI.

Only the bytes that are shown are read; none of other binary files.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from laion_fmri import layout
from laion_fmri.bucket import Bucket, BucketObject
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.html import plain_table
from laion_fmri.transfer.plan import format_bytes
from laion_fmri.volumes.nifti import header_class

if TYPE_CHECKING:
    from markupsafe import Markup
    from nibabel.nifti1 import Nifti1Header

TEXT_BYTES = 256_000
"""Number of bytes of a text that are read and shown."""

HEADER_BYTES = 8_192
"""Number of bytes of a NIfTI that are read; enough for a compressed header."""

_CONTENTS = "Contents of the file"
_SNIFFED = 4_096  # bytes that tell whether a file of unknown type is text
_MOST_ROWS, _MOST_COLUMNS, _LONGEST_CELL = 200, 40, 300

_BINARY = {
    ".h5": "HDF5 file",
    ".func.gii": "GIfTI file, values on a surface",
    ".shape.gii": "GIfTI file, values on a surface",
    ".label.gii": "GIfTI file, labels on a surface",
    ".surf.gii": "GIfTI file, a surface",
    ".gii": "GIfTI file",
    ".mgz": "FreeSurfer volume",
    ".mgh": "FreeSurfer volume",
    ".png": "Picture",
    ".jpg": "Picture",
    ".svg": "Picture",
    ".pdf": "PDF document",
    ".gz": "Compressed file",
    ".zip": "Archive",
    ".npy": "NumPy array",
    ".npz": "NumPy arrays",
}


@dataclass(frozen=True)
class FilePreview:
    """Preview of a file.

    Attributes
    ----------
    kind : str
        Description of the file type.
    note : str
        Which part is shown, or why none is.
    text : str
        The text; JSON is indented.
    head, rows : tuple of str, tuple of tuple of str
        Column names and cells of a table.
    facts : mapping of str to str
        Fields of a NIfTI header.
    """

    kind: str
    note: str = ""
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def html(self) -> Markup:
        """Return the contents as unstyled HTML; markup in them is escaped."""
        from markupsafe import Markup

        if self.facts:
            facts = Markup("").join(
                Markup("<dt>{}</dt><dd class={}>{}</dd>").format(
                    name, "grid" if "\n" in text else "plain", text
                )
                for name, text in self.facts.items()
            )
            return Markup('<dl class="facts">{}</dl>').format(facts)
        contents = Markup("<pre>{}</pre>").format(self.text) if self.text else Markup("")
        if self.head:
            cell = Markup('<span title="{}">{}</span>')
            rows = [[cell.format(value, value) for value in row] for row in self.rows]
            contents = plain_table(self.head, rows, _CONTENTS, "cells")
        return contents and Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="{}">{}</div>'
        ).format(_CONTENTS, contents)

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        about = ". ".join(part for part in (self.kind, self.note) if part)
        return Markup("<p><strong>{}</strong></p>{}").format(about, self.html)


def preview_file(found: BucketObject, bucket: Bucket, data_dir: Path | None = None) -> FilePreview:
    """Read the beginning of a file.

    Parameters
    ----------
    found : BucketObject
    bucket : Bucket
        Source of the bytes.
    data_dir : Path, optional
        The data directory, if it holds the complete file, which is then read from there.

    Returns
    -------
    FilePreview

    Raises
    ------
    LaionFmriError
        When the bytes cannot be read.

    Examples
    --------
    >>> from laion_fmri.bucket import open_bucket
    >>> from laion_fmri.file_preview import preview_file
    >>> bucket = open_bucket()
    >>> found = bucket.head("dataset_description.json")
    >>> preview_file(found, bucket).kind
    'JSON file'
    """
    if layout.is_held_out(found.key):
        return FilePreview("Held-out session", "The bucket lists this file but does not serve it.")

    def start(n_bytes: int) -> bytes:
        if data_dir is not None:
            key = layout.local_name(layout.require_safe(found.key))
            return _start(DirectoryBucket(data_dir), key, min(n_bytes, found.size), None)
        return _start(bucket, found.key, min(n_bytes, found.size), found.etag)

    extension = layout.parse_entities(found.key).extension.lower()
    if extension in (".nii", ".nii.gz"):
        return _nifti(start(HEADER_BYTES))
    if extension in _BINARY:
        return FilePreview(_BINARY[extension], "Its contents are not text.")
    is_known = extension in _READERS or extension == ".txt" or found.size <= _SNIFFED
    if not is_known and _decoded(start(_SNIFFED)) is None:
        return FilePreview("Binary file", "Its contents are not text.")
    text = _decoded(start(TEXT_BYTES))
    if text is None:
        return FilePreview("Binary file", "Its contents are not text.")
    is_cut = found.size > TEXT_BYTES
    note = _cut_note(found.size) if is_cut else ""
    return _READERS.get(extension, _as_text)(text, is_cut, note)


def _start(bucket: Bucket, key: str, n_bytes: int, etag: str | None) -> bytes:
    if not n_bytes:
        return b""
    parts: list[bytes] = []
    missing = n_bytes
    with bucket.open(key, 0, n_bytes, etag) as stream:
        while missing and (part := stream.read(missing)):
            parts.append(part[:missing])
            missing -= len(parts[-1])
    return b"".join(parts)


def _cut_note(size: int) -> str:
    return f"The first {format_bytes(TEXT_BYTES)} of {format_bytes(size)}."


def _decoded(data: bytes) -> str | None:
    """Decode text, without a truncated last character; None when the bytes are not text."""
    if b"\0" in data:
        return None
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return None if any(c < " " and c not in "\t\n\r\f\x1b" for c in text) else text


# --- texts --------------------------------------------------------------------------


def _as_text(text: str, is_cut: bool, note: str) -> FilePreview:
    return FilePreview("Text file", note if text else "The file is empty.", text)


def _json(text: str, is_cut: bool, note: str) -> FilePreview:
    if is_cut:
        return FilePreview("JSON file", note, text)
    try:
        pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return FilePreview("JSON file", "It is not valid JSON; this is its text.", text)
    is_huge = len(pretty) > 4 * TEXT_BYTES
    return FilePreview("JSON file", note, text if is_huge else pretty)


def _table(kind: str, **dialect: Any) -> Callable[[str, bool, str], FilePreview]:
    def read(text: str, is_cut: bool, note: str) -> FilePreview:
        rows: list[tuple[str, ...]] = []
        n_columns = 0
        try:
            for row in csv.reader(io.StringIO(text, newline=""), **dialect):
                n_columns = max(n_columns, len(row))
                if len(rows) <= _MOST_ROWS:
                    rows.append(tuple(_cell(value) for value in row[:_MOST_COLUMNS]))
        except csv.Error:
            return FilePreview("Text file", note or "It is not a regular table.", text)
        if not rows:
            return FilePreview(kind, "The file is empty.")
        notes = [note] if note else []
        if len(rows) > _MOST_ROWS:
            rows = rows[: _MOST_ROWS + 1]
            notes.append(f"Its first {_MOST_ROWS} rows are shown.")
        elif is_cut:
            rows = rows[:-1] or rows  # the last row may be truncated
        if n_columns > _MOST_COLUMNS:
            notes.append(f"Its first {_MOST_COLUMNS} of {n_columns:,} columns are shown.")
        return FilePreview(kind, " ".join(notes), head=rows[0], rows=tuple(rows[1:]))

    return read


def _cell(value: str) -> str:
    return value if len(value) <= _LONGEST_CELL else f"{value[:_LONGEST_CELL]}…"


_READERS: Mapping[str, Callable[[str, bool, str], FilePreview]] = {
    ".json": _json,
    ".tsv": _table("Table, tab-separated", delimiter="\t", quoting=csv.QUOTE_NONE),
    ".csv": _table("Table, comma-separated"),
}


# --- NIfTI --------------------------------------------------------------------------


def _nifti(data: bytes) -> FilePreview:
    kind = "NIfTI volume"
    try:
        if data.startswith(b"\x1f\x8b"):  # compressed, regardless of its name
            data = zlib.decompressobj(wbits=31).decompress(data, 1024)
        header = _header(data)
    except (zlib.error, ValueError) as error:
        return FilePreview(kind, f"Its header cannot be read ({error}).")
    if header is None:
        return FilePreview(kind, "Its header cannot be read: it is not a NIfTI file.")
    return FilePreview(
        kind, "From its header; the volume itself was not downloaded.", facts=facts(header)
    )


def _header(data: bytes) -> Nifti1Header | None:
    from nibabel.wrapstruct import WrapStructError

    kind = header_class(data)
    try:
        return None if kind is None else kind(data[: kind.sizeof_hdr], check=False)
    except WrapStructError:  # shorter than a header
        return None


def facts(header: Nifti1Header) -> dict[str, str]:
    """Describe the fields of a header; invalid fields are left out.

    Parameters
    ----------
    header : Nifti1Header
    """
    from nibabel.orientations import aff2axcodes
    from nibabel.spatialimages import HeaderDataError

    def shape() -> tuple[int, ...]:
        return tuple(int(n) for n in header.get_data_shape())

    def stored() -> np.dtype:
        return header.get_data_dtype()

    def data_type() -> str:
        order = {"<": "little-endian", ">": "big-endian"}[header.endianness]
        one = stored().itemsize == 1
        return f"{stored().newbyteorder('=')}" + ("" if one else f", {order}")

    def voxel_size() -> str:
        unit, _ = header.get_xyzt_units()
        return f"{_product(header.get_zooms()[:3])} {'' if unit == 'unknown' else unit}".strip()

    def step() -> str:
        _, unit = header.get_xyzt_units()
        zooms = header.get_zooms()
        return "" if len(zooms) < 4 or not zooms[3] else f"{zooms[3]:g} {unit}"

    def scaling() -> str:
        slope, inter = header.get_slope_inter()
        return "none" if (slope or 1, inter or 0) == (1, 0) else f"× {slope:g} {inter:+g}"

    def size() -> str:
        return format_bytes(float(np.prod(shape(), dtype=float)) * stored().itemsize)

    def affine() -> str:
        return "\n".join(" ".join(f"{x:9.3f}" for x in row) for row in header.get_best_affine())

    def transforms() -> str:
        codes = (header.get_value_label(f"{kind}_code") for kind in ("sform", "qform"))
        return "sform {}, qform {}".format(*codes)

    readers: dict[str, Callable[[], str]] = {
        "Shape": lambda: _product(shape()),
        "Voxel size": voxel_size,
        "Step of the fourth axis": step,
        "Stored as": data_type,
        "Scaling": scaling,
        "Size in memory as stored": size,
        "Orientation": lambda: "".join(c or "?" for c in aff2axcodes(header.get_best_affine())),
        "Transforms": transforms,
        "Affine (voxel to mm)": affine,
        "Intent": lambda: header.get_intent()[0].replace("none", ""),
        "Description": lambda: bytes(header["descrip"].item()).decode("latin-1").strip("\0 "),
    }
    facts = {}
    for name, read in readers.items():
        try:
            facts[name] = read()
        except (HeaderDataError, ValueError, KeyError, TypeError, ArithmeticError):
            continue  # a header may contain any bytes
        except np.linalg.LinAlgError:
            continue
    return {name: text for name, text in facts.items() if text}


def _product(numbers: Any) -> str:
    return " × ".join(f"{number:.4g}" if number < 1e4 else f"{number:g}" for number in numbers)
