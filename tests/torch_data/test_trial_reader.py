"""Single trials of sessions, from stores and from files."""

from __future__ import annotations

import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from builders import GRID, LABELS, SES, SmallData
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri import layout
from laion_fmri.store.betas_store import drop_store, store_path
from laion_fmri.trials import is_shared
from laion_fmri.zscore import z_scored, z_scored_within

N_TRIALS = {SES: 26, "ses-10": 5}


def filled(path: Path, seed: int = 0) -> SmallData:
    """Two sessions with voxels without an estimate, constant ones, and ones far from 0."""
    data = SmallData(path)
    data.rng = np.random.default_rng(seed)
    data.brain(np.ones(GRID, "u1"))
    data.roi("face", "FFA1", (data.rng.random(GRID) < 0.4).astype("u1"))
    for session, n_trials in N_TRIALS.items():
        stored = data.rng.normal(size=(*GRID, n_trials)).astype("f4")
        stored[data.rng.random(stored.shape) < 0.1] = np.nan
        stored[0, 0, 0], stored[1, 0, 0] = np.nan, 3
        stored[2] += 1000
        data.betas(stored, ses=session)
        data.trials([LABELS[n] for n in data.rng.integers(0, 4, n_trials)], ses=session)
    return data


def built(data: SmallData) -> Path:
    """Stores of all sessions, and the shard of the first."""
    for session in N_TRIALS:
        data.subject.build_store(session)
    folder = store_path(data.path, "sub-01", SES, "anatomical")
    return max(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )


@pytest.fixture
def data(tmp_path):
    pytest.importorskip("torch")
    return filled(tmp_path)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 9),
    stored=st.booleans(),
    zscore=st.sampled_from(["none", "session", "run"]),
    roi=st.sampled_from([None, "FFA1"]),
    stimuli=st.sampled_from([None, "shared"]),
    max_memory_gb=st.sampled_from([0, 1]),
    random=st.randoms(use_true_random=False),
)
def test_any_order_gives_what_whole_sessions_give(
    seed, stored, zscore, roi, stimuli, max_memory_gb, random
):
    pytest.importorskip("torch")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*are read again")
        data = filled(Path(folder), seed)
        sub = data.subject
        expected = []
        for session, betas in sub.get_betas(roi=roi).items():
            table = sub.get_trial_info(session)
            if zscore == "session":
                betas = z_scored(betas)
            if zscore == "run":
                betas = z_scored_within(betas, table["run"])
            expected.append(betas[is_shared(table["label"])] if stimuli else betas)
        if stored:
            built(data)
        ds = sub.to_torch_dataset(
            image=False, roi=roi, stimuli=stimuli, zscore=zscore, max_memory_gb=max_memory_gb
        )
        joined = np.concatenate(expected)
        places = [*range(len(ds)), *range(len(ds))]
        random.shuffle(places)
        for place in places:
            np.testing.assert_allclose(ds[place]["betas"].numpy(), joined[place], rtol=2e-7)


def test_a_trial_is_read_from_a_store_without_the_rest(data):
    """All other trials of the store are destroyed, so reading whole blocks raises an error."""
    betas = data.subject.get_betas(SES)
    shard = built(data)
    ds = data.subject.to_torch_dataset(SES, image=False)
    content = bytearray(shard.read_bytes())
    row_bytes = 64 * 4
    assert betas.shape[1] <= 64  # a single block
    content[: 7 * row_bytes] = bytes(7 * row_bytes)
    shard.write_bytes(content)
    for _ in range(20):
        item = ds[7]["betas"]
        assert np.array_equal(item.numpy(), betas[7], equal_nan=True)
        item.zero_()  # a copy, whatever it was read from
    assert not ds[3]["betas"].any()


def test_betas_from_a_store_need_no_cache(data):
    """The file is destroyed after the store was found fresh, and no memory is allowed."""
    betas = data.subject.get_betas(SES)
    built(data)
    ds = data.subject.to_torch_dataset(SES, image=False, max_memory_gb=0, zscore="session")
    first = ds[0]["betas"]
    data.at(layout.betas("sub-01", SES)).write_bytes(b"")
    got = np.stack([first, *(ds[n]["betas"] for n in range(1, len(ds)))])
    np.testing.assert_allclose(got, z_scored(betas), rtol=1e-6)


def test_an_open_store_stays_readable_when_it_is_removed(data):
    betas = data.subject.get_betas(SES)
    built(data)
    ds = data.subject.to_torch_dataset(SES, image=False)
    for place in range(12):
        ds[place]
    drop_store("sub-01", data_dir=data.path)
    assert np.array_equal(ds[20]["betas"].numpy(), betas[20], equal_nan=True)


def test_a_damaged_store_gives_way_to_the_file(data):
    betas = data.subject.get_betas(SES)
    shard = built(data)
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    ds = data.subject.to_torch_dataset(SES, image=False, zscore="session")
    with pytest.warns(UserWarning, match="store of sub-01 ses-01 is ignored"):
        first = ds[0]["betas"].numpy()
    np.testing.assert_allclose(first, z_scored(betas)[0], rtol=1e-6)


def test_statistics_are_computed_once_and_go_along(data):
    """Afterwards trials are read alone: other trials of the store may be destroyed."""
    betas = data.subject.get_betas(SES)
    shard = built(data)
    ds = data.subject.to_torch_dataset(SES, image=False, zscore="session")
    ds.compute_zscores()
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    again = pickle.loads(pickle.dumps(ds))
    for one in (ds, again):
        np.testing.assert_allclose(one[9]["betas"], z_scored(betas)[9], rtol=1e-6)


def test_an_roi_outside_the_brain_mask(data):
    brain = np.ones(GRID, "u1")
    brain[0] = 0
    data.brain(brain)
    data.roi("face", "FFA2", 1 - brain)
    for _ in range(2):
        ds = data.subject.to_torch_dataset(roi="FFA2", image=False, zscore="session")
        assert [len(ds[place]["betas"]) for place in range(12)] == [0] * 12
        built(data)
