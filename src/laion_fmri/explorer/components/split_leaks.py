"""Images that are the same, or nearly, on both sides of a split."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer import split_data, split_space
from laion_fmri.explorer.background import Latest
from laion_fmri.explorer.components import split_tables
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.notice import notice, say
from laion_fmri.splits.measures import identical_across

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData
    from laion_fmri.explorer.split_space import Measured
    from laion_fmri.splits import Split

_PAIRS = 12
THRESHOLD = 0.95


class LeakSection(Viewer):
    """Test images with a near twin among the training images, and identical files.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Makes a `Latest` for a view, as `Tab.latest` does.
    """

    def __init__(
        self, data: ExplorerData, latest: Callable[[pn.viewable.Viewable], Latest]
    ) -> None:
        super().__init__()
        self.data = data
        self._measured: Measured | None = None
        self._split: Split | None = None
        self.threshold = pmui.FloatSlider(
            label="Nearly identical from cosine",
            start=0.5,
            end=1.0,
            step=0.01,
            value=THRESHOLD,
            size="small",
            width=260,
            margin=(0, 10),
        )
        self.threshold.param.watch(lambda _: self._show(), "value_throttled")
        self.button = pmui.Button(
            label="Compare the files byte by byte",
            icon="compare",
            variant="outlined",
            size="small",
            margin=0,
        )
        self.button.on_click(lambda _: self._compare_files())
        self.summary = markup(style=split_tables.STYLE)
        self.pairs = markup(style=split_tables.STYLE)
        self.identical = pn.Column(sizing_mode="stretch_width", margin=0)
        self._pictures = latest(pn.Spacer())
        self._hashing = latest(self.identical)
        self._layout = pn.Column(
            markup("<h3>Leaks</h3>"),
            pn.FlexBox(
                self.threshold,
                self.button,
                sizing_mode="stretch_width",
                margin=0,
                gap="8px 24px",
                align_items="center",
            ),
            self.summary,
            self.pairs,
            self.identical,
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "6px"},
        )

    def set_measured(self, measured: Measured, split: Split) -> None:
        """Show what the chosen split leaks; the others are counted."""
        self._measured, self._split = measured, split
        self.button.visible = split_data.has_images(self.data)
        say(self.identical, [])
        self._show()

    def _show(self) -> None:
        measured = self._measured
        if measured is None:
            return
        at = self.threshold.value
        counts = {name: len(one.twins(at)) for name, one in measured.splits.items()}
        random = [len(one.twins(at)) for one in measured.random]
        sizes = {name: len(one.test_ids) for name, one in measured.splits.items()}
        said = " · ".join(
            f"{escape(name)}: <b>{n:,}</b> of {sizes[name]:,}" for name, n in counts.items()
        )
        self.summary.object = (
            f"<p>Test images with a training image at a cosine of {at:.2f} or more in "
            f'{escape(measured.model)}: {said} <span class="muted">(random splits: '
            f"{min(random):,} to {max(random):,})</span></p>"
        )
        chosen = next(iter(measured.splits.values()))
        pairs = chosen.pairs(chosen.twins(at)[:_PAIRS])
        total = next(iter(counts.values()))
        more = f'<p class="muted">The {len(pairs)} likest of {total:,}.</p>' if pairs else ""

        def show(found: split_data.Looks) -> None:
            self.pairs.object = (
                more + split_tables.pairs_list(pairs, found.pictures, found.captions)
                if pairs
                else '<p class="muted">No pair is that alike.</p>'
            )

        show(split_data.Looks({} if split_data.has_images(self.data) else None, {}))
        if pairs:
            names = [name for test, train, _ in pairs for name in (test, train)]
            self._pictures.ask(
                lambda: split_data.looks(self.data, names),
                show,
                lambda text: self.identical.append(notice(text, "warning")),
            )

    def _compare_files(self) -> None:
        split = self._split
        if split is None:
            return

        def work() -> list[tuple[str, str]]:
            hashes = (
                split_space.file_hashes(self.data, ids) for ids in (split.train_ids, split.test_ids)
            )
            return identical_across(*hashes)

        def show(found: list[tuple[str, str]]) -> None:
            n = split.n_train + split.n_test
            if not found:
                said = f"No file is on both sides: the {n:,} files were compared by SHA-256."
                say(self.identical, [notice(said, "success")])
                return
            some = "; ".join(f"{test} = {train}" for train, test in found[:_PAIRS])
            said = f"{len(found):,} pairs of identical files are on both sides: {some}"
            say(self.identical, [notice(said, "warning")])

        say(self.identical, [markup('<p class="muted" role="status">Reading the files…</p>')])
        self._hashing.ask(
            work, show, lambda text: self.identical.__setitem__(slice(None), [notice(text)])
        )

    def __panel__(self) -> pn.Column:
        return self._layout
