"""One download: its progress, its actions, and its outcome."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.explorer.widgets.markup import bar_html, markup
from laion_fmri.transfer.plan import count_of, format_bytes, format_seconds
from laion_fmri.transfer_jobs.job import ActiveFile, JobSnapshot, grouped_reasons
from laion_fmri.transfer_jobs.records import JobState

_SHOWN_KEYS = 5
_SHOWN_FILES = 6
_SHOWN_REASONS = 8

_STYLE = """
.head { display: flex; justify-content: space-between; gap: 16px; align-items: baseline; }
.state { white-space: nowrap; color: var(--muted); }
.state.finished { color: var(--good); } .state.failed { color: var(--bad); }
.state.cancelled, .state.interrupted, .state.paused { color: var(--warn); }
.bar { height: 6px; border-radius: 3px; margin: 8px 0 6px; }
.bar > i { border-radius: 3px; }
.still .bar > i { background: var(--muted); }
.figures { display: flex; flex-wrap: wrap; gap: 2px 20px; }
ul { list-style: none; margin-top: 8px; font-size: 12px; }
li { display: grid; grid-template-columns: minmax(0, 1fr) auto 90px; gap: 12px;
  align-items: center; color: var(--muted); padding: 1px 0; }
li .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
li .bar { margin: 0; height: 3px; }
.why { margin-top: 8px; } .why b { font-weight: 600; }
.why div { font-size: 12px; color: var(--muted); }
"""


@dataclass(frozen=True)
class JobActions:
    """Actions on a download; each is called with its number."""

    pause: Callable[[int], None]
    resume: Callable[[int], None]
    cancel: Callable[[int], None]


class JobView(Viewer):
    """A download, updated by `display`.

    Parameters
    ----------
    snapshot : JobSnapshot
    actions : JobActions
    """

    def __init__(self, snapshot: JobSnapshot, actions: JobActions) -> None:
        super().__init__()
        number = snapshot.number
        self.text = markup(style=_STYLE)
        outlined: dict[str, Any] = {"variant": "outlined", "size": "small", "margin": 0}
        self.pause = pmui.Button(label="Pause", icon="pause", **outlined)
        self.resume = pmui.Button(label="Resume", icon="play_arrow", size="small", margin=0)
        self.cancel = pmui.Button(label="Cancel", icon="close", color="error", **outlined)
        self.pause.on_click(lambda _: actions.pause(number))
        self.resume.on_click(lambda _: actions.resume(number))
        self.cancel.on_click(lambda _: actions.cancel(number))
        self.buttons = pn.Row(styles={"gap": "8px"}, margin=(10, 0, 0, 0))
        self._layout = pmui.Paper(
            self.text,
            variant="outlined",
            css_classes=[css_class(number)],
            sx={"p": "12px 16px"},
            sizing_mode="stretch_width",
            margin=(0, 0, 12, 0),
        )
        self.display(snapshot)

    def display(self, job: JobSnapshot, can_change: bool = True) -> None:
        """Display a download, with buttons if it can be changed."""
        self.text.object = progress_html(job)
        buttons = self._possible(job) if can_change else []
        for button in buttons:
            button.disabled = job.state in (JobState.PAUSING, JobState.CANCELLING)
        if list(self.buttons) != buttons:
            self.buttons[:] = buttons
        # A Paper displays its children whether they are visible or not.
        parts = [self.text, self.buttons] if buttons else [self.text]
        if list(self._layout) != parts:
            self._layout[:] = parts

    def _possible(self, job: JobSnapshot) -> list[pmui.Button]:
        if job.state.is_busy:
            return [self.pause, self.cancel]
        if job.state.is_over and not job.n_left:
            return []
        is_failed = job.state is JobState.FAILED and job.n_left == len(job.reasons)
        self.resume.param.update(
            label="Retry what failed" if is_failed else "Resume",
            icon="refresh" if is_failed else "play_arrow",
            variant="outlined" if job.state.is_over else "contained",
        )
        return [self.resume] if job.state.is_over else [self.resume, self.cancel]

    def __panel__(self) -> pmui.Paper:
        return self._layout


def css_class(number: int) -> str:
    """Return the CSS class of the view of a download."""
    return f"download-{number}"


def progress_html(job: JobSnapshot) -> Markup:
    """Format the progress of a download."""
    when = f", {format_moment(job.ended_at)}" if job.state.is_over and job.ended_at else ""
    head = Markup(
        '<div class="head"><h3 class="name">{}</h3>'
        '<span class="state {}"><span role="status">{}</span>{}</span></div>'
    ).format(job.title, job.state.name.lower(), job.state, when)
    if job.state.is_over:
        return head + _outcome_html(job)
    n_bytes = format_bytes(job.n_bytes - job.bytes_done)
    if job.state is JobState.QUEUED:
        return head + Markup(
            '<p class="muted">Starts after the downloads before it. {}, {}.</p>'
        ).format(count_of(job.n_left, "file"), n_bytes)
    figures = [
        f"{format_bytes(job.bytes_done)} of {format_bytes(job.n_bytes)}",
        f"{job.n_done:,} of {count_of(job.n_files, 'file')}",
    ]
    if job.rate is not None:
        figures.append(f"{format_bytes(job.rate)}/s")
    if job.seconds_left is not None:
        figures.append(f"{format_seconds(job.seconds_left)} left")
    text = head + Markup('<div class="{}">{}</div><div class="figures number">{}</div>').format(
        "" if job.state is JobState.RUNNING else "still",
        bar_html(job.fraction, "Download"),
        _joined(Markup("<span>{}</span>"), figures),
    )
    if job.state is JobState.INTERRUPTED:
        text += Markup('<p class="muted">The explorer was stopped during this download.</p>')
    return text + _active_html(job.active)


def format_moment(moment: str) -> str:
    """Format an ISO 8601 timestamp in local time; return any other text unchanged."""
    try:
        return f"{datetime.datetime.fromisoformat(moment).astimezone():%d %b %H:%M}"
    except ValueError:
        return moment


def _joined(template: Markup, values: list[str]) -> Markup:
    return Markup("").join(template.format(value) for value in values)


def _active_html(active: tuple[ActiveFile, ...]) -> Markup:
    rows = Markup("")
    for file in active[:_SHOWN_FILES]:
        name = file.key.rpartition("/")[2]
        rows += Markup(
            '<li><span class="name" title="{}">{}</span><span class="number">{} of {}</span>{}</li>'
        ).format(
            name,
            name,
            format_bytes(file.bytes_done),
            format_bytes(file.size),
            bar_html(file.bytes_done / file.size if file.size else 1.0, name),
        )
    if len(active) > _SHOWN_FILES:
        rows += Markup("<li>and {} more at the same time</li>").format(len(active) - _SHOWN_FILES)
    return Markup("<ul>{}</ul>").format(rows) if active else Markup("")


def _outcome_html(job: JobSnapshot) -> Markup:
    if job.problem:
        return Markup('<p class="name">{}</p>').format(job.problem)
    counts = {
        "already downloaded": job.n_here + job.n_done - job.n_fetched,
        "denied": len(job.denied),
        "failed": len(job.failed),
        "not finished": job.n_left - len(job.denied) - len(job.failed),
    }
    parts = [f"{job.n_fetched:,} fetched ({format_bytes(job.n_moved)})"]
    parts += [f"{count:,} {what}" for what, count in counts.items() if count > 0]
    text = Markup('<p class="number">{}.</p>').format(", ".join(parts))
    return text + _reasons_html("Denied", job.denied) + _reasons_html("Failed", job.failed)


def _reasons_html(title: str, reasons: Mapping[str, str]) -> Markup:
    grouped = grouped_reasons(reasons)
    text = Markup("")
    for reason, keys in list(grouped.items())[:_SHOWN_REASONS]:
        lines = keys[:_SHOWN_KEYS]
        if len(keys) > _SHOWN_KEYS:
            lines = [*lines, f"and {len(keys) - _SHOWN_KEYS:,} more"]
        text += Markup('<div class="why name"><b>{}:</b> {}{}</div>').format(
            title, reason, _joined(Markup("<div>{}</div>"), lines)
        )
    if len(grouped) > _SHOWN_REASONS:
        n_more = len(grouped) - _SHOWN_REASONS
        text += Markup('<div class="why">and {} more reasons</div>').format(n_more)
    return text
