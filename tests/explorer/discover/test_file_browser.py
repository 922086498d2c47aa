from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri.availability import Availability
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import write_config
from laion_fmri.explorer.discover.file_browser import FileBrowser
from laion_fmri.explorer.discover.file_contents import FileContents
from laion_fmri.file_preview import FilePreview
from laion_fmri.file_table import STATUS, FileFilter, FileTable

HOSTILE = "<img src=x onerror=alert(1)>"


class Opened(list):
    def __call__(self, found, standing) -> None:
        self.append((found.key, standing))


@pytest.fixture(scope="module")
def bucket(tiny_bucket) -> DirectoryBucket:
    return DirectoryBucket(tiny_bucket)


@pytest.fixture(scope="module")
def table(bucket) -> FileTable:
    return FileTable(bucket.objects())


@pytest.fixture
def wanted_keys() -> list[str]:
    return []


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def browser(table, opened, wanted_keys) -> FileBrowser:
    return FileBrowser(table, opened, wanted_keys.extend)


def sent(browser: FileBrowser, message: dict) -> list:
    """What the grid answers to a message of the page."""
    answers: list = []
    browser.grid._send_msg = answers.append
    version = browser.grid.view["version"]
    browser.grid.receive({"version": version, **message} if message else message)
    return answers


def shown(browser: FileBrowser, first: int = 0, count: int = 100) -> list:
    (answer,) = sent(browser, {"rows": [first, count]})
    assert (answer["version"], answer["first"]) == (browser.grid.view["version"], first)
    return answer["rows"]


def test_rows_come_as_they_are_asked_for(browser, table):
    rows = shown(browser, 100, 5)
    assert [row[2] for row in rows] == [o.key for o in table.objects[100:105]]
    assert browser.grid.view["total"] == len(table)
    assert len(shown(browser, 0, 10**6)) == 400
    assert shown(browser, len(table), 10) == []


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"rows": "all"},
        {"rows": [0]},
        {"rows": [0, 10], "version": 0},
        {"check": [0, 1], "checked": True, "version": 0},
        {"check": [0, 10**9], "checked": True},
        {"check": ["0", 1], "checked": True},
        {"check": [0, 1], "checked": "yes"},
        {"sort": "__class__"},
        {"open": -1},
        {"open": 10**9},
    ],
)
def test_messages_of_nonsense_do_nothing(browser, message):
    assert sent(browser, message) == []
    assert not browser.chosen_keys
    assert browser.grid.view["version"] == 1


def test_filters_offer_what_is_left_with_counts(browser, table):
    browser.filters.facets["tree"].value = ["stimuli"]
    assert list(browser.filters.facets["tree"].options.values()).count("betas") == 1
    assert list(browser.filters.facets["subject"].options.values()) == [""]
    assert "none (9)" in browser.filters.facets["subject"].options
    browser.filters.text.value_input = "embeddings"
    assert browser.grid.view["total"] == 4
    assert "4 matching files" in browser.count.object
    browser.clear_filters.clicks += 1
    assert browser.grid.view["total"] == len(table)
    assert browser.filters.value == FileFilter()


def test_a_choice_survives_filters_sorting_and_a_new_listing(browser, table, bucket, wanted_keys):
    sent(browser, {"check": [0, 1], "checked": True})
    browser.filters.text.value_input = "captions"
    browser.choose_all.clicks += 1
    sent(browser, {"sort": "size"})
    browser.filters.text.value_input = ""
    expected = {table.objects[0].key, table.objects[1].key, layout.CAPTIONS}
    assert set(browser.chosen_keys) == expected
    assert "3 chosen" in browser.chosen_text.object
    assert browser.grid.view["all"] == "some"
    again = FileTable(o for o in bucket.objects() if o.key != table.objects[0].key)
    browser.set_files(again)
    assert set(browser.chosen_keys) == expected - {table.objects[0].key}
    browser.download.clicks += 1
    assert set(wanted_keys) == expected - {table.objects[0].key}
    browser.clear.clicks += 1
    assert not browser.chosen_keys
    assert browser.download.disabled


def test_held_out_files_cannot_be_chosen(browser, table):
    browser.filters.facets[STATUS].value = [Availability.HELD_OUT]
    rows = shown(browser)
    assert len(rows) == sum(layout.is_held_out(o.key) for o in table.objects)
    assert not any(can_be_chosen for _, can_be_chosen, *_ in rows)
    browser.choose_all.clicks += 1
    sent(browser, {"check": [0, 0], "checked": True})
    assert not browser.chosen_keys


def test_sorting_turns_round(browser, table):
    sent(browser, {"sort": "size"})
    assert browser.grid.view["descending"]
    sizes = {found.key: found.size for found in table.objects}
    assert sizes[browser.shown_keys[0]] == table.sizes.max()
    sent(browser, {"sort": "size"})
    assert sizes[browser.shown_keys[0]] == table.sizes.min()


def test_a_file_is_opened_and_closed(browser, table, opened):
    sent(browser, {"open": 3})
    assert opened == [(table.objects[3].key, Availability.NOT_DOWNLOADED)]
    assert browser.is_open(table.objects[3])
    assert browser.grid.current == 3
    browser.filters.facets["tree"].value = ["stimuli"]
    assert browser.grid.current == -1
    browser.contents.close.clicks += 1
    assert not browser.is_open(table.objects[3])


def test_the_list_can_be_saved(browser, table):
    def rows() -> list[dict]:
        return list(csv.DictReader(io.StringIO(browser.as_tsv().read()), delimiter="\t"))

    assert [row["key"] for row in rows()] == [o.key for o in table.objects]
    sent(browser, {"check": [5, 6], "checked": True})
    assert [row["key"] for row in rows()] == [o.key for o in table.objects[5:7]]
    assert int(rows()[0]["size"]) == table.sizes[5]


def test_contents_are_text():
    contents = FileContents(lambda: None)
    found = BucketObject(f"{HOSTILE}/{HOSTILE}.tsv", 3, "e")
    readings = [
        FilePreview(HOSTILE, HOSTILE, text=HOSTILE),
        FilePreview("t", head=(HOSTILE, '"><script>'), rows=((HOSTILE, "'\" onclick=x"),)),
        FilePreview("h", facts={HOSTILE: HOSTILE, "b": f"{HOSTILE}\n{HOSTILE}"}),
    ]
    for reading in readings:
        contents.display(found, reading)
        assert "<img" not in contents.text
        assert "<script" not in contents.text
        assert "&lt;img src=x" in contents.text


@pytest.mark.parametrize(
    "wanted",
    [
        FileFilter(),
        FileFilter({"tree": ("betas", "stimuli")}, "trials SUB-01"),
        FileFilter({"subject": ("sub-03", ""), "extension": (".json", "")}),
        FileFilter({"session": ("ses-01",), "desc": ("SingletrialBetas",), "suffix": ("trials",)}),
        FileFilter({STATUS: (Availability.DOWNLOADED, Availability.NOT_DOWNLOADED)}),
        FileFilter({STATUS: (Availability.HELD_OUT,)}),
        FileFilter({STATUS: (Availability.UNUSABLE_NAME, Availability.INCOMPLETE)}, '"quoted\\'),
    ],
)
def test_the_code_finds_the_same_files(wanted, table, bucket, data_dir, capsys):
    write_config(bucket=bucket.uri, data_dir=data_dir)
    names: dict = {}
    exec(wanted.code, names)
    rows = table.compare(data_dir, bucket).find(wanted).rows
    assert sorted(names["files"]["key"]) == sorted(table.objects[row].key for row in rows)
    assert names["files"]["size"].sum() == np.sum(table.sizes[rows])
