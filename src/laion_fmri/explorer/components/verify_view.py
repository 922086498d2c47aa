"""How a check of local files goes, and what it found."""

from __future__ import annotations

from laion_fmri.explorer.checkup import CheckSnapshot, CheckState
from laion_fmri.explorer.components.markup import bar_html, escape
from laion_fmri.transfer.plan import count_of, format_bytes

_SHOWN = 8  # files of one kind

STYLE = """
.bar { height: 6px; border-radius: 3px; margin: 2px 0 6px; max-width: 640px; }
.good { color: var(--good); } .wrong { color: var(--bad); }
.kind { margin-top: 8px; } .kind b { font-weight: 600; }
.kind div { font-size: 12px; color: var(--muted); }
"""


def check_html(check: CheckSnapshot) -> str:
    """A check at one moment."""
    match check.state:
        case CheckState.IDLE:
            return ""
        case CheckState.LISTING:
            return '<p class="muted" role="status">Listing the bucket…</p>'
        case CheckState.FAILED:
            return f'<p class="wrong name" role="status">{escape(check.problem)}</p>'
        case CheckState.CHECKING:
            figures = (
                f"{check.n_done:,} of {count_of(check.n_files, 'file')}, "
                f"{format_bytes(check.bytes_done)} of {format_bytes(check.bytes_total)}"
            )
            bar = bar_html(check.fraction, "Check")
            return f'{bar}<p class="number" role="status">Checking: {figures}</p>{_wrong(check)}'
    return _ending(check)


def _ending(check: CheckSnapshot) -> str:
    of = f" of {check.subject}" if check.subject else ""
    looked_at = f"{check.n_done:,} of {count_of(check.n_files, 'local file')}{of} checked"
    if check.state is CheckState.DONE:
        looked_at = f"{count_of(check.n_files, 'local file')}{of} checked"
    if check.n_wrong:
        verdict = f"{count_of(check.n_wrong, 'file')} not as in the bucket"
        kind = "wrong"
    else:
        verdict, kind = ("all as in the bucket", "good") if check.n_done else ("nothing wrong", "")
    text = (
        f'<p role="status">{escape(looked_at)}: <span class="{kind}">{verdict}</span>.</p>'
        if check.n_files
        else '<p role="status" class="muted">There is nothing here to check.</p>'
    )
    if check.n_size_only:
        text += (
            f'<p class="muted">Of {count_of(check.n_size_only, "file")} the bucket knows the size '
            "alone; it is right.</p>"
        )
    if check.n_wrong:
        text += f'<p class="muted">Repairing fetches {format_bytes(check.repair_bytes)}.</p>'
    return text + _wrong(check)


def _wrong(check: CheckSnapshot) -> str:
    return "".join(
        f'<div class="kind name"><b>{escape(verdict.capitalize())}</b> ({len(keys):,})'
        + "".join(f"<div>{escape(key)}</div>" for key in keys[:_SHOWN])
        + (f"<div>and {len(keys) - _SHOWN:,} more</div>" if len(keys) > _SHOWN else "")
        + "</div>"
        for verdict, keys in check.wrong.items()
    )
