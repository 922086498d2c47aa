"""The Download tab: choose files, see their size, agree to the terms, download them."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from laion_fmri import access, discovery
from laion_fmri.access import AccessFiles
from laion_fmri.download_request.plan import PlanFacts, plan_request, read_offer
from laion_fmri.download_request.request import N_JOBS, Offer, Request, needs_images
from laion_fmri.explorer.authorization import (
    DOWNLOADING,
    image_access_of,
    queue_of,
    verification_of,
)
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.download.access_section import AccessSection
from laion_fmri.explorer.download.jobs_section import JobsSection
from laion_fmri.explorer.download.plan_section import PlanSection
from laion_fmri.explorer.download.request_form import RequestForm
from laion_fmri.explorer.download.verification_section import VerificationSection
from laion_fmri.explorer.runtime.background import Follower
from laion_fmri.explorer.runtime.download_queue import JobQueue
from laion_fmri.explorer.runtime.page_turn import has_event_loop
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.tab import Tab
from laion_fmri.explorer.widgets.dialog import LicenceDialog
from laion_fmri.explorer.widgets.layout import stacked
from laion_fmri.explorer.widgets.markup import heading, listing_text
from laion_fmri.explorer.widgets.notice import Severity, notice, say
from laion_fmri.splits.fetching import SplitFiles
from laion_fmri.transfer.plan import TransferPlan, format_bytes
from laion_fmri.transfer_jobs.job import Job

_FORM_WIDTH = 330  # pixels


class DownloadTab(Tab):
    """A request, its plan, and the downloads of the server."""

    title = "Download"

    def __init__(self, state: ExplorerState, data: ExplorerData) -> None:
        super().__init__(state, data)
        self._facts: PlanFacts | None = None
        self._offer = Offer({})
        self._followed_subject = ""
        self._n_over = self.queue.n_over
        self._same_job: Job | None = None  # a download that already includes the whole plan
        self._follower = Follower(self.update, self._gate)
        self._follow()

    @property
    def plan(self) -> TransferPlan | None:
        """The plan of the download; None while the request is incomplete."""
        return None if self._facts is None else self._facts.plan

    @property
    def queue(self) -> JobQueue:
        """The downloads into the data directory."""
        return queue_of(self.data)

    def build(self) -> None:
        """Fill the layout."""
        self.form = RequestForm()
        self.access = AccessSection(lambda: image_access_of(self.data), self.latest, self._allow)
        self.jobs = JobsSection(
            lambda: self.queue, self.latest, self.access.may_resume, self._allow
        )
        self.check = VerificationSection(
            self.data, lambda plan, title: self.jobs.submit(plan, title, N_JOBS)
        )
        self.licence = LicenceDialog(
            self.data,
            self._download,
            lambda text: say(self.messages, [notice(text, "warning")]),
        )
        self.plan_section = PlanSection(self._download)
        self.messages = stacked(margin=(0, 0, 12, 0))
        self.again = pmui.Button(
            label="Try again", icon="refresh", variant="outlined", size="small", visible=False
        )
        self.again.on_click(lambda _: self._list_again())
        self.layout[:] = [listing_text()]
        self.contents = self._laid_out()
        self._listing = self.latest(self.layout)
        self._planning = self.latest(self.plan_section.layout)
        self.form.drop.on_click(lambda _: setattr(self.state, "wanted", []))
        pn.bind(lambda _: self._make_plan(), self.form.param.request, watch=True)
        pn.bind(lambda _: self._follow_subject(), self.state.param.subject, watch=True)
        pn.bind(lambda _: self._follow_wanted(), self.state.param.wanted, watch=True)

    def _laid_out(self) -> pn.FlexBox:
        may_act = self.data.visitor.may_act
        self.access.status.layout.visible = self.check.layout.visible = may_act
        self.choices = stacked(self.form)
        return _two_columns(
            [self.choices, self.access.status],
            [
                self.jobs.current_layout,
                heading("Plan"),
                pn.Spacer(height=10),
                self.messages,
                self.again,
                self.plan_section.summary,
                self.access.form_place,
                self.plan_section,
                self.jobs.past_layout,
                self.check,
                self.licence,
            ],
        )

    def refresh(self) -> None:
        """Read what the bucket offers and update the plan."""
        self._follow()
        self.update()
        self.access.update()
        self.check.offer(self.data.local_subjects())
        self._listing.ask(
            lambda: read_offer(self.data.bucket()), self._show_offer, self._say_unreachable
        )

    def _follow(self) -> None:
        """Follow downloads and checks, except in a script: another thread would change the page."""
        if has_event_loop() and self._follower.follow(self.queue, verification_of(self.data)):
            self._n_over = self.queue.n_over

    def update(self) -> None:
        """Update the display of the downloads and the check."""
        if self._built and self.shown:
            with pn.io.hold():
                self.jobs.update()
                self.check.update()
        if self.queue.n_over != self._n_over:
            self._n_over = self.queue.n_over
            self.state.param.trigger("files_changed")

    def _show_offer(self, offer: Offer) -> None:
        self._offer = offer
        self.again.visible = False
        self.choices.visible = True
        before = self.form.request
        self.form.offer(offer)
        self._follow_subject()
        self._follow_wanted()
        if self.form.request == before:  # unchanged selection, but files may have changed
            self._make_plan()

    def _follow_subject(self) -> None:
        name = self.state.subject
        if name != self._followed_subject and name in self._offer.subjects:
            self._followed_subject = name
            self.form.choose_subject(name)

    def _follow_wanted(self) -> None:
        if tuple(self.state.wanted) != self.form.request.files:
            self.form.choose_files(self.state.wanted)

    def _list_again(self) -> None:
        discovery.refresh()
        self.refresh()

    def _say_unreachable(self, text: str) -> None:
        self.choices.visible = bool(self._offer.subjects)
        self._say_no_plan(text)

    def _make_plan(self) -> None:
        self._facts = None
        self.plan_section.run.disabled = True
        request = self.form.request
        if advice := request.advice():
            # An answer without work also replaces a plan that is still being computed.
            self._planning.ask(lambda: advice, self._say, self._say)
            return
        work = partial(_planned, request, self._offer, self.data, self.queue.rate)
        self._planning.ask(work, self._show_plan, self._say_no_plan)

    def _show_plan(self, facts: PlanFacts) -> None:
        self._facts = facts
        with pn.io.hold():
            self.plan_section.display(facts)
            self.again.visible = False
            say(self.messages, _plan_messages(facts))
            self.access.need(self.data.visitor.may_act and _has_images(facts.plan))
            self._allow()
            self.replace_contents(self.contents)

    def _allow(self) -> None:
        """Enable the download, or display why it is disabled."""
        paths = [file.local for file in self.plan.to_fetch] if self.plan else []
        self._same_job = self.queue.fetching(paths)
        self.plan_section.allow(self._why_not(), self._same_job)

    def _why_not(self) -> str | None:
        """Why the plan cannot be downloaded; empty if a message explains it, None if it can."""
        facts = self._facts
        if facts is None or not facts.plan.to_fetch or facts.free_after < 0:
            return ""
        if not self.data.visitor.may_act:
            return self.data.visitor.why_not(DOWNLOADING)
        if not self.queue.is_owner:
            return ""
        if self._same_job is not None:
            return f"“{self._same_job.title}” already fetches these files."
        if _has_images(facts.plan) and not self.access.is_allowed:
            return "First agree to the terms of the images, or log in."
        return None

    def _say(self, text: str, severity: Severity = "info") -> None:
        self.access.need(False)
        self.plan_section.hide()
        self.again.visible = False
        say(self.messages, [notice(text, severity)])
        self.replace_contents(self.contents)

    def _say_no_plan(self, text: str) -> None:
        self._say(text, "warning")
        self.again.visible = True

    def _download(self) -> None:
        self._allow()  # another page may have started the same download
        plan = self.plan
        if plan is None or self.plan_section.run.disabled:
            return
        if _needs_licence(plan) and not access.is_license_accepted(plan.data_dir):
            self.licence.open()
            return
        self.plan_section.allow("The download is in the list above.")
        self.jobs.submit(plan, self.form.request.title(), N_JOBS)


def _planned(request: Request, offer: Offer, data: ExplorerData, rate: float | None) -> PlanFacts:
    if needs_images(request):
        data.visitor.require_owner("Asking the access service for the images")
    return plan_request(request, offer, data.settings, data.bucket(), rate)


def _two_columns(left: list[Any], right: list[Any]) -> pn.FlexBox:
    return pn.FlexBox(
        pn.Column(
            *left,
            styles={"gap": "20px", "flex": f"1 1 {_FORM_WIDTH}px", "min-width": "0"},
            margin=0,
        ),
        pn.Column(
            *right,
            styles={"flex": "999 1 440px", "min-width": "min(100%, 440px)"},
            margin=0,
        ),
        gap="24px 36px",
        align_items="flex-start",
        sizing_mode="stretch_width",
        styles={"max-width": "1320px"},
        margin=(12, 16, 24, 16),
    )


def _plan_messages(facts: PlanFacts) -> list[pmui.Alert]:
    plan = facts.plan
    messages = [notice(text, "info") for text in facts.lacking]
    if not plan.files:
        messages.append(notice("The bucket has none of the chosen files."))
    elif not plan.to_fetch:
        text = f"Nothing to do: all {len(plan.files):,} files are downloaded."
        messages.append(notice(text, "success"))
    elif facts.free_after < 0:
        text = (
            f"{plan.data_dir} has {format_bytes(-facts.free_after)} too little free space. "
            "Choose less, or free some space."
        )
        messages.append(notice(text, "warning"))
    return messages


def _has_images(plan: TransferPlan) -> bool:
    return any(isinstance(file.source, AccessFiles) for file in plan.to_fetch)


def _needs_licence(plan: TransferPlan) -> bool:
    return any(not isinstance(f.source, (AccessFiles, SplitFiles)) for f in plan.to_fetch)
