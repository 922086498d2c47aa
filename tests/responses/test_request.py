"""Responses of a subject, against pandas on its betas and trial tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_responses import NAMES, SHOWN

import laion_fmri
from laion_fmri._errors import (
    DataNotDownloadedError,
    InvalidArgumentError,
    NoMatchingDataError,
    NotEnoughMemoryError,
    UnknownNameError,
)
from laion_fmri.responses import Responses

VOXELS = slice(2, None)  # columns of the table of z-scores


def means(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.drop(columns="session").groupby("image", sort=False).mean()


def test_averages_are_the_means_of_z_scores_over_repeats(sub, trials):
    found = sub.get_responses()
    expected = means(trials)
    assert found.names == tuple(dict.fromkeys(trials["image"]))
    np.testing.assert_allclose(found.values, expected.loc[list(found.names)], atol=1e-6)
    assert found.values.dtype == np.float32
    counts = trials["image"].value_counts()
    assert found.images["repeats"].tolist() == [counts[name] for name in found.names]
    assert found.images.loc[0, "sessions"] == ("ses-01", "ses-02", "ses-10")
    assert found.images["dataset"].tolist() == [
        "LAION", "NSD", "THINGS+", "LAION", "OOD", "LAION", "LAION", "",
    ]  # fmt: skip
    assert found.images["shared"].tolist() == [n.startswith("shared_") for n in found.names]
    assert (found.is_average, found.zscore, found.subject) == (True, "session", "sub-01")


def test_single_trials_are_the_z_scores_of_each_trial(sub, trials):
    found = sub.get_responses(average=False)
    np.testing.assert_allclose(found.values, trials.iloc[:, VOXELS], atol=1e-6)
    table = found.images
    assert table["name"].tolist() == trials["image"].tolist()
    assert table["session"].tolist() == trials["session"].tolist()
    assert table["trial"].tolist() == list(range(len(trials)))
    assert table["session_trial"].tolist() == [n for s in SHOWN.values() for n in range(len(s))]
    assert table["repeat"].tolist() == (trials.groupby("image").cumcount() + 1).tolist()
    runs = pd.concat(sub.get_trial_info().values())["run"]
    assert table["run"].tolist() == runs.tolist()


@pytest.mark.parametrize("average", [True, False])
def test_betas_without_z_scores_are_those_of_get_betas(sub, trials, average):
    found = sub.get_responses(zscore="none", average=average)
    betas = pd.DataFrame(np.concatenate(list(sub.get_betas().values())).astype(np.float64))
    if average:
        betas = betas.groupby(trials["image"], sort=False).mean()
    np.testing.assert_allclose(found.values, betas, rtol=1e-5, atol=1e-6)


def test_z_scores_within_runs_are_over_the_trials_of_each_run(sub):
    found = sub.get_responses(zscore="run", average=False, session="ses-01")
    betas = pd.DataFrame(sub.get_betas("ses-01").astype(np.float64))
    runs = sub.get_trial_info("ses-01")["run"]
    by_run = betas.groupby(runs)
    z = (betas - by_run.transform("mean")) / by_run.transform(lambda one: one.std(ddof=0))
    constant = by_run.transform("nunique") < 2
    np.testing.assert_allclose(found.values, z.where(~constant), rtol=1e-4, atol=1e-4)


def test_z_scores_are_over_all_trials_whatever_the_images(sub, trials):
    some = [NAMES["B"], NAMES["A"]]
    found = sub.get_responses(some)
    assert found.names == tuple(some)
    np.testing.assert_allclose(found.values, means(trials).loc[some], atol=1e-6)


def test_images_that_were_not_shown_and_sessions_without_any_are_listed(sub):
    found = sub.get_responses(["nobody.jpg", NAMES["H"], NAMES["H"]], roi="FFA1")
    assert found.names == (NAMES["H"],)
    rows = {(kind, name) for kind, name, _ in found.left_out.itertuples(index=False)}
    assert {("image", "nobody.jpg"), ("session", "ses-01"), ("session", "ses-02")} <= rows
    assert ("roi", "MT") in rows and "MT" not in found.voxels  # it has a surface alone


@pytest.mark.parametrize("images", ["shared", "unique"])
def test_groups_of_images_go_by_name(sub, images):
    found = sub.get_responses(images)
    shared = [name.startswith("shared_") for name in found.names]
    assert all(shared) if images == "shared" else not any(shared)
    assert len(found) == (3 if images == "shared" else 5)


def test_sessions_may_be_chosen(sub, trials):
    found = sub.get_responses(session=["ses-10", "ses-02"], average=False)
    rows = trials["session"].isin(["ses-10", "ses-02"])
    assert found.images["session"].tolist() == ["ses-10"] * 3 + ["ses-02"] * 6
    assert found.images["trial"].tolist() == [14, 15, 16, 8, 9, 10, 11, 12, 13]
    assert found.images["repeats"].max() == 2 and len(found) == rows.sum()
    by_number = sub.get_responses(session=2)
    assert np.array_equal(
        by_number.values, sub.get_responses(session="ses-02").values, equal_nan=True
    )


def test_voxels_of_an_roi_with_their_table(sub, small):
    found = sub.get_responses(roi="FFA1")
    mask = sub.get_roi_mask("FFA1")
    every = sub.get_responses()
    assert np.array_equal(found.values, every.values[:, mask], equal_nan=True)
    table = found.voxels
    assert table["voxel"].tolist() == np.flatnonzero(mask).tolist()
    np.testing.assert_allclose(table[["x", "y", "z"]], sub.get_voxel_coordinates(roi="FFA1"))
    for desc, column in (
        ("Noiseceiling4rep", "noise_ceiling_4rep"),
        ("Noiseceiling12rep", "noise_ceiling_12rep"),
    ):
        assert table[column].tolist() == sub.get_noise_ceiling(desc=desc, roi="FFA1").tolist()
    ceiling = table["noise_ceiling_12rep"].astype(float)
    np.testing.assert_allclose(
        100 * table["ncsnr"] ** 2 / (table["ncsnr"] ** 2 + 1 / 12), ceiling, rtol=1e-4
    )
    assert found.rois == ["FFA1", "FFA2", "PPA", "V1v"]
    for roi in found.rois:
        assert every.voxels[roi].tolist() == sub.get_roi_mask(roi).tolist()
    places = table[["i", "j", "k"]].to_numpy()
    grid_mask = sub.get_roi_grid_mask("FFA1").reshape(4, 3, 5)
    assert grid_mask[tuple(places.T)].all()
    n_outside = sub.get_roi_grid_mask("FFA1").sum() - mask.sum()
    (reason,) = found.left_out.loc[found.left_out["name"] == "FFA1", "reason"]
    assert n_outside > 0 and reason.startswith(f"{n_outside} of its ")


def test_a_mask_chooses_voxels_as_in_get_betas(sub):
    mask = np.zeros(sub.get_n_voxels(), dtype=bool)
    mask[[1, 5]] = True
    every = sub.get_responses().values
    assert np.array_equal(sub.get_responses(mask=mask).values, every[:, mask], equal_nan=True)


def test_what_nan_does_is_chosen(sub, trials):
    mask = np.zeros(sub.get_n_voxels(), dtype=bool)
    mask[[1, 2]] = True  # voxel 2 has no value in one of the repeats of A
    names = {nan: sub.get_responses(mask=mask, nan=nan) for nan in ("omit", "keep", "drop_voxels")}
    known = trials[(trials["image"] == NAMES["A"]) & trials[2].notna()][2]
    assert len(known) == 4
    np.testing.assert_allclose(names["omit"].values[0, 1], known.mean(), atol=1e-6)
    assert np.isnan(names["keep"].values[0, 1]) and np.isnan(names["keep"].values).sum() == 1
    assert names["drop_voxels"].voxels["voxel"].tolist() == [1]
    assert names["drop_voxels"].left_out["kind"].tolist().count("voxel") == 1
    with pytest.raises(InvalidArgumentError, match=r"1 voxel of 2 .*drop_voxels"):
        sub.get_responses(mask=mask, nan="raise")
    assert sub.get_responses([NAMES["B"]], mask=mask, nan="raise").values.shape == (1, 2)
    single = sub.get_responses(mask=mask, average=False, nan="drop_voxels")
    assert single.values.shape == (17, 1) and not np.isnan(single.values).any()


def test_a_voxel_without_values_has_nan_and_cannot_be_all_there_is(sub):
    mask = np.zeros(sub.get_n_voxels(), dtype=bool)
    mask[[4, 7]] = True  # without values; constant
    assert np.isnan(sub.get_responses(mask=mask).values).all()
    with pytest.raises(NoMatchingDataError, match="no voxel is left"):
        sub.get_responses(mask=mask, nan="drop_voxels")


def test_several_jobs_give_the_same_bits(sub):
    for average in (True, False):
        one = sub.get_responses(average=average).values
        assert np.array_equal(
            sub.get_responses(average=average, n_jobs=2).values, one, equal_nan=True
        )
    betas, parallel = sub.get_betas(), sub.get_betas(n_jobs=-1)
    assert list(parallel) == list(betas)
    for session in betas:
        assert np.array_equal(parallel[session], betas[session], equal_nan=True)


def test_a_request_says_its_size_and_reads_sessions_in_order(sub):
    request = sub.request_responses(roi="FFA1")
    n_voxels = int(sub.get_roi_mask("FFA1").sum())
    assert request.shape == (8, n_voxels) and request.n_bytes == 8 * n_voxels * 4
    assert request.n_bytes_of_reading > request.n_bytes
    assert f"8 images × {n_voxels} voxels" in repr(request)
    seen: list[str] = []
    assert isinstance(request.read(on_session=seen.append), Responses)
    assert seen == sub.get_sessions()
    assert sub.request_responses(average=False).shape == (17, sub.get_n_voxels())


@pytest.mark.parametrize("average", [True, False])
def test_responses_that_do_not_fit_into_memory_are_refused_before_reading(sub, average):
    request = sub.request_responses(average=average)
    huge = replace(request, voxels=np.broadcast_to(np.intp(0), (10**11,)))
    with pytest.raises(NotEnoughMemoryError, match=r"100,000,000,000 voxels.* TB.*fewer voxels"):
        huge.read(on_session=pytest.fail)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"images": []}, NoMatchingDataError, "No image was asked for"),
        ({"images": "nobody.jpg"}, NoMatchingDataError, "nobody.jpg"),
        ({"images": "FFA1"}, NoMatchingDataError, "give an ROI as roi="),
        ({"images": [3]}, InvalidArgumentError, "3"),
        ({"roi": "PPA"}, NoMatchingDataError, "PPA"),
        ({"roi": "PPB"}, UnknownNameError, "PPA"),
        ({"roi": "FFA1", "mask": np.ones(3, bool)}, InvalidArgumentError, "not both"),
        ({"mask": np.ones(3, bool)}, InvalidArgumentError, "3"),
        ({"zscore": "trial"}, UnknownNameError, "session"),
        ({"zscore": None}, UnknownNameError, "none"),
        ({"nan": "zero"}, UnknownNameError, "omit"),
        ({"session": "ses-77"}, DataNotDownloadedError, "ses-77"),
        ({"session": []}, InvalidArgumentError, "empty list of sessions"),
        ({"average": "no"}, InvalidArgumentError, "average='no'"),
        ({"average": None}, InvalidArgumentError, "neither True nor False"),
        ({"mask_source": "bold"}, UnknownNameError, "anatomical"),
        ({"n_jobs": 0}, InvalidArgumentError, "n_jobs=0"),
        ({"n_jobs": "two"}, InvalidArgumentError, "two"),
    ],
)
def test_bad_arguments_are_named(sub, options, error, text):
    with pytest.raises(error, match=text):
        sub.get_responses(**options)


def test_the_demo_has_the_same_averages_by_pandas(tiny_home):
    sub = laion_fmri.load_subject("sub-01", tiny_home.data_dir)
    found = sub.get_responses(roi="face")
    mask = sub.get_roi_mask("face")
    parts = []
    for session, table in sub.get_trial_info().items():
        values = pd.DataFrame(sub.get_betas(session)[:, mask].astype(np.float64))
        parts.append(((values - values.mean()) / values.std(ddof=0)).assign(image=table["label"]))
    expected = pd.concat(parts).groupby("image").mean().loc[list(found.names)]
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    metadata = sub.metadata.drop_duplicates("image_name").set_index("image_name")
    known = metadata.loc[list(found.names)]
    assert found.images["dataset"].tolist() == known["dataset"].tolist()
    assert found.images["shared"].tolist() == (known["unique_or_shared"] == "shared").tolist()
