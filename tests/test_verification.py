"""What is local compared with the bucket, and repaired."""

from __future__ import annotations

import json
import os
import shutil

import pytest

import laion_fmri
from laion_fmri import discovery, layout
from laion_fmri._errors import BucketError, TemporaryBucketError
from laion_fmri.bucket.directory import POLICY_FILE, DirectoryBucket
from laion_fmri.cli import main
from laion_fmri.config import load_settings
from laion_fmri.demo import copy_gated_stimuli
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.download import download, fetch
from laion_fmri.transfer import verify as checking
from laion_fmri.transfer.partial import partial_path
from laion_fmri.transfer.verify import Verdict, VerifyReport
from laion_fmri.verification import plan_of_local, verify

QUIET = {"progress": False}
BETAS = layout.betas("sub-01", "ses-01")
TRIALS = layout.trials("sub-01", "ses-01")
GATED = (layout.STIMULI_IMAGES, layout.STIMULI_METADATA)
CEILING = layout.session_noise_ceiling("sub-01", "ses-01")


@pytest.fixture
def here(tmp_path, tiny_bucket, monkeypatch):
    """A data directory with the betas of one session."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("LAION_FMRI_BUCKET", tiny_bucket.as_uri())
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(folder))
    download("sub-01", ses="ses-01", accept_license=True, **QUIET)
    return folder


def flip_a_bit(path, at=100):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_all_is_good(here):
    report = verify(**QUIET)
    assert report.is_good
    assert {f.verdict for f in report.files} == {Verdict.GOOD}
    n_files = sum(p.is_file() and ".laion_fmri" not in p.parts for p in here.rglob("*"))
    assert len(report.files) == n_files
    assert "repair" not in str(report).lower()


def test_what_is_wrong_is_found_and_repaired(here, tiny_bucket):
    flip_a_bit(here / BETAS)
    (here / TRIALS).write_text("cut")
    part = partial_path(here / CEILING, DirectoryBucket(tiny_bucket).head(CEILING).etag)
    (here / CEILING).rename(part)
    with part.open("r+b") as file:
        file.truncate(50)
    report = verify(**QUIET)
    assert not report.is_good
    found = {v: [f.key for f in report.of(v)] for v in Verdict if report.of(v)}
    assert found.pop(Verdict.GOOD)
    assert found == {
        Verdict.DAMAGED: [BETAS],
        Verdict.OUTDATED: [TRIALS],
        Verdict.INCOMPLETE: [CEILING],
    }
    assert "verify --repair" in str(report)
    assert BETAS in str(report)

    verify(repair=True, **QUIET)
    assert verify(**QUIET).is_good
    for key in (BETAS, TRIALS, CEILING):
        assert (here / key).read_bytes() == (tiny_bucket / key).read_bytes()


def test_a_file_stays_while_it_cannot_be_repaired(here, tiny_bucket, tmp_path, monkeypatch):
    from laion_fmri import discovery
    from laion_fmri._errors import TransferError

    mirror = tmp_path / "mirror"
    (mirror / BETAS).parent.mkdir(parents=True)
    shutil.copy2(tiny_bucket / BETAS, mirror / BETAS)
    monkeypatch.setenv("LAION_FMRI_BUCKET", mirror.as_uri())
    flip_a_bit(here / BETAS)
    damaged = (here / BETAS).read_bytes()
    discovery.refresh()
    (mirror / ".bucket-policy.json").write_text('{"deny": ["*Singletrial*"]}')
    assert not verify("sub-01", **QUIET).of(Verdict.DAMAGED)  # what is denied cannot be compared
    (mirror / ".bucket-policy.json").unlink()
    discovery.refresh()
    report = verify("sub-01", **QUIET)
    assert [f.key for f in report.of(Verdict.DAMAGED)] == [BETAS]
    (mirror / BETAS).unlink()
    with pytest.raises(TransferError):
        fetch(report.repair_plan, **QUIET)
    assert (here / BETAS).read_bytes() == damaged


def test_only_the_subjects_that_are_named(here):
    assert verify("03", **QUIET).files == []
    keys = {f.file.key for f in verify("01", **QUIET).files}
    assert keys and all("sub-01" in key for key in keys)


@pytest.fixture
def with_images(here, tiny_bucket):
    copy_gated_stimuli(tiny_bucket, here)
    return here


@pytest.fixture
def public_bucket(tiny_bucket, tmp_path, monkeypatch):
    """The bucket as it is published: without the images."""
    mirror = tmp_path / "public"
    gated = shutil.ignore_patterns("task-images_stimuli.h5", "task-images_metadata.csv")
    shutil.copytree(tiny_bucket, mirror, copy_function=shutil.copy2, ignore=gated)
    monkeypatch.setenv("LAION_FMRI_BUCKET", mirror.as_uri())
    discovery.refresh()
    return mirror


def test_where_the_access_service_is_silent_the_rest_is_checked(with_images, public_bucket, capsys):
    flip_a_bit(with_images / BETAS)
    report = verify(**QUIET)
    assert [f.key for f in report.of(Verdict.DAMAGED)] == [BETAS]
    assert set(report.unchecked) == set(GATED)
    assert not report.is_complete
    assert GATED[0] in str(report).splitlines()[-1]
    assert "does not answer" in str(report).splitlines()[-1]
    assert {f.key for f in report.repair_plan.files} == {BETAS}

    assert main(["verify", "--json", "--quiet"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["damaged"] == [BETAS]
    assert set(told["not checked"]) == set(GATED)
    assert all("does not answer" in reason for reason in told["not checked"].values())

    assert main(["verify", "--quiet", "--repair"]) == 1  # all was repaired, not all was checked
    assert verify(**QUIET).is_good
    assert main(["verify", "--quiet", "--subject", "sub-01"]) == 0  # the images are not asked for


@pytest.mark.parametrize("address", ["nonsense", "http://a b", "ftp://a.org"])
def test_an_address_of_the_service_that_is_none_ends_no_check(
    with_images, public_bucket, monkeypatch, address
):
    monkeypatch.setenv("LAION_FMRI_ACCESS_URL", address)
    report = verify(**QUIET)
    assert report.is_good and set(report.unchecked) == set(GATED)
    assert "LAION_FMRI_ACCESS_URL" in str(report)


def test_where_the_access_service_answers_the_images_are_checked(
    with_images, public_bucket, tiny_bucket, monkeypatch
):
    with DemoAccessService(tiny_bucket / "stimuli") as service:
        monkeypatch.setenv("LAION_FMRI_ACCESS_URL", service.url)
        assert verify(**QUIET).is_complete
        flip_a_bit(with_images / GATED[0])
        report = verify(**QUIET)
    assert [f.key for f in report.of(Verdict.DAMAGED)] == [GATED[0]]


def test_a_mirror_with_the_images_is_compared_in_place_of_the_service(
    with_images, tiny_bucket, tmp_path, monkeypatch
):
    copied = shutil.copytree(tiny_bucket, tmp_path / "mirror", copy_function=shutil.copy2)
    (copied / POLICY_FILE).unlink()
    monkeypatch.setenv("LAION_FMRI_BUCKET", copied.as_uri())
    discovery.refresh()
    flip_a_bit(with_images / GATED[0])
    report = verify(**QUIET)
    assert report.is_complete
    assert [f.key for f in report.of(Verdict.DAMAGED)] == [GATED[0]]


class GoneAway(DirectoryBucket):
    """A bucket that lists and then says nothing more of some files."""

    error: BucketError

    def open(self, key, *args, **kwargs):
        if key in (BETAS, TRIALS):
            raise self.error
        return super().open(key, *args, **kwargs)


@pytest.mark.parametrize(
    "error, n_unchecked",
    [(BucketError("Odd."), 2), (TemporaryBucketError("Silent.", is_silence=True), None)],
)
def test_a_source_that_stops_answering_does_not_end_the_check(
    here, tiny_bucket, error, n_unchecked
):
    bucket = GoneAway(tiny_bucket)
    bucket.error = error
    plan = plan_of_local(load_settings(), bucket)
    report = VerifyReport(plan, list(checking.verify(plan)))
    assert len(report.files) == len(plan.files)
    assert report.is_good
    assert set(report.unchecked.values()) == {str(error)}
    assert {BETAS, TRIALS} <= set(report.unchecked)
    if n_unchecked is not None:  # a file's own trouble says nothing of the others
        assert len(report.unchecked) == n_unchecked


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_not_called_damaged(here):
    (here / BETAS).chmod(0)
    report = verify(**QUIET)
    assert report.is_good
    assert "cannot be opened" in report.unchecked[BETAS]


def test_embeddings_that_were_replaced_are_outdated(here, public_bucket, capsys):
    laion_fmri.download_embeddings(accept_license=True, **QUIET)
    key = layout.embeddings("CLIP")
    old = (here / key).read_bytes()
    (public_bucket / key).write_bytes(old + b"116 images embedded anew")
    discovery.refresh()
    report = verify(**QUIET)
    assert [f.key for f in report.of(Verdict.OUTDATED)] == [key]
    assert "1 outdated: a newer file is published" in str(report)
    assert main(["verify", "--quiet"]) == 1
    assert f"outdated: a newer file is published\n         {key}" in capsys.readouterr().out
    assert main(["verify", "--json", "--quiet"]) == 1
    assert json.loads(capsys.readouterr().out)["outdated"] == [key]
    laion_fmri.download_embeddings("CLIP", **QUIET)
    assert (here / key).read_bytes() == old + b"116 images embedded anew"
    assert verify(**QUIET).is_good
