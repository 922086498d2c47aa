"""Small tables for notebooks: text in them is text, and colours are the notebook's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "text-align: left; vertical-align: top; white-space: normal; overflow-wrap: anywhere"
_NAME = "text-align: left; vertical-align: top; white-space: nowrap; font-weight: 600"


def table(
    title: str, rows: Iterable[Sequence[object]], columns: Sequence[str] = (), note: str = ""
) -> str:
    """A titled table as HTML.

    Parameters
    ----------
    title : str
    rows : iterable of sequences
        The first of each is its name.
    columns : sequence of str
        What stands above them; may be left out.
    note : str
        Said below.

    Examples
    --------
    >>> "&lt;b&gt;" in table("sub-01", [("Sessions", "<b>")])
    True
    """
    head = "".join(f'<th scope="col" style="{_NAME}">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row" style="{_NAME}">{escape(str(name))}</th>'
        + "".join(f'<td style="{_CELL}">{escape(str(value))}</td>' for value in values)
        + "</tr>"
        for name, *values in rows
    )
    return (
        f"<div><p style='margin: 0 0 4px'><strong>{escape(title)}</strong></p>"
        f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
        + (f"<p style='margin: 4px 0 0; opacity: 0.75'>{escape(note)}</p>" if note else "")
        + "</div>"
    )


def shortened(names: Sequence[str], longest: int = 6) -> str:
    """Names as text; of many the first ones and the last.

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
