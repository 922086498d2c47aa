"""The stimulus images, by name."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, InconsistentDataError, InvalidArgumentError
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.metadata import NameIndex, read_metadata, require_stimulus_file
from laion_fmri.stimuli.once import Kept

if TYPE_CHECKING:
    from PIL.Image import Image

MID_GREY = 0.5  # behind transparent pixels in the scanner, per channel


class Images:
    """Every stimulus image, keyed by its name.

    ``images[name]`` gives the stored bytes, ``images.get(name)`` the picture; iterating
    gives ``(name, bytes)`` in file order.

    Parameters
    ----------
    data_dir : Path

    Raises
    ------
    StimuliNotDownloadedError
        On first use, when images or metadata are not local.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._kept = Kept()

    @property
    def _file(self) -> LazyHdf5:
        return self._kept.get(
            "file",
            lambda: LazyHdf5(require_stimulus_file(self.data_dir, layout.STIMULI_IMAGES)),
        )

    @property
    def _index(self) -> NameIndex:
        return self._kept.get("index", self._read_index)

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
        """Every image name, in file order."""
        return list(self._index.names)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __getitem__(self, name: str) -> bytes:
        """The stored bytes of one image (JPEG or PNG)."""
        row = self._index.row(name)
        with self._file.dataset("images", 1) as images:
            return images[row].tobytes()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return ((name, self[name]) for name in self.names())

    def get(self, name: str, as_displayed: bool = True) -> Image:
        """One image.

        Parameters
        ----------
        name : str
        as_displayed : bool
            RGB as it was in the scanner, where transparent pixels stood over mid grey
            (0.5 per channel); False keeps the stored mode.

        Returns
        -------
        PIL.Image.Image

        Raises
        ------
        UnknownNameError
            When there is no such image.
        DamagedFileError
            When its bytes are no picture.
        """
        return self._decoded(name, self[name], as_displayed)

    def array(self, names: Iterable[str]) -> NDArray[np.uint8]:
        """Several images as displayed; uint8 of shape (n_images, height, width, 3).

        An image asked for several times is decoded once.
        """
        names = list(names)
        if not names:
            raise InvalidArgumentError("No image was asked for. Give at least one name.")
        first_place: dict[str, int] = {}
        out: NDArray[np.uint8] | None = None
        for place, name in enumerate(names):
            if out is not None and name in first_place:
                out[place] = out[first_place[name]]
                continue
            pixels = np.asarray(self.get(name))
            if out is None:
                out = np.empty((len(names), *pixels.shape), dtype=np.uint8)
            if pixels.shape != out.shape[1:]:
                raise InconsistentDataError(
                    f"{name} has {pixels.shape[1]} × {pixels.shape[0]} pixels, {names[0]} has "
                    f"{out.shape[2]} × {out.shape[1]}; they cannot be stacked. Get them one by one."
                )
            out[place] = pixels
            first_place[name] = place
        assert out is not None
        return out

    def _decoded(self, name: str, stored: bytes, as_displayed: bool) -> Image:
        from PIL import Image, UnidentifiedImageError

        try:
            picture = Image.open(io.BytesIO(stored))
            picture.load()
        except (
            UnidentifiedImageError,
            Image.DecompressionBombError,
            OSError,
            SyntaxError,
            ValueError,
        ) as error:
            raise DamagedFileError(self._file.path, f"{name} is no picture ({error})") from error
        return displayed(picture) if as_displayed else picture

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        for made in self._kept.made():
            if isinstance(made, LazyHdf5):
                made.close()
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def displayed(picture: Image) -> Image:
    """RGB as it was in the scanner: transparency composited over mid grey."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    grey = round(MID_GREY * 255)
    backdrop = Image.new("RGBA", picture.size, (grey, grey, grey, 255))
    return Image.alpha_composite(backdrop, picture.convert("RGBA")).convert("RGB")
