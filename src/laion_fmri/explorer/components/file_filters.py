"""Filters over the files of the bucket, each value with how many files there are of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.bucket_table import FACETS, STATUS, FileFilter

LABELS = {
    "tree": "Tree",
    "subject": "Subject",
    "session": "Session",
    "desc": "Desc",
    "suffix": "Suffix",
    "extension": "Extension",
    STATUS: "Status",
}
_NO_VALUE = "none"
_GRID = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(124px, 1fr))",
    "gap": "10px",
}
# These controls have no small size of their own.
_SMALL = """
.MuiSelect-select { padding-top: 8.5px !important; padding-bottom: 8.5px !important; }
.MuiInputLabel-root:not(.MuiInputLabel-shrink) { transform: translate(14px, 9px) !important; }
"""


class FileFilters(Viewer):
    """A search field and one choice of values for each facet.

    Parameters
    ----------
    on_change : callable
        Called when something else is asked for.
    """

    def __init__(self, on_change: Callable[[], object]) -> None:
        super().__init__()
        self._on_change = on_change
        self._quiet = False
        self.text = pmui.TextInput(
            label="Search names",
            placeholder="words in any order",
            size="small",
            sizing_mode="stretch_width",
            styles={"grid-column": "span 2"},
            margin=0,
        )
        self.facets = {name: self._facet(name) for name in FACETS}
        for widget in self.facets.values():
            widget.param.watch(lambda _: self._changed(), "value")
        self.text.param.watch(lambda _: self._changed(), "value_input")
        self._layout = pn.Row(
            self.text,
            *self.facets.values(),
            styles=_GRID,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _facet(self, name: str) -> pmui.MultiChoice:
        return pmui.MultiChoice(
            label=LABELS[name],
            options={},
            value=[],
            chip=False,
            searchable=True,
            stylesheets=[_SMALL],
            sizing_mode="stretch_width",
            margin=0,
        )

    @property
    def wanted(self) -> FileFilter:
        """What is asked for."""
        values = {name: tuple(w.value) for name, w in self.facets.items() if w.value}
        return FileFilter(values, self.text.value_input or "")

    def offer(self, options: Mapping[str, Mapping[str, int]]) -> None:
        """Give every facet its values.

        Parameters
        ----------
        options : mapping of str to (mapping of str to int)
            For each facet its values and how many files there are of them.
        """
        self._quiet = True
        try:
            for name, widget in self.facets.items():
                counts = options[name]
                labelled = {f"{v or _NO_VALUE} ({n:,})": v for v, n in counts.items()}
                kept = [value for value in widget.value or () if value in counts]
                if labelled != widget.options or kept != widget.value:
                    widget.param.update(options=labelled, value=kept)
                widget.value_label = ", ".join(value or _NO_VALUE for value in kept)
        finally:
            self._quiet = False

    def clear(self) -> None:
        """Ask for everything."""
        self._quiet = True
        try:
            self.text.param.update(value="", value_input="")
            for widget in self.facets.values():
                widget.value = []
        finally:
            self._quiet = False
        self._on_change()

    def _changed(self) -> None:
        if not self._quiet:
            self._on_change()

    def __panel__(self) -> pn.Row:
        return self._layout
