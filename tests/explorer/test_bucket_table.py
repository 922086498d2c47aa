from __future__ import annotations

import statistics
import time
from collections import Counter

import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.explorer.bucket_table import (
    FACETS,
    STANDINGS,
    BucketTable,
    FileFilter,
    FileStanding,
    FileView,
    Standings,
    can_be_fetched,
    totals,
)

MISSING = STANDINGS.index(FileStanding.MISSING)
A_FRAME = 0.1  # seconds: what a filter and a page of rows may take


def all_missing(table: BucketTable) -> Standings:
    n = len(table)
    return Standings(np.full(n, MISSING, np.int32), np.zeros(n, np.int64))


def many_objects(n_files: int) -> list[BucketObject]:
    """Keys of a raw tree as large as the real one."""
    made = []
    for i in range(n_files):
        sub = f"sub-{('01', '03', '05', '06', '07')[i % 5]}"
        ses = f"ses-{i // 5 % 30 + 1:02d}"
        name = f"{sub}_{ses}_task-images_run-{i // 150 % 12 + 1:02d}_desc-n{i // 1800}_bold"
        made.append(BucketObject(f"{sub}/{ses}/func/{name}.nii.gz", i, f"{i:032x}"))
    return made


@pytest.fixture(scope="module")
def table(tiny_bucket) -> BucketTable:
    return BucketTable(DirectoryBucket(tiny_bucket).objects())


def keys(view: FileView) -> list[str]:
    return [view.table.objects[row].key for row in view.rows]


def test_every_file_says_what_it_is(table):
    row = table.rows_of([layout.trials("sub-03", "ses-01")])[0]
    told = {name: facet.values[facet.codes[row]] for name, facet in table.facets.items()}
    assert told == {
        "tree": "betas",
        "subject": "sub-03",
        "session": "ses-01",
        "desc": "SingletrialBetas",
        "suffix": "trials",
        "extension": ".tsv",
    }


def test_no_filter_lets_everything_through_in_key_order(table):
    view = FileView(table, all_missing(table), FileFilter())
    assert keys(view) == sorted(o.key for o in table.objects)


def test_facets_and_text_together(table):
    wanted = FileFilter({"tree": ("betas", "ROIs"), "subject": ("sub-03",)}, "FFA nii")
    found = keys(FileView(table, all_missing(table), wanted))
    assert found
    assert found == [
        o.key
        for o in table.objects
        if layout.tree_of(o.key) in ("betas", "ROIs")
        and "sub-03" in o.key
        and "ffa" in o.key.lower()
        and "nii" in o.key
    ]


def test_counts_are_those_of_what_would_pass_with_the_facet_alone_unfiltered(table):
    wanted = FileFilter({"tree": ("betas",), "extension": (".json",)}, "sub-0")
    options = FileView(table, all_missing(table), wanted).options
    assert tuple(options) == FACETS
    for name in table.facets:
        others = {n: v for n, v in wanted.values.items() if n != name}
        rest = FileView(table, all_missing(table), FileFilter(others, wanted.text))
        facet = table.facets[name]
        counted = Counter(facet.values[facet.codes[row]] for row in rest.rows)
        assert {v: n for v, n in options[name].items() if n} == counted


def test_what_was_asked_for_stays_offered_even_when_nothing_is_left_of_it(table):
    view = FileView(table, all_missing(table), FileFilter({"tree": ("betas",)}, "T1.mgz"))
    assert view.options["tree"] == {"betas": 0, "FreeSurfer": 5}
    assert not len(view.rows)


def test_sorting_by_size_and_back(table):
    view = FileView(table, all_missing(table), FileFilter(text="sub-01"), "size", True)
    sizes = table.sizes[view.rows]
    assert (np.diff(sizes) <= 0).all()
    by_tree = FileView(table, all_missing(table), FileFilter(), "tree")
    assert (np.diff(table.facets["tree"].codes[by_tree.rows]) >= 0).all()
    assert sorted(by_tree.rows) == list(range(len(table)))


def test_values_are_in_natural_order():
    names = [f"sub-01/ses-{n}/func/sub-01_ses-{n}_bold.nii.gz" for n in (10, 2, 1)]
    table = BucketTable(BucketObject(name, 1, "e") for name in [*names, "README"])
    assert table.facets["session"].values == ("ses-1", "ses-2", "ses-10", "")


def test_sizes_add_up_and_held_out_files_are_never_to_fetch(table):
    standings = all_missing(table)
    codes, bytes_here = standings.codes.copy(), standings.bytes_here.copy()
    codes[0], bytes_here[0] = STANDINGS.index(FileStanding.HERE), table.sizes[0]
    codes[1], bytes_here[1] = STANDINGS.index(FileStanding.PARTIAL), 10
    codes[2] = STANDINGS.index(FileStanding.HELD_OUT)
    codes[3] = STANDINGS.index(FileStanding.REFUSED)
    standings = Standings(codes, bytes_here)
    found = totals(table, standings, np.arange(5))
    assert (found.n_files, found.n_bytes, found.n_here) == (5, table.sizes[:5].sum(), 1)
    assert found.bytes_to_fetch == table.sizes[1] - 10 + table.sizes[4]
    assert can_be_fetched(standings)[:5].tolist() == [True, True, False, False, True]
    view = FileView(table, standings, FileFilter({"status": (FileStanding.PARTIAL,)}))
    assert view.rows.tolist() == [1]


def test_an_empty_bucket():
    table = BucketTable(())
    view = FileView(table, all_missing(table), FileFilter(text="x"), "size")
    assert not len(view.rows)
    assert not any(view.options.values())


def test_a_hundred_thousand_files_answer_at_once():
    table = BucketTable(many_objects(100_000))
    standings = all_missing(table)
    questions = [
        FileFilter(),
        FileFilter({"subject": ("sub-01", "sub-05"), "session": ("ses-03",)}),
        FileFilter({"subject": ("sub-01",)}, "run-03 bold"),
    ]
    for wanted in questions:
        taken = []
        for _ in range(5):
            begun = time.perf_counter()
            view = FileView(table, standings, wanted, "size", True)
            view.totals(view.rows)
            [table.objects[row] for row in view.rows[:100]]
            taken.append(time.perf_counter() - begun)
        assert statistics.median(taken) < A_FRAME
