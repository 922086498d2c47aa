"""What the transfer benchmark measures of the library, each in a process of its own."""

from __future__ import annotations

import importlib
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

Run = dict[str, float]

_IMPORTS = ("laion_fmri.download", "laion_fmri.bucket.s3", "boto3", "urllib3", "tqdm.auto")


def do_task(task: str, bucket: str, endpoint_url: str, data_dir: str, options: dict) -> Run:
    """Carry out one of `TASKS`; adds this process's memory in MB after imports, and at its peak."""
    for name in _IMPORTS:
        importlib.import_module(name)
    from laion_fmri.bucket.s3 import S3Bucket

    before = peak_memory()
    result = TASKS[task](S3Bucket(bucket, endpoint_url), Path(data_dir), **options)
    return {**result, "before": before, "peak": peak_memory()}


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the process that started this one had
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor / 1e6


def seconds_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def fetch(
    bucket: Any, data_dir: Path, etag: str | None = None, part_size: int | None = None
) -> Run:
    """List, plan and fetch a whole bucket."""
    from laion_fmri.checksums import Checksum
    from laion_fmri.transfer import engine
    from laion_fmri.transfer.plan import make_plan

    if etag is not None:
        bucket.checksum = lambda found: Checksum("md5", etag, part_size)
    began = time.perf_counter()
    plan = make_plan(bucket.objects(), data_dir, bucket)
    ends = [e for e in engine.run(plan) if e.kind.is_last]
    seconds = time.perf_counter() - began
    assert all(e.kind is engine.EventKind.FETCHED for e in ends), ends
    assert len(ends) == len(plan.files)
    return {"seconds": seconds}


def again(bucket: Any, data_dir: Path) -> Run:
    """Download a subject that is here; how much of the time went by waiting for listings."""
    from laion_fmri.download import download

    waited = [0.0]
    _count_waiting(type(bucket), waited)
    seconds = seconds_of(lambda: download("sub-01", progress=False, data_dir=data_dir))
    return {"seconds": seconds, "listing": waited[0]}


def _count_waiting(bucket_class: Any, waited: list[float]) -> None:
    list_objects, list_folder = bucket_class.objects, bucket_class.folder

    @wraps(list_objects)
    def objects(*arguments: object) -> Iterator[object]:
        listing = list_objects(*arguments)
        while True:
            began = time.perf_counter()
            found = next(listing, None)
            waited[0] += time.perf_counter() - began
            if found is None:
                return
            yield found

    @wraps(list_folder)
    def folder(*arguments: object) -> object:
        began = time.perf_counter()
        try:
            return list_folder(*arguments)
        finally:
            waited[0] += time.perf_counter() - began

    bucket_class.objects, bucket_class.folder = objects, folder


def listing(bucket: Any, data_dir: Path, prefix: str) -> Run:
    """List, and nothing else."""
    return {"seconds": seconds_of(lambda: list(bucket.objects(prefix)))}


def selected(bucket: Any, data_dir: Path, prefix: str) -> Run:
    """List, select, plan."""
    from laion_fmri.selection import Selection, select
    from laion_fmri.transfer.plan import make_plan

    began = time.perf_counter()
    plan = make_plan(select(bucket.objects(prefix), Selection("sub-01")), data_dir, bucket)
    seconds = time.perf_counter() - began
    assert plan.files
    return {"seconds": seconds}


def planned(bucket: Any, data_dir: Path) -> Run:
    """All that a download does before it moves bytes."""
    from laion_fmri.config import load_settings
    from laion_fmri.download import plan_download

    settings = load_settings(data_dir=data_dir)
    began = time.perf_counter()
    plan = plan_download("sub-01", settings=settings, bucket=bucket)
    seconds = time.perf_counter() - began
    assert plan.files
    return {"seconds": seconds}


TASKS: dict[str, Callable[..., Run]] = {
    "fetch": fetch,
    "again": again,
    "listing": listing,
    "selected": selected,
    "planned": planned,
}
