"""The filters of trials, each choice with the number of trials it would leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import param

from laion_fmri.explorer.components.answering import AnsweringComponent
from laion_fmri.explorer.trial_filter import NOUN, SELECTION, SIDE, SIDES, Filtered, Filters

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
_MANY = 400  # nouns that are offered; any other may be typed
_LONGEST = 2_500  # characters that are taken from the page
_Option = tuple[str, str, int | None]


class FilterPanel(AnsweringComponent):
    """The controls of filters.

    Parameters
    ----------
    change : callable
        Called with the name of a filter and its new value; ``"pool"`` and ``"split"`` as well.
    clear : callable
        Called when every filter is to go.
    choose : callable
        Called with the number of the trial that was typed.
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
        super().__init__(**params)
        self._change, self._clear, self._choose = change, clear, choose
        self._names = {f.name for f in fields(Filters)} | {"pool", "split"}

    def set_view(
        self,
        filters: Filters,
        filtered: Filtered,
        total: int,
        *,
        columns: Sequence[str] = (),
        searchable: bool = True,
        problem: str = "",
        splits: Mapping[str, tuple[str, Sequence[str]]] | None = None,
    ) -> None:
        """Show filters, what passes them and what each choice would leave.

        Parameters
        ----------
        filters : Filters
        filtered : Filtered
        total : int
            Trials without any filter.
        columns : sequence of str
            That an expression may name.
        searchable : bool
            Whether captions can be searched.
        problem : str
            Said below the expression, in place of what is wrong with that.
        splits : mapping, optional
            For ``"pool"`` and ``"split"`` what is chosen and what there is.
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
            "columns": list(columns),
            "n": len(filtered.trials),
            "total": total,
            "filtered": filters != Filters(),
        }

    def answer(self, message: Any) -> None:
        """Do what the page asks for."""
        if not isinstance(message, dict):
            return
        name, value = message.get("filter"), message.get("value")
        if message.get("clear"):
            self._clear()
        elif isinstance(trial := message.get("trial"), int):
            self._choose(trial)
            self.param.trigger("trial")  # what cannot be chosen does not stay in the field
        elif name in self._names and isinstance(value, str):
            self._change(name, value[:_LONGEST])


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
