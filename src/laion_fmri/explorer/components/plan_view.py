"""What a download would do: numbers, files and the code that does the same."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.call_code import LIST_FILE
from laion_fmri.explorer.components.code_block import CodeBlock
from laion_fmri.explorer.components.file_table import FileTable
from laion_fmri.explorer.components.markup import markup
from laion_fmri.explorer.components.transfer_progress import format_seconds
from laion_fmri.transfer.plan import FileStatus, TransferPlan, format_bytes

_STYLE = """
dl { display: flex; flex-wrap: wrap; gap: 10px 36px; }
dl div { min-width: 90px; }
dt { color: var(--muted); font-size: 12px; }
dd { font-size: 18px; font-weight: 600; line-height: 1.3; white-space: nowrap; }
dd small { font-size: 12px; font-weight: 400; color: var(--muted); margin-left: 4px; }
dd.short { color: var(--bad); }
"""


@dataclass(frozen=True)
class PlanFacts:
    """A plan with the room there is for it and the code that carries it out.

    Attributes
    ----------
    plan : TransferPlan
    free_bytes : int
        Free in the data directory now.
    rate : float or None
        Bytes a second, as measured last.
    python, shell : str
    listed_keys : tuple of str
        What the code reads from a file of its own.
    """

    plan: TransferPlan
    free_bytes: int
    rate: float | None
    python: str
    shell: str
    listed_keys: Sequence[str] = ()

    @property
    def free_after(self) -> int:
        """Bytes free after the download; negative where there is no room for it."""
        return self.free_bytes - self.plan.bytes_to_fetch

    @property
    def seconds(self) -> float | None:
        """How long it would take; None while no rate is known."""
        return self.plan.bytes_to_fetch / self.rate if self.rate else None


class PlanSummary(Viewer):
    """Files, bytes, already here, to fetch, free space after, expected time."""

    def __init__(self) -> None:
        super().__init__()
        self._view = markup(style=_STYLE, margin=(0, 0, 14, 0))

    def display(self, facts: PlanFacts) -> None:
        """Show a plan's numbers."""
        self._view.object = summary_html(facts)

    def __panel__(self) -> pn.pane.HTML:
        return self._view


def summary_html(facts: PlanFacts) -> str:
    """A plan's numbers."""
    plan, after = facts.plan, facts.free_after
    here = plan.total_bytes - plan.bytes_to_fetch
    room = format_bytes(after) if after >= 0 else f"{format_bytes(-after)} too little"
    figures = [
        ("Files", f"{len(plan.files):,}", format_bytes(plan.total_bytes), ""),
        ("Already here", f"{plan.count(FileStatus.HERE):,}", format_bytes(here), ""),
        ("To fetch", f"{len(plan.to_fetch):,}", format_bytes(plan.bytes_to_fetch), ""),
        ("Free space after", room, "", "" if after >= 0 else "short"),
    ]
    if facts.seconds is not None and facts.rate is not None and plan.to_fetch:
        at = f"at {format_bytes(facts.rate)}/s"
        figures.append(("Expected time", format_seconds(facts.seconds), at, ""))
    elif plan.to_fetch:
        figures.append(("Expected time", "–", "known after a first download", ""))
    rows = "".join(
        f'<div><dt>{name}</dt><dd class="number {kind}">{value}<small>{more}</small></dd></div>'
        for name, value, more, kind in figures
    )
    return f"<dl>{rows}</dl>"


class PlanDetails(Viewer):
    """The files of a plan, and the Python and shell commands."""

    def __init__(self) -> None:
        super().__init__()
        self.files = FileTable()
        self.python = CodeBlock("Python")
        self.shell = CodeBlock("Shell")
        self._keys: Sequence[str] = ()
        self.save = pmui.FileDownload(
            label=f"Save {LIST_FILE}, which the code reads",
            callback=self._listed,
            filename=LIST_FILE,
            size="small",
            visible=False,
            margin=(6, 0, 0, 0),
        )
        column = {"flex": "1 1 340px", "min-width": "0"}
        codes = [
            pn.Column(block, sizing_mode="stretch_width", styles=column, margin=0)
            for block in (self.python, self.shell)
        ]
        self._layout = pn.Column(
            self.files,
            pn.FlexBox(
                *codes,
                gap="16px 24px",
                sizing_mode="stretch_width",
                margin=(18, 0, 0, 0),
            ),
            self.save,
            sizing_mode="stretch_width",
            margin=0,
        )

    def display(self, facts: PlanFacts) -> None:
        """Show a plan's files and code."""
        self.files.display(facts.plan.files)
        self.python.code = facts.python
        self.shell.code = facts.shell
        self._keys = facts.listed_keys
        self.save.visible = bool(self._keys)

    def _listed(self) -> io.BytesIO:
        return io.BytesIO("".join(f"{key}\n" for key in self._keys).encode())

    def __panel__(self) -> pn.Column:
        return self._layout
