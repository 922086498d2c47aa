"""The user's choices. Tabs communicate only through them."""

from __future__ import annotations

from dataclasses import dataclass

import param
from numpy.typing import NDArray

TABS = ("Discover", "Download", "Brain", "Trials", "Splits")

IN_THE_ADDRESS = (
    "tab", "subject", "session", "trial", "rois", "map", "display", "pool", "split",
    "trial_filters", "model", "discover",
)  # fmt: skip
"""Parameters stored in the page's address. Never a secret, never a path."""

QUIET_IN_THE_ADDRESS = ("display", "trial_filters")
"""Parameters that change too often to add entries to the browser's history."""


@dataclass(frozen=True, eq=False)
class GivenMap:
    """A map passed from one tab to the Brain tab.

    Attributes
    ----------
    subject : str
    name : str
        Its name in the Map control.
    values : ndarray of float32, shape (n_voxels,)
        One per voxel of the anatomical brain mask.
    units, explanation : str
    """

    subject: str
    name: str
    values: NDArray
    units: str = ""
    explanation: str = ""


class ExplorerState(param.Parameterized):
    """The choices shared by several views.

    A value may name something that does not exist (an old link, a deleted subject): views
    display what they can and report what is missing.
    """

    tab = param.Selector(default=TABS[2], objects=list(TABS), doc="The tab that is shown.")
    subject = param.String(default="", doc="Full identifier, 'sub-01'; empty before a choice.")
    session = param.String(default="", doc="Full identifier, 'ses-01'; empty means every session.")
    trial = param.Integer(default=0, bounds=(0, None), doc="Global trial index of the subject.")
    rois = param.List(default=[], item_type=str, doc="Chosen ROIs (the library's query grammar).")
    map = param.String(default="", doc="The map on the brain, by its name in the Map control.")
    display = param.String(
        default="", doc="How the brain is shown, as `laion_fmri.explorer.brain.display` writes it."
    )
    pool = param.String(default="shared", doc="Pool of a split.")
    split = param.String(default="random_0", doc="Name of a split.")
    trial_filters = param.String(
        default="", doc="Filters of trials, as `laion_fmri.trial_selection.filters.Filters.text`."
    )
    discover = param.String(default="", doc="What the Discover tab shows: 'Files', or all else.")
    model = param.String(default="", doc="Model of embeddings; empty: the first downloaded one.")
    selected_trials = param.List(
        default=[], item_type=int, doc="Marked trials of the subject (global trial indices)."
    )
    given_maps = param.List(
        default=[], item_type=GivenMap, doc="Maps for the Brain tab, the one to show first."
    )
    wanted = param.List(default=[], item_type=str, doc="Keys of the bucket, chosen to download.")
    files_changed = param.Event(doc="Triggered when files were downloaded or deleted.")
