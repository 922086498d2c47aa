"""The stimulus images."""

from __future__ import annotations

import io
import pickle
import random

import h5py
import numpy as np
import pytest
from builders import LABELS, SmallData, picture
from PIL import Image

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    LaionFmriError,
    NotEnoughMemoryError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.stimuli.hub import LocalStimuli
from laion_fmri.stimuli.images import Images

STORED = [
    picture(form="JPEG"),
    picture(colour=(1, 2, 3)),
    picture("RGBA"),
    picture(colour=(9, 9, 9)),
]


@pytest.fixture
def images(tmp_path):
    small = SmallData(tmp_path)
    small.metadata()
    small.images(STORED)
    with Images(tmp_path) as opened:
        yield opened


def test_bytes_names_and_order(images):
    assert images.names() == list(LABELS)
    assert [images[name] for name in LABELS] == STORED
    assert list(images) == list(zip(LABELS, STORED, strict=True))
    assert len(images) == 4
    assert LABELS[0] in images
    assert "other.jpg" not in images


def test_pictures_as_displayed_and_as_stored(images):
    assert images.get(LABELS[1]).getpixel((0, 0)) == (1, 2, 3)
    transparent = LABELS[2]
    assert images.get(transparent, as_displayed=False).mode == "RGBA"
    shown = images.get(transparent)
    assert shown.mode == "RGB"
    assert shown.getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("alpha", [0, 1, 64, 127, 128, 200, 254, 255])
def test_transparency_is_composited_over_mid_grey(tmp_path, alpha):
    small = SmallData(tmp_path)
    small.metadata(["a.png"])
    small.images([picture("RGBA", colour=(250, 10, 128, alpha))])
    got = np.asarray(Images(tmp_path).get("a.png"))[0, 0]
    expected = np.array([250, 10, 128]) * alpha / 255 + 127.5 * (1 - alpha / 255)
    assert np.abs(got - expected).max() <= 1


def test_arrays_follow_the_order_and_repeats_asked_for(images):
    names = [LABELS[3], LABELS[1], LABELS[3]]
    got = images.array(names)
    assert got.dtype == np.uint8
    assert got.shape == (3, 6, 6, 3)
    assert got[:, 0, 0, 0].tolist() == [9, 1, 9]
    with pytest.raises(InvalidArgumentError, match="at least one"):
        images.array([])


def test_images_of_two_sizes_cannot_be_stacked(tmp_path):
    small = SmallData(tmp_path)
    small.metadata(LABELS[:2])
    small.images([picture(size=4), picture(size=5)])
    with pytest.raises(InconsistentDataError, match="5 × 5"):
        Images(tmp_path).array(LABELS[:2])


def test_unknown_names(images):
    with pytest.raises(UnknownNameError, match="Did you mean"):
        images.get(LABELS[0][:-1])


def test_closing_and_pickling(images):
    images.close()
    assert images[LABELS[0]] == STORED[0]
    assert pickle.loads(pickle.dumps(images))[LABELS[2]] == STORED[2]


def test_files_that_are_not_here(tmp_path):
    small = SmallData(tmp_path)
    with pytest.raises(StimuliNotDownloadedError, match="metadata"):
        Images(tmp_path).names()
    small.metadata()
    with pytest.raises(StimuliNotDownloadedError, match=r"stimuli\.h5.*download_stimuli"):
        Images(tmp_path).names()


def test_metadata_of_another_length(tmp_path):
    small = SmallData(tmp_path)
    small.metadata(LABELS[:3])
    small.images(STORED)
    with pytest.raises(InconsistentDataError, match="4 images but its metadata name 3"):
        Images(tmp_path).get(LABELS[0])


def test_damaged_hdf5(tmp_path):
    small = SmallData(tmp_path)
    small.metadata()
    path = small.images(STORED)
    data = path.read_bytes()
    for broken in (b"", b"junk" * 100, data[: len(data) // 2], data[:50]):
        path.write_bytes(broken)
        with pytest.raises(DamagedFileError, match="download it again"):
            Images(tmp_path).get(LABELS[0])


@pytest.mark.parametrize("what", ["another name", "another shape", "a group"])
def test_hdf5_without_the_dataset(tmp_path, what):
    small = SmallData(tmp_path)
    small.metadata()
    with h5py.File(small.at(layout.STIMULI_IMAGES), "w") as file:
        if what == "a group":
            file.create_group("images")
        else:
            file["images" if what == "another shape" else "pictures"] = np.zeros((4, 2), "u1")
    with pytest.raises(DamagedFileError, match="no dataset 'images'"):
        Images(tmp_path).get(LABELS[0])


def test_bytes_that_are_no_picture(tmp_path):
    small = SmallData(tmp_path)
    small.metadata(["a", "b", "c"])
    small.images([b"", b"hello", STORED[0][:-40]])
    images = Images(tmp_path)
    for name in ("a", "b", "c"):
        with pytest.raises(DamagedFileError, match=f"{name} is no picture"):
            images.get(name)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_flipped_bits_raise_nothing_else(tmp_path, form):
    rng = random.Random(0)
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, form)
    small = SmallData(tmp_path)
    broken = []
    for _ in range(150):
        data = bytearray(out.getvalue())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        broken.append(bytes(data))
    names = [f"broken {n}" for n in range(len(broken))]
    small.metadata(names)
    small.images(broken)
    images = Images(tmp_path)
    for name in names:
        try:
            images.get(name)
        except LaionFmriError as error:
            assert isinstance(error, DamagedFileError)


def test_more_images_than_fit_into_memory_are_refused_before_they_are_decoded(tmp_path):
    small = SmallData(tmp_path)
    small.metadata()
    small.images([picture(size=3000)] * len(LABELS))
    many = [LABELS[0]] * 40_000  # 27 MB each
    with pytest.raises(NotEnoughMemoryError, match=r"40,000 images take 1\.08 TB.*one by one"):
        Images(tmp_path).array(many)


def test_thumbnails_are_small_and_show_the_image_as_displayed(tiny_home):
    images = LocalStimuli(tiny_home.data_dir).images
    kinds = set()
    for name in images.names()[:40]:
        small = Image.open(io.BytesIO(images.thumbnail(name)))
        assert small.format == "JPEG" and small.mode == "RGB" and small.size == (128, 128)
        kinds.add(name.rpartition(".")[2])
        scaled = images.get(name).resize((128, 128), Image.Resampling.BOX)
        assert np.abs(np.asarray(small).astype(int) - np.asarray(scaled).astype(int)).mean() < 8
    assert kinds == {"jpg", "png"}
    assert max(Image.open(io.BytesIO(images.thumbnail(images.names()[0], 40))).size) == 40


def test_a_damaged_image_has_no_thumbnail_and_missing_ones_are_named(tmp_path):
    small = SmallData(tmp_path / "damaged")
    small.metadata(["a"])
    small.images([b"\xff\xd8 no picture"])
    assert Images(tmp_path / "damaged").thumbnail("a") == b""
    with pytest.raises(StimuliNotDownloadedError):
        Images(tmp_path).thumbnail("any.jpg")
