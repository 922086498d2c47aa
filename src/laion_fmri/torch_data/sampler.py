"""The order of trials that reads one session after another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import whole_number
from laion_fmri.torch_data.dataset import LaionFMRIDataset


class SessionSampler(torch.utils.data.Sampler[int]):
    """Draw the trials of a dataset session by session: sessions in random order, then trials.

    An epoch in this order reads each session once, however small the memory is; a random order over
    sessions reads from all of them all the time. Each iteration has another order; `set_epoch`
    chooses which.

    Parameters
    ----------
    dataset : LaionFMRIDataset or torch.utils.data.Subset of it
        Indices are those of this dataset.
    shuffle : bool
        Without it, sessions and trials are in the order of the dataset.
    seed : int
        The same seed gives the same order of every epoch.

    Raises
    ------
    InvalidArgumentError
        When the dataset has no sessions, or the seed is not a whole number of 0 or more.

    Examples
    --------
    >>> trials = sub.to_torch_dataset(zscore="session")  # doctest: +SKIP
    >>> loader = DataLoader(trials, 64, sampler=SessionSampler(trials))  # doctest: +SKIP
    """

    def __init__(
        self, dataset: torch.utils.data.Dataset, shuffle: bool = True, seed: int = 0
    ) -> None:
        number = whole_number(seed)
        if number is None:
            raise InvalidArgumentError(f"seed={seed!r} is no whole number of 0 or more.")
        self._seed, self._shuffle, self._epoch = number, bool(shuffle), 0
        items: dict[str, list[int]] = {}
        for item, session in enumerate(_sessions(dataset)):
            items.setdefault(session, []).append(item)
        self._items = [np.array(found) for found in items.values()]

    def __len__(self) -> int:
        return sum(map(len, self._items))

    def __iter__(self) -> Iterator[int]:
        """Yield every index once, and move on to the order of the next epoch."""
        sessions = self._items
        if self._shuffle:
            rng = np.random.default_rng([self._seed, self._epoch])
            sessions = [rng.permutation(sessions[n]) for n in rng.permutation(len(sessions))]
        self._epoch += 1
        for items in sessions:
            yield from items.tolist()

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of an epoch, counted from 0, for example to resume."""
        number = whole_number(epoch)
        if number is None:
            raise InvalidArgumentError(f"epoch={epoch!r} is no whole number of 0 or more.")
        self._epoch = number


def _sessions(dataset: torch.utils.data.Dataset) -> list[str]:
    """Return the session of each item."""
    if isinstance(dataset, torch.utils.data.Subset):
        of_all = _sessions(dataset.dataset)
        return [of_all[index] for index in dataset.indices]
    if isinstance(dataset, LaionFMRIDataset):
        return dataset.item_sessions
    raise InvalidArgumentError(
        f"{dataset!r} has no sessions to draw from. Give the trials of sub.to_torch_dataset(…), or "
        "a Subset of them; for images, use DataLoader(shuffle=True)."
    )
