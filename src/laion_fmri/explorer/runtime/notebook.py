"""The resources of the explorer in a notebook: sent once, nothing loaded from elsewhere.

Panel fetches its scripts from a content delivery network, or embeds a copy of all of Material
UI in every button. Here the page gets one copy of everything, automatically, when a view is
imported in a notebook.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
import pyviz_comms
from panel.io.resources import DIST_DIR
from panel.io.state import set_curdoc
from panel.reactive import Reactive
from panel_material_ui.base import BUNDLE_PATH, MaterialComponent
from pyviz_comms import Comm, JupyterComm, JupyterCommManager

from laion_fmri.explorer.assets import BrowserFiles, module_source

if TYPE_CHECKING:
    from bokeh.document import Document
    from bokeh.events import ModelEvent
    from bokeh.model import Model

# All notebooks in a browser tab share its `window`; kernels may have different versions.
_NAME = f"laion-fmri: Material UI {pmui.__version__}"
_PAGE = Path(__file__).with_name("notebook_page.js")
_IN_WIDGETS = ("vscode", "ipywidgets")

_THE_COPY = f"""
const name = {json.dumps(_NAME)}
while (!window[name]) await new Promise((done) => setTimeout(done, 50))
const material = await import(await window[name])
export default material.default
"""

# The question mark keeps pmui from appending one, as it does to URLs.
_ICON_STYLE = """/* ? */
.material-icons {
  font: normal 24px/1 "Material Icons";
  letter-spacing: normal; text-transform: none; white-space: nowrap; direction: ltr;
  display: inline-block; -webkit-font-smoothing: antialiased; font-feature-settings: "liga";
}
"""


def prepare() -> None:
    """Send the resources to the page; does nothing outside a notebook, or the second time."""
    if _is_in_notebook():
        _prepare()


def _is_in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None


@functools.cache
def _prepare() -> None:
    from IPython.display import publish_display_data

    if not pn.extension._loaded:
        pn.extension(inline=True)
    pn.config.inline = True  # type: ignore[misc]
    _share_material()
    _keep_documents_apart()
    keep_printed_text()
    JupyterCommManager.server_comm = OrderlyComm
    if pn.config.comms in _IN_WIDGETS:
        _send_to_widgets()
    publish_display_data({"application/javascript": page_script()})


def page_script() -> str:
    """Return a script with all resources that the explorer's views need in the page."""
    font = next(Path(BUNDLE_PATH).parent.glob("material-icons-[!o]*.woff2"))
    given = {
        "name": _NAME,
        "script": _text(gzip.compress(Path(BUNDLE_PATH).read_bytes(), mtime=0)),
        "font": "Material Icons",
        "icons": _text(font.read_bytes()),
        "styles": {
            path.relative_to(DIST_DIR).as_posix(): path.read_text(encoding="utf-8")
            for folder in ("css", "bundled/theme")
            for path in sorted((DIST_DIR / folder).glob("*.css"))
        },
        "plots": module_source(BrowserFiles.plots),
    }
    return f"({_PAGE.read_text(encoding='utf-8')})({json.dumps(given)})"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _share_material() -> None:
    """Make Material components drawn in a notebook use the page's single copy."""
    make_own = MaterialComponent._get_model

    @functools.wraps(make_own)
    def make(
        self: MaterialComponent,
        doc: Document,
        root: Model | None = None,
        parent: Model | None = None,
        comm: Any = None,
    ) -> Model:
        model = make_own(self, doc, root, parent, comm)
        if model.bundle and _is_for_notebook(doc, comm):
            model.update(esm=_THE_COPY, css_bundle=_ICON_STYLE)
        return model

    MaterialComponent._get_model = make  # type: ignore[method-assign]


def _keep_documents_apart() -> None:
    """Make each model use style sheets of its own document.

    Every cell is a document. If a click in one cell changes what another displays, Panel would
    use those of the clicked cell, and fail.
    """
    make_own = Reactive._get_properties

    @functools.wraps(make_own)
    def make(self: Reactive, doc: Document | None) -> dict[str, Any]:
        with set_curdoc(doc):
            return make_own(self, doc)

    Reactive._get_properties = make  # type: ignore[method-assign]


def _send_to_widgets() -> None:
    """Deliver messages to views that are widgets; Panel sends theirs to a hidden document."""
    send_own = Reactive._send_event

    @functools.wraps(send_own)
    def send(self: Reactive, Event: type[ModelEvent], **content: Any) -> None:  # noqa: N803
        send_own(self, Event, **content)
        for model, _ in self._models.copy().values():
            if model.document is not None and model.document.session_context is None:
                model.document.callbacks.send_event(Event(model=model, **content))

    Reactive._send_event = send  # type: ignore[method-assign]


class _NoCapture(list[str]):
    """Takes the place of `pyviz_comms.StandardOutput`, and leaves ``sys.stdout`` alone."""

    def __enter__(self) -> _NoCapture:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def keep_printed_text() -> None:
    """Let cells print while events of a page are handled.

    JupyterLab handles events of a page in a thread beside the cells. pyviz_comms replaces
    ``sys.stdout`` during each event, so that a cell that prints meanwhile loses its text, and two
    events at once can leave it replaced.
    """
    pyviz_comms.StandardOutput = _NoCapture


class OrderlyComm(JupyterComm):
    """Sends the messages from before the page was ready first.

    Panel retries them after a while, so that newer messages would overtake them.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._comm: Any = _Unopened()

    def init(self) -> None:
        """Open the channel."""
        before = self._comm
        super().init()
        if isinstance(before, _Unopened):
            for message in before.messages:
                self._comm.send(**message)


class _Unopened:
    """Placeholder for a channel that the page has not requested yet."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def send(self, data: Any, metadata: Any = None, buffers: Any = None) -> None:
        self.messages.append({"data": data, "metadata": metadata, "buffers": buffers})

    def close(self) -> None:
        self.messages.clear()


def _is_for_notebook(doc: Document, comm: Any) -> bool:
    """Whether a model is created for a notebook page, not for a server or a saved file."""
    if doc.session_context is not None:
        return False
    if comm is None:
        return pn.config.comms in _IN_WIDGETS
    return type(comm) is not Comm  # Panel saves files with a bare one, which is not connected
