"""How fast files arrive, against the AWS command line, from one server on this machine.

    python tests/benchmarks/bench_transfer.py [--only small present large planning] [--repeats N]

Needs `aws` (pip install awscli) and nginx (apt-get install nginx-light); what is not there
is left out. Ours and the baseline take turns; each number is a median.

* ``small``: 60 small objects. `aws s3 cp` once per file, against planning and fetching in a
  running process; `aws s3 sync` as a whole process, against the command line as one. From
  nginx, with a listing rendered beforehand, so that the clients are compared and not the
  server; and again from moto, an S3 endpoint that takes some 5 ms a request and whose ETags
  let us check every file (`aws` does not).
* ``present``: a second run when 1,000 objects are here: time beyond waiting for listings.
* ``large``: 1 GB from nginx, whole processes. `aws s3 cp` neither flushes nor checks what it
  wrote; ours always flushes. nginx gives no checksum, so ours runs once without and once with
  the checksum of an object uploaded in 8 MiB parts.
* ``planning``: 100,000 keys, from listings rendered beforehand, against listing alone; the ratio
  is what is added.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from client_tasks import Run, do_task
from listing_server import serve_listing
from nginx import find_nginx, serve_bucket
from s3_endpoint import serve_s3_apart

from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.s3 import S3Bucket

BUCKET = "laion-fmri"
ROIS = "derivatives/rois/sub-01"
BETAS = "derivatives/glmsingle-tedana/sub-01"
LARGE_KEY, LARGE_BYTES, PART = f"{BETAS}/large.nii.gz", 10**9, 8 << 20


class Bench:
    """A scratch folder, and rows of results.

    Parameters
    ----------
    folder : Path
    repeats : int
    """

    def __init__(self, folder: Path, repeats: int) -> None:
        self.folder, self.repeats = folder, repeats
        self.aws = find_aws()

    def target(self) -> Path:
        """A new data directory."""
        return Path(tempfile.mkdtemp(prefix="target-", dir=self.folder))

    def bucket_folder(self, name: str, files: dict[str, bytes]) -> Path:
        """A folder to be served as the bucket."""
        root = self.folder / name / BUCKET
        for key, data in files.items():
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return root

    def nginx(self, root: Path) -> AbstractContextManager[S3Bucket]:
        """A folder as a bucket behind nginx."""
        return serve_bucket(root, Path(tempfile.mkdtemp(dir=self.folder)))

    def run_aws(self, bucket: S3Bucket, *arguments: str) -> float:
        """Seconds of one `aws s3` process."""
        assert self.aws is not None
        options = ("--no-sign-request", "--only-show-errors", "--endpoint-url", bucket.endpoint_url)
        nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
        return timed([self.aws, "s3", *arguments, *options], nothing)

    def run_task(self, task: str, bucket: S3Bucket, data_dir: Path, **options: object) -> Run:
        """One of `client_tasks`, in a process of its own."""
        asked = {"task": task, "bucket": bucket.name, "endpoint_url": bucket.endpoint_url}
        asked |= {"data_dir": str(data_dir), "options": options}
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--task", json.dumps(asked)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | our_settings(bucket, data_dir),
        )
        return {**json.loads(done.stdout), "process": time.perf_counter() - began}

    def run_command(self, bucket: S3Bucket, data_dir: Path) -> float:
        """Seconds of the command line that fetches one subject."""
        command = [sys.executable, "-m", "laion_fmri", "download", "--subject", "sub-01"]
        return timed([*command, "--accept-license"], our_settings(bucket, data_dir))

    def medians(self, n: int, *ways: Callable[[Path], float]) -> list[float]:
        """Each way `n` times, in turns, into a new folder every time."""
        seconds: list[list[float]] = [[] for _ in ways]
        for _ in range(n):
            for way, found in zip(ways, seconds, strict=True):
                target = self.target()
                found.append(way(target))
                shutil.rmtree(target, ignore_errors=True)
        return [statistics.median(found) for found in seconds]


def our_settings(bucket: S3Bucket, data_dir: Path) -> dict[str, str]:
    assert bucket.endpoint_url is not None
    return {
        "LAION_FMRI_BUCKET": bucket.uri,
        "LAION_FMRI_ENDPOINT_URL": bucket.endpoint_url,
        "LAION_FMRI_DATA_DIR": str(data_dir),
        "XDG_CONFIG_HOME": str(data_dir.parent / "config"),
    }


def find_aws() -> str | None:
    """The AWS command line itself: a shim before it would cost time."""
    found = shutil.which("aws")
    if found and "shims" in found and shutil.which("pyenv"):
        asked = subprocess.run(
            ["pyenv", "which", "aws"], check=False, capture_output=True, text=True
        )
        found = asked.stdout.strip() or found
    return found


def timed(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | environment,
    )
    return time.perf_counter() - began


def row(what: str, ours: float, baseline: float, ratio: float, wanted: str, is_met: bool) -> None:
    """One line of the table; a baseline of 0 was not run."""
    if not baseline:
        print(f"{what:<50}{ours:>9.3f}{'not run':>10}")
        return
    verdict = "met" if is_met else "MISSED"
    print(f"{what:<50}{ours:>9.3f}{baseline:>10.3f}{ratio:>9.2f}   {wanted:<10}{verdict}")


def small(bench: Bench) -> None:
    draw = random.Random(0)
    files = {
        f"{ROIS}/face/sub-01_label-R{n}_mask.nii.gz": draw.randbytes(30_000) for n in range(59)
    }
    files["dataset_description.json"] = b"{}"
    root = bench.bucket_folder("small", files)
    servers = {"moto": serve_s3_apart(BUCKET, root)}
    if find_nginx():
        servers = {"nginx": bench.nginx(root), **servers}
    for name, server in servers.items():
        with server as bucket:
            _small_from(bench, name, bucket, list(files))


def _small_from(bench: Bench, name: str, bucket: S3Bucket, keys: list[str]) -> None:
    def one_by_one(target: Path) -> float:
        return sum(bench.run_aws(bucket, "cp", f"{bucket.uri}/{k}", f"{target}/{k}") for k in keys)

    ours = [bench.run_task("fetch", bucket, bench.target())["seconds"] for _ in range(5)]
    cp = one_by_one(bench.target()) if bench.aws else 0.0
    seconds = statistics.median(ours)
    what = f"60 small objects, {name}"
    row(f"{what}: aws s3 cp each", seconds, cp, cp / seconds, "≥ 40 ×", cp >= 40 * seconds)

    def command(target: Path) -> float:
        return bench.run_command(bucket, target)

    def sync(target: Path) -> float:
        return bench.run_aws(bucket, "sync", bucket.uri, str(target)) if bench.aws else 0.0

    ours_whole, baseline = bench.medians(3 * bench.repeats, command, sync)
    ratio = baseline / ours_whole
    row(f"{what}: aws s3 sync, processes", ours_whole, baseline, ratio, "≥ 1 ×", ratio >= 1)


def present(bench: Bench) -> None:
    files = {f"{ROIS}/face/sub-01_label-R{n}_mask.nii.gz": b"%d" % n for n in range(999)}
    root = bench.bucket_folder("present", {**files, "dataset_description.json": b"{}"})
    with bench.nginx(root) if find_nginx() else serve_s3_apart(BUCKET, root) as bucket:
        here = bench.target()
        bench.run_command(bucket, here)
        runs = [bench.run_task("again", bucket, here) for _ in range(bench.repeats)]
        beyond = statistics.median(r["seconds"] - r["listing"] for r in runs)
        listing = statistics.median(r["listing"] for r in runs)
        what = "1,000 present objects: beyond its listing"
        row(what, beyond, listing, beyond / listing, "≤ 0.3 s", beyond <= 0.3)
        if bench.aws:
            ours = statistics.median(bench.run_command(bucket, here) for _ in runs)
            sync = statistics.median(
                bench.run_aws(bucket, "sync", bucket.uri, str(here)) for _ in runs
            )
            what = "1,000 present objects: aws s3 sync, processes"
            row(what, ours, sync, sync / ours, "≥ 1 ×", ours <= sync)


def large(bench: Bench) -> None:
    if not find_nginx():
        print("large: left out, there is no nginx")
        return
    root = bench.bucket_folder("large", {LARGE_KEY: b""})
    with (root / LARGE_KEY).open("wb") as file:
        block = random.Random(0).randbytes(10**6)
        for _ in range(LARGE_BYTES // len(block)):
            file.write(block)
    etag = etag_of_parts(root / LARGE_KEY)
    runs: dict[bool, list[Run]] = {False: [], True: []}
    with bench.nginx(root) as bucket:

        def ours(is_checked: bool) -> Callable[[Path], float]:
            def way(target: Path) -> float:
                options = {"etag": etag, "part_size": PART} if is_checked else {}
                runs[is_checked].append(bench.run_task("fetch", bucket, target, **options))
                return runs[is_checked][-1]["process"]

            return way

        def cp(target: Path) -> float:
            if not bench.aws:
                return 0.0
            return bench.run_aws(bucket, "cp", f"{bucket.uri}/{LARGE_KEY}", str(target / "large"))

        plain, checked, baseline = bench.medians(bench.repeats, ours(False), ours(True), cp)
    for what, seconds in (("aws s3 cp, processes", plain), ("the same, with checksum", checked)):
        ratio = baseline / seconds
        row(f"1 GB: {what}", seconds, baseline, ratio, "≥ 0.95 ×", ratio >= 0.95)
    inside = statistics.median(r["seconds"] for r in runs[False])
    print(f"      {inside:.3f} s of ours after its imports, {1 / inside:.2f} GB/s")
    memory("1 GB", [r for listed in runs.values() for r in listed])


def etag_of_parts(path: Path) -> str:
    """The ETag that S3 gives an object uploaded in parts."""

    def digests() -> Iterator[bytes]:
        with path.open("rb") as file:
            while part := file.read(PART):
                yield hashlib.md5(part, usedforsecurity=False).digest()

    parts = list(digests())
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def planning(bench: Bench) -> None:
    n_sessions, n_keys = 25, 100_000
    objects = [
        BucketObject(
            f"{BETAS}/ses-{n % n_sessions + 1:02d}/func/sub-01_ses-{n % n_sessions + 1:02d}"
            f"_task-images_space-T1w_stat-effect_desc-Trial{n:06d}_statmap.nii.gz",
            1000 + n,
            f"{n:032x}",
        )
        for n in range(n_keys)
    ]
    with serve_listing(objects, bench.folder) as address:
        bucket = S3Bucket(BUCKET, address)
        prefix = {"prefix": f"{BETAS}/"}
        asked = {"listing": prefix, "selected": prefix, "planned": {}}
        bench.run_task("listing", bucket, bench.target(), **prefix)  # pages get rendered
        runs: dict[str, list[Run]] = {task: [] for task in asked}
        for _ in range(bench.repeats):
            for task, options in asked.items():
                runs[task].append(bench.run_task(task, bucket, bench.target(), **options))
    seconds = {task: statistics.median(r["seconds"] for r in done) for task, done in runs.items()}
    for task, what in (("selected", "listed, selected, planned"), ("planned", "plan_download")):
        added = seconds[task] / seconds["listing"] - 1
        row(
            f"100,000 keys: {what}",
            seconds[task],
            seconds["listing"],
            added,
            "≤ 0.20",
            added <= 0.2,
        )
    for task, done in runs.items():
        memory(f"100,000 keys, {task}", done)


def memory(what: str, runs: list[Run]) -> None:
    peak, before = (max(r[name] for r in runs) for name in ("peak", "before"))
    verdict = "met" if peak <= 150 else "MISSED"
    print(f"{what}: peak memory {peak:.0f} MB, {before:.0f} MB after imports (≤ 150 MB) {verdict}")


PARTS = {"small": small, "present": present, "large": large, "planning": planning}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="a disk for the scratch folder")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(do_task(**json.loads(options.task))))
        return
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        bench = Bench(Path(folder), options.repeats)
        if bench.aws is None:
            print("There is no aws on this machine (pip install awscli): no baselines")
        print(f"{'seconds':<50}{'ours':>9}{'baseline':>10}{'ratio':>9}   target")
        for name in options.only:
            PARTS[name](bench)


if __name__ == "__main__":
    main()
