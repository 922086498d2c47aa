"""Finding a trial: filters with counts, a table or a grid, and steps from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewable

from laion_fmri.explorer.background import Gate, Latest, once_whole
from laion_fmri.explorer.caption_search import CaptionIndex
from laion_fmri.explorer.components.filter_panel import FilterPanel
from laion_fmri.explorer.components.marked_trials import MarkedTrials
from laion_fmri.explorer.components.shortcuts import Shortcuts
from laion_fmri.explorer.components.thumbnail_grid import ThumbnailGrid
from laion_fmri.explorer.components.tiles import Tile, image_tiles
from laion_fmri.explorer.components.trial_table import Kind, PagedTable
from laion_fmri.explorer.piece import Piece
from laion_fmri.explorer.trial_data import Absent, or_absent
from laion_fmri.explorer.trial_filter import Filtered, Filters, TrialFilter
from laion_fmri.explorer.trial_source import TrialSource, source_of
from laion_fmri.explorer.trial_table import next_repeat
from laion_fmri.splits import list_pools, list_splits

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

TABLE, GRID = "Table", "Pictures"
_COLUMNS: list[tuple[str, str, Kind, int]] = [
    ("trial", "Trial", "number", 44),
    ("session", "Session", "text", 60),
    ("run", "Run", "number", 36),
    ("image_name", "Image", "name", 0),
    ("dataset", "Dataset", "text", 74),
    ("unique_or_shared", "Seen by", "text", 66),
    ("shown", "Repeat", "text", 56),
]
_ROWS = 15
_PAUSE = 0.1  # seconds in which the next choice may come
_WHILE_TYPING = 0.25  # seconds of rest after which the chosen trial follows the filters


class TrialBrowser(Piece):
    """Trials of a subject, of which one is chosen and any may be marked.

    ``TrialBrowser("sub-01")`` shows by itself; read or set ``trial``, ``filters`` and ``marked``,
    and read ``shown``. Steps go through the trials that pass the filters, in the order they are
    listed in; the next repeat is looked for among all.

    Parameters
    ----------
    subject : str or Subject, optional
        Without one, fill it with `set_trials`.
    latest : callable, optional
        Makes the `Latest` that slow work goes through, for a view of a tab.

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
        if latest is None:
            gate = Gate()
            gate.open()
            latest = partial(Latest, gate=gate)
        self._latest = latest
        self._source: TrialSource | None = None
        self._trials: TrialFilter | None = None
        self._captions: CaptionIndex | None = None
        self._sides: np.ndarray | None = None
        self._sides_problem = ""
        self._filtered = Filtered(np.array([], dtype=np.intp), {})
        self.panel = FilterPanel(
            self._filter_changed, self._clear, self.choose, sizing_mode="stretch_width"
        )
        self.table = PagedTable(
            _COLUMNS, self.choose, self._toggle, "Trials", _ROWS, sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip
        self.grid = ThumbnailGrid(
            self.choose, self._toggle, self._make_tiles, "Pictures of trials",
            sizing_mode="stretch_width", margin=0, visible=False,
        )  # fmt: skip
        self.marks = MarkedTrials(self.mark_shown, latest)
        self.marks.param.watch(lambda event: self.param.update(marked=event.new), "marked")
        self.marks.param.watch(lambda _: self._update(lists=False), "kept")
        self.layout = self._lay_out()
        self._sides_work = latest(pn.Spacer())
        self._inside_work = latest(pn.Spacer())
        self._counts_work = latest(pn.Spacer())
        if subject is not None:
            source = source_of(subject)
            self.set_trials(source, source.trials())
            self.set_captions(or_absent(source.captions))

    @property
    def shown(self) -> np.ndarray:
        """The trials that pass the filters, in the order they are listed in."""
        return self._filtered.trials.copy()

    # --- what is shown --------------------------------------------------------------------

    def set_trials(self, source: TrialSource, trials: TrialFilter) -> None:
        """Show the trials of a subject.

        Parameters
        ----------
        source : TrialSource
        trials : TrialFilter
            As from ``source.trials()``.
        """
        self._source, self._trials = source, trials
        table = trials.table
        shown = table["repeat"].astype(str) + " of " + table["repeats"].astype(str)
        self._rows = table.assign(trial=np.arange(len(table)), shown=shown)
        self._captions = self._sides = None
        self.marks.set_trials(source, trials)
        self._update()
        self._ask_sides()

    def set_captions(self, captions: CaptionIndex | Absent) -> None:
        """Have captions searched; where they are `Absent`, they are not."""
        self._captions = None if isinstance(captions, Absent) else captions
        self._update(lists=bool(self.filters.caption))

    def _update(self, lists: bool = True) -> None:
        """The trials that pass, the counts and, unless they stay the same, the lists."""
        trials = self._trials
        if trials is None:
            return
        self._filtered = trials.filtered(
            self.filters,
            search=self._captions,
            sides=self._sides,
            selections=self.marks.selections,
        )
        if lists:
            self._list(self.table if self.look == TABLE else self.grid)
        # Rows first: what every choice would leave is told once the filters rest.
        self._counts_work.once_at_rest(self._show_filters, _PAUSE)

    def _show_filters(self) -> None:
        if self._trials is None:
            return
        pools = list_pools(self._data_dir)
        splits = list_splits(self.pool, self._data_dir) if self.pool in pools else []
        self.panel.set_view(
            self.filters,
            self._filtered,
            len(self._trials),
            columns=list(self._trials.columns),
            searchable=self._captions is not None,
            problem=self._sides_problem if self.filters.side else "",
            splits={"pool": (self.pool, pools), "split": (self.split, splits)},
        )

    @property
    def _data_dir(self) -> Any:
        return None if self._source is None else self._source.data.data_dir

    def _list(self, view: PagedTable | ThumbnailGrid) -> None:
        if isinstance(view, PagedTable):
            view.set_rows(self._rows, self._filtered.trials, self.trial)
        else:
            view.set_rows(self._filtered.trials, self.trial)

    @param.depends("trial", watch=True)
    def _mark_chosen(self) -> None:
        self.table.choose(self.trial)
        self.grid.choose(self.trial)
        self.panel.trial = self.trial

    @param.depends("filters", watch=True)
    def _filters_set(self) -> None:
        self._update()

    @param.depends("pool", "split", watch=True)
    def _split_set(self) -> None:
        self._sides = None
        self._ask_sides()
        self._update()

    @param.depends("look", watch=True)
    def _look_set(self) -> None:
        self.table.visible, self.grid.visible = self.look == TABLE, self.look == GRID
        if self._trials is not None:
            self._list(self.table if self.look == TABLE else self.grid)

    def _ask_sides(self) -> None:
        """The side of the split that each trial is on; a published split may be fetched."""
        source, pool, split = self._source, self.pool, self.split
        if source is None:
            return

        def show(sides: np.ndarray) -> None:
            self._sides, self._sides_problem = sides, ""
            self._update(lists=bool(self.filters.side))

        def fail(problem: str) -> None:
            self._sides_problem = problem
            self._update()

        self._sides_work.ask(lambda: source.sides(pool, split), show, fail)

    # --- what the user does ---------------------------------------------------------------

    def _filter_changed(self, name: str, value: str) -> None:
        if name == "pool":
            known = (
                list_splits(value, self._data_dir) if value in list_pools(self._data_dir) else []
            )
            split = self.split if self.split in known else next(iter(known), self.split)
            self.param.update(pool=value, split=split)
        elif name == "split":
            self.split = value
        else:
            self.filters = self.filters.changed(**{name: value})
        self._inside_work.once_at_rest(self._stay_inside, _WHILE_TYPING)

    def _clear(self) -> None:
        self.filters = Filters()

    def _stay_inside(self) -> None:
        if len(self._filtered.trials) and self.trial not in self._filtered.trials:
            self.trial = int(self._filtered.trials[0])

    def choose(self, trial: int) -> None:
        """Choose a trial, leaving a session filter that would hide it."""
        trial = int(trial)
        if self._trials is None or not 0 <= trial < len(self._trials):
            return
        session = str(self._trials.table["session"].iloc[trial])
        if self.filters.session not in ("", session):
            self.filters = self.filters.changed(session=session)
        self.trial = trial

    def _step(self, step: int) -> None:
        shown = self._filtered.trials
        places = np.flatnonzero(shown == self.trial)
        if not len(places):  # it does not pass: on to the nearest that does
            ahead = (
                np.flatnonzero(shown > self.trial)
                if step > 0
                else np.flatnonzero(shown < self.trial)
            )
            if len(ahead):
                self.choose(shown[ahead[0] if step > 0 else ahead[-1]])
            return
        place = int(places[0]) + step
        if 0 <= place < len(shown):
            self.choose(shown[place])

    def around(self) -> list[int]:
        """The trials after and before, among those that pass the filters."""
        shown = self._filtered.trials
        places = np.flatnonzero(shown == self.trial)
        if not len(places):
            return []
        place = int(places[0])
        return [int(shown[p]) for p in (place + 1, place - 1) if 0 <= p < len(shown)]

    def previous(self) -> None:
        """The trial before, among those that pass the filters."""
        self._step(-1)

    def next(self) -> None:
        """The trial after, among those that pass the filters."""
        self._step(1)

    def random(self) -> None:
        """Another trial, among those that pass the filters."""
        others = self._filtered.trials[self._filtered.trials != self.trial]
        if len(others):
            self.choose(np.random.default_rng().choice(others))

    def next_repeat(self) -> None:
        """The next trial with the same image, in any session."""
        if self._trials is not None and self.trial < len(self._trials):
            self.choose(next_repeat(self._trials.table, self.trial))

    @param.depends("marked", watch=True)
    def _marked_set(self) -> None:
        self.marks.marked = self.marked
        self.table.set_marked(self.marked)
        self.grid.set_marked(self.marked)
        self._update(lists=bool(self.filters.selection))

    def _toggle(self, trial: int) -> None:
        self.marks.toggle(trial)

    def mark_shown(self) -> None:
        """Mark every trial that passes the filters."""
        self.marked = sorted({*self.marked, *self._filtered.trials.tolist()})

    # --- how it looks ---------------------------------------------------------------------

    def _make_tiles(self, trials: list[int], send: Callable[[Sequence[Tile]], None]) -> None:
        source = self._source
        if source is None or not trials:
            return

        table = source.trials().table
        names = [str(name) for name in table["image_name"].iloc[trials]]
        titles = [f"Trial {trial}: {name}" for trial, name in zip(trials, names, strict=True)]

        # Every question is answered, the one before too: what was asked for is not asked again.
        self._latest(pn.Spacer()).ask(
            lambda: image_tiles(source, names, titles),
            send,
            lambda _: send([Tile(title) for title in titles]),
        )

    def _lay_out(self) -> pn.Column:
        steps = {
            "Previous": self.previous,
            "Next": self.next,
            "Random": self.random,
            "Next repeat": self.next_repeat,
        }
        buttons = []
        for label, act in steps.items():
            button = pmui.Button(label=label, variant="outlined", size="small", margin=0)
            button.on_click(partial(_pressed, act))
            buttons.append(button)
        self.look_control = pmui.RadioButtonGroup(
            label="How trials are listed", options=[TABLE, GRID], size="small", margin=0,
            stylesheets=[_HIDDEN_LABEL],
        )  # fmt: skip
        self.look_control.link(self, value="look", bidirectional=True)
        keys = {"ArrowLeft": self.previous, "ArrowRight": self.next, "r": self.random}
        fold = pmui.Accordion(
            ("Marked trials and selections", self.marks), active=[], disable_gutters=True,
            title_variant="subtitle2", sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return pn.Column(
            self.panel,
            pn.FlexBox(
                *buttons,
                self.look_control,
                Shortcuts(keys),
                align_items="center",
                gap="8px",
                sizing_mode="stretch_width",
                margin=0,
            ),
            self.table,
            self.grid,
            fold,
            sizing_mode="stretch_width",
            styles={"gap": "12px"},
            margin=0,
        )

    def __panel__(self) -> pn.Column:
        return self.layout


_HIDDEN_LABEL = """
.MuiToggleButton-root { white-space: nowrap; }
.MuiFormLabel-root {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
"""


def _pressed(act: Callable[[], None], _event: object) -> None:
    once_whole(act)
