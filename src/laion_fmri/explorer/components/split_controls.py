"""What is chosen of splits, and files and code to take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.components.copy_code import CopyCode
from laion_fmri.explorer.components.markup import markup
from laion_fmri.explorer.components.split_map import MOST_SIDE_BY_SIDE
from laion_fmri.explorer.split_export import file_name
from laion_fmri.splits import list_ood_types

if TYPE_CHECKING:
    import io

    from laion_fmri.explorer.split_data import SplitChoice

WIDTH = 270
EVERY_SESSION = "every local session"
MOST_COMPARED = MOST_SIDE_BY_SIDE - 1
_FILES = {"json": "Ids (JSON)", "tsv": "Ids (TSV)", "npz": "Masks (npz)"}


class SplitControls(Viewer):
    """The controls beside a split.

    Parameters
    ----------
    on_choice : callable
        Called with the name of what was chosen (a parameter of `SplitInspector`) and its value.
    make_file : callable
        Called with ``"json"``, ``"tsv"`` or ``"npz"``; gives the file.
    on_make : callable
        Called when the form for a new split is asked for, or no more.
    """

    def __init__(
        self,
        on_choice: Callable[[str, Any], None],
        make_file: Callable[[str], io.BytesIO | None],
        on_make: Callable[[], None],
    ) -> None:
        super().__init__()
        self._on_choice = on_choice
        self._is_offering = False
        broad: dict[str, Any] = {"sizing_mode": "stretch_width"}
        wide = {**broad, "size": "small"}
        self.pool = pmui.Select(label="Pool", options=[], **wide)
        self.split = pmui.Select(label="Split", options=[], **wide)
        self.compared = pmui.MultiChoice(
            label="Compare with",
            options=[],
            max_items=MOST_COMPARED,
            placeholder="other splits",
            **broad,
        )
        self.ood_types = pmui.MultiChoice(
            label="OOD types", placeholder="all types", options=list_ood_types(), **broad
        )
        self.model = pmui.Select(label="Embedding", options=[], **wide)
        self.subject = pmui.Select(label="Subject", options=[], **wide)
        self.session = pmui.Select(label="Session", options=[], **wide)
        self._controls = {
            name: getattr(self, name)
            for name in ("pool", "split", "compared", "ood_types", "model", "subject", "session")
        }
        for name, control in self._controls.items():
            control.param.watch(partial(self._chosen, name), "value")
        self.files = {
            kind: pmui.FileDownload(
                label=label,
                icon="download",
                callback=partial(make_file, kind),
                variant="text",
                size="small",
                margin=0,
            )
            for kind, label in _FILES.items()
        }
        self.make_button = pmui.Button(icon="add", variant="outlined", **wide)
        self.make_button.on_click(lambda _: on_make())
        self.code = CopyCode()
        self._layout = pn.Column(
            *self._controls.values(),
            pn.Column(markup("<h3>Take away</h3>"), *self.files.values(), margin=(10, 10, 6, 10)),
            self.make_button,
            self.code,
            width=WIDTH,
            margin=(8, 24, 8, 8),
            styles={"gap": "4px"},
        )

    def offer(
        self,
        values: Mapping[str, Any],
        *,
        pools: Sequence[str],
        splits: Sequence[str],
        subjects: Sequence[str],
        sessions: Sequence[str],
        models: Sequence[str],
    ) -> None:
        """Offer what there is, and show what is chosen; what does not exist is shown as none."""
        options: dict[str, Any] = {
            "pool": list(pools),
            "split": list(splits),
            "subject": list(subjects),
            "session": {EVERY_SESSION: "", **{s: s for s in sessions}},
            "model": list(models),
            "compared": [name for name in splits if name != values["split"]],
            "ood_types": list_ood_types(),
        }
        self._is_offering = True
        with pn.io.hold():
            for name, control in self._controls.items():
                known = options[name]
                known = list(known.values()) if isinstance(known, dict) else known
                value = values[name]
                if isinstance(value, list):
                    value = [v for v in value if v in known]
                elif value not in known:
                    value = None
                control.param.update(options=options[name], value=value)
            self.ood_types.visible = bool(values["offers_types"])
            self.model.visible = bool(models)
        self._is_offering = False

    def set_files(self, choice: SplitChoice, has_split: bool, has_trials: bool) -> None:
        """Name the files that can be taken away."""
        for kind, button in self.files.items():
            button.filename = file_name(choice, kind)
            button.disabled = not (has_trials if kind == "npz" else has_split)

    def _chosen(self, name: str, event: Any) -> None:
        if not self._is_offering:
            self._on_choice(name, event.new)

    def __panel__(self) -> pn.Column:
        return self._layout
