"""Trials drawn session by session."""

from __future__ import annotations

import warnings
from itertools import groupby
from types import SimpleNamespace

import numpy as np
import pytest
from builders import GRID, LABELS, SmallData
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError

LENGTHS = {"ses-01": 9, "ses-02": 4, "ses-03": 0, "ses-10": 7}


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A dataset of four sessions, one of them empty, with what draws from it."""
    torch = pytest.importorskip("torch")
    from laion_fmri.torch_data import SessionSampler

    data = SmallData(tmp_path_factory.mktemp("sampler"))
    data.brain()
    for session, n_trials in LENGTHS.items():
        data.betas(data.rng.normal(size=(*GRID, max(n_trials, 1))), ses=session)
        data.trials([LABELS[n % 4] for n in range(n_trials)], ses=session)
    trials = data.subject.to_torch_dataset(image=False)
    return SimpleNamespace(data=data, torch=torch, Sampler=SessionSampler, trials=trials)


def order_of(kit, items) -> list[str]:
    return [kit.trials.item_sessions[item] for item in items]


@given(seed=st.integers(0, 1000), subset=st.sets(st.integers(0, 19)))
def test_every_item_once_and_sessions_one_after_another(kit, seed, subset):
    chosen = sorted(subset, key=lambda n: (n * 7) % 20)
    for dataset, of_all in (
        (kit.trials, list(range(20))),
        (kit.torch.utils.data.Subset(kit.trials, chosen), chosen),
    ):
        sampler = kit.Sampler(dataset, seed=seed)
        drawn = list(sampler)
        assert len(sampler) == len(drawn)
        assert sorted(drawn) == list(range(len(dataset)))
        sessions = [name for name, _ in groupby(order_of(kit, [of_all[n] for n in drawn]))]
        assert len(sessions) == len(set(sessions))


def test_epochs(kit):
    sampler = kit.Sampler(kit.trials, seed=3)
    epochs = [list(sampler) for _ in range(20)]
    assert len({tuple(epoch) for epoch in epochs}) == 20
    assert len({order_of(kit, epoch)[0] for epoch in epochs}) == 3  # each session comes first
    sampler.set_epoch(7)
    assert [list(sampler), list(sampler)] == epochs[7:9]
    other = kit.Sampler(kit.trials, seed=4)
    assert list(other) != epochs[0]
    plain = kit.Sampler(kit.trials, shuffle=False)
    assert list(plain) == list(plain) == list(range(20))


def test_places_are_uniform(kit):
    """Each trial of a session is equally often its first: chi squared of 9 with 8 degrees."""
    sampler = kit.Sampler(kit.trials)
    firsts = [next(n for n in sampler if n < 9) for _ in range(900)]
    counts = np.bincount(firsts, minlength=9)
    assert ((counts - 100) ** 2 / 100).sum() < 26.1  # p = 0.001


def test_an_epoch_reads_each_session_once(kit, tmp_path):
    """Each file is destroyed after its first trial, with no memory for another session."""
    data = SmallData(tmp_path)
    data.brain()
    for session in ("ses-01", "ses-02", "ses-03"):
        data.betas(data.rng.normal(size=(*GRID, 6)), ses=session)
        data.trials([LABELS[n % 4] for n in range(6)], ses=session)
    expected = np.concatenate(list(data.subject.get_betas().values()))
    ds = data.subject.to_torch_dataset(image=False, max_memory_gb=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for item in kit.Sampler(ds):
            assert np.array_equal(ds[item]["betas"].numpy(), expected[item])
            data.at(layout.betas("sub-01", ds[item]["session"])).write_bytes(b"")


def test_with_a_loader_of_workers(kit):
    expected = np.concatenate(list(kit.data.subject.get_betas(["ses-01", "ses-02"]).values()))
    things = kit.data.subject.to_torch_dataset(["ses-01", "ses-02"], image=False)
    sampler = kit.Sampler(things)
    loader = kit.torch.utils.data.DataLoader(
        things, batch_size=4, sampler=sampler, num_workers=2, persistent_workers=True
    )
    seen = []
    for _ in range(2):
        batches = list(loader)
        items = kit.torch.cat([batch["trial"] for batch in batches]).tolist()
        assert sorted(items) == list(range(13))
        betas = kit.torch.cat([batch["betas"] for batch in batches]).numpy()
        assert np.array_equal(betas, expected[items])
        sessions = [name for batch in batches for name in batch["session"]]
        assert len([name for name, _ in groupby(sessions)]) == 2
        seen.append(items)
    assert seen[0] != seen[1]


def test_what_cannot_be_drawn_from(kit):
    images = kit.data.subject.to_torch_image_dataset(image=False, session="ses-01")
    for dataset in (images, kit.torch.utils.data.Subset(images, [0]), [1, 2]):
        with pytest.raises(InvalidArgumentError, match="no sessions to draw from"):
            kit.Sampler(dataset)
    for seed in (-1, 0.5, "a", True):
        with pytest.raises(InvalidArgumentError, match="seed="):
            kit.Sampler(kit.trials, seed=seed)
    with pytest.raises(InvalidArgumentError, match="epoch="):
        kit.Sampler(kit.trials).set_epoch(-1)
