"""Splits in image space: layouts, measures and terms equal what the library gives."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri.explorer import split_data, split_layouts, split_space
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.split_data import SplitChoice
from laion_fmri.explorer.split_layouts import LayoutJob
from laion_fmri.splits import EmbeddingSpace, load_split


@pytest.fixture
def data(tiny_home) -> ExplorerData:
    return ExplorerData(tiny_home.settings)


def test_principal_components_are_those_of_a_decomposition():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 40)) * np.linspace(5, 0.1, 40)
    places, explained = split_space.principal_components(x.astype(np.float32))
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    for i in range(2):
        assert abs(np.corrcoef(places[:, i], u[:, i])[0, 1]) > 0.9999
    assert explained == pytest.approx((s**2 / (s**2).sum())[:2], rel=1e-3)
    again, _ = split_space.principal_components(x.astype(np.float32))
    assert np.array_equal(places, again)


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (4, 3)])
def test_few_images_have_two_axes_all_the_same(shape):
    places, explained = split_space.principal_components(np.ones(shape, dtype=np.float32))
    assert places.shape == (shape[0], 2)
    assert np.all(places == 0) and np.all(np.array(explained) == 0)


def test_measures_are_those_of_the_library(data, tiny_home):
    splits = {n: load_split(n, "sub-01", data_dir=tiny_home.data_dir) for n in ("tau", "ood")}
    found = split_space.measured(data, "CLIP", splits)
    space = EmbeddingSpace("CLIP", tiny_home.data_dir)
    pool = load_split("random_0", "sub-01", data_dir=tiny_home.data_dir)
    kernel = space.kernel([*pool.train_ids, *pool.test_ids])
    assert found.are_published
    for name, split in splits.items():
        expected = space.compare(split, kernel)
        assert np.array_equal(found.splits[name].nearest, expected.nearest)
        assert found.splits[name].mmd2 == expected.mmd2
    randoms = [load_split(f"random_{i}", "sub-01", data_dir=tiny_home.data_dir) for i in range(5)]
    assert found.random_mmd2 == np.mean([space.compare(s, kernel).mmd2 for s in randoms])


def test_random_draws_keep_images_and_sizes(tiny_home):
    split = load_split("tau", "sub-01", data_dir=tiny_home.data_dir)
    draws = split_space.random_draws(split)
    assert len({draw.test_ids for draw in draws}) == 5
    for draw in draws:
        assert (draw.n_train, draw.n_test) == (split.n_train, split.n_test)
        assert {*draw.train_ids, *draw.test_ids} == {*split.train_ids, *split.test_ids}


def test_maps_hold_the_pool_or_everything(data):
    split = split_data.chosen_split(data, SplitChoice("sub-01", "tau"))
    pool = split_space.map_images(data, [split], everything=False)
    assert {*split.train_ids, *split.test_ids} < set(pool)
    assert any("_OOD_" in name for name in pool)
    everything = split_space.map_images(data, [split], everything=True)
    assert set(everything) == set(data.stimuli().metadata["image_name"])
    found = split_space.pca_map(data, "CLIP", pool)
    assert found.names == tuple(pool)
    assert found.xy.shape == (len(pool), 2)
    assert split_space.pca_map(data, "CLIP", pool) is found


def test_terms_are_those_of_the_tables(data):
    nouns = split_space.noun_index(data)
    table = data.stimuli().segmentations.metadata
    noun = table["noun"].iloc[0]
    names = table["image_name"].unique()
    counts, n_known = nouns.count(names)
    expected = table[table["noun"] == noun]["image_name"].nunique()
    assert counts[nouns.terms.index(noun)] == expected
    assert n_known == len(names)
    words = split_space.word_index(data)
    captions = data.stimuli().captions.metadata
    assert set(words.images) == set(captions["image_name"])


def test_a_layout_is_made_once_and_kept(data, tiny_home):
    split = split_data.chosen_split(data, SplitChoice("shared", "random_0"))
    images = split_space.map_images(data, [split], everything=True)
    job = split_layouts.tsne_map(data, "CLIP", images)
    assert isinstance(job, LayoutJob)
    assert split_layouts.tsne_map(data, "CLIP", images) is job
    wait_for(job)
    assert job.is_done and not job.problem
    assert job.progress == 1
    assert job.result.xy.shape == (len(images), 2)
    assert np.isfinite(job.result.xy).all()
    again = split_layouts.tsne_map(data, "CLIP", images)
    assert np.array_equal(again.xy, job.result.xy)
    split_layouts._jobs.clear()  # another server, later
    again = split_layouts.tsne_map(data, "CLIP", images)
    assert np.array_equal(again.xy, job.result.xy)
    kept = list((tiny_home.data_dir / ".laion_fmri" / "layouts").iterdir())
    assert [path.suffix for path in kept] == [".npy"]
    kept[0].write_bytes(b"damaged")
    split_layouts._jobs.clear()
    remade = split_layouts.tsne_map(data, "CLIP", images)
    assert isinstance(remade, LayoutJob)
    wait_for(remade)
    assert np.allclose(remade.result.xy, job.result.xy, atol=1e-3)


def test_a_layout_can_be_stopped(data):
    split = split_data.chosen_split(data, SplitChoice("sub-03", "random_0"))
    images = split_space.map_images(data, [split], everything=False)[:-1]
    job = split_layouts.tsne_map(data, "CLIP", images)
    job.cancel()
    wait_for(job)
    assert job.is_over and not job.is_done and not job.problem
    begun_again = split_layouts.tsne_map(data, "CLIP", images)
    assert begun_again is not job
    begun_again.cancel()
    wait_for(begun_again)


def test_a_layout_that_fails_says_so(data, monkeypatch):
    monkeypatch.setattr(split_layouts.sys, "executable", "/nonexistent/python")
    split = split_data.chosen_split(data, SplitChoice("sub-03", "random_0"))
    images = split_space.map_images(data, [split], everything=False)[:-2]
    job = split_layouts.tsne_map(data, "CLIP", images)
    wait_for(job)
    assert "could not be made" in job.problem


def test_no_models_where_none_are_local(tmp_path, tiny_home):
    from dataclasses import replace

    nowhere = ExplorerData(replace(tiny_home.settings, data_dir=None))
    empty = ExplorerData(replace(tiny_home.settings, data_dir=tmp_path))
    assert split_space.local_models(nowhere) == split_space.local_models(empty) == []
    assert layout.EMBEDDING_MODELS[0] in split_space.local_models(ExplorerData(tiny_home.settings))


def wait_for(job: LayoutJob, seconds: float = 240) -> None:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not job.is_over:
        assert time.monotonic() < deadline, "t-SNE never came to an end"
        pause.wait(0.05)
