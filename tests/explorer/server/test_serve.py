"""What a server does beside its pages."""

from __future__ import annotations

import threading
import weakref
from collections import Counter

import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document
from bokeh.io.doc import patch_curdoc
from bokeh.models import ImportedStyleSheet
from bokeh.server.contexts import BokehSessionContext, _RequestProxy
from panel.io.state import state

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.visitor import Policy
from laion_fmri.explorer.server.serve import MOST_OF_ONE, Pages, warm_up

HERE = "static/extensions/panel/"


def test_warming_up_leaves_the_page_alone_that_is_made_meanwhile(tiny_home):
    page = Document()
    session = BokehSessionContext("a page", None, page)  # type: ignore[arg-type]
    session._request = _RequestProxy(None, arguments={}, cookies={}, headers={})  # type: ignore[arg-type]
    page._session_context = weakref.ref(session)
    page.template_variables["dist_url"] = HERE
    with patch_curdoc(page):  # as while it is made or answers; it is so for every thread
        column = pn.Column("something").get_root(page)
        state._stylesheets[page] = styles = {
            s.url: s for s in column.select({"type": ImportedStyleSheet})
        }
        before = {sheet.id: sheet.url for sheet in styles.values()}
        assert before and all(url.startswith(HERE) for url in before.values())
        warming = threading.Thread(target=warm_up, args=(ExplorerData(tiny_home.settings),))
        warming.start()
        warming.join()
    known = state._stylesheets[page].values()
    assert {sheet.id: sheet.url for sheet in known} == before
    assert page not in state._thread_id_  # nor was its thread taken for the page


def test_nobody_takes_the_room_of_all(tiny_home, monkeypatch):
    pages = Pages(ExplorerData(tiny_home.settings), Policy(True, True, "olga"))
    monkeypatch.setattr(Pages, "_of_user", Counter({"": MOST_OF_ONE, "olga": 1}))
    said = " ".join(str(part.object) for part in pages.open().select(pn.pane.Str))
    assert f"{MOST_OF_ONE} pages open" in said
    monkeypatch.setattr(Pages, "_of_user", Counter({"victor": MOST_OF_ONE}))
    assert isinstance(pages.open(), pmui.Page)
