"""The parameters of a brain view."""

from __future__ import annotations

from typing import Any

import param

from laion_fmri.analysis.cortex import SPACES
from laion_fmri.explorer.widgets.standalone_view import StandaloneView


class BrainChoices(StandaloneView):
    """The parameters of a brain view."""

    __abstract = True

    subject = param.String(default="", allow_refs=True, doc="Full identifier, 'sub-01'.")
    map = param.String(default="", allow_refs=True, doc="Name of the map that is shown.")
    rois = param.List(
        default=[],
        item_type=str,
        allow_refs=True,
        doc="Chosen ROIs: names, categories or 'all'.",
    )
    space: Any = param.Selector(
        default="fsnative", objects=list(SPACES), doc="Whose cortex is drawn."
    )
    threshold = param.Number(
        default=None,
        allow_refs=True,
        doc="Values (of a symmetric map: magnitudes) below this are not drawn, in the map's "
        "units. None: the map's own.",
    )
    compare = param.String(
        default="", allow_refs=True, doc="Name of the map that is shown beside it; empty: none."
    )
    compare_subject = param.String(
        default="", allow_refs=True, doc="Whose map that is; empty: the same subject's."
    )
    linked = param.Boolean(
        default=True,
        doc="Whether both brains turn together and share view, shape and, in the same units, "
        "thresholds.",
    )
    display = param.String(
        default="",
        doc="How the brain is shown where that differs from the default: camera, shape, "
        "thresholds, panes, comparison. The page's address keeps it.",
    )
    trial = param.Integer(
        default=-1, allow_refs=True, doc="The trial whose response is offered; -1 for none."
    )
    trials = param.List(
        default=[], item_type=int, allow_refs=True, doc="Trials whose mean response is offered."
    )
    opened_trial = param.Integer(default=-1, doc="The trial whose image was clicked last.")
    marked_trials = param.List(default=[], item_type=int, doc="Trials that were marked last.")
    files_arrived = param.Event(doc="Triggered when missing files have been downloaded.")

    def choose(self, **chosen: Any) -> None:
        """Set only the parameters that differ: setting one would break its link to another view."""
        changed = {name: value for name, value in chosen.items() if getattr(self, name) != value}
        if changed:
            self.param.update(changed)
