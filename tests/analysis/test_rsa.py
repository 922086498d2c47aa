from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rsatoolbox
from simulated_responses import simulated_responses

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.analysis.distances import squared
from laion_fmri.analysis.rdm_comparison import compare_rdms
from laion_fmri.analysis.rsa import RDM, rdm
from laion_fmri.demo.truth import load_truth
from laion_fmri.features import as_features
from laion_fmri.group import load_subjects
from laion_fmri.subject import load_subject

VALUES = np.random.default_rng(0).standard_normal((6, 12))
NAMES = [f"{i}.jpg" for i in range(6)]


def test_an_array_becomes_an_rdm_of_named_images():
    found = rdm(VALUES, "euclidean", images=NAMES, name="mine")
    assert (found.images, found.name, found.n_channels) == (tuple(NAMES), "mine", 12)
    expected = ((VALUES[:, None] - VALUES[None]) ** 2).mean(axis=2)
    np.testing.assert_allclose(found.square(), expected, atol=1e-12)
    assert repr(found) == "<RDM of mine: euclidean, 6 images, 12 channels>"


def test_a_channel_without_a_value_for_every_image_is_left_out_and_counted():
    values = VALUES.copy()
    values[2, 3], values[:, 7] = np.nan, np.nan
    found = rdm(values)
    assert (found.n_channels, found.n_left_out) == (10, 2)
    np.testing.assert_allclose(found.values, rdm(np.delete(values, [3, 7], axis=1)).values)
    assert "2 left out" in repr(found)


def test_several_become_a_list():
    found = rdm({"a": VALUES, "b": VALUES[:, :5]}, "cosine")
    assert [one.name for one in found] == ["a", "b"]
    assert [one.n_channels for one in rdm([VALUES, VALUES[:, :5]])] == [12, 5]


def test_rsatoolbox_gets_the_same_rdm():
    found = rdm(VALUES, images=NAMES).to_rsatoolbox()
    data = rsatoolbox.data.Dataset(VALUES, obs_descriptors={"image": NAMES})
    theirs = rsatoolbox.rdm.calc_rdm(data, "correlation", descriptor="image")
    np.testing.assert_allclose(found.get_matrices(), theirs.get_matrices())
    assert found.pattern_descriptors["image"] == theirs.pattern_descriptors["image"]


@pytest.mark.parametrize("seed", range(3))
def test_a_selection_has_the_distances_of_its_images(seed):
    rng = np.random.default_rng(seed)
    pairs = rng.random(45)
    whole = RDM(pairs, tuple(f"{i}" for i in range(10)), "x", "cosine")
    rows = rng.permutation(10)[: rng.integers(3, 11)]
    part = whole.select([str(row) for row in rows])
    np.testing.assert_array_equal(part.square(), squared(pairs, 10)[np.ix_(rows, rows)])
    assert whole.select(whole.images) is whole
    with pytest.raises(UnknownNameError, match="Unknown image of the RDM x '11'"):
        whole.select(["1", "2", "11"])


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (VALUES[:2], {}, "at least 3 images; array has 2"),
        (VALUES[:, :1], {}, '1 of the 1 voxels .* metric="correlation" needs at least 2'),
        (np.full((4, 5), np.nan), {}, "0 of the 5 voxels"),
        (np.where(VALUES > 1, np.inf, VALUES), {}, "array has infinite values for"),
        (VALUES[0], {}, r"shape \(12,\)"),
        (VALUES.astype(str), {}, "Real numbers"),
        (VALUES, {"images": NAMES[:4]}, "6 rows, and images= has 4 names"),
        (VALUES, {"images": ["a"] * 6}, "Images have several rows: a"),
        (VALUES, {"metric": "crossnobis"}, "needs single trials"),
        (VALUES, {"noise": "diagonal"}, 'metric="correlation" takes them as they are'),
        (VALUES, {"noise": np.eye(2)}, "Leave noise= out"),
        (VALUES, {"metric": "euclid"}, "Unknown metric 'euclid'. Did you mean 'euclidean'"),
    ],
)
def test_what_gives_no_rdm_is_named(values, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        rdm(values, **options)


def test_an_iterator_is_several_and_values_may_be_a_list():
    assert len(rdm(iter([VALUES, VALUES]))) == len(rdm(one for one in [VALUES, VALUES])) == 2
    made = RDM([1, 2, 3], ["a", "b", "c"], "made", "euclidean")
    assert made.select(["c", "a"]).values.tolist() == [2.0]


@pytest.mark.parametrize("average", [True, False])
def test_an_image_named_twice_is_refused(average):
    responses = simulated_responses(np.eye(5), 0.1, 2, 0, average=average)
    with pytest.raises(InvalidArgumentError, match=r"images= has some twice: 1.jpg"):
        rdm(responses, images=["1.jpg", "0.jpg", "1.jpg", "2.jpg"])


# --- responses and features --------------------------------------------------------------


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(1)
    return simulated_responses(rng.standard_normal((6, 12)), 0.8, [4, 4, 3, 2, 4, 2], 1)


def test_trials_are_averaged_by_image(trials):
    found = rdm(trials, "euclidean")
    table = pd.DataFrame(trials.values).groupby(trials.images["name"].to_numpy(), sort=False).mean()
    assert found.images == tuple(table.index)
    assert found.name == "sub-01"
    np.testing.assert_allclose(found.values, rdm(table.to_numpy(), "euclidean").values, rtol=1e-5)


def test_images_are_chosen_and_ordered(trials):
    names = ["4.jpg", "0.jpg", "3.jpg"]
    found = rdm(trials, images=names)
    assert found.images == tuple(names)
    np.testing.assert_allclose(found.values, rdm(trials).select(names).values, rtol=1e-6)
    with pytest.raises(UnknownNameError, match=r"Unknown image of sub-01 '9.jpg'"):
        rdm(trials, images=[*names, "9.jpg"])


def test_shared_images_are_chosen_as_in_responses(tiny_home):
    sub = load_subject("sub-01", tiny_home.data_dir)
    responses = sub.get_responses(roi="FFA1")
    for group in ("shared", "unique"):
        expected = rdm(sub.get_responses(images=group, roi="FFA1"))
        found = rdm(responses, images=group)
        assert found.images == expected.images
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-6)
    with pytest.raises(InvalidArgumentError, match="sub-01 has 0"):
        rdm(sub.get_responses(images="unique", roi="FFA1"), images="shared")


@pytest.mark.parametrize("folds", ["session", "repeat"])
def test_a_cross_validated_rdm_is_that_of_rsatoolbox(folds):
    trials = simulated_responses(np.random.default_rng(2).standard_normal((5, 9)), 1.0, 4, 2)
    fold = trials.images["session" if folds == "session" else "repeat"].to_numpy()
    data = rsatoolbox.data.Dataset(
        trials.values.astype(float), obs_descriptors={"image": trials.names, "fold": fold}
    )
    theirs = rsatoolbox.rdm.calc_rdm(data, "crossnobis", descriptor="image", cv_descriptor="fold")
    found = rdm(trials, "crossnobis", folds=folds).select([f"{i}.jpg" for i in range(5)])
    np.testing.assert_allclose(found.values, theirs.dissimilarities[0], rtol=1e-6)


def test_one_repeat_where_two_are_needed_is_named():
    one = simulated_responses(np.random.default_rng(3).standard_normal((5, 9)), 1.0, 1, 3)
    with pytest.raises(InvalidArgumentError, match=r"5 of the 5 images of sub-01 .* folds=.repeat"):
        rdm(one, "crossnobis")
    averages = simulated_responses(VALUES, 1.0, 2, 3, average=True)
    with pytest.raises(InvalidArgumentError, match="average=False"):
        rdm(averages, "crossnobis")


def test_features_are_read_by_name(tiny_home):
    clip = as_features("CLIP", tiny_home.data_dir)
    names = clip.images[5:14]
    found = rdm("CLIP", images=names, data_dir=tiny_home.data_dir)
    assert (found.name, found.images) == ("CLIP", tuple(names))
    expected = 1 - np.corrcoef(clip.rows(names).astype(float))
    np.testing.assert_allclose(found.square(), expected, atol=1e-6)
    assert [
        one.name for one in rdm([clip, "DINOv2"], images=names, data_dir=tiny_home.data_dir)
    ] == [
        "CLIP",
        "DINOv2",
    ]


def test_the_model_that_made_the_responses_is_the_most_similar(tiny_home):
    """Each ROI of the demo follows one direction of CLIP: its distances are those along it."""
    truth = load_truth(tiny_home.bucket_dir)
    clip = as_features("CLIP", tiny_home.data_dir)
    sub = load_subject("sub-01", tiny_home.data_dir)
    for roi in ("FFA1", "PPA", "EBA"):
        driven = truth.voxels("sub-01", roi)
        responses = sub.get_responses(mask=driven, images="shared")
        names = responses.names
        directions = {
            one: truth.response("sub-01", one, clip.rows(names))[:, None]
            for one in ("FFA1", "PPA", "EBA", "V1v")
        }
        models = [
            rdm(values, "euclidean", images=names, name=one) for one, values in directions.items()
        ]
        found = compare_rdms(models, rdm(responses, "euclidean"), "pearson", n_bootstrap=50)
        table = found.table.set_index("model")
        assert table["score"].idxmax() == roi
        assert table.loc[roi, "p_value"] < 0.05


def test_a_group_is_compared_in_a_few_lines(tiny_home):
    group = load_subjects("all", tiny_home.data_dir)
    responses = group.get_responses("FFA1")
    brain = rdm(responses)
    models = rdm(["CLIP", "DINOv2"], images=responses.names, data_dir=tiny_home.data_dir)
    table = compare_rdms(models, brain, n_bootstrap=20).table
    assert [one.name for one in brain] == group.names
    assert table["model"].tolist() == ["CLIP", "DINOv2"]
    assert (table["n_subjects"] == len(group)).all()
    assert (table["n_images"] == len(responses.names)).all()
