"""Choosing what to download, by clicking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from laion_fmri import layout
from laion_fmri.explorer.request import BRAIN, GROUPS, RESPONSES, Request
from laion_fmri.selection import AVERAGES

_GRID = {
    "display": "grid",
    "gridTemplateColumns": "repeat(auto-fill, minmax(60px, 1fr))",
    "gap": "6px",
    "marginTop": "6px",
    "& .MuiToggleButton-root": {
        "border": "1px solid",
        "borderColor": "divider",
        "borderRadius": "6px !important",
        "margin": "0 !important",
        "padding": "3px 2px",
        "textTransform": "none",
        "fontSize": "12.5px",
        "lineHeight": 1.5,
        "color": "text.primary",
    },
}


class RequestForm(Viewer):
    """Subject, session and what; `request` follows every click."""

    request = param.ClassSelector(class_=Request, default=Request(), doc="What is chosen.")

    def __init__(self) -> None:
        super().__init__()
        self._served: Mapping[str, Sequence[str]] = {}
        self.subjects = _buttons("Subject")
        self.sessions = _buttons("Session")
        self.what = {
            group: pmui.CheckBoxGroup(
                label=group, options=list(labels), value=[], sizing_mode="stretch_width", margin=0
            )
            for group, labels in GROUPS.items()
        }
        self.what[RESPONSES].value = list(GROUPS[RESPONSES][:3])
        self.what[BRAIN].value = ["ROIs"]
        self._layout = pn.Column(
            _with_all(self.subjects),
            _with_all(self.sessions),
            *self.what.values(),
            sizing_mode="stretch_width",
            styles={"gap": "18px"},
            margin=0,
        )
        self.subjects.param.watch(lambda _: self._offer_sessions(), "value")
        for control in (self.subjects, self.sessions, *self.what.values()):
            control.param.watch(lambda _: self._put_together(), "value")

    def offer(self, served: Mapping[str, Sequence[str]]) -> None:
        """Offer the subjects of the bucket with the sessions it serves; choices stay."""
        self._served = served
        _offer(self.subjects, list(served))
        self._offer_sessions()
        self._put_together()

    def choose_subject(self, name: str) -> None:
        """Choose one subject, if it is offered, and no other."""
        if name in self._served:
            self.subjects.value = [name]

    def _offer_sessions(self) -> None:
        of = self.subjects.value or list(self._served)
        found = {session for subject in of for session in self._served.get(subject, ())}
        _offer(self.sessions, [*sorted(found, key=layout.natural_order), AVERAGES])

    def _put_together(self) -> None:
        self.request = Request(
            tuple(self.subjects.value or ()),
            tuple(self.sessions.value or ()),
            tuple(label for group in self.what.values() for label in group.value or ()),
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _buttons(label: str) -> pmui.CheckButtonGroup:
    options: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
    return pmui.CheckButtonGroup(
        label=label, options=[], value=[], color="primary", size="small", sx=_GRID, **options
    )


def _with_all(group: pmui.CheckButtonGroup) -> pn.Column:
    def link(name: str, everything: bool) -> pmui.Button:
        def choose(_: object) -> None:
            group.value = list(group.options) if everything else []

        button = pmui.Button(label=name, variant="text", size="small", margin=0)
        button.on_click(choose)
        return button

    kind = f"{group.label.lower()}s"
    return pn.Column(
        group,
        pn.Row(link(f"All {kind}", True), link(f"No {kind}", False), margin=(4, 0, 0, 0)),
        sizing_mode="stretch_width",
        margin=0,
    )


def _offer(group: pmui.CheckButtonGroup, options: list[str]) -> None:
    kept = [value for value in group.value or [] if value in options]
    group.param.update(options=options, value=kept)
