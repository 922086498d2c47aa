"""What the sides of a split show, in nouns and words, and what splits have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import panel as pn
from panel.viewable import Viewable, Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer import split_space
from laion_fmri.explorer.background import Latest
from laion_fmri.explorer.components import split_tables
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.splits.terms import differing_terms

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.splits import Split

_READ = {"nouns": split_space.noun_index, "words": split_space.word_index}
_TITLES = {
    "nouns": ("Nouns found in the images", "the noun"),
    "words": ("Words of the captions", "the word in a caption"),
}


class ContentsSection(Viewer):
    """Overlap of test sides, and terms that differ between the sides of one split.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Makes a `Latest` for a view, as `Tab.latest` does.
    """

    def __init__(self, data: ExplorerData, latest: Callable[[Viewable], Latest]) -> None:
        super().__init__()
        self.data = data
        self.overlap = markup(style=split_tables.STYLE)
        self.terms = {kind: markup(style=split_tables.STYLE) for kind in _READ}
        self._layout = pn.Column(
            self.overlap,
            *self.terms.values(),
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "32px"},
        )
        self._overlapping, self._reading = latest(pn.Spacer()), latest(pn.Spacer())

    def set_splits(self, splits: Mapping[str, Split], others: Sequence[str]) -> None:
        """Show the first split's terms, and what its test side has in common with others."""
        split = next(iter(splits.values()))
        self._overlapping.ask(
            lambda: {**splits, **split_space.local_splits(self.data, split.pool, others)},
            lambda found: self._set(self.overlap, split_tables.overlap_table(found)),
            lambda text: self._set(self.overlap, f'<p class="muted">{escape(text)}</p>'),
        )
        self._reading.ask(
            lambda: self._read(split),
            self._show_terms,
            lambda text: self._show_terms(dict.fromkeys(_READ, text)),
        )

    def _read(self, split: Split) -> dict[str, pd.DataFrame | str]:
        found: dict[str, pd.DataFrame | str] = {}
        for kind, read in _READ.items():
            try:
                found[kind] = differing_terms(read(self.data), split.train_ids, split.test_ids)
            except LaionFmriError as error:
                found[kind] = str(error)
        return found

    def _show_terms(self, found: Mapping[str, pd.DataFrame | str]) -> None:
        for kind, table in found.items():
            title, what = _TITLES[kind]
            self.terms[kind].object = (
                f'<h3>{title}</h3><p class="muted">{escape(table)}</p>'
                if isinstance(table, str)
                else split_tables.terms_table(title, what, table)
            )

    def _set(self, view: pn.pane.HTML, content: str) -> None:
        view.object = content

    def __panel__(self) -> pn.Column:
        return self._layout
