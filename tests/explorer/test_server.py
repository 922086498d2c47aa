"""What a server does beside its pages."""

from __future__ import annotations

import threading
import weakref

import panel as pn
from bokeh.document import Document
from bokeh.io.doc import patch_curdoc
from bokeh.models import ImportedStyleSheet
from bokeh.server.contexts import BokehSessionContext, _RequestProxy
from panel.io.state import state

from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.server import warm_up

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
