"""Splits in image space: layouts, measures and terms equal what the library gives."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background_job import Job
from laion_fmri.explorer.splits import data as split_data
from laion_fmri.explorer.splits.data import SplitChoice
from laion_fmri.splits import EmbeddingSpace, load_split


@pytest.fixture
def data(tiny_home) -> ExplorerData:
    return ExplorerData(tiny_home.settings)


def test_measures_are_those_of_the_library(data, tiny_home):
    splits = {n: load_split(n, "sub-01", data_dir=tiny_home.data_dir) for n in ("tau", "ood")}
    found = split_data.measured(data, "CLIP", splits)
    space = EmbeddingSpace("CLIP", tiny_home.data_dir)
    pool = load_split("random_0", "sub-01", data_dir=tiny_home.data_dir)
    kernel = space.kernel([*pool.train_ids, *pool.test_ids])
    assert not found.random
    found = split_data.with_random_sides(data, found, splits)
    for name, split in splits.items():
        expected, random = space.compare(split, kernel), space.random_sides(split, kernel)
        assert np.array_equal(found.splits[name].nearest, expected.nearest)
        assert found.splits[name].mmd2 == expected.mmd2
        assert found.random[name].mmd2 == pytest.approx(random.mmd2, rel=1e-4)
        assert found.random[name].nearest.shape[1] == split.n_test


def test_splits_of_the_same_images_and_sizes_share_random_ones(data, tiny_home):
    names = ("tau", "random_0", "cluster_k5_0")
    splits = {n: load_split(n, "shared", data_dir=tiny_home.data_dir) for n in names}
    found = split_data.measured(data, "CLIP", splits)
    random = split_data.with_random_sides(data, found, splits).random
    assert splits["tau"].n_test == splits["random_0"].n_test != splits["cluster_k5_0"].n_test
    assert random["tau"] is random["random_0"] is not random["cluster_k5_0"]


def test_maps_hold_the_pool_or_everything(data):
    split = split_data.chosen_split(data, SplitChoice("sub-01", "tau"))
    pool = split_data.map_images(data, [split], whole_dataset=False)
    assert {*split.train_ids, *split.test_ids} < set(pool)
    assert any("_OOD_" in name for name in pool)
    everything = split_data.map_images(data, [split], whole_dataset=True)
    assert set(everything) == set(data.stimuli().metadata["image_name"])
    found = split_data.pca(data, "CLIP", pool)
    assert found.names == tuple(pool)
    assert found.xy.shape == (len(pool), 2)
    assert split_data.pca(data, "CLIP", pool) is found


def test_a_layout_is_made_once_and_kept(data, tiny_home):
    split = split_data.chosen_split(data, SplitChoice("shared", "random_0"))
    images = split_data.map_images(data, [split], whole_dataset=True)
    job = split_data.tsne(data, "CLIP", images)
    assert isinstance(job, Job)
    assert split_data.tsne(data, "CLIP", images) is job
    wait_for(job)
    assert job.is_done and not job.problem
    assert job.progress == 1
    assert job.result().xy.shape == (len(images), 2)
    assert np.isfinite(job.result().xy).all()
    again = split_data.tsne(data, "CLIP", images)
    assert np.array_equal(again.xy, job.result().xy)
    split_data.map_jobs.clear()  # another server, later
    again = split_data.tsne(data, "CLIP", images)
    assert np.array_equal(again.xy, job.result().xy)
    kept = list((tiny_home.data_dir / ".laion_fmri" / "layouts").iterdir())
    assert [path.suffix for path in kept] == [".npy"]
    kept[0].write_bytes(b"damaged")
    split_data.map_jobs.clear()
    remade = split_data.tsne(data, "CLIP", images)
    assert isinstance(remade, Job)
    wait_for(remade)
    assert np.allclose(remade.result().xy, job.result().xy, atol=1e-3)


def test_a_layout_can_be_stopped(data):
    split = split_data.chosen_split(data, SplitChoice("sub-03", "random_0"))
    images = split_data.map_images(data, [split], whole_dataset=False)[:-1]
    job = split_data.tsne(data, "CLIP", images)
    job.cancel()
    wait_for(job)
    assert job.is_over and not job.is_done and not job.problem
    begun_again = split_data.tsne(data, "CLIP", images)
    assert begun_again is not job
    begun_again.cancel()
    wait_for(begun_again)


def test_a_layout_that_fails_says_so(data, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    split = split_data.chosen_split(data, SplitChoice("sub-03", "random_0"))
    images = split_data.map_images(data, [split], whole_dataset=False)[:-2]
    job = split_data.tsne(data, "CLIP", images)
    wait_for(job)
    assert "could not be made" in job.problem


def test_no_models_where_none_are_local(tmp_path, tiny_home):
    from dataclasses import replace

    nowhere = ExplorerData(replace(tiny_home.settings, data_dir=None))
    empty = ExplorerData(replace(tiny_home.settings, data_dir=tmp_path))
    assert split_data.local_models(nowhere) == split_data.local_models(empty) == []
    assert layout.EMBEDDING_MODELS[0] in split_data.local_models(ExplorerData(tiny_home.settings))


def wait_for(job: Job, seconds: float = 240) -> None:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not job.is_over:
        assert time.monotonic() < deadline, "t-SNE never came to an end"
        pause.wait(0.05)
