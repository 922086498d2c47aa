"""Access to the images on the Download tab: its state, the form, login and logout."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, NamedTuple

import panel as pn
import panel_material_ui as pmui
import param
from markupsafe import Markup
from panel.viewable import Viewer

from laion_fmri._errors import (
    AccessNotFoundError,
    AccessRevokedError,
    FormRefusedError,
    InvalidArgumentError,
    LaionFmriError,
    TermsOutdatedError,
)
from laion_fmri.access import StimulusRequest
from laion_fmri.access.image_access import ImageAccess, Standing, Terms
from laion_fmri.explorer.download.agreement_form import AgreementForm
from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.widgets.dialog import QuestionDialog
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import markup, outside_link, with_links
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.transfer_jobs.job import JobSnapshot

_REFUSALS = (AccessNotFoundError, AccessRevokedError, TermsOutdatedError)


class _Answer(NamedTuple):
    """Answer of the access service: the state of access, and the terms or an error if any."""

    standing: Standing
    terms: Terms | None = None
    error: LaionFmriError | None = None


class AccessStatus(Viewer):
    """The state of access, with buttons to log in and out.

    Parameters
    ----------
    on_open : callable of bool
        Opens the field for a request id, or the form if False.
    on_log_out : callable
    """

    def __init__(self, on_open: Callable[[bool], None], on_log_out: Callable[[], None]) -> None:
        super().__init__()
        self.line = markup()
        self.fill_in = small_button("Agreement form…", lambda: on_open(False), variant="text")
        self.log_in = small_button("Log in…", lambda: on_open(True), variant="text")
        self.log_out_text = markup()
        self.really = QuestionDialog(
            "Log out?",
            self.log_out_text,
            "Delete the request id",
            on_log_out,
            "Keep it",
            "error",
        )
        self.log_out = small_button("Log out…", self.really.open, variant="text")
        self.layout = stacked(
            markup(Markup("<h3>Access to the images</h3>")),
            self.line,
            pn.Row(self.fill_in, self.log_in, self.log_out, margin=(4, 0, 0, -6)),
            self.really,
        )

    def display(self, standing: Standing, is_refused: bool) -> None:
        """Display the state of access."""
        self.fill_in.visible = self.log_in.visible = not standing.is_known
        self.log_out.visible = standing.is_known and not standing.is_from_environment
        self.line.object = _status_html(standing, is_refused)
        self.log_out_text.object = Markup(
            "<p>The request id <b>{}</b> is deleted from this machine. Without a copy of it you "
            "have to fill in the form again to get the images. Downloaded files stay.</p>"
        ).format(standing.masked_id)

    def __panel__(self) -> pn.Column:
        return self.layout


class AccessSection(param.Parameterized):
    """The agreement form next to the plan or in a dialog, and a line with the state of access.

    Parameters
    ----------
    image_access : callable
        Returns the `ImageAccess` of the current settings.
    latest : callable
        `Tab.latest`.
    on_change : callable
        Called when access was granted, withdrawn or refused.

    Attributes
    ----------
    form_place : Column
        Contains the form while the plan needs it.
    status : AccessStatus
    """

    standing = param.ClassSelector(class_=Standing, default=Standing(), doc="State of access.")
    is_refused = param.Boolean(doc="Whether the access service refuses the request id.")
    is_needed = param.Boolean(doc="Whether the plan has images to fetch.")
    is_asked_for = param.Boolean(doc="Whether the form is open in a dialog.")

    def __init__(
        self,
        image_access: Callable[[], ImageAccess],
        latest: Callable[..., Latest],
        on_change: Callable[[], None],
    ) -> None:
        self._image_access, self._on_change = image_access, on_change
        self._service: ImageAccess | None = None
        self._terms: Terms | None = None
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        self.form = AgreementForm(self._send, self._log_in)
        self.form_place = pn.Column(**wide)
        self.dialog = pmui.Dialog(
            title="Access to the images",
            title_variant="h6",
            close_on_click=True,
            show_close_button=True,
            width_option="md",
            **wide,
        )
        self.status = AccessStatus(self._open, lambda: self._ask(self._image_access().logout))
        self.status.layout.append(self.dialog)
        self._questions = latest(self.form_place)
        self._terms_question = latest(self.form_place)
        super().__init__()
        self.dialog.link(self, open="is_asked_for")
        self._show_status()

    @property
    def is_allowed(self) -> bool:
        """Whether a download of the images can be attempted."""
        return self.standing.is_known and not self.is_refused

    def need(self, is_needed: bool) -> None:
        """Display the form if the plan includes the images and access is missing."""
        self.update()
        until = self.standing.holds_until
        is_stale = until is None or until <= datetime.datetime.now(datetime.UTC)
        if is_needed and self.is_allowed and is_stale:
            self._ask(self._image_access().check)
        self.is_needed = is_needed

    def may_resume(self, job: JobSnapshot) -> bool:
        """Whether a download can be resumed; opens the form if the download needs access."""
        if not job.needs_access or self.is_allowed:
            return True
        self._open(login=False)
        self._say("The images of this download need your agreement first.")
        return False

    def update(self) -> None:
        """Read the stored state of access."""
        access = self._image_access()
        if access is not self._service:  # the access service in the settings has changed
            self._service, self._terms, self.is_refused = access, None, False
        try:
            standing = access.standing()
        except LaionFmriError as error:
            self._say(str(error))
            standing = Standing()
        is_same = standing.masked_id == self.standing.masked_id
        self.param.update(standing=standing, is_refused=self.is_refused and is_same)

    # --- actions of the user -----------------------------------------------------------------

    def _open(self, login: bool) -> None:
        self.form.switch_to(login)
        self.is_asked_for = True

    def _send(self, form: StimulusRequest) -> None:
        terms = self._terms
        if terms is not None:
            self._ask(lambda: self._image_access().ask(form, terms), self.form.send)

    def _log_in(self, request_id: str) -> None:
        self._ask(lambda: self._image_access().login(request_id), self.form.login)

    # --- requests to the access service --------------------------------------------------------

    def _ask(self, question: Callable[[], Standing], button: pmui.Button | None = None) -> None:
        """Query the service in a thread, then display the state of access."""
        access = self._image_access()
        if button is not None:
            button.disabled = True

        def work() -> _Answer:
            try:
                return _Answer(question())
            except LaionFmriError as error:
                is_outdated = isinstance(error, TermsOutdatedError)
                return _Answer(access.standing(), access.terms() if is_outdated else None, error)

        def show(answer: _Answer | str) -> None:
            if button is not None:
                button.disabled = False
            if isinstance(answer, str):
                self._say(answer)
            else:
                self._show_answer(answer, is_login=button is self.form.login)

        self._questions.ask(work, show, show)

    def _show_answer(self, answer: _Answer, is_login: bool) -> None:
        error, is_refused = answer.error, self.is_refused
        with pn.io.hold():
            self._say()
            if error is None:
                is_refused = self.is_asked_for = False
                self.form.clear()
            elif isinstance(error, FormRefusedError) and error.problems:
                self.form.show_problems(error.problems)
                self._say("The access service refuses some answers; see below the fields.")
            elif is_login and isinstance(error, (InvalidArgumentError, AccessNotFoundError)):
                self.form.request_id.show_problem(_explained(error))
            else:
                is_refused = is_refused or isinstance(error, _REFUSALS)
                say(self.form.messages, [_refusal(error)])
            if answer.terms is not None:
                self._show_terms(answer.terms)
            self.param.update(standing=answer.standing, is_refused=is_refused)
        self._on_change()

    def _show_terms(self, terms: Terms) -> None:
        self._terms = terms
        self.form.display(terms)

    # --- display ------------------------------------------------------------------------------

    @param.depends("standing", "is_refused", "is_needed", "is_asked_for", watch=True)
    def _place_form(self) -> None:
        """Place the form in a dialog if the user opened it, else next to the plan that needs it."""
        form, is_needed = self.form.__panel__(), self.is_needed and not self.is_allowed
        in_dialog = [form] if self.is_asked_for else []
        in_place = [form] if is_needed and not self.is_asked_for else []
        # The form can be in one place only: remove it from the old one before adding it to the new.
        places: list[tuple[Any, list[pmui.Paper]]] = [
            (self.dialog, in_dialog),
            (self.form_place, in_place),
        ]
        for place, parts in sorted(places, key=lambda each: len(each[1])):
            if list(place.objects) != parts:
                place.objects = parts
        self.dialog.open = self.is_asked_for
        if (in_dialog or in_place) and self._terms is None:
            self._ask_for_terms()

    def _ask_for_terms(self) -> None:
        self.form.display(None)
        self._terms_question.ask(
            self._image_access().terms, self._show_terms, lambda text: self._say(text, again=True)
        )

    @param.depends("standing", "is_refused", watch=True)
    def _show_status(self) -> None:
        self.status.display(self.standing, self.is_refused)

    def _try_again(self) -> None:
        self._say()
        self._ask_for_terms()

    def _say(self, text: str = "", again: bool = False) -> None:
        parts: list = [notice(text, "warning")] if text else []
        if again:
            parts.append(small_button("Try again", self._try_again))
        say(self.form.messages, parts)


def _refusal(error: LaionFmriError) -> pmui.Alert:
    """Return a notice that the access service refused access, with a link to its page."""
    content = with_links(_explained(error))
    if isinstance(error, TermsOutdatedError):
        url = error.accept_url
        content = Markup(
            "The terms of the agreement have changed since they were accepted. Read and "
            "accept them at {}, or send the form below again."
        ).format(outside_link(url, url) if url else "the access service's page")
    return pmui.Alert(
        markup(
            Markup('<p role="alert">{}</p>').format(content),
            style="a { color: var(--accent); }",
        ),
        severity="warning",
        variant="outlined",
        sizing_mode="stretch_width",
        margin=(0, 0, 12, 0),
        sx={"py": 0, "& .MuiAlertTitle-root": {"display": "none"}},
    )


def _explained(error: LaionFmriError) -> str:
    if isinstance(error, AccessNotFoundError):
        return (
            "The access service does not know this request id. Check that it is complete, or fill "
            "in the form."
        )
    return str(error)


def _status_html(standing: Standing, is_refused: bool) -> Markup:
    if not standing.is_known:
        return Markup('<p class="muted">No request id yet. Only the images need one.</p>')
    parts: list[str] = [Markup("Request id <b>{}</b>").format(standing.masked_id)]
    if standing.email:
        parts.append(standing.email)
    if is_refused:
        parts.append("not valid at present")
    elif standing.holds_until:
        until = f"{standing.holds_until.astimezone():%H:%M}"
        parts.append(f"links hold until {until} and are renewed when needed")
    if standing.is_from_environment:
        parts.append("set by LAION_FMRI_REQUEST_ID")
    return Markup('<p class="muted" role="note">{}</p>').format(Markup(" · ").join(parts))
