"""How the brain is shown, as text in an address: nothing is lost, and nothing strange gets in."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from laion_fmri.analysis.cortex import SHAPES, SPACES
from laion_fmri.analysis.slices import ANATOMIES
from laion_fmri.explorer.brain import display as brain_display
from laion_fmri.explorer.brain.colours import COLORMAPS
from laion_fmri.explorer.brain.surface_view import View

VIEWS = get_args(View)
numbers = st.floats(-1e6, 1e6).map(lambda v: float(f"{v:.6g}"))
points = st.just([]) | st.lists(numbers, min_size=3, max_size=3)
names = st.text(max_size=60)
shown = st.fixed_dictionaries(
    {
        "space": st.sampled_from(SPACES),
        "folds": st.sampled_from(["sulc", "curv"]),
        "anatomy": st.sampled_from(["", *ANATOMIES]),
        "shape": st.sampled_from(SHAPES),
        "view": st.sampled_from(VIEWS),
        "camera": points,
        "panes": st.sampled_from(["surface", "both", "volume"]),
        "crosshair": points,
        "style": st.sampled_from(["outline", "fill"]),
        "lower": st.none() | numbers,
        "upper": st.none() | numbers,
        "symmetric": st.none() | st.booleans(),
        "colormap": st.none() | st.sampled_from(list(COLORMAPS)),
        "compare": names,
        "of": names,
        "linked": st.booleans(),
    }
)


@given(shown)
def test_what_is_shown_comes_back_from_its_text(wanted):
    assert brain_display.from_text(brain_display.to_text(wanted)) == wanted


def test_the_default_is_no_text_and_a_choice_is_readable():
    assert brain_display.to_text(brain_display.DEFAULTS) == ""
    some = dict(brain_display.DEFAULTS) | {"view": "dorsal", "lower": 12.5, "linked": False}
    assert brain_display.to_text(some) == "view=dorsal&lower=12.5&linked=0"


@given(st.text())
@example("view=<img src=x onerror=alert(1)>&shape=../../etc&space=MNI")
@example("lower=nan&upper=inf&camera=1 2&crosshair=a b c&symmetric=2&linked=yes")
@example("camera=nan nan nan&lower=1e308&view=&unknown=1&=&&view")
@example("&".join(f"k{i}=1" for i in range(1000)))
@example("compare=" + "x" * 10_000)
def test_any_other_text_leaves_the_default(text):
    found = brain_display.from_text(text)
    assert found.keys() == brain_display.DEFAULTS.keys()
    # Whatever was taken is a choice that there is: written and read again it stays the same.
    assert brain_display.from_text(brain_display.to_text(found)) == found
    if text.startswith(("view=<", "lower=nan", "camera=nan", "k0", "compare=x")):
        assert found == brain_display.DEFAULTS


@pytest.mark.parametrize("text", ["lower=12&view=nowhere", "view=nowhere&lower=12"])
def test_one_bad_choice_does_not_lose_the_others(text):
    assert brain_display.from_text(text) == {**brain_display.DEFAULTS, "lower": 12.0}
