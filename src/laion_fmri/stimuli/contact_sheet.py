"""Contact sheets: images in rows, each with a caption."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from laion_fmri._errors import DamagedFileError, InvalidArgumentError

if TYPE_CHECKING:
    from laion_fmri.stimuli.images import Images

MOST = 400  # images on a sheet
_SIDE, _GAP, _WORDS = 180, 8, 20  # pixels
_COLUMNS = 10


def contact_sheet(images: Images, shown: Iterable[tuple[str, str]]) -> bytes:
    """Arrange images with captions on a sheet, as a JPEG.

    Parameters
    ----------
    images : Images
    shown : iterable of (str, str)
        Image name and caption. Damaged images are grey.

    Raises
    ------
    InvalidArgumentError
        When there are no images, or too many.
    StimuliNotDownloadedError
        When the images are not downloaded.

    Examples
    --------
    >>> images = laion_fmri.load_stimuli().images
    >>> sheet = contact_sheet(images, [(name, name[-8:]) for name in images.names()[:3]])
    >>> sheet[:2].hex()
    'ffd8'
    """
    from PIL import Image, ImageDraw

    listed = list(shown)
    if not 0 < len(listed) <= MOST:
        raise InvalidArgumentError(
            f"A contact sheet holds 1 to {MOST} images; {len(listed):,} trials are marked."
        )
    columns = min(_COLUMNS, len(listed))
    rows = -(-len(listed) // columns)
    step = (_SIDE + _GAP, _SIDE + _GAP + _WORDS)
    sheet = Image.new("RGB", (_GAP + columns * step[0], _GAP + rows * step[1]), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (name, words) in enumerate(listed):
        left, top = _GAP + place % columns * step[0], _GAP + place // columns * step[1]
        draw.rectangle((left, top, left + _SIDE - 1, top + _SIDE - 1), fill="#b0b4ba")
        try:
            picture = images.get(name)
        except DamagedFileError:
            continue
        picture.thumbnail((_SIDE, _SIDE))
        sheet.paste(picture, (left, top))
        draw.text((left, top + _SIDE + 3), words, fill="#1f2733")
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=88)
    return encoded.getvalue()
