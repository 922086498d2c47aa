"""Local image names, and checks that they make up a pool.

Names come from the stimulus metadata or, if not downloaded, from the trial tables of downloaded
subjects. An incomplete pool is refused: on fewer names, the same recipe gives a different split.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from laion_fmri import layout
from laion_fmri._errors import InconsistentDataError, LaionFmriError, StimuliNotDownloadedError
from laion_fmri.fingerprint import file_signature
from laion_fmri.splits.recipes import SHARED_PREFIX, ood_type_of
from laion_fmri.splits.registry import NamesFigures, Registry

SHARED = "shared"
"""The pool of the shared images that are not out of distribution."""

_ADVICE = (
    "`laion-fmri download-stimuli` fetches the names of all images, `laion-fmri download-splits` "
    "the published splits themselves."
)


@dataclass(frozen=True)
class NamesAtHand:
    """Image names found in a data directory.

    Attributes
    ----------
    shared, ood : frozenset of str
        Shared images that are in distribution and out of distribution.
    unique : mapping of str to frozenset of str
        Images seen by one participant only, by participant.
    source : str
        Source of the names, for messages.
    complete : bool
        Whether the source lists every image of the dataset.
    """

    shared: frozenset[str]
    ood: frozenset[str]
    unique: Mapping[str, frozenset[str]]
    source: str
    complete: bool

    def pool(self, pool: str, figures: NamesFigures) -> frozenset[str]:
        """Return the local names of a pool, which may be incomplete.

        A table may name participants differently from subjects: then the group that matches the
        pool, if any, is the subject's.
        """
        if pool == SHARED:
            return self.shared
        if pool in self.unique:
            return self.shared | self.unique[pool]
        candidates = (self.shared | names for names in self.unique.values())
        return next((names for names in candidates if figures.fit(names)), self.shared)


def find_names(data_dir: Path) -> NamesAtHand:
    """Find the image names in a data directory.

    Raises
    ------
    StimuliNotDownloadedError
        When there are none.
    DamagedFileError
        When a table cannot be read.
    """
    table = layout.local_path(data_dir, layout.STIMULI_METADATA)
    if table.exists():
        return _in_metadata(data_dir, file_signature(table))
    found = _sorted_out(_in_trial_tables(data_dir), "the local trial tables", False)
    if not (found.shared or found.ood or found.unique):
        raise StimuliNotDownloadedError(
            f"There are no image names in {data_dir}, and splits are computed from them. {_ADVICE}"
        )
    return found


def mapped_names(data_dir: Path, pool: str = "") -> list[str]:
    """List shared images, out-of-distribution images, and those unique to a pool's participant.

    Parameters
    ----------
    data_dir : Path
    pool : str
        Empty for all participants.

    Returns
    -------
    list of str
        Empty when no image names are local.
    """
    try:
        at_hand = find_names(data_dir)
    except LaionFmriError:
        return []
    unique = [at_hand.unique.get(pool, frozenset())] if pool else at_hand.unique.values()
    return [*at_hand.shared, *at_hand.ood, *(name for names in unique for name in names)]


def require_pool(at_hand: NamesAtHand, pool: str, registry: Registry) -> frozenset[str]:
    """Return all names of a pool.

    Raises
    ------
    InconsistentDataError
        When the local names do not match the pool; the message says what is missing.
    """
    figures = registry.require_pool(pool)
    names = at_hand.pool(pool, figures)
    if not figures.fit(names):
        raise _incomplete(at_hand, f"the pool {pool!r}", len(names), figures.n)
    return names


def require_ood(at_hand: NamesAtHand, registry: Registry) -> frozenset[str]:
    """Return all out-of-distribution names.

    Raises
    ------
    InconsistentDataError
        When the local names do not match the dataset, or cannot be checked.
    """
    figures = registry.ood
    if figures is None and not at_hand.complete:
        raise InconsistentDataError(
            f"{registry.dataset} does not declare its out-of-distribution images, so those in "
            f"{at_hand.source} may not be all. {_ADVICE}"
        )
    if figures is not None and not figures.fit(at_hand.ood):
        what = "the set of out-of-distribution images"
        raise _incomplete(at_hand, what, len(at_hand.ood), figures.n)
    return at_hand.ood


def _incomplete(at_hand: NamesAtHand, what: str, n: int, n_expected: int) -> InconsistentDataError:
    found = (
        f"{n:,} of {n_expected:,} are there"
        if n < n_expected
        else f"the {n:,} that are there are not the {n_expected:,} it is made of"
    )
    return InconsistentDataError(
        f"The image names in {at_hand.source} do not make up {what}: {found}. A split computed "
        f"from them would be another one of the same name, so it is refused. {_ADVICE}"
    )


def _sorted_out(named: Iterable[tuple[str, str]], source: str, complete: bool) -> NamesAtHand:
    shared: set[str] = set()
    ood: set[str] = set()
    unique: dict[str, set[str]] = {}
    for name, participant in named:
        if not name.startswith(SHARED_PREFIX):
            unique.setdefault(participant, set()).add(name)
        elif ood_type_of(name) is None:
            shared.add(name)
        else:
            ood.add(name)
    return NamesAtHand(
        frozenset(shared),
        frozenset(ood),
        {participant: frozenset(names) for participant, names in unique.items()},
        source,
        complete,
    )


@functools.lru_cache(maxsize=2)
def _in_metadata(data_dir: Path, _signature: tuple[int, int, int]) -> NamesAtHand:
    """Read the names in the metadata; cached while the table is unchanged."""
    from laion_fmri.stimuli.metadata import read_metadata

    table = read_metadata(data_dir)
    pairs = zip(table["image_name"].tolist(), table["participant"].fillna("").tolist(), strict=True)
    return _sorted_out(pairs, Path(layout.STIMULI_METADATA).name, True)


def _in_trial_tables(data_dir: Path) -> Iterator[tuple[str, str]]:
    from laion_fmri.subject_files import local_subjects
    from laion_fmri.trials import read_trials

    for subject in local_subjects(data_dir):
        for folder in sorted((data_dir / layout.subject_betas_dir(subject)).glob("ses-*")):
            path = layout.local_path(data_dir, layout.trials(subject, folder.name))
            if path.exists():
                for label in read_trials(path)["label"].unique():
                    yield str(label), subject
