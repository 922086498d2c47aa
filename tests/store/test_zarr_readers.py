"""Other readers of Zarr find the same numbers in the stores as this package."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import xarray
import zarr
from builders import AFFINE, GRID, SUB, SmallData, write_nifti
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.store.file import BetasStore, Header, write_store
from laion_fmri.volumes.grid import Series
from laion_fmri.volumes.nifti import Grid

SOURCE = FileFingerprint("any", 1, 2, "3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("zarr")


def by_zarr(path: Path, array: str) -> np.ndarray:
    return zarr.open_group(str(path), mode="r")[array][:]


def by_tensorstore(path: Path, array: str) -> np.ndarray:
    store = {"driver": "file", "path": str(path / array)}
    return tensorstore.open({"driver": "zarr3", "kvstore": store}).result().read().result()


def by_xarray(path: Path, array: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xarray.open_zarr(path, consolidated=True)[array].to_numpy()


READERS = [by_zarr, by_tensorstore, by_xarray]


@settings(max_examples=25, deadline=None)
@given(
    n_trials=st.integers(1, 5),
    n_voxels=st.integers(1, 200),
    width=st.sampled_from([1, 7, 64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_readers_agree_bit_by_bit(folder, n_trials, n_voxels, width, seed):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, (n_voxels, 1, 1, n_trials), dtype=np.uint32)
    bits[rng.random(bits.shape) < 0.3] |= 0x7FC00000  # NaN with any payload
    path = write_nifti(folder / "betas.nii", bits.view("<f4"))
    grid = Grid((n_voxels, 1, 1), AFFINE)
    voxels = np.flatnonzero(rng.random(n_voxels) < 0.9)
    header = Header(SUB, "ses-01", "anatomical", grid, voxels, n_trials, SOURCE, SOURCE, width)
    write_store(folder / "betas.zarr", header, Series.open(path))
    expected = BetasStore.open(folder / "betas.zarr").masked(voxels)
    assert expected.tobytes() == Series.open(path).masked(voxels).tobytes()
    for read in READERS:
        got = read(folder / "betas.zarr", "betas")
        assert (got.shape, got.dtype) == (expected.shape, np.float32)
        assert got.tobytes() == expected.tobytes(), read
        assert np.array_equal(read(folder / "betas.zarr", "voxel"), voxels)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> SmallData:
    data = SmallData(tmp_path_factory.mktemp("data"))
    data.brain()
    for session in ("ses-01", "ses-02"):
        data.betas(ses=session)
        data.trials(ses=session)
    return data


def test_xarray_names_trials_voxels_and_images(data):
    sub = data.subject
    betas = xarray.open_zarr(sub.build_store("ses-01").path).betas
    assert betas.dims == ("trial", "voxel")
    voxels = np.flatnonzero(sub.get_brain_mask())
    assert betas.sel(voxel=voxels[3:5]).to_numpy().tobytes() == (
        sub.get_betas("ses-01")[:, 3:5].tobytes()
    )
    averages = xarray.open_zarr(sub.build_averages().path)
    assert averages["mean"].dims == ("image", "voxel")
    assert averages.repeats.dims == ("image", "session")
    assert [*averages.session.values] == ["ses-01", "ses-02"]
    table = sub.get_trial_info("ses-01")
    assert [*averages.image.values] == [*table["label"]]
    for read in READERS:
        assert np.array_equal(read(sub.build_averages().path, "mean"), averages["mean"])


def test_a_store_of_no_trials_and_one_of_no_voxels_open_too(tmp_path):
    grid = Grid(GRID, AFFINE)
    for name, n_trials, voxels in (("a", 0, np.arange(3)), ("b", 2, np.arange(0))):
        series = Series.open(write_nifti(tmp_path / f"{name}.nii", np.zeros((*GRID, n_trials))))
        header = Header(SUB, "ses-01", "rsquare", grid, voxels, n_trials, SOURCE, SOURCE)
        write_store(tmp_path / name, header, series)
        BetasStore.open(tmp_path / name).verify()
        for read in READERS:
            assert read(tmp_path / name, "betas").shape == (n_trials, len(voxels))


def test_a_changed_value_is_noticed_by_zarr_too(data):
    info = data.subject.build_store("ses-02")
    shard = info.path / "betas/c/0/0"
    content = bytearray(shard.read_bytes())
    content[5] ^= 1
    shard.write_bytes(content)
    for read in (by_zarr, by_tensorstore):
        with pytest.raises(ValueError, match=r"(?i)checksum|digest"):
            read(info.path, "betas")
    data.subject.build_store("ses-02", force=True)
