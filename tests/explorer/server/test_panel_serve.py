"""`panel serve apps/explorer.py`, whose options are Panel's own: the careful answer is the rule."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bokeh.util.token import generate_jwt_token
from tornado.httpclient import HTTPClientError
from web_page import WebPage, fetch

from laion_fmri.explorer.server.serve import require_free_port

APP = Path(__file__).parents[3] / "apps" / "explorer.py"
PICTURE = b"\xff\xd8\xff"


@contextmanager
def panel_served(tiny_home, *arguments: str, **environment: str) -> Iterator[str]:
    port = require_free_port(0)
    command = [sys.executable, "-m", "panel", "serve", str(APP), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--address", "127.0.0.1", *arguments],
        env={
            **os.environ,
            "LAION_FMRI_DATA_DIR": str(tiny_home.data_dir),
            "LAION_FMRI_BUCKET": tiny_home.bucket_dir.as_uri(),
            **environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://localhost:{port}/"
        asyncio.run(_listening(address))
        yield f"{address}explorer/"
    finally:
        process.terminate()
        process.wait(20)


async def _listening(address: str) -> None:
    for _ in range(600):
        try:
            await fetch(f"{address}favicon.ico")
            return
        except OSError:
            await asyncio.sleep(0.1)
    raise TimeoutError(f"{address} did not answer")


async def _trial(address: str, **headers: str) -> bytes:
    page = WebPage(address)
    own = page._headers()
    page._headers = lambda: {**own, **headers}
    await page.open("tab=Trials&subject=sub-01")
    await page.until(lambda: page.shows("ImageView", "picture"), "what is shown for the image")
    await page.quiet(0.3)  # its bytes follow
    page.close()
    return b"".join(page.received)


def test_who_sits_at_the_machine_is_the_owner_and_nobody_else(tiny_home):
    with panel_served(tiny_home) as address:
        assert PICTURE in asyncio.run(_trial(address))
        received = asyncio.run(_trial(address, **{"X-Forwarded-For": "10.0.0.7"}))
        assert PICTURE not in received and b"data use agreement" in received


def test_no_name_but_its_own_opens_it(tiny_home):
    """Also not the first request, which is what makes it import the explorer."""

    async def ask(address: str) -> list[int]:
        foreign, here = "attacker.test", urlsplit(address).netloc
        port = here.rpartition(":")[2]
        codes = []
        for host in (f"{foreign}:{port}", f"{foreign}:{port}", here, f"{foreign}:{port}"):
            codes.append((await fetch(address, headers={"Host": host})).code)
        with pytest.raises(HTTPClientError) as refused:
            page = WebPage(address)
            page._headers = lambda: {"Host": foreign, "Origin": f"http://{foreign}"}
            await page.join("any.token")
        return [*codes, refused.value.code]

    with panel_served(tiny_home) as address:
        assert asyncio.run(ask(address)) == [302, 403, 200, 403, 403]


def test_a_forged_token_makes_nobody_the_owner(tiny_home):
    """Sessions are not signed here: whoever connects writes the headers in the token."""
    headers = {"Host": "localhost:1", "Origin": "http://localhost:1"}
    token = generate_jwt_token("chosen", extra_payload={"headers": headers, "cookies": {}})

    async def look(address: str) -> bytes:
        page = WebPage(address)
        own = page._headers()
        page._headers = lambda: {**own, "X-Forwarded-For": "10.0.0.7"}
        await page.join(token)
        await page.send("PULL-DOC-REQ", {})
        await page.until(lambda: page.models, "the document")
        page.close()
        return b"".join(page.received)

    with panel_served(tiny_home) as address:
        assert b"started without a login" in asyncio.run(look(address))


def test_where_pages_of_elsewhere_are_admitted_nobody_is_the_owner(tiny_home):
    port = "--allow-websocket-origin=*"
    with panel_served(tiny_home, port) as address:
        received = asyncio.run(_trial(address))
        assert PICTURE not in received and b"started without a login" in received


def test_an_owner_that_is_named_must_have_logged_in(tiny_home):
    with panel_served(tiny_home, LAION_FMRI_OWNER="olga") as address:
        assert PICTURE not in asyncio.run(_trial(address))
