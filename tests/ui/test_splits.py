"""The Splits tab in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.splits import load_split

pytestmark = pytest.mark.browser
PATIENCE = 30_000  # ms; a busy machine


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("listbox").get_by_text(option, exact=True).click()


def test_sizes_follow_pool_split_and_types(page: Page, serve_app, tiny_home) -> None:
    data = ExplorerData(tiny_home.settings)
    page.goto(serve_app(lambda: create_app(data)) + "?tab=Splits&subject=sub-01")
    expect(page.get_by_text("Random baseline")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("OOD types").first).to_be_hidden()

    choose(page, "Pool", "sub-03")
    choose(page, "Split", "tau")
    split = load_split("tau", "sub-03", data_dir=tiny_home.data_dir)
    sizes = re.compile(rf"^Train {split.n_train}, Test {split.n_test}$")
    expect(page.get_by_role("img", name=sizes)).to_be_visible(timeout=PATIENCE)
    expect(page).to_have_url(re.compile("split=tau"))

    choose(page, "Split", "ood")
    expect(page.get_by_label("OOD types").first).to_be_visible()
    composition = page.get_by_role("table", name="Composition")
    expect(composition.get_by_text("OOD · gabor")).to_be_visible()
    expect(page.get_by_role("table", name="Trials")).to_be_visible()
    picture = page.get_by_role("img", name=re.compile("OOD_shape")).first
    expect(picture).to_be_visible(timeout=PATIENCE)
    assert picture.evaluate("image => image.naturalWidth") == 96
