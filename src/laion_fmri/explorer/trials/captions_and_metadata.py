"""Captions and metadata of one trial; a module of its own, as the script of this name draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import param
from panel.custom import JSComponent

from laion_fmri.explorer.runtime.error_messages import Absent
from laion_fmri.trial_contents import Caption
from laion_fmri.trial_selection.trial_table import describe_trial

if TYPE_CHECKING:
    import pandas as pd

NO_CAPTIONS = "This image has no captions."


class TrialText(JSComponent):
    """Metadata of a trial and its captions: human ones in rank order, then the marked AI caption.

    All text is displayed literally, even if it contains markup.
    """

    origins = param.Boolean(default=False, doc="Show the batch and the model of each caption.")
    view = param.Dict(default={}, doc="What is shown.")

    _esm: ClassVar[Path] = Path(__file__).with_name("captions_and_metadata.js")

    def set_trial(self, trial: int, row: pd.Series, captions: Sequence[Caption] | Absent) -> None:
        """Display a trial.

        Parameters
        ----------
        trial : int
        row : Series
            The trial's row of `laion_fmri.trial_selection.trial_table.trial_table`.
        captions : sequence of Caption, or Absent
        """
        self.view = {
            "name": str(row["image_name"]),
            "facts": describe_trial(trial, row),
            "captions": [] if isinstance(captions, Absent) else [asdict(c) for c in captions],
            "otherwise": captions.reason if isinstance(captions, Absent) else NO_CAPTIONS,
        }

    def clear(self) -> None:
        """Clear the display."""
        self.view = {}
