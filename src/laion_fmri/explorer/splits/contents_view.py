"""Contents of the sides of a split: terms, example images, shared images, and leaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.runtime.background import Latest, explain
from laion_fmri.explorer.splits import data as split_data
from laion_fmri.explorer.splits import views as split_views
from laion_fmri.explorer.splits.views import COLOURS, split_html
from laion_fmri.explorer.widgets.image_grid import ImageGrid, Tile, image_tiles
from laion_fmri.explorer.widgets.layout import in_a_row, side_by_side, small_button, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.notice import notice, say
from laion_fmri.explorer.widgets.plots import holoviews, page_style, plot_pane
from laion_fmri.splits import Split, SplitMeasures, count_shared_tests, identical_images
from laion_fmri.splits.summary import evenly_spaced
from laion_fmri.splits.terms import TERMS, Terms

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.explorer.data import ExplorerData

_TERM_TITLES: dict[Terms, tuple[str, str]] = {
    "nouns": ("Nouns found in the images", "the noun"),
    "words": ("Words of the captions", "the word in a caption"),
}
_N_EXAMPLES = 12
_N_PAIRS = 12
THRESHOLD = 0.95


class TermsView(Viewer):
    """Test images shared by splits, and terms whose frequency differs between two sides.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for a view, as `Tab.latest` does.
    """

    def __init__(self, data: ExplorerData, latest: Callable[[Viewable], Latest]) -> None:
        super().__init__()
        self.data = data
        self.overlap_text, self.overlap = split_html(), plot_pane()
        self.terms = {kind: split_html() for kind in TERMS}
        self._layout = stacked(
            stacked(self.overlap_text, self.overlap), *self.terms.values(), gap=32
        )
        self._latest_overlap, self._latest_terms = latest(pn.Spacer()), latest(pn.Spacer())

    def set_splits(self, splits: Mapping[str, Split], others: Sequence[str]) -> None:
        """Display the first split's terms, and the test images it shares with others."""
        split = next(iter(splits.values()))
        self._latest_overlap.ask(
            lambda: {**splits, **split_data.local_splits(self.data, split.pool, others)},
            self._show_overlap,
            lambda text: self._set_overlap(text, None),
        )
        self._latest_terms.ask(
            lambda: {kind: self._compare_terms(kind, split) for kind in TERMS},
            self._show_terms,
            lambda text: self._show_terms(dict.fromkeys(TERMS, text)),
        )

    def _show_overlap(self, splits: Mapping[str, Split]) -> None:
        text = "Images in the test side of both splits; the diagonal has the sizes."
        self._set_overlap(text, overlap_plot(splits))

    def _set_overlap(self, text: str, plot: Any) -> None:
        self.overlap_text.object = Markup(
            '<h3>Test images in common</h3><p class="muted">{}</p>'
        ).format(text)
        self.overlap.object = plot

    def _compare_terms(self, kind: Terms, split: Split) -> pd.DataFrame | str:
        try:
            return split_data.split_terms(self.data, kind, split)
        except LaionFmriError as error:
            return explain(error)

    def _show_terms(self, found: Mapping[Terms, pd.DataFrame | str]) -> None:
        for kind, table in found.items():
            title, what = _TERM_TITLES[kind]
            self.terms[kind].object = (
                Markup('<h3>{}</h3><p class="muted">{}</p>').format(title, table)
                if isinstance(table, str)
                else split_views.terms_table(title, what, table)
            )

    def __panel__(self) -> pn.Column:
        return self._layout


def overlap_plot(splits: Mapping[str, Split]) -> Any:
    """Return a heat map of the number of test images shared by splits."""
    hv = holoviews()
    counts = count_shared_tests(splits)
    sizes = np.diag(counts)
    either = sizes[:, None] + sizes[None, :] - counts.to_numpy()
    percent = 100 * counts.to_numpy() / np.maximum(either, 1)
    names = list(splits)
    shades = [f"{COLOURS['test']}{round(1.2 * opacity):02x}" for opacity in range(0, 101, 5)]
    cells = [
        (column, row, percent[i, j], counts.iloc[i, j])
        for i, row in enumerate(names)
        for j, column in enumerate(names)
    ]
    heat_map = hv.HeatMap(cells, ["split", "other split"], ["% of the images in either", "images"])
    numbers = [(column, row, n) for column, row, _, n in cells]
    labels = hv.Labels(numbers, ["split", "other split"], "images").opts(
        text_color="#7d8794", text_font_size="11px"
    )
    return (heat_map.opts(cmap=shades, clim=(0, 100), tools=["hover"]) * labels).opts(
        backend="bokeh",
        responsive=True,
        height=26 * len(names) + 90,
        xlabel="",
        ylabel="",
        xrotation=45,
        invert_yaxis=True,
        toolbar=None,
        default_tools=[],
        hooks=[page_style],
    )


class Gallery(Viewer):
    """Images under a title: pictures if downloaded, else captions or names.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for a view, as `Tab.latest` does.
    label : str
        Name for screen readers.
    on_problem : callable
        Called with the reason when pictures cannot be displayed.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        label: str,
        on_problem: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.data = data
        self._on_problem = on_problem
        self.heading, self.grid = split_html(), ImageGrid(label)
        self._latest = latest(pn.Spacer())
        self._layout = stacked(self.heading, self.grid)

    @property
    def visible(self) -> bool:
        """Whether the gallery is visible."""
        return self._layout.visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._layout.visible = visible

    def set_images(
        self, title: str, said: str, names: Sequence[str], sides: Mapping[str, str]
    ) -> None:
        """Display images: names immediately, pictures as soon as they are decoded.

        Parameters
        ----------
        title, said : str
        names : sequence of str
        sides : mapping of str to {"train", "test"}
            Side of each image that is on one.
        """
        self.heading.object = Markup('<h3>{}</h3><p class="muted">{}</p>').format(title, said)

        def show(tiles: Sequence[Tile]) -> None:
            self.grid.set_tiles(
                [
                    replace(
                        tile,
                        caption=_short_name(name),
                        dot=COLOURS[sides.get(name, "unused")],
                    )
                    for name, tile in zip(names, tiles, strict=True)
                ]
            )

        def show_names(problem: str) -> None:
            show([Tile(name, words=name) for name in names])
            self._on_problem(problem)

        show([Tile(name) for name in names])
        self._latest.ask(lambda: image_tiles(self.data, names), show, show_names)

    def __panel__(self) -> pn.Column:
        return self._layout


class ExamplesView(Viewer):
    """Images of the training side, of the test side, and the most isolated test images.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for a view, as `Tab.latest` does.
    on_problem : callable
        Called with the reason when pictures cannot be displayed.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        on_problem: Callable[[str], None],
    ) -> None:
        super().__init__()
        labels = {
            "train": "Training images",
            "test": "Test images",
            "isolated": "Isolated test images",
        }
        self.sides = {
            side: Gallery(data, latest, label, on_problem) for side, label in labels.items()
        }
        self._layout = side_by_side(*(g.__panel__() for g in self.sides.values()), least=270)

    def set_split(self, split: Split) -> None:
        """Display images spaced evenly over the sorted names of each side."""
        for side, ids in (("train", split.train_ids), ("test", split.test_ids)):
            names = evenly_spaced(ids, _N_EXAMPLES)
            said = f"{len(names)} of {len(ids):,}, evenly through the sorted names"
            if len(names) == len(ids):
                said = "1 image" if len(ids) == 1 else f"all {len(ids):,}"
            self.sides[side].set_images(side.capitalize(), said, names, dict.fromkeys(names, side))

    def set_measured(self, measured: SplitMeasures | None) -> None:
        """Display the test images that are farthest from any training image."""
        isolated = self.sides["isolated"]
        isolated.visible = measured is not None
        if measured is not None:
            names = next(iter(measured.splits.values())).most_isolated(_N_EXAMPLES)
            said = f"farthest from any training image in {measured.model}, the farthest first"
            isolated.set_images("Most isolated in test", said, names, dict.fromkeys(names, "test"))

    def __panel__(self) -> pn.FlexBox:
        return self._layout


class LeaksView(Viewer):
    """Test images with a near-duplicate among the training images, and identical files.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for a view, as `Tab.latest` does.
    """

    def __init__(self, data: ExplorerData, latest: Callable[[Viewable], Latest]) -> None:
        super().__init__()
        self.data = data
        self._measured: SplitMeasures | None = None
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
        self.button = small_button(
            "Compare the files byte by byte", self._compare_files, icon="compare"
        )
        self.summary, self.pairs = split_html(), split_html()
        self.identical = stacked()
        self._latest_pictures = latest(pn.Spacer())
        self._latest_files = latest(self.identical)
        controls = in_a_row(self.threshold, self.button, gap="8px 24px")
        title = markup(Markup("<h3>Leaks</h3>"))
        self._layout = stacked(title, controls, self.summary, self.pairs, self.identical, gap=6)
        self._layout.visible = False

    def set_measured(self, measured: SplitMeasures | None, split: Split | None) -> None:
        """Display the leaks of the chosen split and the counts of the others; hide without any."""
        self._measured, self._split = measured, split
        self._layout.visible = measured is not None and split is not None
        self.button.visible = self.data.has_images()
        say(self.identical, [])
        self._show()

    def set_random(self, measured: SplitMeasures) -> None:
        """Add the leaks of random splits of the same images and sizes."""
        self._measured = measured
        self._count()

    def _count(self) -> None:
        measured, at = self._measured, self.threshold.value
        if measured is None:
            return
        said = []
        for name, one in measured.splits.items():
            counted = Markup("{}: <b>{:,}</b> of {:,}").format(
                name, len(one.twins(at)), len(one.test_ids)
            )
            if name in measured.random:
                random = measured.random[name].test_twins(one, at).random
                low, high = np.percentile(random, [2.5, 97.5])
                counted += Markup(
                    ' <span class="muted">(random: {:,.0f} to {:,.0f})</span>'
                ).format(low, high)
            said.append(counted)
        self.summary.object = Markup(
            "<p>Test images with a training image at a cosine of {:.2f} or more in {}: {}. "
            '<span class="muted">{}</span></p>'
        ).format(
            at,
            measured.model,
            Markup(" · ").join(said),
            "Random: 95 % of random splits of the same images and sizes."
            if measured.random
            else "",
        )

    def _show(self) -> None:
        if self._measured is None:
            return
        self._count()
        chosen = next(iter(self._measured.splits.values()))
        twins = chosen.twins(self.threshold.value)
        pairs = chosen.pairs(twins[:_N_PAIRS])
        if not pairs:
            self.pairs.object = Markup('<p class="muted">No pair is that similar.</p>')
            return
        said = f"{len(pairs)} most similar pairs"
        said += f" of {len(twins):,}" if len(twins) > len(pairs) else ""
        names = [name for test, train, _ in pairs for name in (test, train)]

        def show(tiles: Sequence[Tile]) -> None:
            listed = [
                (tiles[2 * i], tiles[2 * i + 1], cosine) for i, (*_, cosine) in enumerate(pairs)
            ]
            self.pairs.object = Markup('<p class="muted">{}</p>{}').format(
                said, split_views.pairs_list(listed)
            )

        show([Tile(name) for name in names])
        self._latest_pictures.ask(
            lambda: image_tiles(self.data, names),
            show,
            lambda text: self.identical.append(notice(text, "warning")),
        )

    def _compare_files(self) -> None:
        split = self._split
        if split is None:
            return

        def show(found: list[tuple[str, str]]) -> None:
            if not found:
                n = split.n_train + split.n_test
                said = f"No file is on both sides: the {n:,} files were compared by SHA-256."
                say(self.identical, [notice(said, "success")])
                return
            some = "; ".join(f"{test} = {train}" for train, test in found[:_N_PAIRS])
            said = f"{len(found):,} pairs of identical files are on both sides: {some}"
            say(self.identical, [notice(said, "warning")])

        say(
            self.identical,
            [markup(Markup('<p class="muted" role="status">Reading the files…</p>'))],
        )
        self._latest_files.ask(
            lambda: identical_images(split, images=self.data.stimuli().images),
            show,
            lambda text: say(self.identical, [notice(text)]),
        )

    def __panel__(self) -> pn.Column:
        return self._layout


def _short_name(name: str) -> str:
    """Return the name without its group, number of repeats and extension."""
    stem = name.rpartition(".")[0] or name
    first, _, rest = stem.partition("_")
    if first == "shared":
        rest = rest.partition("_")[2] or rest
    return rest or stem
