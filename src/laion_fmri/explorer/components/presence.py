"""Marks that say how much of something is here, and matrices made of them."""

from __future__ import annotations

from collections.abc import Sequence

from laion_fmri.explorer.catalog import Presence
from laion_fmri.explorer.components.markup import escape

_CLASSES = {
    Presence.HERE: "here",
    Presence.PARTLY: "partly",
    Presence.NOT_HERE: "missing",
    Presence.ABSENT: "absent",
    Presence.HELD_OUT: "held",
}


def mark(presence: Presence, of: str = "") -> str:
    """One mark; `of` says what it is a mark of to those who point at it or listen."""
    label = escape(f"{of}: {presence}" if of else presence)
    return (
        f'<i class="mark {_CLASSES[presence]}" role="img" aria-label="{label}" title="{label}"></i>'
    )


def legend(shown: Sequence[Presence]) -> str:
    """What the marks mean."""
    entries = "".join(
        f'<span><i class="mark {_CLASSES[p]}"></i>{escape(p.capitalize())}</span>' for p in shown
    )
    return f'<div class="legend">{entries}</div>'


def matrix(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[Presence]],
    short: Sequence[str] | None = None,
) -> str:
    """A table of marks.

    Parameters
    ----------
    title : str
        For those who cannot see it.
    rows, columns : sequence of str
    cells : sequence of sequences of Presence
        One sequence a row.
    short : sequence of str, optional
        What stands above the columns instead of their names.
    """
    heads = "".join(
        f'<th scope="col" title="{escape(column)}">{escape(head)}</th>'
        for column, head in zip(columns, short or columns, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row" class="name">{escape(row)}</th>'
        + "".join(
            f"<td>{mark(presence, f'{row}, {column}')}</td>"
            for column, presence in zip(columns, line, strict=True)
        )
        + "</tr>"
        for row, line in zip(rows, cells, strict=True)
    )
    return (
        f'<table class="matrix"><caption class="hidden">{escape(title)}</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )
