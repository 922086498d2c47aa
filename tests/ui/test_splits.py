"""The Splits tab in a browser."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from laion_fmri import layout
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.splits import evaluate, get_split_masks, load_split
from laion_fmri.subject import load_subject

pytestmark = pytest.mark.browser
PATIENCE = 120_000  # ms; a busy machine


@pytest.fixture
def home(tiny_home, tmp_path):
    """A data directory in which splits may be made."""
    for tree in (*layout.DERIVATIVE_TREES, layout.STIMULI_TREE, layout.SPLITS_TREE):
        shutil.copytree(tiny_home.data_dir / tree, tmp_path / tree)
    return replace(tiny_home.settings, data_dir=tmp_path)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).filter(visible=True).click()
    page.get_by_role("listbox").get_by_text(option, exact=True).click()


def first_row(page: Page) -> Locator:
    rows = page.get_by_role("table", name="Comparison").locator("tbody tr")
    return rows.first.locator("td").first


def downloaded(page: Page, button: str) -> bytes:
    """What a button saves: the first click makes the file, where it is not made yet."""
    with page.expect_download(timeout=PATIENCE) as waiting:
        page.get_by_text(button).filter(visible=True).first.click()
    return waiting.value.path().read_bytes()


def test_sizes_follow_pool_split_and_types(page: Page, serve_app, tiny_home) -> None:
    page.set_default_timeout(PATIENCE)
    data = ExplorerData(tiny_home.settings)
    page.goto(serve_app(lambda: create_app(data)) + "?tab=Splits&subject=sub-01")
    expect(page.get_by_text("Random baseline")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("OOD types").first).to_be_hidden()

    choose(page, "Pool", "sub-03")
    choose(page, "Split", "tau")
    split = load_split("tau", "sub-03", data_dir=tiny_home.data_dir)
    sizes = re.compile(rf"^Train {split.n_train}, Test {split.n_test}$")
    expect(page.get_by_role("img", name=sizes)).to_be_visible(timeout=PATIENCE)
    expect(page).to_have_url(re.compile("split=tau"), timeout=PATIENCE)
    expect(first_row(page)).to_have_text("tau", timeout=PATIENCE)

    choose(page, "Split", "ood")
    expect(page.get_by_label("OOD types").first).to_be_visible(timeout=PATIENCE)
    composition = page.get_by_role("table", name="Composition")
    expect(composition.get_by_text("OOD · gabor")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("table", name="Trials")).to_be_visible()
    expect(first_row(page)).to_have_text("ood", timeout=PATIENCE)
    picture = page.get_by_role("button", name=re.compile("OOD_shape")).first.locator("img")
    expect(picture).to_be_visible(timeout=PATIENCE)
    assert picture.evaluate("image => image.naturalWidth") == 128


def test_compare_take_away_and_make(page: Page, serve_app, home) -> None:
    page.set_default_timeout(PATIENCE)
    data = ExplorerData(home)
    address = serve_app(lambda: create_app(data))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}?tab=Splits&subject=sub-01&pool=sub-01&split=tau")
    expect(first_row(page)).to_have_text("tau", timeout=PATIENCE)

    page.get_by_role("combobox", name="Compare with").filter(visible=True).click()
    page.locator(".MuiListItemText-primary").get_by_text("random_0", exact=True).click()
    page.mouse.click(1200, 700)  # beside the menu, which closes
    rows = page.get_by_role("table", name="Comparison").locator("tbody tr")
    expect(rows.nth(1).locator("td").first).to_have_text("random_0", timeout=PATIENCE)
    expect(page.get_by_role("heading", name="random_0")).to_be_visible(timeout=PATIENCE)

    stored = json.loads(downloaded(page, "Ids (JSON)"))
    split = load_split("tau", "sub-01", data_dir=home.data_dir)
    assert stored["variants"][0]["test_ids"] == list(split.test_ids)
    masks = home.data_dir / "masks.npz"
    masks.write_bytes(downloaded(page, "Masks (npz)"))
    found = np.load(masks, allow_pickle=False)
    expected = get_split_masks(found["label"].tolist(), "tau", "sub-01", data_dir=home.data_dir)
    assert np.array_equal(found["train"], expected[0])
    assert np.array_equal(found["test"], expected[1])

    page.get_by_role("button", name="Make a split").click()
    page.get_by_label("Name", exact=True).fill("far")
    page.get_by_role("button", name="Make split", exact=True).click()
    expect(page.get_by_text(re.compile(r"^far was made: \d+ train"))).to_be_visible(
        timeout=PATIENCE
    )
    expect(first_row(page)).to_have_text("far", timeout=PATIENCE)
    expect(page).to_have_url(re.compile("split=far"), timeout=PATIENCE)
    made = load_split("far", "sub-01", data_dir=home.data_dir)
    sizes = re.compile(rf"^Train {made.n_train}, Test {made.n_test}$")
    expect(page.get_by_role("img", name=sizes)).to_be_visible(timeout=PATIENCE)

    page.get_by_role("button", name="Score", exact=True).click()
    scores = page.get_by_role("table", name="Scores").locator("tbody tr")
    expect(scores.first.locator("td").first).to_have_text("far", timeout=PATIENCE)
    roi = scores.first.locator("td").nth(1).inner_text()
    table = evaluate(made, load_subject("sub-01", home.data_dir), roi).table
    expect(scores.first.locator("td").nth(4)).to_have_text(f"{table['correlation'][0]:.3f}")
    page.get_by_role("button", name="Show on the brain").click()
    expect(page.get_by_role("combobox", name="Map", exact=True)).to_contain_text(
        "Correlation, CLIP, far", timeout=PATIENCE
    )
    assert not errors


def test_a_region_of_the_map_shows_its_images(page: Page, serve_app, tiny_home) -> None:
    page.set_default_timeout(PATIENCE)
    data = ExplorerData(tiny_home.settings)
    page.set_viewport_size({"width": 1400, "height": 1600})
    page.goto(serve_app(lambda: create_app(data)) + "?tab=Splits&subject=sub-01&split=random_0")
    expect(first_row(page)).to_have_text("random_0", timeout=PATIENCE)
    # The last section: nothing above the map moves any more.
    expect(page.get_by_text("Most isolated in test")).to_be_visible(timeout=PATIENCE)
    canvas = page.locator(".bk-events, .bk-Canvas").filter(visible=True).first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    left, top = box["x"] + 0.04 * box["width"], box["y"] + 0.14 * box["height"]
    right, bottom = box["x"] + 0.96 * box["width"], box["y"] + 0.97 * box["height"]
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    expect(
        page.get_by_role("heading", name=re.compile(r"^\d+ images in the region$"))
    ).to_be_visible(timeout=PATIENCE)


def test_t_sne_is_laid_out_in_the_background(page: Page, serve_app, home) -> None:
    page.set_default_timeout(PATIENCE)
    data = ExplorerData(home)
    page.goto(serve_app(lambda: create_app(data)) + "?tab=Splits&subject=sub-01&split=random_0")
    note = page.get_by_role("note").filter(has_text="images ·")
    expect(note).to_contain_text("of the variance", timeout=PATIENCE)
    page.get_by_role("button", name="t-SNE").click()
    expect(page.get_by_text(re.compile(r"Laying out by t-SNE: \d+ %"))).to_be_visible()
    expect(note).not_to_contain_text("of the variance", timeout=PATIENCE)
    assert list((home.data_dir / ".laion_fmri" / "layouts").glob("CLIP_tsne_*.npy"))
