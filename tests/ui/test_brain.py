"""The Brain tab in a browser: what is drawn, what a click says, what a choice changes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from laion_fmri.explorer import brain_data
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData

pytestmark = pytest.mark.browser
PATIENCE = 30_000  # ms; software drawing on a busy machine


@pytest.fixture
def data(tiny_home):
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def brain(page: Page, serve_app, data):
    page.goto(serve_app(lambda: create_app(data)) + "?tab=Brain&subject=sub-01")
    wait_for_map(page, "Noise ceiling, 12 repeats")
    return page


def wait_for_map(page: Page, name: str) -> None:
    shown = page.locator(f'.view[data-state="ready"][data-map="{name}"]')
    expect(shown).to_be_visible(timeout=PATIENCE)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("listbox").get_by_text(option, exact=True).click()


def test_a_map_is_drawn_and_another_one_chosen(brain: Page):
    choose(brain, "Map", "Noise ceiling, ses-01")
    wait_for_map(brain, "Noise ceiling, ses-01")
    choose(brain, "Subject", "sub-03")
    wait_for_map(brain, "Noise ceiling, ses-01")
    expect(brain).to_have_url(re.compile("sub-03"))


def test_a_click_on_a_known_vertex_reads_its_value_and_rois(brain: Page, data):
    sub = data.subject("sub-01")
    values = brain_data.map_on_surface(data, sub, brain_data.find_map(sub, ""))["L"]
    roi = brain_data.rois_on_surface(data, sub)["EBA"]["L"]
    view = brain.locator(".view")
    candidates = np.flatnonzero(roi).tolist()
    placed = view.evaluate(
        "(view, all) => all.map(v => [v, view.projectVertex('L', v)])", candidates
    )
    vertex, spot = next((v, at) for v, at in placed if at["visible"])
    brain.locator("canvas").first.click(position={"x": spot["x"], "y": spot["y"]})
    expect(brain.get_by_text(re.compile(rf"vertex {vertex}\b")).first).to_be_visible()
    expect(brain.get_by_text(re.compile(rf"\b{values[vertex]:.1f} %")).first).to_be_visible()
    expect(brain.get_by_text(re.compile("ROIs there: .*EBA"))).to_be_visible()


def test_rois_of_the_address_are_drawn_and_listed(page: Page, serve_app, data):
    rois = json.dumps(["face"])
    page.goto(serve_app(lambda: create_app(data)) + f"?tab=Brain&subject=sub-01&rois={rois}")
    wait_for_map(page, "Noise ceiling, 12 repeats")
    for name in data.subject("sub-01").get_available_rois("face"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=PATIENCE)


def test_the_threshold_is_a_control_with_a_name(brain: Page):
    threshold = brain.get_by_role("slider", name="Threshold (%)")
    threshold.focus()
    before = float(threshold.input_value())
    threshold.press("ArrowRight")
    assert float(threshold.input_value()) > before
