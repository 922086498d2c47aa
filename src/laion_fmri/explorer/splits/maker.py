"""A form that makes a split, and the code that makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.splits.code import make_code
from laion_fmri.explorer.widgets.copy_code import CodeBlock
from laion_fmri.explorer.widgets.layout import column, in_a_row, small_button, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.notice import Severity, notice, say
from laion_fmri.splits import Split, make_split

if TYPE_CHECKING:
    from laion_fmri.explorer.data import ExplorerData

METHODS = {
    "Random": "random",
    "Held-out cluster": "cluster",
    "Distance-controlled": "distance",
}
_ABOUT = {
    "random": "Draws images at random. A baseline.",
    "cluster": (
        "Groups the images by k-means on an embedding and holds one cluster out: a region of image "
        "space without training images."
    ),
    "distance": (
        "Keeps every test image away from every training image, while the distributions of the "
        "sides differ as little as those of a random split."
    ),
}
_AUTOMATIC = "nearest to the share"


class SplitMaker(Viewer):
    """A form for `laion_fmri.splits.make_split`.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for a view, as `Tab.latest` does.
    on_made : callable
        Called with the new split.
    """

    def __init__(
        self,
        data: ExplorerData,
        latest: Callable[[Viewable], Latest],
        on_made: Callable[[Split], None],
    ) -> None:
        super().__init__()
        self.data = data
        self._on_made = on_made
        self._pool = "shared"
        wide: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": 0}
        self.name_input = pmui.TextInput(
            label="Name", placeholder="letters, digits, - and _", max_length=64, **wide
        )
        self.method = pmui.Select(label="Method", options=METHODS, value="distance", **wide)
        self.share = pmui.FloatInput(
            label="Share of the test side", value=0.2, start=0.01, end=0.99, step=0.05, **wide
        )
        self.seed = pmui.IntInput(label="Seed", value=0, start=0, end=2**32 - 1, **wide)
        self.model = pmui.Select(label="Embedding of the new split", options=[], **wide)
        self.n_clusters = pmui.IntInput(label="Clusters", value=5, start=2, end=50, **wide)
        self.held_out = pmui.Select(label="Held-out cluster", options={_AUTOMATIC: None}, **wide)
        self.sets_distance = pmui.Checkbox(label="Set the least distance τ", value=False, margin=0)
        self.distance = pmui.FloatInput(
            label="Least distance τ", value=0.4, start=0, end=2, step=0.05, **wide
        )
        self.joins_near = pmui.Checkbox(
            label="Keep near-duplicates together", value=False, margin=0
        )
        self.near = pmui.FloatInput(
            label="Near-duplicates from cosine", value=0.95, start=-1, end=1, step=0.01, **wide
        )
        self.button = small_button(
            "Make split", self.make, variant="contained", icon="add", disabled=True
        )
        self._latest = latest(self.button)
        self.messages = stacked()
        self._about = markup()
        self.code = CodeBlock("Python", copy_label="Copy code of the new split")
        controls = (
            self.name_input,
            self.method,
            self.share,
            self.seed,
            self.model,
            self.n_clusters,
            self.held_out,
            self.sets_distance,
            self.distance,
            self.joins_near,
            self.near,
        )
        for control in controls:
            # Validate the name at the first letter, not when the field loses focus.
            control.param.watch(
                self._changed, "value_input" if control is self.name_input else "value"
            )
        fields = in_a_row(*map(_cell, controls), gap="16px 14px", align_items="flex-start")
        button = pn.Row(self.button, margin=0)
        self._layout = in_a_row(
            column(self._about, fields, self.messages, button, grow=3, least=380, gap=14),
            column(self.code, grow=2, least=300),
            gap="20px 32px",
            align_items="flex-start",
        )
        self._changed()

    def offer(self, pool: str, models: list[str]) -> None:
        """Set the pool and the downloaded embeddings for new splits."""
        self._pool = pool
        if self.model.options != models:
            value = self.model.value if self.model.value in models else next(iter(models), None)
            self.model.param.update(options=models, value=value)
        self._changed()

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the form's keyword arguments of `make_split`, without name and method."""
        method = self.method.value
        found: dict[str, Any] = {"pool": self._pool, "test_size": self.share.value}
        found["seed"] = self.seed.value
        if method != "random" or self.joins_near.value:
            found["embedding"] = self.model.value
        if method == "cluster":
            found["n_clusters"] = self.n_clusters.value
            if self.held_out.value is not None:
                found["held_out_cluster"] = self.held_out.value
        if method == "distance" and self.sets_distance.value:
            found["min_distance"] = self.distance.value
        if self.joins_near.value:
            found["near_duplicates"] = self.near.value
        return found

    def make(self) -> None:
        """Make the split defined by the form."""
        name, method, arguments = self._name, self.method.value, self.arguments

        def work() -> Split:
            self.data.visitor.require_owner("Making splits")
            root = self.data.settings.data_dir
            return make_split(name, method, **arguments, data_dir=root)

        def show(split: Split) -> None:
            self._on_made(split)
            sizes = f"{split.n_train:,} train, {split.n_test:,} test"
            self._say(f"{split.name} was made: {sizes}.", "success")

        self._say("Making it…")
        self._latest.ask(work, show, lambda text: self._say(text, "warning"))

    @property
    def _name(self) -> str:
        return (self.name_input.value_input or "").strip()

    def _say(self, text: str, severity: Severity = "info") -> None:
        say(self.messages, [notice(text, severity)])

    def _changed(self, *_: object) -> None:
        method = self.method.value
        say(self.messages, [])
        n = self.n_clusters.value or 2
        options = {_AUTOMATIC: None, **{f"{k} of {n}, by size": k for k in range(n)}}
        if list(self.held_out.options) != list(options):
            self.held_out.param.update(options=options, value=None)
        for control, needed in (
            (self.model, method != "random" or self.joins_near.value),
            (self.n_clusters, method == "cluster"),
            (self.held_out, method == "cluster"),
            (self.sets_distance, method == "distance"),
            (self.distance, method == "distance" and self.sets_distance.value),
            (self.near, self.joins_near.value),
        ):
            control.visible = needed
        self._about.object = Markup('<p class="muted">{}</p>').format(_ABOUT[method])
        self.button.disabled = not self._name
        self.code.code = make_code(self._name or "my_split", method, self.arguments)

    def __panel__(self) -> pn.FlexBox:
        return self._layout


def _cell(control: Any) -> Any:
    control.styles = {"flex": "1 1 180px", "min-width": "160px"}
    return control
