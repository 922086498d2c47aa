"""The Brain tab in a browser: what is drawn, what a click says, what a choice changes."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable

import numpy as np
import panel as pn
import pytest
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, expect

from laion_fmri import maps
from laion_fmri.explorer import BrainView
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain.colours import roi_colours
from laion_fmri.explorer.brain.standalone_page import html_page
from laion_fmri.explorer.brain.tab import BrainTab
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.state import IN_THE_ADDRESS, ExplorerState

pytestmark = pytest.mark.browser
PATIENCE = 90_000  # ms; software drawing on a busy machine


@pytest.fixture
def data(tiny_home):
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def app(data) -> Callable[[], pn.Column]:
    """A page with the Brain tab alone, its state in the address."""

    def make() -> pn.Column:
        pn.extension()
        state = ExplorerState()
        pn.state.location.sync(state, list(IN_THE_ADDRESS))
        tab = BrainTab(state, data)
        tab.open()
        return pn.Column(tab, sizing_mode="stretch_both", min_height=860)

    return make


@pytest.fixture
def brain(page: Page, serve_app, app):
    page.goto(serve_app(app) + "?tab=Brain&subject=sub-01")
    wait_for_map(page, "Noise ceiling, 12 repeats")
    return page


def wait_for_map(page: Page, name: str) -> None:
    shown = page.locator(f'.view[data-state="ready"][data-map="{name}"]')
    expect(shown.first).to_be_visible(timeout=PATIENCE)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("listbox").get_by_text(option, exact=True).click()


def show(page: Page, panes: str) -> Locator:
    """Show "Surface", "Both" or "Slices"; returns the canvas of the slices."""
    button = page.get_by_role("button", name=panes, exact=True).first
    expect(button).to_be_visible(timeout=PATIENCE)
    button.click()
    return page.locator(".slices canvas").first


def picture_and_spots(
    canvas: Locator, points: np.ndarray, panel: int
) -> tuple[np.ndarray, np.ndarray]:
    """The slices' pixels (rows, columns, 3), and the row and column (n, 2) of each point in mm.

    The page gives both at once: the canvas may change its size between two questions.
    """
    found = canvas.evaluate(
        """(canvas, [points, panel]) => {
          const view = canvas.closest(".view")
          return {
            isDrawn: canvas.width === canvas.clientWidth && canvas.height === canvas.clientHeight,
            address: canvas.toDataURL(),
            spots: points.map((at) => view.placeInSlices(at, panel)).map(({ x, y }) => [y, x]),
          }
        }""",
        [np.asarray(points, dtype=float).tolist(), panel],
    )
    picture = Image.open(io.BytesIO(base64.b64decode(found["address"].partition(",")[2])))
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    spots = np.rint(found["spots"]).astype(int).reshape(-1, 2)
    return (pixels, spots) if found["isDrawn"] else (pixels[:0], spots)


def wait_for_picture(
    canvas: Locator,
    points: np.ndarray,
    panel: int,
    is_ready: Callable[[np.ndarray, np.ndarray], bool],
) -> None:
    """Wait until the slices show what `is_ready`, given pixels and spots, expects."""
    for _ in range(150):
        pixels, spots = picture_and_spots(canvas, points, panel)
        if len(pixels) and is_ready(pixels, spots):
            return
        canvas.page.wait_for_timeout(100)
    raise AssertionError("the slices never showed what was expected")


def test_subject_map_and_two_rois_are_chosen_and_a_known_vertex_read(brain: Page, data):
    choose(brain, "Subject", "sub-03")
    choose(brain, "Map", "Noise ceiling, 4 repeats")
    wait_for_map(brain, "Noise ceiling, 4 repeats")
    brain.get_by_role("combobox", name="ROI", exact=True).click()
    for roi in ("EBA", "V1v"):
        brain.get_by_role("listbox").get_by_text(roi, exact=True).click()
        expect(brain.locator(".legend").get_by_text(roi, exact=True)).to_be_visible(
            timeout=PATIENCE
        )
    brain.keyboard.press("Escape")
    expect(brain.get_by_role("listbox")).to_have_count(0)
    expect(brain).to_have_url(re.compile("sub-03"))

    sub = data.subject("sub-03")
    chosen = maps.find_map(maps.available_maps(sub), "Noise ceiling, 4 repeats")
    values = brain_data.map_on_surface(data, sub, chosen)["L"]
    roi = brain_data.rois_on_surface(data, sub)["EBA"]["L"]
    placed = brain.locator(".view").first.evaluate(
        "(view, all) => all.map(v => [v, view.projectVertex('L', v)])",
        np.flatnonzero(roi).tolist(),
    )
    vertex, spot = next((v, at) for v, at in placed if at["visible"])
    brain.locator(".stage canvas").first.click(position={"x": spot["x"], "y": spot["y"]})
    readout = brain.locator(".readout").first
    expect(readout).to_contain_text(f"vertex {vertex}, {values[vertex]:.1f} %", timeout=PATIENCE)
    expect(readout).to_contain_text("EBA")
    here = brain.get_by_text(f"left hemisphere, vertex {vertex}", exact=True)
    expect(here).to_be_visible(timeout=PATIENCE)
    expect(brain.get_by_role("table", name="Value in every map")).to_be_visible(timeout=PATIENCE)


def test_a_click_on_the_cortex_moves_the_slices_and_back(brain: Page, data):
    sub = data.subject("sub-01")
    canvas = show(brain, "Both")
    expect(canvas).to_be_visible(timeout=PATIENCE)
    points = brain_data.cortex_points(data, sub)["L"]
    view = brain.locator(".view").first
    placed = view.evaluate(
        "(view, all) => all.map(v => [v, view.projectVertex('L', v)])", list(range(0, 10242, 97))
    )
    vertex, spot = next((v, at) for v, at in placed if at["visible"])
    brain.locator(".stage canvas").first.click(position={"x": spot["x"], "y": spot["y"]})
    x, y, z = points[vertex]
    expect(brain.get_by_text(f"{x:.1f}, {y:.1f}, {z:.1f} mm".replace("-", "−"))).to_be_visible(
        timeout=PATIENCE
    )

    def has_crosshair(found: np.ndarray, spots: np.ndarray) -> bool:
        ((row, column),) = spots
        line = found[max(row - 2, 0) : row + 3, : column - 20]
        return bool((line[..., 2] - line[..., 0] > 60).any(axis=0).mean() > 0.5)

    wait_for_picture(canvas, np.array([[x, y, z]]), 0, has_crosshair)

    # A click in the slices at another vertex's place chooses it, or one as near.
    other = points[4000]
    at = view.evaluate("(v, at) => v.placeInSlices(...at)", [[float(v) for v in other], 2])
    canvas.click(position={"x": at["x"], "y": at["y"]})
    expect(brain.locator(".readout").first).to_contain_text("voxel", timeout=PATIENCE)
    expect(brain.get_by_text(re.compile(r"^voxel \d+ \d+ \d+$"))).to_be_visible(timeout=PATIENCE)


def test_left_is_left_and_the_threshold_cuts_on_the_right_side(page: Page, serve_app, data):
    """Values at the threshold are drawn, those below are not; left lies on the left."""
    sub = data.subject("sub-01")
    coordinates = sub.get_voxel_coordinates()
    views: list[BrainView] = []

    def make() -> BrainView:
        views.append(BrainView("sub-01", data=data))
        views[-1].add_map(np.where(coordinates[:, 0] < 0, 40.0, 39.0), name="left", units="%")
        return views[-1]

    page.goto(serve_app(make))
    wait_for_map(page, "left")
    canvas = show(page, "Slices")
    views[-1].view.param.update(lower=40.0, upper=80.0)
    expect(page.get_by_role("slider", name="Threshold (%)")).to_have_value("40", timeout=PATIENCE)
    view = page.locator(".view").first
    centre = view.evaluate("v => v.crosshairNow()")
    near = coordinates[np.abs(coordinates[:, 1] - centre[1]) < 3]
    near = near[(np.abs(near[:, 0]) > 4) & (np.abs(near[:, 0] - centre[0]) > 6)]
    near = near[np.abs(near[:, 2] - centre[2]) > 6]

    def is_right(found: np.ndarray, spots: np.ndarray) -> bool:
        coloured = np.ptp(found[tuple(spots.T)], axis=1) > 60
        return bool((coloured == (near[:, 0] < 0)).all())

    assert len(near) > 10
    wait_for_picture(canvas, near, 1, is_right)


@pytest.mark.parametrize("style", ["outline", "fill"])
def test_an_roi_is_drawn_on_its_voxels(page: Page, serve_app, data, style):
    sub = data.subject("sub-01")
    points = sub.get_voxel_coordinates()
    inside = points[sub.get_roi_mask("laionEVC")]
    centre = inside[np.argmin(((inside - inside.mean(axis=0)) ** 2).sum(axis=1))]
    size = float(np.linalg.norm(brain_data.volume_grid(data, sub).affine[:3, 0]))
    views: list[BrainView] = []

    def make() -> BrainView:
        views.append(BrainView("sub-01", data=data, rois=["laionEVC"]))
        views[-1].picker.style = style
        return views[-1]

    page.goto(serve_app(make))
    wait_for_map(page, "Noise ceiling, 12 repeats")
    canvas = show(page, "Slices")
    x, y, z = (float(v) for v in centre)
    views[-1].view.param.update(opacity=0.0, crosshair={"x": x, "y": y, "z": z, "source": "volume"})
    text = roi_colours(list(brain_data.rois_on_surface(data, sub)))["laionEVC"]
    colour = np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)])

    def drawn(found: np.ndarray) -> np.ndarray:
        hue, wanted = found - found.mean(axis=2, keepdims=True), colour - colour.mean()
        alike = (hue @ wanted) / np.maximum(np.linalg.norm(hue, axis=2) * np.linalg.norm(wanted), 1)
        return (alike > 0.97) & (np.ptp(found, axis=2) > 40)

    same = points[np.abs(points[:, 2] - z) < size / 4]
    away = np.abs(same[:, None] - inside[None]).max(axis=2).min(axis=1)
    asked = [same[away < size / 4], same[away > 1.5 * size]]
    # Away from the crosshair, which is drawn over everything.
    asked = [at[(np.abs(at[:, :2] - centre[:2]) > size / 2).all(axis=1)] for at in asked]

    def is_right(found: np.ndarray, spots: np.ndarray) -> bool:
        is_drawn = drawn(found)
        members, others = np.split(is_drawn[tuple(spots.T)], [len(asked[0])])
        enough = members.all() if style == "fill" else is_drawn.sum() > 30 and not members.all()
        return bool(enough and not others.any())

    assert all(len(at) for at in asked)
    wait_for_picture(canvas, np.concatenate(asked), 2, is_right)


def test_the_cortex_turns_into_another_shape(brain: Page):
    view = brain.locator(".view").first
    before = view.evaluate("v => v.projectVertex('L', 5000)")
    brain.get_by_role("button", name="White", exact=True).click()
    expect(view).to_have_attribute("data-shape", "white", timeout=PATIENCE)
    after = view.evaluate("v => v.projectVertex('L', 5000)")
    assert np.hypot(after["x"] - before["x"], after["y"] - before["y"]) > 2
    slider = brain.get_by_role("slider", name="Shape of the cortex")
    slider.fill("0.5")
    expect(view).to_have_attribute("data-shape", "between", timeout=PATIENCE)
    between = view.evaluate("v => v.projectVertex('L', 5000)")
    assert between != after
    brain.get_by_role("button", name="Flat", exact=True).click()
    expect(view).to_have_attribute("data-shape", "flat", timeout=PATIENCE)
    expect(brain.get_by_role("button", name="Dorsal")).to_have_attribute("aria-pressed", "true")
    # There is no other side of a patch that lies flat.
    expect(brain.locator(".views button").filter(visible=True)).to_have_text(["Dorsal"])
    brain.get_by_role("button", name="Sphere", exact=True).click()
    expect(view).to_have_attribute("data-shape", "sphere", timeout=PATIENCE)
    expect(brain.locator(".views button").filter(visible=True)).to_have_count(8)


def test_what_drives_a_place_is_shown_with_pictures(brain: Page):
    brain.locator(".stage canvas").first.click()
    brain.get_by_role("tab", name="What drives it").click()
    cards = brain.locator("button.tile")
    expect(cards.first).to_be_visible(timeout=PATIENCE)
    assert brain.locator(".tile img").count() == cards.count()
    cards.first.click()
    expect(brain).to_have_url(re.compile("tab=Trials"), timeout=PATIENCE)


def test_what_is_seen_is_saved_at_print_resolution_and_files_are_kept(brain: Page, tmp_path):
    show(brain, "Both")
    expect(brain.locator(".slices .letters span").first).to_be_visible(timeout=PATIENCE)
    with brain.expect_download(timeout=PATIENCE) as download:
        brain.get_by_role("button", name="Save picture").first.click()
    path = tmp_path / "picture.png"
    download.value.save_as(path)
    seen = "sub-01_Noise_ceiling_12_repeats_lateral_left.png"
    assert download.value.suggested_filename == seen
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert picture.shape[1] >= 3000
    coloured = np.ptp(picture, axis=2) > 60
    thirds = np.array_split(coloured, 3)
    assert all(part.sum() > 500 for part in thirds)
    assert coloured[-200:].any()  # the colour bar

    # Files asked for one right after the other are all kept.
    name = "sub-01_Noise_ceiling_12_repeats"
    files = {f"{name}_montage.png", f"{name}.nii.gz", f"{name}_hemi-L_space-fsnative.func.gii"}
    kept: set[str] = set()

    def is_last(download: Download) -> bool:
        kept.add(download.suggested_filename)
        return kept == files

    brain.get_by_role("button", name="Export").click()
    with brain.expect_download(is_last, timeout=PATIENCE):
        for label in ("Montage for a paper", "Map as NIfTI", "Map as GIfTI, left"):
            brain.get_by_role("button", name=label).click()
    expect(brain.get_by_text("in progress")).to_have_count(0)


def test_the_page_of_its_own_needs_no_server(browser: Browser, data, tmp_path):
    view = BrainView("sub-01", data=data, rois=["face"])
    view.view.wanted_shapes = ["pial"]
    file = tmp_path / "brain.html"
    file.write_bytes(html_page(view.view, "Brain"))
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None
    )
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "blob:", "data:")) else problems.append(r.url),
    )
    page.goto(file.as_uri())
    wait_for_map(page, "Noise ceiling, 12 repeats")
    page.get_by_role("button", name="Pial", exact=True).click()
    expect(page.locator(".view").first).to_have_attribute("data-shape", "pial", timeout=PATIENCE)
    page.locator(".stage canvas").first.click()
    expect(page.locator(".readout").first).to_contain_text("vertex", timeout=PATIENCE)
    show(page, "Slices")
    expect(page.locator(".slices .letters span").first).to_be_visible(timeout=PATIENCE)
    context.close()
    assert not problems


def test_rois_of_the_address_are_drawn_and_listed(page: Page, serve_app, app, data):
    rois = json.dumps(["face"])
    page.goto(serve_app(app) + f"?tab=Brain&subject=sub-01&rois={rois}")
    wait_for_map(page, "Noise ceiling, 12 repeats")
    for name in data.subject("sub-01").get_available_rois("face"):
        expect(page.locator(".legend").get_by_text(name, exact=True)).to_be_visible(
            timeout=PATIENCE
        )


def test_compared_brains_are_turned_cut_and_seen_together(page: Page, serve_app, data):
    views: list[BrainView] = []

    def make() -> BrainView:
        views.append(BrainView("sub-01", data=data, rois=["face"], space="fsaverage"))
        views[-1].param.update(compare="Noise ceiling, 4 repeats", compare_subject="sub-03")
        return views[-1]

    page.goto(serve_app(make))
    ready = page.locator('.view[data-state="ready"]')
    expect(ready).to_have_count(2, timeout=PATIENCE)
    first, second = ready.nth(0), ready.nth(1)
    expect(first.locator(".owner")).to_have_text("sub-01 on fsaverage")
    expect(second.locator(".owner")).to_have_text("sub-03 on fsaverage")

    # What a script has set is what the controls say, also while they are folded.
    page.get_by_role("button", name="Cortex and slices").click()
    expect(page.get_by_role("combobox", name="Cortex", exact=True)).to_have_text("fsaverage")
    page.get_by_role("button", name="Compare", exact=True).click()
    compared = page.get_by_role("combobox", name="Compare with map", exact=True)
    expect(compared).to_have_text("Noise ceiling, 4 repeats")
    views[-1].map = "Noise ceiling, ses-02"
    expect(page.get_by_role("combobox", name="Map", exact=True)).to_have_text(
        "Noise ceiling, ses-02"
    )

    # Escape closes its menu while the field to search in has the focus.
    compared.click()
    page.get_by_placeholder("Search").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)

    where = "v => v.projectVertex('L', 700).x - v.querySelector('canvas').clientWidth / 2"
    before = second.evaluate(where)
    page.locator(".stage canvas").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    after = second.evaluate(where)
    assert abs(after - before) > 3
    assert first.evaluate(where) == pytest.approx(after, abs=2)
    second.get_by_role("button", name="Posterior").click()
    posterior = first.get_by_role("button", name="Posterior")
    expect(posterior).to_have_attribute("aria-pressed", "true")
    # Of quick clicks in both, the last one counts, while Python still answers earlier ones.
    clicks = [
        view.get_by_role("button", name=name, exact=True).element_handle()
        for name in ("Dorsal", "Ventral", "Anterior", "Posterior")
        for view in (first, second)
    ]
    page.evaluate(
        """async (buttons) => {
          for (const button of buttons) {
            button.click()
            await new Promise((resolve) => setTimeout(resolve, 15))
          }
        }""",
        clicks,
    )
    for _ in range(100):
        if views[-1].view.view == "posterior":
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)
    for view in (first, second):
        expect(view.get_by_role("button", name="Posterior")).to_have_attribute(
            "aria-pressed", "true"
        )
    assert [view.view for view in views[-1].stage.views] == ["posterior"] * 2
    thresholds = page.get_by_role("slider", name="Threshold (%)")
    thresholds.nth(1).fill("33")
    expect(thresholds.nth(0)).to_have_value("33")
    expect(first.locator(".sides span")).to_have_text(["Left", "Right"])

    page.get_by_role("switch", name="Link both brains").click()
    for view in (first, second):
        expect(view).to_have_attribute("data-linked", "false", timeout=PATIENCE)
    first.get_by_role("button", name="Anterior").click()
    thresholds.nth(0).fill("12")
    expect(first.get_by_role("button", name="Anterior")).to_have_attribute("aria-pressed", "true")
    expect(second.get_by_role("button", name="Posterior")).to_have_attribute("aria-pressed", "true")
    expect(thresholds.nth(1)).to_have_value("33")
    # Seen from the front, left is on the right.
    sides = first.locator(".sides span")
    places = {sides.nth(k).inner_text(): sides.nth(k).bounding_box()["x"] for k in range(2)}
    assert places["Right"] < places["Left"]


def test_a_link_shows_what_was_seen(brain: Page, browser: Browser):
    view = brain.locator(".view").first
    brain.get_by_role("button", name="Pial", exact=True).click()
    brain.get_by_role("button", name="Posterior", exact=True).click()
    brain.locator(".stage canvas").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "+"):
        brain.keyboard.press(key)
    brain.get_by_role("slider", name="Threshold (%)").fill("25")
    show(brain, "Both")
    for said in ("camera", "shape%3Dpial", "lower%3D25", "panes%3Dboth"):
        expect(brain).to_have_url(re.compile(said), timeout=PATIENCE)
    where = "v => ['L', 'R'].flatMap(s => Object.values(v.projectVertex(s, 700)).slice(0, 2))"
    expected = view.evaluate(where)

    other = browser.new_page(viewport={"width": 1400, "height": 900})
    other.goto(brain.url)
    wait_for_map(other, "Noise ceiling, 12 repeats")
    seen = other.locator(".view").first
    expect(seen).to_have_attribute("data-shape", "pial", timeout=PATIENCE)
    expect(seen).to_have_attribute("data-panes", "both", timeout=PATIENCE)
    expect(other.get_by_role("slider", name="Threshold (%)")).to_have_value("25")
    assert seen.evaluate(where) == pytest.approx(expected, abs=4)
    other.close()


def test_the_threshold_is_a_control_with_a_name(brain: Page):
    threshold = brain.get_by_role("slider", name="Threshold (%)")
    threshold.focus()
    before = float(threshold.input_value())
    threshold.press("ArrowRight")
    assert float(threshold.input_value()) > before


def test_a_click_leaves_the_brain_as_large_as_it_was(brain: Page):
    view = brain.locator(".view").first
    before = view.bounding_box()
    brain.locator(".stage canvas").first.click()
    expect(brain.get_by_role("table", name="Value in every map")).to_be_visible(timeout=PATIENCE)
    assert view.bounding_box() == before
