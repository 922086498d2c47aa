"""Responses as an object: selections, text, pickles and files."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_responses import NAMES

from laion_fmri import Responses
from laion_fmri._errors import (
    DamagedFileError,
    DataNotFoundError,
    InvalidArgumentError,
    NoMatchingDataError,
    UnknownNameError,
)
from laion_fmri.responses.tables import image_table, left_out_table


@pytest.fixture(scope="module")
def averages(sub) -> Responses:
    return sub.get_responses(["nobody.jpg", *NAMES.values()])


@pytest.fixture(scope="module")
def single(sub) -> Responses:
    return sub.get_responses(average=False)


def require_same(one: Responses, other: Responses) -> None:
    assert type(one) is type(other)
    assert np.array_equal(one.values, other.values, equal_nan=True)
    assert one.values.dtype == other.values.dtype == np.float32
    for name in ("images", "voxels", "left_out"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    for name in ("subject", "is_average", "zscore"):
        assert getattr(one, name) == getattr(other, name)


def test_averages_are_selected_in_the_order_of_the_names(averages):
    asked = [NAMES["C"], "missing.jpg", NAMES["A"], NAMES["C"]]
    found = averages.select(asked)
    assert found.names == (NAMES["C"], NAMES["A"])
    rows = [averages.names.index(name) for name in found.names]
    assert np.array_equal(found.values, averages.values[rows], equal_nan=True)
    assert found.images["repeats"].tolist() == [2, 5]
    assert found.images.index.tolist() == [0, 1]
    assert found.left_out["name"].tolist()[-1] == "missing.jpg"
    assert len(found.left_out) == len(averages.left_out) + 1


def test_trials_keep_their_order(single):
    found = single.select([NAMES["C"], NAMES["A"]])
    wanted = single.images["name"].isin([NAMES["C"], NAMES["A"]])
    assert found.images["trial"].tolist() == single.images.loc[wanted, "trial"].tolist()
    assert np.array_equal(found.values, single.values[wanted], equal_nan=True)


@pytest.mark.parametrize("group", ["shared", "unique"])
def test_groups_of_images_are_selected(averages, single, group):
    for responses in (averages, single):
        found = responses.select(group)
        assert (found.images["shared"] == (group == "shared")).all()
        others = responses.select("unique" if group == "shared" else "shared")
        assert len(found) + len(others) == len(responses)


def test_voxels_are_selected_by_roi_mask_and_place(averages, sub):
    by_roi = averages.select(roi="FFA1")
    read = sub.get_responses(list(NAMES.values()), roi="FFA1")
    assert np.array_equal(by_roi.values, read.values, equal_nan=True)
    pd.testing.assert_frame_equal(by_roi.voxels, read.voxels)
    union = averages.select(roi="FFA")  # of FFA1 and FFA2
    either = averages.voxels["FFA1"] | averages.voxels["FFA2"]
    assert union.voxels["voxel"].tolist() == averages.voxels.loc[either, "voxel"].tolist()
    by_mask = averages.select(voxels=averages.voxels["FFA1"])
    assert np.array_equal(by_mask.values, by_roi.values, equal_nan=True)
    places = averages.select(voxels=[3, -1, 0])
    assert places.voxels["voxel"].tolist() == [3, len(averages.voxels) - 1, 0]
    both = averages.select([NAMES["A"]], roi="FFA1")
    assert both.values.shape == (1, by_roi.values.shape[1])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"images": ["nobody.jpg"]}, NoMatchingDataError),
        ({"images": []}, NoMatchingDataError),
        ({"images": [1]}, InvalidArgumentError),
        ({"roi": "PPA"}, NoMatchingDataError),
        ({"roi": "PPB"}, UnknownNameError),
        ({"voxels": []}, NoMatchingDataError),
        ({"voxels": [10_000]}, InvalidArgumentError),
        ({"voxels": [True]}, InvalidArgumentError),
        ({"voxels": [0.5]}, InvalidArgumentError),
        ({"voxels": [0], "roi": "FFA1"}, InvalidArgumentError),
    ],
)
def test_bad_selections_are_refused(averages, options, error):
    with pytest.raises(error):
        averages.select(**options)


def test_text_says_what_there_is(averages, single):
    n_voxels = len(averages.voxels)
    assert f"8 images × {n_voxels} voxels, z-scored within session" in repr(averages)
    assert f"{len(averages.left_out)} left out" in repr(averages)
    assert "17 trials" in repr(single)
    page = averages._repr_html_()
    for text in ("Images", "ses-01, ses-02, ses-10", "FFA1", "left_out"):
        assert text in page


def test_pickles_are_the_same(averages, single):
    for responses in (averages, single):
        require_same(pickle.loads(pickle.dumps(responses)), responses)


def test_a_file_holds_all_of_it(averages, single, tmp_path):
    for responses in (averages, single):
        path = tmp_path / "new" / "responses.npz"
        responses.save(path)
        require_same(Responses.load(path), responses)
        with np.load(path) as arrays:  # as without this package
            assert np.array_equal(arrays["values"], responses.values, equal_nan=True)
            assert arrays["images/name"].tolist() == list(responses.names)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["responses.npz"]


@settings(max_examples=25)
@given(
    names=st.lists(st.text(st.characters(exclude_characters="\0"), max_size=8), min_size=1,
                   max_size=4, unique=True),
    reasons=st.lists(st.tuples(st.sampled_from(["image", "voxel"]), st.just("a"), st.just("é")),
                     max_size=2),
)  # fmt: skip
def test_every_name_survives_a_file(names, reasons, tmp_path_factory):
    responses = Responses(
        "sub-01",
        np.arange(len(names), dtype=np.float32)[:, None],
        image_table(names, np.ones((len(names), 1), int), ["ses-01"]),
        pd.DataFrame({"i": [1], "FFA1": [True], "ncsnr": np.array([np.nan], np.float32)}),
        left_out_table(reasons),
        zscore="none",
    )
    path = tmp_path_factory.mktemp("saved") / "r.npz"
    responses.save(path)
    require_same(Responses.load(path), responses)


def test_damaged_and_foreign_files_are_told(averages, tmp_path):
    path = tmp_path / "r.npz"
    with pytest.raises(DataNotFoundError, match=r"r\.npz"):
        Responses.load(path)
    averages.save(path)
    whole = path.read_bytes()
    places = [len(whole) // 3, len(whole) - 30]
    for damaged in (
        whole[: len(whole) // 2], b"", b"text",
        *(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :] for at in places),
    ):  # fmt: skip
        path.write_bytes(damaged)
        with pytest.raises(DamagedFileError, match=r"r\.npz"):
            Responses.load(path)
    np.savez(path, values=np.zeros(3))
    with pytest.raises(DamagedFileError, match="no responses"):
        Responses.load(path)
    np.save(tmp_path / "r.npy", np.zeros(3))
    with pytest.raises(DamagedFileError):
        Responses.load(tmp_path / "r.npy")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("format", "x")
    with pytest.raises(DamagedFileError):
        Responses.load(path)
