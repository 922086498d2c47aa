"""How fast, and in how much memory, image averages are built and read.

    python tests/benchmarks/bench_averages.py [--small] [--dir DIR] [--sessions N] [--jobs N]
                                              [--from-stores] [--repeats N]

The betas are one session of the demo dataset, at the published size or (`--small`) at the demo's,
linked as every session; trial tables are made like the published ones: an image has 12, 4 or about
4 repeats over all sessions, at the published size 5,833 images. Prints the seconds and the peak
memory of building in a process of its own, then median ms of an ROI of 500 voxels from the
averages: `open`, with every check of freshness, and `read`; and the budgets: 8 minutes, 3 GB and
0.3 s. `--from-stores` builds stores of betas first, linked as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_betas import SESSION, SUBJECT, betas_path, peak_memory, prepare

N_OF_REPEATS = {12: 881, 4: 611}  # published images with so many; 4,341 others share the rest
N_IMAGES = 5_833
SOON_AGAIN = 0.3  # of the repeats come in the same session


def trial_labels(n_sessions: int, n_trials: int) -> list[list[str]]:
    """The image of each trial of each session, with the published shares of repeats."""
    rng = np.random.default_rng(0)
    share = n_sessions * n_trials / (30 * 1066)
    repeats = [n for n, count in N_OF_REPEATS.items() for _ in range(round(count * share))]
    n_others = round(N_IMAGES * share) - len(repeats)
    rest = n_sessions * n_trials - sum(repeats)
    repeats += [rest // n_others + (n < rest % n_others) for n in range(n_others)]
    image = np.repeat(np.arange(len(repeats)), repeats)
    at = rng.uniform(0, n_sessions, len(image))
    soon = (rng.random(len(image)) < SOON_AGAIN) & (np.diff(image, prepend=-1) == 0)
    at[soon] = at[np.flatnonzero(soon) - 1] + 0.2
    labels = [f"unique_LAION_new_cluster_{n}_i0_p01.jpg" for n in image[np.argsort(at)]]
    return [labels[start : start + n_trials] for start in range(0, len(labels), n_trials)]


def link_sessions(data_dir: Path, n_sessions: int) -> list[str]:
    """Link the first session as the others, and write the trial tables of all."""
    import pandas as pd

    from laion_fmri import layout
    from laion_fmri.volumes.grid import Series

    source = betas_path(data_dir)
    names = [f"ses-{number + 1:02d}" for number in range(n_sessions)]
    tables = trial_labels(n_sessions, Series.open(source).n_volumes)
    for name, labels in zip(names, tables, strict=True):
        betas = data_dir / layout.betas(SUBJECT, name)
        betas.parent.mkdir(parents=True, exist_ok=True)
        if not betas.exists():
            betas.hardlink_to(source)
        table = {"session": name, "run": 1, "beta_index": range(len(labels)), "label": labels}
        path = data_dir / layout.trials(SUBJECT, name)
        pd.DataFrame(table).to_csv(path, sep="\t", index=False)
    return names


def build(data_dir: Path, n_jobs: int | None) -> None:
    """Build the averages, and print what it took as JSON."""
    from laion_fmri.averages import build_averages

    began, worked = time.perf_counter(), time.process_time()
    info = build_averages(SUBJECT, data_dir=data_dir, force=True, n_jobs=n_jobs)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    said = {"seconds": seconds, "cpu": cpu, "peak": peak_memory(), "bytes": info.n_bytes}
    print(json.dumps(said | {"n_images": info.n_images, "n_voxels": info.n_voxels}))


def measured_build(data_dir: Path, n_jobs: int | None) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", "--dir", str(data_dir)]
    command += ["--jobs", str(n_jobs)] if n_jobs is not None else []
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"Building failed:\n{done.stderr}")
    return json.loads(done.stdout)


def roi_of(data_dir: Path) -> np.ndarray:
    """The voxels of the ROI whose size is nearest to 500."""
    from laion_fmri.subject import Subject

    sub = Subject(SUBJECT, data_dir)
    inside = np.flatnonzero(sub.get_brain_mask())
    masks = sub.get_roi_masks(sub.get_available_rois())
    return inside[min(masks.values(), key=lambda mask: abs(int(mask.sum()) - 500))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="the demo's size, and 5 sessions")
    parser.add_argument("--dir", type=Path, help="where the dataset is, or is written; kept")
    parser.add_argument("--sessions", type=int)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--from-stores", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        build(options.dir, options.jobs)
        return
    from laion_fmri.store.averages_store import fresh_averages
    from laion_fmri.store.betas_store import build_stores
    from laion_fmri.subject_files import SubjectFiles

    with tempfile.TemporaryDirectory() as temporary:
        profile = "demo" if options.small else "full"
        data_dir = prepare(profile, options.dir or Path(temporary))
        names = link_sessions(data_dir, options.sessions or (5 if options.small else 30))
        size = betas_path(data_dir).stat().st_size
        print(f"{len(names)} sessions, each {size / 1e6:.0f} MB compressed (of {SESSION})")
        if options.from_stores:
            build_stores(SUBJECT, names, data_dir=data_dir)
        took = measured_build(data_dir, options.jobs)
        print(
            f"built {took['n_images']:,} images × {took['n_voxels']:,} voxels, "
            f"{took['bytes'] / 1e9:.2f} GB, in {took['seconds']:.1f} s (processors "
            f"{took['cpu']:.1f} s), peak {took['peak']:.0f} MB; budget 480 s, 3000 MB"
        )
        files, voxels = SubjectFiles(SUBJECT, data_dir), roi_of(data_dir)
        taken = []
        for _ in range(options.repeats):
            began = time.perf_counter()
            store = fresh_averages(files, "anatomical", files.sessions())
            opened = time.perf_counter()
            values = store.read(None, voxels)
            taken.append((opened - began, time.perf_counter() - opened))
        opening, reading = (1e3 * statistics.median(times) for times in zip(*taken, strict=True))
        print(
            f"ROI of {values.shape[1]} voxels, {values.shape[0]:,} images: open {opening:.0f} ms, "
            f"read {reading:.0f} ms; budget 300 ms together"
        )


if __name__ == "__main__":
    main()
