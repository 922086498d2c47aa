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
PATIENCE = 30_000  # ms; a busy machine

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


@pytest.fixture
def sub(tiny_home) -> Subject:
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.fixture
def open_trials(page: Page, serve_app):
    def open_at(settings: Settings, trial: int) -> Page:
        data = ExplorerData(settings)
        page.goto(serve_app(lambda: create_app(data)) + f"?tab=Trials&subject=sub-01&trial={trial}")
        return page

    return open_at


def pixels(canvas: Locator) -> np.ndarray:
    width, height, text = canvas.evaluate(PIXELS)
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(height, width, 4)


def wait_for_image(page: Page, name: str) -> None:
    expect(page.locator(f'.view[data-picture="{name}"]')).to_be_visible(timeout=PATIENCE)


def test_a_click_in_the_table_shows_all_of_a_trial(open_trials, sub: Subject, tiny_home):
    names = sub.metadata["image_name"]
    trial = next(t for t in range(1, 14) if sub.segmentations.has_image(t))
    page = open_trials(tiny_home.settings, 0)
    wait_for_image(page, names[0])
    row_name = re.compile(rf"^{trial} ses-")
    page.get_by_role("grid", name="Trials").get_by_role("row", name=row_name).click()
    wait_for_image(page, names[trial])
    expect(page).to_have_url(re.compile(rf"trial={trial}\b"))

    picture = page.get_by_role("img", name=f"Image {names[trial]}")
    shown = pixels(picture)[..., :3].astype(int)
    # Two decoders may round a JPEG differently, never by more than this.
    assert np.abs(shown - np.asarray(sub.images.get(trial))).max() <= 3

    captions = page.get_by_role("region", name="Captions")
    expect(captions.get_by_role("listitem")).to_have_text(sub.captions.human(trial))

    expect(page.locator(".view[data-masks]")).to_be_visible()
    session, row = sub.metadata.loc[trial, ["session", "session_trial"]]
    voxels = sub.get_betas(session, roi="PPA").astype(float)
    z = (voxels - voxels.mean(axis=0)) / voxels.std(axis=0)
    page.wait_for_function(
        "([roi, mean, find]) => Math.abs(new Map(eval(find)()).get(roi) - mean) < 1e-6",
        arg=["PPA", float(z[row].mean()), RESPONSES],
        timeout=PATIENCE,
    )


def test_masks_land_on_their_pixels_and_are_turned_on_and_off(open_trials, sub, tiny_home):
    trial = max(range(20), key=lambda t: len(sub.segmentations.nouns(t)))
    page = open_trials(tiny_home.settings, trial)
    wait_for_image(page, sub.metadata.loc[trial, "image_name"])
    objects = page.get_by_role("group", name="Objects")
    nouns = sub.segmentations.nouns(trial)
    expect(objects.get_by_role("button")).to_have_count(len(nouns))
    overlay = page.locator("canvas.masks")

    page.get_by_role("button", name="Outlines").click()
    everything = [
        sub.segmentations.get(trial, row.noun, row.instance_id) != 0
        for row in sub.segmentations.for_image(trial).itertuples()
    ]
    np.testing.assert_array_equal(pixels(overlay)[..., 3] == 255, np.logical_or.reduce(everything))
    for noun in nouns[1:]:
        objects.get_by_role("button", name=noun).click()
    rows = sub.segmentations.for_image(trial)
    instances = rows.loc[rows["noun"] == nouns[0], "instance_id"]
    only = np.logical_or.reduce([sub.segmentations.get(trial, nouns[0], i) != 0 for i in instances])
    np.testing.assert_array_equal(pixels(overlay)[..., 3] == 255, only)

    y, x = np.argwhere(only)[only.sum() // 2]
    box = page.get_by_role("img", name=re.compile("^Image ")).bounding_box()
    page.mouse.move(
        box["x"] + (x + 0.5) / 1000 * box["width"], box["y"] + (y + 0.5) / 1000 * box["height"]
    )
    expect(page.locator(".readout")).to_contain_text(nouns[0])
    page.get_by_label("Mask opacity").fill("20")
    expect(overlay).to_have_css("opacity", "0.2")


def test_steps_keys_and_the_number_field(open_trials, sub, tiny_home):
    names = sub.metadata["image_name"]
    page = open_trials(tiny_home.settings, 3)
    wait_for_image(page, names[3])
    page.get_by_role("button", name="Next", exact=True).click()
    wait_for_image(page, names[4])
    page.keyboard.press("ArrowLeft")
    wait_for_image(page, names[3])
    field = page.get_by_label("Trial", exact=True)
    field.fill("12")
    field.press("Enter")
    wait_for_image(page, names[12])


def test_without_images_masks_or_harmless_captions_the_page_goes_on(
    open_trials, sub, tiny_home, tmp_path
):
    data_dir = shutil.copytree(tiny_home.data_dir, tmp_path / "data")
    layout.local_path(data_dir, layout.STIMULI_IMAGES).unlink()
    path = layout.local_path(data_dir, layout.CAPTIONS)
    table = pd.read_csv(path)
    hostile = '<img src=x onerror="document.title=1">' + "long" * 2500
    table["caption"] = hostile
    table.to_csv(path, index=False)
    unique = int(np.flatnonzero(sub.metadata["unique_or_shared"] == "unique")[0])

    page = open_trials(Settings(data_dir=data_dir, bucket=tiny_home.settings.bucket), unique)
    expect(page.get_by_text("The image is not here")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Masks exist for shared images only")).to_be_visible()
    captions = page.get_by_role("region", name="Captions")
    expect(captions.get_by_role("listitem").first).to_have_text(hostile)
    assert captions.locator("img").count() == 0
    assert page.title() != "1"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
