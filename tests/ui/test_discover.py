from __future__ import annotations

import shutil
import threading

import panel as pn
import pytest
from playwright.sync_api import Locator, Page, expect

from laion_fmri import layout
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import load_settings
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.discover.file_browser import FileBrowser
from laion_fmri.file_table import FileTable

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"


def open_discover(page: Page, serve_app, data_dir, bucket) -> str:
    data = ExplorerData(load_settings(data_dir=data_dir, bucket=bucket.as_uri()))
    address = f"{serve_app(lambda: create_app(data))}?tab=Discover"
    page.goto(address)
    return address


def open_files(page: Page) -> Locator:
    page.get_by_role("button", name="Files", exact=True).click()
    grid = page.get_by_role("grid", name="Files of the bucket")
    expect(grid).to_be_visible()
    return grid


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).filter(visible=True).click()
    page.get_by_role("listbox").get_by_text(option).click()
    page.keyboard.press("Escape")


def fill(page: Page, label: str, text: str) -> None:
    page.get_by_role("textbox", name=label).filter(visible=True).fill(text)


def test_the_dataset_at_a_glance_and_on_to_the_download(page, serve_app, tmp_path, tiny_bucket):
    open_discover(page, serve_app, tmp_path, tiny_bucket)
    expect(page.get_by_role("button", name="Download sub-07…")).to_be_visible()
    sessions = page.get_by_role("table", name="Sessions of every subject")
    expect(sessions.get_by_role("row")).to_have_count(6)
    expect(sessions.get_by_role("img", name="sub-01, ses-31: held out")).to_be_visible()
    expect(page.get_by_role("img", name="FFA1, sub-01: not downloaded")).to_be_visible()
    expect(page.get_by_role("table", name="Files of the stimuli")).to_contain_text("agreement")

    page.get_by_role("button", name="Download sub-05…").click()
    expect(page.get_by_role("tab", name="Download")).to_have_attribute("aria-selected", "true")


def test_a_bucket_that_does_not_answer_and_then_does(page, serve_app, tmp_path, tiny_bucket):
    mirror = tmp_path / "mirror"
    open_discover(page, serve_app, tmp_path, mirror)
    expect(page.get_by_text("is not a directory")).to_be_visible()
    shutil.copytree(tiny_bucket, mirror)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Download sub-01…")).to_be_visible()
    expect(page.get_by_text("is not a directory")).to_have_count(0)


def test_files_are_found_added_up_and_handed_to_the_download(
    page, serve_app, tmp_path, tiny_bucket
):
    open_discover(page, serve_app, tmp_path, tiny_bucket)
    grid = open_files(page)
    n_files = sum(1 for _ in DirectoryBucket(tiny_bucket).objects())
    expect(grid).to_have_attribute("aria-rowcount", str(n_files + 1))

    choose(page, "Subject", "sub-03")
    choose(page, "Tree", "betas")
    fill(page, "Search names", "trials ses-0")
    expect(grid).to_have_attribute("aria-rowcount", "5")
    expect(page.get_by_text("4 matching files")).to_be_visible()
    trials = "sub-03_ses-01_task-images_desc-SingletrialBetas_trials.tsv"
    grid.get_by_role("checkbox", name=f"Choose {trials}").check()
    size = (tiny_bucket / layout.trials("sub-03", "ses-01")).stat().st_size
    expect(page.get_by_text(f"1 chosen · {size / 1000:.3g} kB")).to_be_visible()

    page.get_by_role("button", name="Clear filters").click()
    fill(page, "Search names", "captions")
    expect(grid).to_have_attribute("aria-rowcount", "2")
    grid.get_by_role("checkbox", name="Choose all that match").check()
    expect(page.get_by_text("2 chosen")).to_be_visible()
    page.get_by_role("button", name="Download these").click()
    expect(page.get_by_role("tab", name="Download")).to_have_attribute("aria-selected", "true")
    assert "captions" not in page.url


def test_held_out_files_are_marked_and_cannot_be_chosen(page, serve_app, tmp_path, tiny_bucket):
    open_discover(page, serve_app, tmp_path, tiny_bucket)
    grid = open_files(page)
    choose(page, "Status", "Held out")
    row = grid.get_by_role("row").nth(1)
    expect(row).to_contain_text("Held out")
    expect(row.get_by_role("checkbox")).to_be_disabled()


def test_files_are_read_in_place(page, serve_app, tmp_path, tiny_bucket):
    open_discover(page, serve_app, tmp_path, tiny_bucket)
    grid = open_files(page)
    fill(page, "Search names", "R2mean nii")
    grid.get_by_text("sub-01_task-images", exact=False).first.click()
    expect(page.get_by_text("Voxel size")).to_be_visible()
    expect(page.get_by_text("LAS", exact=True)).to_be_visible()
    fill(page, "Search names", "sub-01 ses-01 trials tsv")
    grid.get_by_text("trials.tsv").first.click()
    table = page.get_by_role("table", name="Contents of the file")
    expect(table.get_by_role("columnheader", name="beta_index")).to_be_visible()
    page.get_by_role("button", name="Close this file").click()
    expect(table).to_have_count(0)


def test_the_keyboard_alone_finds_chooses_and_opens(page, serve_app, tmp_path, tiny_bucket):
    open_discover(page, serve_app, tmp_path, tiny_bucket)
    grid = open_files(page)
    fill(page, "Search names", "json")
    expect(grid.get_by_role("row").nth(1)).to_contain_text("dataset_description.json")
    grid.get_by_role("checkbox", name="Choose all that match").focus()
    for _ in range(len(grid.get_by_role("columnheader").all())):
        page.keyboard.press("Tab")
    expect(grid.get_by_role("row").nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 chosen")).to_be_visible()
    expect(grid.get_by_role("row").nth(2)).to_be_focused()
    page.keyboard.press("End")
    last = grid.get_by_role("row").last
    expect(last).to_be_focused()
    page.keyboard.press("Home")
    expect(grid.get_by_role("row").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Contents of the file")).to_contain_text("BIDSVersion")


def test_markup_in_names_and_contents_does_nothing(page, serve_app, tmp_path):
    mirror = tmp_path / "mirror"
    folder = mirror / "derivatives" / "rois" / "sub-01" / "<b>face"
    folder.mkdir(parents=True)
    hostile = [f"sub-01_desc-{HOSTILE}_label-{HOSTILE}_mask.tsv", f"sub-01_{HOSTILE}.json", HOSTILE]
    for name in hostile:
        (folder / name).write_text(
            f'{{"{HOSTILE}": "<script>alert(2)</script>\\u202e"}}\t{HOSTILE}'
        )
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    open_discover(page, serve_app, tmp_path / "data", mirror)
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    grid = open_files(page)
    expect(grid.get_by_role("row")).to_have_count(len(hostile) + 1)
    page.get_by_role("combobox", name="Desc", exact=True).click()
    expect(page.get_by_role("listbox")).to_contain_text(HOSTILE)
    page.keyboard.press("Escape")
    for number in range(1, len(hostile) + 1):
        grid.get_by_role("row").nth(number).get_by_role("gridcell").nth(1).click()
        expect(page.get_by_label("Contents of the file").first).to_contain_text("<script>")
    assert page.locator("img, b:has(*), script:text('alert')").count() == 0
    assert not dialogs


def test_a_hundred_thousand_files_scroll(page, serve_app):
    objects = [BucketObject(f"sub-01/ses-01/func/f{i:06d}.nii.gz", i, "e") for i in range(100_000)]
    table = FileTable(objects)

    def app() -> pn.Column:
        pn.extension()
        browser = FileBrowser(table, lambda *_: None, lambda _: None)
        return pn.Column(browser, sizing_mode="stretch_width")

    page.goto(serve_app(app))
    grid = page.get_by_role("grid", name="Files of the bucket")
    expect(grid.get_by_text("f000000.nii.gz")).to_be_visible()
    expect(page.get_by_text("100,000 matching files · 5 GB")).to_be_visible()
    scroller = grid.locator("xpath=..")
    scroller.evaluate("e => { e.scrollTop = e.scrollHeight / 2 }")
    expect(grid.get_by_text("f050003.nii.gz")).to_be_visible()
    assert grid.get_by_role("row").count() < 60  # only what is near exists in the browser
    grid.get_by_role("checkbox", name="Choose f050003.nii.gz").check()
    expect(page.get_by_text("1 chosen")).to_be_visible()
    expect(grid.get_by_role("checkbox", name="Choose f050003.nii.gz")).to_be_checked()
    grid.get_by_role("checkbox", name="Choose f050007.nii.gz").click(modifiers=["Shift"])
    expect(page.get_by_text("5 chosen")).to_be_visible()
    scroller.evaluate("e => { e.scrollTop = e.scrollHeight }")
    expect(grid.get_by_text("f099999.nii.gz")).to_be_visible()
    grid.get_by_role("button", name="File").click()
    expect(grid.get_by_role("row").nth(1)).to_contain_text("f099999.nii.gz")
    expect(page.get_by_text("5 chosen")).to_be_visible()


def test_a_long_listing_says_how_far_it_is(page, serve_app, tmp_path, tiny_bucket, monkeypatch):
    go_on = threading.Event()
    objects = DirectoryBucket.objects

    def slowly(bucket: DirectoryBucket, prefix: str = ""):
        if prefix == f"{layout.SPLITS_TREE}/":  # the overview does without it
            go_on.wait(60)
        return objects(bucket, prefix)

    monkeypatch.setattr(DirectoryBucket, "objects", slowly)
    open_discover(page, serve_app, tmp_path, tiny_bucket)
    page.get_by_role("button", name="Files", exact=True).click()
    n_splits = sum(1 for _ in (tiny_bucket / layout.SPLITS_TREE).rglob("*.json"))
    n_files = sum(1 for _ in objects(DirectoryBucket(tiny_bucket)))
    expect(page.get_by_text(f"{n_files - n_splits:,} files so far")).to_be_visible()
    go_on.set()
    expect(page.get_by_text(f"{n_files:,} matching files")).to_be_visible()
    expect(page.get_by_text("files so far")).to_have_count(0)


def test_settings_are_changed_wrongly_then_rightly_on_every_page(
    page, serve_app, tmp_path, tiny_bucket
):
    address = open_discover(page, serve_app, None, tmp_path / "gone")
    other = page.context.new_page()
    other.goto(address)
    expect(other.get_by_text("is not a directory")).to_be_visible()

    page.get_by_role("button", name="Change settings…").click()
    expect(page.get_by_text("not saved")).to_be_visible()
    fill(page, "Bucket", "s3://nobody")
    fill(page, "Endpoint", "http://127.0.0.1:9")
    fill(page, "Data directory", str(tmp_path / "data"))
    page.get_by_role("button", name="Check and use").click()
    expect(page.get_by_text("does not answer")).to_be_visible()
    expect(page.get_by_text("The folder will be made")).to_be_visible()
    assert not (tmp_path / "data").exists()

    fill(page, "Bucket", tiny_bucket.as_uri())
    fill(page, "Endpoint", "")
    page.get_by_role("button", name="Check and use").click()
    expect(page.get_by_text("The settings were changed.")).to_be_visible()
    for one in (page, other):
        expect(one.get_by_role("button", name="Download sub-01…")).to_be_visible()
        expect(one.get_by_text(str(tmp_path / "data")).first).to_be_visible()
    assert (tmp_path / "data").is_dir()
