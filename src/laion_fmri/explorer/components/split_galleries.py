"""Some images of each side of a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import panel as pn
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer import split_data
from laion_fmri.explorer.background import Latest
from laion_fmri.explorer.components import split_views
from laion_fmri.explorer.components.split_parts import side_by_side, split_html
from laion_fmri.explorer.split_data import Looks

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.explorer.split_space import Measured
    from laion_fmri.splits import Split

_EXAMPLES = 12


class SplitGalleries(Viewer):
    """Images of the training side, of the test side, and the most isolated ones of that.

    Pictures where the images are here, else captions.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Makes a `Latest` for a view, as `Tab.latest` does.
    on_problem : callable
        Called with the reason when pictures cannot be shown.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        on_problem: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.data = data
        self._on_problem = on_problem
        self.sides = {side: split_html() for side in ("train", "test", "isolated")}
        self._examples, self._isolated = latest(pn.Spacer()), latest(pn.Spacer())
        self._layout = side_by_side(*self.sides.values(), least=270)

    def set_split(self, split: Split) -> None:
        """Show images evenly from the first name to the last of each side."""
        ids = {"train": split.train_ids, "test": split.test_ids}
        chosen = {side: split_data.examples(names, _EXAMPLES) for side, names in ids.items()}

        def show(looks: Looks) -> None:
            with pn.io.hold():
                for side, names in chosen.items():
                    title, n = side.capitalize(), len(ids[side])
                    said = f"{len(names)} of {n:,}, evenly through the sorted names"
                    if len(names) == n:
                        said = "1 image" if n == 1 else f"all {n:,}"
                    self.sides[side].object = split_views.gallery(side, title, said, names, looks)

        self._ask(self._examples, [name for names in chosen.values() for name in names], show)

    def set_measured(self, measured: Measured | None) -> None:
        """Show the test images that are farthest from any training image."""
        self.sides["isolated"].visible = measured is not None
        if measured is None:
            return
        names = next(iter(measured.splits.values())).most_isolated(_EXAMPLES)
        said = f"farthest from any training image in {measured.model}, first the farthest"

        def show(looks: Looks) -> None:
            self.sides["isolated"].object = split_views.gallery(
                "test", "Most isolated in test", said, names, looks
            )

        self._ask(self._isolated, names, show)

    def _ask(self, work: Latest, names: Sequence[str], show: Callable[[Looks], None]) -> None:
        """Names at once, pictures as soon as they are decoded."""

        def show_names(problem: str) -> None:
            show(Looks(None, {}))
            self._on_problem(problem)

        nothing: Mapping[str, str] = {}
        show(Looks(nothing if split_data.has_images(self.data) else None, nothing))
        work.ask(lambda: split_data.looks(self.data, names), show, show_names)

    def __panel__(self) -> pn.FlexBox:
        return self._layout
