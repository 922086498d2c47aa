from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri.availability import Availability
from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import write_config
from laion_fmri.file_table import FACETS, STATUS, FileFilter, FileTable, FoundFiles, find_files
from laion_fmri.transfer.partial import partial_path


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
def table(tiny_bucket) -> FileTable:
    return FileTable(DirectoryBucket(tiny_bucket).objects())


def keys(table: FileTable, found: FoundFiles) -> list[str]:
    return [table.objects[row].key for row in found.rows]


def test_every_file_says_what_it_is(table):
    row = table.rows_of([layout.trials("sub-03", "ses-01")])[0]
    told = {name: table.value(row, name) for name in FACETS}
    assert told == {
        "tree": "betas",
        "subject": "sub-03",
        "session": "ses-01",
        "desc": "SingletrialBetas",
        "suffix": "trials",
        "extension": ".tsv",
        "status": "not downloaded",
    }


def test_no_filter_lets_everything_through_in_key_order(table):
    assert keys(table, table.find(FileFilter())) == sorted(o.key for o in table.objects)


def test_facets_and_text_together(table):
    wanted = FileFilter({"tree": ("betas", "ROIs"), "subject": ("sub-03",)}, "FFA nii")
    found = keys(table, table.find(wanted))
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
    options = table.find(wanted).options
    assert tuple(options) == FACETS
    for name in table.facets:
        others = {n: v for n, v in wanted.values.items() if n != name}
        rest = table.find(FileFilter(others, wanted.text))
        counted = Counter(table.value(row, name) for row in rest.rows)
        assert {v: n for v, n in options[name].items() if n} == counted


def test_what_was_asked_for_stays_offered_even_when_nothing_is_left_of_it(table):
    view = table.find(FileFilter({"tree": ("betas",)}, "T1.mgz"))
    assert view.options["tree"] == {"betas": 0, "FreeSurfer": 5}
    assert not len(view.rows)


def test_sorting_by_size_and_back(table):
    view = table.find(FileFilter(text="sub-01"), "size", True)
    sizes = table.sizes[view.rows]
    assert (np.diff(sizes) <= 0).all()
    by_tree = table.find(FileFilter(), "tree")
    assert (np.diff(table.facets["tree"].codes[by_tree.rows]) >= 0).all()
    assert sorted(by_tree.rows) == list(range(len(table)))


def test_values_are_in_natural_order():
    names = [f"sub-01/ses-{n}/func/sub-01_ses-{n}_bold.nii.gz" for n in (10, 2, 1)]
    table = FileTable(BucketObject(name, 1, "e") for name in [*names, "README"])
    assert table.facets["session"].values == ("ses-1", "ses-2", "ses-10", "")


def test_sizes_add_up_and_held_out_files_are_never_to_download(tmp_path):
    root, data_dir = tmp_path / "mirror", tmp_path / "data"
    held_out = layout.trials("sub-01", "ses-31")
    names = ("a", "b", "bad\\name", held_out, "e")
    for size, name in enumerate(names, start=10):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    bucket = DirectoryBucket(root)
    table = FileTable(bucket.objects())
    data_dir.mkdir()
    (data_dir / "a").write_bytes(b"x" * 10)
    found = {o.key: o for o in table.objects}
    path = partial_path(data_dir / "b", found["b"].etag)
    path.write_bytes(b"x" * 4)
    (data_dir / "e").write_bytes(b"another")
    compared = table.compare(data_dir, bucket)
    states = {o.key: compared.value(row, STATUS) for row, o in enumerate(compared.objects)}
    assert states == {
        "a": Availability.DOWNLOADED,
        "b": Availability.INCOMPLETE,
        held_out: Availability.HELD_OUT,
        "bad\\name": Availability.UNUSABLE_NAME,
        "e": Availability.OUTDATED,
    }
    totals = compared.totals(np.arange(5))
    assert (totals.n_files, totals.n_bytes, totals.n_downloaded) == (5, 60, 1)
    assert totals.bytes_to_download == 11 - 4 + 14
    assert [
        o.key for o, can in zip(compared.objects, compared.can_be_downloaded, strict=True) if can
    ] == ["a", "b", "e"]
    incomplete = compared.find(FileFilter({STATUS: (Availability.INCOMPLETE,)}))
    assert keys(compared, incomplete) == ["b"]
    assert table.totals(np.arange(5)).n_downloaded == 0  # the table itself stays as it is
    assert compared.bytes_downloaded[compared.rows_of(["b"])[0]] == 4


@pytest.mark.parametrize("has_data_dir", [False, True])
def test_without_local_files_nothing_is_downloaded(table, tiny_bucket, tmp_path, has_data_dir):
    compared = table.compare(tmp_path if has_data_dir else None, DirectoryBucket(tiny_bucket))
    for row, found in enumerate(compared.objects):
        is_held_out = layout.is_held_out(found.key)
        expected = Availability.HELD_OUT if is_held_out else Availability.NOT_DOWNLOADED
        assert compared.value(row, STATUS) == expected
    assert not compared.bytes_downloaded.any()


def test_files_are_found_by_their_values(tiny_bucket, tmp_path):
    write_config(bucket=tiny_bucket.as_uri(), data_dir=tmp_path)
    files = find_files("trials", subject=["sub-01", "sub-03"], session="ses-01")
    assert list(files) == ["key", "size", STATUS, *(n for n in FACETS if n != STATUS)]
    assert set(files["subject"]) == {"sub-01", "sub-03"}
    assert set(files["session"]) == {"ses-01"}
    assert set(files["status"]) == {"not downloaded"}
    assert files["key"].is_monotonic_increasing
    assert len(find_files()) == sum(1 for _ in DirectoryBucket(tiny_bucket).objects())
    assert set(find_files(subject="")["subject"]) == {""}
    assert len(find_files(status="downloaded")) == 0


def test_an_empty_bucket():
    table = FileTable(())
    view = table.find(FileFilter(text="x"), "size")
    assert not len(view.rows)
    assert not any(view.options.values())


def test_a_hundred_thousand_files_are_found_as_a_loop_finds_them():
    table = FileTable(many_objects(100_000))
    found = table.find(FileFilter({"subject": ("sub-01",)}, "run-03 bold"), "size", True)
    expected = [
        file
        for file in table.objects
        if file.key.startswith("sub-01/") and "run-03" in file.key and "bold" in file.key
    ]
    expected.sort(key=lambda file: file.size, reverse=True)
    assert keys(table, found) == [file.key for file in expected]
    assert table.totals(found.rows).n_bytes == sum(file.size for file in expected)
