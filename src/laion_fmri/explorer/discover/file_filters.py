"""Filters for the files of the bucket, each value with its number of files."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from laion_fmri.explorer.widgets.menu_keys import MenuKeys
from laion_fmri.file_table import FACETS, STATUS, FileFilter, FoundFiles

_GRID = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(124px, 1fr))",
    "gap": "10px",
}
# These widgets have no small size.
_SMALL = """
.MuiSelect-select { padding-top: 8.5px !important; padding-bottom: 8.5px !important; }
.MuiInputLabel-root:not(.MuiInputLabel-shrink) { transform: translate(14px, 9px) !important; }
"""


class FileFilters(Viewer):
    """A search field, and a choice of values for each facet of the files."""

    value = param.ClassSelector(class_=FileFilter, default=FileFilter(), doc="Which files to find.")

    def __init__(self) -> None:
        super().__init__()
        self.text = pmui.TextInput(
            label="Search names",
            placeholder="words in any order",
            size="small",
            sizing_mode="stretch_width",
            styles={"grid-column": "span 2"},
            margin=0,
        )
        self.facets = {
            name: pmui.MultiChoice(
                label=name.capitalize(),
                options={},
                value=[],
                chip=False,
                searchable=True,
                stylesheets=[_SMALL],
                sizing_mode="stretch_width",
                margin=0,
            )
            for name in FACETS
        }
        for widget in self.facets.values():
            widget.param.watch(lambda _: self._read(), "value")
        self.text.param.watch(lambda _: self._read(), "value_input")
        self._layout = pn.Row(
            self.text,
            *self.facets.values(),
            MenuKeys(),
            styles=_GRID,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _read(self) -> None:
        values = {name: tuple(w.value) for name, w in self.facets.items() if w.value}
        wanted = FileFilter(values, self.text.value_input or "")
        if wanted != self.value:
            self.value = wanted

    def offer(self, found: FoundFiles) -> None:
        """Set the values to choose from."""
        for name, widget in self.facets.items():
            counts = found.options[name]
            labelled = {f"{_label(name, v)} ({n:,})": v for v, n in counts.items()}
            chosen = [value for value in widget.value or () if value in counts]
            if labelled != widget.options or chosen != widget.value:
                widget.param.update(options=labelled, value=chosen)
            widget.value_label = ", ".join(_label(name, value) for value in chosen)

    def clear(self) -> None:
        """Reset all filters."""
        with param.discard_events(self):  # one event for all fields
            self.text.param.update(value="", value_input="")
            for widget in self.facets.values():
                widget.value = []
        self.param.trigger("value")

    def __panel__(self) -> pn.Row:
        return self._layout


def _label(facet: str, value: str) -> str:
    return value.capitalize() if facet == STATUS else value or "none"
