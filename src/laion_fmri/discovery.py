"""Listings of the bucket: subjects, sessions, ROIs and files.

Subjects, sessions and ROIs come from listings. Listings are cached for the lifetime of the process;
`refresh` clears them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from laion_fmri import layout
from laion_fmri._errors import SubjectNotFoundError, UnsafeKeyError
from laion_fmri.arguments import as_scalar
from laion_fmri.bucket import Bucket, BucketObject, Folder, open_bucket
from laion_fmri.config import load_settings
from laion_fmri.transfer.plan import FileStatus, LocalFiles

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.volumes.rois import RoiIndex

T = TypeVar("T")

_AT_ONCE = 8  # parts of the bucket
_LISTED_BY_FOLDER = frozenset({"derivatives/", *(f"{tree}/" for tree in layout.DERIVATIVE_TREES)})

_folders: dict[tuple, Folder] = {}
_objects: dict[tuple, tuple[BucketObject, ...]] = {}
_lock = threading.Lock()
_age = 0  # how many times the cache was cleared


def refresh() -> None:
    """Clear the cached listings; the next call lists the bucket again."""
    global _age
    with _lock:
        _age += 1
        _folders.clear()
        _objects.clear()


def list_folder(prefix: str = "", bucket: Bucket | None = None) -> Folder:
    """List one level of the bucket."""
    bucket = bucket or open_bucket()
    return _cached(_folders, (_identity(bucket), prefix), lambda: bucket.folder(prefix))


def list_objects(prefix: str, bucket: Bucket | None = None) -> tuple[BucketObject, ...]:
    """List every object whose key begins with `prefix`."""
    bucket = bucket or open_bucket()
    return _cached(_objects, (_identity(bucket), prefix), lambda: tuple(bucket.objects(prefix)))


def list_everything(bucket: Bucket | None = None) -> Iterator[tuple[BucketObject, ...]]:
    """Yield every object of the bucket in parts, several of which are listed concurrently.

    The parts are the prefixes that other functions list, so that their cached listings are reused.

    Raises
    ------
    BucketUnreachableError
    """
    bucket = bucket or open_bucket()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listing") as threads:
        parts: list[Future[tuple[BucketObject, ...]]] = []
        folders = [""]
        try:
            while folders:
                prefix = folders.pop()
                folder = list_folder(prefix, bucket)
                yield folder.objects
                for below in folder.prefixes:
                    is_subject = not prefix and below.startswith("sub-")
                    if is_subject or below in _LISTED_BY_FOLDER:
                        folders.append(below)
                    else:
                        parts.append(threads.submit(list_objects, below, bucket))
            for part in as_completed(parts):
                yield part.result()
        finally:
            for part in parts:
                part.cancel()


def get_subjects(bucket: Bucket | None = None) -> list[str]:
    """List the subjects in the bucket, including those with incomplete data.

    The union over the derivative trees.

    Raises
    ------
    BucketUnreachableError
    """
    bucket = bucket or open_bucket()
    found = {
        name
        for tree in layout.DERIVATIVE_TREES
        for prefix in list_folder(f"{tree}/", bucket).prefixes
        if (name := prefix.rstrip("/").rpartition("/")[2]).startswith("sub-")
    }
    return sorted(found)


def require_subject(subject: str, bucket: Bucket | None = None) -> str:
    """Return the full identifier of a subject in the bucket.

    Raises
    ------
    SubjectNotFoundError
    """
    name, known = layout.subject_id(subject), get_subjects(bucket)
    if name not in known:
        raise SubjectNotFoundError(
            f"The bucket has no subject {name}. Subjects there: {', '.join(known) or 'none'}."
        )
    return name


def get_rois(
    subject: str | None = None, category: str | None = None, bucket: Bucket | None = None
) -> list[str]:
    """List the ROIs of a subject in the bucket by their local names, sorted.

    Parameters
    ----------
    subject : str, optional
        The ROIs of all subjects by default.
    category : str, optional
        One of the eight categories; all by default.

    Raises
    ------
    SubjectNotFoundError
        When the bucket has no such subject.
    UnknownNameError
        When there is no such category.
    """
    category = as_scalar(category)
    if category is not None and not isinstance(category, str):
        layout.require_category(category)  # raises the error
    bucket = bucket or open_bucket()
    subjects = get_subjects(bucket) if subject is None else [subject]
    indices = [get_roi_index(one, bucket) for one in subjects]
    if category is not None and not any(category in index.categories for index in indices):
        layout.require_category(category)
    return sorted({roi for index in indices for roi in index.names(category)})


def get_roi_index(subject: str, bucket: Bucket | None = None) -> RoiIndex:
    """Return the ROIs of a subject in the bucket by category."""
    from laion_fmri.volumes.rois import RoiIndex  # imports numpy, which downloads do not need

    bucket = bucket or open_bucket()
    name = require_subject(subject, bucket)
    objects = list_objects(f"{layout.ROIS_TREE}/{name}/", bucket)
    return RoiIndex.from_names(o.key for o in objects)


def get_sessions(subject: str, bucket: Bucket | None = None) -> list[str]:
    """List the sessions of a subject whose betas the bucket serves; excludes held-out sessions.

    Raises
    ------
    SubjectNotFoundError
    """
    bucket = bucket or open_bucket()
    name = require_subject(subject, bucket)
    prefixes = list_folder(f"{layout.BETAS_TREE}/{name}/", bucket).prefixes
    found = [prefix.rstrip("/").rpartition("/")[2] for prefix in prefixes]
    served = [s for s in found if s.startswith("ses-") and not layout.is_held_out(s)]
    return sorted(served, key=layout.natural_order)


def list_files(
    subject: str | None = None, bucket: Bucket | None = None, data_dir: Path | None = None
) -> pd.DataFrame:
    """List the files of the bucket, or of one subject, with their download status.

    Parameters
    ----------
    subject : str, optional
    bucket : Bucket, optional
    data_dir : Path, optional
        The folder with local files; the configured one by default.

    Returns
    -------
    DataFrame
        Columns key, size (bytes), status, held_out, then one column per entity. Status is
        downloaded, not downloaded, incomplete or outdated, or None for a key that is not a
        safe file name; the column exists only when a data directory is set.
    """
    import pandas as pd

    bucket = bucket or open_bucket()
    if subject is None:
        objects = list_objects("", bucket)
    else:
        name = require_subject(subject, bucket)
        trees = [f"{tree}/{name}/" for tree in layout.DERIVATIVE_TREES] + [f"{name}/"]
        objects = tuple(o for prefix in trees for o in list_objects(prefix, bucket))
    table = pd.DataFrame({"key": [o.key for o in objects], "size": [o.size for o in objects]})
    data_dir = data_dir or load_settings().data_dir
    if data_dir is not None:
        local_files = LocalFiles(data_dir, bucket)
        statuses = [_status(o, local_files) for o in objects]
        table["status"] = pd.Series(statuses, index=table.index, dtype=object)
    table["held_out"] = [layout.is_held_out(o.key) for o in objects]
    entities = [layout.parse_entities(o.key) for o in objects]
    return table.join(
        pd.DataFrame([{**e.values, "suffix": e.suffix, "extension": e.extension} for e in entities])
    )


def summarize(
    subject: str, bucket: Bucket | None = None, data_dir: Path | None = None
) -> pd.DataFrame:
    """Summarize a subject's files in the bucket by tree, and how much of them is downloaded.

    Parameters
    ----------
    subject : str
    bucket : Bucket, optional
    data_dir : Path, optional
        The configured one by default.

    Returns
    -------
    DataFrame
        Columns tree (betas, ROIs, anatomical, FreeSurfer, localizers, raw, diffusion),
        n_files, n_bytes, n_local and local_bytes (whole files). Held-out sessions are not counted.

    Raises
    ------
    SubjectNotFoundError
    """
    table = list_files(subject, bucket, data_dir)
    table = table[~table["held_out"]]
    table = table.assign(tree=[layout.tree_of(key) for key in table["key"]])
    here = table[table["status"] == FileStatus.DOWNLOADED] if "status" in table else table[:0]
    by_tree, local = table.groupby("tree")["size"], here.groupby("tree")["size"]
    found = by_tree.agg(n_files="count", n_bytes="sum")
    found["n_local"] = local.count()
    found["local_bytes"] = local.sum()
    order = [tree for tree in layout.TREES if tree in found.index]
    return found.loc[order].fillna(0).astype("int64").reset_index()


def _status(found: BucketObject, local_files: LocalFiles) -> str | None:
    try:
        return str(local_files.compare(found).status)
    except UnsafeKeyError:
        return None


def describe(bucket: Bucket | None = None) -> None:
    """Print a one-screen overview: bucket, subjects, and the ROIs of the first."""
    bucket = bucket or open_bucket()
    subjects = get_subjects(bucket)
    print("LAION-fMRI Dataset")
    print(f"  Bucket:    {bucket.uri}")
    print(f"  Subjects:  {len(subjects)} ({', '.join(subjects)})")
    if subjects:
        print(f"  ROIs:      {', '.join(get_rois(subjects[0], bucket=bucket))}")


def inspect_bucket(bucket: Bucket | None = None) -> None:
    """Print the top-level prefixes and the number of subjects in each derivative tree."""
    bucket = bucket or open_bucket()
    top = list_folder("", bucket).prefixes
    print(f"Bucket: {bucket.uri}")
    print(f"Top-level prefixes ({len(top)}):")
    for prefix in top:
        print(f"  {prefix}")
    for tree in (layout.BETAS_TREE, layout.ROIS_TREE):
        print(f"{tree}/: {_counted(list_folder(f'{tree}/', bucket).prefixes)}")


def _counted(prefixes: Iterable[str]) -> str:
    names = [prefix.rstrip("/").rpartition("/")[2] for prefix in prefixes]
    n_subjects = sum(name.startswith("sub-") for name in names)
    return f"{len(names)} entries, {n_subjects} sub-* entries"


def _cached(cache: dict[tuple, T], key: tuple, ask: Callable[[], T]) -> T:
    with _lock:
        if key in cache:
            return cache[key]
        age = _age
    answer = ask()
    with _lock:
        if age == _age:  # do not cache an answer older than a refresh
            cache[key] = answer
    return answer


def _identity(bucket: Bucket) -> tuple[str, object]:
    return bucket.uri, getattr(bucket, "endpoint_url", None)
