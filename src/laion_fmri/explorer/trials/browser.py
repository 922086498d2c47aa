"""Browser of trials: filters with counts, a list, and steps from one trial to the next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewable

from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.runtime.error_messages import Absent, or_absent
from laion_fmri.explorer.trials.data import TrialSource, source_of
from laion_fmri.explorer.trials.filter_panel import FilterPanel
from laion_fmri.explorer.trials.marked_trials import MarkedTrials
from laion_fmri.explorer.trials.trial_list import GRID, TABLE, TrialList
from laion_fmri.explorer.widgets.layout import in_a_row, small_button, stacked
from laion_fmri.explorer.widgets.shortcuts import Shortcuts
from laion_fmri.explorer.widgets.standalone_view import StandaloneView
from laion_fmri.stimuli.caption_search import CaptionIndex
from laion_fmri.trial_selection.filters import Filtered, Filters, TrialFilter
from laion_fmri.trial_selection.trial_table import next_repeat

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

_PAUSE = 0.1  # seconds in which the next choice may follow
_TYPING_PAUSE = 0.25  # seconds without a change before the chosen trial follows the filters


class TrialBrowser(StandaloneView):
    """Trials of a subject, one of which is chosen and any number marked.

    ``TrialBrowser("sub-01")`` works standalone; read or set ``trial``, ``filters`` and ``marked``,
    and read ``shown``. Steps go through the trials that pass the filters, in list order; the next
    repeat is searched among all trials.

    Parameters
    ----------
    subject : str or Subject, optional
        Without one, fill the browser with `set_trials`.
    latest : callable, optional
        Creates a `Latest` for slow work, in a view of a tab.

    Examples
    --------
    >>> from laion_fmri.explorer import BrainView, TrialBrowser
    >>> browser = TrialBrowser(sub)
    >>> view = BrainView(sub, trial=browser.param.trial)  # follows the browser
    >>> browser.trial = 7
    >>> view.trial
    7
    """

    trial = param.Integer(
        default=0, bounds=(0, None), allow_refs=True, doc="Global index of the chosen trial."
    )
    filters = param.ClassSelector(class_=Filters, default=Filters(), doc="What passes.")
    marked = param.List(default=[], item_type=int, doc="Marked trials, increasing.")
    pool = param.String(default="shared", doc="Pool of the split that sides are of.")
    split = param.String(default="random_0", doc="The split that sides are of.")
    look = param.Selector(default=TABLE, objects=[TABLE, GRID], doc="How trials are listed.")

    def __init__(
        self,
        subject: str | Subject | None = None,
        latest: Callable[[Viewable], Latest] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        latest = latest or _latest_without_gate
        self._source: TrialSource | None = None
        self._trials: TrialFilter | None = None
        self._captions: CaptionIndex | None = None
        self._sides: np.ndarray | None = None
        self._sides_problem = ""
        self._filtered = Filtered(np.array([], dtype=np.intp), {})
        self.panel = FilterPanel(
            self._filter_changed, lambda: self.param.update(filters=Filters()), self.choose
        )
        self.list = TrialList(self.choose, latest)
        self.table, self.grid = self.list.table, self.list.grid
        self.look_control = self.list.look_control
        self.marks = MarkedTrials(self.mark_shown, latest)
        self.link(self.panel, trial="trial")
        self.link(self.list, trial="trial", look="look", marked="marked", bidirectional=True)
        self.link(self.marks, marked="marked", bidirectional=True)
        self.param.watch(lambda _: self._update(lists=bool(self.filters.selection)), "marked")
        self.marks.param.watch(lambda _: self._update(lists=False), "saved")
        self._sides_work, self._inside_work, self._counts_work = (
            latest(pn.Spacer()) for _ in range(3)
        )
        marks = pmui.Accordion(
            ("Marked trials and selections", self.marks), active=[], disable_gutters=True,
            title_variant="subtitle2", sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.layout = stacked(self.panel, _steps(self), self.list, marks, gap=12)
        if subject is not None:
            source = source_of(subject)
            self.set_trials(source, source.trials())
            self.set_captions(or_absent(source.captions))

    @property
    def shown(self) -> np.ndarray:
        """The trials that pass the filters, in list order."""
        return self._filtered.trials.copy()

    # --- display --------------------------------------------------------------------------

    def set_trials(self, source: TrialSource, trials: TrialFilter) -> None:
        """Display the trials of a subject.

        Parameters
        ----------
        source : TrialSource
        trials : TrialFilter
            As from ``source.trials()``.
        """
        self._source, self._trials = source, trials
        self._captions = self._sides = None
        self.marks.set_trials(source, trials)
        self._find_sides()

    def set_captions(self, captions: CaptionIndex | Absent) -> None:
        """Set the index for caption search, if there is one."""
        self._captions = None if isinstance(captions, Absent) else captions
        self._update(lists=bool(self.filters.caption))

    @param.depends("filters", watch=True)
    def _update(self, lists: bool = True) -> None:
        """Filter the trials, and update the counts and, unless unchanged, the lists."""
        if self._trials is None or self._source is None:
            return
        self._filtered = self._trials.filtered(
            self.filters, search=self._captions, sides=self._sides, selections=self.marks.selections
        )
        if lists:
            self.list.set_trials(self._source, self._filtered.trials)
        # The rows come first: counts are updated after a pause.
        self._counts_work.once_at_rest(self._show_filters, _PAUSE)

    def _show_filters(self) -> None:
        if self._trials is None or self._source is None:
            return
        pools, splits = self._source.known_splits(self.pool)
        self.panel.set_view(
            self.filters,
            self._filtered,
            self._trials,
            searchable=self._captions is not None,
            problem=self._sides_problem if self.filters.side else "",
            splits={"pool": (self.pool, pools), "split": (self.split, splits)},
        )

    @param.depends("pool", "split", watch=True)
    def _find_sides(self) -> None:
        """Find the split side of each trial; may download a published split."""
        self._sides = None
        self._update()
        source, pool, split = self._source, self.pool, self.split
        if source is None:
            return

        def show(sides: np.ndarray | None, problem: str = "") -> None:
            self._sides, self._sides_problem = sides, problem
            self._update(lists=bool(self.filters.side))

        self._sides_work.ask(lambda: source.sides(pool, split), show, partial(show, None))

    # --- user actions ---------------------------------------------------------------------

    def _filter_changed(self, name: str, value: str) -> None:
        if name == "pool":
            known = self._source.known_splits(value)[1] if self._source else []
            split = self.split if self.split in known else next(iter(known), self.split)
            self.param.update(pool=value, split=split)
        elif name == "split":
            self.split = value
        else:
            self.filters = self.filters.changed(**{name: value})
        self._inside_work.once_at_rest(self._choose_shown, _TYPING_PAUSE)

    def _choose_shown(self) -> None:
        """Choose the first listed trial if the chosen one does not pass the filters."""
        if len(self._filtered.trials) and self.trial not in self._filtered.trials:
            self.trial = int(self._filtered.trials[0])

    def choose(self, trial: int) -> None:
        """Choose a trial; if a session filter excludes it, switch that to its session."""
        trial = int(trial)
        if self._trials is None or not 0 <= trial < len(self._trials):
            return
        session = str(self._trials.table["session"].iloc[trial])
        if self.filters.session not in ("", session):
            self.filters = self.filters.changed(session=session)
        self.trial = trial

    def around(self) -> list[int]:
        """Return the next and the previous trial, among those that pass the filters."""
        return self._filtered.beside(self.trial)

    def _go(self, trial: int | None) -> None:
        if trial is not None:
            self.choose(trial)

    def previous(self) -> None:
        """Choose the previous trial, among those that pass the filters."""
        self._go(self._filtered.step(self.trial, -1))

    def next(self) -> None:
        """Choose the next trial, among those that pass the filters."""
        self._go(self._filtered.step(self.trial, 1))

    def random(self) -> None:
        """Choose another trial at random, among those that pass the filters."""
        self._go(self._filtered.another(self.trial))

    def next_repeat(self) -> None:
        """Choose the next trial with the same image, in any session."""
        if self._trials is not None and self.trial < len(self._trials):
            self.choose(next_repeat(self._trials.table, self.trial))

    def mark_shown(self) -> None:
        """Mark every trial that passes the filters."""
        self.marked = sorted({*self.marked, *self._filtered.trials.tolist()})

    def __panel__(self) -> pn.Column:
        return self.layout


def _latest_without_gate(busy: Viewable) -> Latest:
    """Create a `Latest` for a standalone view, which need not be rendered first."""
    gate = Gate()
    gate.open()
    return Latest(busy, gate)


def _steps(browser: TrialBrowser) -> pn.FlexBox:
    """Create buttons and keys that choose another trial."""
    steps = {
        "Previous": browser.previous,
        "Next": browser.next,
        "Random": browser.random,
        "Next repeat": browser.next_repeat,
    }
    buttons = [small_button(label, act) for label, act in steps.items()]
    keys = {"ArrowLeft": browser.previous, "ArrowRight": browser.next, "r": browser.random}
    return in_a_row(*buttons, browser.look_control, Shortcuts(keys))
