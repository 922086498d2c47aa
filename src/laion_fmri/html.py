"""Small HTML tables for notebooks and pages, with escaped text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

_CELL = "text-align: left; vertical-align: top; white-space: normal; overflow-wrap: anywhere"
_NAME = "text-align: left; vertical-align: top; white-space: nowrap; font-weight: 600"

_NUMBER = (
    "width: 22%; padding: 2px 0 2px 8px; text-align: right; white-space: nowrap; "
    "font-variant-numeric: tabular-nums"
)
_TRACK = (
    "position: relative; height: 6px; border-radius: 3px; "
    "background: var(--soft, rgba(128, 128, 128, 0.15))"
)
_FILL = (
    "position: absolute; top: 0; bottom: 0; border-radius: 3px; background: var(--accent, #3f51b5)"
)


def table(
    title: str, rows: Iterable[Sequence[object]], columns: Sequence[str] = (), note: str = ""
) -> Markup:
    """Return a titled table as HTML.

    Parameters
    ----------
    title : str
    rows : iterable of sequences
        The first item of each is its name.
    columns : sequence of str
        Column headings.
    note : str
        Text below the table.

    Examples
    --------
    >>> "&lt;b&gt;" in table("sub-01", [("Sessions", "<b>")])
    True
    """
    from markupsafe import Markup

    head = Markup("").join(
        Markup('<th scope="col" style="{}">{}</th>').format(_NAME, name) for name in columns
    )
    body = Markup("").join(
        Markup('<tr><th scope="row" style="{}">{}</th>').format(_NAME, str(name))
        + Markup("").join(
            Markup('<td style="{}">{}</td>').format(_CELL, str(value)) for value in values
        )
        + Markup("</tr>")
        for name, *values in rows
    )
    return (
        Markup(
            "<div><p style='margin: 0 0 4px'><strong>{}</strong></p>"
            "<table>{}<tbody>{}</tbody></table>"
        ).format(title, Markup("<thead><tr>{}</tr></thead>").format(head) if head else "", body)
        + (Markup("<p style='margin: 4px 0 0; opacity: 0.75'>{}</p>").format(note) if note else "")
        + Markup("</div>")
    )


def plain_table(
    columns: Sequence[object], rows: Iterable[Sequence[object]], label: str, css_class: str = ""
) -> Markup:
    """Return an unstyled table of a few rows; values other than `Markup` are escaped.

    Parameters
    ----------
    columns : sequence of str or Markup
        Headings.
    rows : iterable of sequences
        Cells: text, numbers or `Markup`.
    label : str
        The table's name for screen readers.
    css_class : str
        The table's class in a stylesheet.
    """
    from markupsafe import Markup

    head = Markup("").join(Markup('<th scope="col">{}</th>').format(title) for title in columns)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row)
        )
        for row in rows
    )
    return Markup(
        '<table class="{}" aria-label="{}"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
    ).format(css_class, label, head, body)


def shortened(names: Sequence[str], longest: int = 6) -> str:
    """Join names, abbreviating long lists to the first names and the last.

    Examples
    --------
    >>> shortened([])
    'none'
    >>> shortened(["a", "b", "c", "d"], longest=3)
    'a, b, … d (4)'
    """
    if len(names) <= longest:
        return ", ".join(names) or "none"
    return f"{', '.join(names[: longest - 1])}, … {names[-1]} ({len(names)})"


def number(value: float, digits: int = 2) -> str:
    """Format a number with a true minus sign; NaN as a dash.

    Examples
    --------
    >>> number(-1.5), number(float("nan"))
    ('−1.50', '–')
    """
    return f"{value:.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def bar_table(
    label: str, values: Mapping[str, float], units: Mapping[str, str], shown: str = ""
) -> Markup:
    """Return a table with one bar per value; values in the same units share a scale.

    Parameters
    ----------
    label : str
        The table's name for screen readers.
    values, units : mapping of str to float and to str
        By name.
    shown : str
        The name shown in bold.

    Examples
    --------
    >>> html = bar_table("Values", {"a": 2.0, "b": -1.0}, {"a": "z", "b": "z"})
    >>> "left:50.0%;width:50.0%" in html, "left:25.0%;width:25.0%" in html
    (True, True)
    """
    from markupsafe import Markup

    known: dict[str, list[float]] = {unit: [] for unit in units.values()}
    for name, value in values.items():
        if math.isfinite(value):
            known[units[name]].append(value)
    rows = []
    for name, value in values.items():
        unit = units[name]
        said = number(value) + (f" {unit}" if math.isfinite(value) and 0 < len(unit) < 3 else "")
        rows.append(
            Markup(
                '<tr style="font-weight:{}"><td style="width:46%;padding:2px 8px 2px 0">{}</td>'
                '<td><div style="{}">{}</div></td><td style="{}">{}</td></tr>'
            ).format(
                600 if name == shown else 400, name, _TRACK, _bar(value, known[unit]), _NUMBER, said
            )
        )
    return Markup('<table aria-label="{}" style="width:100%;margin-top:4px">{}</table>').format(
        label, Markup("").join(rows)
    )


def _bar(value: float, known: Sequence[float]) -> Markup:
    """Return a bar from 0 on the scale of known values, centred if some are negative."""
    from markupsafe import Markup

    largest = max(map(abs, known), default=0.0)
    if not math.isfinite(value) or not largest:
        return Markup("")
    first = -largest if min(known) < 0 else 0.0
    left, right = (100 * (at - first) / (largest - first) for at in sorted((0.0, value)))
    return Markup('<i style="left:{:.1f}%;width:{:.1f}%;{}"></i>').format(left, right - left, _FILL)
