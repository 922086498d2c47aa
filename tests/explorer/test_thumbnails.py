from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from laion_fmri._errors import StimuliNotDownloadedError
from laion_fmri.explorer.thumbnails import SIDE, BoundedCache, thumbnail, thumbnails
from laion_fmri.stimuli.hub import Stimuli


def opened(encoded: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(encoded))
    assert picture.format == "JPEG"
    return np.asarray(picture).astype(int)


def test_thumbnails_are_small_and_show_the_image_as_displayed(tiny_home):
    images = Stimuli(tiny_home.data_dir).images
    kinds = set()
    for name in images.names()[:40]:
        small = opened(thumbnail(images, name))
        assert small.shape == (SIDE, SIDE, 3)
        kinds.add(name.rpartition(".")[2])
        whole = np.asarray(images.get(name).resize((SIDE, SIDE), Image.Resampling.BOX)).astype(int)
        assert np.abs(small - whole).mean() < 8
    assert kinds == {"jpg", "png"}


def test_a_damaged_image_has_no_thumbnail_and_missing_ones_are_named(tiny_home, tmp_path):
    images = Stimuli(tiny_home.data_dir).images

    class Images:
        def __getitem__(self, name):
            return b"\xff\xd8 no picture"

        def get(self, name):
            return images._decoded(name, self[name], True)

    assert thumbnail(Images(), "any.jpg") == b""
    with pytest.raises(StimuliNotDownloadedError):
        thumbnail(Stimuli(tmp_path).images, "any.jpg")


def test_each_is_made_once(tiny_home):
    images = Stimuli(tiny_home.data_dir).images
    names = images.names()[:5]
    cache = BoundedCache(10**6, len)
    first = thumbnails(images, names, cache)
    assert all(a is b for a, b in zip(first, thumbnails(images, names, cache), strict=True))
    assert cache.n_bytes == sum(map(len, first))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60))), st.integers(1, 200))
def test_a_cache_stays_within_its_bounds(asked, most):
    cache: BoundedCache[int, bytes] = BoundedCache(most, len)
    sizes = {}
    for key, size in asked:
        sizes.setdefault(key, size)
        assert cache.get(key, lambda size=size, key=key: bytes(sizes[key])) == bytes(sizes[key])
        assert cache.n_bytes <= most or len(cache) == 1
