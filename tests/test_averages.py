"""Averages of images on disk: those in memory, fresh or ignored, whole or not there."""

from __future__ import annotations

import errno
import os
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import GRID, LABELS, SUB, SmallData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laion_fmri import averages as building
from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    NotEnoughMemoryError,
    StoreError,
    UnknownNameError,
)
from laion_fmri.averages import build_averages, estimate_averages_bytes
from laion_fmri.cli import main
from laion_fmri.store import zarr_format
from laion_fmri.store.averages_store import AveragesStore, averages_path, fresh_averages
from laion_fmri.store.averaging import RunningAverages
from laion_fmri.store.betas_store import drop_store, list_stores, verify_stores
from laion_fmri.store.folder import folder_bytes
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.zscore import z_scored

SESSIONS = ["ses-01", "ses-02", "ses-10"]


def filled(path: Path, n_sessions: int = 3, n_trials: int = 9, n_images: int = 6) -> SmallData:
    """Sessions with repeats within and between them, and voxels without an estimate."""
    data = SmallData(path)
    data.brain(np.ones(GRID, "u1"))
    data.rsquare((data.rng.random(GRID) < 0.6).astype("f4"))
    for session in SESSIONS[:n_sessions]:
        stored = data.rng.normal(size=(*GRID, n_trials)).astype("f4")
        stored[data.rng.random(stored.shape) < 0.1] = np.nan
        stored[0, 0, 0] = np.nan
        stored[1, 0, 0] = 3  # constant
        data.betas(stored, ses=session)
        data.trials([f"{n}.jpg" for n in data.rng.integers(0, n_images, n_trials)], ses=session)
    return data


@pytest.fixture
def data(tmp_path) -> SmallData:
    return filled(tmp_path)


def in_memory(data: SmallData, mask_source: str = "anatomical") -> RunningAverages:
    sub = data.subject
    tables = sub.get_trial_info()
    names = dict.fromkeys(label for table in tables.values() for label in table["label"])
    averages = RunningAverages(names, int(sub.get_brain_mask(mask_source).sum()))
    for session, table in tables.items():
        betas = sub.get_betas(session, mask_source=mask_source)
        averages.add(betas, list(table["label"]), z_scored)
    return averages


def opened(data: SmallData, mask_source: str = "anatomical") -> AveragesStore:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = SubjectFiles(SUB, data.path)
        store = fresh_averages(files, mask_source, data.subject.get_sessions())
    assert store is not None
    return store


def path_of(data: SmallData) -> Path:
    return averages_path(data.path, SUB, "anatomical")


# --- the same numbers ---------------------------------------------------------------------


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    n_sessions=st.integers(1, 3),
    n_trials=st.integers(1, 12),
    n_images=st.integers(1, 8),
    blocks=st.sampled_from([1, 64]),
    width=st.sampled_from([7, 256]),
    n_jobs=st.sampled_from([None, 1, 3]),
    from_stores=st.booleans(),
)
def test_averages_on_disk_and_in_memory_are_the_same_bits(
    tmp_path_factory, n_sessions, n_trials, n_images, blocks, width, n_jobs, from_stores
):
    data = filled(tmp_path_factory.mktemp("data"), n_sessions, n_trials, n_images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_BLOCKS_AT_ONCE", blocks)
        patch.setattr("laion_fmri.store.averages_store.WIDTH", width)
        if from_stores:
            data.subject.build_store(n_jobs=2)
        data.subject.build_averages(n_jobs=n_jobs)
    expected = in_memory(data)
    store = opened(data)
    store.verify()
    assert store.names == expected.names
    assert store.n_repeats.tolist() == expected.n_repeats.tolist()
    assert [*store.sessions] == SESSIONS[:n_sessions]
    means = expected.means()
    voxels = store.header.voxels
    assert store.read(None, voxels).tobytes() == means.tobytes()
    rows = np.random.default_rng(0).integers(0, len(means), 5)
    assert store.read(rows, voxels[1::3]).tobytes() == means[rows][:, 1::3].tobytes()
    assert store.read(rows[:0], voxels).shape == (0, len(voxels))


def test_averages_are_those_of_pandas(data):
    data.subject.build_averages(mask_source="rsquare")
    store = opened(data, "rsquare")
    scores = []
    for session, table in data.subject.get_trial_info().items():
        betas = pd.DataFrame(data.subject.get_betas(session, mask_source="rsquare"), dtype=float)
        deviation = betas.std(ddof=0).where(betas.nunique() > 1)
        scores.append(((betas - betas.mean()) / deviation).assign(image=table["label"]))
    expected = pd.concat(scores).groupby("image").mean().loc[list(store.names)]
    got = store.read(None, np.flatnonzero(data.subject.get_brain_mask("rsquare")))
    np.testing.assert_allclose(got, expected, atol=1e-6)
    labels = pd.concat(data.subject.get_trial_info().values())
    counted = pd.crosstab(labels["label"], labels["session"]).loc[list(store.names)]
    assert np.array_equal(store.header.repeats, counted[SESSIONS])


def test_other_sessions_have_no_averages(data):
    data.subject.build_averages()
    files = SubjectFiles(SUB, data.path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fresh_averages(files, "anatomical", SESSIONS[:2]) is None
        assert fresh_averages(files, "rsquare", SESSIONS) is None
        assert fresh_averages(files, "anatomical", SESSIONS[::-1]) is not None
    store = opened(data)
    assert store.covers(store.header.voxels[2:5])
    assert not store.covers(np.array([10**6]))


# --- freshness and damage -------------------------------------------------------------------


def other_trials(data: SmallData) -> None:
    data.trials(["other.jpg"] * 9, ses="ses-02")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.betas(np.ones((*GRID, 9), "f4"), ses="ses-02"), "the betas of ses-02"),
        (other_trials, "the trials of ses-02 have changed"),
        (lambda data: data.brain(), "the brain mask has changed"),
        (lambda data: data.betas(ses="ses-03"), "ses-03 came later"),
        (
            lambda data: (data.path / layout.betas(SUB, "ses-10")).unlink(),
            "the betas of ses-10 are gone",
        ),
        (
            lambda data: (data.path / layout.trials(SUB, "ses-10")).unlink(),
            "cannot be read",
        ),
        (lambda data: (path_of(data) / "image/c/0").unlink(), "it is damaged"),
        (lambda data: (path_of(data) / "zarr.json").write_text("{}"), "it is damaged"),
    ],
)
def test_outdated_averages_are_ignored_with_a_warning(data, change, reason):
    assert data.subject.build_averages().is_fresh
    change(data)
    files = SubjectFiles(SUB, data.path)
    with pytest.warns(UserWarning, match=rf"{reason}.*build_averages\(mask_source='anatomical'"):
        assert fresh_averages(files, "anatomical", files.sessions()) is None
    (info,) = list_stores(data.path)
    assert not info.is_fresh and re.search(reason, info.reason)


def test_outdated_averages_are_built_again(data):
    data.subject.build_averages()
    other_trials(data)
    assert data.subject.build_averages().is_fresh
    assert "other.jpg" in opened(data).names
    before = path_of(data).stat().st_ino
    data.subject.build_averages()
    assert path_of(data).stat().st_ino == before
    data.subject.build_averages(force=True)
    assert path_of(data).stat().st_ino != before


def test_a_changed_bit_anywhere_is_noticed(data):
    path = data.subject.build_averages().path
    parts = [part for part in path.rglob("*") if part.is_file()]
    assert len(parts) == 11
    for part in parts:
        whole = part.read_bytes()
        for place in {0, len(whole) // 3, len(whole) // 2, len(whole) - 1}:
            changed = bytearray(whole)
            changed[place] ^= 4
            part.write_bytes(changed)
            (info,) = verify_stores(data.path)
            assert not info.is_fresh, part
        part.write_bytes(whole)
    assert verify_stores(data.path)[0].is_fresh


def test_averages_of_another_layout_are_named(data, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(zarr_format, "LAYOUT", 4)
        data.subject.build_averages()
    files = SubjectFiles(SUB, data.path)
    with pytest.warns(UserWarning, match="built by another release"):
        assert fresh_averages(files, "anatomical", SESSIONS) is None
    assert not verify_stores(data.path)[0].is_fresh


def test_a_store_of_betas_is_no_store_of_averages(data):
    path = data.subject.build_store("ses-01").path
    with pytest.raises(DamagedFileError, match="no store of this kind"):
        AveragesStore.open(path)


def test_open_averages_stay_readable_and_pickled_ones_reopen(data):
    data.subject.build_averages()
    store = opened(data)
    expected = store.read(None, store.header.voxels)
    pickled = pickle.dumps(store)
    again = pickle.loads(pickled)
    assert again.read(None, store.header.voxels).tobytes() == expected.tobytes()
    other_trials(data)
    data.subject.build_averages()
    assert store.read(None, store.header.voxels).tobytes() == expected.tobytes()
    with pytest.raises(DamagedFileError, match="built again"):
        pickle.loads(pickled)


# --- building -------------------------------------------------------------------------------


def test_what_building_reports_and_leaves(data):
    said = estimate_averages_bytes("01", data_dir=data.path)
    fractions: list[float] = []
    info = build_averages("01", data_dir=data.path, progress=fractions.append)
    assert (info.subject, info.session, info.is_fresh) == (SUB, "averages", True)
    assert (info.n_trials, info.n_images) == (27, len(opened(data).names))
    assert info.n_bytes == said == folder_bytes(info.path)
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert [*info.path.parent.iterdir()] == [info.path]
    assert list_stores(data.path) == [info]


def test_no_session_no_table_no_mask_and_tables_of_another_length(data, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(DataNotDownloadedError, match=r"download\(subject='sub-01', ses='ses-01'"):
        build_averages(SUB, data_dir=tmp_path / "none")
    with pytest.raises(UnknownNameError):
        data.subject.build_averages(mask_source="brain")
    with pytest.raises(InvalidArgumentError, match="n_jobs=0"):
        data.subject.build_averages(n_jobs=0)
    data.trials(LABELS, ses="ses-02")
    with pytest.raises(InconsistentDataError, match="9 volumes but"):
        data.subject.build_averages()
    (data.path / layout.trials(SUB, "ses-02")).unlink()
    with pytest.raises(DataNotDownloadedError, match="trials"):
        data.subject.build_averages()
    assert not list((data.path / ".laion_fmri/store").rglob("*.zarr"))


def test_sessions_that_do_not_fit_into_memory(data, monkeypatch):
    monkeypatch.setattr("laion_fmri.memory.has_room", lambda _: False)
    with pytest.raises(NotEnoughMemoryError, match="A session of 60 voxels"):
        data.subject.build_averages()


def test_damaged_betas_and_a_full_disk_leave_nothing(data, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(StoreError, match="No space left"):
            data.subject.build_averages()
    betas = data.path / layout.betas(SUB, "ses-10")
    betas.write_bytes(betas.read_bytes()[:-6])
    for n_jobs in (None, 2):
        with pytest.raises(DamagedFileError, match="download it again"):
            data.subject.build_averages(n_jobs=n_jobs)
    assert not [*path_of(data).parent.iterdir()]


def test_files_that_change_while_averages_are_built(data):
    with pytest.raises(InconsistentDataError, match="the trials of ses-02 have changed"):
        data.subject.build_averages(progress=lambda _: other_trials(data))
    assert not path_of(data).exists()


def test_memory_bounds_the_sessions_at_once(monkeypatch):
    shapes = [(10, 300_000), (1000, 300_000)]
    for n_jobs, free, expected in (
        (None, 10**12, 2),
        (5, 10**12, 5),
        (None, 5e9, 2),
        (None, 2e9, 1),
        (5, 5e9, 4),
        (5, 1.3e9, 1),
    ):
        monkeypatch.setattr("laion_fmri.memory.available", lambda free=free: int(free))
        assert building._sessions_at_once(shapes, n_jobs) == expected


# --- the command line -------------------------------------------------------------------------


def test_commands(data, monkeypatch, capsys):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(data.path))
    which = ["--subject", "01"]
    assert main(["store", "build", *which, "--averages", "--dry-run"]) == 0
    assert "Averages of sub-01" in capsys.readouterr().out
    assert not path_of(data).exists()
    assert main(["store", "build", *which, "--averages", "--ses", "01"]) == 1
    assert "all local sessions" in capsys.readouterr().err
    assert main(["store", "build", *which, "--averages", "--quiet"]) == 0
    assert main(["store", "build", *which, "--jobs", "2", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["store", "list"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"averages .*images? x 60 voxels  fresh", shown)
    assert len(shown.splitlines()) == 4
    assert main(["store", "verify", "--quiet"]) == 0
    assert main(["store", "drop", *which, "--ses", "averages"]) == 0
    assert "1 store removed" in capsys.readouterr().out
    assert not path_of(data).exists()
    assert len(list_stores(data.path)) == 3
    data.subject.build_averages()
    assert len(drop_store(SUB, data_dir=data.path)) == 4
