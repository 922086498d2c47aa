"""What is local compared with the bucket, and repaired."""

from __future__ import annotations

import shutil

import pytest

from laion_fmri import layout
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.download import download, fetch
from laion_fmri.transfer.partial import partial_path
from laion_fmri.transfer.verify import Verdict
from laion_fmri.verification import verify

QUIET = {"progress": False}
BETAS = layout.betas("sub-01", "ses-01")
TRIALS = layout.trials("sub-01", "ses-01")
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
        Verdict.STALE: [TRIALS],
        Verdict.PARTIAL: [CEILING],
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
