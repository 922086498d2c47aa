"""Conversion of encoded images to RGB as displayed: 8 bits, over mid grey."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError

if TYPE_CHECKING:
    from PIL.Image import Image

MID_GREY = 128  # behind transparent pixels in the scanner, in each channel
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # of TIFF


def decode(stored: bytes) -> Image:
    """Decode an image, in its own mode.

    Raises
    ------
    InvalidArgumentError
        When the bytes are not an image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(stored))
        packing = picture.tile[0][3] if picture.tile else None
        picture.load()
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
    ) as error:
        raise InvalidArgumentError(f"These bytes are no picture ({error}).") from error
    # A PNG states its transparent colour at its own depth; the pixels have 8 bits.
    colour = picture.info.get("transparency")
    if colour is not None and packing in ("L;2", "L;4"):
        picture.info["transparency"] = colour * (85 if packing == "L;2" else 17)
    elif colour is not None and packing == "RGB;16B":
        picture.info["transparency"] = tuple(channel >> 8 for channel in colour)
    return picture


def decode_small(stored: bytes, side: int) -> Image | None:
    """Decode a plain JPEG at the smallest scale with `side` pixels; None for other images."""
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


def as_displayed_rgb(image: Image) -> Image:
    """Convert an image to RGB as displayed in the scanner: transparent pixels over mid grey.

    Parameters
    ----------
    image : PIL.Image.Image
        Image of any mode. White is 65,535 for 16 bits, and 1 for floating point.

    Returns
    -------
    PIL.Image.Image
        RGB of 8 bits a channel, over (128, 128, 128).

    Raises
    ------
    InvalidArgumentError
        When it is not a Pillow image, its white level is unknown, or its mode cannot be converted
        to RGB.
    """
    from PIL import Image

    if not isinstance(image, Image.Image):
        raise InvalidArgumentError(
            f"A PIL.Image.Image was expected, not {type(image).__name__}. "
            "PIL.Image.open reads a file, PIL.Image.fromarray takes an array."
        )
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _of_8_bits(image)
    try:
        if not image.has_transparency_data:
            return image.convert("RGB")
        backdrop = Image.new("RGBA", image.size, (MID_GREY, MID_GREY, MID_GREY, 255))
        return Image.alpha_composite(backdrop, image.convert("RGBA")).convert("RGB")
    except ValueError as error:
        raise InvalidArgumentError(
            f"A picture of the mode {image.mode} cannot be shown ({error}). Convert it to RGB."
        ) from error


def _of_8_bits(image: Image) -> Image:
    """Convert deep grey to 8 bits, with an alpha channel if one grey is transparent."""
    from PIL import Image

    values = np.asarray(image)
    white = _white(image, values)
    tags = getattr(image, "tag_v2", {})
    shown = white - values if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else values
    grey = Image.fromarray(np.rint(shown * (255 / white)).astype(np.uint8))
    if "transparency" not in image.info:
        return grey
    alpha = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("LA", (grey, Image.fromarray(alpha)))


def _white(image: Image, values: NDArray) -> float:
    """Return the value of white."""
    low, high = values.min(), values.max()
    if image.mode == "F":
        white, what = 1.0, "Floating-point pixels are from 0 to 1"
    elif image.mode == "I":  # of 32 bits, in which these formats store 16
        white = 65535.0 if image.format in ("PNG", "PPM") else 0.0
        what = "It is not known which whole number of 32 bits is white"
    else:
        bits = getattr(image, "tag_v2", {}).get(_BITS, (16,))
        white, what = 2.0 ** bits[0] - 1, f"Pixels of {bits[0]} bits are not larger than that"
    if not (white and low >= 0 and high <= white):
        raise InvalidArgumentError(
            f"{what}; these are from {low:g} to {high:g}. Scale them, and store 8 bits."
        )
    return white
