"""What the specification shows of discovering and downloading runs as it is written there."""

from __future__ import annotations

import shlex

import pytest

from laion_fmri import access, layout
from laion_fmri.cli import main
from laion_fmri.config import dataset_initialize, write_config
from laion_fmri.demo.access_service import DemoAccessService

SUBJECT = "sub-01"


@pytest.fixture(scope="module")
def service(tiny_bucket):
    with DemoAccessService(tiny_bucket) as running:
        yield running


@pytest.fixture
def here(service, tiny_bucket, tmp_path, monkeypatch):
    """A data directory, the licence accepted, logged in."""
    monkeypatch.delenv("LAION_FMRI_ACCESS_URL")
    write_config(bucket=tiny_bucket.as_uri(), access_url=service.url)
    folder = dataset_initialize(tmp_path / "data")
    access.accept_license()
    access.login(service.issue("ada@uni-test.de"))
    return folder


def files_in(folder):
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {name for name in found if not name.startswith(".laion_fmri/")}


def test_querying_the_dataset(here, tiny_bucket, capsys):
    from laion_fmri.discovery import describe, get_rois, get_subjects, inspect_bucket

    describe()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "LAION-fMRI Dataset"
    assert shown[1] == f"  Bucket:    {tiny_bucket.as_uri()}"
    assert shown[2] == "  Subjects:  5 (sub-01, sub-03, sub-05, sub-06, sub-07)"
    assert shown[3].startswith("  ROIs:      EBA, ")
    assert get_subjects() == ["sub-01", "sub-03", "sub-05", "sub-06", "sub-07"]
    by_category = [get_rois(SUBJECT, category=c) for c in layout.ROI_CATEGORIES]
    assert all(by_category)
    assert sorted(roi for rois in by_category for roi in rois) == get_rois(SUBJECT)
    inspect_bucket()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"Bucket: {tiny_bucket.as_uri()}"
    assert shown[1].startswith("Top-level prefixes (")
    assert "  derivatives/" in shown
    assert "derivatives/glmsingle-tedana/: 5 entries, 5 sub-* entries" in shown
    assert "derivatives/rois/: 5 entries, 5 sub-* entries" in shown


def test_bundled_splits_need_no_download(here):
    from laion_fmri.splits import list_ood_types, list_pools, list_splits

    assert list_pools() == ["shared", "sub-01", "sub-03", "sub-05", "sub-06", "sub-07"]
    assert list_splits() == [
        *(f"random_{k}" for k in range(5)),
        *(f"cluster_k5_{k}" for k in range(5)),
        "tau",
        "ood",
    ]
    assert len(list_ood_types()) == 9


def test_sessions_and_averages(here):
    from laion_fmri.download import download

    download(subject="sub-03", ses="ses-01", n_jobs=4)
    session_only = files_in(here)
    betas = f"{layout.BETAS_TREE}/sub-03/"
    summaries = {name for name in session_only if name.startswith(betas) and "/ses-" not in name}
    # The loader derives the brain mask from it; its sidecar travels with it.
    assert {n for n in summaries if n.endswith(".nii.gz")} == {layout.mean_rsquare("sub-03")}
    assert any(name.startswith(f"{layout.ROIS_TREE}/sub-03/") for name in session_only)

    download(subject="sub-03", ses="averages")
    assert layout.subject_noise_ceiling("sub-03", "Noiseceiling12rep") in files_in(here)
    assert files_in(here) > session_only
    assert not download(subject="sub-03", ses=["ses-01", "averages"], dry_run=True).to_fetch


def test_everything_of_everyone(here, tiny_bucket):
    from laion_fmri.download import download

    download(subject="all", n_jobs=4)
    for name in ("sub-01", "sub-03", "sub-05", "sub-06", "sub-07"):
        key = layout.betas(name, "ses-01")
        assert (here / key).read_bytes() == (tiny_bucket / key).read_bytes()
    assert not [name for name in files_in(here) if layout.is_held_out(name)]


def test_the_object_localizer_of_a_held_out_session_is_served(here, tiny_bucket):
    from laion_fmri.discovery import list_files
    from laion_fmri.download import download_files
    from laion_fmri.subject import load_subject
    from laion_fmri.verification import verify

    table = list_files("sub-01")
    of_session = table[table["ses"] == "31"]
    localizer = of_session[of_session["task"] == "oloc"]
    assert not localizer["held_out"].any()
    assert of_session.drop(localizer.index)["held_out"].all()
    download_files(list(localizer["key"]))
    assert set(localizer["key"]) <= files_in(here)
    maps = load_subject("sub-01").get_localizer_maps(task="oloc", contrast="objectVsScrambled")
    assert set(maps["session"]) == {"ses-31"}
    assert set(maps["res"].dropna()) == {"1pt5", "1pt8"}
    assert verify("sub-01").is_good


def test_stimulus_side_downloads(here):
    from laion_fmri.download import (
        download,
        download_captions,
        download_embeddings,
        download_segmentations,
        download_stimuli,
    )

    download_stimuli()
    download_embeddings()
    download_embeddings(models=["CLIP"])
    download_segmentations()
    download_captions()
    download(subject="sub-03", ses="ses-01", include_stimuli=True, n_jobs=4)
    stimuli = {name for name in files_in(here) if name.startswith("stimuli/")}
    assert stimuli == {
        layout.STIMULI_IMAGES,
        layout.STIMULI_METADATA,
        *map(layout.embeddings, layout.EMBEDDING_MODELS),
        layout.SEGMENTATIONS,
        layout.SEGMENTATIONS_METADATA,
        layout.CAPTIONS,
    }


def test_the_command_lines(here, tmp_path, service, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request_id = service.issue("ada@uni-test.de")
    for line in (
        "config --data-dir ./laion_fmri_data",
        "info",
        "download --subject sub-03 --accept-license",
        f"login --request-id {request_id}",
        "download --subject sub-03 --include-stimuli",
        "download --subject all",
        "download-stimuli",
        "download-embeddings",
        "download-embeddings --model CLIP DINOv2",
        "download-segmentations",
        "download-captions",
        "download --subject sub-03 --ses ses-01 --desc singletrial --stat effect "
        "--extension nii.gz --n-jobs 4",
        "download --subject sub-03 --ses ses-01 averages",
        "logout",
    ):
        assert main(shlex.split(line)) == 0, line
    assert (tmp_path / "laion_fmri_data" / layout.STIMULI_IMAGES).is_file()
