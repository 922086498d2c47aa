"""The files under ``stimuli/``: images, metadata, embeddings, segmentations, captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import captions, drawing, files
from laion_fmri.demo.content import Picture, embed
from laion_fmri.demo.profiles import rng_for
from laion_fmri.demo.scenes import SIZE
from laion_fmri.stimuli import captions as captions_table
from laion_fmri.stimuli import metadata, segmentations

METADATA_COLUMNS = metadata.COLUMNS
CAPTION_COLUMNS = captions_table.COLUMNS
SEGMENTATION_COLUMNS = (*segmentations.COLUMNS, "mask_file")


def write_images(root: Path, pictures: Sequence[Picture]) -> None:
    """Encoded files in one HDF5, and the table whose row i is HDF5 row i."""
    import h5py

    with files.open_h5(root / layout.STIMULI_IMAGES) as h5:
        images = h5.create_dataset(
            "images", (len(pictures),), dtype=h5py.vlen_dtype(np.uint8), track_times=False
        )
        for i, picture in enumerate(pictures):
            images[i] = np.frombuffer(picture.encoded, dtype=np.uint8)
    rows = [
        (r.name, r.dataset, r.participant, "shared" if r.is_shared else "unique", r.n_reps)
        for r in (p.record for p in pictures)
    ]
    files.write_table(root / layout.STIMULI_METADATA, METADATA_COLUMNS, rows)


def write_embeddings(root: Path, pictures: Sequence[Picture], seed: int) -> np.ndarray:
    """Embeddings by all four models, in an order of their own.

    Returns
    -------
    array of shape (n_images, 1024), float16
        The CLIP embeddings, in the order of `pictures`.
    """
    order = rng_for(seed, "embedding order").permutation(len(pictures))
    features = np.stack([p.features for p in pictures])
    names = [pictures[i].record.name for i in order]
    clip = np.empty(0)
    for model in layout.EMBEDDING_MODELS:
        embedding = embed(features, model)
        if model == "CLIP":
            clip = embedding
        with files.open_h5(root / layout.embeddings(model)) as h5:
            files.h5_dataset(h5, "embedding", embedding[order])
            files.h5_strings(h5, "image_ids", names)
            files.h5_dataset(h5, "valid", np.ones(len(names), dtype=bool))
    return clip


def write_captions(root: Path, pictures: Sequence[Picture], seed: int) -> None:
    """One row a caption, sorted by image name (not the order of the metadata)."""
    ordered = sorted(pictures, key=lambda p: p.record.name)
    rows = captions.caption_rows(ordered, rng_for(seed, "captions"))
    files.write_table(root / layout.CAPTIONS, CAPTION_COLUMNS, rows)


def _masks_of(picture: Picture, rng: np.random.Generator) -> list[tuple[tuple, np.ndarray]]:
    """``((noun, instance_id, score, box…, localized, mask_file), mask)`` of one image."""
    owners = drawing.ownership(picture.scene)
    by_noun: dict[str, list[tuple[float, int]]] = {}
    for i in picture.seen():
        share = picture.visible[i] / SIZE**2
        score = round(0.62 + 0.3 * min(1.0, share * 12) + 0.07 * rng.random(), 4)
        by_noun.setdefault(picture.scene.things[i].noun, []).append((score, i))
    stem = picture.record.name.rsplit(".", 1)[0]
    rows = []
    for noun in sorted(by_noun):
        for instance, (score, i) in enumerate(sorted(by_noun[noun], reverse=True)):
            mask = owners == i + 1
            ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)
            name = f"{stem}/{noun}_{instance}.png"
            rows.append(((noun, instance, score, *box, 1, name), mask.astype(np.uint8)))
    # Some concepts are noticed but belong to no place in the picture.
    concept = {"night": "darkness", "snow": "cold"}.get(picture.scene.backdrop)
    if concept:
        score = round(0.3 + 0.2 * rng.random(), 4)
        empty = np.zeros((SIZE, SIZE), dtype=np.uint8)
        rows.append(((concept, 0, score, 0, 0, 0, 0, 0, f"{stem}/{concept}_0.png"), empty))
    return rows


def write_segmentations(root: Path, pictures: Sequence[Picture], seed: int) -> None:
    """Exact masks of the shared images: one HDF5 chunk each, and their table.

    Masks lie in the order of the metadata table, the rows of their own table are sorted
    by image name; ``mask_row`` connects the two.
    """
    from isal import isal_zlib

    rows: list[tuple] = []
    chunks: list[bytes] = []
    for picture in pictures:
        if not picture.record.is_shared:
            continue
        rng = rng_for(seed, "segmentation", picture.record.name)
        for row, mask in _masks_of(picture, rng):
            rows.append((len(chunks), picture.record.name, *row))
            chunks.append(isal_zlib.compress(mask.tobytes(), 1))
    with files.open_h5(root / layout.SEGMENTATIONS) as h5:
        masks = h5.create_dataset(
            "masks",
            (len(chunks), SIZE, SIZE),
            dtype=np.uint8,
            chunks=(1, SIZE, SIZE),
            compression="gzip",
            shuffle=True,
            track_times=False,
        )
        for i, chunk in enumerate(chunks):  # shuffling single bytes changes nothing
            masks.id.write_direct_chunk((i, 0, 0), chunk)
    rows.sort(key=lambda row: (row[1], row[2], row[3]))
    files.write_table(root / layout.SEGMENTATIONS_METADATA, SEGMENTATION_COLUMNS, rows)
