"""The stimulus images, by name."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, memory
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    NotAllowedError,
    NotEnoughMemoryError,
)
from laion_fmri.arguments import as_items, as_scalar
from laion_fmri.stimuli.cache import Cache
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.metadata import NameIndex, read_metadata, require_stimulus_file, row_number
from laion_fmri.stimuli.pictures import as_displayed_rgb, decode, decode_small
from laion_fmri.transfer.plan import format_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

_THUMBNAIL_QUALITY = 78


class Images:
    """Every stimulus image, keyed by its name or its row in the metadata.

    ``images[name]`` returns the stored bytes, ``images.get(name)`` the image; iteration yields
    ``(name, bytes)`` in file order.

    Parameters
    ----------
    data_dir : Path
    refusal : str
        Reason why they must not be read; every use raises `NotAllowedError`.

    Raises
    ------
    NotAllowedError
    StimuliNotDownloadedError
        On first use, when images or metadata are not downloaded.
    """

    def __init__(self, data_dir: Path, refusal: str = "") -> None:
        self.data_dir = data_dir
        self._refusal = refusal
        self._cache = Cache()

    @property
    def _file(self) -> LazyHdf5:
        self._require_allowed()
        return self._cache.get(
            "file",
            lambda: LazyHdf5(require_stimulus_file(self.data_dir, layout.STIMULI_IMAGES)),
        )

    @property
    def _index(self) -> NameIndex:
        self._require_allowed()
        return self._cache.get("index", self._read_index)

    def _require_allowed(self) -> None:
        if self._refusal:
            raise NotAllowedError(self._refusal)

    def _read_index(self) -> NameIndex:
        index = NameIndex(
            read_metadata(self.data_dir)["image_name"],
            layout.local_path(self.data_dir, layout.STIMULI_METADATA),
        )
        with self._file.dataset("images", 1) as images:
            if len(images) != len(index):
                raise InconsistentDataError(
                    f"{self._file.path.name} holds {len(images)} images but its metadata name "
                    f"{len(index)}, so rows cannot be matched. Download both again."
                )
        return index

    def names(self) -> list[str]:
        """Return all image names, in file order."""
        return list(self._index.names)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def index_of(self, name: str | int) -> int:
        """Return the row of one image in the file and in the metadata.

        Parameters
        ----------
        name : str or int
            Image name or row; a row is returned unchanged.

        Raises
        ------
        UnknownNameError
            When there is no such image.
        RowNotFoundError
            When there is no such row.
        """
        if isinstance(as_scalar(name), int | float):
            return row_number("image", name, len(self))
        return self._index.row(name)  # type: ignore[arg-type]

    def __getitem__(self, name: str | int) -> bytes:
        """Return the stored bytes of one image (JPEG or PNG), by name or row."""
        row = self.index_of(name)
        with self._file.dataset("images", 1) as images:
            return images[row].tobytes()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return ((name, self[name]) for name in self.names())

    def get(self, name: str | int, as_displayed: bool = True) -> Image:
        """Return one image.

        Parameters
        ----------
        name : str or int
            Its name, or its row in the metadata.
        as_displayed : bool
            RGB as displayed in the scanner, with transparent pixels over mid grey (0.5 per
            channel); False keeps the stored mode.

        Returns
        -------
        PIL.Image.Image

        Raises
        ------
        UnknownNameError, RowNotFoundError
            When there is no such image.
        DamagedFileError
            When its bytes are not an image, or its white level is unknown.
        """
        name = self._index.names[self.index_of(name)]
        return _decoded(self._file.path, name, self[name], as_displayed)

    def thumbnail(self, name: str | int, side: int = 128) -> bytes:
        """Return one image as displayed, as a small JPEG.

        Parameters
        ----------
        name : str or int
            Its name, or its row in the metadata.
        side : int
            Largest width and height in pixels.

        Returns
        -------
        bytes
            Empty if the stored bytes are not an image.

        Raises
        ------
        StimuliNotDownloadedError
            When the images are not downloaded.
        UnknownNameError, RowNotFoundError
            When there is no such image.
        """
        try:
            picture = decode_small(self[name], side) or self.get(name)
        except DamagedFileError:
            return b""
        picture.thumbnail((side, side))
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=_THUMBNAIL_QUALITY)
        return encoded.getvalue()

    def array(self, names: Iterable[str | int]) -> NDArray[np.uint8]:
        """Read images as displayed, by names or rows; uint8, (n_images, height, width, 3).

        Repeated images are decoded once.
        """
        asked = [self._index.names[self.index_of(name)] for name in as_items(names)]
        if not asked:
            raise InvalidArgumentError("No image was asked for. Give at least one name.")
        first_place: dict[str, int] = {}
        out: NDArray[np.uint8] | None = None
        for place, name in enumerate(asked):
            if out is not None and name in first_place:
                out[place] = out[first_place[name]]
                continue
            pixels = np.asarray(self.get(name))
            if out is None:
                _require_room(len(asked), pixels.nbytes)
                out = np.empty((len(asked), *pixels.shape), dtype=np.uint8)
            if pixels.shape != out.shape[1:]:
                raise InconsistentDataError(
                    f"{name} has {pixels.shape[1]} × {pixels.shape[0]} pixels, {asked[0]} has "
                    f"{out.shape[2]} × {out.shape[1]}; they cannot be stacked. Get them one by one."
                )
            out[place] = pixels
            first_place[name] = place
        assert out is not None
        return out

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        for made in self._cache.made():
            if isinstance(made, LazyHdf5):
                made.close()
        self._cache.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _decoded(path: Path, name: str, stored: bytes, as_displayed: bool) -> Image:
    try:
        picture = decode(stored)
    except InvalidArgumentError as error:
        problem = f"{name} is no picture ({error.__cause__})"
        raise DamagedFileError(path, problem) from error
    if not as_displayed:
        return picture
    try:
        return as_displayed_rgb(picture)
    except InvalidArgumentError as error:
        advice = "Get it with as_displayed=False."
        problem = f"{name}: {error}".rstrip(".")
        raise DamagedFileError(path, problem, advice) from error


def _require_room(n_images: int, n_bytes: int) -> None:
    if not memory.has_room(n_images * n_bytes):
        raise NotEnoughMemoryError(
            f"{n_images:,} images take {format_bytes(n_images * n_bytes)}, and "
            f"{format_bytes(memory.available())} of memory are free. Ask for fewer (one session), "
            "or take them one by one: images.all() of a subject gives each in turn."
        )
