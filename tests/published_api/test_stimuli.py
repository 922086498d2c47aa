"""The stimuli as scripts for the published package call them, by position and by keyword."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import laion_fmri
from laion_fmri import layout


@pytest.fixture
def root(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configured data directory, with everything in it."""
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(data_dir))
    return data_dir


def rows_of(root: Path, key: str) -> list[dict[str, str]]:
    with (root / key).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def names(root: Path) -> list[str]:
    return [row["image_name"] for row in rows_of(root, layout.STIMULI_METADATA)]


def test_the_stimuli_are_loaded_by_function_and_class(root):
    from laion_fmri.stimuli import load_stimuli

    for stim in (
        load_stimuli(), load_stimuli(root), load_stimuli(data_dir=root), laion_fmri.load_stimuli(),
        laion_fmri.Stimuli(), laion_fmri.Stimuli(root), laion_fmri.Stimuli(data_dir=str(root)),
    ):  # fmt: skip
        assert isinstance(stim, laion_fmri.Stimuli)
        assert stim.data_dir == root


@pytest.mark.parametrize("missing", [layout.STIMULI_METADATA, layout.STIMULI_IMAGES])
def test_missing_files_raise_at_once(root, tmp_path, missing):
    (tmp_path / layout.STIMULI_TREE).mkdir()
    for key in {layout.STIMULI_METADATA, layout.STIMULI_IMAGES} - {missing}:
        shutil.copy(root / key, tmp_path / key)
    for load in (laion_fmri.load_stimuli, laion_fmri.Stimuli):
        with pytest.raises(FileNotFoundError, match=r"download_stimuli\(\)"):
            load(tmp_path)
    with pytest.raises(laion_fmri.StimuliNotDownloadedError):
        laion_fmri.load_stimuli(data_dir=tmp_path)


def test_images_by_row_and_by_name(root, names):
    stim = laion_fmri.load_stimuli()
    with h5py.File(root / layout.STIMULI_IMAGES) as file:
        stored = file["images"][3].tobytes()
    assert stim.images[3] == stim.images[np.int64(3)] == stim.images[names[3]] == stored
    for picture in (stim.images.get(3), stim.images.get(name=3), stim.images.get(names[3])):
        assert picture.tobytes() == stim.images.get(names[3], as_displayed=True).tobytes()
    assert stim.images.index_of(names[3]) == stim.images.index_of(name=names[3]) == 3
    assert stim.images.index_of(3) == 3
    assert np.array_equal(stim.images.array([3, names[0]]), stim.images.array([names[3], 0]))
    for row in (-1, len(names), 1.5, True):
        with pytest.raises(IndexError):
            stim.images[row]


def test_embeddings(root, names):
    from laion_fmri.embeddings import Embeddings, load_embeddings

    every = ["CLIP", "DINOv2", "PEcore", "SigLIP2"]
    assert Embeddings is laion_fmri.Embeddings
    assert load_embeddings is laion_fmri.load_embeddings
    with h5py.File(root / layout.embeddings("CLIP")) as file:
        ids = file["image_ids"].asstr()[:]
        features = file["embedding"][:]
    for emb, models in [
        (load_embeddings(), every), (load_embeddings("all"), every),
        (load_embeddings(models="CLIP"), ["CLIP"]), (Embeddings(["PEcore", "CLIP"]), every[::2]),
        (Embeddings("CLIP", root), ["CLIP"]), (Embeddings(models="all", data_dir=root), every),
        (Embeddings(np.array(["CLIP"])), ["CLIP"]),
    ]:  # fmt: skip
        assert sorted(emb.models) == sorted(models)
        assert isinstance(emb.image_ids, np.ndarray)
        assert np.array_equal(emb.image_ids, ids)
        assert len(emb) == len(ids)
        assert ids[2] in emb
        assert models[0] in emb
        assert "other.jpg" not in emb
        assert None not in emb
    emb = Embeddings("CLIP")
    assert np.array_equal(emb["CLIP"], features)
    assert np.array_equal(emb.get("CLIP", ids[2]), features[2])
    assert np.array_equal(emb.get(model="CLIP", name=ids[2]), features[2])
    for several in ([ids[2], ids[0]], np.array([ids[2], ids[0]]), (ids[2].encode(), ids[0])):
        assert np.array_equal(emb.get("CLIP", several), features[[2, 0]])
    assert emb.get("CLIP", []).shape == (0, features.shape[1])
    with pytest.raises(laion_fmri.StimuliNotDownloadedError):
        Embeddings("CLIP", root / "derivatives")
    with pytest.raises(laion_fmri.InvalidArgumentError, match="No model was asked for"):
        Embeddings([])


def test_models_that_list_the_images_otherwise_have_no_common_order(root, tmp_path):
    (tmp_path / layout.STIMULI_TREE).mkdir()
    for model in ("CLIP", "PEcore"):
        shutil.copy(root / layout.embeddings(model), tmp_path / layout.embeddings(model))
    with h5py.File(tmp_path / layout.embeddings("PEcore"), "r+") as file:
        file["image_ids"][:2] = file["image_ids"][:2][::-1]
    emb = laion_fmri.Embeddings("all", tmp_path)
    with pytest.raises(laion_fmri.InconsistentDataError, match="names"):
        _ = emb.image_ids
    assert emb.names("CLIP")[:2] == emb.names("PEcore")[1::-1]


def test_segmentations(root):
    from laion_fmri.segmentations import Segmentations

    assert Segmentations is laion_fmri.Segmentations
    rows = rows_of(root, layout.SEGMENTATIONS_METADATA)
    with h5py.File(root / layout.SEGMENTATIONS) as file:
        masks = file["masks"][:]
    for seg in (Segmentations(), Segmentations(root), Segmentations(data_dir=root)):
        assert len(seg) == len(rows) == len(masks)
        assert np.array_equal(seg[5], masks[5])
    assert np.array_equal(seg[np.int32(len(masks) - 1)], masks[-1])
    with pytest.raises(IndexError):
        seg[len(masks)]
    assert seg.images() == list(dict.fromkeys(row["image_name"] for row in rows))
    name = next(row["image_name"] for row in rows if row["localized"] == "0")
    ours = [row for row in rows if row["image_name"] == name]
    localized = sorted({row["noun"] for row in ours if row["localized"] == "1"})
    every = sorted({row["noun"] for row in ours})
    assert len(every) > len(localized)
    assert seg.nouns(name) == seg.nouns(name, True) == localized
    assert seg.nouns(name=name, localized_only=False) == seg.nouns(name, False) == every
    assert seg.has_image(name)
    assert name in seg
    assert not seg.has_image("other.jpg")
    assert seg.nouns("other.jpg") == []
    assert len(seg.for_image(name)) == len(ours)
    hidden = next(row["noun"] for row in ours if row["localized"] == "0")
    assert not seg.get(name, hidden).any()


def test_captions(root, names):
    from laion_fmri.captions import Captions

    assert Captions is laion_fmri.Captions
    rows = rows_of(root, layout.CAPTIONS)
    for caps in (Captions(), Captions(root), Captions(data_dir=root)):
        assert len(caps) == len(rows)
        assert caps.images() == list(dict.fromkeys(row["image_name"] for row in rows))
    name = next(row["image_name"] for row in rows if row["source"] == "ai")
    ours = sorted(
        (row for row in rows if row["image_name"] == name), key=lambda r: int(r["caption_idx"])
    )
    every = [row["caption"] for row in ours]
    human = [row["caption"] for row in ours if row["source"] == "human"]
    assert every[0] == caps.ai(name)
    assert caps.list(name) == every == [caps.ai(name), *human]
    assert caps.list(name, "human") == caps.list(name, source="human") == human
    assert caps.list(name, "ai") == every[:1]
    assert caps.human(name) == caps.human(name, None) == human
    assert caps.human(name, 2) == caps.human(name, limit=np.int64(2)) == human[:2]
    assert caps.human(name, 0) == []
    assert caps.human(name, 99) == human
    assert name in caps
    assert "other.jpg" not in caps
    with pytest.raises(ValueError, match="Did you mean 'human'"):
        caps.list(name, "humans")
    for limit in (-1, 1.5, "2"):
        with pytest.raises(ValueError, match="limit"):
            caps.human(name, limit)


def test_by_trial(root):
    sub = laion_fmri.load_subject("sub-01")
    table = sub.metadata
    assert len(sub.images) == len(table)
    stim = laion_fmri.load_stimuli()
    with_masks = [t for t in table.index if sub.segmentations.has_image(t)]
    for trial in (0, with_masks[0], len(table) - 1):
        name = table["image_name"][trial]
        assert sub.captions.for_image(trial).equals(stim.captions.get(name))
        assert sub.captions.list(trial) == stim.captions.list(name)
        assert sub.captions.list(trial, source="human") == sub.captions.human(trial)
        assert sub.captions.human(trial, limit=1) == stim.captions.human(name, 1)
        assert sub.segmentations.nouns(trial) == stim.segmentations.nouns(name)
        assert sub.segmentations.nouns(trial, False) == stim.segmentations.nouns(name, False)
    for image, trial in zip(sub.images.all(), table.index[:2], strict=False):
        assert image.tobytes() == sub.images.get(trial).tobytes()


def test_metadata_of_a_subject(root):
    sub = laion_fmri.load_subject("sub-01")
    table = sub.metadata
    written = [
        row
        for session in sub.get_sessions()
        for row in csv.DictReader(
            (root / layout.trials("sub-01", session)).read_text().splitlines(), delimiter="\t"
        )
    ]
    assert {*written[0], "session_trial", "image_name", "stim_idx", "repeat"} <= set(table.columns)
    assert table["label"].tolist() == [row["label"] for row in written]
    assert table["run"].tolist() == [int(row["run"]) for row in written]
    seen: dict[str, int] = {}
    for name, repeat in zip(table["image_name"], table["repeat"], strict=True):
        seen[name] = seen.get(name, 0) + 1
        assert repeat == seen[name]


def test_what_is_not_there_is_a_key_error_and_a_value_error(root, names):
    stim = laion_fmri.load_stimuli()
    name = stim.segmentations.images()[0]
    calls = {
        "image": lambda: stim.images["other.jpg"],
        "picture": lambda: stim.images.get("other.jpg"),
        "row of a name": lambda: stim.images.index_of("other.jpg"),
        "row": lambda: stim.images[10**6],
        "model": lambda: stim.embeddings["other"],
        "models": lambda: laion_fmri.load_embeddings("other"),
        "embedding": lambda: stim.embeddings.get("CLIP", "other.jpg"),
        "embeddings": lambda: stim.embeddings.get("CLIP", [names[0], "other.jpg"]),
        "noun": lambda: stim.segmentations.get(name, "other"),
        "subject of a group": lambda: laion_fmri.load_subjects(["sub-01"])["sub-03"],
    }
    for call in calls.values():
        for kind in (KeyError, ValueError, laion_fmri.LaionFmriError):
            with pytest.raises(kind):
                call()


def test_as_displayed_rgb():
    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((1, 0), (255, 0, 0, 255))
    for shown in (laion_fmri.as_displayed_rgb(clear), laion_fmri.as_displayed_rgb(image=clear)):
        assert shown.mode == "RGB"
        assert [shown.getpixel((x, 0)) for x in (0, 1)] == [(128, 128, 128), (255, 0, 0)]
    grey = laion_fmri.as_displayed_rgb(Image.new("L", (1, 1), 7))
    assert grey.getpixel((0, 0)) == (7, 7, 7)
