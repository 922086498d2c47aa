"""Small pictures of the images that are here, made when asked for and kept within bounds."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from laion_fmri._errors import DamagedFileError

if TYPE_CHECKING:
    from PIL import Image

    from laion_fmri.stimuli.images import Images

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

SIDE = 128  # pixels
_QUALITY = 78


class BoundedCache(Generic[K, V]):
    """Values by key; the least recently used go when all together grow too large.

    Safe to use from several threads.

    Parameters
    ----------
    max_bytes : int
    size_of : callable
        The bytes that a value takes.
    """

    def __init__(self, max_bytes: int, size_of: Callable[[V], int]) -> None:
        self.max_bytes = max_bytes
        self._size_of = size_of
        self._values: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, threading.Lock] = {}
        self._guard = threading.Lock()
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key; made once, by whoever asks first, if it is not there."""
        with self._guard:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._guard:
                if key in self._values:
                    return self._values[key]
            try:
                value = make()
                self._keep(key, value)
            finally:
                with self._guard:
                    self._making.pop(key, None)
        return value

    def _keep(self, key: K, value: V) -> None:
        with self._guard:
            self._values[key] = value
            self.n_bytes += self._size_of(value)
            while self.n_bytes > self.max_bytes and len(self._values) > 1:
                _, oldest = self._values.popitem(last=False)
                self.n_bytes -= self._size_of(oldest)


def thumbnail(images: Images, name: str, side: int = SIDE) -> bytes:
    """A JPEG of an image as displayed, at most `side` pixels wide and high.

    Empty where the stored bytes are no picture: one damaged image leaves the others.

    Raises
    ------
    StimuliNotDownloadedError
        When the images are not local.
    UnknownNameError
        When there is no such image.
    """
    stored = images[name]
    try:
        picture = _decoded_small(stored, side) or images.get(name)
    except DamagedFileError:
        return b""
    picture.thumbnail((side, side))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()


def thumbnails(
    images: Images, names: Sequence[str], cache: BoundedCache[Hashable, bytes], key: Hashable = ()
) -> list[bytes]:
    """The thumbnails of several images; see `thumbnail`.

    Parameters
    ----------
    images : Images
    names : sequence of str
    cache : BoundedCache
    key : hashable
        The state of the file they come from.
    """
    return [cache.get((key, name), partial(thumbnail, images, name)) for name in names]


def _decoded_small(stored: bytes, side: int) -> Image.Image | None:
    """A plain JPEG decoded at the smallest scale that still has `side` pixels; else None."""
    from PIL import Image

    if not stored.startswith(b"\xff\xd8"):
        return None
    try:
        picture = Image.open(io.BytesIO(stored))
        picture.draft("RGB", (side, side))
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return picture if picture.mode == "RGB" else None
