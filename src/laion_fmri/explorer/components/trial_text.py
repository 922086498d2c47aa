"""Captions and metadata of one trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import param
from panel.custom import JSComponent

from laion_fmri.explorer.trial_data import Absent, Caption

if TYPE_CHECKING:
    import pandas as pd

NO_CAPTIONS = "This image has no captions."


class TrialText(JSComponent):
    """What is known of a trial; human captions in rank order, the AI's set apart and marked.

    Every text is shown as text: markup in it does nothing.
    """

    origins = param.Boolean(default=False, doc="Say of each caption its batch and model.")
    view = param.Dict(default={}, doc="What is shown.")

    _esm: ClassVar[Path] = Path(__file__).with_name("trial_text.js")

    def set_trial(self, trial: int, row: pd.Series, captions: Sequence[Caption] | Absent) -> None:
        """Show a trial.

        Parameters
        ----------
        trial : int
        row : Series
            Its row of `laion_fmri.explorer.trial_table.trial_table`.
        captions : sequence of Caption, or Absent
        """
        self.view = {
            "name": str(row["image_name"]),
            "facts": facts(trial, row),
            "captions": [] if isinstance(captions, Absent) else [asdict(c) for c in captions],
            "otherwise": captions.reason if isinstance(captions, Absent) else NO_CAPTIONS,
        }

    def clear(self) -> None:
        """Show nothing."""
        self.view = {}


def facts(trial: int, row: pd.Series) -> list[str]:
    """What is known of a trial, in words."""
    seen_by = "every participant" if row["unique_or_shared"] == "shared" else "this one alone"
    showing = f"showing {row['repeat']} of {row['repeats']} here"
    return [
        f"Trial {trial}",
        f"{row['session']}, run {row['run']}, trial {row['session_trial']} there",
        f"{row['dataset']} image" if row["dataset"] else "dataset not known here",
        *([f"out of distribution: {row['ood_type']}"] if row["ood_type"] else []),
        f"{row['unique_or_shared']}: seen by {seen_by}",
        showing + (f", {row['n_reps']} in the dataset" if "n_reps" in row.index else ""),
    ]
