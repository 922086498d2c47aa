"""How fast, and in how much memory, one session of betas is read.

    python tests/benchmarks/bench_betas.py [--profile tiny|demo|full] [--dir DIR] [--repeats N]
                                           [--without WAY …]

Each way of reading runs in a process of its own, in turns, so that its peak memory is its
own and all see the machine alike. Prints medians, and ratios to `get_betas`. On a busy
machine compare the processor's seconds, which are those of all threads together: the ways
that inflate in a thread of their own wait for processors, not for each other.

* ``get_betas``: the library, whole brain.
* ``nibabel``: ``np.asarray(nibabel.load(path).dataobj)``, then the mask.
* ``stdlib stream``: one volume at a time through the standard library's gzip, then the mask.
* ``inflating alone``: the same bytes through ISA-L, thrown away.
* ``threaded igzip``: the same through ``isal.igzip_threaded``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUBJECT, SESSION = "sub-01", "ses-01"


def betas_path(data_dir: Path) -> Path:
    from laion_fmri import layout

    return data_dir / layout.betas(SUBJECT, SESSION)


def get_betas(data_dir: Path):
    from laion_fmri.subject import load_subject

    return load_subject(SUBJECT, data_dir).get_betas(SESSION)


def brain_of(data_dir: Path):
    import nibabel
    import numpy as np

    from laion_fmri import layout

    path = data_dir / layout.anatomical(SUBJECT, "desc-brain_mask", layout.FUNCTIONAL_RES)
    return np.asarray(nibabel.load(path).dataobj) != 0


def with_nibabel(data_dir: Path):
    import nibabel
    import numpy as np

    values = np.asarray(nibabel.load(betas_path(data_dir)).dataobj)
    return values[brain_of(data_dir)].T.astype(np.float32)


def with_stdlib(data_dir: Path):
    import gzip

    import nibabel
    import numpy as np

    image = nibabel.load(betas_path(data_dir))
    shape, dtype = image.shape, image.get_data_dtype()
    voxels = np.ravel_multi_index(np.nonzero(brain_of(data_dir)), shape[:3], order="F")
    out = np.empty((shape[3], len(voxels)), np.float32)
    with gzip.open(betas_path(data_dir)) as file:
        file.read(image.dataobj.offset)
        for row in out:
            values = np.frombuffer(file.read(int(np.prod(shape[:3])) * dtype.itemsize), dtype)
            row[:] = values[voxels] * image.dataobj.slope + image.dataobj.inter
    return out


def inflating_alone(data_dir: Path):
    from isal import igzip

    with igzip.open(betas_path(data_dir), "rb") as file:
        while file.read(1 << 20):
            pass


def with_igzip_threaded(data_dir: Path):
    from isal import igzip_threaded

    buffer = bytearray(16 << 20)
    with igzip_threaded.open(betas_path(data_dir), "rb", threads=1) as file:
        while file.readinto(buffer):
            pass


WAYS = {
    "get_betas": get_betas,
    "nibabel": with_nibabel,
    "stdlib stream": with_stdlib,
    "inflating alone": inflating_alone,
    "threaded igzip": with_igzip_threaded,
}


def measure(way: str, data_dir: Path) -> dict[str, float] | None:
    """One way, in a new process: seconds, peak MB, MB of output; None if memory ran out."""
    command = [sys.executable, __file__, "--measure", way, "--dir", str(data_dir)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == -signal.SIGKILL:
        return None
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the process that started this one had
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    import resource

    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor / 1e6


def report_one(way: str, data_dir: Path) -> None:
    for name in ("isal.igzip", "laion_fmri.subject", "nibabel", "pandas"):
        importlib.import_module(name)  # what is imported once is not what is measured
    began, worked = time.perf_counter(), time.process_time()
    out = WAYS[way](data_dir)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    peak = peak_memory()
    size = 0 if out is None else out.nbytes / 1e6
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "output": size}))


def prepare(profile: str, folder: Path) -> Path:
    """A data directory holding one session of the demo dataset."""
    from laion_fmri import layout
    from laion_fmri.access import accept_license
    from laion_fmri.bucket.directory import DirectoryBucket
    from laion_fmri.config import load_settings
    from laion_fmri.demo import write_demo
    from laion_fmri.download import fetch, plan_download

    data_dir = folder / f"data-{profile}"
    if (data_dir / layout.betas(SUBJECT, SESSION)).is_file():
        return data_dir
    data_dir.mkdir(parents=True, exist_ok=True)
    bucket = DirectoryBucket(write_demo(folder / f"bucket-{profile}", profile=profile).path)
    settings = load_settings(data_dir=data_dir)
    plan = plan_download(
        SUBJECT, settings=settings, bucket=bucket, ses=SESSION, include_anatomical=True
    )
    accept_license(data_dir)
    fetch(plan)
    return data_dir


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", choices=["tiny", "demo", "full"], default="demo")
    parser.add_argument("--dir", type=Path, help="where the dataset is, or is written; kept")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without", nargs="+", choices=list(WAYS), default=[], metavar="WAY")
    parser.add_argument("--measure", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        report_one(options.measure, options.dir)
        return
    with tempfile.TemporaryDirectory() as temporary:
        data_dir = prepare(options.profile, options.dir or Path(temporary))
        size = betas_path(data_dir).stat().st_size / 1e6
        print(f"{betas_path(data_dir).name}: {size:.1f} MB compressed, {options.repeats} repeats")
        runs: dict[str, list[dict[str, float]]] = {w: [] for w in WAYS if w not in options.without}
        for _ in range(options.repeats):
            for way in runs:
                if run := measure(way, data_dir):
                    runs[way].append(run)
    medians = {
        way: statistics.median(r["seconds"] for r in done) for way, done in runs.items() if done
    }
    titles = ("median s", "cpu s", "peak MB", "output MB", "× get_betas")
    print(" " * 16 + "".join(f"{title:>13}" for title in titles))
    for way, seconds in medians.items():
        peak = max(r["peak"] for r in runs[way])
        output = runs[way][0]["output"]
        cpu = statistics.median(r["cpu"] for r in runs[way])
        ratio = seconds / medians["get_betas"]
        print(f"{way:<16}{seconds:>13.3f}{cpu:>13.3f}{peak:>13.0f}{output:>13.0f}{ratio:>13.2f}")
    for way in set(runs) - set(medians):
        print(f"{way:<16} ran out of memory")


if __name__ == "__main__":
    main()
