"""An encoding model of the demo dataset finds what was put into it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from laion_fmri import encode, load_subject
from laion_fmri.demo import home, load_truth, profiles, write_demo
from laion_fmri.features import Features, as_features
from laion_fmri.ridge import score as score_of
from laion_fmri.splits import evaluate
from laion_fmri.stimuli.embeddings import Embeddings

SUBJECT = "sub-01"
N_FOLDS = 4
ENOUGH_IMAGES = replace(
    profiles.PROFILES["tiny"],
    name="encoding",
    subjects=(SUBJECT,),
    n_sessions=3,
    n_laion=16,
    n_things=8,
    n_unique=800,
    voxel_mm=5.0,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """The tiny dataset with as many images as a regression needs; its folder and its files."""
    folder = tmp_path_factory.mktemp("encoding")
    with pytest.MonkeyPatch.context() as patch:
        known = {**profiles.PROFILES, ENOUGH_IMAGES.name: ENOUGH_IMAGES}
        patch.setattr(profiles, "PROFILES", known)
        bucket = write_demo(folder / "bucket", profile=ENOUGH_IMAGES.name).path
    patch.setattr(home, "LOCAL_SUBJECTS", (SUBJECT,))
    home.fill_data_dir(home.DemoHome(bucket, folder / "data"))
    patch.undo()
    return bucket, folder / "data"


def test_ridge_regression_reaches_the_known_ceiling_in_each_roi(dataset):
    """Every repeated image is predicted by a model that never saw it.

    The best any model can do is the correlation of the noiseless response, which is known,
    with the same means.
    """
    bucket, data_dir = dataset
    sub, truth = load_subject(SUBJECT, data_dir), load_truth(bucket)
    trials, clip = sub.metadata, sub.embeddings.all("CLIP").astype(np.float64)
    features = (clip - truth.embedding_mean) / truth.embedding_sd
    names, sessions = trials["image_name"].to_numpy(), trials["session"].to_numpy()
    repeated = sorted(set(names[trials["unique_or_shared"] == "shared"]))

    def repeats_averaged(values):
        return np.array([values[names == name].mean() for name in repeated])

    responses, noiseless = {}, {}
    for roi in truth.subjects[SUBJECT].drivers:
        betas = np.concatenate(list(sub.get_betas(mask=truth.voxels(SUBJECT, roi)).values()))
        for session in np.unique(sessions):
            rows = sessions == session
            betas[rows] = (betas[rows] - betas[rows].mean(0)) / betas[rows].std(0)
        betas = betas[:, np.isfinite(betas).all(axis=0)]
        if betas.shape[1]:
            responses[roi] = betas.mean(axis=1)
            noiseless[roi] = repeats_averaged(truth.response(SUBJECT, roi, clip))

    measured = np.column_stack(list(responses.values()))
    predicted = np.zeros(measured.shape)
    for fold in range(N_FOLDS):
        is_test = np.isin(names, repeated[fold::N_FOLDS])
        model = RidgeCV(np.logspace(1, 4, 7), alpha_per_target=True)
        predicted[is_test] = model.fit(features[~is_test], measured[~is_test]).predict(
            features[is_test]
        )
    ratios = {}
    for n, roi in enumerate(responses):
        means = repeats_averaged(measured[:, n])
        best = np.corrcoef(means, noiseless[roi])[0, 1]
        if best > 0.5:
            reached = np.corrcoef(means, repeats_averaged(predicted[:, n]))[0, 1]
            ratios[roi] = reached / best
    assert len(ratios) >= 10
    assert np.median(list(ratios.values())) > 0.92, ratios
    assert min(ratios.values()) > 0.75, ratios


def test_a_split_scores_what_the_known_truth_allows(dataset):
    """Voxel by voxel, against the correlation that the noiseless response has."""
    bucket, data_dir = dataset
    sub, truth = load_subject(SUBJECT, data_dir), load_truth(bucket)
    found = evaluate("random_0", sub, "all", pool=SUBJECT)
    score = found.scores["random_0"]
    averages = sub.get_responses(score.split.test_ids, mask=found.in_mask)
    with Embeddings("all", data_dir) as embeddings:
        clip = embeddings.rows("CLIP", list(averages.names)).astype(np.float64)
    reached, possible, published = [], [], []
    for roi in truth.subjects[SUBJECT].drivers:
        noiseless = truth.response(SUBJECT, roi, clip)
        best = score_of(
            averages.values, np.repeat(noiseless[:, None], averages.values.shape[1], 1)
        )["correlation"]
        use = truth.voxels(SUBJECT, roi)[found.in_mask] & np.isfinite(score.correlation)
        reached.append(score.correlation[use])
        possible.append(best[use])
        published.append(np.sqrt(score.noise_ceiling[use] / 100))
    reached, possible, published = map(np.concatenate, (reached, possible, published))
    clear = possible > 0.2
    assert clear.sum() > 50
    assert 0.72 < reached[clear].mean() / possible[clear].mean() < 1.02
    assert 0.8 < published[clear].mean() / possible[clear].mean() < 1.2


def test_the_model_that_made_the_responses_wins_where_it_drives_them_and_only_there(dataset):
    """A model of each category holds the noiseless responses of its ROIs, and nothing else."""
    bucket, data_dir = dataset
    sub, truth = load_subject(SUBJECT, data_dir), load_truth(bucket)
    clip = as_features("CLIP", data_dir)
    drivers = {roi.replace("-", "") for roi in truth.subjects[SUBJECT].drivers}
    of_model = {}
    for category in ("face", "place", "character", "retinotopy"):
        known = [roi for roi in sub.get_available_rois(category) if roi in drivers]
        if known:
            of_model[category] = known
    models = {
        name: Features.of(
            np.stack([truth.response(SUBJECT, roi, clip.values) for roi in rois], axis=1),
            clip.images,
        )
        for name, rois in of_model.items()
    }
    noise = np.random.default_rng(0).normal(size=(len(clip), 50)).astype(np.float32)
    models["noise"] = Features.of(noise, clip.images)
    voxels = {roi: truth.voxels(SUBJECT, roi) for rois in of_model.values() for roi in rois}
    n_driven = 0
    for name, rois in of_model.items():
        inside = np.logical_or.reduce([voxels[roi] for roi in rois])
        found = encode(models, sub, "random_0", mask=inside, pool=SUBJECT, n_bootstrap=200)
        table = found.table.set_index("model")
        if table["noise_ceiling"][name] < 5:
            continue
        n_driven += 1
        for other in models.keys() - {name}:
            row = found.compare(name, other).table.iloc[0]
            assert row["difference"] > 0 and row["p"] < 0.001, (name, other, row)
            assert row["difference_low"] > 0
            assert row["n_better_b"] <= 0.05 * max(row["n_better_a"], 20)
        null = table.loc["noise"]
        assert null["correlation_low"] - 0.02 < 0 < null["correlation_high"] + 0.02
        share = table["share_of_correlation"][name]
        assert 0.65 < share < 1.2, (name, share)  # few voxels, so a ceiling that is uncertain
    assert n_driven >= 3
