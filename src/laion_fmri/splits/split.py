"""A split of images into training and test sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.arguments import whole_number
from laion_fmri.html import table
from laion_fmri.names import as_labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Trials = pd.DataFrame | pd.Series | Iterable[str]

LABEL_COLUMNS = ("label", "image_name")
"""Columns with image names: of trial tables, and of other tables."""

FIRST_EDITION, LATER_EDITION, OWN_EDITION = "v1", "v2", "own"

_LONGEST = 120  # characters of a parameter, in a notebook


@dataclass(frozen=True)
class SplitVariant:
    """One realization of a split; every published split has exactly one.

    Attributes
    ----------
    variant_id : int
    train_ids, test_ids : tuple of str
        Image names, sorted.
    """

    variant_id: int
    train_ids: tuple[str, ...] = field(repr=False)
    test_ids: tuple[str, ...] = field(repr=False)

    def all_ids(self) -> list[str]:
        """Names of both sides, the training set first."""
        return [*self.train_ids, *self.test_ids]


@dataclass(frozen=True)
class Split:
    """A partition of image names into a training set and a test set.

    Attributes
    ----------
    name : str
        ``"random_0"``, ``"cluster_k5_3"``, ``"tau"``, ``"ood"`` …
    pool : str
        ``"shared"`` or a subject.
    params : mapping
        Parameters as published: ``method`` and its arguments.
    variants : tuple of SplitVariant
        The first one is used by default.
    splitter : str
        The published name of the procedure.
    edition : str
        ``"v1"``: computed by the known recipe or read from a file with a known checksum. ``"v2"``:
        from a file published later. ``"own"``: a custom split.
    """

    name: str
    pool: str
    params: Mapping[str, Any]
    variants: tuple[SplitVariant, ...] = field(repr=False)
    splitter: str = ""
    edition: str = OWN_EDITION

    def __repr__(self) -> str:
        return (
            f"<Split {self.name!r} of pool {self.pool!r}: {self.n_train:,} training and "
            f"{self.n_test:,} test images>"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("Pool", self.pool),
            ("Edition", self.edition),
            ("Training images", f"{self.n_train:,}"),
            ("Test images", f"{self.n_test:,}"),
            *((str(name), _in_short(value)) for name, value in self.params.items()),
        ]
        return table(f"Split {self.name}", rows)

    @property
    def split_family(self) -> str:
        """``"random"``, ``"cluster_k5"``, ``"tau"``, ``"ood"``: the name without its number."""
        return family_of(self.name)

    @property
    def train_ids(self) -> tuple[str, ...]:
        """Names of the training images, sorted."""
        return self.variants[0].train_ids

    @property
    def test_ids(self) -> tuple[str, ...]:
        """Names of the test images, sorted."""
        return self.variants[0].test_ids

    @property
    def n_train(self) -> int:
        """Number of training images."""
        return len(self.train_ids)

    @property
    def n_test(self) -> int:
        """Number of test images."""
        return len(self.test_ids)

    def variant(self, variant_id: int = 0) -> SplitVariant:
        """Return a variant by number.

        Raises
        ------
        UnknownNameError
        """
        number = whole_number(variant_id)
        found = next((v for v in self.variants if v.variant_id == number), None)
        if found is None:
            known = [str(v.variant_id) for v in self.variants]
            raise UnknownNameError(f"variant of the split {self.name!r}:", variant_id, known)
        return found

    def get_masks(self, trials: Trials, variant_id: int = 0) -> tuple[Mask, Mask]:
        """Return masks of the training and test trials; see `get_split_masks`."""
        import numpy as np

        labels, variant = labels_of(trials), self.variant(variant_id)
        train, test = frozenset(variant.train_ids), frozenset(variant.test_ids)
        n = len(labels)
        return (
            np.fromiter((label in train for label in labels), bool, n),
            np.fromiter((label in test for label in labels), bool, n),
        )


def _in_short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def family_of(name: str) -> str:
    """Return the family of a split: its name without a trailing number."""
    stem, _, number = name.rpartition("_")
    return stem if stem and number.isdigit() else name


def labels_of(trials: Trials) -> list[str | None]:
    """Return the image name of every row; None if missing.

    Parameters
    ----------
    trials : DataFrame, Series or iterable of str
        A table with a column ``label`` (trial tables) or ``image_name``, or the names.

    Raises
    ------
    InvalidArgumentError
        When there is no such column, or `trials` is not a table or a sequence of names (text, or
        bytes that are UTF-8).
    """
    columns = getattr(trials, "columns", None)
    if columns is not None:
        column = next((c for c in LABEL_COLUMNS if c in columns), None)
        if column is None:
            raise InvalidArgumentError(
                f"The table has no column {' or '.join(LABEL_COLUMNS)}, so its rows name no "
                "image. Give a trial table (Subject.get_trial_info, Subject.metadata)."
            )
        return as_labels(trials[column])  # type: ignore[index]
    if isinstance(trials, Mapping):
        raise InvalidArgumentError(
            "Trial tables of several sessions must be one table: give "
            "pd.concat(list(tables.values()), ignore_index=True)."
        )
    if isinstance(trials, str | bytes) or not isinstance(trials, Iterable):
        raise InvalidArgumentError(
            f"{trials!r} is neither a trial table nor a sequence of image names."
        )
    return as_labels(trials)
