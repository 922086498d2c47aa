"""Trials as a PyTorch dataset."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from builders import GRID, LABELS, SES, SmallData, picture

from laion_fmri import layout
from laion_fmri._errors import (
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    MissingDependencyError,
    NoMatchingDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.features import Features, register_features
from laion_fmri.subject import load_subject
from laion_fmri.zscore import z_scored

SECOND = [LABELS[3], LABELS[0], LABELS[0]]
ALL = [*LABELS, *SECOND]
REDS = {LABELS[2]: 0, LABELS[1]: 1, LABELS[0]: 2, LABELS[3]: 3}


def test_without_torch_the_error_names_the_extra(tmp_path):
    code = """
import sys
sys.modules["torch"] = None
from laion_fmri.subject import Subject
from pathlib import Path
try:
    Subject("sub-01", Path(sys.argv[1])).to_torch_dataset(session="ses-01")
except ImportError as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert run.stdout.startswith(MissingDependencyError.__name__)
    assert 'pip install "laion-fmri-explorer[torch]"' in run.stdout


def brightness(picture) -> float:
    """A transform that a spawned worker can find."""
    return float(picture.getpixel((0, 0))[0])


def test_items(torch, small):
    ds = small.subject.to_torch_dataset(roi="FFA1")
    betas = np.concatenate(list(small.subject.get_betas(roi="FFA1").values()))
    assert isinstance(ds, torch.utils.data.Dataset)
    assert len(ds) == 7
    for trial, item in enumerate(ds):
        assert list(item) == [
            "betas", "image", "image_name", "rep_index", "session", "trial",
        ]  # fmt: skip
        assert item["betas"].dtype == torch.float32
        assert np.array_equal(item["betas"].numpy(), betas[trial])
        assert item["image_name"] == ALL[trial]
        assert item["rep_index"] == ALL[:trial].count(ALL[trial])
        assert item["session"] == ("ses-01" if trial < 4 else "ses-10")
        assert item["trial"] == trial
        assert item["image"].dtype == torch.float32
        assert item["image"].shape == (3, 6, 6)
        colour = np.array([REDS[ALL[trial]], 0, 9], "f4")
        np.testing.assert_allclose(item["image"][:, 0, 0].numpy() * 255, colour, rtol=1e-6)
    assert torch.equal(ds[-1]["betas"], ds[6]["betas"])
    assert ds[np.int64(2)]["trial"] == 2
    for outside in (7, -8):
        with pytest.raises(IndexError, match="Item"):
            ds[outside]
    assert repr(ds) == "<LaionFMRIDataset of sub-01: 7 trials of ses-01, ses-10>"


def test_sessions_and_stimuli_choose_items(torch, small):
    sub = small.subject
    second = sub.to_torch_dataset(session="ses-10")
    assert [item["trial"] for item in second] == [4, 5, 6]
    assert second.trials["label"].tolist() == SECOND
    assert second.trials.index.tolist() == [4, 5, 6]
    both = sub.to_torch_dataset(session=["10", "01", "10"], stimuli="shared")
    assert [item["trial"] for item in both] == [5, 6, 0, 2]
    expected = [sub.get_betas(ses, stimuli="shared") for ses in ("ses-10", SES)]
    got = np.stack([item["betas"].numpy() for item in both])
    assert np.array_equal(got, np.concatenate(expected))
    assert len(sub.to_torch_dataset(session=[SES], stimuli="unique")) == 2


def test_voxels_as_in_get_betas(torch, small):
    sub = small.subject
    small.rsquare((small.rng.random(GRID) < 0.5).astype("f4"))
    for options in (
        {"nc_threshold": 20.0, "roi": ["FFA1"]},
        {"mask": sub.get_roi_mask("FFA1")},
        {"mask_source": "rsquare", "roi": iter(["FFA1", "face"])},
    ):
        ds = sub.to_torch_dataset(SES, **options)
        given = {**options, "roi": "FFA1"} if "roi" in options else options
        assert np.array_equal(ds[3]["betas"].numpy(), sub.get_betas(SES, **given)[3])
    with pytest.raises(InvalidArgumentError, match="would differ in length"):
        sub.to_torch_dataset(nc_threshold=20.0)


def test_what_is_done_to_an_item_stays_there(torch, small):
    ds = small.subject.to_torch_dataset(SES)
    before = ds[0]["betas"].clone()
    ds[0]["betas"].zero_()
    assert torch.equal(ds[0]["betas"], before)


def test_nothing_is_read_before_it_is_needed(torch, small):
    whole = small.at(layout.betas("sub-01", "ses-10")).read_bytes()
    small.at(layout.betas("sub-01", "ses-10")).write_bytes(whole[: len(whole) // 2])
    ds = small.subject.to_torch_dataset()
    assert ds[0]["session"] == "ses-01"
    with pytest.raises(OSError, match="ses-10"):
        ds[5]


def test_without_images(torch, small):
    small.at(layout.STIMULI_IMAGES).unlink()
    with pytest.raises(StimuliNotDownloadedError, match=r"stimuli\.h5.*download_stimuli"):
        small.subject.to_torch_dataset(SES)
    small.at(layout.STIMULI_METADATA).unlink()
    with pytest.raises(StimuliNotDownloadedError, match="download_stimuli"):
        small.subject.to_torch_dataset(SES)
    ds = small.subject.to_torch_dataset(SES, image=False)
    assert list(ds[0]) == ["betas", "image_name", "rep_index", "session", "trial"]


def test_what_cannot_be_made_a_dataset(torch, small, tmp_path):
    sub = small.subject
    with pytest.raises(DataNotDownloadedError, match="ses='ses-09'"):
        sub.to_torch_dataset(session=["ses-01", "ses-09"])
    with pytest.raises(InvalidArgumentError, match="session identifier"):
        sub.to_torch_dataset(session=1.5)
    with pytest.raises(DataNotDownloadedError, match="fetches one"):
        sub.to_torch_dataset(session=[])
    with pytest.raises(DataNotDownloadedError, match="fetches one"):
        SmallData(tmp_path / "empty").subject.to_torch_dataset()
    with pytest.raises(UnknownNameError, match="FFA9"):
        sub.to_torch_dataset(SES, roi="FFA9")[0]
    small.metadata([LABELS[2], LABELS[1], LABELS[0], "other.jpg"])
    with pytest.raises(InconsistentDataError, match=r"1 images shown .*unique_THINGS_whisk"):
        sub.to_torch_dataset(SES)


def test_a_session_that_changed_since(torch, small):
    ds = small.subject.to_torch_dataset("ses-10")
    small.betas()
    small.betas(small.rng.normal(size=(*GRID, 2)), ses="ses-10")
    small.trials(SECOND[:2], ses="ses-10")
    with pytest.raises(InconsistentDataError, match="Make the dataset again"):
        ds[0]


def test_sessions_without_trials(torch, small):
    small.betas(small.rng.normal(size=(*GRID, 1)), ses="ses-02")
    small.trials([], ses="ses-02")
    ds = small.subject.to_torch_dataset()
    assert [item["trial"] for item in ds] == list(range(7))
    assert len(small.subject.to_torch_dataset("ses-02")) == 0


def test_betas_beyond_the_memory_are_read_again(torch, small):
    ds = small.subject.to_torch_dataset(max_memory_gb=1e-7)
    expected = [item["betas"] for item in small.subject.to_torch_dataset()]
    assert torch.equal(ds[0]["betas"], expected[0])
    assert torch.equal(ds[6]["betas"], expected[6])
    for place, again in ((1, "ses-01"), (5, "ses-10")):
        with pytest.warns(UserWarning, match=f"those of {again} were dropped and are read") as said:
            assert torch.equal(ds[place]["betas"], expected[place])
        assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in small.subject.to_torch_dataset():
            pass


@pytest.mark.parametrize("start, used_before", [("fork", False), ("fork", True), ("spawn", True)])
def test_several_workers(torch, small, start, used_before):
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} here")
    ds = small.subject.to_torch_dataset(roi="FFA1", image_transform=brightness)
    if used_before:  # HDF5 files are open and betas kept in the parent
        assert ds[5]["image"] == REDS[ALL[5]]
    loader = torch.utils.data.DataLoader(
        ds, batch_size=2, num_workers=2, multiprocessing_context=start, persistent_workers=True
    )
    betas = np.concatenate(list(small.subject.get_betas(roi="FFA1").values()))
    for _ in range(2):
        batches = list(loader)
        assert [len(batch["image_name"]) for batch in batches] == [2, 2, 2, 1]
        assert np.array_equal(torch.cat([batch["betas"] for batch in batches]).numpy(), betas)
        assert [label for batch in batches for label in batch["image_name"]] == ALL
        assert torch.cat([batch["trial"] for batch in batches]).tolist() == list(range(7))
        assert torch.cat([batch["image"] for batch in batches]).tolist() == [REDS[n] for n in ALL]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_pool_reads_what_the_parent_has_touched(torch, small):
    """Images must be large: torch works on small ones with a single thread."""
    small.images([picture(colour=(red, 0, 9), size=1000) for red in REDS.values()])
    ds = small.subject.to_torch_dataset(roi="FFA1")
    expected = [round(255 * float(ds[place]["image"].numpy()[0].max())) for place in range(len(ds))]

    global read_red  # a pool finds it by its name, in the forked process too

    def read_red(place: int) -> int:
        return round(255 * float(ds[place]["image"].numpy()[0].max()))

    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(read_red, range(len(ds))).get(timeout=60) == expected


def test_errors_come_back_from_workers(torch, small):
    whole = small.at(layout.betas("sub-01", "ses-10")).read_bytes()
    small.at(layout.betas("sub-01", "ses-10")).write_bytes(whole[: len(whole) // 2])
    loader = torch.utils.data.DataLoader(small.subject.to_torch_dataset("ses-10"), num_workers=1)
    with pytest.raises(Exception, match="cannot be read"):
        list(loader)


def test_a_pickled_dataset_takes_no_betas_along(torch, small):
    ds = small.subject.to_torch_dataset()
    empty = len(pickle.dumps(ds))
    expected = ds[3]["betas"]
    assert len(pickle.dumps(ds)) == empty
    assert torch.equal(pickle.loads(pickle.dumps(ds))[3]["betas"], expected)


def test_many_threads(torch, small):
    ds = small.subject.to_torch_dataset(max_memory_gb=1e-7)
    expected = [item["betas"] for item in small.subject.to_torch_dataset()]
    wrong: list[int] = []

    def read(first: int) -> None:
        for step in range(21):
            place = (first * 3 + step * 2) % 7
            if not torch.equal(ds[place]["betas"], expected[place]):
                wrong.append(place)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_split_chooses_items(torch, tiny_bucket, tmp_path):
    from local_copy import copy_local

    from laion_fmri.splits import get_split_masks

    copy_local(tiny_bucket, tmp_path, ["sub-03"])
    sub = load_subject("sub-03", tmp_path)
    ds = sub.to_torch_dataset(roi="visual")
    item = ds[0]
    assert item["image"].shape == (3, 1000, 1000)
    expected = np.asarray(sub.images.get(0)).transpose(2, 0, 1)
    np.testing.assert_allclose(item["image"].numpy() * 255, expected, rtol=1e-5)
    train, test = get_split_masks(ds.trials, "random_0", pool="shared", data_dir=tmp_path)
    chosen = torch.utils.data.Subset(ds, np.flatnonzero(test))
    assert 0 < len(chosen) < train.sum()
    assert [item["trial"] for item in chosen] == np.flatnonzero(test).tolist()


# --- embeddings ---------------------------------------------------------------------------


def test_embeddings_are_those_of_the_image(torch, small):
    clip = small.embeddings(LABELS[::-1])
    dino = small.embeddings(LABELS, "DINOv2")
    ds = small.subject.to_torch_dataset(embeddings="CLIP", image=False)
    for place, name in enumerate(ALL):
        found = ds[place]["embeddings"]
        assert found.dtype == torch.float32
        assert np.array_equal(found.numpy(), clip[LABELS[::-1].index(name)])
    assert ds.left_out.empty
    both = small.subject.to_torch_dataset(embeddings=["DINOv2", "CLIP"], image=False)
    batch = next(iter(torch.utils.data.DataLoader(both, 7)))
    assert list(batch["embeddings"]) == ["DINOv2", "CLIP"]
    assert np.array_equal(
        batch["embeddings"]["DINOv2"].numpy(), dino[[LABELS.index(name) for name in ALL]]
    )
    ds[0]["embeddings"].zero_()
    assert ds[0]["embeddings"].any()


def test_registered_features_are_embeddings_too(torch, small):
    values = np.arange(8.0).reshape(4, 2)
    register_features("mine", Features.of(values, LABELS, "mine"), data_dir=small.path)
    ds = small.subject.to_torch_dataset("ses-10", embeddings="mine", image=False)
    assert [item["embeddings"].tolist() for item in ds] == [[6, 7], [0, 1], [0, 1]]


def test_images_without_an_embedding(torch, small):
    """One has no row, another is marked as invalid."""
    small.embeddings(LABELS[1:], valid=[True, True, False])
    sub = small.subject
    with pytest.raises(InvalidArgumentError, match=r"2 of 4 images have no .* by CLIP \(first: sh"):
        sub.to_torch_dataset(embeddings="CLIP", image=False)
    with pytest.warns(UserWarning, match="2 of 4 images .* are left out") as said:
        ds = sub.to_torch_dataset(
            embeddings="CLIP", image=False, without_embedding="leave_out", zscore="session"
        )
    assert said[0].filename == __file__
    assert ds.left_out["name"].tolist() == [LABELS[0], LABELS[3]]
    assert set(ds.left_out["reason"]) == {"no embedding by CLIP"}
    assert [item["trial"] for item in ds] == ds.trials.index.tolist() == [1, 2]
    whole = z_scored(sub.get_betas(SES))  # over all trials
    np.testing.assert_allclose(np.stack([item["betas"] for item in ds]), whole[1:3], rtol=1e-6)
    with pytest.raises(NoMatchingDataError, match="no item is left"):
        sub.to_torch_dataset("ses-10", embeddings="CLIP", without_embedding="leave_out")
    with pytest.raises(UnknownNameError, match="without_embedding"):
        sub.to_torch_dataset(embeddings="CLIP", without_embedding="drop")
    with pytest.raises(UnknownNameError, match="CLOP"):
        sub.to_torch_dataset(embeddings="CLOP")
    with pytest.raises(InvalidArgumentError, match="at least one"):
        sub.to_torch_dataset(embeddings=[])
    with pytest.raises(StimuliNotDownloadedError, match="DINOv2"):
        sub.to_torch_dataset(embeddings="DINOv2")
    with pytest.raises(UnknownNameError, match="zscore"):
        sub.to_torch_dataset(zscore="trial")


# --- images -------------------------------------------------------------------------------


def test_items_of_images(torch, small):
    clip = small.embeddings()
    ds = small.subject.to_torch_image_dataset(roi="FFA1", embeddings="CLIP")
    assert isinstance(ds, torch.utils.data.Dataset)
    betas = small.subject.get_betas(roi="FFA1")
    scored = np.concatenate([z_scored(one) for one in betas.values()])
    assert len(ds) == 4
    for name, item in zip(LABELS, ds, strict=True):
        assert list(item) == ["betas", "image", "embeddings", "image_name", "repeats"]
        of_image = [place for place, shown in enumerate(ALL) if shown == name]
        expected = scored[of_image].astype(float).mean(axis=0)
        np.testing.assert_allclose(item["betas"].numpy(), expected, rtol=1e-5, atol=1e-6)
        assert (item["image_name"], item["repeats"]) == (name, len(of_image))
        assert round(float(item["image"][0, 0, 0]) * 255) == REDS[name]
        assert np.array_equal(item["embeddings"].numpy(), clip[LABELS.index(name)])
    before = ds[1]["betas"].clone()
    ds[1]["betas"].zero_()
    assert torch.equal(ds[-3]["betas"], before)
    with pytest.raises(IndexError, match="Item 4 of 4"):
        ds[4]
    n_voxels = len(before)
    assert repr(ds) == f"<LaionFMRIImageDataset of sub-01: 4 images × {n_voxels} voxels>"
    assert ds.images["name"].tolist() == list(LABELS)


def test_which_images(torch, small):
    sub = small.subject
    small.embeddings(LABELS[:2])
    asked = [LABELS[3], "other.jpg", LABELS[0]]
    with pytest.warns(UserWarning, match="1 of 2 images"):
        ds = sub.to_torch_image_dataset(
            asked, image=False, embeddings="CLIP", without_embedding="leave_out"
        )
    assert [item["image_name"] for item in ds] == [LABELS[0]]
    out = ds.left_out[ds.left_out["kind"] == "image"]
    assert out["name"].tolist() == ["other.jpg", LABELS[3]]
    same = sub.get_responses([LABELS[0]], zscore="none").values
    plain = sub.to_torch_image_dataset("shared", image=False, zscore="none", session=SES)
    assert plain[0]["image_name"] == LABELS[0]
    assert not np.array_equal(plain[0]["betas"].numpy(), same[0])
    with pytest.raises(StimuliNotDownloadedError, match="download_stimuli"):
        small.at(layout.STIMULI_IMAGES).unlink()
        sub.to_torch_image_dataset()


@pytest.mark.parametrize("start, n_workers", [("fork", 2), ("spawn", 1)])
def test_workers_of_images(torch, small, start, n_workers):
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} here")
    small.embeddings()
    expected = small.subject.get_responses().values
    ds = small.subject.to_torch_image_dataset(image=False, embeddings="CLIP")
    loader = torch.utils.data.DataLoader(
        ds, batch_size=2, num_workers=n_workers, multiprocessing_context=start
    )
    batches = list(loader)
    assert np.array_equal(torch.cat([batch["betas"] for batch in batches]).numpy(), expected)
    copied = pickle.loads(pickle.dumps(ds))
    assert np.array_equal(copied[1]["betas"].numpy(), expected[1])
    assert torch.equal(copied[1]["embeddings"], ds[1]["embeddings"])


@pytest.mark.parametrize("computed_before", [True, False])
def test_workers_of_zscores(torch, small, computed_before):
    expected = np.concatenate([z_scored(one) for one in small.subject.get_betas().values()])
    ds = small.subject.to_torch_dataset(image=False, zscore="session")
    if computed_before:
        ds.compute_zscores()
    for _ in range(2):
        loader = torch.utils.data.DataLoader(ds, batch_size=2, num_workers=2)
        got = torch.cat([batch["betas"] for batch in loader]).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-6)
