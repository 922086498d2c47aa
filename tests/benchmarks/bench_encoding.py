"""How fast whole-brain encoding is at published size, beside scikit-learn and himalaya.

    python tests/benchmarks/bench_encoding.py [--small] [--folder DIR] [--sample N] [--several N]

Writes (and with --folder keeps) a store of averages of 5,833 images and 271,000 voxels, four sets
of 1,024 features, and splits of 80 to 20. Then

- `encode` of the whole brain, one set of features, one split, with a penalty for each voxel
  (budget: 5 minutes, 3 GB), in a process of its own;
- `RidgeCV` of scikit-learn and of himalaya on a sample of the voxels, with the same data and
  penalties (budget: a tenth of their voxels a second; mean r within 0.002 of the better one);
- four sets of features on five splits beside one set on one split and on five, on `--several`
  voxels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from bench_betas import peak_memory

from laion_fmri import Features, layout
from laion_fmri.analysis.encoding import encode
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.ridge import PENALTIES, score
from laion_fmri.splits.split import Split, SplitVariant
from laion_fmri.store.averages_store import (
    WIDTH,
    AveragesHeader,
    SourceFiles,
    averages_path,
    fresh_averages,
)
from laion_fmri.store.folder import write_folder
from laion_fmri.store.shard import ShardWriter
from laion_fmri.subject import Subject
from laion_fmri.subject_files import SubjectFiles

SUBJECT, SESSION = "sub-01", "ses-01"
MODELS = ("one", "two", "three", "four")
SECONDS, MEMORY, TIMES, APART, SEVERAL = 300.0, 3.0, 10.0, 0.002, 4.0  # budgets


@dataclass(frozen=True)
class Size:
    """How large the data are."""

    n_images: int
    n_features: int
    n_voxels: int

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [f"image_{i:04d}.jpg" for i in range(self.n_images)]


PUBLISHED, SMALL = Size(5833, 1024, 271_000), Size(900, 96, 12_000)


# --- data -----------------------------------------------------------------------------------


def features_of(size: Size, model: str) -> Features:
    """Features whose variance falls off, as that of networks does."""
    rng = np.random.default_rng(MODELS.index(model))
    fall = np.arange(1, size.n_features + 1) ** -0.5
    values = rng.normal(size=(size.n_images, size.n_features)) * fall
    mixed = values @ np.linalg.qr(rng.normal(size=(size.n_features, size.n_features)))[0]
    return Features(model, tuple(size.names), mixed.astype(np.float16))


def splits_of(size: Size, n: int) -> list[Split]:
    """Random splits of 80 to 20."""
    found = []
    for seed in range(n):
        order = np.random.default_rng(seed).permutation(size.names)
        n_test = round(0.2 * size.n_images)
        sides = tuple(map(str, order[n_test:])), tuple(map(str, order[:n_test]))
        found.append(Split(f"random_{seed}", "own", {}, (SplitVariant(0, *sides),)))
    return found


def write_dataset(root: Path, size: Size) -> None:
    """A brain mask, a session whose betas are never read, and averages of it."""
    import nibabel

    done = root / f"done-{size.n_images}-{size.n_features}-{size.n_voxels}"
    if done.exists():
        return
    edge = int(np.ceil((1.9 * size.n_voxels) ** (1 / 3)))
    brain = np.arange(edge**3) % 2 == 0
    brain[np.flatnonzero(brain)[size.n_voxels :]] = False
    brain[np.flatnonzero(~brain)[: max(size.n_voxels - int(brain.sum()), 0)]] = True
    mask = root / layout.anatomical(SUBJECT, "desc-brain_mask", layout.FUNCTIONAL_RES)
    betas, trials = (root / key(SUBJECT, SESSION) for key in (layout.betas, layout.trials))
    for path in (mask, betas, trials):
        path.parent.mkdir(parents=True, exist_ok=True)
    volume = brain.reshape((edge,) * 3).astype(np.uint8)
    nibabel.nifti1.Nifti1Image(volume, np.eye(4)).to_filename(mask)
    betas.write_bytes(b"never read, because the averages are fresh")
    table = {"session": SESSION, "run": 1, "beta_index": range(size.n_images), "label": size.names}
    pd.DataFrame(table).to_csv(trials, sep="\t", index=False)
    files = SubjectFiles(SUBJECT, root)
    header = AveragesHeader(
        SUBJECT, "anatomical", files.brain_volume("anatomical").grid, np.flatnonzero(brain),
        tuple(size.names), np.ones((size.n_images, 1), dtype=np.int32),
        (SourceFiles(SESSION, FileFingerprint.of(betas), FileFingerprint.of(trials)),),
        FileFingerprint.of(mask),
    )  # fmt: skip
    values = features_of(size, MODELS[0]).values.astype(np.float32)
    values /= values.std(axis=0)

    def fill(shard: ShardWriter, _: Path) -> None:
        for block in range(shard.n_blocks):
            rng = np.random.default_rng(block)
            columns = shard.columns(block)
            weights = rng.normal(size=(size.n_features, columns.stop - columns.start))
            weights *= rng.uniform(0, 0.6, weights.shape[1]) / np.sqrt(size.n_features)
            signal = values @ weights.astype(np.float32)
            signal += rng.standard_normal(signal.shape, dtype=np.float32)
            shard.write(block, 0, signal)

    write_folder(averages_path(root, SUBJECT, "anatomical"), header.contents, fill)
    done.touch()


# --- measurements ---------------------------------------------------------------------------


def whole_brain(root: Path, size: Size) -> None:
    """Encode the whole brain, and print what it took as JSON."""
    (split,), features = splits_of(size, 1), features_of(size, MODELS[0])
    began, worked = time.perf_counter(), time.process_time()
    found = encode(features, Subject(SUBJECT, root), split)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    np.save(root / "correlation.npy", found.map())
    said = {"seconds": seconds, "cpu": cpu, "gigabytes": peak_memory() / 1e3}
    print(json.dumps(said | {"r": float(np.nanmean(found.map()))}))


def baselines(root: Path, size: Size, n_sample: int, rate: float) -> None:
    """scikit-learn and himalaya on a sample of the voxels."""
    from himalaya.ridge import RidgeCV as HimalayaRidgeCV
    from sklearn.linear_model import RidgeCV

    (split,), features = splits_of(size, 1), features_of(size, MODELS[0])
    store = fresh_averages(SubjectFiles(SUBJECT, root), "anatomical", [SESSION])
    assert store is not None
    blocks = size.n_voxels // WIDTH
    first = np.linspace(0, blocks - 1, max(n_sample // WIDTH, 1)).astype(int) * WIDTH
    columns = (first[:, None] + np.arange(min(WIDTH, size.n_voxels))).ravel()
    place = {name: row for row, name in enumerate(store.names)}
    sides = [np.array([place[n] for n in side]) for side in (split.train_ids, split.test_ids)]
    x = [features.rows(side).astype(np.float32) for side in (split.train_ids, split.test_ids)]
    mean, deviation = x[0].mean(axis=0), x[0].std(axis=0)
    x_train, x_test = ((one - mean) / deviation for one in x)
    y_train, y_test = (store.read(side, store.header.voxels[columns]) for side in sides)
    ours = np.load(root / "correlation.npy")[columns]
    n = len(columns)
    print(f"{'encode':<14} {rate:10,.0f} voxels/s   mean r {ours.mean():.4f} of {n:,} voxels")
    found = {}
    for name, model in {
        "scikit-learn": RidgeCV(PENALTIES, alpha_per_target=True),
        "himalaya": HimalayaRidgeCV(alphas=PENALTIES, fit_intercept=True, cv=5),
    }.items():
        began = time.perf_counter()
        predicted = model.fit(x_train, y_train).predict(x_test)
        found[name] = score(y_test, np.asarray(predicted))["correlation"].mean()
        seconds = time.perf_counter() - began
        times = rate / (n / seconds)
        print(
            f"{name:<14} {n / seconds:10,.0f} voxels/s   mean r {found[name]:.4f}   encode is "
            f"{times:.1f} times as fast   budget {TIMES:.0f} {_verdict(times >= TIMES)}",
            flush=True,
        )
    apart = max(found.values()) - ours.mean()
    print(f"mean r below the better one by {apart:.4f}   budget {APART} {_verdict(apart <= APART)}")


def several(root: Path, size: Size, n_voxels: int) -> None:
    """Four sets of features on five splits beside one."""
    sub = Subject(SUBJECT, root)
    mask = np.zeros(size.n_voxels, dtype=bool)
    mask[: min(n_voxels, size.n_voxels)] = True
    models = [features_of(size, name) for name in MODELS]
    splits = splits_of(size, 5)
    seconds = {}
    for n_models, n_splits in ((1, 1), (1, 5), (4, 5)):
        began = time.perf_counter()
        encode(models[:n_models], sub, splits[:n_splits], mask=mask, voxels="brain"
               if mask.all() else None, n_bootstrap=1)  # fmt: skip
        seconds[n_models, n_splits] = time.perf_counter() - began
        print(
            f"{n_models} x {n_splits} on {mask.sum():,} voxels {seconds[n_models, n_splits]:8.1f} s"
        )
    for n_splits in (1, 5):
        times = seconds[4, 5] / seconds[1, n_splits]
        verdict = f"   budget {SEVERAL:.0f} {_verdict(times < SEVERAL)}" if n_splits == 5 else ""
        print(f"4 x 5 takes {times:.1f} times 1 x {n_splits}{verdict}")


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the dataset is, or is written; kept")
    parser.add_argument("--sample", type=int, default=4096, help="voxels of the baselines")
    parser.add_argument("--several", type=int, default=20_480, help="voxels of 4 x 5 models")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = SMALL if options.small else PUBLISHED
    if options.measure:
        whole_brain(options.folder, size)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        write_dataset(root, size)
        print(f"dataset ready after {time.perf_counter() - began:.0f} s", flush=True)
        command = [sys.executable, __file__, "--measure", "--folder", str(root)]
        done = subprocess.run(
            command + ["--small"] * options.small, check=True, capture_output=True, text=True
        )
        took = json.loads(done.stdout.splitlines()[-1])
        print(
            f"whole brain: {size.n_images:,} images x {size.n_features:,} features, "
            f"{size.n_voxels:,} voxels: {took['seconds']:.1f} s ({took['cpu']:.0f} s of processors)"
            f"   budget {SECONDS:.0f} s {_verdict(took['seconds'] <= SECONDS)}"
        )
        print(
            f"peak memory {took['gigabytes']:.2f} GB   budget {MEMORY:.0f} GB "
            f"{_verdict(took['gigabytes'] <= MEMORY)}",
            flush=True,
        )
        baselines(root, size, options.sample, size.n_voxels / took["seconds"])
        several(root, size, options.several)


if __name__ == "__main__":
    main()
