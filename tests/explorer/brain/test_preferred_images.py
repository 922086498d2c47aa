"""Preferred images with their pictures, captions and notes."""

from __future__ import annotations

import shutil

import pytest

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.explorer.brain.preferred_images import preferred_gallery
from laion_fmri.explorer.data import ExplorerData


@pytest.fixture
def data(tiny_home):
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def sub(data):
    return data.subject("sub-01")


def test_the_gallery_has_pictures_captions_and_every_trial_of_them(data, sub):
    voxels = sub.get_roi_mask("FFA1")
    gallery = preferred_gallery(data, sub, voxels, n_images=3)
    found, captions = gallery.found, data.stimuli().captions
    assert all(tile.picture.startswith(b"\xff\xd8") for tile in gallery.highest)
    for tile, row in zip(gallery.highest, found.highest.itertuples(), strict=True):
        assert tile.trial == row.trials[0]
        assert tile.number == f"{row.response:+.2f}".replace("-", "−")
        assert captions.list(row.image_name)[0] in tile.title or row.image_name in tile.title
    assert found.lowest["response"][0] == found.responses.means.min()


def test_without_images_captions_stand_for_them(tiny_home, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(tiny_home.data_dir, copy)
    (copy / layout.STIMULI_IMAGES).unlink()
    data = ExplorerData(load_settings(data_dir=copy))
    sub = data.subject("sub-01")
    gallery = preferred_gallery(data, sub, sub.get_roi_mask("FFA1"), n_images=3)
    assert not any(tile.picture for tile in gallery.highest)
    assert all(tile.words for tile in gallery.highest)
    assert "captions" in gallery.note
