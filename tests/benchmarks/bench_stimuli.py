"""How fast stimuli are read by trial and by name, at the size of the published dataset.

    python tests/benchmarks/bench_stimuli.py [--dir DIR] [--repeats N]

Writes files of the published sizes and shapes (25,052 embeddings of 1,024 numbers, 30,000
trials in 30 sessions, 24,011 masks of 1000 × 1000 of which a few are written, 79,261
captions), then times each way in turns, in one process, with files in the system's cache.
Prints medians, and ratios to the library. "First" makes a new handle every time, so that
opening and indexing are part of it; "again" asks a handle that has been used.

* ``embeddings.all``, 30,000 trials. Baselines: reading the whole array by h5py and joining
  by pandas; reading row by row by h5py.
* one mask. Baseline: pandas and h5py on the same files.
* captions and what is in an image. Baseline: pandas reading the same table.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from laion_fmri import layout
from laion_fmri.stimuli.captions import Captions
from laion_fmri.stimuli.segmentations import Segmentations
from laion_fmri.subject import Subject

SUBJECT = "sub-01"
N_SHARED, N_OOD, N_IMAGES, N_FEATURES = 1_492, 371, 25_052, 1_024
N_SESSIONS, N_TRIALS = 30, 1_000
N_MASKS, MASK_SHAPE, N_WRITTEN = 24_011, (1_000, 1_000), 40
BUDGETS = {"embeddings.all, first": 0.5, "one mask, again": 0.020}


# --- files of the published size --------------------------------------------------------------


def image_names() -> list[str]:
    shared = [f"shared_12rep_LAION_cluster_{i}_i{i % 7}.jpg" for i in range(N_SHARED)]
    unique = [f"unique_LAION_new_cluster_{i}_i{i % 9}_p01.jpg" for i in range(N_SHARED, N_IMAGES)]
    return shared + unique


def write_embeddings(path: Path, names: list[str], rng: np.random.Generator) -> None:
    with h5py.File(path, "w") as file:
        features = rng.standard_normal((N_IMAGES, N_FEATURES), dtype=np.float32)
        file["embedding"] = features.astype(np.float16)
        file.create_dataset(
            "image_ids", data=list(rng.permutation(names)), dtype=h5py.string_dtype()
        )
        file["valid"] = np.ones(N_IMAGES, bool)


def write_trials(root: Path, names: list[str], rng: np.random.Generator) -> None:
    for number in range(1, N_SESSIONS + 1):
        ses = f"ses-{number:02d}"
        table = root / layout.trials(SUBJECT, ses)
        table.parent.mkdir(parents=True)
        (root / layout.betas(SUBJECT, ses)).touch()  # a session is one whose betas are here
        pd.DataFrame(
            {
                "session": ses,
                "run": np.arange(N_TRIALS) // 90 + 1,
                "beta_index": np.arange(N_TRIALS),
                "label": rng.choice(names[: N_SHARED + 4_712], N_TRIALS),
            }
        ).to_csv(table, sep="\t", index=False)


def write_masks(root: Path, names: list[str], rng: np.random.Generator) -> None:
    rows = np.arange(N_MASKS)
    pd.DataFrame(
        {
            "mask_row": rows,
            "image_name": [names[row % N_SHARED] for row in rows],
            "noun": [f"noun{row // N_SHARED % 8}" for row in rows],
            "instance_id": rows // (N_SHARED * 8),
            "score": rng.random(N_MASKS).round(4),
            "box_x0": 1.0, "box_y0": 2.0, "box_x1": 900.0, "box_y1": 800.0,
            "localized": 1,
            "mask_file": [f"{row:05d}.png" for row in rows],
        }
    ).to_csv(root / layout.SEGMENTATIONS_METADATA, index=False)  # fmt: skip
    y, x = np.ogrid[: MASK_SHAPE[0], : MASK_SHAPE[1]]
    with h5py.File(root / layout.SEGMENTATIONS, "w") as file:
        masks = file.create_dataset(
            "masks", (N_MASKS, *MASK_SHAPE), "u1",
            chunks=(1, *MASK_SHAPE), compression="gzip", shuffle=True,
        )  # fmt: skip
        for row in range(N_WRITTEN):
            cy, cx, radius = rng.integers(100, 900, 3)
            masks[row] = (y - cy) ** 2 + (x - cx) ** 2 + 4_000 * np.sin(x / 9) < radius**2


def write_captions(root: Path, names: list[str]) -> None:
    text = "a person in a red coat walks a small brown dog along a wet street in the evening"
    rows = [
        (name, rank, "human" if rank else "ai", f"{text}, number {i}", "batch_3", "P1", "")
        for i, name in enumerate(names)
        for rank in range(0 if i < N_SHARED - N_OOD else 1, 6 if i < N_SHARED else 4)
    ]
    columns = ["image_name", "caption_idx", "source", "caption", "origin_collection",
               "participant_id", "ai_model"]  # fmt: skip
    pd.DataFrame(rows, columns=columns).to_csv(root / layout.CAPTIONS, index=False)


def prepare(root: Path) -> Path:
    """The files, written once."""
    if not (root / layout.CAPTIONS).exists():
        (root / layout.STIMULI_TREE).mkdir(parents=True)
        rng, names = np.random.default_rng(0), image_names()
        write_embeddings(root / layout.embeddings("CLIP"), names, rng)
        write_trials(root, names, rng)
        write_masks(root, names, rng)
        write_captions(root, names)
    return root


# --- the ways ---------------------------------------------------------------------------------


def shown(root: Path) -> pd.Series:
    paths = sorted((root / layout.subject_betas_dir(SUBJECT)).glob("ses-*/func/*_trials.tsv"))
    return pd.concat([pd.read_csv(path, sep="\t") for path in paths])["label"]


def embeddings_by_pandas(root: Path) -> np.ndarray:
    with h5py.File(root / layout.embeddings("CLIP")) as file:
        rows = pd.Index(file["image_ids"].asstr()[:]).get_indexer(shown(root))
        return file["embedding"][:][rows]


def embeddings_row_by_row(root: Path) -> np.ndarray:
    with h5py.File(root / layout.embeddings("CLIP")) as file:
        row_of = {name: row for row, name in enumerate(file["image_ids"].asstr()[:])}
        return np.stack([file["embedding"][row_of[name]] for name in shown(root)])


def mask_by_pandas(root: Path, name: str) -> np.ndarray:
    table = pd.read_csv(root / layout.SEGMENTATIONS_METADATA)
    row = table.query("image_name == @name and noun == 'noun0' and instance_id == 0")["mask_row"]
    with h5py.File(root / layout.SEGMENTATIONS) as file:
        return file["masks"][int(row.iloc[0])]


def captions_by_pandas(root: Path, name: str) -> list[str]:
    table = pd.read_csv(root / layout.CAPTIONS)
    ours = table[(table["image_name"] == name) & (table["source"] == "human")]
    return ours.sort_values("caption_idx")["caption"].tolist()


def ways(root: Path) -> dict[str, dict[str, Callable[[int], object]]]:
    """By what is read: the library first, then its baselines. Each takes the turn's number."""
    names, used = image_names(), Subject(SUBJECT, root)
    masks, captions = Segmentations(root), Captions(root)
    for handle in (lambda: used.embeddings.all("CLIP"), lambda: masks.get(names[0], "noun0"),
                   lambda: captions.human(names[0])):  # fmt: skip
        handle()

    def name(turn: int) -> str:
        return names[turn % N_WRITTEN]

    return {
        "embeddings.all, first": {
            "laion_fmri": lambda _: Subject(SUBJECT, root).embeddings.all("CLIP"),
            "whole array, pandas": lambda _: embeddings_by_pandas(root),
            "row by row": lambda _: embeddings_row_by_row(root),
        },
        "embeddings.all, again": {"laion_fmri": lambda _: used.embeddings.all("CLIP")},
        "one mask, first": {
            "laion_fmri": lambda turn: Segmentations(root).get(name(turn), "noun0"),
            "pandas and h5py": lambda turn: mask_by_pandas(root, name(turn)),
        },
        "one mask, again": {"laion_fmri": lambda turn: masks.get(name(turn), "noun0")},
        "nouns, first": {
            "laion_fmri": lambda turn: Segmentations(root).nouns(name(turn)),
            "pandas reading": lambda _: pd.read_csv(root / layout.SEGMENTATIONS_METADATA),
        },
        "nouns, again": {"laion_fmri": lambda turn: masks.nouns(name(turn))},
        "captions, first": {
            "laion_fmri": lambda turn: Captions(root).human(name(turn)),
            "pandas": lambda turn: captions_by_pandas(root, name(turn)),
        },
        "captions, again": {"laion_fmri": lambda turn: captions.human(name(turn))},
    }


def seconds(work: Callable[[int], object], turn: int) -> float:
    began = time.perf_counter()
    work(turn)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", type=Path, help="where the files are, or are written; kept")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = prepare(options.dir or Path(temporary))
        assert np.array_equal(
            Subject(SUBJECT, root).embeddings.all("CLIP"), embeddings_by_pandas(root)
        )
        first = image_names()[0]
        assert np.array_equal(Segmentations(root).get(first, "noun0"), mask_by_pandas(root, first))
        assert Captions(root).human(first) == captions_by_pandas(root, first)
        print(f"{'':<24}{'':<22}{'median ms':>11}{'× ours':>9}{'budget ms':>11}")
        for what, each in ways(root).items():
            runs: dict[str, list[float]] = {way: [] for way in each}
            for turn in range(options.repeats):
                for way, work in each.items():
                    runs[way].append(seconds(work, turn))
            ours = statistics.median(runs["laion_fmri"])
            for way, found in runs.items():
                median = statistics.median(found)
                budget = (
                    f"{BUDGETS[what] * 1e3:.0f}" if what in BUDGETS and way == "laion_fmri" else ""
                )
                print(f"{what:<24}{way:<22}{median * 1e3:>11.2f}{median / ours:>9.2f}{budget:>11}")


if __name__ == "__main__":
    main()
