"""Data of the Splits tab, from the library, cached by the files they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import explain
from laion_fmri.explorer.runtime.background_job import Job, Threads
from laion_fmri.splits import (
    EmbeddingSpace,
    ImageMap,
    Split,
    SplitMeasures,
    SplitSizes,
    composition,
    load_split,
    pca_map,
    split_sizes,
    trial_counts,
    tsne_map,
)
from laion_fmri.splits.compare import kernel_images
from laion_fmri.splits.export import FileKind, split_file
from laion_fmri.splits.image_map import map_path, read_map, require_scikit_learn, save_map
from laion_fmri.splits.measures import RandomSides
from laion_fmri.splits.names import mapped_names
from laion_fmri.splits.own import own_path
from laion_fmri.splits.published import split_path
from laion_fmri.splits.registry import DECLARED, splits_dir
from laion_fmri.splits.space import Kernel, SplitComparison
from laion_fmri.splits.terms import Terms, differing_terms, term_index
from laion_fmri.stimuli.by_trial import trial_table_paths
from laion_fmri.stimuli.embeddings import Embeddings, embeddings_path

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

_TURNS = Threads(1)  # t-SNE uses all processors
map_jobs: dict[Path, Job[ImageMap]] = {}
"""This server's jobs for t-SNE maps, by the file that stores the map."""
_lock = threading.Lock()


@dataclass(frozen=True)
class SplitChoice:
    """The chosen split, and the subject and session whose trials are counted.

    Attributes
    ----------
    pool, name : str
    ood_types : tuple of str
        Empty means all.
    subject, session : str
        Empty means no subject, and all downloaded sessions.
    """

    pool: str
    name: str
    ood_types: tuple[str, ...] = ()
    subject: str = ""
    session: str = ""


@dataclass(frozen=True, eq=False)
class SplitReport:
    """A split and its tables.

    Attributes
    ----------
    choice : SplitChoice
    sizes : SplitSizes
    splits : dict of str to Split
        By name: the chosen one, then the other splits of the pool in the comparison. Empty if
        the chosen one cannot be loaded; `problem` says why.
    composition, trials : DataFrame or None
        From `laion_fmri.splits.composition` and `trial_counts`.
    problem, trials_problem : str
        Why the split cannot be loaded, or trials not counted; empty otherwise.
    """

    choice: SplitChoice
    sizes: SplitSizes
    splits: dict[str, Split] = field(default_factory=dict)
    composition: pd.DataFrame | None = None
    trials: pd.DataFrame | None = None
    problem: str = ""
    trials_problem: str = ""

    @property
    def split(self) -> Split | None:
        """The chosen split, if it can be loaded."""
        return self.splits.get(self.choice.name)


def report(data: ExplorerData, choice: SplitChoice, others: Sequence[str] = ()) -> SplitReport:
    """Return the chosen split and its tables, and the other splits that can be loaded.

    Raises
    ------
    LaionFmriError
        If the pool or split does not exist, or the sizes are unknown too.
    """
    types = choice.ood_types or None
    known_sizes = split_sizes(choice.name, choice.pool, types, data.settings.data_dir)
    try:
        split = chosen_split(data, choice)
    except LaionFmriError as error:
        return SplitReport(choice, known_sizes, problem=explain(error))
    trials, problem = None, ""
    if choice.subject:
        try:
            trials = trial_counts(split, trial_labels(data, choice.subject, choice.session))
        except LaionFmriError as error:
            problem = explain(error)
    sizes = SplitSizes(split.n_train, split.n_test)
    splits = {choice.name: split, **local_splits(data, choice.pool, others)}
    return SplitReport(choice, sizes, splits, composition(split), trials, "", problem)


def chosen_split(data: ExplorerData, choice: SplitChoice) -> Split:
    """Load the chosen split.

    Raises
    ------
    LaionFmriError
        If it cannot be loaded.
    """
    root, pool, name = data.data_dir, choice.pool, choice.name
    files = [*_name_files(data), split_path(pool, name, root), own_path(pool, name, root)]
    types = choice.ood_types or None
    key = ("split", pool, name, types)
    return data.remember(key, lambda: load_split(name, pool, types, root), files)


def local_splits(data: ExplorerData, pool: str, names: Sequence[str]) -> dict[str, Split]:
    """Load the splits of a pool by name, without those that cannot be loaded."""
    found = {}
    for name in names:
        try:
            found[name] = chosen_split(data, SplitChoice(pool, name))
        except LaionFmriError:  # left out of the comparison
            continue
    return found


def trial_labels(data: ExplorerData, subject: str, session: str) -> pd.DataFrame:
    """Return the trials of one downloaded session, or of all: columns label and session.

    Raises
    ------
    LaionFmriError
    """
    sub = data.subject(subject)

    def read() -> pd.DataFrame:
        import pandas as pd

        tables = sub.get_trial_info([session] if session else None)
        rows = [(label, name) for name, table in tables.items() for label in table["label"]]
        return pd.DataFrame(rows, columns=["label", "session"])

    files = list(trial_table_paths(sub).values())
    return data.remember(("labels", subject, session), read, files)


# --- image space ------------------------------------------------------------------------------


def local_models(data: ExplorerData) -> list[str]:
    """List the models with downloaded embeddings; empty if there is no data directory."""
    try:
        return Embeddings("all", data.data_dir).models
    except LaionFmriError:
        return []


def image_space(data: ExplorerData, model: str) -> EmbeddingSpace:
    """Return the images that have an embedding in a model.

    Raises
    ------
    LaionFmriError
    """
    return _of_model(data, model, ("space",), lambda: EmbeddingSpace(model, data.data_dir))


def measured(data: ExplorerData, model: str, splits: Mapping[str, Split]) -> SplitMeasures:
    """Measure splits of one pool on a model, without random splits.

    Raises
    ------
    LaionFmriError
        If the embeddings are not downloaded, or a side has none.
    """
    space, kernel, images = _pool_kernel(data, model, splits)

    def compare(split: Split) -> SplitComparison:
        key = ("compared", images, _digest(split.train_ids), _digest(split.test_ids))
        return _of_model(data, model, key, lambda: space.compare(split, kernel))

    return SplitMeasures(model, {name: compare(split) for name, split in splits.items()})


def with_random_sides(
    data: ExplorerData, found: SplitMeasures, splits: Mapping[str, Split]
) -> SplitMeasures:
    """Add random splits to the measures; splits of the same images and sizes share them.

    Raises
    ------
    LaionFmriError
    """
    space, kernel, images = _pool_kernel(data, found.model, splits)

    def draw(split: Split) -> RandomSides:
        both = sorted((*split.train_ids, *split.test_ids))
        key = ("random sides", images, _digest(both), len(space.rows_of(split.test_ids)))
        return _of_model(data, found.model, key, lambda: space.random_sides(split, kernel))

    return replace(found, random={name: draw(split) for name, split in splits.items()})


def _pool_kernel(
    data: ExplorerData, model: str, splits: Mapping[str, Split]
) -> tuple[EmbeddingSpace, Kernel, str]:
    """Return the space, the kernel of the pool, and a digest of the pool's images."""
    space, first = image_space(data, model), next(iter(splits.values()))
    key = ("kernel images", first.pool, _digest(first.train_ids), _digest(first.test_ids))
    images = data.remember(key, lambda: kernel_images(first, data.data_dir), _name_files(data))
    digest = _digest(images)
    return space, _of_model(data, model, ("kernel", digest), lambda: space.kernel(images)), digest


def map_images(data: ExplorerData, splits: Sequence[Split], whole_dataset: bool) -> list[str]:
    """Return the images of a map, sorted: those of the splits and their pool, or all."""

    pool = "" if whole_dataset else splits[0].pool
    known = data.remember(
        ("map images", pool), lambda: mapped_names(data.data_dir, pool), _name_files(data)
    )
    own = (name for split in splits for name in (*split.train_ids, *split.test_ids))
    return sorted({*known, *own})


def pca(data: ExplorerData, model: str, images: Sequence[str]) -> ImageMap:
    """Project images onto the first two principal components of a model.

    Raises
    ------
    LaionFmriError
    """
    space = image_space(data, model)
    return _of_model(data, model, ("PCA", _digest(images)), lambda: pca_map(space, images))


def tsne(data: ExplorerData, model: str, images: Sequence[str]) -> ImageMap | Job[ImageMap]:
    """Return the stored t-SNE map of the images, or the job that computes it.

    The job belongs to the server: it continues when the page is closed, and pages that need
    the same map follow the same job. The map is stored in the data directory.

    Raises
    ------
    LaionFmriError
        If the embeddings are not downloaded, or scikit-learn is not installed.
    """
    space = image_space(data, model)
    names = space.known(images)
    path = map_path(space, names, data.data_dir / ".laion_fmri" / "layouts")
    with _lock:
        job = map_jobs.get(path)
        if job is not None and job.is_done:
            return job.result()
        if job is None or job.is_over or job.cancelled.is_set():
            if stored := read_map(path, names):
                return stored
            require_scikit_learn()
            job = Job(lambda job: _make_map(space, names, path, job))
            map_jobs[path] = _TURNS.start(job)
        return job


def _make_map(
    space: EmbeddingSpace, names: Sequence[str], path: Path, job: Job[ImageMap]
) -> ImageMap:
    found = tsne_map(space, names, progress=job.report, cancel=job.cancelled)
    with contextlib.suppress(OSError):  # in a read-only folder, only the job keeps the map
        save_map(found, path)
    return found


def split_terms(data: ExplorerData, terms: Terms, split: Split) -> pd.DataFrame:
    """Compare the terms of the sides of a split; see `laion_fmri.splits.compare_terms`.

    Raises
    ------
    LaionFmriError
    """
    key = layout.SEGMENTATIONS_METADATA if terms == "nouns" else layout.CAPTIONS
    files = [layout.local_path(data.data_dir, key)]
    index = data.remember(("terms", terms), lambda: term_index(terms, data.stimuli()), files)
    return differing_terms(index, split.train_ids, split.test_ids)


def take_along(data: ExplorerData, choice: SplitChoice, kind: FileKind) -> io.BytesIO:
    """Return the chosen split as a file; see `laion_fmri.splits.export.split_file`.

    Raises
    ------
    LaionFmriError
    """
    trials = trial_labels(data, choice.subject, choice.session) if kind == "npz" else None
    return io.BytesIO(split_file(chosen_split(data, choice), kind, trials))


# --- dependencies of results ------------------------------------------------------------------


def _of_model(data: ExplorerData, model: str, key: tuple, make: Callable[[], T]) -> T:
    """Return a cached result that depends on the embeddings of a model."""
    return data.remember((*key, model), make, [embeddings_path(data.data_dir, model)])


def _name_files(data: ExplorerData) -> list[Path]:
    """Return the files that image names and pools are read from."""
    root = data.data_dir
    files = [layout.local_path(root, layout.STIMULI_METADATA), splits_dir(root) / DECLARED]
    if not files[0].exists():
        for subject in data.local_subjects():
            files += trial_table_paths(data.subject(subject)).values()
    return files


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
