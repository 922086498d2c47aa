"""Captions and metadata of one trial as HTML in which every text is text."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from laion_fmri.explorer.trial_data import TrialCaptions

if TYPE_CHECKING:
    import pandas as pd

_STYLE = """<style>
h3 { margin: 0 0 6px; font-size: 14px; font-weight: 600; }
.muted { color: color-mix(in srgb, currentColor 68%, transparent); }
.captions { font-size: 13px; line-height: 1.45; max-height: 340px;
  overflow: auto; overflow-wrap: anywhere; }
.captions ol { margin: 0; padding-left: 22px; }
.captions li { padding-left: 2px; margin-bottom: 3px; }
.captions li::marker { color: color-mix(in srgb, currentColor 68%, transparent); }
.ai { margin-top: 8px; padding: 6px 10px; border-radius: 8px;
  background: color-mix(in srgb, currentColor 6%, transparent); }
.tag { font-size: 11px; font-weight: 600; border-radius: 4px; padding: 1px 5px; margin-right: 6px;
  border: 1px solid color-mix(in srgb, currentColor 40%, transparent); }
.name { font-size: 13px; font-weight: 600; overflow-wrap: anywhere; }
.name + div { font-size: 12px; line-height: 1.5; overflow-wrap: anywhere; }
</style>"""


def captions_html(captions: TrialCaptions | None, otherwise: str) -> str:
    """Human captions in rank order, the AI's set apart and marked.

    Parameters
    ----------
    captions : TrialCaptions or None
    otherwise : str
        Said where there are none.
    """
    parts = []
    if captions and captions.human:
        listed = "".join(f'<li dir="auto">{escape(text)}</li>' for text in captions.human)
        parts.append(f"<ol>{listed}</ol>")
    if captions and captions.ai is not None:
        title = escape(f"Written by {captions.ai_model or 'a model'}")
        parts.append(
            f'<div class="ai" dir="auto"><span class="tag" title="{title}">AI</span>'
            f"{escape(captions.ai)}</div>"
        )
    if not parts:
        parts.append(f'<span class="muted">{escape(otherwise)}</span>')
    body = "".join(parts)
    return (
        f'{_STYLE}<h3>Captions</h3><div class="captions" role="region" aria-label="Captions" '
        f'tabindex="0">{body}</div>'
    )


def facts_html(trial: int, row: pd.Series) -> str:
    """What is known of a trial; `row` is of `laion_fmri.explorer.trial_data.trial_table`."""
    seen_by = "every participant" if row["unique_or_shared"] == "shared" else "this one alone"
    showing = f"showing {row['repeat']} of {row['repeats']} here"
    facts = [
        f"Trial {trial}",
        f"{row['session']}, run {row['run']}, trial {row['session_trial']} there",
        f"{row['dataset']} image" if row["dataset"] else "dataset not known here",
        f"{row['unique_or_shared']}: seen by {seen_by}",
        showing + (f", {row['n_reps']} in the dataset" if "n_reps" in row.index else ""),
    ]
    name = escape(str(row["image_name"]))
    listed = " · ".join(map(escape, facts))
    return f'{_STYLE}<div class="name" dir="auto">{name}</div><div class="muted">{listed}</div>'
