"""Colours of the Brain tab: colour maps, and a colour for each ROI."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import colorcet
from bokeh import palettes

from laion_fmri.analysis.map_figure import COLORCET_MAPS

# Perceptually uniform: sequential scales first, then diverging ones.
COLORMAPS: dict[str, tuple[str, ...]] = {
    "inferno": palettes.Inferno256,
    "magma": palettes.Magma256,
    "plasma": palettes.Plasma256,
    "viridis": palettes.Viridis256,
    "cividis": palettes.Cividis256,
    **{name: tuple(colorcet.palette[known_as]) for name, known_as in COLORCET_MAPS.items()},
}

_GOLDEN_ANGLE = 0.381966  # of a turn: consecutive ROIs get distant hues


def palette_bytes(name: str) -> bytes:
    """Return 256 RGB colours of a scale, a key of `COLORMAPS`, as 768 bytes."""
    return bytes.fromhex("".join(colour[1:7] for colour in COLORMAPS[name]))


def roi_colours(names: Sequence[str]) -> dict[str, str]:
    """Assign each of `known_rois` a colour, ``#rrggbb``, independent of selection and subject."""
    colours = {}
    for k, name in enumerate(names):
        hue = (0.55 + k * _GOLDEN_ANGLE) % 1
        lightness = (0.5, 0.72, 0.36, 0.62)[k % 4]  # tells similar hues apart
        rgb = colorsys.hls_to_rgb(hue, lightness, 0.85)
        colours[name] = "#" + "".join(f"{round(255 * channel):02x}" for channel in rgb)
    return colours
