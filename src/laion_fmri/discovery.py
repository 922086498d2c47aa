"""What the bucket holds, without downloading any of it.

Subjects, sessions and ROIs come from listings. A listing is kept for the life of the
process; `refresh` forgets them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from laion_fmri import layout
from laion_fmri._errors import SubjectNotFoundError, UnsafeKeyError
from laion_fmri.bucket import Bucket, BucketObject, Folder, open_bucket
from laion_fmri.config import load_settings
from laion_fmri.transfer.plan import FileStatus, LocalFiles

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.rois import RoiIndex

T = TypeVar("T")

_folders: dict[tuple, Folder] = {}
_objects: dict[tuple, tuple[BucketObject, ...]] = {}
_lock = threading.Lock()
_age = 0  # how many times the listings were forgotten


def refresh() -> None:
    """Forget every listing; the next question is put to the bucket again."""
    global _age
    with _lock:
        _age += 1
        _folders.clear()
        _objects.clear()


def list_folder(prefix: str = "", bucket: Bucket | None = None) -> Folder:
    """One level of the bucket."""
    bucket = bucket or open_bucket()
    return _kept(_folders, (_identity(bucket), prefix), lambda: bucket.folder(prefix))


def list_objects(prefix: str, bucket: Bucket | None = None) -> tuple[BucketObject, ...]:
    """Every object whose key begins with `prefix`."""
    bucket = bucket or open_bucket()
    return _kept(_objects, (_identity(bucket), prefix), lambda: tuple(bucket.objects(prefix)))


def get_subjects(bucket: Bucket | None = None) -> list[str]:
    """Every subject the bucket exposes, even those whose data are not all there yet.

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
    """The full identifier of a subject that the bucket has.

    Raises
    ------
    SubjectNotFoundError
    """
    name, known = layout.resolve_subject_id(subject), get_subjects(bucket)
    if name not in known:
        raise SubjectNotFoundError(
            f"The bucket has no subject {name}. Subjects there: {', '.join(known) or 'none'}."
        )
    return name


def get_rois(subject: str, category: str | None = None, bucket: Bucket | None = None) -> list[str]:
    """The ROIs of a subject in the bucket, as they are named locally, sorted.

    Parameters
    ----------
    subject : str
    category : str, optional
        Only those of one of the eight categories.

    Raises
    ------
    SubjectNotFoundError
        When the bucket has no such subject.
    UnknownNameError
        When there is no such category.
    """
    return get_roi_index(subject, bucket).names(category)


def get_roi_index(subject: str, bucket: Bucket | None = None) -> RoiIndex:
    """The ROIs of a subject in the bucket by category."""
    from laion_fmri.rois import RoiIndex  # brings numpy, which a download does without

    bucket = bucket or open_bucket()
    name = require_subject(subject, bucket)
    objects = list_objects(f"{layout.ROIS_TREE}/{name}/", bucket)
    return RoiIndex.from_names(o.key for o in objects)


def get_sessions(subject: str, bucket: Bucket | None = None) -> list[str]:
    """The sessions of a subject whose betas the bucket serves (held-out ones are not).

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
    """Every file of the bucket, or of one subject, with what is local of it.

    Parameters
    ----------
    subject : str, optional
    bucket : Bucket, optional
    data_dir : Path, optional
        What is local is looked for here; the configured one by default.

    Returns
    -------
    DataFrame
        Columns key, size (bytes), status (here, partial, missing, stale; None for a key
        that is no safe file name; only where a data directory is set), held_out, then one
        column an entity.
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
    """What a subject has in the bucket, tree by tree, and how much of it is local.

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
        n_files, n_bytes, n_local and local_bytes (whole files). Sessions that are held out are not
        counted.

    Raises
    ------
    SubjectNotFoundError
    """
    table = list_files(subject, bucket, data_dir)
    table = table[~table["held_out"]]
    table = table.assign(tree=[layout.tree_of(key) for key in table["key"]])
    here = table[table["status"] == FileStatus.HERE] if "status" in table else table[:0]
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
    """Print the top-level prefixes and how many subjects each derivative tree has."""
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


def _kept(kept: dict[tuple, T], key: tuple, ask: Callable[[], T]) -> T:
    with _lock:
        if key in kept:
            return kept[key]
        age = _age
    answer = ask()
    with _lock:
        if age == _age:  # an answer from before a refresh is not kept
            kept[key] = answer
    return answer


def _identity(bucket: Bucket) -> tuple[str, object]:
    return bucket.uri, getattr(bucket, "endpoint_url", None)
