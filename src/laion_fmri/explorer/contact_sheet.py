"""Trials to take along: a table, and a sheet of their images for who may see them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from laion_fmri._errors import DamagedFileError, InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.stimuli.images import Images

MOST = 400  # images on a sheet
_SIDE, _GAP, _WORDS = 180, 8, 20  # pixels
_COLUMNS = 10


def trials_tsv(table: pd.DataFrame, trials: Sequence[int]) -> str:
    """Trials as a TSV: the global trial index, then every column of the table."""
    return table.iloc[list(trials)].rename_axis("trial").reset_index().to_csv(sep="\t", index=False)


def contact_sheet(images: Images, shown: Iterable[tuple[str, str]]) -> bytes:
    """Images side by side as a JPEG, each with words below it.

    Parameters
    ----------
    images : Images
    shown : iterable of (str, str)
        The name of an image and its words. An image that is damaged stays grey.

    Raises
    ------
    InvalidArgumentError
        When there is no image, or there are too many.
    StimuliNotDownloadedError
        When the images are not local.
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
