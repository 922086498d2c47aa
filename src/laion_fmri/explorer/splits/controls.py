"""The controls next to a split, downloadable files, and code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.explorer.widgets.copy_code import CopyCode
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.splits import list_ood_types
from laion_fmri.splits.export import FileKind, file_name

if TYPE_CHECKING:
    import io

    from laion_fmri.explorer.splits.data import SplitChoice

ALL_SESSIONS = "all local sessions"
MAX_COMPARED = 3
_FILES: dict[FileKind, str] = {"json": "Ids (JSON)", "tsv": "Ids (TSV)", "npz": "Masks (npz)"}


class SplitControls(Viewer):
    """The controls next to a split.

    Parameters
    ----------
    on_choice : callable
        Called with the name of a parameter of `SplitInspector` and the chosen value.
    make_file : callable
        Called with ``"json"``, ``"tsv"`` or ``"npz"``; returns the file.
    on_make : callable
        Called to open or close the form for a new split.
    """

    def __init__(
        self,
        on_choice: Callable[[str, Any], None],
        make_file: Callable[[FileKind], io.BytesIO | None],
        on_make: Callable[[], None],
    ) -> None:
        super().__init__()
        self._on_choice = on_choice
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.pool, self.split, self.model, self.subject, self.session = (
            pmui.Select(label=label, options=[], size="small", **wide)
            for label in ("Pool", "Split", "Embedding", "Subject", "Session")
        )
        for select in (self.pool, self.split, self.model, self.subject, self.session):
            # An address may name what is not here. Otherwise Panel replaces the value that is none
            # of the options by the first one, as if it had been chosen.
            select._allows_none = True  # type: ignore[misc]
        self.compared = pmui.MultiChoice(
            label="Compare with",
            options=[],
            max_items=MAX_COMPARED,
            placeholder="other splits",
            **wide,
        )
        self.ood_types = pmui.MultiChoice(
            label="OOD types", placeholder="all types", options=list_ood_types(), **wide
        )
        names = ("pool", "split", "compared", "ood_types", "model", "subject", "session")
        self._controls = {name: getattr(self, name) for name in names}
        self._offered = {name: control.value for name, control in self._controls.items()}
        for name, control in self._controls.items():
            control.param.watch(partial(self._choose, name), "value")
        self.files = {
            kind: pmui.FileDownload(
                label=label,
                icon="download",
                callback=partial(make_file, kind),
                size="small",
                margin=0,
            )
            for kind, label in _FILES.items()
        }
        for button in self.files.values():
            button.variant = "text"  # as a constructor argument it would raise a warning
        self.make_button = pmui.Button(icon="add", variant="outlined", size="small", **wide)
        self.make_button.on_click(lambda _: on_make())
        self.code = CopyCode()
        self._layout = pn.Column(
            *self._controls.values(),
            pn.Column(
                markup(Markup("<h3>Export</h3>")), *self.files.values(), margin=(10, 10, 6, 10)
            ),
            self.make_button,
            self.code,
            width=270,
            margin=(8, 24, 8, 8),
            styles={"gap": "4px"},
        )

    def offer(
        self, values: Mapping[str, Any], *, sessions: Sequence[str], **options: Sequence[str]
    ) -> None:
        """Set options and values; a value that is not among the options is displayed as none.

        Parameters
        ----------
        values : mapping
            By name of the control, and ``"offers_types"``: whether OOD types can be chosen.
        sessions : sequence of str
        **options : sequence of str
            For the controls pool, split, subject and model.
        """
        choices: dict[str, Any] = {
            **options,
            "session": {ALL_SESSIONS: "", **{name: name for name in sessions}},
            "compared": [name for name in options["split"] if name != values["split"]],
            "ood_types": list_ood_types(),
        }
        with pn.io.hold():
            for name, control in self._controls.items():
                known, value = choices[name], values[name]
                known = known.values() if isinstance(known, dict) else known
                if isinstance(value, list):
                    value = [v for v in value if v in known]
                elif value not in known:
                    value = None
                self._offered[name] = value
                control.param.update(options=choices[name], value=value)
            self.ood_types.visible = bool(values["offers_types"])
            self.model.visible = bool(options["model"])

    def set_files(self, choice: SplitChoice, has_split: bool, has_trials: bool) -> None:
        """Set the names of the downloadable files."""
        for kind, button in self.files.items():
            button.filename = file_name(kind=kind, **vars(choice))
            button.disabled = not (has_trials if kind == "npz" else has_split)

    def _choose(self, name: str, event: Any) -> None:
        if event.new != self._offered[name]:
            self._offered[name] = event.new
            self._on_choice(name, event.new)

    def __panel__(self) -> pn.Column:
        return self._layout
