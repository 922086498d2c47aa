"""Pictures, masks, captions and embeddings of the demo dataset."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from laion_fmri import layout
from laion_fmri.demo import drawing
from laion_fmri.demo.names import OOD_TYPES, list_images
from laion_fmri.demo.profiles import PROFILES
from laion_fmri.demo.scenes import Scene, Thing, compose


@pytest.fixture(scope="module")
def metadata(tiny_bucket: Path) -> pd.DataFrame:
    return pd.read_csv(tiny_bucket / layout.STIMULI_METADATA)


@pytest.fixture(scope="module")
def pictures(tiny_bucket: Path) -> list[bytes]:
    with h5py.File(tiny_bucket / layout.STIMULI_IMAGES) as h5:
        assert h5["images"].dtype == h5py.vlen_dtype(np.uint8) or h5["images"].dtype == object
        return [bytes(row) for row in h5["images"]]


def test_metadata_has_the_published_columns_and_a_row_per_picture(metadata, pictures) -> None:
    assert list(metadata.columns) == [
        "image_name", "dataset", "participant", "unique_or_shared", "n_reps",
    ]  # fmt: skip
    assert len(metadata) == len(pictures)
    assert metadata["image_name"].is_unique
    assert set(metadata["unique_or_shared"]) == {"shared", "unique"}
    unique = metadata[metadata["unique_or_shared"] == "unique"]
    assert set(unique["participant"]) == set(PROFILES["tiny"].subjects)
    assert (unique["n_reps"] == 1).all()


def test_pictures_are_jpeg_or_transparent_png_of_the_right_size(metadata, pictures) -> None:
    for name, data in zip(metadata["image_name"], pictures, strict=True):
        image = Image.open(io.BytesIO(data))
        assert image.size == (1000, 1000)
        if name.endswith(".png"):
            assert (image.format, image.mode) == ("PNG", "RGBA")
            assert image.getextrema()[3] == (0, 255), "some of it transparent, some opaque"
        else:
            assert (image.format, image.mode) == ("JPEG", "RGB")
    assert metadata["image_name"].str.endswith(".png").any()


def test_every_out_of_distribution_type_is_there(metadata) -> None:
    names = metadata.loc[metadata["dataset"] == "OOD", "image_name"]
    for kind in OOD_TYPES:
        assert names.str.startswith(f"shared_4rep_OOD_{kind}_").any(), kind


def test_every_repeat_is_shown(tiny_bucket: Path, metadata) -> None:
    for subject in PROFILES["tiny"].subjects:
        labels = pd.concat(
            pd.read_csv(tiny_bucket / layout.trials(subject, session), sep="\t")
            for session in PROFILES["tiny"].sessions
        )["label"]
        own = metadata[metadata["participant"].isin([subject, "shared"])]
        expected = own.set_index("image_name")["n_reps"].to_dict()
        assert labels.value_counts().to_dict() == expected


def test_masks_are_the_pixels_that_show_each_thing(tiny_bucket: Path) -> None:
    table = pd.read_csv(tiny_bucket / layout.SEGMENTATIONS_METADATA)
    records = {r.name: r for r in list_images(PROFILES["tiny"], 0)}
    with h5py.File(tiny_bucket / layout.SEGMENTATIONS) as h5:
        masks = h5["masks"]
        assert masks.chunks == (1, 1000, 1000)
        assert (masks.compression, masks.shuffle) == ("gzip", True)
        assert sorted(table["mask_row"]) == list(range(len(masks)))
        for (name, noun), rows in table.groupby(["image_name", "noun"]):
            assert records[name].is_shared
            scene = compose(records[name], 0)
            owners = drawing.ownership(scene)
            drawn = {
                (owners == i + 1).tobytes() for i, t in enumerate(scene.things) if t.noun == noun
            }
            rows = rows.sort_values("instance_id")
            assert list(rows["instance_id"]) == list(range(len(rows)))
            assert rows["score"].is_monotonic_decreasing
            for row in rows.itertuples():
                mask = masks[row.mask_row]
                box = (row.box_x0, row.box_y0, row.box_x1, row.box_y1)
                if row.localized:
                    assert (mask == 1).tobytes() in drawn
                    ys, xs = np.nonzero(mask)
                    assert box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
                else:
                    assert not mask.any()
                    assert box == (0, 0, 0, 0)
    assert table.groupby(["image_name", "noun"]).size().max() > 1, "several of one noun"
    assert (table["localized"] == 0).any()


def test_a_thing_in_front_hides_what_is_behind() -> None:
    behind = Thing("square", "red", 500, 500, 200)
    front = Thing("square", "blue", 600, 500, 200)
    owners = drawing.ownership(Scene("clear", 0, (behind, front)))
    assert owners[500, 350] == 1
    assert owners[500, 600] == 2
    assert owners[50, 50] == 0
    picture = np.asarray(drawing.picture(Scene("clear", 0, (behind, front))))
    assert tuple(picture[500, 600]) == (55, 108, 190, 255)
    assert picture[50, 50, 3] == 0


def test_captions_come_in_the_published_numbers(tiny_bucket: Path, metadata) -> None:
    captions = pd.read_csv(tiny_bucket / layout.CAPTIONS, keep_default_na=False)
    assert list(captions.columns) == [
        "image_name", "caption_idx", "source", "caption", "origin_collection", "participant_id",
        "ai_model",
    ]  # fmt: skip
    assert set(captions["image_name"]) == set(metadata["image_name"])
    for row in metadata.itertuples():
        own = captions[captions["image_name"] == row.image_name]
        human, ai = own[own["source"] == "human"], own[own["source"] == "ai"]
        n = 5 if row.unique_or_shared == "shared" else 3
        assert list(human["caption_idx"]) == list(range(1, n + 1))
        has_ai = row.unique_or_shared == "shared" and row.dataset != "OOD"
        assert list(ai["caption_idx"]) == ([0] if has_ai else [])
    assert (captions["caption"].str.len() > 3).all()
    assert captions["caption"].str.contains("☀️").sum() == 1


@pytest.mark.parametrize("model", layout.EMBEDDING_MODELS)
def test_embeddings_have_the_published_form(tiny_bucket: Path, metadata, model: str) -> None:
    with h5py.File(tiny_bucket / layout.embeddings(model)) as h5:
        embedding, names = h5["embedding"][:], [n.decode() for n in h5["image_ids"][:]]
        assert h5["valid"].dtype == bool
        assert h5["valid"][:].all()
    with h5py.File(tiny_bucket / layout.embeddings("CLIP")) as h5:
        assert [n.decode() for n in h5["image_ids"][:]] == names
    assert sorted(names) == sorted(metadata["image_name"])
    assert names != list(metadata["image_name"]), "order differs from the metadata's on purpose"
    assert embedding.dtype == np.float16
    assert embedding.shape == (len(names), 1152 if model == "SigLIP2" else 1024)
    lengths = np.linalg.norm(embedding.astype(float), axis=1)
    assert np.allclose(lengths, 1, atol=2e-3) == (model != "DINOv2")
