"""The local store: the same numbers as the betas, or nothing at all."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
from builders import AFFINE, GRID, LABELS, SUB, SmallData, expected_betas, write_nifti
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laion_fmri import layout, load_subject
from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    LaionFmriError,
    StoreError,
    UnknownNameError,
)
from laion_fmri.cli import main
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.store import betas_store as store
from laion_fmri.store import file as store_file
from laion_fmri.store import shard as store_shard
from laion_fmri.store.betas_store import (
    StoreInfo,
    build_store,
    drop_store,
    estimate_store_bytes,
    list_stores,
    store_path,
    verify_stores,
)
from laion_fmri.store.file import BetasStore, Header, write_store
from laion_fmri.store.folder import folder_bytes
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.grid import Series
from laion_fmri.volumes.nifti import Grid

SES = "ses-01"
SCALINGS = [(np.nan, np.nan), (1.0, 0.0), (0.1, -10.25), (1 / 3000, 1e-3)]
WIDTHS = [1, 2, 7, 64]


@pytest.fixture
def data(tmp_path) -> SmallData:
    """One session, both brain masks, one ROI; voxels without an estimate in some trials."""
    data = SmallData(tmp_path)
    data.brain()
    data.rsquare(data.rng.normal(size=GRID).astype("f4") * (data.rng.random(GRID) < 0.6))
    stored = data.rng.normal(size=(*GRID, len(LABELS))).astype("f4")
    stored[data.rng.random(stored.shape) < 0.1] = np.nan
    data.betas(stored)
    data.trials()
    data.session_ceiling((data.rng.random(GRID) * 100).astype("f4"))
    data.roi("face", "FFA1", (data.rng.random(GRID) < 0.3).astype("u1"))
    return data


def path_of(data: SmallData, mask_source: str = "anatomical", session: str = SES) -> Path:
    return store_path(data.path, SUB, session, mask_source)


def betas_path(data: SmallData) -> Path:
    return data.path / layout.betas(SUB, SES)


def without_warnings(read):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read()


@pytest.fixture
def never_the_file(monkeypatch):
    """Reading the published betas fails: what comes back came from a store."""

    def refuse(*_):
        raise AssertionError("the published betas were read")

    def switch() -> None:
        monkeypatch.setattr("laion_fmri.volumes.grid.Series.open", refuse)

    return switch


# --- the same numbers ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("store")


@settings(max_examples=60, deadline=None)
@given(
    stored=st.sampled_from(["<i2", ">i2", "u1", ">f4", "<f4", "<f8"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(1, 40)),
        )
    ),
    scaling=st.sampled_from(SCALINGS),
    extension=st.sampled_from([".nii", ".nii.gz"]),
    n_members=st.integers(1, 3),
    width=st.sampled_from(WIDTHS),
    at_once=st.sampled_from([1, 3, 64]),
    few=st.sampled_from([0, 2, 16]),
    data=st.data(),
)
def test_stores_give_what_nibabel_and_numpy_give(
    folder, stored, scaling, extension, n_members, width, at_once, few, data
):
    slope, inter = scaling
    path = write_nifti(folder / f"s{extension}", stored, n_members, slope=slope, inter=inter)
    shape = stored.shape[:3]
    inside = data.draw(hnp.arrays(bool, shape))
    voxels = np.flatnonzero(inside)
    source = FileFingerprint("any", 1, 2, "3")
    header = Header(
        SUB, SES, "anatomical", Grid(shape, AFFINE), voxels, stored.shape[3], source, source, width
    )
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(store_file, "_TRIALS_AT_ONCE", at_once)
        patch.setattr(store_shard, "_FEW_ROWS", few)
        write_store(folder / "x.zarr", header, Series.open(path))
        kept = BetasStore.open(folder / "x.zarr")
        expected = expected_betas(path, inside)
        got = kept.masked(voxels)
        assert got.dtype == np.float32
        assert got.shape == expected.shape
        assert got.tobytes() == expected.tobytes()
        rows = np.flatnonzero(data.draw(hnp.arrays(bool, stored.shape[3])))
        some = data.draw(hnp.arrays(bool, len(voxels)))
        assert kept.masked(voxels[some], rows).tobytes() == expected[rows][:, some].tobytes()
        assert kept.masked(voxels[some]).tobytes() == expected[:, some].tobytes()
        assert kept.masked(voxels, rows).tobytes() == expected[rows].tobytes()
    kept.verify()
    assert folder_bytes(folder / "x.zarr") == header.n_bytes
    assert kept.header.grid.same_as(header.grid)


@pytest.mark.parametrize("built", ["anatomical", "rsquare"])
@pytest.mark.parametrize("asked", ["anatomical", "rsquare"])
@pytest.mark.parametrize("stimuli", [None, "shared", "unique"])
@pytest.mark.parametrize("nc_threshold", [None, 30, 100])
def test_every_filter_gives_the_same_with_a_store(data, built, asked, stimuli, nc_threshold):
    sub = data.subject
    brain = sub.get_brain_mask(asked)
    options = {"nc_threshold": nc_threshold, "stimuli": stimuli, "mask_source": asked}
    mask = data.rng.random(brain.sum()) < 0.5
    ways = [{}, {"roi": "FFA1"}, {"mask": mask}, {"mask": np.zeros_like(brain)}]
    before = [sub.get_betas(SES, **options, **way) for way in ways]
    sub.build_store(SES, mask_source=built)
    for way, expected in zip(ways, before, strict=True):
        got = without_warnings(lambda way=way: sub.get_betas(SES, **options, **way))
        assert got.dtype == np.float32
        assert got.shape == expected.shape
        assert got.tobytes() == expected.tobytes()


def test_a_fresh_store_is_what_is_read(data, never_the_file):
    sub = data.subject
    expected = sub.get_betas(SES)
    sub.build_store(SES)
    never_the_file()
    assert sub.get_betas(SES).tobytes() == expected.tobytes()
    assert sub.get_betas([SES], roi="FFA1")[SES].shape[0] == len(LABELS)


def test_voxels_outside_the_mask_of_the_store_come_from_the_file(data, never_the_file):
    sub = data.subject
    both = sub.get_brain_mask() & sub.get_brain_mask("rsquare")
    only = sub.get_brain_mask("rsquare") & ~sub.get_brain_mask()
    expected = sub.get_betas(SES, mask=both, mask_source="rsquare")
    sub.build_store(SES)
    never_the_file()
    got = without_warnings(lambda: sub.get_betas(SES, mask=both, mask_source="rsquare"))
    assert got.tobytes() == expected.tobytes()
    with pytest.raises(AssertionError, match="published betas were read"):
        sub.get_betas(SES, mask=only, mask_source="rsquare")


def test_the_brain_mask_a_store_keeps(data):
    sub = data.subject
    expected = sub.get_brain_mask("rsquare")
    files = SubjectFiles(SUB, data.path)
    assert store.stored_brain_mask(files, "rsquare") is None
    sub.build_store(SES, mask_source="rsquare")
    grid, inside = store.stored_brain_mask(files, "rsquare")
    assert grid.shape == GRID
    assert np.array_equal(inside, expected)
    assert store.stored_brain_mask(files, "anatomical") is None
    data.rsquare(np.ones(GRID, dtype="f4"))
    assert store.stored_brain_mask(files, "rsquare") is None


def test_a_trial_table_of_another_length_is_refused_with_a_store_too(data):
    data.subject.build_store(SES)
    data.trials(LABELS[:-1])
    with pytest.raises(InconsistentDataError, match="has 4 volumes but"):
        data.subject.get_betas(SES)


def test_a_session_without_trials(data):
    data.betas(np.zeros((*GRID, 0), dtype="f4"))
    data.trials([])
    n_voxels = data.subject.get_n_voxels()
    assert data.subject.get_betas(SES).shape == (0, n_voxels)
    info = data.subject.build_store(SES)
    assert (info.n_trials, info.n_voxels, info.is_fresh) == (0, n_voxels, True)
    assert data.subject.get_betas(SES, stimuli="shared").shape == (0, n_voxels)


def test_a_brain_mask_that_is_empty(data):
    data.brain(np.zeros(GRID, dtype="u1"))
    assert data.subject.build_store(SES).n_voxels == 0
    assert data.subject.get_betas(SES).shape == (len(LABELS), 0)


# --- freshness ----------------------------------------------------------------------------


def other_content(path: Path) -> None:
    """Another content of the same size, with the time of change that the file had."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def mask_path(data: SmallData) -> Path:
    return data.path / layout.anatomical(SUB, "desc-brain_mask", layout.FUNCTIONAL_RES)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.betas(), "the betas have changed"),
        (lambda data: data.brain(np.ones(GRID, dtype="u1")), "the brain mask has changed"),
    ],
)
def test_a_store_that_is_out_of_date_is_ignored_with_a_warning(data, change, reason):
    sub = data.subject
    sub.build_store(SES)
    change(data)
    with pytest.warns(UserWarning, match=rf"{reason}.*build_store\('ses-01'") as caught:
        got = sub.get_betas(SES)
    assert len(caught) == 1
    inside = sub.get_brain_mask().reshape(GRID)
    assert got.tobytes() == expected_betas(betas_path(data), inside).tobytes()
    [info] = list_stores(data.path)
    assert (info.is_fresh, info.reason, info.n_trials) == (False, reason, len(LABELS))
    sub.build_store(SES)
    assert without_warnings(lambda: sub.get_betas(SES)).tobytes() == got.tobytes()


def test_betas_or_masks_that_are_gone(data):
    sub = data.subject
    sub.build_store(SES)
    betas = betas_path(data)
    betas.rename(betas.with_suffix(".away"))
    assert list_stores(data.path)[0].reason == "the betas are gone"
    with pytest.raises(DataNotDownloadedError):
        sub.get_betas(SES)
    betas.with_suffix(".away").rename(betas)
    mask_path(data).unlink()
    assert list_stores(data.path)[0].reason == "the brain mask is gone"
    with pytest.raises(DataNotDownloadedError, match="brain_mask"):
        sub.get_betas(SES)


@pytest.mark.parametrize(
    ("of", "reason"), [(betas_path, "the betas have"), (mask_path, "the brain mask has")]
)
def test_another_content_of_the_same_size_and_time_is_noticed(data, of, reason):
    data.subject.build_store(SES)
    other_content(of(data))
    assert list_stores(data.path)[0].reason == f"{reason} changed"


@pytest.mark.parametrize("extension", [".nii.gz", ".nii"])
def test_a_store_stays_fresh_in_a_copy(data, tmp_path_factory, never_the_file, extension):
    if extension == ".nii":
        betas = betas_path(data)
        nibabel.save(nibabel.load(betas), betas.with_suffix(""))
        betas.unlink()
    expected = data.subject.get_betas(SES)
    data.subject.build_store(SES)
    copy = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(data.path, copy, copy_function=shutil.copyfile)
    for path in copy.rglob("*.nii*"):
        os.utime(path, ns=(1, 1))
    never_the_file()
    got = without_warnings(lambda: load_subject(SUB, copy).get_betas(SES))
    assert got.tobytes() == expected.tobytes()


def test_an_uncompressed_file_that_was_changed_anywhere_is_noticed(data):
    betas = betas_path(data)
    plain = betas.with_suffix("")
    nibabel.save(nibabel.load(betas), plain)
    betas.unlink()
    data.subject.build_store(SES)
    content = bytearray(plain.read_bytes())
    content[len(content) // 2] ^= 1
    plain.write_bytes(content)
    assert list_stores(data.path)[0].reason == "the betas have changed"


def test_stores_can_be_kept_outside_a_data_directory_that_is_read_only(
    data, tmp_path_factory, monkeypatch, never_the_file
):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv("LAION_FMRI_STORE_DIR", str(elsewhere))
    expected = data.subject.get_betas(SES)
    info = data.subject.build_store(SES)
    assert info.path.is_relative_to(elsewhere)
    assert not (data.path / ".laion_fmri").exists()
    assert list_stores(data.path) == [info]
    never_the_file()
    assert data.subject.get_betas(SES).tobytes() == expected.tobytes()
    drop_store(SUB, data_dir=data.path)
    assert not list(elsewhere.rglob("*.zarr"))


def test_files_that_change_while_a_store_is_built(data):
    def change(_: float) -> None:
        other_content(betas_path(data))

    with pytest.raises(InconsistentDataError, match="the betas have changed"):
        data.subject.build_store(SES, progress=change)
    assert not list(path_of(data).parent.iterdir())


# --- damage -------------------------------------------------------------------------------


def files_of(path: Path) -> dict[Path, bytes]:
    return {part: part.read_bytes() for part in sorted(path.rglob("*")) if part.is_file()}


def test_damaged_stores_are_ignored_with_a_warning(data):
    sub, path = data.subject, path_of(data)
    expected = sub.get_betas(SES)
    sub.build_store(SES)
    whole = files_of(path)
    assert len(whole) == 5
    needed = [path / "zarr.json", path / "voxel/c/0", path / "betas/c/0/0"]
    for part in needed:
        n_bytes = len(whole[part])
        for content in (None, b"", b"junk" * 300, whole[part][: n_bytes // 2], whole[part][:-1]):
            part.write_bytes(content) if content is not None else part.unlink()
            with pytest.warns(UserWarning, match="is ignored: it is damaged"):
                got = sub.get_betas(SES)
            assert got.tobytes() == expected.tobytes()
            [info] = list_stores(data.path)
            assert not info.is_fresh
        part.write_bytes(whole[part])
    assert list_stores(data.path)[0].is_fresh
    shutil.rmtree(path)
    assert sub.build_store(SES).is_fresh
    assert files_of(path) == whole


def test_a_flipped_bit_anywhere_is_noticed(data):
    path = data.subject.build_store(SES).path
    for part, whole in files_of(path).items():
        for place in {*range(0, len(whole), 23), len(whole) - 1}:
            flipped = bytearray(whole)
            flipped[place] ^= 0x10
            part.write_bytes(flipped)
            (info,) = verify_stores(data.path)
            assert not info.is_fresh, (part, place)
        part.write_bytes(whole)
    assert verify_stores(data.path)[0].is_fresh


def test_the_file_of_an_earlier_release_is_reported_and_replaced(data, never_the_file):
    sub, path = data.subject, path_of(data)
    earlier = path.with_suffix(".store")
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"LAIONBET" + bytes(100))
    with pytest.warns(UserWarning, match=r"it was built by another release.*builds it again"):
        expected = sub.get_betas(SES)
    for infos in (list_stores(data.path), verify_stores(data.path)):
        assert [(info.path, info.n_bytes, info.is_fresh) for info in infos] == [
            (earlier, 108, False)
        ]
    assert sub.build_store(SES).is_fresh
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    never_the_file()
    assert without_warnings(lambda: sub.get_betas(SES)).tobytes() == expected.tobytes()
    earlier.write_bytes(b"LAIONBET")
    path.rename(path.with_suffix(".away"))
    assert [info.path for info in drop_store(SUB, data_dir=data.path)] == [earlier]
    assert not earlier.exists()


def test_a_store_of_another_layout_is_reported_and_can_be_built_again(data, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("laion_fmri.store.zarr_format.LAYOUT", 4)
        path = data.subject.build_store(SES).path
    with pytest.warns(UserWarning, match=r"it was built by another release.*builds it again"):
        data.subject.get_betas(SES)
    with pytest.raises(StoreError, match=r"layout 4.*Build it again"):
        BetasStore.open(path)
    assert not verify_stores(data.path)[0].is_fresh
    assert data.subject.build_store(SES).is_fresh


def flip_a_bit_of_the_numbers(path: Path, share: float) -> None:
    """Change one bit of the numbers, `share` of the way through them."""
    shard = path / "betas/c/0/0"
    content = bytearray(shard.read_bytes())
    header = BetasStore.open(path).header
    content[int(share * 4 * header.n_trials * 64)] ^= 0x40
    shard.write_bytes(content)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_flipped_bit_in_the_numbers_is_noticed(data, share, capsys, monkeypatch):
    sub = data.subject
    expected = sub.get_betas(SES)
    path = sub.build_store(SES).path
    assert [info.is_fresh for info in verify_stores(data.path)] == [True]
    flip_a_bit_of_the_numbers(path, share)
    with pytest.raises(DamagedFileError, match=r"wrong checksum.*Build it again"):
        BetasStore.open(path).verify()
    with pytest.warns(UserWarning, match=r"is ignored.*wrong checksum.*Build it again"):
        assert sub.get_betas(SES).tobytes() == expected.tobytes()
    (info,) = verify_stores(data.path)
    assert not info.is_fresh and "wrong checksum" in info.reason
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(data.path))
    assert main(["store", "verify", "--quiet"]) == 1
    assert "wrong checksum" in capsys.readouterr().out
    assert sub.build_store(SES, force=True).is_fresh
    assert main(["store", "verify", "--quiet"]) == 0


def test_a_pickled_store_reads_its_own_file_where_it_arrives(data, tmp_path):
    """A number of an open file means another file elsewhere."""
    path = data.subject.build_store(SES).path
    kept = BetasStore.open(path)
    expected = kept.masked(kept.header.voxels)
    pickled = pickle.dumps(kept)
    other = path.with_name("other")
    shutil.copy(path / "betas/c/0/0", other)
    del kept
    decoys = [os.open(other, os.O_RDONLY) for _ in range(8)]  # take the numbers that are free
    try:
        arrived = pickle.loads(pickled)
        assert arrived.masked(arrived.header.voxels).tobytes() == expected.tobytes()
    finally:
        for decoy in decoys:
            os.close(decoy)
    (tmp_path / "pickled").write_bytes(pickled)
    code = (
        "import pathlib, pickle, sys\n"
        "kept = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "sys.stdout.buffer.write(kept.masked(kept.header.voxels).tobytes())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "pickled"], capture_output=True, check=True
    )
    assert elsewhere.stdout == expected.tobytes()


def test_a_pickled_store_that_was_built_from_other_betas_since_is_refused(data):
    pickled = pickle.dumps(BetasStore.open(data.subject.build_store(SES).path))
    data.betas(data.rng.normal(size=(*GRID, len(LABELS))))
    path = data.subject.build_store(SES).path
    with pytest.raises(DamagedFileError, match=r"built again.*Open the store again"):
        pickle.loads(pickled)
    shutil.rmtree(path)
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickled)


def test_a_store_under_the_name_of_another(data):
    sub = data.subject
    data.betas(ses="ses-02")
    data.trials(ses="ses-02")
    expected = sub.get_betas(SES)
    sub.build_store("ses-02")
    path_of(data, session="ses-02").rename(path_of(data))
    with pytest.warns(UserWarning, match=r"it is of sub-01 ses-02 anatomical"):
        assert sub.get_betas(SES).tobytes() == expected.tobytes()


def test_a_folder_in_the_place_of_a_store(data):
    path_of(data).mkdir(parents=True)
    with pytest.warns(UserWarning, match="it is damaged"):
        data.subject.get_betas(SES)
    assert data.subject.build_store(SES).is_fresh


def test_a_store_that_shrinks_while_it_is_read(data):
    data.subject.build_store(SES)
    kept = BetasStore.open(path_of(data))
    os.truncate(path_of(data) / "betas/c/0/0", 100)
    with pytest.raises(DamagedFileError, match="has become shorter"):
        kept.masked(kept.header.voxels)


# --- building -----------------------------------------------------------------------------


def test_what_building_reports(data):
    said = estimate_store_bytes("01", "01", data_dir=data.path)
    assert not (data.path / store.STORE_DIR).exists()
    fractions: list[float] = []
    info = build_store("01", "01", data_dir=data.path, progress=fractions.append)
    assert info == StoreInfo(
        subject=SUB,
        session=SES,
        mask_source="anatomical",
        path=path_of(data),
        n_trials=len(LABELS),
        n_voxels=data.subject.get_n_voxels(),
        n_bytes=said,
        is_fresh=True,
        reason="",
    )
    assert folder_bytes(info.path) == said
    assert fractions[-1] == 1
    assert [p.name for p in info.path.parent.iterdir()] == [info.path.name]


def test_a_fresh_store_is_left_unless_forced(data):
    data.subject.build_store(SES)
    before = path_of(data).stat()
    assert data.subject.build_store(SES).is_fresh
    assert path_of(data).stat().st_ino == before.st_ino
    data.subject.build_store(SES, force=True)
    assert path_of(data).stat().st_ino != before.st_ino


def test_several_sessions_give_a_dict(data):
    data.betas(ses="ses-10")
    assert list(data.subject.build_store()) == [SES, "ses-10"]
    assert list(data.subject.build_store(["10"], mask_source="rsquare")) == ["ses-10"]
    assert [(s.session, s.mask_source) for s in list_stores(data.path)] == [
        (SES, "anatomical"),
        ("ses-10", "anatomical"),
        ("ses-10", "rsquare"),
    ]


@pytest.mark.parametrize("n_jobs", [1, 3, -1])
def test_sessions_built_at_the_same_time(data, n_jobs):
    names = [SES, "ses-02", "ses-03", "ses-10"]
    for session in names[1:]:
        data.betas(ses=session)
    expected = data.subject.get_betas(names)
    fractions: list[float] = []
    infos = data.subject.build_store(progress=fractions.append, n_jobs=n_jobs)
    assert [*infos] == names and all(info.is_fresh for info in infos.values())
    assert fractions == sorted(fractions) and fractions[-1] == 1
    got = without_warnings(lambda: data.subject.get_betas(names))
    assert all(got[name].tobytes() == expected[name].tobytes() for name in names)


def test_a_damaged_session_among_several_and_no_job(data):
    data.betas(ses="ses-02")
    betas_path(data).write_bytes(betas_path(data).read_bytes()[:-6])
    with pytest.raises(DamagedFileError, match="download it again"):
        data.subject.build_store(n_jobs=2)
    with pytest.raises(InvalidArgumentError, match="n_jobs=0"):
        data.subject.build_store(n_jobs=0)
    assert all(info.is_fresh for info in list_stores(data.path))
    assert not list(path_of(data).parent.glob(".*"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"session": "ses-09"}, DataNotDownloadedError),
        ({"session": SES, "mask_source": "brain"}, UnknownNameError),
    ],
)
def test_stores_that_cannot_be(data, arguments, error):
    for verb in (build_store, estimate_store_bytes):
        with pytest.raises(error):
            verb(SUB, **arguments, data_dir=data.path)
    assert not (data.path / store.STORE_DIR).exists()


def test_betas_on_another_grid(data):
    affine = AFFINE.copy()
    affine[0, 3] += 1
    data.betas(affine=affine)
    with pytest.raises(InconsistentDataError, match="lies on another grid"):
        data.subject.build_store(SES)


def test_damaged_betas_make_no_store(data):
    whole = betas_path(data).read_bytes()
    for content in (whole[:-6], whole[: len(whole) // 2]):
        betas_path(data).write_bytes(content)
        with pytest.raises(DamagedFileError, match="download it again"):
            data.subject.build_store(SES)
        assert not list(path_of(data).parent.iterdir())


@pytest.mark.parametrize("function", ["posix_fallocate", "fsync", "rename"])
def test_a_full_disk_leaves_nothing_new(data, monkeypatch, function):
    data.subject.build_store(SES)
    before = files_of(path_of(data))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = "pathlib.Path.rename" if function == "rename" else f"os.{function}"
    monkeypatch.setattr(target, full)
    with pytest.raises(StoreError, match=r"No space left on device.*it takes .* MB") as caught:
        data.subject.build_store(SES, force=True)
    assert isinstance(caught.value, LaionFmriError)
    monkeypatch.undo()
    assert [p.name for p in path_of(data).parent.iterdir()] == [path_of(data).name]
    assert files_of(path_of(data)) == before


def test_file_systems_that_cannot_reserve(data, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    assert data.subject.build_store(SES).is_fresh
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.delattr(os, "posix_fadvise")
    assert data.subject.build_store(SES, force=True).is_fresh
    monkeypatch.setattr(store_shard, "read_at", store_shard.read_in_turn)
    assert without_warnings(lambda: data.subject.get_betas(SES)).shape[0] == len(LABELS)


def test_what_a_killed_build_left_is_cleared(data):
    folder = path_of(data).parent
    folder.mkdir(parents=True)
    old, new = (folder / f".{path_of(data).name}.{name}.partial" for name in ("aa", "bb"))
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    data.subject.build_store(SES)
    assert not old.exists()
    assert new.exists()  # another process may be at work on it
    drop_store(SUB, data_dir=data.path)
    assert not list(folder.iterdir())
    abandoned = folder / f".{SUB}_mask-anatomical_averages.zarr.cc.partial.zarr"
    (abandoned / "mean").mkdir(parents=True)
    drop_store(SUB, session=SES, data_dir=data.path)
    assert abandoned.exists()
    assert drop_store(SUB, data_dir=data.path) == []
    assert not abandoned.exists()


# --- at the same time -----------------------------------------------------------------------


def test_readers_go_on_while_a_store_is_built_and_dropped(data):
    sub = data.subject
    expected = sub.get_betas(SES).tobytes()
    kept = BetasStore.open(sub.build_store(SES).path)
    problems: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if sub.get_betas(SES).tobytes() != expected:
                problems.append("other numbers")

    readers = [threading.Thread(target=read) for _ in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reader in readers:
            reader.start()
        for _ in range(15):
            sub.build_store(SES, force=True)
        drop_store(SUB, data_dir=data.path)
        done.set()
        for reader in readers:
            reader.join()
    assert not problems
    assert kept.masked(kept.header.voxels).tobytes() == expected


def test_two_builds_at_once(data):
    expected = data.subject.get_betas(SES)
    infos: list[StoreInfo] = []

    def build() -> None:
        infos.append(data.subject.build_store(SES, force=True))

    builders = [threading.Thread(target=build) for _ in range(4)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len(infos) == 4
    assert without_warnings(lambda: data.subject.get_betas(SES)).tobytes() == expected.tobytes()
    assert [p.name for p in path_of(data).parent.iterdir()] == [path_of(data).name]


# --- listing and dropping -------------------------------------------------------------------


def test_nothing_to_list_or_drop(data):
    assert list_stores(data.path) == []
    assert drop_store(SUB, data_dir=data.path) == []
    other = data.path / store.STORE_DIR / SUB
    other.mkdir(parents=True)
    (other / "notes.store").write_text("mine")
    assert list_stores(data.path) == []


def test_dropping(data):
    data.betas(ses="ses-02")
    for source in ("anatomical", "rsquare"):
        data.subject.build_store(mask_source=source)
    assert len(list_stores(data.path, subject="01")) == 4
    assert list_stores(data.path, subject="sub-02") == []
    dropped = drop_store("01", "02", "rsquare", data_dir=data.path)
    assert [(s.session, s.mask_source) for s in dropped] == [("ses-02", "rsquare")]
    assert not dropped[0].path.exists()
    assert len(drop_store(SUB, mask_source="anatomical", data_dir=data.path)) == 2
    assert [s.mask_source for s in list_stores(data.path)] == ["rsquare"]
    assert len(drop_store(SUB, data_dir=data.path)) == 1
    assert list_stores(data.path) == []
    assert without_warnings(lambda: data.subject.get_betas(SES)).shape[0] == len(LABELS)


def test_a_store_that_cannot_be_removed(data, monkeypatch):
    data.subject.build_store(SES)

    def refuse(self, missing_ok=False):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(StoreError, match="cannot be removed"):
        drop_store(SUB, data_dir=data.path)
