"""Responses in xarray, rsatoolbox and Brain-Score's form, and lazy betas."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.rdm import calc_rdm
from small_responses import NAMES

from laion_fmri import Responses, layout
from laion_fmri.subject import Subject


@pytest.fixture(scope="module")
def averages(sub) -> Responses:
    return sub.get_responses(roi="FFA1")


@pytest.fixture(scope="module")
def single(sub) -> Responses:
    return sub.get_responses(roi="FFA1", average=False)


def test_averages_in_xarray_are_selected_by_image(averages):
    array = averages.to_xarray()
    assert array.dims == ("image", "voxel")
    found = array.sel(image=NAMES["C"])
    row = averages.names.index(NAMES["C"])
    assert np.array_equal(found.values, averages.values[row], equal_nan=True)
    assert found["repeats"] == 2 and found["sessions"] == "ses-01 ses-02"
    v1 = array[:, array["V1v"]]
    assert v1.sizes["voxel"] == averages.voxels["V1v"].sum()
    assert array.attrs["subject"] == "sub-01"
    assert json.loads(array.attrs["left_out"])[0]["kind"] == "roi"


def test_trials_in_xarray_are_grouped_by_image(single, averages):
    array = single.to_xarray()
    assert array.dims == ("trial", "voxel") and array["trial"].values.tolist() == list(range(17))
    means = array.groupby("image").mean("trial")
    expected = averages.to_xarray().sel(image=means["image"].values)
    np.testing.assert_allclose(means.values, expected.values, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # zarr-python, of text in Zarr v3
def test_an_xarray_of_responses_can_be_written(averages, single, tmp_path):
    for number, responses in enumerate((averages, single)):
        array = responses.to_xarray()
        array.to_dataset().to_zarr(tmp_path / f"{number}.zarr")
        read = xr.open_zarr(tmp_path / f"{number}.zarr", chunks=None)["responses"]
        assert np.array_equal(read.values, array.values, equal_nan=True)
        assert read["FFA1"].values.tolist() == array["FFA1"].values.tolist()


def test_rsatoolbox_takes_the_dataset(single):
    good = single.select(voxels=~np.isnan(single.values).any(axis=0))
    dataset = good.to_rsatoolbox()
    assert dataset.descriptors["subject"] == "sub-01"
    assert list(dataset.obs_descriptors["image"]) == list(good.names)
    assert list(dataset.channel_descriptors["i"]) == good.voxels["i"].tolist()
    np.testing.assert_allclose(dataset.measurements, good.values)
    rdm = calc_rdm(dataset, method="euclidean", descriptor="image")
    assert rdm.n_cond == len(NAMES)
    assert len(dataset.split_obs("session")) == 3


def test_assemblies_have_the_names_of_brain_score(averages, single):
    array = single.to_brainscore()
    assert array.dims == ("presentation", "neuroid")
    of_presentation = {n for n, c in array.coords.items() if c.dims == ("presentation",)}
    assert of_presentation == {
        "stimulus_id", "repetition", "subject_id_pres", "session", "run", "beta_index",
    }  # fmt: skip
    of_neuroid = {n for n, c in array.coords.items() if c.dims == ("neuroid",)}
    assert of_neuroid >= {
        "neuroid_id", "subject", "subject_id", "region", "roi", "voxel_index_in_brain_mask",
        "nc_4rep", "nc_12rep",
    }  # fmt: skip
    assert array["stimulus_id"].values.tolist() == list(single.names)
    assert array["repetition"].values.tolist() == (single.images["repeat"] - 1).tolist()
    assert len(set(array["neuroid_id"].values)) == array.sizes["neuroid"]
    expected = np.where(single.voxels["V1v"], "V1", "")
    assert array["region"].values.tolist() == expected.tolist()
    means = averages.to_brainscore()
    assert (means["repetition"] == 0).all() and "session" not in means.coords


def test_lazy_betas_are_those_of_get_betas(sub):
    array = sub.to_xarray(roi="FFA1")
    betas = np.concatenate(list(sub.get_betas(roi="FFA1").values()))
    assert array.shape == betas.shape and array.dtype == np.float32
    assert "values with dtype=float32" in repr(array) and array.attrs["size"].endswith("B")
    assert np.array_equal(array.values, betas, equal_nan=True)
    table = sub.get_responses(average=False).images
    assert array["image"].values.tolist() == table["name"].tolist()
    again = pickle.loads(pickle.dumps(array[2:5]))
    assert np.array_equal(again.values, betas[2:5], equal_nan=True)
    one = sub.to_xarray("ses-10", mask=sub.get_roi_mask("FFA2"))
    assert np.array_equal(one.values, sub.get_betas("ses-10", roi="FFA2"), equal_nan=True)
    assert one["trial"].values.tolist() == [14, 15, 16]


INDEX = (
    st.integers(-3, 2)
    | st.slices(3).filter(
        lambda one: len(range(*one.indices(3)))
    )  # xarray fails on some empty ones
    | st.lists(st.integers(-3, 2), max_size=4)
    | st.lists(st.booleans(), min_size=3, max_size=3).map(lambda one: np.array(one, bool))
)


@settings(max_examples=40)
@given(rows=INDEX, columns=INDEX)
def test_every_index_of_lazy_betas_is_that_of_numpy(sub, rows, columns):
    mask = np.zeros(sub.get_n_voxels(), dtype=bool)
    mask[[0, 9, 20]] = True
    array = sub.to_xarray(["ses-02", "ses-10"], mask=mask)[[8, 0, 5]]
    betas = np.concatenate([sub.get_betas(s, mask=mask) for s in ("ses-02", "ses-10")])[[8, 0, 5]]
    expected = betas[rows, columns] if isinstance(rows, int) else betas[rows][:, columns]
    assert np.array_equal(array[rows, columns].values, expected, equal_nan=True)


def test_only_the_sessions_that_are_needed_are_read(small, tmp_path):
    shutil.copytree(small.path, tmp_path / "data")
    sub = Subject("sub-01", tmp_path / "data")
    array = sub.to_xarray(roi="FFA1")
    expected = sub.get_betas("ses-02", roi="FFA1")
    (tmp_path / "data" / layout.betas("sub-01", "ses-01")).unlink()
    assert np.array_equal(array[8:14].values, expected, equal_nan=True)
