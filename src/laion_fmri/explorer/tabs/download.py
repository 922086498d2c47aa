"""The Download tab: choose, see what it would cost, get exactly that."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import panel as pn
import panel_material_ui as pmui

from laion_fmri import access, discovery
from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.background import explain
from laion_fmri.explorer.call_code import python_code, shell_code
from laion_fmri.explorer.components.job_list import JobList
from laion_fmri.explorer.components.licence_box import LicenceBox
from laion_fmri.explorer.components.markup import heading, listing_text
from laion_fmri.explorer.components.notice import Severity, notice
from laion_fmri.explorer.components.plan_view import PlanDetails, PlanFacts, PlanSummary
from laion_fmri.explorer.components.pulse import Pulse
from laion_fmri.explorer.components.request_form import RequestForm
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.jobs import shared_queue
from laion_fmri.explorer.request import N_JOBS, calls, make_request_plan
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.base import Tab
from laion_fmri.transfer.plan import format_bytes

_FORM_WIDTH = 340


class DownloadTab(Tab):
    """A request, its plan, and the downloads of the server."""

    title = "Download"

    def __init__(self, state: ExplorerState, data: ExplorerData) -> None:
        super().__init__(state, data)
        self.queue = shared_queue(data.settings.data_dir)
        self._n_over = self.queue.n_over
        self._facts: PlanFacts | None = None
        self._served: dict[str, Sequence[str]] = {}
        self._followed_subject = ""
        self._listen()

    def build(self) -> None:
        """Fill the layout."""
        self.form = RequestForm()
        self.jobs = JobList(self.queue.cancel)
        self.pulse = Pulse(self._follow_jobs)
        self.licence = LicenceBox(self._accept_licence)
        self.summary = PlanSummary()
        self.details = PlanDetails()
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
        self.again = pmui.Button(
            label="Try again", icon="refresh", variant="outlined", size="small", visible=False
        )
        self.again.on_click(lambda _: self._list_again())
        self.run = pmui.Button(
            label="Download",
            icon="download",
            variant="contained",
            disabled=True,
            margin=(0, 0, 20, 0),
        )
        self.run.on_click(lambda _: self._start())
        self.plan = pn.Column(
            self.summary,
            self.licence,
            self.run,
            self.details,
            sizing_mode="stretch_width",
            visible=False,
            margin=0,
        )
        right = pn.Column(
            self.jobs,
            self.pulse,
            heading("Plan"),
            pn.Spacer(height=10),
            self.messages,
            self.again,
            self.plan,
            sizing_mode="stretch_width",
            min_height=300,
            margin=0,
        )
        self.choices = pn.Column(self.form, width=_FORM_WIDTH, margin=(0, 36, 0, 0))
        self.contents = pn.Row(
            self.choices,
            right,
            sizing_mode="stretch_width",
            styles={"max-width": "1320px"},
            margin=(12, 16, 24, 16),
        )
        self.layout[:] = [listing_text()]
        self._listing = self.latest(self.layout)
        self._planning = self.latest(self.plan)
        self.form.param.watch(lambda _: self._make_plan(), "request")
        self.state.param.watch(lambda _: self._follow_subject(), "subject")

    def refresh(self) -> None:
        """Offer what the bucket has and plan again."""
        self._follow_jobs()
        self._listing.ask(self._list, self._offer, self._say_unreachable)

    # --- choosing ---------------------------------------------------------------------

    def _list(self) -> dict[str, Sequence[str]]:
        bucket = self.data.bucket()
        return {
            name: tuple(discovery.get_sessions(name, bucket))
            for name in discovery.get_subjects(bucket)
        }

    def _offer(self, served: dict[str, Sequence[str]]) -> None:
        self._served = served
        self.again.visible = False
        self.choices.visible = True
        before = self.form.request
        self.form.offer(served)
        self._follow_subject()
        if self.form.request == before:  # nothing was chosen anew, but files may have changed
            self._make_plan()

    def _follow_subject(self) -> None:
        """Choose the subject that another tab has chosen."""
        name = self.state.subject
        if name != self._followed_subject and name in self._served:
            self._followed_subject = name
            self.form.choose_subject(name)

    def _list_again(self) -> None:
        discovery.refresh()
        self.refresh()

    def _say_unreachable(self, text: str) -> None:
        self.again.visible = True
        self.choices.visible = bool(self._served)
        self._say(text, "warning")

    # --- planning ---------------------------------------------------------------------

    def _make_plan(self) -> None:
        self._facts = None
        self.run.disabled = True
        request = self.form.request
        advice = request.advice()
        if advice:
            # A question that is answered at once outdates any that is still open.
            self._planning.ask(lambda: advice, self._say, self._say)
            return
        served = self._served

        def work() -> PlanFacts:
            made = calls(request, served)
            plan = make_request_plan(made, self.data.settings, self.data.bucket())
            free = shutil.disk_usage(plan.data_dir).free
            settings = self.data.settings
            return PlanFacts(plan, free, python_code(made, settings), shell_code(made, settings))

        self._planning.ask(work, self._show_plan, self._say)

    def _show_plan(self, facts: PlanFacts) -> None:
        self._facts = facts
        with pn.io.hold():
            self.summary.display(facts)
            self.details.display(facts)
            self.plan.visible = True
            self.messages[:] = []
            if not facts.plan.to_fetch:
                everything = f"Nothing to do: all {len(facts.plan.files)} files are here."
                self.messages[:] = [notice(everything, "success")]
            elif facts.free_after < 0:
                short = (
                    f"{format_bytes(-facts.free_after)} are missing in {facts.plan.data_dir}. "
                    "Choose less, or make room."
                )
                self.messages[:] = [notice(short, "warning")]
            self._allow()
            self.put_in_place(self.contents)

    def _allow(self) -> None:
        """Offer the download, or the licence where it is still to be accepted."""
        facts = self._facts
        possible = facts is not None and bool(facts.plan.to_fetch) and facts.free_after >= 0
        try:
            accepted = access.is_license_accepted(self.data.data_dir)
        except LaionFmriError:
            accepted = False
        self.licence.visible = possible and not accepted
        self.run.visible = accepted or not possible
        self.run.disabled = not (possible and accepted)

    def _say(self, text: str, severity: Severity = "info") -> None:
        self.plan.visible = False
        self.messages[:] = [notice(text, severity)]
        self.put_in_place(self.contents)

    # --- fetching ---------------------------------------------------------------------

    def _accept_licence(self) -> None:
        try:
            access.accept_license(self.data.data_dir)
        except LaionFmriError as error:
            self.messages[:] = [notice(explain(error), "warning")]
        self._allow()

    def _start(self) -> None:
        if self._facts is None or self.run.disabled:
            return
        self.run.disabled = True
        title = self.form.request.title()
        self.queue.submit(self._facts.plan, title, n_jobs=N_JOBS)
        self._follow_jobs()

    def _listen(self) -> None:
        """Be told, as long as the page lives, when downloads begin and end."""
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            return  # in a notebook a view follows only what it started itself

        def tell() -> None:
            document.add_next_tick_callback(self._follow_jobs)

        unsubscribe = self.queue.subscribe(tell)
        document.on_session_destroyed(lambda _: unsubscribe())

    def _follow_jobs(self) -> None:
        """Show the downloads as they are; look again soon while one is running."""
        is_busy, n_over = self.queue.is_busy, self.queue.n_over
        if self._built:
            with pn.io.hold():
                self.pulse.beating = is_busy and self.shown
                if self.shown:
                    self.jobs.display(self.queue.jobs())
        if n_over != self._n_over:
            self._n_over = n_over
            self.state.param.trigger("files_changed")
