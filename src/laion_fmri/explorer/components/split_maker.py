"""A form that makes a split, with the same as Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.components.code_block import CodeBlock
from laion_fmri.explorer.components.markup import markup
from laion_fmri.explorer.components.notice import Severity, notice, say
from laion_fmri.explorer.split_words import make_code

METHODS = {
    "Random": "random",
    "Held-out cluster": "cluster",
    "Distance-controlled": "distance",
}
_ABOUT = {
    "random": "Draws images at random. A baseline.",
    "cluster": (
        "Groups the images by k-means on an embedding and holds one cluster out: a region of image "
        "space that is never trained on."
    ),
    "distance": (
        "Keeps every test image away from every training image, while the sides stay as alike in "
        "distribution as random ones."
    ),
}
_AUTOMATIC = "nearest to the share"


class SplitMaker(Viewer):
    """What to ask of `laion_fmri.splits.make_split`.

    Parameters
    ----------
    on_make : callable
        Called with the keyword arguments of `make_split`.
    """

    def __init__(self, on_make: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._on_make = on_make
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
        self.button = pmui.Button(
            label="Make split", icon="add", size="small", disabled=True, margin=0
        )
        self.button.on_click(lambda _: self._make())
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0)
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
            # A name is needed at the first letter, not when the field is left.
            control.param.watch(
                self._changed, "value_input" if control is self.name_input else "value"
            )
        self._layout = pn.FlexBox(
            pn.Column(
                self._about,
                pn.FlexBox(
                    *(_cell(control) for control in controls),
                    sizing_mode="stretch_width",
                    margin=0,
                    gap="16px 14px",
                ),
                self.messages,
                pn.Row(self.button, margin=0),
                margin=0,
                styles={"flex": "3 1 380px", "min-width": "min(100%, 380px)", "gap": "14px"},
            ),
            pn.Column(
                self.code, margin=0, styles={"flex": "2 1 300px", "min-width": "min(100%, 300px)"}
            ),
            sizing_mode="stretch_width",
            margin=0,
            gap="20px 32px",
        )
        self._changed()

    def offer(self, pool: str, models: list[str]) -> None:
        """Make splits of this pool, by the embeddings that are here."""
        self._pool = pool
        if self.model.options != models:
            value = self.model.value if self.model.value in models else next(iter(models), None)
            self.model.param.update(options=models, value=value)
        self._changed()

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `make_split` as the form stands, without name and method."""
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

    def say(self, text: str, severity: Severity = "info") -> None:
        """Say how it went."""
        say(self.messages, [notice(text, severity)] if text else [])

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
        self._about.object = f'<p class="muted">{_ABOUT[method]}</p>'
        name = (self.name_input.value_input or "").strip()
        self.button.disabled = not name
        self.code.code = make_code(name or "my_split", method, self.arguments)

    def _make(self) -> None:
        name = (self.name_input.value_input or "").strip()
        self._on_make({"name": name, "method": self.method.value, **self.arguments})

    def __panel__(self) -> pn.FlexBox:
        return self._layout


def _cell(control: Any) -> Any:
    control.styles = {"flex": "1 1 180px", "min-width": "160px"}
    return control
