"""How fast the PyTorch dataset reads trials: from files, from stores, in which order.

    python tests/benchmarks/bench_torch.py [--profile tiny|demo|full] [--dir DIR] [--sessions N]
                                           [--n-workers N]

Prints milliseconds per trial of an epoch over all sessions, whole brain, z-scored, without images,
and those of the epoch after it. The baseline reads a whole session for each batch that needs it
(`get_betas`, with a store). Ways that read whole sessions again are timed with some trials. One
session, linked several times, stands for several.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from bench_betas import SESSION, SUBJECT, prepare
from torch.utils.data import DataLoader

from laion_fmri import layout
from laion_fmri.store.betas_store import drop_store
from laion_fmri.subject import Subject
from laion_fmri.torch_data import LaionFMRIDataset, SessionSampler

BATCH = 32
N_SLOW = 2  # batches of ways that read whole sessions again


def several(data_dir: Path, n_sessions: int) -> Subject:
    """A subject with so many sessions, all of them the first."""
    for number in range(2, n_sessions + 1):
        for key in (layout.betas, layout.trials):
            link = data_dir / key(SUBJECT, f"ses-{number:02d}")
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(data_dir / key(SUBJECT, SESSION), link)
    return Subject(SUBJECT, data_dir)


def report(name: str, loader: DataLoader, n_batches: int | None = None) -> None:
    cells = []
    for _ in range(2):
        began, n_trials = time.perf_counter(), 0
        for batch in islice(loader, n_batches):
            n_trials += len(batch["trial"])
        cells.append(f"{1e3 * (time.perf_counter() - began) / n_trials:12.2f}")
    print(f"{name:<52}" + "".join(cells), flush=True)


def baseline(sub: Subject, ds: LaionFMRIDataset) -> None:
    """Whole sessions for each batch in random order."""
    cells = []
    for seed in range(2):
        items = np.random.default_rng(seed).permutation(len(ds))[: N_SLOW * BATCH]
        began = time.perf_counter()
        for batch in np.split(items, range(BATCH, len(items), BATCH)):
            sessions = [ds.item_sessions[item] for item in batch]
            for session in set(sessions):
                sub.get_betas(session)[: sessions.count(session)].copy()
        cells.append(f"{1e3 * (time.perf_counter() - began) / len(items):12.2f}")
    print(f"{'get_betas of the sessions of each batch, store':<52}" + "".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", choices=["tiny", "demo", "full"], default="demo")
    parser.add_argument("--dir", type=Path, help="where the dataset is, or is written; kept")
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--n-workers", type=int, default=2)
    options = parser.parse_args()
    workers = {"num_workers": options.n_workers, "persistent_workers": options.n_workers > 0}
    torch.set_num_threads(1)  # as in workers; on a busy machine threads wait for each other
    with tempfile.TemporaryDirectory() as temporary:
        warnings.filterwarnings("ignore", message=".*are read again")
        folder = options.dir or Path(temporary)
        sub = several(prepare(options.profile, folder), options.sessions)
        drop_store(SUBJECT, data_dir=sub.data_dir)

        def dataset() -> LaionFMRIDataset:  # with room for one session only
            return sub.to_torch_dataset(image=False, zscore="session", max_memory_gb=0)

        ds = dataset()
        n_voxels = len(ds[0]["betas"])
        print(f"{len(ds)} trials of {len(sub.get_sessions())} sessions, {n_voxels} voxels")
        print(f"{'ms per trial':<52}{'first epoch':>12}{'second':>12}")
        report("files, random order", DataLoader(dataset(), BATCH, shuffle=True), N_SLOW)
        report(
            "files, SessionSampler", DataLoader(ds := dataset(), BATCH, sampler=SessionSampler(ds))
        )
        sub.build_store()
        baseline(sub, ds)
        report("store, random order", DataLoader(dataset(), BATCH, shuffle=True))
        report(
            "store, SessionSampler", DataLoader(ds := dataset(), BATCH, sampler=SessionSampler(ds))
        )
        report(
            f"store, SessionSampler, {options.n_workers} workers",
            DataLoader(ds := dataset(), BATCH, sampler=SessionSampler(ds), **workers),
        )
        (ds := dataset()).compute_zscores()
        report(
            f"the same after compute_zscores, {options.n_workers} workers",
            DataLoader(ds, BATCH, sampler=SessionSampler(ds), **workers),
        )


if __name__ == "__main__":
    main()
