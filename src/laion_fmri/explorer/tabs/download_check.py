"""Checking local files on the Download tab, and repairing what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui

from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.explorer.checkup import Checkup
from laion_fmri.explorer.components.markup import heading, markup
from laion_fmri.explorer.components.verify_view import STYLE, check_html
from laion_fmri.explorer.permitted import ShownCheckup
from laion_fmri.transfer.plan import TransferPlan, count_of

EVERYTHING = "Everything"


class CheckPanel:
    """Begin a check, follow it, repair what it found.

    Parameters
    ----------
    checkup : callable
        Gives the checks of the data directory in force.
    settings, bucket : callable
    on_repair : callable of (TransferPlan, str)
        Takes what is to be fetched, and a title.

    Attributes
    ----------
    view : Column
    """

    def __init__(
        self,
        checkup: Callable[[], Checkup | ShownCheckup],
        settings: Callable[[], Settings],
        bucket: Callable[[], Bucket],
        on_repair: Callable[[TransferPlan, str], None],
    ) -> None:
        self._checkup, self._settings, self._bucket = checkup, settings, bucket
        self._on_repair = on_repair
        self.what = pmui.Select(
            label="Files to check",
            options=[EVERYTHING],
            value=EVERYTHING,
            size="small",
            width=190,
            margin=0,
        )
        self.begin = pmui.Button(
            label="Check files", icon="fact_check", variant="outlined", size="small", margin=0
        )
        self.stop = pmui.Button(
            label="Stop checking", variant="outlined", size="small", visible=False, margin=0
        )
        self.repair = pmui.Button(
            label="Repair",
            icon="build",
            variant="contained",
            size="small",
            visible=False,
            margin=(8, 0, 0, 0),
        )
        self.begin.on_click(lambda _: self._begin())
        self.stop.on_click(lambda _: self._checkup().stop())
        self.repair.on_click(lambda _: self._repair())
        self._found = markup(style=STYLE, margin=(10, 0, 0, 0))
        self.view = pn.Column(
            heading(
                "Check local files",
                "Sizes and checksums of what is here are compared with the bucket.",
            ),
            pn.Row(
                self.what,
                self.begin,
                self.stop,
                align="start",
                styles={"gap": "12px", "align-items": "center"},
                margin=(10, 0, 0, 0),
            ),
            self._found,
            self.repair,
            sizing_mode="stretch_width",
            margin=(0, 0, 26, 0),
        )

    def offer(self, subjects: Sequence[str]) -> None:
        """Offer the subjects that have files here."""
        options = [EVERYTHING, *subjects]
        value = self.what.value if self.what.value in options else EVERYTHING
        self.what.param.update(options=options, value=value)

    def follow(self) -> None:
        """Show the check as it is."""
        now = self._checkup().snapshot()
        self._found.object = check_html(now)
        self.begin.disabled = now.state.is_busy
        self.stop.visible = now.state.is_busy
        self.repair.visible = bool(now.n_wrong) and not now.state.is_busy
        self.repair.label = f"Repair {count_of(now.n_wrong, 'file')}"

    def _begin(self) -> None:
        subject = "" if self.what.value == EVERYTHING else str(self.what.value)
        self._checkup().start(self._settings(), self._bucket, subject)
        self.follow()

    def _repair(self) -> None:
        plan = self._checkup().take_repair()
        if plan is not None:
            self._on_repair(plan, f"Repair of {count_of(len(plan.files), 'file')}")
        self.follow()
