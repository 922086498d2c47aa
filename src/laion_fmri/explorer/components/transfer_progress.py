"""One download: how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.components.markup import bar_html, escape, markup
from laion_fmri.explorer.jobs import ActiveFile, JobSnapshot, JobState
from laion_fmri.transfer.plan import PlannedFile, format_bytes

_SHOWN_KEYS = 5
_SECONDS_OF = (("d", 86400), ("h", 3600), ("min", 60))

_STYLE = """
.head { display: flex; justify-content: space-between; gap: 16px; align-items: baseline; }
.state { white-space: nowrap; color: var(--muted); }
.state.finished { color: var(--good); } .state.failed { color: var(--bad); }
.state.cancelled { color: var(--warn); }
.bar { height: 6px; border-radius: 3px; margin: 8px 0 6px; }
.bar > i { border-radius: 3px; transition: width .2s linear; }
.figures { display: flex; flex-wrap: wrap; gap: 2px 20px; }
ul { list-style: none; margin-top: 8px; font-size: 12px; }
li { display: grid; grid-template-columns: 1fr auto 90px; gap: 12px; align-items: center;
  color: var(--muted); padding: 1px 0; }
li .bar { margin: 0; height: 3px; }
.why { margin-top: 8px; } .why b { font-weight: 600; }
.why div { font-size: 12px; color: var(--muted); }
"""


class TransferProgress(Viewer):
    """A job, kept up to date by `display`.

    Parameters
    ----------
    on_cancel : callable
        Called with the job's number.
    """

    def __init__(self, snapshot: JobSnapshot, on_cancel: Callable[[int], None]) -> None:
        super().__init__()
        self._view = markup(style=_STYLE)
        self._cancel = pmui.Button(
            label="Cancel", variant="outlined", size="small", color="error", margin=(10, 0, 0, 0)
        )
        self._cancel.on_click(lambda _: on_cancel(snapshot.number))
        self._layout = pmui.Paper(
            self._view,
            variant="outlined",
            sx={"p": "12px 16px"},
            sizing_mode="stretch_width",
            margin=(0, 0, 12, 0),
        )
        self.display(snapshot)

    def display(self, snapshot: JobSnapshot) -> None:
        """Bring the view up to date."""
        self._view.object = progress_html(snapshot)
        # A Paper shows its children whether they are visible or not.
        shown = [self._view] if snapshot.state.is_over else [self._view, self._cancel]
        if list(self._layout) != shown:
            self._layout[:] = shown
        self._cancel.disabled = snapshot.state is JobState.CANCELLING

    def __panel__(self) -> pmui.Paper:
        return self._layout


def progress_html(job: JobSnapshot) -> str:
    """A job at one moment."""
    state = f'<span class="state {job.state.name.lower()}" role="status">{job.state}</span>'
    head = f'<div class="head"><h3 class="name">{escape(job.title)}</h3>{state}</div>'
    if job.state.is_over:
        return head + _ending(job)
    if job.state is JobState.QUEUED:
        size = f"{job.n_files} files, {format_bytes(job.bytes_total)}"
        return f'{head}<p class="muted">Begins when the download before it is over. {size}.</p>'
    fraction = job.bytes_done / job.bytes_total if job.bytes_total else 0.0
    figures = [
        f"{format_bytes(job.bytes_done)} of {format_bytes(job.bytes_total)}",
        f"{job.n_done} of {job.n_files} files",
    ]
    if job.rate is not None:
        figures.append(f"{format_bytes(job.rate)}/s")
    if job.seconds_left is not None:
        figures.append(f"{format_seconds(job.seconds_left)} left")
    shown = "".join(f"<span>{figure}</span>" for figure in figures)
    return (
        f"{head}{bar_html(fraction, 'Download')}"
        f'<div class="figures number">{shown}</div>'
        f"<ul>{''.join(_active(file) for file in job.active)}</ul>"
    )


def format_seconds(seconds: float) -> str:
    """A duration in its one or two largest units.

    Examples
    --------
    >>> format_seconds(4.2), format_seconds(200), format_seconds(7260)
    ('5 s', '3 min 20 s', '2 h 1 min')
    """
    left = int(-(-seconds // 1))
    parts = []
    for unit, size in (*_SECONDS_OF, ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def _active(file: ActiveFile) -> str:
    name = file.key.rpartition("/")[2]
    fraction = file.bytes_done / file.size if file.size else 1.0
    return (
        f'<li><span class="name">{escape(name)}</span>'
        f'<span class="number">{format_bytes(file.bytes_done)} of {format_bytes(file.size)}</span>'
        f"{bar_html(fraction, name)}</li>"
    )


def _ending(job: JobSnapshot) -> str:
    if job.report is None:
        return f'<p class="name">{escape(job.problem or "Taken out of the queue.")}</p>'
    report = job.report
    moved = sum(f.size - f.bytes_here for f in report.fetched)
    n_here = len(report.plan.files) - len(report.plan.to_fetch)
    parts = [f"{len(report.fetched)} fetched ({format_bytes(moved)})", f"{n_here} already here"]
    parts += [f"{len(report.denied)} denied"] if report.denied else []
    parts += [f"{len(report.failed)} failed"] if report.failed else []
    parts += [f"{len(report.cancelled)} not finished"] if report.cancelled else []
    text = f'<p class="number">{", ".join(parts)}.</p>'
    if report.cancelled:
        text += '<p class="muted">Download again to go on where it stopped.</p>'
    return text + _reasons("Denied", report.denied) + _reasons("Failed", report.failed)


def _reasons(title: str, files: Mapping[PlannedFile, str]) -> str:
    return "".join(
        f'<div class="why name"><b>{title}:</b> {escape(reason)}'
        + "".join(f"<div>{escape(key)}</div>" for key in keys[:_SHOWN_KEYS])
        + (f"<div>and {len(keys) - _SHOWN_KEYS} more</div>" if len(keys) > _SHOWN_KEYS else "")
        + "</div>"
        for reason, keys in grouped_reasons(files).items()
    )


def grouped_reasons(files: Mapping[PlannedFile, str]) -> dict[str, list[str]]:
    """Why files were not fetched: each reason once, with the keys it holds for."""
    grouped: dict[str, list[str]] = {}
    for file, reason in files.items():
        general = reason.replace(str(file.path), "the file").replace(file.key, "the file")
        grouped.setdefault(general[:1].upper() + general[1:], []).append(file.key)
    return grouped
