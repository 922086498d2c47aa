"""Pictures of every depth look as they are: nothing is clipped, and what is clear is mid grey."""

from __future__ import annotations

import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from builders import SmallData
from PIL import Image
from png import png

from laion_fmri._errors import DamagedFileError, InvalidArgumentError
from laion_fmri.stimuli.contact_sheet import contact_sheet
from laion_fmri.stimuli.images import Images
from laion_fmri.stimuli.pictures import as_displayed_rgb, decode
from laion_fmri.trial_contents import displayed_picture

RAMP = np.linspace(0, 1, 64)[None].repeat(64, 0)


def over_grey(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours and alpha from 0 to 1, as 8 bits over mid grey."""
    return 255 * colour * alpha + 128 * (1 - alpha)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("grey", 1), ("grey", 2), ("grey", 4), ("grey", 8), ("grey", 16), ("RGB", 8), ("RGB", 16),
     ("grey and alpha", 8), ("grey and alpha", 16), ("RGB and alpha", 8), ("RGB and alpha", 16),
     ("palette", 1), ("palette", 2), ("palette", 4), ("palette", 8)],
)  # fmt: skip
@pytest.mark.parametrize("is_clear", [False, True])
def test_every_kind_of_png(kind, bits, is_clear):
    rng = np.random.default_rng(bits)
    n_channels = {"RGB": 3, "grey and alpha": 2, "RGB and alpha": 4}.get(kind, 1)
    samples = rng.integers(0, 2**bits, (9, 7, n_channels))
    share = samples / (2**bits - 1)
    alpha = np.ones((9, 7, 1))
    palette, transparency = None, b""
    if kind == "palette":
        palette = rng.integers(0, 256, (2**bits, 3))
        share = palette[samples[..., 0]] / 255
        if is_clear:
            clear = rng.integers(0, 256, 2**bits)
            alpha, transparency = clear[samples] / 255, bytes(clear.tolist())
    elif kind.endswith("alpha"):
        share, alpha = share[..., :-1], share[..., -1:]
    elif is_clear:
        transparency = struct.pack(f">{n_channels}H", *samples[4, 3])
        alpha = (samples != samples[4, 3]).any(-1, keepdims=True).astype(float)
    picture = decode(png(samples, kind, bits, palette, transparency))
    shown = as_displayed_rgb(picture)
    assert shown.mode == "RGB"
    assert np.abs(np.asarray(shown) - over_grey(share, alpha)).max() <= 2


@pytest.mark.parametrize(
    ("image", "form"),
    [
        (Image.fromarray((RAMP * 65535).astype("u2")), "PNG"),
        (Image.fromarray((RAMP * 65535).astype("u2")), "TIFF"),
        (Image.fromarray((RAMP * 65535).astype("u2")), "PPM"),
        (Image.fromarray((RAMP * 65535).astype("u2")), "JPEG2000"),
        (Image.fromarray(RAMP.astype("f4")), "TIFF"),
        (Image.fromarray((RAMP * 255).astype("u1")).convert("LA"), "PNG"),
        (Image.fromarray((RAMP * 255).astype("u1")).convert("RGB").convert("CMYK"), "TIFF"),
        (Image.fromarray((RAMP * 255).astype("u1")), "GIF"),
    ],
)
def test_a_ramp_is_a_ramp_in_the_library_and_on_the_page(tmp_path, image, form):
    small = SmallData(tmp_path)
    small.metadata(["a"])
    small.images([encoded(image, form)])
    images = Images(tmp_path)
    expected = RAMP[..., None] * 255
    assert np.abs(np.asarray(images.get("a")) - expected).max() <= 1.5
    assert np.abs(images.array(["a"])[0] - expected).max() <= 1.5
    assert images.get("a", as_displayed=False).format == form
    sub = SimpleNamespace(images=SimpleNamespace(get=lambda _, **how: images.get("a", **how)))
    on_page = Image.open(io.BytesIO(displayed_picture(sub, 0).encoded))
    assert np.array_equal(np.asarray(on_page), np.asarray(images.get("a")))
    small_one = np.asarray(Image.open(io.BytesIO(images.thumbnail("a"))))
    assert np.abs(small_one - expected).max() <= 12  # of a JPEG
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(images, [("a", "")]))))
    assert np.abs(sheet[8:72, 8:72] - expected).max() <= 12


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (Image.fromarray((RAMP * 255).astype("f4")), "from 0 to 1; these are from 0 to 255"),
        (Image.fromarray((RAMP - 0.5).astype("f4")), "these are from -0.5"),
        (Image.fromarray(np.full((4, 4), np.nan, "f4")), "these are from nan"),
        (Image.fromarray((RAMP * 7e5).astype("i4")), "not known which whole number"),
    ],
)
def test_where_nobody_knows_what_is_white_nothing_is_guessed(tmp_path, image, says):
    with pytest.raises(InvalidArgumentError, match=says):
        as_displayed_rgb(image)
    small = SmallData(tmp_path)
    small.metadata(["a"])
    small.images([encoded(image, "TIFF")])
    with pytest.raises(DamagedFileError, match=f"a: .*{says}.*as_displayed=False") as error:
        Images(tmp_path).get("a")
    assert "Delete" not in str(error.value)
    stored = np.asarray(Images(tmp_path).get("a", as_displayed=False))
    np.testing.assert_array_equal(stored, np.asarray(image))


def test_a_tiff_says_which_end_is_white():
    low = Image.fromarray((RAMP * 65535).astype("u2"))
    inverted = decode(encoded(low, "TIFF", tiffinfo={262: 0}))
    shown = np.asarray(as_displayed_rgb(inverted))[..., 0]
    assert np.abs(shown - 255 * (1 - RAMP)).max() <= 1


def test_transparent_pictures_of_every_mode():
    for mode, clear in [("RGBA", (255, 0, 0, 0)), ("LA", (255, 0)), ("PA", (0, 0))]:
        shown = as_displayed_rgb(Image.new(mode, (2, 2), clear))
        assert shown.mode == "RGB"
        assert shown.getpixel((0, 0)) == (128, 128, 128)
    indexed = Image.new("P", (2, 2), 3)
    indexed.info["transparency"] = 3
    assert as_displayed_rgb(indexed).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("given", [b"bytes", "a.png", None, np.zeros((2, 2, 3), "u1")])
def test_what_is_no_picture_is_refused(given):
    with pytest.raises(InvalidArgumentError, match=r"PIL\.Image\.open"):
        as_displayed_rgb(given)
