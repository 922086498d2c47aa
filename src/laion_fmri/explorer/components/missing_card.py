"""What a view lacks, how large it is, and a button for each that fetches just it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.download import plan_files
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.pulse import Pulse
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.jobs import Job
from laion_fmri.explorer.missing_files import MissingPart
from laion_fmri.explorer.permitted import DOWNLOADING, queue_of
from laion_fmri.transfer.plan import format_bytes


class MissingCard(Viewer):
    """A list of what is not here; empty, and invisible, when everything is.

    Parameters
    ----------
    data : ExplorerData
    on_arrival : callable
        Called on the page's own turn when a download has ended.
    """

    def __init__(self, data: ExplorerData, on_arrival: Callable[[], object]) -> None:
        super().__init__()
        self._data = data
        self._on_arrival = on_arrival
        self._jobs: list[Job] = []
        self._whose = ""
        self._note = markup()
        self.rows = pn.Column(sizing_mode="stretch_width", margin=0)
        self._pulse = Pulse(self._look, period=400)
        self._layout = pn.Column(
            markup("<h3>Not here yet</h3>", margin=(0, 0, 4, 0)),
            self.rows,
            self._note,
            self._pulse,
            sizing_mode="stretch_width",
            margin=(4, 10),
            visible=False,
        )

    @property
    def titles(self) -> list[str]:
        """What is listed."""
        return [str(row.name) for row in self.rows]

    def set_parts(self, whose: str, parts: Sequence[MissingPart]) -> None:
        """List these parts, of a subject or of the stimuli."""
        self._whose = whose
        self.rows[:] = [self._row(part) for part in parts]
        if parts and not self._data.visitor.may_act:
            self._say(self._data.visitor.why_not(DOWNLOADING))
        self._layout.visible = bool(parts) or bool(self._jobs)

    def _row(self, part: MissingPart) -> pn.Row:
        n, size = len(part.files), format_bytes(part.n_bytes)
        files = part.files[0].key.rpartition("/")[2] if n == 1 else f"{n} files"
        button = pmui.Button(
            label="Fetch",
            description=f"Fetch {part.title}",
            icon="download",
            variant="text",
            size="small",
            margin=0,
            align="center",
            visible=self._data.visitor.may_act,
        )
        button.on_click(lambda _: self._fetch(part, button))
        text = markup(
            f'<div title="{escape(files)}">{escape(part.title)} <span class="muted number">'
            f'{escape(size)}</span></div><div class="muted">{escape(part.gives)}, '
            f"{escape('1 file' if n == 1 else files)}</div>"
        )
        return pn.Row(text, button, name=part.title, sizing_mode="stretch_width", margin=(2, 0))

    def _fetch(self, part: MissingPart, button: pmui.Button) -> None:
        button.disabled = True
        data = self._data
        try:
            data.visitor.require_owner(DOWNLOADING)
            plan = plan_files(part.keys, data.settings, data.bucket())
            job = queue_of(data).submit(plan, f"{part.title} of {self._whose}")
        except LaionFmriError as error:
            self._say(str(error))
            button.disabled = False
            return
        self._jobs.append(job)
        self._say(f"Fetching {part.title} …")
        self._pulse.beating = True

    def _look(self) -> None:
        over = [job for job in self._jobs if job.over.is_set()]
        if not over:
            running = [snapshot for job in self._jobs if (snapshot := job.snapshot()).bytes_total]
            done, total = (
                sum(getattr(s, n) for s in running) for n in ("bytes_done", "bytes_total")
            )
            if total:
                self._say(f"Fetching: {format_bytes(done)} of {format_bytes(total)}")
            return
        self._jobs = [job for job in self._jobs if job not in over]
        problems = [s.problem for job in over if (s := job.snapshot()).problem]
        self._say(" ".join(problems) or "")
        self._pulse.beating = bool(self._jobs)
        self._on_arrival()

    def _say(self, text: str) -> None:
        self._note.object = f'<p class="muted" role="status">{escape(text)}</p>' if text else ""

    def __panel__(self) -> pn.Column:
        return self._layout
