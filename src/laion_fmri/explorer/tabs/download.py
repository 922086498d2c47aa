"""The Download tab: choose, see what it would cost, agree to what must be, get exactly that."""

from __future__ import annotations

import shutil

import panel as pn
import panel_material_ui as pmui

from laion_fmri import access, discovery
from laion_fmri._errors import LaionFmriError
from laion_fmri.access import AccessFiles
from laion_fmri.explorer.background import explain
from laion_fmri.explorer.call_code import listed_keys, python_code, shell_code
from laion_fmri.explorer.checkup import Checkup
from laion_fmri.explorer.components.licence_dialog import LicenceDialog
from laion_fmri.explorer.components.markup import escape, heading, listing_text, markup
from laion_fmri.explorer.components.notice import Severity, notice, say
from laion_fmri.explorer.components.offered_button import OfferedButton
from laion_fmri.explorer.components.plan_view import PlanDetails, PlanFacts, PlanSummary
from laion_fmri.explorer.components.pulse import Pulse
from laion_fmri.explorer.components.request_form import RequestForm
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.image_access import ImageAccess
from laion_fmri.explorer.jobs import JobQueue, JobSnapshot
from laion_fmri.explorer.permitted import (
    DOWNLOADING,
    NoImageAccess,
    ShownCheckup,
    ShownQueue,
    checkup_of,
    image_access_of,
    queue_of,
)
from laion_fmri.explorer.request import N_JOBS, Offer, calls
from laion_fmri.explorer.request_plan import make_request_plan, read_offer
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tabs.base import Tab
from laion_fmri.explorer.tabs.download_access import AccessPanel
from laion_fmri.explorer.tabs.download_check import CheckPanel
from laion_fmri.explorer.tabs.download_jobs import Ears, JobsPanel
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer.plan import TransferPlan, format_bytes

_FORM_WIDTH = 340
_FAST, _SLOW = 500, 2000  # milliseconds between two looks: at our downloads, at another server's


class DownloadTab(Tab):
    """A request, its plan, and the downloads of the server."""

    title = "Download"

    def __init__(self, state: ExplorerState, data: ExplorerData) -> None:
        super().__init__(state, data)
        self._facts: PlanFacts | None = None
        self._offer = Offer({})
        self._followed_subject = ""
        self._n_over = self.queue.n_over
        self._ears = Ears(self._gate, self._follow_the_server)
        self._listen()

    @property
    def plan_of_request(self) -> TransferPlan | None:
        """What would be fetched; None while something is still to be chosen."""
        return None if self._facts is None else self._facts.plan

    # --- what belongs to the server ---------------------------------------------------------

    @property
    def queue(self) -> JobQueue | ShownQueue:
        """The downloads into the data directory."""
        return queue_of(self.data)

    @property
    def checkup(self) -> Checkup | ShownCheckup:
        """The checks of the data directory."""
        return checkup_of(self.data)

    def _image_access(self) -> ImageAccess | NoImageAccess:
        return image_access_of(self.data)

    # --- building ---------------------------------------------------------------------------

    def build(self) -> None:
        """Fill the layout."""
        self.form = RequestForm(lambda: self.state.param.update(wanted=[]))
        self.jobs = JobsPanel(lambda: self.queue, self.latest, self._may_resume, self._allow)
        self.access = AccessPanel(self._image_access, self.latest, self._allow)
        self.check = CheckPanel(
            lambda: self.checkup, lambda: self.data.settings, self.data.bucket, self._repair
        )
        self.pulse = Pulse(self._follow_the_server, period=_FAST)
        self.licence = LicenceDialog(self._accept_licence)
        self.summary, self.details = PlanSummary(), PlanDetails()
        self.messages = pn.Column(sizing_mode="stretch_width", margin=(0, 0, 12, 0))
        self.again = pmui.Button(
            label="Try again", icon="refresh", variant="outlined", size="small", visible=False
        )
        self.again.on_click(lambda _: self._list_again())
        self.run = OfferedButton(
            label="Download", icon="download", variant="contained", disabled=True, margin=0
        )
        self.run.on_click(lambda _: self._start())
        self.why_not = markup(align="center")
        self.layout[:] = [listing_text()]
        self.contents = self._laid_out()
        self._listing = self.latest(self.layout)
        self._planning = self.latest(self.plan)
        self.form.param.watch(lambda _: self._make_plan(), "request")
        self.state.param.watch(lambda _: self._follow_subject(), "subject")
        self.state.param.watch(lambda _: self._follow_wanted(), "wanted")

    def _laid_out(self) -> pn.Row:
        self.numbers = pn.Column(self.summary, sizing_mode="stretch_width", visible=False, margin=0)
        self.plan = pn.Column(
            pn.Row(
                self.run,
                self.why_not,
                sizing_mode="stretch_width",
                styles={"gap": "14px"},
                margin=(0, 0, 20, 0),
            ),
            self.details,
            sizing_mode="stretch_width",
            visible=False,
            margin=(0, 0, 28, 0),
        )
        right = pn.Column(
            self.jobs.current,
            self.pulse,
            heading("Plan"),
            pn.Spacer(height=10),
            self.messages,
            self.again,
            self.numbers,
            self.access.form_place,
            self.plan,
            self.jobs.past,
            self.check.view,
            self.licence,
            sizing_mode="stretch_width",
            min_height=300,
            margin=0,
        )
        self.access.status.visible = self.check.view.visible = self.data.visitor.may_act
        self.choices = pn.Column(self.form, sizing_mode="stretch_width", margin=0)
        left = pn.Column(
            self.choices,
            self.access.status,
            width=_FORM_WIDTH,
            styles={"gap": "20px"},
            margin=(0, 36, 0, 0),
        )
        return pn.Row(
            left,
            right,
            sizing_mode="stretch_width",
            styles={"max-width": "1320px"},
            margin=(12, 16, 24, 16),
        )

    def refresh(self) -> None:
        """Offer what the bucket has and plan again."""
        self._listen()
        self._follow_the_server()
        self.access.look()
        self.check.offer(self.data.local_subjects())
        self._listing.ask(
            lambda: read_offer(self.data.bucket()), self._show_offer, self._say_unreachable
        )

    # --- choosing ---------------------------------------------------------------------------

    def _show_offer(self, offer: Offer) -> None:
        self._offer = offer
        self.again.visible = False
        self.choices.visible = True
        before = self.form.request
        self.form.offer(offer)
        self._follow_subject()
        self._follow_wanted()
        if self.form.request == before:  # nothing was chosen anew, but files may have changed
            self._make_plan()

    def _follow_subject(self) -> None:
        """Choose the subject that another tab has chosen."""
        name = self.state.subject
        if name != self._followed_subject and name in self._offer.subjects:
            self._followed_subject = name
            self.form.choose_subject(name)

    def _follow_wanted(self) -> None:
        """Take over the single files that another tab has chosen."""
        if tuple(self.state.wanted) != self.form.request.files:
            self.form.choose_files(self.state.wanted)

    def _list_again(self) -> None:
        discovery.refresh()
        self.refresh()

    def _say_unreachable(self, text: str) -> None:
        self.choices.visible = bool(self._offer.subjects)
        self._say_no_plan(text)

    # --- planning ---------------------------------------------------------------------------

    def _make_plan(self) -> None:
        self._facts = None
        self.run.disabled = True
        request = self.form.request
        advice = request.advice()
        if advice:
            # A question that is answered at once outdates any that is still open.
            self._planning.ask(lambda: advice, self._say, self._say)
            return
        offer, settings, queue = self._offer, self.data.settings, self.queue
        visitor = self.data.visitor

        def work() -> PlanFacts:
            made = calls(request, offer)
            if any(call.verb == "download_stimuli" for call in made):
                visitor.require_owner("Asking the access service for the images")
            plan = make_request_plan(made, settings, self.data.bucket())
            free = shutil.disk_usage(plan.data_dir).free
            code = python_code(made, settings), shell_code(made, settings)
            return PlanFacts(plan, free, queue.rate, *code, listed_keys(made))

        self._planning.ask(work, self._show_plan, self._say_no_plan)

    def _show_plan(self, facts: PlanFacts) -> None:
        self._facts = facts
        with pn.io.hold():
            self.summary.display(facts)
            self.details.display(facts)
            self.plan.visible = self.numbers.visible = True
            self.again.visible = False
            said = []
            if not facts.plan.to_fetch:
                everything = f"Nothing to do: all {len(facts.plan.files):,} files are here."
                said = [notice(everything, "success")]
            elif facts.free_after < 0:
                short = (
                    f"{format_bytes(-facts.free_after)} are missing in {facts.plan.data_dir}. "
                    "Choose less, or make room."
                )
                said = [notice(short, "warning")]
            say(self.messages, said)
            self.access.need(self.data.visitor.may_act and _needs_access(facts.plan))
            self._allow()
            self.put_in_place(self.contents)

    def _allow(self) -> None:
        """Offer the download, or say why not."""
        why = self._why_not()
        self.run.disabled = why is not None
        self.why_not.object = f'<p class="muted">{escape(why)}</p>' if why else ""

    def _why_not(self) -> str | None:
        """What is in the way of the download; empty when that is said elsewhere."""
        facts = self._facts
        if facts is None or not facts.plan.to_fetch or facts.free_after < 0:
            return ""
        if not self.data.visitor.may_act:
            return self.data.visitor.why_not(DOWNLOADING)
        if not self.queue.is_owner:
            return ""
        if _needs_access(facts.plan) and not self.access.is_allowed:
            return "First agree to the terms of the images, or log in."
        return None

    def _say(self, text: str, severity: Severity = "info") -> None:
        self.access.need(False)
        self.plan.visible = self.numbers.visible = False
        self.again.visible = False
        say(self.messages, [notice(text, severity)])
        self.put_in_place(self.contents)

    def _say_no_plan(self, text: str) -> None:
        self._say(text, "warning")
        self.again.visible = True

    # --- fetching ---------------------------------------------------------------------------

    def _start(self) -> None:
        facts = self._facts
        if facts is None or self.run.disabled:
            return
        if _needs_licence(facts.plan) and not access.is_license_accepted(facts.plan.data_dir):
            self.licence.open()
            return
        self.run.disabled = True
        self.why_not.object = '<p class="muted">It is among the downloads above.</p>'
        self.jobs.submit(facts.plan, self.form.request.title(), N_JOBS)

    def _accept_licence(self) -> None:
        try:
            self.data.visitor.require_owner("Accepting the licence")
            access.accept_license(self.data.data_dir)
        except LaionFmriError as error:
            say(self.messages, [notice(explain(error), "warning")])
            return
        self._start()

    def _may_resume(self, job: JobSnapshot) -> bool:
        """Whether a job can go on; what it lacks is asked for."""
        if job.needs_access and not self.access.is_allowed:
            self.access.ask_for_it()
            return False
        return True

    def _repair(self, plan: TransferPlan, title: str) -> None:
        self.jobs.submit(plan, title, N_JOBS)

    def _listen(self) -> None:
        """Follow the downloads into the data directory, which may be another one by now."""
        if self._ears.listen_to(self.queue, self.checkup):
            self._n_over = self.queue.n_over

    def _follow_the_server(self) -> None:
        """Show the downloads and the check as they are; look again soon while one goes on."""
        if self._built:
            queue = self.queue
            with pn.io.hold():
                is_busy = queue.is_busy or self.checkup.snapshot().state.is_busy
                self.pulse.period = _FAST if queue.is_owner else _SLOW
                self.pulse.beating = self.shown and (is_busy or not queue.is_owner)
                if self.shown:
                    self.jobs.follow()
                    self.check.follow()
        if self.queue.n_over != self._n_over:
            self._n_over = self.queue.n_over
            self.state.param.trigger("files_changed")


def _needs_access(plan: TransferPlan) -> bool:
    return any(isinstance(file.source, AccessFiles) for file in plan.to_fetch)


def _needs_licence(plan: TransferPlan) -> bool:
    return any(not isinstance(f.source, (AccessFiles, SplitFiles)) for f in plan.to_fetch)
