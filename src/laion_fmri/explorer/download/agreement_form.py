"""The data use agreement of the images as a form, and the field for a request id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri.access import StimulusRequest
from laion_fmri.access.form import BOXES, SHORTEST_PURPOSE
from laion_fmri.access.image_access import Terms
from laion_fmri.explorer.widgets.markup import markup, outside_link

_LABELS = {
    "name": "Your name",
    "email": "Institutional e-mail",
    "institution": "Institution",
    "pi_or_supervisor": "PI or supervisor",
    "research_purpose": "Research purpose",
}
_BOX_LABELS = {
    "accepted_terms": "I have read and accept the terms",
    "acknowledged_privacy": "I have read how my data are handled",
}
# A blank helper text that reserves the height of a message, so that nothing below moves.
_EMPTY_LINE = " "
_HINTS = {"research_purpose": f"At least {SHORTEST_PURPOSE} characters"}
_PRIVATE_MAIL = ("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "gmx.de")
_STYLE = """
p { max-width: 76ch; } a { color: var(--accent); }
.links { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 6px; }
"""
_PROBLEM_STYLE = """
:host { min-height: 22px; }
p { color: var(--bad); font-size: 12px; line-height: 18px; margin: 0 0 4px 32px; }
"""


class _Private:
    """A field whose text is never logged: Panel's debug log records every change of a widget."""

    def _log(self, msg: str, *args: object, level: str = "debug") -> None:
        super()._log(msg.replace("%s", "…"), level=level)  # type: ignore[misc]

    def typed(self) -> str:
        """The text, including unconfirmed input while the field has the focus."""
        return self.value_input or self.value or ""  # type: ignore[attr-defined]

    def clear(self) -> None:
        """Empty the field."""
        self.param.update(value="", value_input="")  # type: ignore[attr-defined]

    def show_problem(self, problem: str, hint: str = "") -> None:
        """Display a problem, or else a hint, below the field."""
        self.param.update(  # type: ignore[attr-defined]
            error_state=bool(problem), helper_text=problem or hint or _EMPTY_LINE
        )


class PrivateText(_Private, pmui.TextInput):
    """Single-line text input."""


class PrivateTextArea(_Private, pmui.TextAreaInput):
    """Multi-line text input."""


class PrivatePassword(_Private, pmui.PasswordInput):
    """Password input, hidden while typing."""


class AgreementForm(Viewer):
    """The form of the access service, or a field for an existing request id.

    Parameters
    ----------
    on_send : callable of StimulusRequest
        Called with a valid form.
    on_login : callable of str
    """

    def __init__(
        self, on_send: Callable[[StimulusRequest], None], on_login: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._on_send, self._on_login = on_send, on_login
        self._was_sent = False
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        self.text = markup(style=_STYLE, margin=(0, 0, 14, 0))
        self.messages = pn.Column(**wide)
        self.fields = {name: _field(name, label) for name, label in _LABELS.items()}
        self.boxes = {
            name: pmui.Checkbox(label=label, size="small", margin=(0, 0, 0, -4))
            for name, label in _BOX_LABELS.items()
        }
        self.box_problems = {name: markup(style=_PROBLEM_STYLE) for name in BOXES}
        self.request_id = PrivatePassword(
            label="Request id", placeholder="lfm_…", helper_text=_EMPTY_LINE, **wide
        )
        self.send = pmui.Button(label="Agree and send", variant="contained", margin=0)
        self.login = pmui.Button(label="Log in", variant="contained", margin=0)
        self.switch = pmui.Button(variant="text", margin=0)
        self.send.on_click(lambda _: self._send())
        self.login.on_click(lambda _: self._log_in())
        self.switch.on_click(lambda _: self.switch_to(login=not self.is_login))
        for name, control in (*self.fields.items(), *self.boxes.items()):
            control.param.watch(lambda _, name=name: self._check(name), "value")
        side_by_side = [
            pn.Column(self.fields[name], styles={"flex": "1 1 260px", "min-width": "0"}, **wide)
            for name in ("name", "email", "institution", "pi_or_supervisor")
        ]
        boxes = [part for name in BOXES for part in (self.boxes[name], self.box_problems[name])]
        self._form = pn.Column(
            pn.FlexBox(*side_by_side, gap="14px 16px", **wide),
            self.fields["research_purpose"],
            *boxes,
            styles={"max-width": "760px"},
            **wide,
        )
        self._login = pn.Column(self.request_id, styles={"max-width": "420px"}, **wide)
        self._parts = pn.Column(**wide)
        self._layout = pmui.Paper(
            self.text,
            self.messages,
            self._parts,
            variant="outlined",
            sx={"p": "16px 18px 18px"},
            sizing_mode="stretch_width",
            margin=(0, 0, 16, 0),
        )
        self.switch_to(login=False)

    def display(self, terms: Terms | None) -> None:
        """Display the current terms, with links; None while they are unknown."""
        links = Markup("")
        if terms is not None:
            links = Markup("").join(
                outside_link(url, text)
                for url, text in (
                    (terms.terms_url, f"Terms, version {terms.version}"),
                    (terms.privacy_url, "How your data are handled"),
                    (terms.takedown_url, "Have an image removed"),
                )
            )
        self.text.object = Markup(
            "<h3>The images: data use agreement</h3>"
            "<p>You may use the images for research; you may not pass them on. The access service "
            "records who has them: it receives what you enter. Only your e-mail address is stored "
            'on this machine.</p><div class="links">{}</div>'
        ).format(links)
        self.send.disabled = terms is None

    def switch_to(self, login: bool) -> None:
        """Display the form, or the field for a request id."""
        self.is_login = login
        self.switch.label = "Fill in the form instead" if login else "I have a request id"
        buttons = pn.Row(
            self.login if login else self.send,
            self.switch,
            styles={"gap": "10px"},
            margin=(14, 0, 0, 0),
        )
        self._parts[:] = [self._login if login else self._form, buttons]

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Display the problem of each field."""
        for name, field in self.fields.items():
            field.show_problem(problems.get(name, ""), self._hint(name))
        for name in self.boxes:
            self._show_box_problem(name, problems.get(name, ""))

    def clear(self) -> None:
        """Clear all fields."""
        self._was_sent = False
        for field in (*self.fields.values(), self.request_id):
            field.clear()
        for box in self.boxes.values():
            box.value = False
        self.show_problems({})
        self.request_id.show_problem("")

    @property
    def contents(self) -> StimulusRequest:
        """Return the values of the form."""
        texts = {name: field.typed() for name, field in self.fields.items()}
        ticks = {name: bool(box.value) for name, box in self.boxes.items()}
        return StimulusRequest(**texts, **ticks)  # type: ignore[arg-type]

    def _send(self) -> None:
        self._was_sent = True
        form = self.contents
        problems = form.problems()
        self.show_problems(problems)
        if not problems:
            self._on_send(form)

    def _log_in(self) -> None:
        request_id = self.request_id.typed().strip()
        self.request_id.clear()
        self.request_id.show_problem("" if request_id else "Type or paste the request id.")
        if request_id:
            self._on_login(request_id)

    def _check(self, name: str) -> None:
        """Validate a field when it loses focus. An empty one is valid until the form is sent."""
        problem = self.contents.problems().get(name, "")
        if name in self.boxes:
            if self._was_sent or not problem:
                self._show_box_problem(name, problem)
            return
        field = self.fields[name]
        is_blank = not field.typed().strip()
        field.show_problem("" if is_blank and not self._was_sent else problem, self._hint(name))

    def _show_box_problem(self, name: str, problem: str) -> None:
        text = Markup('<p role="alert">{}</p>').format(problem) if problem else ""
        self.box_problems[name].object = text

    def _hint(self, name: str) -> str:
        if name == "email":
            domain = self.fields[name].typed().strip().lower().rpartition("@")[2]
            if domain in _PRIVATE_MAIL:
                return "Is this your institution's address? A private one may be refused."
        return _HINTS.get(name, "")

    def __panel__(self) -> pmui.Paper:
        return self._layout


def _field(name: str, label: str) -> PrivateText | PrivateTextArea:
    options = {"label": label, "helper_text": _HINTS.get(name, _EMPTY_LINE), "size": "small"}
    wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
    if name == "research_purpose":
        return PrivateTextArea(**options, rows=3, margin=(16, 0, 8, 0), **wide)
    return PrivateText(**options, margin=0, **wide)
