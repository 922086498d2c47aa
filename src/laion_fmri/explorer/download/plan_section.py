"""The plan of a download: its numbers, files, equivalent code, and the download button."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.custom import JSComponent
from panel.viewable import Viewer

from laion_fmri.download_request.code import LIST_FILE
from laion_fmri.download_request.plan import PlanFacts
from laion_fmri.explorer.download.job_view import css_class
from laion_fmri.explorer.widgets.copy_code import CodeBlock
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.table import Column, Row, Table
from laion_fmri.transfer.plan import FileStatus, PlannedFile, format_bytes, format_seconds
from laion_fmri.transfer_jobs.job import Job

# In the order of the table.
_STATUSES = (
    FileStatus.DAMAGED,
    FileStatus.INCOMPLETE,
    FileStatus.OUTDATED,
    FileStatus.NOT_DOWNLOADED,
    FileStatus.DOWNLOADED,
)
_VISIBLE_ROWS = 10
_FIGURES_STYLE = """
dl { display: flex; flex-wrap: wrap; gap: 10px 36px; }
dl div { min-width: 90px; }
dt { color: var(--muted); font-size: 12px; }
dd { font-size: 18px; font-weight: 600; line-height: 1.3; white-space: nowrap; }
dd small { font-size: 12px; font-weight: 400; color: var(--muted); margin-left: 4px; }
dd.short { color: var(--bad); }
"""


class OfferedButton(pmui.Button):
    """A button whose `disabled` cannot be changed by the browser.

    A slow browser writes back the state that it has drawn, which would enable a button that the
    server has disabled in the meantime.
    """

    def _process_events(self, events: dict[str, Any]) -> None:
        super()._process_events({name: v for name, v in events.items() if name != "disabled"})
        if events.get("disabled", self.disabled) != self.disabled:
            self.param.trigger("disabled")


class ScrollIntoView(JSComponent):
    """Scrolls to the element of a CSS class and focuses it; invisible."""

    _esm: ClassVar[str] = """
    const find = (root, name) => {
      for (const node of root.querySelectorAll("*")) {
        if (node.classList.contains(name)) return node
        const deep = node.shadowRoot && find(node.shadowRoot, name)
        if (deep) return deep
      }
      return null
    }
    export function render({ model }) {
      model.on("msg:custom", ({ name }) => {
        const part = find(document, name)
        if (!part) return
        part.scrollIntoView({ block: "center" })
        part.tabIndex = -1
        part.focus({ preventScroll: true })
      })
      return document.createElement("span")
    }
    """

    def scroll_to(self, name: str) -> None:
        """Scroll to the element of a CSS class."""
        self._send_msg({"name": name})


class PlanSection(Viewer):
    """The button that downloads a plan, its files, and the Python and shell commands.

    Parameters
    ----------
    on_download : callable
        Called when the button is clicked.

    Attributes
    ----------
    summary : HTML
        The numbers of the plan, displayed above the agreement form.
    """

    def __init__(self, on_download: Callable[[], None]) -> None:
        super().__init__()
        self._keys: Sequence[str] = ()
        self.summary = markup(style=_FIGURES_STYLE, margin=(0, 0, 14, 0))
        self.run = OfferedButton(
            label="Download", icon="download", variant="contained", disabled=True, margin=0
        )
        self.run.on_click(lambda _: on_download())
        self.why_not = markup(sizing_mode=None)
        self.to_job = pmui.Button(
            label="Show that download", variant="text", size="small", visible=False, margin=0
        )
        self.to_job.on_click(lambda _: self._scroller.scroll_to(css_class(self._job_number)))
        self._scroller = ScrollIntoView(margin=0)
        self._job_number = 0
        self.files = PlanFiles()
        self.python, self.shell = CodeBlock("Python"), CodeBlock("Shell")
        self.save = pmui.FileDownload(
            label=f"Save {LIST_FILE}, which the code reads",
            callback=self._listed,
            filename=LIST_FILE,
            size="small",
            visible=False,
            margin=(6, 0, 0, 0),
        )
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        column = {"flex": "1 1 300px", "min-width": "min(100%, 300px)"}
        self.layout = pn.Column(
            pn.FlexBox(
                self.run,
                self.why_not,
                self.to_job,
                self._scroller,
                gap="8px 14px",
                align_items="center",
                margin=(0, 0, 20, 0),
                **wide,
            ),
            self.files,
            pn.FlexBox(
                *(pn.Column(c, styles=column, margin=0, **wide) for c in (self.python, self.shell)),
                gap="16px 24px",
                margin=(18, 0, 0, 0),
                **wide,
            ),
            self.save,
            visible=False,
            margin=(0, 0, 28, 0),
            **wide,
        )

    def display(self, facts: PlanFacts) -> None:
        """Display a plan."""
        self.summary.object = summary_html(facts)
        self.files.display(facts.plan.files)
        self.python.code, self.shell.code = facts.python, facts.shell
        self._keys = facts.listed_keys
        self.save.visible = bool(self._keys)
        self.summary.visible = self.layout.visible = True

    def hide(self) -> None:
        """Hide the section, because there is no plan."""
        self.summary.visible = self.layout.visible = False

    def allow(self, why_not: str | None, job: Job | None = None) -> None:
        """Enable the button, or display why it is disabled; link to `job` if given."""
        self.run.disabled = why_not is not None
        self.why_not.object = Markup('<p class="muted">{}</p>').format(why_not) if why_not else ""
        self._job_number = job.number if job is not None else 0
        self.to_job.visible = job is not None

    def _listed(self) -> io.BytesIO:
        return io.BytesIO("".join(f"{key}\n" for key in self._keys).encode())

    def __panel__(self) -> pn.Column:
        return self.layout


def summary_html(facts: PlanFacts) -> Markup:
    """Format the numbers of a plan: files, bytes, downloaded, to fetch, free space, time."""
    plan, after = facts.plan, facts.free_after
    n_bytes = plan.total_bytes - plan.bytes_to_fetch
    space = format_bytes(after) if after >= 0 else f"{format_bytes(-after)} too little"
    figures = [
        ("Files", f"{len(plan.files):,}", format_bytes(plan.total_bytes), ""),
        ("Downloaded", f"{plan.count(FileStatus.DOWNLOADED):,}", format_bytes(n_bytes), ""),
        ("To fetch", f"{len(plan.to_fetch):,}", format_bytes(plan.bytes_to_fetch), ""),
        ("Free space after", space, "", "" if after >= 0 else "short"),
    ]
    if facts.seconds is not None and facts.rate is not None and plan.to_fetch:
        rate = f"at {format_bytes(facts.rate)}/s"
        figures.append(("Expected time", format_seconds(facts.seconds), rate, ""))
    elif plan.to_fetch:
        figures.append(("Expected time", "–", "known after a first download", ""))
    rows = Markup("").join(
        Markup('<div><dt>{}</dt><dd class="number {}">{}<small>{}</small></dd></div>').format(
            name, kind, value, more
        )
        for name, value, more, kind in figures
    )
    return Markup("<dl>{}</dl>").format(rows)


class PlanFiles(Table):
    """Status, size and name of every file of a plan; files to download come first."""

    def __init__(self) -> None:
        self._files: list[PlannedFile] = []
        super().__init__(
            (
                Column("file", "File", "file"),
                Column("size", "Size", "number", 86),
                Column("status", "Status", "status", 140),
            ),
            self._rows,
            "Files of the plan",
            empty="No file",
            sizing_mode="stretch_width",
            margin=0,
        )

    def display(self, files: Sequence[PlannedFile]) -> None:
        """Display these files, from the first one."""
        self._files = sorted(files, key=lambda file: _STATUSES.index(file.status))
        self.height = 46 + self.options["row_height"] * min(max(len(files), 1), _VISIBLE_ROWS)
        self.set_rows(len(files))

    def _rows(self, first: int, stop: int) -> list[Row]:
        return [
            Row((file.key, format_bytes(file.size), file.status.capitalize()))
            for file in self._files[first:stop]
        ]
