"""Splits compared with each other: measures, terms and identical files."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest

from laion_fmri._errors import CancelledError, InvalidArgumentError, UnknownNameError
from laion_fmri.splits import (
    EmbeddingSpace,
    compare_splits,
    compare_terms,
    identical_images,
    load_split,
    pca_map,
    tsne_map,
)
from laion_fmri.splits.image_map import principal_components
from laion_fmri.splits.terms import differing_terms, term_index
from laion_fmri.stimuli.hub import LocalStimuli


def test_the_table_has_the_measures_of_each_split(tiny_home):
    root = tiny_home.data_dir
    found = compare_splits(["tau", "random_0"], "sub-01", n_draws=20, data_dir=root)
    space, tau = EmbeddingSpace("CLIP", root), load_split("tau", "sub-01", data_dir=root)
    pool = load_split("random_0", "sub-01", data_dir=root)
    kernel = space.kernel([*pool.train_ids, *pool.test_ids])
    one, random = space.compare(tau, kernel), space.random_sides(tau, kernel, n_draws=20)
    row = found.table.loc["tau"]
    assert (row["n_train"], row["n_test"]) == (tau.n_train, tau.n_test)
    assert row["distance_median"] == pytest.approx(np.median(one.distances()))
    assert row["mmd2"] == pytest.approx(one.mmd2)
    against = random.test_mmd2(one)
    assert row["mmd2_ratio"] == pytest.approx(against.ratio)
    assert (row["mmd2_ratio_low"], row["mmd2_ratio_high"]) == pytest.approx(against.interval)
    assert row["distance_p"] == random.test_distance(one).p_value


def test_without_random_splits_only_the_closed_form_is_known(tiny_home):
    found = compare_splits("tau", "sub-01", n_draws=0, data_dir=tiny_home.data_dir)
    assert not found.random
    row = found.table.loc["tau"]
    assert row["mmd2_ratio"] == found.splits["tau"].mmd2_ratio
    assert np.isnan(row["mmd2_p"]) and np.isnan(row["distance_ratio"])


def test_no_split_is_refused(tiny_home):
    with pytest.raises(InvalidArgumentError, match="No split was given"):
        compare_splits([], data_dir=tiny_home.data_dir)


def test_terms_of_a_split_are_counted_in_the_tables(tiny_home):
    split = load_split("random_0", data_dir=tiny_home.data_dir)
    masks = LocalStimuli(tiny_home.data_dir).segmentations.metadata
    nouns = term_index("nouns", LocalStimuli(tiny_home.data_dir))
    noun = masks["noun"].iloc[0]
    counts, n_known = nouns.count(masks["image_name"].unique())
    expected = masks[masks["noun"] == noun]["image_name"].nunique()
    assert counts[nouns.terms.index(noun)] == expected
    assert n_known == masks["image_name"].nunique()
    captions = LocalStimuli(tiny_home.data_dir).captions.metadata
    words = term_index("words", LocalStimuli(tiny_home.data_dir))
    assert set(words.images) == set(captions["image_name"])
    table = compare_terms(split, "words", data_dir=tiny_home.data_dir)
    expected = differing_terms(words, split.train_ids, split.test_ids)
    pd.testing.assert_frame_equal(table, expected)
    with pytest.raises(UnknownNameError, match="verbs"):
        compare_terms(split, "verbs", data_dir=tiny_home.data_dir)  # type: ignore[arg-type]


def test_identical_files_are_found_across_the_sides(tiny_home):
    split = load_split("random_0", data_dir=tiny_home.data_dir)
    assert identical_images(split, data_dir=tiny_home.data_dir) == []
    images = dict.fromkeys((*split.train_ids, *split.test_ids), b"")
    for number, name in enumerate(images):
        images[name] = str(number).encode()
    test, train = split.test_ids[0], split.train_ids[1]
    images[test] = images[train]
    assert identical_images(split, images=images) == [(train, test)]  # type: ignore[arg-type]


def test_principal_components_are_those_of_a_decomposition():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 40)) * np.linspace(5, 0.1, 40)
    scores, explained = principal_components(x.astype(np.float32))
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    for i in range(2):
        assert abs(np.corrcoef(scores[:, i], u[:, i])[0, 1]) > 0.9999
    assert explained == pytest.approx((s**2 / (s**2).sum())[:2], rel=1e-3)
    again, _ = principal_components(x.astype(np.float32))
    assert np.array_equal(scores, again)


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (4, 3)])
def test_few_images_have_two_axes_all_the_same(shape):
    scores, explained = principal_components(np.ones(shape, dtype=np.float32))
    assert scores.shape == (shape[0], 2)
    assert np.all(scores == 0) and np.all(np.array(explained) == 0)


def test_maps_have_the_images_that_have_an_embedding(tiny_home):
    space = EmbeddingSpace("CLIP", tiny_home.data_dir)
    found = pca_map(space, [*space.names[:20], "unknown.jpg"])
    assert found.names == tuple(space.names[:20])
    assert found.xy.shape == (20, 2) and len(found.explained) == 2
    assert pca_map(space).names == tuple(space.names)


def test_t_sne_says_how_far_it_is_and_can_be_cancelled(tiny_home):
    space = EmbeddingSpace("CLIP", tiny_home.data_dir)
    shares: list[float] = []
    found = tsne_map(space, space.names[:40], progress=lambda share, _: shares.append(share))
    assert found.xy.shape == (40, 2) and np.isfinite(found.xy).all() and not found.explained
    assert shares == sorted(shares) and shares[-1] > 0.9
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        tsne_map(space, space.names[:40], cancel=cancel)
