"""HTML tables of the availability of a dataset: sessions, ROIs and stimulus files.

The styles use the page's CSS variables ``--accent``, ``--muted``, ``--text``, ``--line`` and
``--soft``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from laion_fmri.availability import Availability, DatasetAvailability, StimulusAvailability
from laion_fmri.html import plain_table
from laion_fmri.selection import AVERAGES
from laion_fmri.transfer.plan import count_of, format_bytes

_MARKS = """
.mark { display: inline-block; width: 11px; height: 11px; border-radius: 50%;
  box-sizing: border-box; border: 1.5px solid var(--accent); vertical-align: -1px; }
.mark.full { background: var(--accent); }
.mark.half { background: linear-gradient(90deg, var(--accent) 50%, transparent 50%); }
.mark.absent { border: 0; border-radius: 0; height: 1.5px; width: 9px; vertical-align: 3px;
  background: var(--muted); opacity: .55; }
.mark.dashed { border: 1.5px dashed var(--muted); opacity: .7; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--muted); font-size: 12px; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.matrix tbody tr:hover { background: var(--soft); }
.matrix thead th { font-size: 11px; text-align: center; font-variant-numeric: tabular-nums; }
.matrix td { text-align: center; }
.matrix th[scope=row] { color: var(--text); }
"""
SESSIONS_STYLE = f"""{_MARKS}
.scroll {{ overflow-x: auto; padding-bottom: 2px; }}
.matrix th[scope=row] {{ padding: 0 18px 0 0; white-space: nowrap; }}
.matrix thead th {{ padding: 0 3px 3px; min-width: 22px; }}
.matrix td {{ padding: 4px 3px; }}
.legend {{ margin-top: 10px; }}
"""
ROIS_STYLE = f"""{_MARKS}
.blocks {{ columns: 250px; column-gap: 36px; margin-bottom: 4px; }}
.block {{ break-inside: avoid; padding: 0 0 20px; }}
.block h3 {{ display: flex; justify-content: space-between; gap: 10px; align-items: baseline;
  border-bottom: 1px solid var(--line); padding-bottom: 3px; margin-bottom: 4px; }}
.block h3 span {{ font-weight: 400; font-size: 12px; color: var(--muted); }}
.matrix {{ width: 100%; }}
.matrix th[scope=row] {{ width: 100%; padding: 1px 8px 1px 0; font-weight: 400; }}
.matrix td {{ padding: 1px 0; min-width: 26px; }}
.lacking {{ list-style: none; margin-top: 12px; color: var(--muted); }}
.lacking b {{ font-weight: 500; color: var(--text); }}
"""
STIMULI_STYLE = f"""{_MARKS}
table {{ width: 100%; }}
th, td {{ padding: 5px 16px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }}
tr:last-child td {{ border-bottom: 0; }}
:is(th, td):nth-child(2) {{ text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }}
.file {{ color: var(--muted); }}
"""
_NOTEBOOK_COLOURS = (
    "--accent: #3f51b5; --muted: #667080; --text: currentColor; "
    "--line: rgba(128, 128, 128, .3); --soft: rgba(128, 128, 128, .1);"
)
_MARK_CLASSES = {
    Availability.DOWNLOADED: "full",
    Availability.INCOMPLETE: "half",
    Availability.OUTDATED: "half",
    Availability.DAMAGED: "half",
    Availability.NOT_DOWNLOADED: "empty",
    Availability.ABSENT: "absent",
}


def dataset_html(dataset: DatasetAvailability) -> Markup:
    """Return sessions, ROIs and stimuli of a dataset with their styles, for a notebook.

    Examples
    --------
    >>> from IPython.display import HTML
    >>> from laion_fmri.availability import dataset_availability
    >>> from laion_fmri.availability_html import dataset_html
    >>> HTML(dataset_html(dataset_availability()))  # doctest: +SKIP
    """
    sessions = sessions_html(dataset) + held_out_html(dataset)
    parts = (
        ("sessions", SESSIONS_STYLE, sessions),
        ("rois", ROIS_STYLE, rois_html(dataset)),
        ("stimuli", STIMULI_STYLE, stimuli_html(dataset.stimuli)),
    )
    # Class names keep each style from applying to the rest of the notebook.
    part = Markup('<div class="laion-fmri-{}"><style>.laion-fmri-{} {{{}}}</style>{}</div>')
    return Markup("").join(
        part.format(name, name, _NOTEBOOK_COLOURS + style, html) for name, style, html in parts
    )


def sessions_html(dataset: DatasetAvailability) -> Markup:
    """Return a matrix of sessions by subjects, with a legend."""
    columns = [*dataset.sessions, AVERAGES]
    cells = [[subject.session_availability(c) for c in columns] for subject in dataset.subjects]
    table = _matrix(
        "Sessions of every subject",
        [subject.name for subject in dataset.subjects],
        columns,
        cells,
        [column.removeprefix("ses-") for column in columns],
    )
    legend = _legend(state for line in cells for state in line)
    return Markup('<div class="scroll">{}</div>{}').format(table, legend)


def held_out_html(dataset: DatasetAvailability) -> Markup:
    """Return a sentence on held-out sessions; empty when there are none."""
    held_out = sorted({session for subject in dataset.subjects for session in subject.held_out})
    if not held_out:
        return Markup("")
    names = held_out[0] if len(held_out) == 1 else f"{held_out[0]} to {held_out[-1]}"
    return Markup(
        '<p class="muted" style="margin-top:8px">The bucket lists {} but does not serve them: '
        "they are held out for evaluation.</p>"
    ).format(names)


def rois_html(dataset: DatasetAvailability) -> Markup:
    """Return a matrix of ROIs by subjects for each category, a legend, and missing ROIs."""
    subjects = [subject.name for subject in dataset.subjects]
    found: set[Availability] = set()
    blocks = Markup("")
    for category in dataset.categories:
        rois = dataset.rois(category)
        cells = [[s.roi_availability(category, roi) for s in dataset.subjects] for roi in rois]
        found.update(state for line in cells for state in line)
        table = _matrix(
            f"ROIs of the category {category}",
            rois,
            subjects,
            cells,
            [name.removeprefix("sub-") for name in subjects],
        )
        count = count_of(len(rois), "ROI") if rois else "none"
        blocks += Markup('<div class="block"><h3>{}<span>{}</span></h3>{}</div>').format(
            category, count, table if rois else ""
        )
    lacking = Markup("").join(
        Markup("<li><b>{}</b> lacks {}</li>").format(name, ", ".join(rois))
        for name, rois in dataset.lacking().items()
    )
    return Markup('<div class="blocks">{}</div>{}<ul class="lacking">{}</ul>').format(
        blocks, _legend(found), lacking
    )


def stimuli_html(stimuli: Iterable[StimulusAvailability]) -> Markup:
    """Return a list of the stimulus files."""
    needed = Markup(' <span class="muted">· data use agreement needed</span>')
    return plain_table(
        ("File", "Size", "Status"),
        [
            (
                Markup('{}<div class="name mono file">{}</div>').format(
                    file.title, file.key.rpartition("/")[2]
                ),
                "–" if file.size is None else format_bytes(file.size),
                Markup('<span style="white-space:nowrap">{} {}</span>{}').format(
                    _mark(file.availability),
                    file.availability.capitalize(),
                    needed * file.needs_agreement,
                ),
            )
            for file in stimuli
        ],
        "Files of the stimuli",
    )


def _mark(state: Availability, label: str = "") -> Markup:
    kind = _MARK_CLASSES.get(state, "dashed")
    if not label:
        return Markup('<i class="mark {}"></i>').format(kind)
    return Markup('<i class="mark {}" role="img" aria-label="{}" title="{}"></i>').format(
        kind, label, label
    )


def _legend(found: Iterable[Availability]) -> Markup:
    states = set(found)
    entries = Markup("").join(
        Markup("<span>{}{}</span>").format(_mark(state), state.capitalize())
        for state in Availability
        if state in states
    )
    return Markup('<div class="legend">{}</div>').format(entries)


def _matrix(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[Availability]],
    headings: Sequence[str],
) -> Markup:
    """Return a table of marks; `headings` are short column names."""
    head = Markup("").join(
        Markup('<th scope="col" title="{}">{}</th>').format(column, text)
        for column, text in zip(columns, headings, strict=True)
    )
    body = Markup("").join(
        Markup('<tr><th scope="row" class="name">{}</th>{}</tr>').format(
            row,
            Markup("").join(
                Markup("<td>{}</td>").format(_mark(state, f"{row}, {column}: {state}"))
                for column, state in zip(columns, line, strict=True)
            ),
        )
        for row, line in zip(rows, cells, strict=True)
    )
    return Markup(
        '<table class="matrix"><caption class="hidden">{}</caption>'
        "<thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(title, head, body)
