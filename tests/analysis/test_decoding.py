from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from simulated_responses import simulated_responses
from sklearn.linear_model import Ridge

from laion_fmri._errors import InvalidArgumentError, NoMatchingDataError, UnknownNameError
from laion_fmri.analysis.decoding import decode, ranks_of
from laion_fmri.features import Features
from laion_fmri.subject import load_subject

N_TRAIN, N_TEST = 60, 25
NAMES = [f"{i}.jpg" for i in range(N_TRAIN + N_TEST)]
SPLIT = NAMES[:N_TRAIN], NAMES[N_TRAIN:]


def _dataset(seed=0, noise=1.0, n_features=12, n_voxels=80):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((len(NAMES), n_features))
    signal = values @ rng.standard_normal((n_features, n_voxels)) / np.sqrt(n_features)
    responses = simulated_responses(signal, noise, 4, seed, average=True)
    return responses, Features.of(values, NAMES, name="mine")


@given(
    st.integers(1, 12).flatmap(
        lambda n: hnp.arrays(float, (3, n), elements=st.floats(-1, 1, allow_subnormal=False))
    )
)
def test_ranks_are_those_of_scipy(similarity):
    np.testing.assert_array_equal(ranks_of(similarity), stats.rankdata(-similarity, axis=1))


def test_predictions_are_those_of_scikit_learn():
    responses, features = _dataset()
    found = decode(responses, features, SPLIT, penalties=[30.0])
    train, test = responses.values[:N_TRAIN], responses.values[N_TRAIN:]
    mean, sd = train.mean(axis=0), train.std(axis=0)
    y = features.values[:N_TRAIN]
    model = Ridge(30.0).fit((train - mean) / sd, (y - y.mean(axis=0)) / y.std(axis=0))
    expected = model.predict((test - mean) / sd)
    np.testing.assert_allclose(found.predicted, expected, atol=1e-4)
    true = (features.values[N_TRAIN:] - y.mean(axis=0)) / y.std(axis=0)
    similarity = np.array([[np.corrcoef(a, b)[0, 1] for b in true] for a in expected])
    expected_rank = [1 + (row > row[i]).sum() for i, row in enumerate(similarity)]
    np.testing.assert_array_equal(found.rank, expected_rank)
    assert (found.n_train, found.n_voxels, found.candidates) == (N_TRAIN, 80, found.images)


def test_images_are_retrieved_from_responses_to_them():
    table = decode(*_dataset(), SPLIT).table.set_index("measure")
    assert table.loc["top-1", "value"] > 0.7
    assert table.loc["median rank", "value"] == 1
    assert (table["p_value"] < 0.01).all()
    assert table["chance"].tolist() == [1 / 25, 5 / 25, 13]
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert table.loc["top-1", "low"] > table.loc["top-1", "chance"]


def test_nothing_is_retrieved_by_chance():
    """Features of other images: 40 datasets, 5 % of p-values below 0.05, accuracies at chance."""
    accuracies, p_values, covered = [], [], []
    for seed in range(40):
        responses, features = _dataset(seed)
        order = np.random.default_rng(seed + 100).permutation(len(NAMES))
        shuffled = Features.of(features.values[order], NAMES, name="shuffled")
        row = decode(responses, shuffled, SPLIT).summary(n_resamples=500).set_index("measure")
        row = row.loc["top-5"]
        accuracies.append(row["value"])
        p_values.append(row["p_value"])
        covered.append(row["low"] <= row["chance"] <= row["high"])
    assert np.mean(accuracies) == pytest.approx(0.2, abs=0.05)
    assert np.sum(np.array(p_values) < 0.05) <= 6  # P(more of 40) = 0.003
    assert np.mean(covered) >= 0.85


def test_more_candidates_make_it_harder():
    responses, features = _dataset(noise=2.0)
    few = decode(responses, features, SPLIT)
    many = decode(responses, features, SPLIT, candidates=NAMES[:N_TRAIN])
    assert many.candidates == (*SPLIT[1], *SPLIT[0])
    assert (many.rank >= few.rank).all()
    assert many.rank.mean() > few.rank.mean()
    assert many.table["chance"].tolist() == [1 / 85, 5 / 85, 43]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_the_order_of_rows_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    responses, features = _dataset()
    found = decode(responses, features, SPLIT, selection="loo")
    order = rng.permutation(len(NAMES))
    again = decode(
        replace(
            responses,
            values=responses.values[order],
            images=responses.images.iloc[order].reset_index(drop=True),
        ),
        features.select([NAMES[i] for i in rng.permutation(len(NAMES))]),
        SPLIT,
        selection="loo",
    )
    np.testing.assert_allclose(found.rank, again.rank)


def test_trials_are_averaged_and_missing_values_left_out():
    rng = np.random.default_rng(5)
    values = rng.standard_normal((len(NAMES), 6))
    signal = values @ rng.standard_normal((6, 30))
    trials = simulated_responses(signal, 1.0, 3, 5)
    trials.values[trials.images["name"] == "7.jpg", 4] = np.nan
    averages = simulated_responses(signal, 1.0, 3, 5, average=True)
    averages.values[7, 4] = np.nan
    with pytest.warns(UserWarning, match="1 of 7 columns"):
        features = Features.of(np.hstack([values, np.ones((len(NAMES), 1))]), NAMES, name="mine")
    found = [decode(one, features, SPLIT) for one in (trials, averages)]
    assert found[0].n_voxels == found[1].n_voxels == 29
    assert found[0].predicted.shape == (N_TEST, 6)  # without the constant feature
    np.testing.assert_allclose(found[0].predicted, found[1].predicted, atol=1e-4)


def test_a_subject_is_decoded_on_a_published_split(tiny_home):
    """The tiny demo has 2 training images of the pool, so the split is one of all its images."""
    sub = load_subject("sub-01", tiny_home.data_dir)
    responses = sub.get_responses(roi="place")
    names = list(responses.names)
    found = decode(responses, "CLIP", (names[::2], names[1::2]), data_dir=tiny_home.data_dir)
    assert found.features == "CLIP"
    assert found.rank.shape == (len(names) // 2,)
    assert "CLIP" in repr(found)
    assert "median rank" in found._repr_html_()


def test_what_is_not_used_is_said():
    responses, features = _dataset()
    some = features.select([name for name in NAMES if name not in ("3.jpg", "70.jpg")])
    split = [*SPLIT[0], "never.jpg"], SPLIT[1]
    with pytest.raises(InvalidArgumentError, match=r"'mine' lack 2 of 85 images: 3.jpg"):
        decode(responses, some, split)
    found = decode(responses, some, split, missing="omit")
    assert found.left_out == {"not shown": ("never.jpg",), "no features": ("3.jpg", "70.jpg")}
    assert (found.n_train, len(found.images)) == (N_TRAIN - 1, N_TEST - 1)


def test_what_cannot_be_decoded_is_named():
    responses, features = _dataset()
    no_values = replace(responses, values=np.full_like(responses.values, np.nan))
    for error, message, options in [
        (NoMatchingDataError, "1 test images of own split", {"split": (SPLIT[0], ["80.jpg", "x"])}),
        (NoMatchingDataError, "0 training images", {"split": ([], SPLIT[1])}),
        (InvalidArgumentError, "2 images are on both sides", {"split": (NAMES[:9], NAMES[7:])}),
        (InvalidArgumentError, "None of the 80 voxels", {"responses": no_values}),
        (InvalidArgumentError, "a pair", {"split": NAMES}),
        (InvalidArgumentError, "penalties", {"penalties": [0]}),
        (UnknownNameError, "selection", {"selection": "cv"}),
        (UnknownNameError, "tau_1", {"split": "tau_1"}),
        (InvalidArgumentError, "x.jpg", {"candidates": ["x.jpg"]}),
        (InvalidArgumentError, "Responses were expected", {"responses": responses.values}),
    ]:
        with pytest.raises(error, match=message):
            decode(**{"responses": responses, "features": features, "split": SPLIT, **options})
    found = decode(responses, features, SPLIT)
    for options in (
        {"confidence": 95},
        {"n_resamples": 0},
        {"n_resamples": 1.5},
        {"seed": -1},
        {"seed": "a"},
    ):
        with pytest.raises(InvalidArgumentError, match=next(iter(options))):
            found.summary(**options)
