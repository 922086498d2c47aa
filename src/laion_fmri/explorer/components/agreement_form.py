"""The data use agreement of the images as a form, and the field for a request id."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.access import StimulusRequest
from laion_fmri.access.form import BOXES, SHORTEST_PURPOSE
from laion_fmri.explorer.components.links import outside_link
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.private_inputs import (
    PrivatePassword,
    PrivateText,
    PrivateTextArea,
    show_problem,
)
from laion_fmri.explorer.image_access import Terms

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
_HINTS = {"research_purpose": f"At least {SHORTEST_PURPOSE} characters"}
_PRIVATE_MAIL = ("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "gmx.de")
_STYLE = """
p { max-width: 76ch; } a { color: var(--accent); }
.links { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 6px; }
"""
_WRONG = """p { color: var(--bad); font-size: 12px; margin: 0 0 4px 32px; }"""


class AgreementForm(Viewer):
    """What the access service asks for; or a request id that somebody has already.

    Parameters
    ----------
    on_send : callable of StimulusRequest
        Called with a form that is valid.
    on_login : callable of str
    """

    def __init__(
        self, on_send: Callable[[StimulusRequest], None], on_login: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._on_send, self._on_login = on_send, on_login
        self._was_sent = False
        self._text = markup(style=_STYLE, margin=(0, 0, 14, 0))
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.fields = {name: _field(name, label) for name, label in _LABELS.items()}
        self.boxes = {
            name: pmui.Checkbox(label=label, size="small", margin=(0, 0, 0, -4))
            for name, label in _BOX_LABELS.items()
        }
        self._box_problems = {name: markup(style=_WRONG) for name in BOXES}
        self.request_id = PrivatePassword(
            label="Request id", placeholder="lfm_…", sizing_mode="stretch_width", margin=0
        )
        self.send = pmui.Button(label="Agree and send", variant="contained", margin=0)
        self.login = pmui.Button(label="Log in", variant="contained", margin=0)
        self.switch = pmui.Button(variant="text", margin=0)
        self.send.on_click(lambda _: self._send())
        self.login.on_click(lambda _: self._log_in())
        self.switch.on_click(lambda _: self.turn_to(login=not self.is_login))
        for name, control in (*self.fields.items(), *self.boxes.items()):
            control.param.watch(lambda _, name=name: self._look_at(name), "value")
        self._form = self._laid_out()
        self._login = pn.Column(
            self.request_id, sizing_mode="stretch_width", styles={"max-width": "420px"}, margin=0
        )
        self._parts = pn.Column(sizing_mode="stretch_width", margin=0)
        self._layout = pmui.Paper(
            self._text,
            self.messages,
            self._parts,
            variant="outlined",
            sx={"p": "16px 18px 18px"},
            sizing_mode="stretch_width",
            margin=(0, 0, 16, 0),
        )
        self.turn_to(login=False)

    # --- what it shows ------------------------------------------------------------------

    def display(self, terms: Terms | None) -> None:
        """Show which terms are in force, and where they are to be read."""
        links = ""
        if terms is not None:
            version = f"Terms, version {terms.version}"
            named = (
                (terms.terms_url, version),
                (terms.privacy_url, "How your data are handled"),
                (terms.takedown_url, "Have an image removed"),
            )
            links = "".join(outside_link(url, text) for url, text in named)
        self._text.object = (
            "<h3>The images: data use agreement</h3>"
            "<p>The images may be used for research, and not be passed on. Whoever runs the access "
            "service wants to know who has them: what you fill in is sent to it, and of it this "
            f'machine keeps your e-mail address.</p><div class="links">{links}</div>'
        )
        self.send.disabled = terms is None

    def turn_to(self, login: bool) -> None:
        """Show the form, or the field for a request id."""
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
        """Say beside each field what is wrong with it."""
        for name, field in self.fields.items():
            show_problem(field, problems.get(name, ""), self._hint(name))
        for name, view in self._box_problems.items():
            problem = problems.get(name, "")
            view.object = f'<p role="alert">{escape(problem)}</p>' if problem else ""

    def show_wrong_id(self, problem: str) -> None:
        """Say beside the field what is wrong with a request id."""
        show_problem(self.request_id, problem)

    def clear(self) -> None:
        """Forget everything that was typed."""
        self._was_sent = False
        for field in (*self.fields.values(), self.request_id):
            field.take()
        for box in self.boxes.values():
            box.value = False
        self.show_problems({})
        self.show_wrong_id("")

    @property
    def contents(self) -> StimulusRequest:
        """The form as it is filled in."""
        texts = {name: field.typed() for name, field in self.fields.items()}
        ticks = {name: bool(box.value) for name, box in self.boxes.items()}
        return StimulusRequest(**texts, **ticks)  # type: ignore[arg-type]

    # --- what is done with it -------------------------------------------------------------

    def _send(self) -> None:
        self._was_sent = True
        form = self.contents
        problems = form.problems()
        self.show_problems(problems)
        if not problems:
            self._on_send(form)

    def _log_in(self) -> None:
        request_id = self.request_id.take().strip()
        self.show_wrong_id("" if request_id else "Type or paste the request id.")
        if request_id:
            self._on_login(request_id)

    def _look_at(self, name: str) -> None:
        """Check one field when it is left, unless nobody has been there yet."""
        problem = self.contents.problems().get(name, "")
        if name in self.boxes:
            if self._was_sent or not problem:
                view = self._box_problems[name]
                view.object = f'<p role="alert">{escape(problem)}</p>' if problem else ""
            return
        field = self.fields[name]
        is_blank = not field.typed().strip()
        show_problem(field, "" if is_blank and not self._was_sent else problem, self._hint(name))

    def _hint(self, name: str) -> str:
        if name == "email":
            domain = self.fields[name].typed().strip().lower().rpartition("@")[2]
            if domain in _PRIVATE_MAIL:
                return "Is this your institution's address? A private one may be refused."
        return _HINTS.get(name, "")

    def _laid_out(self) -> pn.Column:
        side_by_side = pn.FlexBox(
            *(
                pn.Column(
                    self.fields[name],
                    styles={"flex": "1 1 260px", "min-width": "0"},
                    sizing_mode="stretch_width",
                    margin=0,
                )
                for name in ("name", "email", "institution", "pi_or_supervisor")
            ),
            gap="14px 16px",
            sizing_mode="stretch_width",
            margin=0,
        )
        boxes = [part for name in BOXES for part in (self.boxes[name], self._box_problems[name])]
        return pn.Column(
            side_by_side,
            self.fields["research_purpose"],
            *boxes,
            sizing_mode="stretch_width",
            styles={"max-width": "760px"},
            margin=0,
        )

    def __panel__(self) -> pmui.Paper:
        return self._layout


def _field(name: str, label: str) -> PrivateText | PrivateTextArea:
    options = {"label": label, "helper_text": _HINTS.get(name, ""), "size": "small"}
    if name == "research_purpose":
        return PrivateTextArea(**options, rows=3, sizing_mode="stretch_width", margin=(16, 0, 8, 0))
    return PrivateText(**options, sizing_mode="stretch_width", margin=0)
