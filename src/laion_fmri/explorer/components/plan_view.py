"""What a download would do: numbers, files and the code that does the same."""

from __future__ import annotations

from dataclasses import dataclass

import panel as pn
from panel.viewable import Viewer

from laion_fmri.explorer.components.code_block import CodeBlock
from laion_fmri.explorer.components.file_table import FileTable
from laion_fmri.explorer.components.markup import markup
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
    python, shell : str
    """

    plan: TransferPlan
    free_bytes: int
    python: str
    shell: str

    @property
    def free_after(self) -> int:
        """Bytes free after the download; negative where there is no room for it."""
        return self.free_bytes - self.plan.bytes_to_fetch


class PlanSummary(Viewer):
    """Files, bytes, already here, to fetch, free space after."""

    def __init__(self) -> None:
        super().__init__()
        self._view = markup(style=_STYLE, margin=(0, 0, 14, 0))

    def display(self, facts: PlanFacts) -> None:
        """Show a plan's numbers."""
        plan, after = facts.plan, facts.free_after
        here = plan.total_bytes - plan.bytes_to_fetch
        room = format_bytes(after) if after >= 0 else f"{format_bytes(-after)} too little"
        figures = (
            ("Files", str(len(plan.files)), format_bytes(plan.total_bytes), ""),
            ("Already here", str(plan.count(FileStatus.HERE)), format_bytes(here), ""),
            ("To fetch", str(len(plan.to_fetch)), format_bytes(plan.bytes_to_fetch), ""),
            ("Free space after", room, "", "" if after >= 0 else "short"),
        )
        rows = "".join(
            f'<div><dt>{name}</dt><dd class="number {kind}">{value}<small>{size}</small></dd></div>'
            for name, value, size, kind in figures
        )
        self._view.object = f"<dl>{rows}</dl>"

    def __panel__(self) -> pn.pane.HTML:
        return self._view


class PlanDetails(Viewer):
    """The files of a plan, and the Python and shell commands."""

    def __init__(self) -> None:
        super().__init__()
        self.files = FileTable()
        self.python = CodeBlock("Python")
        self.shell = CodeBlock("Shell")
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
            sizing_mode="stretch_width",
            margin=0,
        )

    def display(self, facts: PlanFacts) -> None:
        """Show a plan's files and code."""
        self.files.display(facts.plan.files)
        self.python.code = facts.python
        self.shell.code = facts.shell

    def __panel__(self) -> pn.Column:
        return self._layout
