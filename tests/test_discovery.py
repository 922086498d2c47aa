"""What the bucket holds."""

from __future__ import annotations

import threading

import pytest
from counting import CountingBucket

from laion_fmri import discovery, layout
from laion_fmri._errors import SubjectNotFoundError, UnknownNameError
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import dataset_initialize, write_config

FIVE = ["sub-01", "sub-03", "sub-05", "sub-06", "sub-07"]


@pytest.fixture
def bucket(tiny_bucket) -> DirectoryBucket:
    write_config(bucket=tiny_bucket.as_uri())
    return DirectoryBucket(tiny_bucket)


def test_subjects_sessions_and_rois(bucket, tiny_bucket):
    assert discovery.get_subjects() == FIVE
    assert discovery.get_sessions("01") == ["ses-01", "ses-02"]
    rois = discovery.get_rois("sub-01")
    on_disk = {
        path.name.split("_label-")[1].split("_")[0].replace("-", "")
        for path in (tiny_bucket / layout.ROIS_TREE / "sub-01").rglob("*_mask.*")
    }
    assert rois == sorted(on_disk)
    assert "FFA1" in rois
    parts = [discovery.get_rois("sub-01", category=c) for c in layout.ROI_CATEGORIES]
    assert sorted(roi for part in parts for roi in part) == rois
    assert len({len(discovery.get_rois(sub)) for sub in FIVE}) > 1  # not everyone has every ROI


@pytest.mark.parametrize("bad", ["sub-02", "", "sub-"])
def test_subjects_that_are_not_there(bucket, bad):
    for ask in (discovery.get_rois, discovery.get_sessions, discovery.require_subject):
        with pytest.raises(SubjectNotFoundError):
            ask(bad)


def test_categories_that_are_none(bucket):
    with pytest.raises(UnknownNameError, match="Did you mean 'face'"):
        discovery.get_rois("sub-01", category="faces")


def test_subjects_that_are_only_partly_there(tmp_path):
    for name in ("derivatives/anatomical/sub-12/x", "derivatives/rois/sub-11/face/x",
                 "derivatives/rois/group/x", "sub-13/x"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    bucket = DirectoryBucket(tmp_path)
    assert discovery.get_subjects(bucket) == ["sub-11", "sub-12"]
    assert discovery.get_rois("sub-11", bucket=bucket) == []
    assert discovery.get_sessions("sub-12", bucket=bucket) == []


def test_files_as_a_table(bucket, tmp_path):
    table = discovery.list_files("sub-01")
    assert "status" not in table
    assert table["key"].is_unique
    betas = table[table["key"] == layout.betas("sub-01", "ses-01")].iloc[0]
    assert (betas["ses"], betas["desc"], betas["suffix"]) == ("01", "SingletrialBetas", "statmap")
    assert betas["extension"] == ".nii.gz"
    assert table.loc[table["held_out"], "ses"].isin(["31", "32", "33", "34"]).all()
    assert table["held_out"].any()
    here = dataset_initialize(tmp_path / "data")
    path = here / layout.betas("sub-01", "ses-01")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    table = discovery.list_files("sub-01").set_index("key")
    assert table.loc[layout.betas("sub-01", "ses-01"), "status"] == "outdated"
    assert set(table["status"]) == {"outdated", "not downloaded"}
    whole = discovery.list_files(data_dir=here)
    assert set(whole["key"]) == {o.key for o in bucket.objects()}


def test_an_unsafe_key_does_not_hide_the_others(tmp_path):
    root = tmp_path / "mirror"
    (root / "sub-01").mkdir(parents=True)
    (root / "sub-01" / "a\\b").write_text("x")
    (root / "sub-01" / "c").write_text("x")
    table = discovery.list_files(bucket=DirectoryBucket(root), data_dir=tmp_path)
    assert dict(zip(table["key"], table["status"], strict=True)) == {
        "sub-01/a\\b": None,
        "sub-01/c": "not downloaded",
    }


def test_an_empty_bucket(tmp_path, capsys):
    bucket = DirectoryBucket(tmp_path)
    assert discovery.get_subjects(bucket) == []
    assert len(discovery.list_files(bucket=bucket)) == 0
    discovery.describe(bucket)
    assert "Subjects:  0" in capsys.readouterr().out


def test_overviews(bucket, capsys):
    discovery.describe()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "LAION-fMRI Dataset"
    assert lines[1] == f"  Bucket:    {bucket.uri}"
    assert lines[2] == f"  Subjects:  5 ({', '.join(FIVE)})"
    assert lines[3] == f"  ROIs:      {', '.join(discovery.get_rois('sub-01'))}"
    discovery.inspect_bucket()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Bucket: {bucket.uri}"
    top = bucket.folder().prefixes
    assert lines[1 : len(top) + 2] == [
        f"Top-level prefixes ({len(top)}):",
        *(f"  {p}" for p in top),
    ]
    assert lines[-2:] == [
        "derivatives/glmsingle-tedana/: 5 entries, 5 sub-* entries",
        "derivatives/rois/: 5 entries, 5 sub-* entries",
    ]


# --- what is kept ---------------------------------------------------------------------------


def test_listings_are_kept_until_refreshed(tmp_path):
    (tmp_path / "derivatives/rois/sub-01").mkdir(parents=True)
    bucket = DirectoryBucket(tmp_path)
    assert discovery.get_subjects(bucket) == ["sub-01"]
    (tmp_path / "derivatives/rois/sub-02").mkdir()
    assert discovery.get_subjects(bucket) == ["sub-01"]
    discovery.refresh()
    assert discovery.get_subjects(bucket) == ["sub-01", "sub-02"]


def test_two_buckets_are_kept_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "derivatives/rois" / f"sub-{name}").mkdir(parents=True)
    assert discovery.get_subjects(DirectoryBucket(tmp_path / "a")) == ["sub-a"]
    assert discovery.get_subjects(DirectoryBucket(tmp_path / "b")) == ["sub-b"]


def test_an_answer_from_before_a_refresh_is_not_kept(tmp_path):
    (tmp_path / "old").mkdir()

    class Slow(CountingBucket):
        def folder(self, prefix: str = ""):
            answer = super().folder(prefix)
            if not (tmp_path / "new").exists():
                (tmp_path / "new").mkdir()
                discovery.refresh()
            return answer

    bucket = Slow(DirectoryBucket(tmp_path))
    assert discovery.list_folder("", bucket).prefixes == ("old/",)
    assert discovery.list_folder("", bucket).prefixes == ("new/", "old/")


def test_many_threads_and_refreshes(tmp_path):
    (tmp_path / "derivatives/rois/sub-01").mkdir(parents=True)
    bucket = DirectoryBucket(tmp_path)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(100):
                assert discovery.get_subjects(bucket) == ["sub-01"]
                discovery.refresh()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_subject_tree_by_tree(bucket, tiny_bucket, tmp_path):
    table = discovery.summarize("sub-01", bucket, tmp_path).set_index("tree")
    assert list(table.index) == [t for t in layout.TREES if t in set(table.index)]
    assert {"betas", "ROIs", "anatomical", "FreeSurfer", "raw", "diffusion"} <= set(table.index)
    folder = tiny_bucket / layout.ROIS_TREE / "sub-01"
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file()]
    assert table.loc["ROIs", ["n_files", "n_bytes"]].tolist() == [len(sizes), sum(sizes)]
    assert table[["n_local", "local_bytes"]].sum().sum() == 0
    key = layout.mean_rsquare("sub-01")
    (tmp_path / key).parent.mkdir(parents=True)
    (tmp_path / key).write_bytes((tiny_bucket / key).read_bytes())
    table = discovery.summarize("sub-01", bucket, tmp_path).set_index("tree")
    assert table.loc["betas", "n_local"] == 1
    assert table.loc["betas", "local_bytes"] == (tiny_bucket / key).stat().st_size


def test_everything_is_listed_once(tiny_bucket):
    bucket = DirectoryBucket(tiny_bucket)
    listed = [found.key for part in discovery.list_everything(bucket) for found in part]
    assert sorted(listed) == sorted(found.key for found in bucket.objects())
