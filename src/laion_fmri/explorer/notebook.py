"""What a notebook's page needs to draw the explorer's parts: sent once, nothing from elsewhere.

Panel fetches its scripts from a content delivery network, or puts a copy of the whole of
Material UI into every button. Here the page gets one copy of everything, by itself, when
a part is imported in a notebook.
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
from panel.io.resources import DIST_DIR
from panel.io.state import set_curdoc
from panel.reactive import Reactive
from panel_material_ui.base import BUNDLE_PATH, MaterialComponent
from pyviz_comms import Comm, JupyterComm, JupyterCommManager

from laion_fmri.explorer.browser_files import BrowserFiles, module_source

if TYPE_CHECKING:
    from bokeh.document import Document
    from bokeh.events import ModelEvent
    from bokeh.model import Model

# Every notebook of a browser tab shares its `window`; kernels may have other versions.
_NAME = f"laion-fmri: Material UI {pmui.__version__}"
_PAGE = Path(__file__).with_name("components") / "notebook_page.js"
_IN_WIDGETS = ("vscode", "ipywidgets")

_THE_COPY = f"""
const name = {json.dumps(_NAME)}
while (!window[name]) await new Promise((done) => setTimeout(done, 50))
const material = await import(await window[name])
export default material.default
"""

# The question mark keeps pmui from appending one, as it would to an address.
_ICON_STYLE = """/* ? */
.material-icons {
  font: normal 24px/1 "Material Icons";
  letter-spacing: normal; text-transform: none; white-space: nowrap; direction: ltr;
  display: inline-block; -webkit-font-smoothing: antialiased; font-feature-settings: "liga";
}
"""


def prepare() -> None:
    """Give the page what it needs; does nothing outside a notebook, or the second time."""
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
    JupyterCommManager.server_comm = OrderlyComm
    if pn.config.comms in _IN_WIDGETS:
        _send_to_widgets()
    publish_display_data({"application/javascript": page_script()})


def page_script() -> str:
    """A script that gives the page what the explorer's parts need of it."""
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
    """Have Material components that a notebook draws use the page's one copy."""
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
    """Have a model take style sheets of its own document.

    Every cell is one. Where a click in one cell changes what another shows, Panel would take
    those of the cell that was clicked, and fail.
    """
    make_own = Reactive._get_properties

    @functools.wraps(make_own)
    def make(self: Reactive, doc: Document | None) -> dict[str, Any]:
        with set_curdoc(doc):
            return make_own(self, doc)

    Reactive._get_properties = make  # type: ignore[method-assign]


def _send_to_widgets() -> None:
    """Have messages reach views that are widgets; Panel sends theirs to a document unseen."""
    send_own = Reactive._send_event

    @functools.wraps(send_own)
    def send(self: Reactive, Event: type[ModelEvent], **content: Any) -> None:  # noqa: N803
        send_own(self, Event, **content)
        for model, _ in self._models.copy().values():
            if model.document is not None and model.document.session_context is None:
                model.document.callbacks.send_event(Event(model=model, **content))

    Reactive._send_event = send  # type: ignore[method-assign]


class OrderlyComm(JupyterComm):
    """Sends what was said before the page was ready first.

    Panel tries again after a while, and what is said meanwhile goes before it.
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
    """Stands for a channel that the page has not asked for yet."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def send(self, data: Any, metadata: Any = None, buffers: Any = None) -> None:
        self.messages.append({"data": data, "metadata": metadata, "buffers": buffers})

    def close(self) -> None:
        self.messages.clear()


def _is_for_notebook(doc: Document, comm: Any) -> bool:
    """Whether a model is made for the page of a notebook, not for a server or a saved file."""
    if doc.session_context is not None:
        return False
    if comm is None:
        return pn.config.comms in _IN_WIDGETS
    return type(comm) is not Comm  # with a bare one, which leads nowhere, Panel saves files
