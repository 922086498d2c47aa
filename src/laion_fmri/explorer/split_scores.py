"""Scoring splits in the background, for the Splits tab. No widgets."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from laion_fmri._errors import CancelledError
from laion_fmri.explorer.background import explain
from laion_fmri.explorer.split_words import literal
from laion_fmri.rois import ALL
from laion_fmri.splits import Evaluation, Split, evaluate

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

_ONE_AT_A_TIME = threading.Semaphore(1)  # each takes every processor there is


@dataclass(frozen=True)
class ScoreChoice:
    """What is scored.

    Attributes
    ----------
    rois : tuple of str
        Queries; each has rows of its own.
    embedding : str
    session : str
        Empty means every local session.
    nc_threshold : float
        In percent; 0 keeps every voxel.
    """

    rois: tuple[str, ...]
    embedding: str
    session: str = ""
    nc_threshold: float = 0.0


class ScoreJob:
    """A scoring that runs in a thread of its own.

    Attributes
    ----------
    progress : float
        From 0 to 1.
    doing : str
        What it is at.
    evaluation : Evaluation or None
        Once it is done.
    problem : str
        Why it failed.
    is_over : bool
        Whether nothing more happens.

    Parameters
    ----------
    sub : Subject
    splits : mapping of str to Split
    choice : ScoreChoice
    """

    def __init__(self, sub: Subject, splits: Mapping[str, Split], choice: ScoreChoice) -> None:
        self.progress, self.doing, self.problem = 0.0, "Waiting", ""
        self.evaluation: Evaluation | None = None
        self.is_over = False
        self._sub, self._splits, self._choice = sub, dict(splits), choice
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scoring", daemon=True)

    def start(self) -> None:
        """Begin, as soon as no other scoring runs."""
        self._thread.start()

    def cancel(self) -> None:
        """End it soon; what is done so far is dropped."""
        self._cancel.set()

    def wait(self) -> None:
        """Until it is over."""
        self._thread.join()

    def _run(self) -> None:
        choice = self._choice
        with _ONE_AT_A_TIME:
            try:
                self.evaluation = evaluate(
                    self._splits.values(),
                    self._sub,
                    list(choice.rois),
                    embedding=choice.embedding,
                    session=choice.session or None,
                    nc_threshold=choice.nc_threshold or None,
                    progress=self._tell,
                    cancel=self._cancel,
                )
            except CancelledError:
                pass
            except Exception as error:  # whatever it is, the page says so and goes on
                self.problem = explain(error)
            finally:
                self.is_over = True

    def _tell(self, share: float, what: str) -> None:
        self.progress, self.doing = share, what


def roi_choices(sub: Subject) -> list[str]:
    """What can be scored: categories, then ROIs, then all of them."""
    rois = sub.get_available_rois()
    return [*sub.get_available_categories(), *rois, ALL] if rois else []


def score_code(subject: str, pool: str, splits: Sequence[str], choice: ScoreChoice) -> str:
    """Python that gives the same scores."""
    names, rois = list(splits), list(choice.rois)
    arguments = [
        literal(names[0]) if len(names) == 1 else literal(names),
        literal(subject),
        literal(rois[0]) if len(rois) == 1 else literal(rois),
        f"pool={literal(pool)}",
        f"embedding={literal(choice.embedding)}",
    ]
    if choice.session:
        arguments.append(f"session={literal(choice.session)}")
    if choice.nc_threshold:
        arguments.append(f"nc_threshold={choice.nc_threshold:g}")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return (
        "from laion_fmri.splits import evaluate\n\n"
        f"found = evaluate(\n{lines})\n"
        "print(found.table)\n"
        f"correlation = found.values({literal(names[0])})  # one value a voxel of the brain mask"
    )
