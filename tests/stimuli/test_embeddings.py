"""Embeddings by name."""

from __future__ import annotations

import pickle
import threading

import h5py
import numpy as np
import pytest
from builders import LABELS, SmallData

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.stimuli.embeddings import load_embeddings


@pytest.fixture
def small(tmp_path):
    return SmallData(tmp_path)


def test_rows_are_joined_by_name(small):
    shuffled = [LABELS[2], LABELS[0], LABELS[3], LABELS[1]]
    features = small.embeddings(shuffled)
    found = load_embeddings("CLIP", small.path)
    assert found.models == ["CLIP"]
    assert found.names("CLIP") == shuffled
    assert found["CLIP"].tobytes() == features.tobytes()
    assert found["CLIP"].dtype == np.float16
    assert np.array_equal(found.get("CLIP", LABELS[0]), features[1])
    asked = [LABELS[1], LABELS[1], LABELS[2]]
    assert np.array_equal(found.rows("CLIP", asked), features[[3, 3, 0]])
    assert found.rows("CLIP", []).shape == (0, 8)


def test_rows_that_are_not_valid_are_nan(small):
    features = small.embeddings(valid=[True, False, True, True])
    found = load_embeddings(data_dir=small.path)
    assert np.isnan(found.get("CLIP", LABELS[1])).all()
    assert np.array_equal(found.rows("CLIP", LABELS)[[0, 2, 3]], features[[0, 2, 3]])
    with pytest.raises(ValueError, match="read-only"):
        found["CLIP"][0] = 0


def test_models_in_published_order(small):
    for model in ("SigLIP2", "PEcore", "CLIP"):
        small.embeddings(model=model)
    assert load_embeddings(data_dir=small.path).models == ["CLIP", "PEcore", "SigLIP2"]
    chosen = load_embeddings(["PEcore"], small.path)
    assert chosen.models == ["PEcore"]
    with pytest.raises(UnknownNameError, match="PEcore"):
        chosen.get("CLIP", LABELS[0])
    twin = pickle.loads(pickle.dumps(chosen))
    assert twin["PEcore"].tobytes() == chosen["PEcore"].tobytes()


def test_models_that_are_not_there(small):
    with pytest.raises(StimuliNotDownloadedError, match=r"download_embeddings\(\)"):
        load_embeddings(data_dir=small.path)
    with pytest.raises(StimuliNotDownloadedError, match=r'download_embeddings\("DINOv2"\)'):
        load_embeddings("DINOv2", small.path)
    with pytest.raises(UnknownNameError, match="Did you mean 'CLIP'"):
        load_embeddings("clip", small.path)


def test_unknown_images(small):
    small.embeddings()
    found = load_embeddings("CLIP", small.path)
    with pytest.raises(UnknownNameError, match=r"CLIP_embeddings\.h5"):
        found.get("CLIP", "other.jpg")


def test_duplicate_names(small):
    small.embeddings([LABELS[0], LABELS[1], LABELS[0]])
    with pytest.raises(InconsistentDataError, match="twice"):
        load_embeddings("CLIP", small.path)["CLIP"]


@pytest.mark.parametrize("lacking", ["embedding", "image_ids", "valid"])
def test_files_lacking_a_dataset(small, lacking):
    small.embeddings()
    with h5py.File(small.at(layout.embeddings("CLIP")), "a") as file:
        del file[lacking]
    with pytest.raises(DamagedFileError, match=lacking):
        load_embeddings("CLIP", small.path)["CLIP"]


def test_datasets_of_other_lengths_and_kinds(small):
    small.embeddings()
    path = small.at(layout.embeddings("CLIP"))
    with h5py.File(path, "a") as file:
        del file["valid"]
        file["valid"] = np.ones(3, bool)
    with pytest.raises(InconsistentDataError, match="3 flags"):
        load_embeddings("CLIP", small.path)["CLIP"]
    for ids in (np.arange(4), np.array([b"\xff\xfe"] * 4, dtype=h5py.string_dtype())):
        with h5py.File(path, "a") as file:
            del file["image_ids"]
            file["image_ids"] = ids
        with pytest.raises(DamagedFileError):
            load_embeddings("CLIP", small.path)["CLIP"]


def test_embeddings_that_are_no_numbers_with_a_point(small):
    small.embeddings()
    path = small.at(layout.embeddings("CLIP"))
    with h5py.File(path, "a") as file:
        del file["embedding"]
        file["embedding"] = np.ones((4, 8), "i1")
    with pytest.raises(DamagedFileError, match="type int8"):
        load_embeddings("CLIP", small.path)["CLIP"]


def test_damaged_files(small):
    small.embeddings()
    path = small.at(layout.embeddings("CLIP"))
    data = path.read_bytes()
    for end in (0, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(DamagedFileError, match="download it again"):
            load_embeddings("CLIP", small.path)["CLIP"]


def test_many_threads_read_the_same(small):
    features = small.embeddings()
    found = load_embeddings("CLIP", small.path)
    got: list[bool] = []

    def read() -> None:
        got.append(found.rows("CLIP", LABELS).tobytes() == features.tobytes())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [True] * 8


def test_names_of_a_fixed_length_are_text(tmp_path):
    small = SmallData(tmp_path)
    features = small.embeddings()
    path = small.at(layout.embeddings("CLIP"))
    with h5py.File(path, "r+") as file:
        del file["image_ids"]
        file["image_ids"] = np.array([name.encode() for name in LABELS], dtype="S60")
    found = load_embeddings("CLIP", tmp_path)
    assert found.image_ids.tolist() == list(LABELS)
    assert np.array_equal(found.get("CLIP", LABELS[2]), features[2])
    with h5py.File(path, "r+") as file:
        file["image_ids"][1] = b"\xff\xfe"
    with pytest.raises(DamagedFileError, match="CLIP"):
        _ = load_embeddings("CLIP", tmp_path).image_ids
