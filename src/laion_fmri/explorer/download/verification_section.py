"""The section of the Download tab that verifies downloaded files and repairs damaged ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.explorer.authorization import verification_of
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.verification_job import CheckSnapshot, CheckState, VerificationJob
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import bar_html, heading, markup
from laion_fmri.transfer.plan import TransferPlan, count_of, format_bytes
from laion_fmri.transfer.verify import Verdict

EVERYTHING = "Everything"
_SHOWN = 8  # files displayed per kind of problem
_STYLE = """
.bar { height: 6px; border-radius: 3px; margin: 2px 0 6px; max-width: 640px; }
.good { color: var(--good); } .wrong { color: var(--bad); }
.kind { margin-top: 8px; } .kind b { font-weight: 600; }
.kind div { font-size: 12px; color: var(--muted); }
"""


class VerificationSection(Viewer):
    """Starts a check, displays its progress, repairs the damaged files.

    Parameters
    ----------
    data : ExplorerData
    on_repair : callable of (TransferPlan, str)
        Called with the plan that repairs the files, and a title.
    """

    def __init__(
        self,
        data: ExplorerData,
        on_repair: Callable[[TransferPlan, str], None],
    ) -> None:
        super().__init__()
        self._data, self._on_repair = data, on_repair
        self.what = pmui.Select(
            label="Files to check",
            options=[EVERYTHING],
            value=EVERYTHING,
            width=190,
            size="small",
            margin=0,
        )
        self.begin = small_button("Check files", self._begin, icon="fact_check")
        self.stop = small_button("Stop checking", self._stop, visible=False)
        self.repair = small_button(
            "Repair",
            self._repair,
            icon="build",
            variant="contained",
            visible=False,
            margin=(8, 0, 0, 0),
        )
        self.findings = markup(style=_STYLE, margin=(10, 0, 0, 0))
        self.layout = stacked(
            heading(
                "Check local files",
                "Compares the size and checksum of every downloaded file with the bucket.",
            ),
            pn.Row(
                self.what,
                self.begin,
                self.stop,
                align="start",
                styles={"gap": "12px", "align-items": "center"},
                margin=(10, 0, 0, 0),
            ),
            self.findings,
            self.repair,
            margin=(0, 0, 26, 0),
        )

    def offer(self, subjects: Sequence[str]) -> None:
        """Set the subjects that have downloaded files."""
        options = [EVERYTHING, *subjects]
        value = self.what.value if self.what.value in options else EVERYTHING
        self.what.param.update(options=options, value=value)

    @property
    def verification(self) -> VerificationJob:
        """The checks of the current data directory."""
        return verification_of(self._data)

    def update(self) -> None:
        """Update the display of the check."""
        check = self.verification.snapshot()
        is_busy = check.state.is_busy
        self.findings.object = check_html(check)
        self.begin.disabled = self.stop.visible = is_busy
        self.repair.param.update(
            visible=bool(check.n_wrong) and not is_busy,
            label=f"Repair {count_of(check.n_wrong, 'file')}",
        )

    def _begin(self) -> None:
        subject = "" if self.what.value == EVERYTHING else str(self.what.value)
        self.verification.start(self._data.settings, self._data.bucket, subject)
        self.update()

    def _stop(self) -> None:
        self.verification.stop()

    def _repair(self) -> None:
        if (plan := self.verification.take_repair()) is not None:
            self._on_repair(plan, f"Repair of {count_of(len(plan.files), 'file')}")

    def __panel__(self) -> pn.Column:
        return self.layout


def check_html(check: CheckSnapshot) -> Markup:
    """Format the state of a check."""
    match check.state:
        case CheckState.IDLE:
            return Markup("")
        case CheckState.LISTING:
            return Markup('<p class="muted" role="status">Listing the bucket…</p>')
        case CheckState.FAILED:
            return Markup('<p class="wrong name" role="status">{}</p>').format(check.problem)
        case CheckState.CHECKING:
            figures = (
                f"{check.n_done:,} of {count_of(check.n_files, 'file')}, "
                f"{format_bytes(check.bytes_done)} of {format_bytes(check.bytes_total)}"
            )
            bar = bar_html(check.fraction, "Check")
            return Markup('{}<p class="number" role="status">Checking: {}</p>{}').format(
                bar, figures, _wrong_html(check)
            )
    return _result_html(check)


def _result_html(check: CheckSnapshot) -> Markup:
    if not check.n_files:
        text = Markup('<p role="status" class="muted">There are no downloaded files to check.</p>')
    else:
        of = f" of {check.subject}" if check.subject else ""
        done = "" if check.state is CheckState.DONE else f"{check.n_done:,} of "
        if check.n_wrong:
            differ = "differs" if check.n_wrong == 1 else "differ"
            kind = "wrong"
            verdict = f"{count_of(check.n_wrong, 'file')} {differ} from the bucket"
        elif check.n_done and not check.unchecked:
            kind, verdict = "good", "all match the bucket"
        else:
            kind, verdict = "", "nothing wrong"
        text = Markup('<p role="status">{}{}{} checked: <span class="{}">{}</span>.</p>').format(
            done, count_of(check.n_files, "downloaded file"), of, kind, verdict
        )
    if check.n_size_only:
        text += Markup(
            '<p class="muted">For {} the bucket has no checksum; the size is right.</p>'
        ).format(count_of(check.n_size_only, "file"))
    if check.unchecked:
        reasons = " ".join(dict.fromkeys(check.unchecked.values()))
        text += Markup('<p class="wrong">{} could not be checked. {}</p>').format(
            count_of(len(check.unchecked), "file"), reasons
        )
    if check.n_wrong:
        text += Markup('<p class="muted">Repairing fetches {}.</p>').format(
            format_bytes(check.repair_bytes)
        )
    return text + _wrong_html(check)


def _wrong_html(check: CheckSnapshot) -> Markup:
    text = Markup("")
    for verdict, keys in check.wrong.items():
        lines = [*keys[:_SHOWN]]
        if len(keys) > _SHOWN:
            lines.append(f"and {len(keys) - _SHOWN:,} more")
        text += Markup('<div class="kind name"><b>{}</b> ({:,}): {}{}</div>').format(
            verdict.capitalize(),
            len(keys),
            Verdict(verdict).meaning,
            Markup("").join(Markup("<div>{}</div>").format(line) for line in lines),
        )
    return text
