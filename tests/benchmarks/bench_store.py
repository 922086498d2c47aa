"""How fast betas come from the local store, and from the layouts it was chosen from.

    python tests/benchmarks/bench_store.py [--profile tiny|demo|full] [--dir DIR] [--repeats N]
                                           [--layouts] [--without-baseline]

Prints medians in ms. `warm`: what is read was read before; `cold`: nothing of the file is in
memory (Linux). An ROI is the one nearest to 500 voxels; `get_betas` is everything a user
waits for, masks and trial table included. The baseline is `get_betas` before there is a
store, in the same run. zarr-python and TensorStore read the files of the store; HDF5 reads a
copy with the same blocks, one block after another, with its checksums (fletcher32) and without.
Budgets: an ROI warm in 10 ms and 1.5 × HDF5 without checksums. `--layouts` writes the same numbers
in other layouts beside it and reads those as memory maps.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_betas import SESSION, SUBJECT, prepare

from laion_fmri.atomic_write import remove
from laion_fmri.store import betas_store as store
from laion_fmri.store.file import BetasStore, write_store
from laion_fmri.subject import Subject
from laion_fmri.subject_files import SubjectFiles

N_COLD = 3
Read = Callable[[np.ndarray | None, np.ndarray | None], np.ndarray]


def milliseconds(read: Callable[[], object], repeats: int, before: Callable[[], None] = int):
    """The median of `repeats` readings; `before` each, `before` is called."""
    taken = []
    for _ in range(repeats):
        before()
        began = time.perf_counter()
        read()
        taken.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken)


def forget(path: Path) -> None:
    """Have the kernel drop what it holds of a file, or of the files in a folder."""
    for part in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if part.is_file():
            file = os.open(part, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def questions(sub: Subject, n_voxels: int, n_trials: int) -> dict[str, tuple]:
    """What is asked of every layout: (columns, trials), None being all."""
    rng = np.random.default_rng(0)
    sizes = sub.get_roi_masks(sub.get_available_rois())
    name = min(sizes, key=lambda one: abs(int(sizes[one].sum()) - 500))
    columns = np.flatnonzero(sizes[name])
    scattered = np.sort(rng.choice(n_voxels, min(500, n_voxels), replace=False))
    return {
        f"{name} ({len(columns)} voxels), all trials": (columns, None),
        f"{len(scattered)} voxels at random, all trials": (scattered, None),
        "one trial, whole brain": (None, np.array([n_trials // 2])),
        "whole session": (None, None),
    }


def report(
    name: str, path: Path, read: Read, asked: dict[str, tuple], repeats: int
) -> dict[str, float]:
    """One line: warm and cold medians of each question; return the warm ones."""
    cells, medians = [], {}
    for question, (columns, trials) in asked.items():
        n_repeats = repeats if columns is not None or trials is not None else 3
        warm = milliseconds(lambda c=columns, t=trials: read(c, t), n_repeats)
        cold = math.nan
        if hasattr(os, "posix_fadvise"):
            cold = milliseconds(
                lambda c=columns, t=trials: read(c, t), N_COLD, lambda: forget(path)
            )
            read(columns, trials)
        cells.append(f"{warm:8.1f} {cold:7.0f}")
        medians[question] = warm
    print(f"{name:<34}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    return medians


def kept(path: Path) -> Read:
    """Reading a store that is opened each time."""

    def read(columns, trials):
        opened = BetasStore.open(path)
        voxels = opened.header.voxels
        return opened.masked(voxels if columns is None else voxels[columns], trials)

    return read


def with_zarr(path: Path) -> Read:
    """Reading the store with zarr-python, opened each time."""
    import zarr

    def read(columns, trials):
        array = zarr.open_array(path / "betas", mode="r")
        if trials is not None:
            return array[int(trials[0])]
        return array[:] if columns is None else array.oindex[:, columns]

    return read


def with_tensorstore(path: Path) -> Read:
    """Reading the store with TensorStore, opened each time, without a cache."""
    import tensorstore

    kvstore = {"driver": "file", "path": str(path / "betas")}

    def read(columns, trials):
        array = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}).result()
        if trials is not None:
            return array[int(trials[0])].read().result()
        return (array if columns is None else array[:, columns]).read().result()

    return read


def with_hdf5(path: Path) -> Read:
    """Reading a copy in HDF5 block by block, opened each time."""
    import h5py

    def read(columns, trials):
        with h5py.File(path) as file:
            array = file["betas"]
            if trials is not None:
                return array[int(trials[0])]
            if columns is None:
                return array[:]
            out = np.empty((len(array), len(columns)), np.float32)
            width = array.chunks[1]
            for block in np.unique(columns // width):
                mine = columns // width == block
                numbers = array[:, block * width : (block + 1) * width]
                out[:, mine] = numbers[:, columns[mine] - block * width]
            return out

    return read


def write_hdf5(path: Path, betas: np.ndarray, fletcher32: bool) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        chunks = (len(betas), 64)
        file.create_dataset("betas", data=betas, chunks=chunks, fletcher32=fletcher32)


def compare_readers(path: Path, asked: dict[str, tuple], repeats: int) -> None:
    """Other readers of the same numbers; which answer they give is compared, too."""
    own = kept(path)
    mine = report("own reader", path, own, asked, repeats)
    others = {"zarr-python": (path, with_zarr), "TensorStore": (path, with_tensorstore)}
    copies = {"HDF5": False, "HDF5, fletcher32": True}
    try:
        betas = own(None, None)
        for name, fletcher32 in copies.items():
            copy = path.with_suffix(f".{fletcher32}.h5")
            write_hdf5(copy, betas, fletcher32)
            others[name] = copy, with_hdf5
        for name, (source, reader) in others.items():
            for columns, trials in asked.values():
                expected = own(columns, trials)
                got = np.asarray(reader(source)(columns, trials)).reshape(expected.shape)
                assert got.tobytes() == expected.tobytes(), name
            theirs = report(name, source, reader(source), asked, repeats)
            ratios = [f"{mine[question] / theirs[question]:.2f}" for question in asked]
            print(f"{'  own reader / it':<34}" + "".join(f"{one:>18}" for one in ratios))
    finally:
        for fletcher32 in copies.values():
            path.with_suffix(f".{fletcher32}.h5").unlink(missing_ok=True)


def mapped(path: Path, shape: tuple[int, int], n_rows: int, by_voxel: bool) -> Read:
    """Reading blocks of `n_rows` trials, inside which trials or voxels follow each other."""

    def read(columns, trials):
        n_trials, n_voxels = shape
        n_blocks = math.ceil(n_trials / n_rows)
        order = (n_blocks, n_voxels, n_rows) if by_voxel else (n_blocks, n_rows, n_voxels)
        blocks = np.memmap(path, np.float32, "r", shape=order)
        if by_voxel:
            blocks = blocks.transpose(0, 2, 1)
        if trials is not None:
            block, row = divmod(int(trials[0]), n_rows)
            return np.array(blocks[block, row])
        out = np.empty((n_blocks * n_rows, n_voxels if columns is None else len(columns)), "f4")
        for block in range(n_blocks):
            rows = blocks[block] if columns is None else blocks[block][:, columns]
            out[block * n_rows : (block + 1) * n_rows] = rows
        return out[:n_trials]

    return read


def write_mapped(path: Path, betas: np.ndarray, n_rows: int, by_voxel: bool) -> None:
    with path.open("wb") as file:
        for first in range(0, len(betas), n_rows):
            rows = np.zeros((n_rows, betas.shape[1]), np.float32)
            rows[: len(betas[first : first + n_rows])] = betas[first : first + n_rows]
            file.write(np.ascontiguousarray(rows.T if by_voxel else rows))
        file.flush()
        os.fsync(file.fileno())


def compare_layouts(sub: Subject, asked: dict[str, tuple], repeats: int) -> None:
    path = store.store_path(sub.data_dir, SUBJECT, SESSION, "anatomical")
    header = BetasStore.open(path).header
    other, folder = path.with_suffix(".other"), path.with_suffix(".widths")
    try:
        for width in (16, 32, 64, 128, 256, 1024):
            series = SubjectFiles(sub.name, sub.data_dir).series(SESSION, header.grid)
            write_store(folder, replace(header, width=width), series)
            report(f"blocks of {width} voxels", folder, kept(folder), asked, repeats)
        betas = kept(path)(None, None)
        for name, n_rows, by_voxel in (
            ("trial after trial", 1, False),
            ("voxel after voxel", len(betas), True),
            ("16 trials, voxel after voxel", 16, True),
            ("32 trials, voxel after voxel", 32, True),
        ):
            write_mapped(other, betas, n_rows, by_voxel)
            report(name, other, mapped(other, betas.shape, n_rows, by_voxel), asked, repeats)
    finally:
        remove(other)
        remove(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", choices=["tiny", "demo", "full"], default="demo")
    parser.add_argument("--dir", type=Path, help="where the dataset is, or is written; kept")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--layouts", action="store_true", help="compare other layouts as well")
    parser.add_argument("--without-baseline", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sub = Subject(SUBJECT, prepare(options.profile, options.dir or Path(temporary)))
        store.drop_store(SUBJECT, SESSION, data_dir=sub.data_dir)
        estimate = store.estimate_store_bytes(SUBJECT, SESSION, data_dir=sub.data_dir)
        if not options.without_baseline:
            seconds = milliseconds(lambda: sub.get_betas(SESSION), 1) / 1e3
            print(f"get_betas without a store: {seconds:.2f} s")
        began = time.perf_counter()
        info = sub.build_store(SESSION)
        print(
            f"built in {time.perf_counter() - began:.2f} s: {info.n_trials} trials, "
            f"{info.n_voxels} voxels, {info.n_bytes} bytes (estimate {estimate})"
        )
        asked = questions(sub, info.n_voxels, info.n_trials)
        print("ms, warm and cold: " + "; ".join(asked))
        compare_readers(info.path, asked, options.repeats)
        name = next(iter(asked)).split(" ")[0]
        roi = milliseconds(lambda: sub.get_betas(SESSION, roi=name), options.repeats)
        whole = milliseconds(lambda: sub.get_betas(SESSION), 3)
        print(f"get_betas with a store: roi={name!r} {roi:.1f} ms, whole session {whole:.0f} ms")
        if options.layouts:
            compare_layouts(sub, asked, options.repeats)


if __name__ == "__main__":
    main()
