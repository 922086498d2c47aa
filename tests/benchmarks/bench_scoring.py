"""How long scoring a split takes at real size: 5,833 images, 1,024 dimensions, 500 voxels.

    python tests/benchmarks/bench_scoring.py [--folder DIR] [--splits N]

Writes synthetic names, embeddings and 30 sessions of 1,066 trials (of a brain of 600 voxels, so
that reading betas is as quick as from a store), then scores one ROI on one split (budget: 20 s,
3 GB), beside scikit-learn's RidgeCV on the same numbers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from bench_betas import peak_memory
from bench_splits import POOL, write_dataset

from laion_fmri import layout, load_subject
from laion_fmri.ridge import PENALTIES
from laion_fmri.splits import evaluate, list_splits

SHAPE, N_ROI = (10, 10, 6), 500
BUDGET, MEMORY = 20.0, 3.0  # seconds, GB


def write_responses(root: Path) -> None:
    """Brain mask, an ROI, a noise ceiling, and betas of every session."""
    import nibabel

    if (root / "responses-done").exists():
        return
    rng = np.random.default_rng(0)

    def write(key: str, values: np.ndarray) -> None:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.nifti1.Nifti1Image(values, np.eye(4)).to_filename(path)

    n = int(np.prod(SHAPE))
    ones = np.ones(SHAPE, dtype=np.uint8)
    roi = (np.arange(n) < N_ROI).reshape(SHAPE).astype(np.uint8)
    write(layout.anatomical(POOL, "desc-brain_mask", layout.FUNCTIONAL_RES), ones)
    write(layout.roi_volume(POOL, "face", "FFA1"), roi)
    write(layout.subject_noise_ceiling(POOL, "Noiseceiling12rep"), ones.astype(np.float32) * 50)
    for session in range(1, 31):
        name = f"ses-{session:02d}"
        n_trials = len(pd.read_csv(root / layout.trials(POOL, name), sep="\t"))
        betas = rng.normal(size=(*SHAPE, n_trials)).astype(np.float32)
        write(layout.betas(POOL, name), betas)
    (root / "responses-done").touch()


def with_scikit_learn(n_train: int, n_features: int) -> float:
    """Seconds of RidgeCV with a penalty for each voxel, on numbers of the same shape."""
    from sklearn.linear_model import RidgeCV

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n_train, n_features)), rng.normal(size=(n_train, N_ROI))
    begin = time.perf_counter()
    RidgeCV(PENALTIES, alpha_per_target=True).fit(x, y)
    return time.perf_counter() - begin


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the dataset is, or is written; kept")
    parser.add_argument("--splits", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        write_dataset(root)
        write_responses(root)
        sub = load_subject(POOL, root)
        shares: list[tuple[float, float, str]] = []
        for name in list_splits(POOL, root)[: options.splits]:
            begin = time.perf_counter()
            shares.clear()
            found = evaluate(
                name, sub, "FFA1", pool=POOL, progress=lambda share, what, begin=begin:
                shares.append((share, time.perf_counter() - begin, what)),
            )  # fmt: skip
            seconds = time.perf_counter() - begin
            fitting = next(when for _, when, what in shares if what.startswith("Fitting"))
            verdict = "met" if seconds <= BUDGET else "MISSED"
            score = found.scores[name]
            print(
                f"{name:<14} {score.n_train:,} + {score.n_test:,} images, {N_ROI} voxels: "
                f"{seconds:6.1f} s, of which {fitting:.1f} s reading   budget {BUDGET:.0f} s "
                f"{verdict}",
                flush=True,
            )
        gigabytes = peak_memory() / 1e3
        verdict = "met" if gigabytes <= MEMORY else "MISSED"
        print(f"peak memory {gigabytes:.2f} GB   budget {MEMORY:.0f} GB {verdict}")
        print(f"scikit-learn's RidgeCV alone {with_scikit_learn(score.n_train, 1024):.1f} s")


if __name__ == "__main__":
    main()
