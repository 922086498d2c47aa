"""One download: how far it is, what can be done with it, and how it ended."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri import layout
from laion_fmri.explorer.components.markup import bar_html, escape, markup
from laion_fmri.explorer.jobs import ActiveFile, JobSnapshot, JobState
from laion_fmri.transfer.plan import count_of, format_bytes

_SHOWN_KEYS = 5
_SHOWN_FILES = 6
_SHOWN_REASONS = 8
_SECONDS_OF = (("d", 86400), ("h", 3600), ("min", 60))

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
    """What can be done with a job; each is called with its number."""

    pause: Callable[[int], None]
    resume: Callable[[int], None]
    cancel: Callable[[int], None]


class TransferProgress(Viewer):
    """A job, kept up to date by `display`.

    Parameters
    ----------
    snapshot : JobSnapshot
    actions : JobActions
    """

    def __init__(self, snapshot: JobSnapshot, actions: JobActions) -> None:
        super().__init__()
        number = snapshot.number
        self._view = markup(style=_STYLE)
        self.pause = _button("Pause", "pause")
        self.resume = _button("Resume", "play_arrow", variant="contained")
        self.cancel = _button("Cancel", "close", color="error")
        self.pause.on_click(lambda _: actions.pause(number))
        self.resume.on_click(lambda _: actions.resume(number))
        self.cancel.on_click(lambda _: actions.cancel(number))
        self._buttons = pn.Row(styles={"gap": "8px"}, margin=(10, 0, 0, 0))
        self._layout = pmui.Paper(
            self._view,
            variant="outlined",
            sx={"p": "12px 16px"},
            sizing_mode="stretch_width",
            margin=(0, 0, 12, 0),
        )
        self.display(snapshot)

    def display(self, job: JobSnapshot, is_mine: bool = True) -> None:
        """Bring the view up to date; whose job it is not cannot change it."""
        self._view.object = progress_html(job)
        buttons = self._possible(job) if is_mine else []
        for button in buttons:
            button.disabled = job.state in (JobState.PAUSING, JobState.CANCELLING)
        if list(self._buttons) != buttons:
            self._buttons[:] = buttons
        # A Paper shows its children whether they are visible or not.
        shown = [self._view, self._buttons] if buttons else [self._view]
        if list(self._layout) != shown:
            self._layout[:] = shown

    def _possible(self, job: JobSnapshot) -> list[pmui.Button]:
        if job.state in (JobState.PAUSED, JobState.INTERRUPTED):
            self.resume.param.update(label="Resume", icon="play_arrow", variant="contained")
            return [self.resume, self.cancel]
        if job.state.is_busy:
            return [self.pause, self.cancel]
        if not job.n_left:
            return []
        is_failed = job.state is JobState.FAILED and job.n_left == len(job.denied | job.failed)
        label, icon = ("Retry what failed", "refresh") if is_failed else ("Resume", "play_arrow")
        self.resume.param.update(label=label, icon=icon, variant="outlined")
        return [self.resume]

    def __panel__(self) -> pmui.Paper:
        return self._layout


def _button(label: str, icon: str, variant: str = "outlined", color: str = "primary"):
    return pmui.Button(label=label, icon=icon, variant=variant, color=color, size="small", margin=0)


def progress_html(job: JobSnapshot) -> str:
    """A job at one moment."""
    kind = job.state.name.lower()
    when = f", {format_moment(job.ended_at)}" if job.state.is_over and job.ended_at else ""
    state = (
        f'<span class="state {kind}"><span role="status">{job.state}</span>{escape(when)}</span>'
    )
    head = f'<div class="head"><h3 class="name">{escape(job.title)}</h3>{state}</div>'
    if job.state.is_over:
        return head + _ending(job)
    if job.state is JobState.QUEUED:
        size = f"{count_of(job.n_left, 'file')}, {format_bytes(job.bytes_total - job.bytes_done)}"
        return f'{head}<p class="muted">Begins when the download before it is over. {size}.</p>'
    figures = [
        f"{format_bytes(job.bytes_done)} of {format_bytes(job.bytes_total)}",
        f"{job.n_done:,} of {count_of(job.n_files, 'file')}",
    ]
    if job.rate is not None:
        figures.append(f"{format_bytes(job.rate)}/s")
    if job.seconds_left is not None:
        figures.append(f"{format_seconds(job.seconds_left)} left")
    shown = "".join(f"<span>{figure}</span>" for figure in figures)
    moving = "" if job.state is JobState.RUNNING else "still"
    text = (
        f'{head}<div class="{moving}">{bar_html(job.fraction, "Download")}</div>'
        f'<div class="figures number">{shown}</div>'
    )
    if job.state is JobState.INTERRUPTED:
        text += '<p class="muted">The explorer was stopped before this download was over.</p>'
    return text + _arriving(job.active)


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


def format_moment(moment: str) -> str:
    """An ISO 8601 moment in this machine's time; the text itself when it is none."""
    try:
        return f"{datetime.datetime.fromisoformat(moment).astimezone():%d %b %H:%M}"
    except ValueError:
        return moment


def _arriving(active: tuple[ActiveFile, ...]) -> str:
    shown = "".join(_active(file) for file in active[:_SHOWN_FILES])
    n_more = len(active) - _SHOWN_FILES
    more = f"<li>and {n_more} more at the same time</li>" if n_more > 0 else ""
    return f"<ul>{shown}{more}</ul>" if active else ""


def _active(file: ActiveFile) -> str:
    name = file.key.rpartition("/")[2]
    fraction = file.bytes_done / file.size if file.size else 1.0
    return (
        f'<li><span class="name" title="{escape(name)}">{escape(name)}</span>'
        f'<span class="number">{format_bytes(file.bytes_done)} of {format_bytes(file.size)}</span>'
        f"{bar_html(fraction, name)}</li>"
    )


def _ending(job: JobSnapshot) -> str:
    if job.problem:
        return f'<p class="name">{escape(job.problem)}</p>'
    parts = [f"{job.n_fetched:,} fetched ({format_bytes(job.n_moved)})"]
    n_here = job.n_here + job.n_done - job.n_fetched
    parts += [f"{n_here:,} already here"] if n_here > 0 else []
    parts += [f"{len(job.denied):,} denied"] if job.denied else []
    parts += [f"{len(job.failed):,} failed"] if job.failed else []
    n_stopped = job.n_left - len(job.denied) - len(job.failed)
    parts += [f"{n_stopped:,} not finished"] if n_stopped > 0 else []
    text = f'<p class="number">{", ".join(parts)}.</p>'
    return text + _reasons("Denied", job.denied) + _reasons("Failed", job.failed)


def _reasons(title: str, reasons: Mapping[str, str]) -> str:
    grouped = list(grouped_reasons(reasons).items())
    n_more = len(grouped) - _SHOWN_REASONS
    more = f'<div class="why">and {n_more} more reasons</div>' if n_more > 0 else ""
    return (
        "".join(
            f'<div class="why name"><b>{title}:</b> {escape(reason)}'
            + "".join(f"<div>{escape(key)}</div>" for key in keys[:_SHOWN_KEYS])
            + (
                f"<div>and {len(keys) - _SHOWN_KEYS:,} more</div>"
                if len(keys) > _SHOWN_KEYS
                else ""
            )
            + "</div>"
            for reason, keys in grouped[:_SHOWN_REASONS]
        )
        + more
    )


def grouped_reasons(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Why files were not fetched: each reason once, with the keys it holds for."""
    grouped: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        path, found, rest = reason.partition(layout.local_name(key))
        if found and path.endswith("/"):  # what could not be written begins with where
            reason = f"the file{rest}"
        general = reason.replace(key, "the file")
        grouped.setdefault(general[:1].upper() + general[1:], []).append(key)
    return grouped
