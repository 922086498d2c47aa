"""The Trials tab in a browser: what is seen is what the library returns for that trial."""

from __future__ import annotations

import base64
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from laion_fmri import layout
from laion_fmri.config import Settings
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.subject import Subject, load_subject

pytestmark = pytest.mark.browser
PATIENCE = 90_000  # ms; a busy machine

PIXELS = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d")
  copy.drawImage(canvas, 0, 0)
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height)
  let text = ""
  for (let i = 0; i < data.length; i += 8192)
    text += String.fromCharCode(...data.subarray(i, i + 8192))
  return [canvas.width, canvas.height, btoa(text)]
}"""
RESPONSES = """() => {
  for (const model of Bokeh.documents[0]._all_models.values()) {
    const data = model.type === "ColumnDataSource" && model.data
    if (data && data.roi?.length) return [...data.roi].map((roi, i) => [roi, data.value[i]])
  }
}"""
IN_ALL_ROOTS = """
  const all = []
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      all.push(node)
      if (node.shadowRoot) walk(node.shadowRoot)
    }
  }
  walk(document)
  const shown = (node) =>
    node.getClientRects().length && getComputedStyle(node).visibility !== "hidden"
  const own = ".filters, .table, .view, .text, .grid"
  const ours = all.filter((node) => shown(node) && node.closest(own))
"""
NAMELESS = f"""() => {{ {IN_ALL_ROOTS}
  const named = (node) => node.getAttribute("aria-label") || node.title || node.labels?.length
  return ours.filter((node) => node.matches("input, select, button"))
    .filter((node) => !named(node) && !node.textContent.trim()).map((node) => node.outerHTML)
}}"""
FOCUSED = """() => {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  const said = [node.getAttribute("aria-label"), node.labels?.[0]?.textContent, node.textContent]
  return said.join(" ").slice(0, 80)
}"""


@pytest.fixture
def sub(tiny_home) -> Subject:
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.fixture
def open_trials(page: Page, serve_app):
    def open_at(settings: Settings, trial: int, more: str = "") -> Page:
        data = ExplorerData(settings)
        address = serve_app(lambda: create_app(data))
        page.goto(f"{address}?tab=Trials&subject=sub-01&trial={trial}{more}")
        return page

    return open_at


def pixels(canvas: Locator) -> np.ndarray:
    width, height, text = canvas.evaluate(PIXELS)
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(height, width, 4)


def wait_for_image(page: Page, name: str) -> None:
    expect(page.locator(f'.view[data-picture="{name}"]')).to_be_visible(timeout=PATIENCE)


def mask_union(sub: Subject, trial: int, keep=lambda row: True) -> np.ndarray:
    masks = [
        sub.segmentations.get(trial, row.noun, row.instance_id) != 0
        for row in sub.segmentations.for_image(trial).itertuples()
        if keep(row)
    ]
    return np.logical_or.reduce(masks) if masks else np.zeros((1000, 1000), dtype=bool)


def expect_pixels(canvas: Locator, mask: np.ndarray) -> None:
    """The canvas is coloured exactly where the mask is, once it has been drawn."""
    expect(canvas).to_have_js_property("width", mask.shape[1], timeout=PATIENCE)
    np.testing.assert_array_equal(pixels(canvas)[..., 3] == 255, mask)


def telling_trials(sub: Subject) -> dict[str, int]:
    """A trial for each kind of picture whose masks could go wrong."""
    table = sub.metadata
    found: dict[str, int] = {}
    for trial, name in table["image_name"].items():
        rows = sub.segmentations.for_image(trial)
        if not len(rows):
            continue
        if (rows.groupby("noun").size() > 1).any():
            found.setdefault("several instances", trial)
        if (rows["localized"] == 0).any():
            found.setdefault("not localized", trial)
        if name.endswith(".png"):
            found.setdefault("RGBA", trial)
    return found


def test_a_click_in_the_table_shows_all_of_a_trial(open_trials, sub: Subject, tiny_home):
    names = sub.metadata["image_name"]
    trial = next(t for t in range(1, 14) if sub.segmentations.has_image(t))
    page = open_trials(tiny_home.settings, 0)
    wait_for_image(page, names[0])
    row = page.get_by_role("grid", name="Trials").locator(f'tr[data-place="{trial}"]')
    row.locator("td").nth(2).click()
    wait_for_image(page, names[trial])
    expect(page).to_have_url(re.compile(rf"trial={trial}\b"))

    picture = page.get_by_role("img", name=f"Image {names[trial]}")
    shown = pixels(picture)[..., :3].astype(int)
    # Two decoders may round a JPEG differently, never by more than this.
    assert np.abs(shown - np.asarray(sub.images.get(trial))).max() <= 3

    captions = page.get_by_role("region", name="Captions")
    expect(captions.get_by_role("listitem")).to_have_text(sub.captions.human(trial))
    session, row = sub.metadata.loc[trial, ["session", "session_trial"]]
    voxels = sub.get_betas(session, roi="PPA").astype(float)
    z = (voxels - voxels.mean(axis=0)) / voxels.std(axis=0)
    page.wait_for_function(
        "([roi, mean, find]) => Math.abs(new Map(eval(find)()).get(roi) - mean) < 1e-6",
        arg=["PPA", float(z[row].mean()), RESPONSES],
        timeout=PATIENCE,
    )


def test_masks_land_on_their_pixels_in_every_kind_of_picture(open_trials, sub, tiny_home):
    trials = telling_trials(sub)
    assert set(trials) == {"several instances", "not localized", "RGBA"}
    first, *others = trials.values()
    page = open_trials(tiny_home.settings, first)
    wait_for_image(page, sub.metadata.loc[first, "image_name"])
    overlay = page.locator("canvas.masks")
    page.get_by_role("button", name="Outlines").click()
    expect_pixels(overlay, mask_union(sub, first))
    field = page.get_by_label("Trial", exact=True)
    for trial in others:
        field.fill(str(trial))
        field.press("Enter")
        wait_for_image(page, sub.metadata.loc[trial, "image_name"])
        expect_pixels(overlay, mask_union(sub, trial))
    page.get_by_role("button", name="Localized only").click()
    last = others[-1] if others else first
    expect_pixels(overlay, mask_union(sub, last, lambda row: row.localized))


def test_objects_are_hidden_boxed_named_and_cut_out(open_trials, sub, tiny_home):
    trial = telling_trials(sub)["several instances"]
    rows = sub.segmentations.for_image(trial)
    page = open_trials(tiny_home.settings, trial)
    wait_for_image(page, sub.metadata.loc[trial, "image_name"])
    objects = page.get_by_role("group", name="Objects")
    nouns = sub.segmentations.nouns(trial, localized_only=False)
    overlay = page.locator("canvas.masks")
    page.get_by_role("button", name="Outlines").click()
    many = rows.groupby("noun").size().idxmax()
    for noun in nouns:
        if noun != many:
            objects.get_by_role("button", name=re.compile(rf"^{noun}( \(|$)")).click()
    expect_pixels(overlay, mask_union(sub, trial, lambda row: row.noun == many))
    n = int((rows["noun"] == many).sum())
    objects.get_by_role("button", name=re.compile(rf"^{many} 1 of {n}")).click()
    only = mask_union(sub, trial, lambda row: row.noun == many and row.instance_id != 0)
    expect_pixels(overlay, only)

    y, x = np.argwhere(only)[only.sum() // 2]
    box = page.get_by_role("img", name=re.compile("^Image ")).bounding_box()
    page.mouse.move(
        box["x"] + (x + 0.5) / 1000 * box["width"], box["y"] + (y + 0.5) / 1000 * box["height"]
    )
    expect(page.locator(".readout")).to_contain_text(many)
    page.get_by_label("Mask opacity").fill("20")
    expect(overlay).to_have_css("opacity", "0.2")

    page.get_by_role("button", name="Boxes").click()
    drawn = page.locator(".stage svg rect")
    visible = rows[(rows["noun"] == many) & (rows["instance_id"] != 0)]
    expect(drawn).to_have_count(len(visible))
    shown = {float(drawn.nth(i).get_attribute("x")) for i in range(len(visible))}
    assert shown == set(visible["box_x0"].astype(float))
    expect(page.locator(".stage svg text").first).to_contain_text(many)

    page.get_by_label("Cut out", exact=True).select_option(label=f"{many} 2 of {n}")
    mask = sub.segmentations.get(trial, many, 1) != 0
    canvas = page.locator("canvas.picture")
    np.testing.assert_array_equal(pixels(canvas)[..., 3] == 255, mask)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save cut-out").click()
    assert download.value.suggested_filename.endswith(f"_{many.replace(' ', '-')}_2.png")


def test_steps_keys_and_the_number_field(open_trials, sub, tiny_home):
    names = sub.metadata["image_name"]
    page = open_trials(tiny_home.settings, 3)
    wait_for_image(page, names[3])
    page.get_by_role("button", name="Next", exact=True).click()
    wait_for_image(page, names[4])
    page.keyboard.press("ArrowLeft")
    wait_for_image(page, names[3])
    masks = page.get_by_role("button", name="Masks", exact=True)
    if sub.segmentations.has_image(3):
        page.keyboard.press("m")
        expect(masks).to_have_attribute("aria-pressed", "false")
    field = page.get_by_label("Trial", exact=True)
    field.fill("12")
    field.press("Enter")
    wait_for_image(page, names[12])
    field.blur()
    expect(page).to_have_url(re.compile(r"trial=12(&|$)"), timeout=PATIENCE)
    page.keyboard.press("r")  # to another trial, which may show the same image
    expect(page).not_to_have_url(re.compile(r"trial=12(&|$)"), timeout=PATIENCE)


def test_filters_are_typed_chosen_and_linked_to(open_trials, sub, tiny_home):
    word = sub.captions.human(0)[0].split()[-1].strip(".,")
    page = open_trials(tiny_home.settings, 0)
    wait_for_image(page, sub.metadata.loc[0, "image_name"])
    search = page.get_by_label("Search captions")
    expect(search).to_be_enabled(timeout=PATIENCE)
    search.fill(word)
    panel = page.locator(".filters")
    expect(panel.get_by_role("status")).to_contain_text(" of ", timeout=PATIENCE)
    expect(page).to_have_url(re.compile("trial_filters=caption"))
    dataset = sub.metadata.loc[0, "dataset"]
    page.get_by_label("Dataset").select_option(dataset)
    expect(page).to_have_url(re.compile("dataset%3D"), timeout=PATIENCE)
    page.get_by_label("Filter expression").fill("run ==")
    expect(panel.get_by_role("alert")).to_contain_text("character 7", timeout=PATIENCE)
    page.get_by_label("Filter expression").fill("run < 3")
    expect(panel.get_by_role("alert")).to_be_hidden(timeout=PATIENCE)
    expect(page).to_have_url(re.compile("where"), timeout=PATIENCE)
    found = panel.get_by_role("status").text_content()
    page.goto(page.url)
    expect(panel.get_by_role("status")).to_have_text(found, timeout=PATIENCE)
    expect(page.get_by_label("Dataset")).to_have_value(dataset)
    expect(page.get_by_label("Search captions")).to_have_value(word)


def test_pictures_in_a_grid(open_trials, sub, tiny_home):
    page = open_trials(tiny_home.settings, 0)
    wait_for_image(page, sub.metadata.loc[0, "image_name"])
    page.get_by_role("button", name="Pictures").click()
    grid = page.get_by_role("listbox", name="Pictures of trials")
    tile = grid.get_by_role("option", name=re.compile(r"^Trial 9:"))
    expect(tile.locator("img")).to_be_visible(timeout=PATIENCE)
    assert tile.locator("img").evaluate("picture => picture.naturalWidth") == 128
    tile.click()
    wait_for_image(page, sub.metadata.loc[9, "image_name"])
    grid.press("ArrowRight")
    wait_for_image(page, sub.metadata.loc[10, "image_name"])
    grid.press("Space")
    expect(grid.locator("#tile-10")).to_have_class(re.compile("marked"), timeout=PATIENCE)


def test_everything_is_reached_by_keyboard_and_has_a_name(open_trials, sub, tiny_home):
    page = open_trials(tiny_home.settings, 2)
    wait_for_image(page, sub.metadata.loc[2, "image_name"])
    nameless = page.evaluate(NAMELESS)
    assert nameless == []
    reached = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
    expected = (
        "Search captions,Session,Noun,Split,Filter expression,Next,Masks,Outlines,Boxes,"
        "Localized only,Mask opacity,Cut out,Captions,Batch and model,Show on the brain"
    )
    for name in expected.split(","):
        assert any(name in one for one in reached), (name, sorted(reached))
    grid = page.get_by_role("grid", name="Trials")
    grid.locator("tr[aria-selected=true]").focus()
    page.keyboard.press("ArrowDown")
    wait_for_image(page, sub.metadata.loc[3, "image_name"])
    page.keyboard.press("Space")
    expect(grid.locator("tr[aria-selected=true] input")).to_be_checked(timeout=PATIENCE)


def test_without_images_masks_or_harmless_captions_the_page_goes_on(
    open_trials, sub, tiny_home, tmp_path
):
    data_dir = shutil.copytree(tiny_home.data_dir, tmp_path / "data")
    layout.local_path(data_dir, layout.STIMULI_IMAGES).unlink()
    path = layout.local_path(data_dir, layout.CAPTIONS)
    table = pd.read_csv(path)
    hostile = (
        '<img src=x onerror="document.title=1"> **bold** \u202eleft to right 🦊' + "long" * 2500
    )
    table["caption"] = hostile
    table.to_csv(path, index=False)
    unique = int(np.flatnonzero(sub.metadata["unique_or_shared"] == "unique")[0])

    page = open_trials(Settings(data_dir=data_dir, bucket=tiny_home.settings.bucket), unique)
    expect(page.get_by_text("The image is not downloaded")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Masks exist for shared images only")).to_be_visible()
    captions = page.get_by_role("region", name="Captions")
    expect(captions.locator("bdi").first).to_have_text(hostile)
    page.get_by_role("button", name="Pictures").click()
    tile = page.get_by_role("option", name=re.compile(r"^Trial 0:"))
    expect(tile.locator(".words")).to_contain_text("<img src=x", timeout=PATIENCE)
    assert captions.locator("img, strong, b").count() == tile.locator("img").count() == 0
    assert page.title() != "1"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="To the form").click()
    expect(page).to_have_url(re.compile("tab=Download"), timeout=PATIENCE)
