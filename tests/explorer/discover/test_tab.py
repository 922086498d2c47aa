from __future__ import annotations

import json
import shutil
import threading

import pytest
from counting import CountingBucket

from laion_fmri import layout
from laion_fmri.access import accept_license
from laion_fmri.bucket.directory import POLICY_FILE, DirectoryBucket
from laion_fmri.config import Settings, config_file, load_settings, read_config
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.discover.tab import DiscoverTab
from laion_fmri.explorer.runtime.download_queue import shared_queue
from laion_fmri.explorer.state import IN_THE_ADDRESS, ExplorerState
from laion_fmri.transfer.plan import make_plan


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
    assert list(tab.overview.subjects) == [f"sub-0{n}" for n in (1, 3, 5, 6, 7)]
    card = tab.overview.subjects["sub-01"].object
    assert "0 of 2 downloaded" in card
    assert "Nothing downloaded yet" in card
    assert 'aria-label="sub-01, ses-01: not downloaded"' in tab.overview.sessions.object
    assert 'aria-label="sub-01, ses-31: held out"' in tab.overview.sessions.object
    assert "ses-31 to ses-34" in tab.overview.held_out.object
    for category in layout.ROI_CATEGORIES:
        assert f"<h3>{category}" in tab.overview.rois.object
    assert 'aria-label="FFA1, sub-01: not downloaded"' in tab.overview.rois.object
    assert "does not exist" in tab.overview.rois.object
    assert "data use agreement needed" in tab.overview.stimuli.object
    assert tiny_bucket.as_uri() in tab.settings.text
    assert str(data_dir) in tab.settings.text
    assert not tab.messages


def test_it_follows_what_is_fetched(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    fetch(tiny_bucket, data_dir, layout.trials("sub-05", "ses-02"))
    tab.state.param.trigger("files_changed")
    assert 'aria-label="sub-05, ses-02: incomplete"' in tab.overview.sessions.object
    assert "0 of 2 downloaded, 1 incomplete" in tab.overview.subjects["sub-05"].object


def test_a_card_leads_to_the_download(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    tab.overview.buttons["sub-06"].clicks += 1
    assert (tab.state.subject, tab.state.tab) == ("sub-06", "Download")


def test_without_a_data_directory_the_bucket_is_shown_all_the_same(tiny_bucket):
    tab = open_tab(None, tiny_bucket)
    assert "No data directory is set" in messages(tab)
    assert "Brain mask" in tab.first_steps.card.titles
    assert "not set" in tab.settings.text
    assert tab.overview.__panel__().visible
    assert len(tab.overview.subjects) == 5


def test_without_the_bucket_what_is_local_is_shown(data_dir, tmp_path, tiny_bucket):
    fetch(tiny_bucket, data_dir, layout.trials("sub-03", "ses-01"))
    mirror = tmp_path / "mirror"
    tab = open_tab(data_dir, mirror)
    assert "is not a directory" in messages(tab)
    assert "what is in the data directory" in messages(tab)
    assert tab.refresh_button.label == "Try again"
    assert list(tab.overview.subjects) == ["sub-03"]
    shutil.copytree(tiny_bucket, mirror)
    tab.refresh_button.clicks += 1
    assert not tab.messages
    assert tab.refresh_button.label == "Refresh"
    assert len(tab.overview.subjects) == 5


def test_nothing_at_all(tmp_path):
    tab = open_tab(None, tmp_path / "mirror")
    assert len(tab.messages) == 2
    assert not tab.overview.__panel__().visible
    (tmp_path / "empty").mkdir()
    assert "holds no subject" in messages(open_tab(None, tmp_path / "empty"))


def test_names_from_the_bucket_are_text(data_dir, tmp_path):
    mirror = tmp_path / "mirror"
    name = "sub-01_label-<img src=x onerror=alert(1)>_mask.nii.gz"
    path = mirror / layout.ROIS_TREE / "sub-01" / "<b>face" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    tab = open_tab(data_dir, mirror)
    assert "&lt;img src=x" in tab.overview.rois.object
    assert "<img" not in tab.overview.rois.object
    assert "<b>" not in tab.overview.rois.object


# --- an unreachable bucket ----------------------------------------------------------


def test_the_last_listing_is_shown_with_its_date(data_dir, tmp_path, tiny_bucket):
    mirror = tmp_path / "mirror"
    shutil.copytree(tiny_bucket, mirror)
    tab = open_tab(data_dir, mirror)
    tab.view.value = "Files"
    n_files = tab.files.browser.grid.view["total"]
    mirror.rename(tmp_path / "away")
    later = open_tab(data_dir, mirror)
    assert "is not a directory" in messages(later)
    assert "was listed on" in messages(later)
    assert list(later.overview.subjects) == list(tab.overview.subjects)
    assert not tab.messages
    later.view.value = "Files"
    assert "were listed on" in later.files.messages[0][0].object
    assert later.files.browser.grid.view["total"] == n_files
    (tmp_path / "away").rename(mirror)
    later.refresh_button.clicks += 1
    assert not later.messages
    assert not later.files.messages


# --- files --------------------------------------------------------------------------


def open_files(data_dir, bucket) -> DiscoverTab:
    tab = open_tab(data_dir, bucket)
    tab.view.value = "Files"
    return tab


def open_file(tab, key: str) -> None:
    """Open a file as a click on its row does."""
    grid = tab.files.browser.grid
    place = tab.files.browser.shown_keys.index(key)
    grid.receive({"open": place, "version": grid.view["version"]})


def test_the_bucket_is_listed_when_its_files_are_looked_at(data_dir, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    assert not tab.data.has_listing
    tab.view.value = "Files"
    assert tab.files.browser.grid.view["total"] == sum(
        1 for _ in DirectoryBucket(tiny_bucket).objects()
    )
    assert "Listed on" in tab.files.progress.object
    fetch(tiny_bucket, data_dir, layout.CAPTIONS)
    tab.state.param.trigger("files_changed")
    tab.files.browser.filters.facets["status"].value = ["downloaded"]
    assert tab.files.browser.grid.view["total"] == 1


def test_chosen_files_go_to_the_download_tab(data_dir, tiny_bucket):
    tab = open_files(data_dir, tiny_bucket)
    tab.files.browser.filters.text.value_input = "captions"
    tab.files.browser.choose_all.clicks += 1
    tab.files.browser.download.clicks += 1
    assert (tab.state.wanted, tab.state.tab) == ([layout.CAPTIONS], "Download")
    assert "wanted" not in IN_THE_ADDRESS


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("dataset_description.json", "LAION-fMRI"),
        (layout.trials("sub-01", "ses-01"), "beta_index"),
        (layout.mean_rsquare("sub-01"), "LAS"),
        (layout.CAPTIONS, "caption_idx"),
        (layout.trials("sub-01", "ses-31"), "does not serve"),
    ],
)
def test_files_are_read_in_place(data_dir, tiny_bucket, key, said):
    tab = open_files(data_dir, tiny_bucket)
    open_file(tab, key)
    assert said in tab.files.browser.contents.text
    assert not any(data_dir.rglob("*.json"))  # nothing is downloaded by looking


def test_a_file_that_is_denied_says_so(data_dir, tmp_path, tiny_bucket):
    mirror = tmp_path / "mirror"
    (mirror / "stimuli").mkdir(parents=True)
    fetch(tiny_bucket, mirror, layout.STIMULI_METADATA)
    (mirror / POLICY_FILE).write_text(json.dumps({"deny": [layout.STIMULI_METADATA]}))
    tab = open_files(data_dir, mirror)
    open_file(tab, layout.STIMULI_METADATA)
    assert "denies access" in tab.files.browser.contents._messages[0][0].object


def test_hostile_names_and_contents_are_text(data_dir, tmp_path):
    hostile = "<img src=x onerror=alert(1)>"
    mirror = tmp_path / "mirror"
    path = mirror / "derivatives" / "rois" / "sub-01" / "face" / f"sub-01_label-{hostile}_mask.tsv"
    path.parent.mkdir(parents=True)
    path.write_text(f"{hostile}\t{hostile}\n{hostile}\t<script>alert(2)</script>\n")
    tab = open_files(data_dir, mirror)
    open_file(tab, path.relative_to(mirror).as_posix())
    assert "<img" not in tab.files.browser.contents.text
    assert "<script" not in tab.files.browser.contents.text
    assert "&lt;script" in tab.files.browser.contents.text


# --- settings -----------------------------------------------------------------------


def change(tab: DiscoverTab, **typed: str) -> None:
    tab.settings.change.clicks += 1
    for name, text in typed.items():
        tab.settings.fields[name].value = text
    tab.settings.submit.clicks += 1


def test_settings_are_changed_after_a_check(data_dir, tmp_path, tiny_bucket):
    tab = open_tab(data_dir, tmp_path / "gone")
    other = DiscoverTab(ExplorerState(tab="Discover"), tab.data)
    other.open()
    change(tab, bucket=tiny_bucket.as_uri(), data_dir=str(tmp_path / "new"))
    assert not tab.settings.form.visible
    assert "lists 5 subjects" in tab.settings.done[0][0].object
    assert tab.data.data_dir == tmp_path / "new"
    for page in (tab, other):
        assert len(page.overview.subjects) == 5
        assert str(tmp_path / "new") in page.settings.text
    assert not config_file().exists()  # the server was started on settings of its own


def test_settings_that_do_not_work_are_not_saved(data_dir, tmp_path, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    before = tab.data.settings
    change(tab, bucket="s3://nobody", endpoint_url="http://127.0.0.1:9", data_dir="/etc/hosts")
    assert tab.data.settings == before
    assert tab.settings.form.visible
    fields = tab.settings.fields
    assert "does not answer" in fields["bucket"].helper_text
    assert "is a file" in fields["data_dir"].helper_text
    assert fields["bucket"].error_state
    assert not fields["access_url"].error_state
    change(tab, data_dir="~nobody-of-that-name/x")
    assert "no usable path" in tab.settings.message.object
    assert not tab.settings.submit.disabled


def test_what_the_environment_sets_cannot_be_changed(tmp_path, tiny_bucket, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_BUCKET", tiny_bucket.as_uri())
    tab = DiscoverTab(ExplorerState(tab="Discover"), ExplorerData())
    tab.open()
    change(tab, data_dir=str(tmp_path / "data"))
    assert tab.settings.fields["bucket"].disabled
    assert "LAION_FMRI_BUCKET" in tab.settings.fields["bucket"].helper_text
    assert read_config() == {"data_dir": str(tmp_path / "data")}


def test_downloads_under_way_are_not_lost(data_dir, tmp_path, tiny_bucket):
    tab = open_tab(data_dir, tiny_bucket)
    queue = shared_queue(tab.data.settings)
    go_on = threading.Event()
    slow = CountingBucket(DirectoryBucket(tiny_bucket))
    slow.before_read = lambda *_: go_on.wait(30) and None
    found = [slow.head(layout.CAPTIONS)]
    accept_license(data_dir)
    job = queue.submit(make_plan(found, data_dir, slow), "Captions")
    change(tab, data_dir=str(tmp_path / "new"))
    assert f"Downloads into {data_dir} continue." in tab.settings.done[0][0].object
    go_on.set()
    assert job.over.wait(30)
    assert (data_dir / layout.CAPTIONS).is_file()
    assert shared_queue(load_settings(data_dir=data_dir)) is queue


def test_a_data_directory_that_is_set_has_a_subject_to_show(tiny_home):
    tab = DiscoverTab(ExplorerState(tab="Discover"), ExplorerData(Settings()))
    tab.data.change_settings({"data_dir": str(tiny_home.data_dir)})
    assert tab.state.subject == "sub-01"
