from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import panel as pn
import pytest
from bokeh.palettes import Inferno256
from PIL import Image
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from laion_fmri.explorer.brain.surface_view import RoiLayer, SurfaceView

pytestmark = pytest.mark.browser

READY = ".view[data-state=ready]"
COUNT_GPU_OBJECTS = """
window.gpuObjects = 0
window.contexts = []
for (const kind of ["Texture", "Buffer", "VertexArray"]) {
  const make = WebGL2RenderingContext.prototype["create" + kind]
  const free = WebGL2RenderingContext.prototype["delete" + kind]
  WebGL2RenderingContext.prototype["create" + kind] = function () {
    window.gpuObjects++
    return make.call(this)
  }
  WebGL2RenderingContext.prototype["delete" + kind] = function (made) {
    if (made) window.gpuObjects--
    return free.call(this, made)
  }
}
const getContext = HTMLCanvasElement.prototype.getContext
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  const context = getContext.call(this, kind, ...rest)
  if (kind === "webgl2" && context) window.contexts.push(context)
  return context
}
"""


def sphere(centre_x: float, subdivisions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """An icosphere of 40 mm radius: points (n, 3), triangles (m, 3) wound outwards."""
    golden = (1 + 5**0.5) / 2
    corners = [np.array([a, b * golden, 0.0]) for a in (-1, 1) for b in (-1, 1)]
    points = np.array([np.roll(corner, k) for k in range(3) for corner in corners])
    near = np.isclose(np.linalg.norm(points[:, None] - points, axis=2), 2)
    triangles = np.array(
        [t for t in combinations(range(12), 3) if all(near[p] for p in combinations(t, 2))]
    )
    for _ in range(subdivisions):
        a, b, c = triangles.T
        edges, numbers = np.unique(
            np.sort(np.concatenate([np.c_[a, b], np.c_[b, c], np.c_[c, a]]), axis=1),
            axis=0,
            return_inverse=True,
        )
        ab, bc, ca = numbers.reshape(3, -1) + len(points)
        points = np.concatenate([points, points[edges].mean(axis=1)])
        triangles = np.concatenate(
            [np.c_[a, ab, ca], np.c_[ab, b, bc], np.c_[ca, bc, c], np.c_[ab, bc, ca]]
        )
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    inwards = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
    triangles[inwards] = triangles[inwards][:, ::-1]
    return points * 40 + [centre_x, 0, 0], triangles


MESHES = {"L": sphere(-30.0), "R": sphere(30.0)}
N = len(MESHES["L"][0])
# The vertices that look at the reader in the posterior view.
FACING = {side: int(points[:, 1].argmin()) for side, (points, _) in MESHES.items()}


def filled(**params: Any) -> SurfaceView:
    view = SurfaceView(view="posterior", height=700, **params)
    view.set_surface(MESHES, spread=True)
    left = np.linspace(5, 95, N)
    left[FACING["L"]] = 60
    view.set_map(
        {"L": left, "R": np.full(N, np.nan)}, name="Test map", units="%", lower=0, upper=100
    )
    return view


class Shown:
    """A view in a page: what a test looks at and clicks on."""

    def __init__(self, page: Page, views: list[SurfaceView]) -> None:
        self.page, self.views = page, views
        self.root = page.locator(".view").first
        self.canvas = self.root.locator(".stage canvas")

    @property
    def view(self) -> SurfaceView:
        return self.views[-1]

    def ready(self) -> Shown:
        expect(self.root).to_have_attribute("data-state", "ready", timeout=20_000)
        return self

    def place(self, side: str, vertex: int) -> dict[str, float]:
        return self.root.evaluate("(e, at) => e.projectVertex(...at)", [side, vertex])

    def pixels(self) -> np.ndarray:
        shot = Image.open(io.BytesIO(self.canvas.screenshot())).convert("RGB")
        return np.asarray(shot).astype(int)

    def colour(self, side: str, vertex: int) -> np.ndarray:
        at = self.place(side, vertex)
        assert at["visible"]
        return self.pixels()[round(at["y"]), round(at["x"])]

    def differs(self, before: np.ndarray) -> bool:
        """Whether more than its edges (smoothed once it rests) look otherwise."""
        return (np.abs(self.pixels() - before).max(axis=2) > 40).sum() > 3000

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=name)


@pytest.fixture
def show(page: Page, serve_app: Callable[..., str]) -> Callable[..., Shown]:
    def show(make: Callable[[], SurfaceView] = filled, path: str = "", **options: Any) -> Shown:
        views: list[SurfaceView] = []

        def factory() -> Any:
            views.append(make())
            return pn.Column(views[-1], sizing_mode="stretch_width")

        page.goto(serve_app(factory, **options) + path)
        return Shown(page, views)

    return show


def until(condition: Callable[[], bool], page: Page, seconds: float = 5) -> None:
    """Let the page live until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        page.wait_for_timeout(20)


def is_grey(colour: np.ndarray) -> bool:
    return int(np.ptp(colour)) < 14


def palette_colour(fraction: float) -> np.ndarray:
    text = Inferno256[round(fraction * 255)]
    return np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)])


def test_it_shows_a_map_on_one_hemisphere_and_leaves_nan_bare(show):
    shown = show().ready()

    expect(shown.root).to_have_attribute("data-map", "Test map")
    assert not is_grey(shown.colour("L", FACING["L"]))
    assert is_grey(shown.colour("R", FACING["R"]))


def test_colours_are_those_of_the_scale_and_the_threshold_is_sharp(show):
    def make() -> SurfaceView:
        view = filled()
        view.set_map(
            {"L": np.full(N, 39.99), "R": np.full(N, 40.01)}, units="%", lower=40, upper=80
        )
        return view

    shown = show(make).ready()

    assert is_grey(shown.colour("L", FACING["L"]))
    np.testing.assert_allclose(shown.colour("R", FACING["R"]), palette_colour(0.5), atol=10)


def test_a_symmetric_map_has_its_middle_at_zero(show):
    def make() -> SurfaceView:
        view = filled()
        view.set_map(
            {"L": np.full(N, -3.0), "R": np.full(N, 3.0)},
            units="z",
            symmetric=True,
            colormap="blue-white-red",
        )
        return view

    shown = show(make).ready()
    left, right = (shown.colour(side, FACING[side]) for side in "LR")

    assert left[2] > left[0] + 40
    assert right[0] > right[2] + 40


def test_dragging_the_threshold_stays_in_the_browser_until_it_is_released(show, page):
    sent: list[object] = []

    def note(frame: object) -> None:
        sent.append(frame)

    page.on("websocket", lambda socket: socket.on("framesent", note))
    shown = show().ready()
    page.wait_for_load_state("networkidle")
    box = shown.slider("Threshold (%)").bounding_box()
    before, frames = shown.pixels(), len(sent)

    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    for part in (0.2, 0.4, 0.6):
        page.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2)
    until(lambda: shown.differs(before), page)

    assert len(sent) == frames
    assert shown.view.lower == 0
    page.mouse.up()
    until(lambda: shown.view.lower == pytest.approx(60, abs=3), page)


def test_a_click_picks_the_vertex_under_it(show):
    def make() -> SurfaceView:
        view = filled()
        mask = np.arange(N) == FACING["L"]
        view.set_rois([RoiLayer("FFA1", "#33cc66", {"L": mask, "R": np.zeros(N, bool)})])
        return view

    shown = show(make).ready()
    at = shown.place("L", FACING["L"])
    shown.canvas.click(position={"x": at["x"], "y": at["y"]})
    until(lambda: shown.view.picked is not None, shown.page)

    picked = shown.view.picked
    assert (picked["hemisphere"], picked["vertex"]) == ("L", FACING["L"])
    assert picked["value"] == pytest.approx(60)
    np.testing.assert_allclose(
        [picked["x"], picked["y"], picked["z"]], MESHES["L"][0][FACING["L"]], atol=1e-4
    )
    expect(shown.root.locator(".readout")).to_have_text(
        f"left hemisphere, vertex {FACING['L']}, 60.0 %, ROI FFA1"
    )


def test_a_click_on_a_vertex_without_value_and_a_drag(show):
    shown = show().ready()
    at = shown.place("R", FACING["R"])
    shown.page.mouse.move(0, 0)
    box = shown.canvas.bounding_box()
    shown.page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
    before = shown.pixels()
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + at["x"] + 60, box["y"] + at["y"], steps=4)
    shown.page.mouse.up()
    until(lambda: shown.differs(before), shown.page)
    assert shown.view.picked is None

    at = shown.place("R", FACING["R"])
    shown.canvas.click(position={"x": at["x"], "y": at["y"]})
    until(lambda: shown.view.picked is not None, shown.page)
    assert shown.view.picked["hemisphere"] == "R"
    assert shown.view.picked["value"] is None


def test_python_moves_the_marker_the_bounds_and_the_view(show):
    shown = show().ready()

    shown.view.select_vertex("L", FACING["L"])
    expect(shown.root.locator(".readout")).to_contain_text(f"vertex {FACING['L']}, 60.0 %")
    at = shown.place("L", FACING["L"])
    until(lambda: shown.pixels()[round(at["y"]), round(at["x"]) + 7].min() > 230, shown.page)
    shown.view.lower = 55
    expect(shown.slider("Threshold (%)")).to_have_value("55")
    shown.view.view = "dorsal"
    expect(shown.root.get_by_role("button", name="Dorsal")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_choices_made_in_the_page_reach_python(show):
    shown = show().ready()
    before = shown.pixels()

    shown.root.get_by_label("Colour map").select_option("viridis")
    until(lambda: shown.view.colormap == "viridis", shown.page)
    until(lambda: shown.differs(before), shown.page)
    shown.root.get_by_role("button", name="Lateral right").click()
    until(lambda: shown.view.view == "lateral right", shown.page)
    shown.slider("Upper bound (%)").fill("50")
    until(lambda: shown.view.upper == 50, shown.page)


def test_arrow_keys_turn_the_brain(show):
    shown = show().ready()
    before = shown.place("L", FACING["L"])

    shown.canvas.focus()
    shown.page.keyboard.press("ArrowRight")

    assert abs(shown.place("L", FACING["L"])["x"] - before["x"]) > 2


def test_another_cortex_replaces_map_labels_and_marker(show):
    shown = show().ready()
    shown.view.set_rois([RoiLayer("EBA", "#00ff00", {side: np.ones(N, bool) for side in "LR"})])
    shown.view.select_vertex("R", FACING["R"])
    expect(shown.root.locator(".legend")).to_have_text("EBA")

    shown.view.set_surface({"L": sphere(0.0, 3)})

    expect(shown.root.locator(".legend")).to_be_hidden()
    expect(shown.root.locator(".readout")).to_be_hidden()
    expect(shown.slider("Threshold (%)")).to_be_hidden()
    expect(shown.root).not_to_have_attribute("data-map", "Test map")
    assert is_grey(shown.pixels()[350, 700])


@pytest.mark.parametrize("style", ["outline", "fill"])
def test_labels_are_drawn_in_their_colours(show, style):
    def make() -> SurfaceView:
        view = filled(roi_style=style)
        near = np.linalg.norm(MESHES["R"][0] - MESHES["R"][0][FACING["R"]], axis=1) < 15
        view.set_rois([RoiLayer("EBA", "#00ff00", {"R": near})])
        return view

    shown = show(make).ready()
    green = shown.pixels()
    green[:, :200] = 0  # the legend
    green = (green[..., 1] > 150) & (green[..., 0] < 130) & (green[..., 2] < 130)
    at = shown.place("R", FACING["R"])

    assert green.sum() > 200
    assert green[round(at["y"]), round(at["x"])] == (style == "fill")
    # Its hemisphere alone, on the right of the posterior view.
    assert np.nonzero(green)[1].min() > green.shape[1] / 2
    expect(shown.root.locator(".legend")).to_have_text("EBA")


def test_the_picture_is_saved_with_its_colour_bar(show, tmp_path):
    shown = show().ready()

    with shown.page.expect_download() as download:
        shown.root.get_by_role("button", name="Save picture").click()
    path = tmp_path / "picture.png"
    download.value.save_as(path)

    assert download.value.suggested_filename == "Test_map_posterior.png"
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert picture.shape[1] >= 2000
    colourful = np.ptp(picture, axis=2) > 60
    assert colourful[: picture.shape[0] // 2].any()
    assert colourful[-100:].any()


def objects_at_rest(page: Page) -> int:
    """How many objects the graphics card holds once all that was asked for is drawn."""
    seen = [-1, page.evaluate("gpuObjects")]
    while seen[-1] != seen[-2]:
        page.wait_for_timeout(500)
        seen.append(page.evaluate("gpuObjects"))
    return seen[-1]


def test_many_maps_do_not_pile_up_on_the_graphics_card(show, page):
    page.add_init_script(COUNT_GPU_OBJECTS)
    shown = show().ready()
    mask = np.arange(N) < 200

    def change(name: str) -> None:
        shown.view.set_map({"L": np.random.default_rng(0).random(N)}, name=name)
        shown.view.set_rois([RoiLayer("V1", "#3399ff", {"L": mask})])
        shown.view.set_surface(MESHES, spread=True)
        expect(shown.root).to_have_attribute("data-map", name)

    change("first")
    before = objects_at_rest(page)
    for i in range(50):
        change(f"map {i}")

    assert objects_at_rest(page) <= before


def test_a_removed_view_gives_its_context_back(page, serve_app):
    page.add_init_script(COUNT_GPU_OBJECTS)
    layouts: list[pn.Column] = []

    def factory() -> pn.Column:
        layouts.append(pn.Column(filled()))
        return layouts[-1]

    page.goto(serve_app(factory))
    page.locator(READY).wait_for()
    layouts[-1].clear()

    page.wait_for_function("contexts.length && contexts.every((c) => c.isContextLost())")


def test_the_library_is_fetched_once_for_two_views_behind_a_prefix(page, serve_app):
    # Panel has its icon at the root only.
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(serve_app(lambda: pn.Column(filled(), filled()), prefix="/brains"))

    expect(page.locator(READY)).to_have_count(2, timeout=20_000)
    assert sum("three-" in url for url in fetched) == 1


def test_without_a_server_the_scripts_come_over_the_channel(show, page):
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))

    class Channelled(SurfaceView):
        def _get_properties(self, doc):
            properties = super()._get_properties(doc)
            properties["data"].modules = {}
            return properties

    def make() -> SurfaceView:
        view = Channelled(view="posterior")
        view.set_surface(MESHES)
        return view

    show(make).ready()
    assert not any("three-" in url for url in fetched)


def test_a_lost_context_is_told_and_comes_back(show, page):
    page.add_init_script(COUNT_GPU_OBJECTS)
    shown = show().ready()
    page.evaluate("window.loss = contexts.at(-1).getExtension('WEBGL_lose_context')")

    page.evaluate("loss.loseContext()")
    expect(shown.root).to_have_attribute("data-state", "lost")
    shown.view.lower = 30
    page.evaluate("loss.restoreContext()")
    shown.ready()
    assert not is_grey(shown.colour("L", FACING["L"]))
    expect(shown.slider("Threshold (%)")).to_have_value("30")


def test_before_there_is_a_surface_it_says_what_is_awaited(show):
    shown = show(SurfaceView)

    expect(shown.root).to_have_attribute("data-state", "empty")
    expect(shown.root.get_by_text("No surface yet")).to_be_visible()
    shown.view.set_surface({"L": MESHES["L"]})
    shown.ready()
    expect(shown.root.get_by_role("button", name="Medial left")).to_be_visible()
    expect(shown.root.get_by_role("button", name="Medial right")).to_be_hidden()
    expect(shown.slider("Threshold")).to_have_count(0)


def test_without_webgl_it_says_so(show, page):
    page.add_init_script(
        """const get = HTMLCanvasElement.prototype.getContext
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
          return kind === "webgl2" ? null : get.call(this, kind, ...rest)
        }"""
    )
    shown = show()

    expect(shown.root.get_by_text("This browser has no WebGL 2")).to_be_visible()


def test_the_theme_can_be_set_or_follows_the_page(show):
    shown = show().ready()
    light = shown.root.evaluate("e => e.classList.contains('dark')")
    shown.view.theme = "dark"
    expect(shown.root).to_have_class("view dark")
    shown.view.theme = "auto"
    expect(shown.root).to_have_class("view")
    shown.root.evaluate("e => { e.getRootNode().host.style.color = '#eeeeee' }")

    assert not light
    expect(shown.root).to_have_class("view dark")


def test_a_change_from_python_arrives_while_the_page_is_not_ready_yet(show, page):
    """The viewer can be drawn before the browser says that the whole page is ready."""
    held: list[str] = []
    release: list[Callable[[], None]] = []

    def hold_from_ready_on(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str) -> None:
            if held or "document_ready" in message:
                held.append(message)
            else:
                server.send(message)

        def let_go() -> None:
            for message in held:
                server.send(message)
            held.clear()

        socket.on_message(pass_on)
        release.append(let_go)

    page.route_web_socket("**/ws", hold_from_ready_on)
    shown = show().ready()
    until(lambda: bool(held), page)
    shown.view.theme = "dark"
    shown.view.lower = 50
    release[0]()

    expect(shown.root).to_have_class("view dark")
    expect(shown.slider("Threshold (%)")).to_have_value("50")


def test_names_are_text_wherever_the_viewer_shows_them(show, page):
    name = "<img src=x onerror='window.ran = true'><b>map</b>"

    def make() -> SurfaceView:
        view = filled(subject=name)
        everywhere = {side: np.full(N, 40.0) for side in "LR"}
        view.set_map(everywhere, name=name, explanation=name, units="%")
        view.set_rois([RoiLayer(name, "#00ff00", {side: np.ones(N, bool) for side in "LR"})])
        return view

    shown = show(make).ready()
    for part in (".owner", ".title", ".explanation", ".legend li"):
        expect(shown.root.locator(part)).to_have_text(name)
    place = shown.place("L", FACING["L"])
    shown.canvas.click(position={"x": place["x"], "y": place["y"]})
    expect(shown.root.locator(".readout")).to_contain_text(name)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    assert re.fullmatch(r"[\w.-]+\.png", download.value.suggested_filename)
    assert shown.root.locator("img, .title b, .legend b").count() == 0
    assert page.evaluate("window.ran") is None


def test_an_outline_encloses_exactly_the_labels_vertices(show):
    """Between any two neighbours of which one is inside, the ribbon passes; nowhere else."""
    shown = show().ready()
    points, triangles = MESHES["L"]
    inside = np.linalg.norm(points - points[FACING["L"]], axis=1) < 14
    inside[int(points[:, 2].argmax())] = True
    address = shown.view._models[next(iter(shown.view._models))][0].data.modules["geometry"]
    ribbon = shown.page.evaluate(
        """async ([path, points, triangles, inside]) => {
          const module = await import(new URL(path, document.baseURI).href)
          const member = (vertex) => inside[vertex]
          return module.outlineRibbon(points, triangles, member, 0.001, 0, triangles.length).points
        }""",
        [address, points.ravel().tolist(), triangles.ravel().tolist(), inside.tolist()],
    )
    line = np.array(ribbon).reshape(-1, 3)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    crossed = inside[edges[:, 0]] != inside[edges[:, 1]]
    middles = points[edges].mean(axis=1)
    length = np.linalg.norm(np.diff(points[edges], axis=1)[:, 0], axis=1)
    away = np.linalg.norm(middles[:, None] - line[None], axis=2).min(axis=1) / length
    from_vertices = np.linalg.norm(points[:, None] - line[None], axis=2).min(axis=1)

    assert away[crossed].max() < 0.4
    assert from_vertices.min() > 0.2 * length.min()
