"""The form that selects what to download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.download_request.choices import BRAIN, GROUPS, MORE, RAW, RESPONSES
from laion_fmri.download_request.request import Offer, Request
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.selection import AVERAGES
from laion_fmri.transfer.plan import count_of

_FEWEST_IN_A_RANGE = 3
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
        "fontSize": "12px",
        "letterSpacing": 0,
        "lineHeight": 1.5,
        "color": "text.primary",
    },
}


class RequestForm(Viewer):
    """Subjects, sessions, kinds of data and single files; `request` is the selection.

    Attributes
    ----------
    drop : Button
        Removes the single files.
    """

    request = param.ClassSelector(class_=Request, default=Request(), doc="What is chosen.")

    def __init__(self) -> None:
        super().__init__()
        self._offer = Offer({})
        self._files: tuple[str, ...] = ()
        self.subjects = _buttons("Subject")
        self.sessions = _buttons("Session")
        self.what = {
            group: pmui.CheckBoxGroup(
                label=group, options=list(labels), value=[], sizing_mode="stretch_width", margin=0
            )
            for group, labels in GROUPS.items()
        }
        self.what[RESPONSES].value = list(GROUPS[RESPONSES][:3])
        self.what[BRAIN].value = list(GROUPS[BRAIN][:3])  # required by the other tabs
        self.range = SessionRange(self._choose_range)
        self._count = markup(align="center")
        self.drop = pmui.Button(
            label="Remove chosen files", icon="close", variant="text", size="small", margin=0
        )
        self._chosen = pn.Row(
            self._count, self.drop, sizing_mode="stretch_width", visible=False, margin=0
        )
        self._layout = stacked(
            self._chosen,
            _with_all(self.subjects),
            stacked(_with_all(self.sessions), self.range),
            *self.what.values(),
            styles={"gap": "18px"},
        )
        pn.bind(lambda *_: self._offer_sessions(), self.subjects, self.what[MORE], watch=True)
        controls = (self.subjects, self.sessions, *self.what.values())
        pn.bind(lambda *_: self._put_together(), *controls, watch=True)

    def offer(self, offer: Offer) -> None:
        """Set what the bucket offers; selections are kept."""
        self._offer = offer
        _offer(self.subjects, list(offer.subjects))
        self._offer_sessions()
        self._put_together()

    def choose_subject(self, name: str) -> None:
        """Select only this subject, if available."""
        if name in self._offer.subjects:
            self.subjects.value = [name]

    def choose_files(self, keys: Sequence[str]) -> None:
        """Select single files; the first ones replace the selected kinds of data."""
        if keys and not self._files:
            for group in self.what.values():
                group.value = []
        self._files = tuple(keys)
        self._chosen.visible = bool(keys)
        self._count.object = (
            Markup("<b>{}</b>").format(count_of(len(keys), "chosen file")) if keys else ""
        )
        self._put_together()

    def _offer_sessions(self) -> None:
        of = self.subjects.value or list(self._offer.subjects)
        found = self._offer.sessions(of, raw=RAW in (self.what[MORE].value or ()))
        _offer(self.sessions, [*found, AVERAGES])
        self.range.offer(found)

    def _choose_range(self, sessions: Sequence[str]) -> None:
        averages = [AVERAGES] if AVERAGES in (self.sessions.value or ()) else []
        self.sessions.value = [*sessions, *averages]

    def _put_together(self) -> None:
        chosen = self.sessions.value or ()
        self.request = Request(
            tuple(self.subjects.value or ()),
            tuple(session for session in self.sessions.options if session in chosen),
            tuple(label for group in self.what.values() for label in group.value or ()),
            self._files,
        )

    def __panel__(self) -> pn.Column:
        return self._layout


class SessionRange(Viewer):
    """A first and a last session, and a button that selects the range.

    Parameters
    ----------
    on_choose : callable
        Called with the sessions of the range.
    """

    def __init__(self, on_choose: Callable[[Sequence[str]], None]) -> None:
        super().__init__()
        self._on_choose = on_choose
        options: dict[str, Any] = {"options": [], "size": "small", "width": 116, "margin": 0}
        self.first = pmui.Select(label="From session", **options)
        self.last = pmui.Select(label="To session", **options)
        self.choose = small_button("Choose range", self._choose, variant="text", align="center")
        self._layout = pn.Row(
            self.first,
            self.last,
            self.choose,
            styles={"gap": "8px", "align-items": "center"},
            margin=(10, 0, 0, 0),
            visible=False,
        )

    def offer(self, sessions: Sequence[str]) -> None:
        """Set the available sessions; hidden if there are few."""
        self._layout.visible = len(sessions) >= _FEWEST_IN_A_RANGE
        for select, place in ((self.first, 0), (self.last, -1)):
            options = list(sessions)
            default = options[place] if options else None
            value = select.value if select.value in options else default
            select.param.update(options=options, value=value)

    def _choose(self) -> None:
        names = list(self.first.options)
        if self.first.value not in names or self.last.value not in names:
            return
        begin, end = sorted((names.index(self.first.value), names.index(self.last.value)))
        self._on_choose(names[begin : end + 1])

    def __panel__(self) -> pn.Row:
        return self._layout


def _buttons(label: str) -> pmui.CheckButtonGroup:
    options: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
    return pmui.CheckButtonGroup(
        label=label, options=[], value=[], color="primary", size="small", sx=_GRID, **options
    )


def _with_all(group: pmui.CheckButtonGroup) -> pn.Column:
    def link(name: str, everything: bool) -> pmui.Button:
        def choose() -> None:
            group.value = list(group.options) if everything else []

        return small_button(name, choose, variant="text")

    kind = f"{group.label.lower()}s"
    return stacked(
        group, pn.Row(link(f"All {kind}", True), link(f"No {kind}", False), margin=(4, 0, 0, 0))
    )


def _offer(group: pmui.CheckButtonGroup, options: list[str]) -> None:
    chosen = [value for value in group.value or [] if value in options]
    group.param.update(options=options, value=chosen)
