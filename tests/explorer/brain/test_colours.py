from __future__ import annotations

import numpy as np
import pytest

from laion_fmri.explorer.brain.colours import COLORMAPS, palette_bytes, roi_colours


@pytest.mark.parametrize("name", COLORMAPS)
def test_every_scale_has_256_colours(name):
    assert len(palette_bytes(name)) == 768


def test_a_diverging_scale_has_its_ends_and_a_pale_middle():
    colours = np.frombuffer(palette_bytes("blue-white-red"), np.uint8).reshape(256, 3)

    assert colours[0, 2] > colours[0, 0]
    assert colours[-1, 0] > colours[-1, 2]
    assert colours[127:129].min() > 225


@pytest.mark.parametrize("name", COLORMAPS)
def test_scales_are_perceptually_uniform(name):
    """Lightness runs evenly: no step of the scale is more than a few times another."""
    rgb = np.frombuffer(palette_bytes(name), np.uint8).reshape(256, 3) / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
    halves = [lightness] if "-" not in name else [lightness[:124], lightness[132:]]
    for half in halves:
        steps = np.diff(half[:: len(half) // 12])
        assert (steps * np.sign(np.median(steps)) >= 0).all()
        assert np.abs(steps).max() < 4 * np.abs(np.median(steps)) + 1


def test_every_roi_has_its_own_colour():
    names = [f"R{i}" for i in range(43)]
    colours = roi_colours(names)
    rgb = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in colours.values()])
    apart = np.abs(rgb[:, None] - rgb[None]).sum(axis=2) + 1000 * np.eye(43)
    assert apart.min() >= 24
