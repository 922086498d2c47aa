"""The download verbs as people's scripts call them: positions, names, returns."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

import pytest

import laion_fmri
from laion_fmri import discovery, layout
from laion_fmri.config import dataset_initialize, load_settings, set_data_dir, write_config
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.download import download, fetch, plan_download
from laion_fmri.transfer.plan import TransferPlan
from laion_fmri.transfer.report import TransferReport

QUIET = {"progress": False}
SUB, SES = "sub-03", "ses-01"
CLIP = layout.embeddings("CLIP")


@pytest.fixture
def here(tiny_bucket, tmp_path) -> Path:
    """An empty data directory whose licence is accepted, with the tiny bucket set."""
    write_config(bucket=tiny_bucket.as_uri())
    folder = dataset_initialize(tmp_path / "data")
    laion_fmri.accept_license()
    return folder


def files_in(folder: Path) -> set[str]:
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return {name for name in found if not name.startswith(".laion_fmri/")}


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


# --- download and download_raw --------------------------------------------------------------


def test_download_takes_its_filters_by_position_and_returns_nothing(here):
    by_position = (SUB, SES, "images", "T1w", "singletrial", "effect", "statmap", "nii.gz")
    assert download(*by_position, False, False, False, 2, **QUIET) is None
    found = files_in(here)
    assert layout.betas(SUB, SES) in found
    assert not any("trials" in name or "localizers" in name for name in found)
    names = ("subject", "ses", "task", "space", "desc", "stat", "suffix", "extension")
    by_name = dict(zip(names, by_position, strict=True))
    assert not download(**by_name, n_jobs=2, dry_run=True).to_fetch
    assert parameters(download)[:12] == [
        *names, "include_stimuli", "include_freesurfer", "include_anatomical", "n_jobs",
    ]  # fmt: skip


def test_without_a_flag_betas_summaries_and_rois(here):
    download(SUB, **QUIET)
    trees = {"/".join(name.split("/")[:2]) for name in files_in(here) if "/" in name}
    assert trees == {layout.BETAS_TREE, layout.ROIS_TREE}
    assert layout.subject_noise_ceiling(SUB, "Noiseceiling12rep") in files_in(here)


@pytest.mark.parametrize(
    "flag, tree",
    [
        ("include_embeddings", CLIP),
        ("include_freesurfer", layout.FREESURFER_TREE),
        ("include_anatomical", layout.ANATOMICAL_TREE),
        ("include_localizers", layout.LOCALIZERS_TREE),
    ],
)
def test_each_flag_adds_its_files(here, flag, tree):
    name = "sub-01"  # has localizers
    without = {f.key for f in download(name, SES, dry_run=True).files}
    with_it = {f.key for f in download(name, SES, dry_run=True, **{flag: True}).files}
    assert with_it > without
    assert all(key.startswith((tree, layout.STIMULI_TREE)) for key in with_it - without)


def test_download_raw_by_position(here):
    plan = laion_fmri.download_raw(
        "sub-01", "01", "images", "01", "1", "mag", "bold", "nii.gz", 1, dry_run=True
    )
    raw = [f.key for f in plan.files if f.key.startswith("sub-01/")]
    assert raw
    assert all("ses-01" in key and "_echo-1_" in key and "_run-01_" in key for key in raw)
    assert parameters(laion_fmri.download_raw)[:9] == [
        "subject", "ses", "task", "run", "echo", "part", "suffix", "extension", "n_jobs",
    ]  # fmt: skip
    assert laion_fmri.download_raw("sub-01", ses="01", run="01", echo=1, **QUIET) is None
    assert set(raw) <= files_in(here)


@pytest.mark.parametrize("n_jobs", [0, -3, 10**6, "four", None, 2.5])
def test_bad_n_jobs_warn_and_fall_back(here, n_jobs):
    with pytest.warns(UserWarning, match="n_jobs"):
        assert laion_fmri.download_captions(n_jobs, **QUIET).is_file()


def test_the_report_stays_available(here):
    plan = plan_download(SUB, ses="averages")
    assert isinstance(plan, TransferPlan)
    report = fetch(plan, **QUIET)
    assert isinstance(report, TransferReport)
    assert len(report.fetched) == len(plan.files)


# --- what belongs to all subjects -----------------------------------------------------------


@pytest.mark.parametrize("models", ["all", None, list(layout.EMBEDDING_MODELS)])
def test_embeddings_are_a_path_for_each_model(here, models):
    found = laion_fmri.download_embeddings(models, **QUIET)
    assert found == {model: here / layout.embeddings(model) for model in layout.EMBEDDING_MODELS}
    assert all(path.is_file() for path in found.values())
    assert laion_fmri.download_embeddings(models="CLIP", **QUIET) == {"CLIP": here / CLIP}
    assert laion_fmri.download_embeddings(["CLIP", "CLIP"], **QUIET) == {"CLIP": here / CLIP}
    assert list(laion_fmri.download_embeddings(**QUIET)) == list(layout.EMBEDDING_MODELS)
    with pytest.raises(KeyError, match="Did you mean 'CLIP'"):
        laion_fmri.download_embeddings("clip")


def test_captions_segmentations_and_files_are_their_paths(here):
    captions = laion_fmri.download_captions(**QUIET)
    assert captions == here / layout.CAPTIONS and captions.is_file()
    masks, table = laion_fmri.download_segmentations(**QUIET)
    assert (masks, table) == (here / layout.SEGMENTATIONS, here / layout.SEGMENTATIONS_METADATA)
    readme, trials = laion_fmri.download_files(["README", layout.trials(SUB, SES)], **QUIET)
    assert (readme, trials) == (here / "README", here / layout.trials(SUB, SES))
    assert laion_fmri.download_captions(**QUIET) == captions  # again, with nothing to fetch


# --- stimuli --------------------------------------------------------------------------------


@pytest.fixture
def service(tiny_bucket, monkeypatch):
    with DemoAccessService(tiny_bucket / layout.STIMULI_TREE) as running:
        monkeypatch.setenv("LAION_FMRI_ACCESS_URL", running.url)
        yield running


STIMULI = {layout.STIMULI_IMAGES, layout.STIMULI_METADATA}


def test_stimuli_are_their_paths(here, service, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_REQUEST_ID", service.issue())
    images, table = laion_fmri.download_stimuli(**QUIET)
    assert (images, table) == (here / layout.STIMULI_IMAGES, here / layout.STIMULI_METADATA)
    assert images.is_file() and table.is_file()


def test_responses_and_stimuli_in_one_call(here, service, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_REQUEST_ID", service.issue())
    assert download(SUB, SES, include_stimuli=True, **QUIET) is None
    assert {layout.betas(SUB, SES), *STIMULI} <= files_in(here)
    assert not download(SUB, SES, include_stimuli=True, dry_run=True).to_fetch


@pytest.mark.parametrize("is_there", [True, False])
def test_what_the_access_service_does_not_give_is_said_at_the_end(
    here, tiny_bucket, monkeypatch, is_there
):
    """Whether it refuses, as there is no request id, or does not answer at all."""
    with DemoAccessService(tiny_bucket / layout.STIMULI_TREE) as running:
        if is_there:
            monkeypatch.setenv("LAION_FMRI_ACCESS_URL", running.url)
        with pytest.raises(laion_fmri.StimuliNotFetchedError) as caught:
            download(SUB, SES, include_stimuli=True, include_embeddings=True, **QUIET)
    found = files_in(here)
    assert {layout.betas(SUB, SES), CLIP} <= found
    assert not STIMULI & found
    assert isinstance(caught.value, (RuntimeError, laion_fmri.TransferError))
    assert {f.key for f in caught.value.report.fetched} >= {layout.betas(SUB, SES)}
    if not is_there:
        with pytest.warns(UserWarning, match="not in the plan"):
            assert not download(SUB, SES, include_stimuli=True, dry_run=True).to_fetch
    last = str(caught.value).splitlines()[-1]
    assert ("request id" in last) if is_there else ("does not answer" in last)


def test_denied_responses_do_not_keep_the_stimuli_away(here, service, tiny_bucket, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_REQUEST_ID", service.issue())
    policy = {"deny": [layout.betas(SUB, SES), *STIMULI]}
    mirror = here.parent / "mirror"
    mirror.mkdir()
    for path in tiny_bucket.iterdir():
        if not path.name.startswith("."):
            (mirror / path.name).symlink_to(path)
    (mirror / ".bucket-policy.json").write_text(str(policy).replace("'", '"'))
    write_config(bucket=mirror.as_uri())
    with pytest.raises(laion_fmri.TransferError) as caught:
        download(SUB, SES, include_stimuli=True, **QUIET)
    assert not isinstance(caught.value, laion_fmri.StimuliNotFetchedError)
    assert [f.key for f in caught.value.report.denied] == [layout.betas(SUB, SES)]
    assert files_in(here) >= STIMULI


# --- the licence, names, discovery ----------------------------------------------------------


def test_where_nobody_can_answer_the_licence_is_an_error_at_once(tiny_bucket, tmp_path):
    write_config(bucket=tiny_bucket.as_uri())
    set_data_dir(tmp_path / "data")
    assert load_settings().data_dir == tmp_path / "data"
    for verb in (
        lambda: download(SUB),
        laion_fmri.download_captions,
        laion_fmri.download.accept_licenses,
    ):
        with pytest.raises(laion_fmri.LicenseNotAcceptedError):
            verb()
    assert files_in(tmp_path / "data") == set()


def test_names_of_the_module_and_of_the_package():
    from laion_fmri.download import (  # noqa: F401
        AccessNotFoundError,
        AccessRevokedError,
        AccessServiceError,
        LicenseNotAcceptedError,
        TermsOutdatedError,
        accept_license,
        accept_licenses,
        request_stimulus_access,
    )

    assert parameters(accept_licenses)[0] == "include_stimuli"
    for name in laion_fmri.download.__all__:
        assert getattr(laion_fmri.download, name) is not None
    for name in ("set_data_dir", "resolve_subject_id", "download_raw", "download_splits"):
        assert callable(getattr(laion_fmri, name))
    assert laion_fmri.resolve_subject_id("03") == laion_fmri.resolve_subject_id("sub-03") == SUB


def test_rois_of_one_subject_or_of_all(here):
    mine = laion_fmri.get_rois(SUB, "face")
    assert mine == laion_fmri.get_rois(subject=SUB, category="face")
    every = laion_fmri.get_rois()
    assert every == sorted(every) and set(every) >= set(laion_fmri.get_rois(SUB))
    assert set(laion_fmri.get_rois(category="face")) >= set(mine)
    subjects = discovery.get_subjects()
    assert set(every) == {roi for name in subjects for roi in discovery.get_rois(name)}


def test_nothing_here_warns(here):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        download(SUB, ses="averages", **QUIET)
