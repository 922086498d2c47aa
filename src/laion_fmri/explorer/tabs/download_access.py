"""Access to the images on the Download tab: who is known, the form, logging in and out."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

import panel as pn
import panel_material_ui as pmui

from laion_fmri._errors import (
    AccessNotFoundError,
    AccessRevokedError,
    FormRefusedError,
    InvalidArgumentError,
    LaionFmriError,
    TermsOutdatedError,
)
from laion_fmri.access import StimulusRequest
from laion_fmri.explorer.background import Latest
from laion_fmri.explorer.components.agreement_form import AgreementForm
from laion_fmri.explorer.components.dialog import QuestionDialog
from laion_fmri.explorer.components.links import outside_link, with_links
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.explorer.image_access import ImageAccess, Standing, Terms
from laion_fmri.explorer.permitted import NoImageAccess

_LINK_STYLE = "a { color: var(--accent); }"
_NOT_ALLOWED = (AccessNotFoundError, AccessRevokedError, TermsOutdatedError)


@dataclass(frozen=True)
class _Answer:
    """What came of a question to the service: how things stand, or why not."""

    standing: Standing
    terms: Terms | None = None
    error: LaionFmriError | None = None


class AccessPanel:
    """The form beside the plan, and a line that says how things stand.

    Parameters
    ----------
    image_access : callable
        Gives the `ImageAccess` of the settings in force.
    latest : callable
        `Tab.latest`.
    on_change : callable
        Called when access was given, withdrawn or refused.

    Attributes
    ----------
    form_place : Column
        Holds the form while it is needed.
    status : Column
        One line, with the buttons to log in and out.
    """

    def __init__(
        self,
        image_access: Callable[[], ImageAccess | NoImageAccess],
        latest: Callable[..., Latest],
        on_change: Callable[[], None],
    ) -> None:
        self._image_access, self._on_change = image_access, on_change
        self.form = AgreementForm(self._send, self._log_in)
        self.form_place = pn.Column(sizing_mode="stretch_width", margin=0)
        self._line = markup()
        self.fill_in = _small_button("Agreement form…")
        self.log_in = _small_button("Log in…")
        self.log_out = _small_button("Log out…")
        self.fill_in.on_click(lambda _: self._open(login=False))
        self.log_in.on_click(lambda _: self._open(login=True))
        self.log_out.on_click(lambda _: self._ask_to_log_out())
        self._really_text = markup()
        self.really = QuestionDialog(
            "Log out?",
            self._really_text,
            "Delete the request id",
            self._log_out,
            "Keep it",
            "error",
        )
        self.status = pn.Column(
            markup("<h3>Access to the images</h3>"),
            self._line,
            pn.Row(self.fill_in, self.log_in, self.log_out, margin=(4, 0, 0, -6)),
            self.really,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._asking = latest(self.form_place)
        self.standing = Standing()
        self._service: ImageAccess | NoImageAccess | None = None
        self._terms: Terms | None = None
        self._is_refused = self._is_needed = self._is_open = self._is_asked = False

    # --- what others ask -----------------------------------------------------------------

    @property
    def is_allowed(self) -> bool:
        """Whether fetching the images can be tried."""
        return self.standing.is_known and not self._is_refused

    def need(self, is_needed: bool) -> None:
        """Say whether the images are to be fetched: the form comes, or goes."""
        self._is_needed = is_needed
        self.look()
        if is_needed and self.standing.is_known and not self._is_refused and self._is_stale():
            self._ask(self._image_access().check)
        self._follow()

    def ask_for_it(self) -> None:
        """Show the form, since a download cannot go on without."""
        self._open(login=False)
        self._say("The images of this download need your agreement first.")

    def look(self) -> None:
        """Bring the panel up to date with what is saved on this machine."""
        access = self._image_access()
        if access is not self._service:  # another access service was set
            self._service, self._terms, self._is_asked = access, None, False
            self._is_refused = False
        try:
            standing = access.standing()
        except LaionFmriError as error:
            self._say(str(error))
            standing = Standing()
        if standing.masked_id != self.standing.masked_id:
            self._is_refused = False
        self._show(standing)

    # --- what the user does ----------------------------------------------------------------

    def _open(self, login: bool) -> None:
        self._is_open = True
        self.form.turn_to(login)
        self._follow()

    def _send(self, form: StimulusRequest) -> None:
        terms = self._terms
        if terms is not None:
            self._ask(lambda: self._image_access().ask(form, terms), self.form.send)

    def _log_in(self, request_id: str) -> None:
        self._ask(lambda: self._image_access().login(request_id), self.form.login)

    def _ask_to_log_out(self) -> None:
        self._really_text.object = (
            f"<p>The request id <b>{escape(self.standing.masked_id)}</b> is deleted from this "
            "machine. Unless it is kept somewhere else, the form has to be filled in again to get "
            "the images. Files that are here stay.</p>"
        )
        self.really.open()

    def _log_out(self) -> None:
        self._is_refused = False
        self._ask(self._image_access().logout)

    # --- asking the service ----------------------------------------------------------------

    def _ask(self, question: Callable[[], Standing], button: pmui.Button | None = None) -> None:
        """Put a question to the service in a thread, then show how things stand."""
        access = self._image_access()
        if button is not None:
            button.disabled = True

        def work() -> _Answer:
            try:
                return _Answer(question())
            except LaionFmriError as error:
                terms = None
                if isinstance(error, TermsOutdatedError):
                    terms = access.terms()
                return _Answer(access.standing(), terms, error)

        def show(answer: _Answer) -> None:
            if button is not None:
                button.disabled = False
            self._tell(answer, is_login=button is self.form.login)

        def show_error(text: str) -> None:
            if button is not None:
                button.disabled = False
            self._say(text)

        self._asking.ask(work, show, show_error)

    def _tell(self, answer: _Answer, is_login: bool) -> None:
        error = answer.error
        with pn.io.hold():
            self._say()
            if error is None:
                self._is_refused = self._is_open = False
                self.form.clear()
            elif isinstance(error, FormRefusedError) and error.problems:
                self.form.show_problems(error.problems)
                self._say("The access service refuses some of it; see beside the fields.")
            elif is_login and isinstance(error, (InvalidArgumentError, AccessNotFoundError)):
                self.form.show_wrong_id(_in_plain_words(error))
            else:
                self._is_refused = self._is_refused or isinstance(error, _NOT_ALLOWED)
                self._explain(error)
            if answer.terms is not None:
                self._show_terms(answer.terms)
            self._show(answer.standing)
            self._follow()
        self._on_change()

    def _ask_for_terms(self) -> None:
        """Which terms are in force; asked for once the form is to be seen."""
        self._is_asked = True

        def failed(text: str) -> None:
            self._is_asked = False
            self._say(text, again=True)

        self._asking.ask(self._image_access().terms, self._show_terms, failed)

    # --- showing ---------------------------------------------------------------------------

    def _follow(self) -> None:
        """The form is there while it is needed, or asked for."""
        shown = self._is_open or (self._is_needed and not self.is_allowed)
        parts = [self.form.__panel__()] if shown else []
        if list(self.form_place) != parts:
            self.form_place[:] = parts
        if shown and self._terms is None and not self._is_asked:
            self.form.display(None)
            self._ask_for_terms()

    def _show_terms(self, terms: Terms) -> None:
        self._terms = terms
        self.form.display(terms)

    def _show(self, standing: Standing) -> None:
        self.standing = standing
        self.fill_in.visible = self.log_in.visible = not standing.is_known
        self.log_out.visible = standing.is_known and not standing.is_from_environment
        self._line.object = _status_html(standing, self._is_refused)

    def _explain(self, error: LaionFmriError) -> None:
        if isinstance(error, TermsOutdatedError):
            where = error.accept_url
            link = outside_link(where, where) if where else "the access service's page"
            self._put(
                "The terms of the agreement have changed since they were accepted. Read and accept "
                f"them at {link}, or send the form below again.",
            )
        else:
            self._put(with_links(_in_plain_words(error)))

    def _put(self, content: str) -> None:
        told = pmui.Alert(
            markup(f'<p role="alert">{content}</p>', style=_LINK_STYLE),
            severity="warning",
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(0, 0, 12, 0),
            sx={"py": 0, "& .MuiAlertTitle-root": {"display": "none"}},
        )
        say(self.form.messages, [told])

    def _say(self, text: str = "", again: bool = False) -> None:
        parts: list = [notice(text, "warning")] if text else []
        if again:
            button = _small_button("Ask again", variant="outlined")
            button.on_click(lambda _: self._try_again())
            parts.append(button)
        say(self.form.messages, parts)

    def _try_again(self) -> None:
        self._say()
        self._follow()

    def _is_stale(self) -> bool:
        until = self.standing.holds_until
        return until is None or until <= datetime.datetime.now(datetime.UTC)


def _in_plain_words(error: LaionFmriError) -> str:
    """What a refusal means to somebody in front of this page."""
    if isinstance(error, AccessNotFoundError):
        return (
            "The access service does not know this request id. Check that it is the whole of it, "
            "or fill in the form."
        )
    return str(error)


def _status_html(standing: Standing, is_refused: bool) -> str:
    if not standing.is_known:
        return '<p class="muted">No request id yet. It is needed for the images alone.</p>'
    parts = [f"Request id <b>{escape(standing.masked_id)}</b>"]
    if standing.email:
        parts.append(escape(standing.email))
    if is_refused:
        parts.append("not valid at present")
    elif standing.holds_until:
        until = f"{standing.holds_until.astimezone():%H:%M}"
        parts.append(f"links hold until {until} and are renewed when needed")
    if standing.is_from_environment:
        parts.append("set by LAION_FMRI_REQUEST_ID")
    return f'<p class="muted" role="note">{" · ".join(parts)}</p>'


def _small_button(label: str, variant: str = "text") -> pmui.Button:
    return pmui.Button(label=label, variant=variant, size="small", margin=0)
