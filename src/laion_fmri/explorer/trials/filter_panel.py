"""The filters of trials; each choice shows how many trials would remain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import param

from laion_fmri.explorer.widgets.page_messages import MessagingComponent
from laion_fmri.trial_selection.filters import (
    NOUN,
    SELECTION,
    SIDE,
    SIDES,
    Filtered,
    Filters,
    TrialFilter,
)

_TITLES = {
    "session": ("Session", "all"),
    "run": ("Run", "all"),
    "dataset": ("Dataset", "all"),
    "seen_by": ("Shared or unique", "both"),
    "repeats": ("Repeats", "any"),
    "ood_type": ("OOD type", "any"),
    NOUN: ("Noun", "any noun"),
    SELECTION: ("Selection", "none"),
    SIDE: ("Side of the split", "any"),
}
_MANY = 400  # nouns in the list; any other can be typed
_LONGEST = 2_500  # characters of a value that are used
_Option = tuple[str, str, int | None]


class FilterPanel(MessagingComponent):
    """The controls of the filters.

    Parameters
    ----------
    change : callable
        Called with the name of a filter and its new value; also for ``"pool"`` and ``"split"``.
    clear : callable
        Called to clear every filter.
    choose : callable
        Called with the trial number that was typed.
    """

    view = param.Dict(default={}, doc="What is shown.")
    trial = param.Integer(default=0, doc="The chosen trial.")

    _esm: ClassVar[Path] = Path(__file__).with_name("filter_panel.js")

    def __init__(
        self,
        change: Callable[[str, str], object],
        clear: Callable[[], object],
        choose: Callable[[int], object],
        **params: Any,
    ) -> None:
        super().__init__(sizing_mode="stretch_width", **params)
        self._change, self._clear, self._choose = change, clear, choose
        self._names = {f.name for f in fields(Filters)} | {"pool", "split"}

    def set_view(
        self,
        filters: Filters,
        filtered: Filtered,
        trials: TrialFilter,
        *,
        searchable: bool = True,
        problem: str = "",
        splits: Mapping[str, tuple[str, Sequence[str]]] | None = None,
    ) -> None:
        """Display filters, the matching trials, and the count of each choice.

        Parameters
        ----------
        filters : Filters
        filtered : Filtered
        trials : TrialFilter
            All trials.
        searchable : bool
            Whether captions can be searched.
        problem : str
            Displayed below the expression, unless that has a problem of its own.
        splits : mapping, optional
            For ``"pool"`` and ``"split"``: the chosen one, and all available ones.
        """
        self.view = {
            "lists": [
                *(
                    _list(name, filtered.counts.get(name), getattr(filters, name))
                    for name in _TITLES
                    if filtered.counts.get(name) or name == SIDE
                ),
                *(
                    {
                        "name": name,
                        "title": name.capitalize(),
                        "typed": False,
                        "every": "",
                        "options": [(value, value, None) for value in known],
                        "value": chosen,
                    }
                    for name, (chosen, known) in (splits or {}).items()
                ),
            ],
            "caption": {"value": filters.caption, "disabled": not searchable},
            "where": {"value": filters.where},
            "problem": filtered.problem or problem,
            "columns": list(trials.columns),
            "n": len(filtered.trials),
            "total": len(trials),
            "filtered": filters != Filters(),
        }

    def receive(self, message: Any) -> bool:
        """Change a filter, clear them all, or choose a trial."""
        match message:
            case {"clear": True}:
                self._clear()
            case {"trial": int(trial)}:
                self._choose(trial)
                self.param.trigger("trial")  # the field displays the chosen trial again
            case {"filter": str(name), "value": str(value)} if name in self._names:
                self._change(name, value[:_LONGEST])
            case _:
                return False
        return True


def _list(name: str, counts: Mapping[str, int] | None, chosen: str) -> dict[str, Any]:
    title, every = _TITLES[name]
    options: list[_Option] = [(side, side, None) for side in SIDES]  # not counted yet
    if counts is not None:
        options = [(v, v, n) for v, n in counts.items() if v and (n or v == chosen)]
    if name == NOUN:
        options = sorted(options, key=lambda option: -(option[2] or 0))[:_MANY]
    return {
        "name": name,
        "title": title,
        "typed": name == NOUN,
        "every": every,
        "options": options,
        "value": chosen,
    }
