"""The display settings of the brain as a short text for the address, linked to the view."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode

from laion_fmri.analysis.cortex import SHAPES, SPACES
from laion_fmri.analysis.slices import ANATOMIES
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain.choices import BrainChoices
from laion_fmri.explorer.brain.colours import COLORMAPS
from laion_fmri.explorer.brain.controls import BrainControls
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.stage import shape_of
from laion_fmri.explorer.brain.surface_view import SurfaceView, View
from laion_fmri.maps import BrainMap

_OF_THE_VIEW = (
    "view", "camera", "panes", "shape", "crosshair", "lower", "upper", "symmetric", "colormap",
)  # fmt: skip
_MOST = 500  # characters of a name in an address


def _one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader that accepts one of these texts only."""
    return lambda text: choices[choices.index(text)]


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) <= 1e9:  # also rejects NaN
        raise ValueError(text)
    return value


def _numbers(text: str) -> list[float]:
    x, y, z = (_number(part) for part in text.split())
    return [x, y, z]


def _switch(text: str) -> bool:
    return bool(["0", "1"].index(text))


def _name(text: str) -> str:
    if len(text) > _MOST:
        raise ValueError(text)
    return text


_FIELDS: Mapping[str, tuple[Any, Callable[[str], Any]]] = {
    "space": ("fsnative", _one_of(*SPACES)),
    "folds": ("sulc", _one_of(*brain_data.UNDERLAYS.values())),
    "anatomy": ("", _one_of(*ANATOMIES)),
    "shape": (brain_data.FIRST_SHAPE, _one_of(*SHAPES)),
    "view": ("lateral left", _one_of(*get_args(View))),
    "camera": ([], _numbers),
    "panes": ("surface", _one_of("surface", "both", "volume")),
    "crosshair": ([], _numbers),
    "style": ("outline", _one_of("outline", "fill")),
    "lower": (None, _number),
    "upper": (None, _number),
    "symmetric": (None, _switch),
    "colormap": (None, _one_of(*COLORMAPS)),
    "compare": ("", _name),
    "of": ("", _name),
    "linked": (True, _switch),
}
"""Maps each name to its default and reader."""

DEFAULTS: Mapping[str, Any] = {name: default for name, (default, _) in _FIELDS.items()}
"""The defaults; None means the map's own value, "" and [] mean none."""


def to_text(shown: Mapping[str, Any]) -> str:
    """Encode the differences from `DEFAULTS`, as ``"view=dorsal&lower=12.5"``; may be empty."""
    return urlencode([(k, _written(shown[k])) for k in DEFAULTS if shown[k] != DEFAULTS[k]])


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return " ".join(f"{v:.6g}" for v in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def from_text(text: str) -> dict[str, Any]:
    """Decode such a text, on top of `DEFAULTS`; invalid values are ignored.

    Parameters
    ----------
    text : str
        Untrusted, from an address.
    """
    found = dict(DEFAULTS)
    with suppress(ValueError):
        for name, value in parse_qsl(text, max_num_fields=2 * len(DEFAULTS)):
            with suppress(KeyError, ValueError):
                found[name] = _FIELDS[name][1](value)
    return found


class DisplayLink:
    """Synchronizes a view with `BrainChoices.display` and `threshold`, in both directions.

    Parameters
    ----------
    choices : BrainChoices
    view : SurfaceView
    controls : BrainControls

    Attributes
    ----------
    picture : Picture or None
        The displayed picture; None while another picture is loading, to which the requested
        display then applies.
    """

    def __init__(self, choices: BrainChoices, view: SurfaceView, controls: BrainControls) -> None:
        self._choices, self._view, self._controls = choices, view, controls
        self.picture: Picture | None = None
        self._wanted: dict[str, Any] = {}  # settings for the next picture
        self._seen: dict[str, Any] = {"display": "", "threshold": None}  # last read or written
        view.param.watch(self.write, list(_OF_THE_VIEW))
        controls.picker.param.watch(self.write, "style")

    def read(self) -> None:
        """Read the settings; they apply to the displayed picture, or to the next one."""
        choices, controls = self._choices, self._controls
        changed = {name for name, seen in self._seen.items() if getattr(choices, name) != seen}
        self._seen = {name: getattr(choices, name) for name in self._seen}
        if "display" in changed:
            wanted = from_text(choices.display)
            self._wanted |= wanted
            controls.folds.value = wanted["folds"]
            controls.picker.style = wanted["style"]
            choices.choose(
                space=wanted["space"],
                compare=wanted["compare"],
                compare_subject=wanted["of"],
                linked=wanted["linked"],
            )
        if "threshold" in changed and choices.threshold != self._view.lower:
            self._wanted["lower"] = _finite(choices.threshold)

    def apply(self) -> None:
        """Apply the settings requested before the picture was loaded."""
        picture, view, anatomy = self.picture, self._view, self._controls.anatomy
        if picture is None:
            return
        wanted, self._wanted = self._wanted, {}
        if wanted.get("anatomy") in anatomy.options:
            anatomy.value = wanted["anatomy"]
        scale = own_scale(picture.brain_map, view)
        chosen = {name: wanted[name] for name in _OF_THE_VIEW if name in wanted}
        for name in scale.keys() & chosen.keys():
            chosen[name] = scale[name] if chosen[name] is None else chosen[name]
        if (shape := chosen.pop("shape", "")) in view.shape_names and shape != shape_of(view):
            chosen["shape"] = view.shape_names.index(shape)
        if "crosshair" in chosen:
            point = chosen.pop("crosshair")
            if point:
                chosen["crosshair"] = {**dict(zip("xyz", point, strict=True)), "source": "volume"}
            elif (view.crosshair or {}).get("source") == "volume":
                chosen["crosshair"] = None
        view.param.update(chosen)
        self.write()

    def write(self, *_: object) -> None:
        """Store how the picture is displayed."""
        if self.picture is None or self._wanted:
            return
        self._seen = {"display": self._text(self.picture), "threshold": _finite(self._view.lower)}
        self._choices.choose(**self._seen)

    def _text(self, picture: Picture) -> str:
        choices, view, controls = self._choices, self._view, self._controls
        own = own_scale(picture.brain_map, view)
        is_own_kind = view.symmetric == own["symmetric"]  # the bounds belong to it
        shown = {name: getattr(view, name) for name in own}
        scale = {n: None if shown[n] == own[n] and is_own_kind else shown[n] for n in own}
        anatomy = controls.anatomy
        crosshair = view.crosshair or {}
        is_sliced = crosshair.get("source") == "volume"
        return to_text(
            {
                "space": choices.space,
                "folds": controls.folds.value,
                "anatomy": anatomy.value if anatomy.value in anatomy.options[1:] else "",
                "shape": shape_of(view),
                "view": view.view,
                "camera": view.camera,
                "panes": view.panes,
                "crosshair": [crosshair[axis] for axis in "xyz"] if is_sliced else [],
                "style": controls.picker.style,
                "compare": choices.compare,
                "of": choices.compare_subject,
                "linked": choices.linked,
                **scale,
            }
        )


def own_scale(brain_map: BrainMap, view: SurfaceView) -> dict[str, Any]:
    """Return the default scale of a map."""
    lower, upper = view.automatic_bounds
    return {
        "lower": lower if brain_map.threshold is None else brain_map.threshold,
        "upper": upper,
        "symmetric": brain_map.symmetric,
        "colormap": brain_map.colormap,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
