"""Reading NIfTI to the last bit, and what damaged files get."""

from __future__ import annotations

import itertools
import random
import threading
from contextlib import closing
from pathlib import Path

import nibabel
import numpy as np
import pytest
from builders import (
    AFFINE,
    GRID,
    SmallData,
    expected_betas,
    gzipped,
    nifti_bytes,
    read_nifti,
    write_nifti,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    UnreadableFileError,
)
from laion_fmri.volumes.grid import Series, read_volume, require_same_grid, write_volume
from laion_fmri.volumes.nifti import PART_BYTES, Grid, Stored, grid_of, read_header

DTYPES = [order + kind for order in "<>" for kind in ("u1", "i2", "i4", "u2", "f4", "f8")]
SCALINGS = st.tuples(
    st.sampled_from([1.0, 2.0, -0.5, 0.1, 1 / 3000, 1e-12, 3e7]),
    st.sampled_from([0.0, 1.0, -10.25, 1e-3, 12345.678]),
) | st.sampled_from([(np.nan, np.nan), (0.0, 0.0), (0.0, np.nan), (np.nan, 3.0)])
GRIDS = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


@st.composite
def stored_numbers(draw, n_axes: int) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(GRIDS) + ((draw(st.integers(1, 5)),) if n_axes == 4 else ())
    return draw(hnp.arrays(dtype, shape))  # NaN, infinities and extremes among them


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("volumes")


@settings(max_examples=100, deadline=None)
@given(
    stored=stored_numbers(4),
    scaling=SCALINGS,
    extension=st.sampled_from([".nii", ".nii.gz"]),
    n_members=st.integers(1, 4),
    part_bytes=st.sampled_from([3, 16, 100, PART_BYTES]),
    data=st.data(),
)
def test_masked_series_are_what_nibabel_and_numpy_give(
    folder, stored, scaling, extension, n_members, part_bytes, data
):
    slope, inter = scaling
    path = write_nifti(folder / f"s{extension}", stored, n_members, slope=slope, inter=inter)
    inside = data.draw(hnp.arrays(bool, stored.shape[:3]))
    expected = expected_betas(path, inside)
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("laion_fmri.volumes.grid.PART_BYTES", part_bytes)
        series = Series.open(path)
        got = series.masked(np.flatnonzero(inside))
        assert got.dtype == np.float32
        assert got.shape == expected.shape
        assert got.tobytes() == expected.tobytes()
        rows = np.flatnonzero(data.draw(hnp.arrays(bool, stored.shape[3])))
        some = series.masked(np.flatnonzero(inside), rows)
    assert some.tobytes() == expected[rows].tobytes()


@settings(max_examples=60, deadline=None)
@given(
    stored=stored_numbers(3),
    scaling=SCALINGS,
    extension=st.sampled_from([".nii", ".nii.gz"]),
)
def test_volumes_are_what_nibabel_gives(folder, stored, scaling, extension):
    slope, inter = scaling
    path = write_nifti(folder / f"v{extension}", stored, slope=slope, inter=inter)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = read_nifti(path)
        got = read_volume(path)
    assert got.values.dtype == expected.dtype
    assert got.values.tobytes() == expected.tobytes()
    assert got.flat.tobytes() == expected.ravel().tobytes()
    assert got.grid.shape == expected.shape
    assert np.array_equal(got.grid.affine, nibabel.load(path).affine)


def test_no_voxels_and_no_volumes(folder):
    path = write_nifti(folder / "n.nii.gz", np.zeros((2, 2, 2, 3), "i2"))
    assert Series.open(path).masked(np.array([], dtype=int)).shape == (3, 0)
    assert Series.open(path).masked(np.arange(8), []).shape == (0, 8)


def test_columns_follow_the_order_asked_for(folder):
    stored = np.arange(24, dtype="i2").reshape(2, 3, 4, 1)
    path = write_nifti(folder / "o.nii", stored)
    voxels = np.array([5, 0, 23, 5])
    assert Series.open(path).masked(voxels)[0].tolist() == stored[..., 0].ravel()[voxels].tolist()


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_a_series_of_no_volumes(folder, extension):
    path = write_nifti(folder / f"z{extension}", np.zeros((2, 3, 4, 0), "i2"))
    assert Series.open(path).masked(np.arange(24)).shape == (0, 24)


def test_reading_that_stops_early_leaves_no_thread(folder, monkeypatch):
    monkeypatch.setattr("laion_fmri.volumes.grid.PART_BYTES", 8)
    path = write_nifti(folder / "e.nii.gz", np.zeros((4, 4, 4, 50), "f4"))
    row = np.empty(64, "f4")
    before = threading.active_count()
    with closing(Series.open(path).fill(np.arange(64), lambda _: row)) as volumes:
        assert next(volumes) == 0
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with pytest.raises(ZeroDivisionError):
        next(Series.open(path).fill(np.arange(64), lambda _: 1 // 0))
    assert threading.active_count() == before


@pytest.mark.parametrize("dtype", ["u1", ">i2", "f4"])
@pytest.mark.parametrize("n_inside", [0, 1, 20, 400])
def test_volumes_that_are_nearly_all_zero(folder, dtype, n_inside):
    rng = np.random.default_rng(n_inside)
    stored = np.zeros(11 * 12 * 13, dtype)
    stored[rng.choice(len(stored), n_inside, replace=False)] = rng.integers(1, 99, n_inside)
    path = write_nifti(folder / "s.nii.gz", stored.reshape(11, 12, 13))
    assert read_volume(path).flat.tobytes() == read_nifti(path).ravel().tobytes()


# --- other forms of the same file -----------------------------------------------------------

TRAILING = [
    b"trailing",
    b"x",
    bytes(600),
    bytes(3) + b"rubbish",
    b"\x1f",
    b"\x1f\x8b",
    b"q" * 300_000,
]


@settings(max_examples=80, deadline=None)
@given(
    stored=stored_numbers(3),
    kind=st.sampled_from([nibabel.Nifti1Image, nibabel.Nifti2Image]),
    extension=st.sampled_from([".nii", ".nii.gz", ".NII.GZ"]),
    ones=st.integers(0, 3),
    n_members=st.integers(1, 3),
    filling=st.sampled_from([0, 700]),
    trailing=st.sampled_from([b"", *TRAILING]),
)
def test_every_form_of_a_map_is_what_nibabel_gives(
    folder, stored, kind, extension, ones, n_members, filling, trailing
):
    image = kind(stored.reshape(stored.shape + (1,) * ones), AFFINE, dtype=stored.dtype)
    data = image.to_bytes()
    if extension != ".nii":
        edges = np.linspace(0, len(data), n_members + 1).astype(int)
        parts = [gzipped(data[a:b]) for a, b in itertools.pairwise(edges)]
        data = bytes(filling).join(parts)
    path = folder / f"form{extension}"
    path.write_bytes(data)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = read_nifti(path)  # of small files, nibabel may read what follows as well
        path.write_bytes(data + trailing)
        got = read_volume(path)
        volumes = kind(stored[..., None], AFFINE, dtype=stored.dtype).to_bytes()
        path.write_bytes(gzipped(volumes) + trailing if extension != ".nii" else volumes)
        series = Series.open(path).masked(np.arange(stored.size))
        expected_series = expected.astype("f4").ravel()
    assert got.values.tobytes() == expected.reshape(stored.shape).tobytes()
    assert series.tobytes() == expected_series.tobytes()


@pytest.mark.parametrize("trailing", TRAILING)
def test_what_follows_a_gzip_hides_no_damage(tmp_path, trailing):
    data = gzipped(nifti_bytes(np.arange(60, dtype="f8").reshape(GRID)))
    path = tmp_path / "v.nii.gz"
    for broken in (data[:-9] + trailing, data[:-8] + b"\1\2\3\4\5\6\7\x08" + trailing):
        path.write_bytes(broken)
        with pytest.raises(DamagedFileError, match="download it again"):
            read_volume(path)


def refusal(path: Path, n_axes: int = 3) -> str:
    """What is said of a file that cannot be read and is not damaged."""
    with pytest.raises(DamagedFileError) as refused:
        Stored.open(path, n_axes)
    assert "elete" not in str(refused.value)
    assert refused.value.problem and refused.value.advice
    return str(refused.value)


def test_files_of_another_form_are_not_called_damaged(tmp_path):
    numbers = np.ones(GRID, "f4")
    nibabel.Nifti1Pair(numbers, AFFINE).to_filename(tmp_path / "p.img")
    nibabel.MGHImage(numbers, AFFINE).to_filename(tmp_path / "m.mgz")
    nibabel.Nifti1Image(numbers, AFFINE).to_filename(tmp_path / "b.nii.bz2")
    for name in ("p.img", "p.hdr", "m.mgz", "b.nii.bz2"):
        assert "neither .nii nor .nii.gz" in refusal(tmp_path / name)
    (tmp_path / "z.nii").write_bytes(gzipped(nifti_bytes(numbers)))
    assert "Rename it to z.nii.gz" in refusal(tmp_path / "z.nii")
    (tmp_path / "n.nii.gz").write_bytes(nifti_bytes(numbers))
    assert "Rename it to n.nii" in refusal(tmp_path / "n.nii.gz")
    for shape in ((*GRID, 2), (*GRID, 1, 2)):
        path = write_nifti(tmp_path / "s.nii", np.zeros(shape, "f4"))
        assert f"of lengths {shape}" in refusal(path)
    assert "not real numbers" in refusal(write_nifti(tmp_path / "c.nii", np.zeros(GRID, "c8")))


# --- affines --------------------------------------------------------------------------------


def with_affine(path: Path, affine: np.ndarray, sform: int, qform: int, zooms=(2, 3, 4)) -> Path:
    image = nibabel.Nifti1Image(np.ones(GRID, "u1"), None)
    image.header.set_zooms(zooms)
    image.header["sform_code"], image.header["qform_code"] = sform, qform
    for row, name in zip(affine, ("srow_x", "srow_y", "srow_z"), strict=False):
        image.header[name] = row
    header = image.header.copy()
    header["magic"], header["vox_offset"] = b"n+1", 352
    path.write_bytes(header.binaryblock + bytes(4) + bytes(60))
    return path


FLAT = AFFINE.copy()
FLAT[:, 2] = FLAT[:, 1]


@pytest.mark.parametrize(
    "affine",
    [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([2, 2, np.inf, 1]), FLAT],
)  # fmt: skip
def test_an_affine_that_places_no_voxels_is_refused(tmp_path, affine):
    path = with_affine(tmp_path / "a.nii", affine, sform=1, qform=0)
    with pytest.raises(DamagedFileError, match="affine does not place voxels") as refused:
        read_volume(path)
    assert "Delete" not in str(refused.value)
    brain = SmallData(tmp_path / "data")
    brain.brain(np.ones(GRID, "u1"), affine=affine)
    with pytest.raises(DamagedFileError, match="affine does not place voxels"):
        brain.subject.get_voxel_coordinates()


def test_without_sform_and_qform_the_voxel_sizes_count_as_in_nibabel(tmp_path):
    path = with_affine(tmp_path / "n.nii", np.full((4, 4), np.nan), sform=0, qform=0)
    got = read_volume(path).grid.affine
    assert np.array_equal(got, nibabel.load(path).affine)
    assert np.array_equal(got, [[-2, 0, 0, 3], [0, 3, 0, -3], [0, 0, 4, -8], [0, 0, 0, 1]])


# --- damage -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole() -> bytes:
    stored = np.random.default_rng(0).normal(size=(*GRID, 6)).astype("f4")
    return nifti_bytes(stored)


def read_all(path: Path) -> np.ndarray:
    series = Series.open(path)
    return series.masked(np.arange(series.grid.n_voxels))


@pytest.mark.parametrize("share", [0, 0.001, 0.02, 0.1, 0.5, 0.9, 0.995, 0.9999])
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
@pytest.mark.parametrize("volumes", [None, [0]])
def test_truncated_files(tmp_path, whole, share, extension, volumes):
    data = gzipped(whole) if extension == ".nii.gz" else whole
    path = tmp_path / f"t{extension}"
    path.write_bytes(data[: min(int(len(data) * share), len(data) - 1)])
    with pytest.raises(DamagedFileError, match="download it again") as caught:
        series = Series.open(path)
        series.masked(np.arange(series.grid.n_voxels), volumes)
        if extension == ".nii":
            read_all(path)  # an uncompressed file may well hold the first volume
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 200])
def test_a_volume_that_is_truncated_after_its_numbers(tmp_path, cut):
    data = gzipped(nifti_bytes(np.arange(60, dtype="f8").reshape(GRID)))
    path = tmp_path / "v.nii.gz"
    path.write_bytes(data[:-cut])
    with pytest.raises(DamagedFileError):
        read_volume(path)


def test_flipped_bits_never_go_unnoticed(tmp_path, whole):
    data = gzipped(whole)
    rng = random.Random(0)
    path = tmp_path / "f.nii.gz"
    intact = nibabel.Nifti1Image.from_bytes(whole)
    expected = np.asarray(intact.dataobj).reshape(-1, 6).T
    for place in [0, 1, 2, 3, *(rng.randrange(10, len(data)) for _ in range(150))]:
        broken = bytearray(data)
        broken[place] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            got = read_all(path)
        except DamagedFileError:
            continue
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_headers_that_lie_never_raise_anything_else(tmp_path, kind):
    whole = kind(np.random.default_rng(0).normal(size=(*GRID, 6)).astype("f4"), AFFINE).to_bytes()
    rng = random.Random(1)
    path = tmp_path / "h.nii"
    for _ in range(300):
        broken = bytearray(whole)
        broken[rng.randrange(352)] = rng.randrange(256)
        path.write_bytes(broken)
        try:
            with np.errstate(all="ignore"):
                got = read_all(path)
        except (DamagedFileError, MemoryError) as error:
            assert isinstance(error, DamagedFileError)
        else:
            inside = np.ones(Series.open(path).grid.shape, bool)
            with np.errstate(all="ignore"):
                # nibabel cannot read a series of no volumes.
                assert not got.size or got.tobytes() == expected_betas(path, inside).tobytes()


@pytest.mark.parametrize("offset", [-1, -(2**63), 2**62])
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_values_that_begin_nowhere(tmp_path, offset, extension):
    data = bytearray(nibabel.Nifti2Image(np.zeros(GRID, "f4"), AFFINE).to_bytes())
    data[168:176] = offset.to_bytes(8, "little", signed=True)
    path = tmp_path / f"o{extension}"
    path.write_bytes(gzipped(bytes(data)) if extension == ".nii.gz" else data)
    with pytest.raises(DamagedFileError):
        read_volume(path)


def test_a_header_that_announces_terabytes_allocates_nothing(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_dtype("f8")
    header.set_data_shape((32000, 32000, 32000))
    header["magic"], header["vox_offset"] = b"n+1", 352
    path = tmp_path / "big.nii.gz"
    path.write_bytes(gzipped(header.binaryblock + bytes(2000)))
    with pytest.raises(DamagedFileError, match="truncated"):
        read_volume(path)


@pytest.mark.parametrize("content", [b"", b"junk" * 200, b"<html>404</html>" * 50])
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_files_of_other_kinds(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_volume(path)
    path.write_bytes(gzipped(content))
    with pytest.raises(DamagedFileError):
        read_volume(path)


def test_axes_and_types_that_are_not_expected(tmp_path):
    with pytest.raises(DamagedFileError, match="3 axes were expected, it has 4"):
        read_volume(write_nifti(tmp_path / "4.nii", np.zeros((2, 2, 2, 2), "f4")))
    with pytest.raises(DamagedFileError, match="4 axes were expected, it has 3"):
        Series.open(write_nifti(tmp_path / "3.nii", np.zeros((2, 2, 2), "f4")))
    with pytest.raises(DamagedFileError, match="not real numbers"):
        read_volume(write_nifti(tmp_path / "c.nii", np.zeros((2, 2, 2), "c8")))


def test_a_folder_in_the_place_of_a_file(tmp_path):
    (tmp_path / "x.nii.gz").mkdir()
    with pytest.raises(UnreadableFileError, match="is a directory"):
        read_volume(tmp_path / "x.nii.gz")


# --- grids and writing --------------------------------------------------------------------


def test_grids():
    here = Grid((2, 3, 4), AFFINE)
    near, far = AFFINE.copy(), AFFINE.copy()
    near[0, 3] += 1e-5
    far[0, 3] += 0.5
    require_same_grid(here, Grid((2, 3, 4), near), Path("a"))
    for other in (Grid((2, 3, 4), far), Grid((4, 3, 2), AFFINE)):
        with pytest.raises(InconsistentDataError, match=r"a\.nii lies on another grid"):
            require_same_grid(here, other, Path("a.nii"))
    assert here.n_voxels == 24


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i2", "i4", "i8", "u8", "f2", "?", ">f4"])
@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_written_volumes_come_back(tmp_path, dtype, name):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = write_volume(tmp_path / name, values, Grid((2, 3, 4), AFFINE))
    assert np.array_equal(read_nifti(path), values)
    assert np.allclose(grid_of(read_header(path), path).affine, AFFINE)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_large_integers_are_written_exactly(tmp_path):
    for top in (2**31 - 1, 2**40 + 1):
        values = np.array([[[0, top]]])
        path = write_volume(tmp_path / "i.nii", values, Grid((1, 1, 2), AFFINE))
        assert np.array_equal(read_nifti(path), values)


def test_nan_is_written_as_nan(tmp_path):
    values = np.array([[[np.nan, 1.5]]], dtype="f4")
    got = read_nifti(write_volume(tmp_path / "n.nii.gz", values, Grid((1, 1, 2), AFFINE)))
    assert got.tobytes() == values.tobytes()


def test_what_cannot_be_written(tmp_path):
    grid = Grid((1, 1, 2), AFFINE)
    with pytest.raises(InvalidArgumentError, match=r"end it in \.nii"):
        write_volume(tmp_path / "x.img", np.zeros((1, 1, 2)), grid)
    with pytest.raises(InvalidArgumentError, match="Make it first"):
        write_volume(tmp_path / "no" / "x.nii", np.zeros((1, 1, 2)), grid)
    with pytest.raises(InvalidArgumentError, match="not real numbers"):
        write_volume(tmp_path / "x.nii", np.array([[["a", "b"]]]), grid)
    assert not list(tmp_path.iterdir())
