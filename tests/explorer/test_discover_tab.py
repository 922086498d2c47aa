from __future__ import annotations

import shutil

import pytest

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.discover import DiscoverTab


def open_tab(data_dir, bucket) -> DiscoverTab:
    data = ExplorerData(load_settings(data_dir=data_dir, bucket=bucket.as_uri()))
    tab = DiscoverTab(ExplorerState(tab="Discover"), data)
    tab.open()
    return tab


def messages(tab) -> str:
    return " ".join(message[0].object for message in tab.messages)


@pytest.fixture
def data_dir(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path


def fetch(bucket, data_dir, key):
    path = layout.local_path(data_dir, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bucket / key, path)


def test_the_dataset_at_a_glance(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    assert list(tab._cards) == [f"sub-0{n}" for n in (1, 3, 5, 6, 7)]
    card = tab._cards["sub-01"]._view.object
    assert "0 of 2 here" in card
    assert "nothing here yet" in card
    assert 'aria-label="sub-01, ses-01: not here"' in tab.sessions.object
    assert 'aria-label="sub-01, ses-31: held out"' in tab.sessions.object
    assert "ses-31 to ses-34" in tab.held_out.object
    for category in layout.ROI_CATEGORIES:
        assert f"<h3>{category}" in tab.rois.object
    assert 'aria-label="FFA1, sub-01: not here"' in tab.rois.object
    assert "does not exist" in tab.rois.object
    assert "data use agreement needed" in tab.stimuli.object
    assert tiny_bucket.as_uri() in tab.source.object
    assert str(data_dir) in tab.source.object
    assert not tab.messages


def test_it_follows_what_is_fetched(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    fetch(tiny_bucket, data_dir, layout.trials("sub-05", "ses-02"))
    tab.state.param.trigger("files_changed")
    assert 'aria-label="sub-05, ses-02: partly here"' in tab.sessions.object
    assert "0 of 2, 1 partly" in tab._cards["sub-05"]._view.object


def test_a_card_leads_to_the_download(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    tab._go_to_download("sub-06")
    assert (tab.state.subject, tab.state.tab) == ("sub-06", "Download")


def test_without_a_data_directory_the_bucket_is_shown_all_the_same(tiny_bucket):
    tab = open_tab(None, tiny_bucket)
    assert "No data directory is set" in messages(tab)
    assert "not set" in tab.source.object
    assert tab.contents.visible
    assert len(tab._cards) == 5


def test_without_the_bucket_what_is_local_is_shown(data_dir, tmp_path, tiny_bucket):
    fetch(tiny_bucket, data_dir, layout.trials("sub-03", "ses-01"))
    mirror = tmp_path / "mirror"
    tab = open_tab(data_dir, mirror)
    assert "is not a directory" in messages(tab)
    assert "what is in the data directory" in messages(tab)
    assert tab.again.label == "Try again"
    assert list(tab._cards) == ["sub-03"]
    shutil.copytree(tiny_bucket, mirror)
    tab._list_again()
    assert not tab.messages
    assert tab.again.label == "List again"
    assert len(tab._cards) == 5


def test_nothing_at_all(tmp_path):
    tab = open_tab(None, tmp_path / "mirror")
    assert len(tab.messages) == 2
    assert not tab.contents.visible
    (tmp_path / "empty").mkdir()
    assert "holds no subject" in messages(open_tab(None, tmp_path / "empty"))


def test_names_from_the_bucket_are_text(data_dir, tmp_path):
    mirror = tmp_path / "mirror"
    name = "sub-01_label-<img src=x onerror=alert(1)>_mask.nii.gz"
    path = mirror / layout.ROIS_TREE / "sub-01" / "<b>face" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    tab = open_tab(data_dir, mirror)
    assert "&lt;img src=x" in tab.rois.object
    assert "<img" not in tab.rois.object
    assert "<b>" not in tab.rois.object
