"""Changes that Panel put aside and forgot reach the page nevertheless, and small ones at once."""

from __future__ import annotations

import asyncio
import socket

import panel as pn
import panel_material_ui as pmui
from panel.io import document
from panel.io.state import set_curdoc
from web_page import WebPage, fetch

from laion_fmri.explorer.page import ExplorerPage
from laion_fmri.explorer.server.serve import require_free_port


def test_a_change_that_was_put_aside_and_forgotten_is_sent():
    port = require_free_port(0)
    docs = []

    def page():
        button = pmui.Button(label="before")
        docs.append((pn.state.curdoc, button))
        return ExplorerPage(title="x", main=[button])

    def change_and_forget() -> None:
        doc, button = docs[-1]
        document._WRITE_BLOCK[doc] = True  # a message is being written just now
        with set_curdoc(doc):
            button.label = "after"
        assert doc in document._WRITE_MSGS
        del document._WRITE_BLOCK[doc]  # it was written before the next one's turn came

    async def look() -> None:
        address = f"http://127.0.0.1:{port}/"
        for _ in range(100):
            try:
                await fetch(f"{address}favicon.ico")
                break
            except OSError:
                await asyncio.sleep(0.1)
        shown = await WebPage(address).open()
        assert "before" in shown.buttons().values()
        session = docs[-1][0].session_context.session
        for connection in session._subscribed_connections:
            sent_on = connection._socket.ws_connection.stream.socket
            assert sent_on.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert session.connection_count == 1
        docs[-1][0].add_next_tick_callback(change_and_forget)
        await shown.until(lambda: "after" in shown.buttons().values(), "the change", seconds=20)
        shown.close()

    server = pn.serve(
        page, port=port, address="127.0.0.1", websocket_origin=f"127.0.0.1:{port}",
        threaded=True, show=False, verbose=False,
    )  # fmt: skip
    try:
        asyncio.run(look())
    finally:
        server.stop()
        server.join(10)
