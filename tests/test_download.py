"""The download verbs, from a directory bucket to a data directory."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import laion_fmri
from laion_fmri import layout
from laion_fmri._errors import (
    BucketUnreachableError,
    ConfigError,
    DataDirNotSetError,
    InvalidArgumentError,
    LicenseNotAcceptedError,
    NoMatchingDataError,
    ObjectNotFoundError,
    SubjectNotFoundError,
    TransferError,
    UnknownNameError,
)
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import dataset_initialize, write_config
from laion_fmri.download import download, fetch, plan_download
from laion_fmri.fetching import checked_jobs
from laion_fmri.transfer.plan import FileStatus

QUIET = {"progress": False, "accept_license": True}


@pytest.fixture
def here(tiny_bucket, tmp_path) -> Path:
    """An empty data directory, with the tiny bucket set."""
    write_config(bucket=tiny_bucket.as_uri())
    return dataset_initialize(tmp_path / "data")


def files_in(folder: Path) -> set[str]:
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return {name for name in found if not name.startswith(".laion_fmri/")}


def test_a_session_arrives_as_it_is_in_the_bucket(here, tiny_bucket):
    report = fetch(plan_download("sub-03", ses="ses-01"), n_jobs=4, **QUIET)
    found = files_in(here)
    assert {layout.betas("sub-03", "ses-01"), layout.mean_rsquare("sub-03")} <= found
    assert {"README", "dataset_description.json", "participants.tsv"} <= found
    assert not any("ses-02" in name or "ses-3" in name or "sub-01" in name for name in found)
    assert any("label-FFA1_" in name for name in found)
    assert not any("label-FFA-1" in name or name.endswith(".part") for name in found)
    assert {f.path.relative_to(here).as_posix() for f in report.fetched} == found
    for file in report.fetched:
        assert file.path.read_bytes() == (tiny_bucket / file.key).read_bytes()
    assert "0 already downloaded" in str(report)


def test_again_is_free(here):
    download("sub-01", ses="averages", **QUIET)
    again = fetch(plan_download("01", ses="averages"), **QUIET)
    assert again.fetched == []
    assert again.plan.bytes_to_fetch == 0
    lost = here / layout.mean_rsquare("sub-01")
    lost.write_bytes(lost.read_bytes()[:-5])
    plan = download("sub-01", ses="averages", dry_run=True)
    assert [f.path for f in plan.to_fetch] == [lost]
    assert plan.to_fetch[0].status is FileStatus.OUTDATED
    assert len(fetch(plan_download("sub-01", ses="averages"), **QUIET).fetched) == 1


def test_dry_runs_move_nothing_and_ask_for_nothing(here):
    plan = download("sub-01", ses="ses-02", dry_run=True)
    assert plan.count(FileStatus.NOT_DOWNLOADED) == len(plan.files) > 10
    assert files_in(here) == set()
    assert "to fetch" in str(plan)


def test_the_licence_comes_first(here):
    with pytest.raises(LicenseNotAcceptedError, match="accept_license=True"):
        download("sub-01", ses="averages", progress=False)
    assert files_in(here) == set()
    download("sub-01", ses="averages", **QUIET)
    download("sub-01", ses="averages", progress=False)


def test_whole_trees_come_on_request(here):
    plan = download(
        "sub-01", ses="ses-01", include_anatomical=True, include_freesurfer=True, dry_run=True
    )
    keys = [f.key for f in plan.files]
    assert any(key.endswith("surf/lh.sphere.reg") for key in keys)
    assert layout.anatomical("sub-01", "T1w") in keys


def test_all_subjects(here, tiny_bucket):
    plan = download("all", ses="ses-01", desc="singletrial", extension="tsv", dry_run=True)
    subjects = {layout.parse_entities(f.key).get("sub") for f in plan.files} - {None}
    assert subjects == {"01", "03", "05", "06", "07"}
    pair = download(["01", "sub-03", "sub-01"], ses="averages", dry_run=True)
    assert len({f.path for f in pair.files}) == len(pair.files)


def test_all_subjects_though_one_is_not_there_in_full(tmp_path, here):
    mirror = tmp_path / "mirror"
    for key in (layout.betas("sub-01", "ses-01"), layout.anatomical("sub-09", "T1w")):
        (mirror / key).parent.mkdir(parents=True)
        (mirror / key).write_bytes(b"x")
    bucket = DirectoryBucket(mirror)
    assert [f.key for f in plan_download("all", bucket=bucket).files] == [
        layout.betas("sub-01", "ses-01")
    ]
    with pytest.raises(NoMatchingDataError, match="sub-09"):
        plan_download(["sub-01", "sub-09"], bucket=bucket)
    with pytest.raises(NoMatchingDataError):
        plan_download("all", bucket=bucket, ses="ses-77")


@pytest.mark.parametrize(
    "subject, error",
    [("sub-99", SubjectNotFoundError), ("", SubjectNotFoundError), ("sub-", SubjectNotFoundError),
     (77, SubjectNotFoundError), (1.5, SubjectNotFoundError), (None, SubjectNotFoundError),
     (["01", None], SubjectNotFoundError),
     ([], InvalidArgumentError), ("../01", SubjectNotFoundError)],
)  # fmt: skip
def test_subjects_that_cannot_be_fetched(here, subject, error):
    with pytest.raises(error):
        download(subject, **QUIET)


@pytest.mark.parametrize(
    "filters", [{"ses": "ses-32"}, {"ses": "ses-1"}, {"desc": "typo"}, {"stat": ["t", "z2"]}]
)
def test_filters_that_match_nothing(here, filters):
    with pytest.raises(NoMatchingDataError):
        download("sub-01", **filters, **QUIET)
    assert files_in(here) == set()


def test_nothing_configured(tiny_bucket, monkeypatch, tmp_path):
    monkeypatch.setenv("LAION_FMRI_BUCKET", str(tiny_bucket))
    with pytest.raises(DataDirNotSetError):
        download("sub-01")
    monkeypatch.setenv("LAION_FMRI_BUCKET", str(tmp_path / "gone"))
    with pytest.raises(BucketUnreachableError):
        download("sub-01", data_dir=tmp_path)
    monkeypatch.setenv("LAION_FMRI_BUCKET", "gopher://x")
    with pytest.raises(ConfigError):
        download("sub-01", data_dir=tmp_path)


def test_denied_and_failed_files_are_reported_at_the_end(tmp_path, tiny_bucket):
    mirror, here = tmp_path / "mirror", tmp_path / "data"
    here.mkdir()
    for key in ("README", "participants.tsv", layout.betas("sub-01", "ses-01")):
        (mirror / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny_bucket / key, mirror / key)
    (mirror / ".bucket-policy.json").write_text('{"deny": ["README"]}')
    bucket = DirectoryBucket(mirror)
    from laion_fmri.config import load_settings

    settings = load_settings(data_dir=here, bucket=str(mirror))
    plan = plan_download("sub-01", settings=settings, bucket=bucket)
    (mirror / "participants.tsv").unlink()
    with pytest.raises(TransferError) as caught:
        fetch(plan, **QUIET)
    said = str(caught.value)
    assert said.startswith("1 file fetched")
    assert "1 denied, 1 failed" in said
    assert "denied: The bucket denies access to README." in said
    assert files_in(here) == {layout.betas("sub-01", "ses-01")}
    assert [f.key for f in caught.value.report.denied] == ["README"]
    # What was listed is forgotten, so that planning again sees the bucket as it is.
    again = plan_download("sub-01", settings=settings, bucket=bucket)
    assert "participants.tsv" not in {f.key for f in again.files}


def test_events_are_told(here, tiny_bucket):
    seen = []
    plan = download("sub-01", ses="averages", dry_run=True)
    fetch(plan, on_event=seen.append, **QUIET)
    assert sum(event.n_bytes for event in seen) == plan.bytes_to_fetch


def test_the_progress_bar_counts_bytes(here, capsys):
    download("sub-01", ses="averages", accept_license=True)
    assert "100%" in capsys.readouterr().err
    download("sub-01", ses="averages", progress=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("n_jobs, used", [(1, 1), (32, 32), (np.int64(4), 4)])
def test_good_numbers_of_jobs(n_jobs, used):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checked_jobs(n_jobs) == used


@pytest.mark.parametrize(
    "n_jobs, used",
    [(0, 1), (-1, 1), (10**9, 32), ("4", 1), (2.0, 1), (None, 1), (True, 1), (float("nan"), 1)],
)
def test_bad_numbers_of_jobs_warn_and_fall_back(n_jobs, used):
    with pytest.warns(UserWarning, match=f"using {used}"):
        assert checked_jobs(n_jobs) == used


def test_bad_jobs_still_download(here):
    with pytest.warns(UserWarning, match="n_jobs=0"):
        download("sub-01", ses="averages", n_jobs=0, **QUIET)
    assert (here / layout.mean_rsquare("sub-01")).is_file()


def test_stimulus_side_downloads(here):
    laion_fmri.download_embeddings("CLIP", **QUIET)
    laion_fmri.download_captions(**QUIET)
    laion_fmri.download_segmentations(n_jobs=2, **QUIET)
    assert files_in(here) == {
        layout.embeddings("CLIP"),
        layout.CAPTIONS,
        layout.SEGMENTATIONS,
        layout.SEGMENTATIONS_METADATA,
    }
    laion_fmri.download_embeddings(**QUIET)
    assert {layout.embeddings(m) for m in layout.EMBEDDING_MODELS} <= files_in(here)
    with pytest.raises(UnknownNameError, match="Did you mean 'CLIP'"):
        laion_fmri.download_embeddings(models=["clip"])


def test_single_files_by_their_keys(here):
    keys = [layout.trials("sub-05", "ses-01"), "README", layout.mean_rsquare("sub-07")]
    plan = laion_fmri.download_files(keys, dry_run=True)
    assert [f.key for f in plan.files] == keys
    laion_fmri.download_files([*keys, "README"], **QUIET)
    assert files_in(here) == set(keys)
    with pytest.raises(ObjectNotFoundError, match="has no object nonsense and 1 more"):
        laion_fmri.download_files(["README", "nonsense", "more/nonsense"])
    with pytest.raises(InvalidArgumentError, match="at least one"):
        laion_fmri.download_files([])


def test_raw_data_and_its_filters(here):
    plan = laion_fmri.download_raw("sub-01", ses="01", echo="2", dry_run=True)
    raw = [f.key for f in plan.files if f.key.startswith("sub-01/")]
    assert raw
    assert all("/ses-01/" in key for key in raw)
    assert not any("_echo-1_" in key or "_echo-3_" in key for key in raw)
    assert not any(f.key.startswith("derivatives/") for f in plan.files)
    with pytest.raises(NoMatchingDataError, match="echo"):
        laion_fmri.download_raw("sub-01", echo="9")
