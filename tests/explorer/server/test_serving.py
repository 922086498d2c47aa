"""A server for a group: who comes in, what they may do, and what reaches their browsers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from served import served
from tornado.httpclient import HTTPClientError
from web_page import PATIENCE, WebPage, cookies_of, fetch, log_in

from laion_fmri import layout
from laion_fmri.access import RequestId, save_credentials
from laion_fmri.demo.home import DemoHome, fill_data_dir
from laion_fmri.explorer.server.accounts import add_user
from laion_fmri.explorer.server.message_limit import AT_ONCE

OWNER, VIEWER, PASSWORD = "olga", "victor", "correct horse"
REQUEST_ID = "5f1d7c1e-90c3-4c53-9d7b-2b6f0a4e77d1"
EMAIL = "olga@example.org"
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"/9j/", b"iVBORw0KGgo", b"data:image/jpeg")
FIGURE = re.compile(rb"\x89PNG\r\n(?=.{,200}Matplotlib version)", re.DOTALL)
TABS = ("Discover", "Download", "Brain", "Trials", "Splits")
# What the Brain tab keeps as a file, by the ends of the names; the page has the viewer in it.
KEPT = (b"_montage.png", b".html", b".nii.gz", b"_hemi-L_space-fsnative.func.gii")


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: str
    data_dir: Path
    home: Path
    log: Path
    users: Path

    async def cookies(self, user: str) -> dict[str, str]:
        found = await log_in(self.address, user, PASSWORD)
        assert "user" in found
        return found

    async def page(self, user: str, query: str = "") -> WebPage:
        return await WebPage(self.address, await self.cookies(user)).open(query)


@pytest.fixture(scope="module")
def server(tiny_bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The tiny demo, served to an owner and a viewer, with a request id that must not get out."""
    folder = tmp_path_factory.mktemp("served")
    data_dir, home, users = folder / "data", folder / "home", folder / "users.json"
    fill_data_dir(DemoHome(tiny_bucket, data_dir))
    for user in (OWNER, VIEWER):
        add_user(users, user, PASSWORD)
    nobody = "http://127.0.0.1:9"
    environment = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "LAION_FMRI_DATA_DIR": str(data_dir),
        "LAION_FMRI_BUCKET": tiny_bucket.as_uri(),
        "LAION_FMRI_ACCESS_URL": nobody,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.delenv("LAION_FMRI_REQUEST_ID", raising=False)
        save_credentials(nobody, RequestId(REQUEST_ID), EMAIL)
    arguments = ["--password-file", str(users), "--owner", OWNER]
    log = folder / "log"
    with served(arguments, environment, log) as address:
        yield Server(address, data_dir, home, log, users)


def state_of(*folders: Path) -> dict[str, str]:
    """Every file below some folders and what is in it; not what the explorer keeps for itself."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.endswith((".lock", ".npy"))
        and "listing" not in str(path)
    }


def leaks(page: WebPage) -> list[bytes]:
    """Signs of an image in what a page received; a figure of a brain that it drew is none."""
    everything = FIGURE.sub(b"", b"".join(page.received))
    return [sign for sign in PICTURES if sign in everything]


async def go_through(page: WebPage) -> None:
    """Open every tab and press every button there is, shown or not; ask for pictures."""
    strip = next(page.find(class_name="Tabs"))
    tabs = page.models[strip]["data"]["id"]
    pressed: set[str] = set()
    for place in range(len(TABS)):
        page.change(tabs, "active", place)
        await page.quiet(0.4)
        page.arrive()
        if TABS[place] == "Brain":  # its files are made of the picture
            await page.until(
                lambda: page.shows("SurfaceView", "map_data") not in (None, "{}"), "a picture"
            )
        await page.quiet(0.4)
        for name, label in page.buttons().items():
            if name not in pressed and label != "None":
                pressed.add(name)
                page.change(page.models[name]["data"]["id"], "disabled", False)
                page.press(name)
        for group in page.find(class_name="RadioButtonGroup"):
            data = page.models[group]["data"]["id"]
            for option in page.models[data].get("options", []):
                page.change(data, "value", option)
                await page.quiet(0.25)
        await page.quiet(0.4)
    await page.quiet(2.0)  # whatever is slow to come


# --- what reaches a browser -------------------------------------------------------------------


def test_a_viewer_gets_no_image_and_changes_nothing_whatever_they_press(server: Server):
    async def look() -> WebPage:
        page = await server.page(VIEWER, "tab=Discover&subject=sub-01")
        await go_through(page)
        await page.until(lambda: all(map(page.has_received, KEPT)), "every file to keep")
        page.close()
        return page

    owners = asyncio.run(owners_look(server))  # fills every cache with what must not come out
    assert set(leaks(owners)) >= {b"/9j/", b"data:image/jpeg"}
    before = state_of(server.data_dir, server.home)
    page = asyncio.run(look())
    assert len(page.buttons()) > 30
    assert leaks(page) == []
    assert state_of(server.data_dir, server.home) == before


async def owners_look(server: Server) -> WebPage:
    page = await server.page(OWNER, "tab=Trials&subject=sub-01")
    await page.until(lambda: "jpeg" in (page.shows("ImageView", "picture") or ""), "a picture")
    page.press_called("Next")
    await page.quiet()
    for group in page.find(class_name="RadioButtonGroup"):
        data = page.models[group]["data"]["id"]
        if "Pictures" in page.models[data].get("options", []):
            page.change(data, "value", "Pictures")
    await page.until(lambda: b"data:image/jpeg" in b"".join(page.received), "pictures of trials")
    await page.quiet()
    page.close()
    return page


def test_the_request_id_reaches_nobody(server: Server):
    async def look(user: str) -> WebPage:
        page = await server.page(user, "tab=Download&subject=sub-01")
        await page.until(lambda: "All subjects" in page.buttons().values(), "the form")
        await page.quiet()
        page.close()
        return page

    for user in (VIEWER, OWNER):
        everything = b"".join(asyncio.run(look(user)).received)
        assert REQUEST_ID.encode() not in everything
        assert REQUEST_ID[:13].encode() not in everything
        # Masked for its owner; for anybody else there is none.
        assert (EMAIL.encode() in everything) == (user == OWNER)
        assert (b"Request id" in everything) == (user == OWNER)
    assert REQUEST_ID not in server.log.read_text(encoding="utf-8")


def test_who_is_logged_in_finds_the_way_out(server: Server):
    async def look() -> tuple[str | None, str | None]:
        page = await server.page(VIEWER, "tab=Discover")
        page.close()
        (button,) = (n for n, label in page.buttons().items() if label == "Log out")
        data = page.models[page.models[button]["data"]["id"]]
        return data.get("href"), data.get("description")

    assert asyncio.run(look()) == ("logout", f"Log out ({VIEWER})")


def test_a_viewer_is_told_why_an_image_is_not_shown(server: Server):
    async def look() -> str:
        page = await server.page(VIEWER, "tab=Trials&subject=sub-01")
        await page.until(lambda: page.shows("ImageView", "picture"), "what is shown for the image")
        page.close()
        return str(page.shows("ImageView", "picture"))

    assert "agreement" in asyncio.run(look())


def test_no_other_address_hands_out_an_image_or_a_file(server: Server):
    async def ask() -> list[tuple[str, int, bytes]]:
        cookies = await server.cookies(VIEWER)
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
        images = layout.STIMULI_IMAGES
        found = []
        for path in (
            images, f"static/{images}", f"static/../../{images}", f"data/{images}",
            "static/extensions/panel/../../../../../../etc/passwd",
            "components/laion_fmri.explorer.assets/BrowserFiles/_js/../../data.py",
            "components/laion_fmri.explorer.assets/BrowserFiles/_js/brain/static/../../data.py",
            f"components/laion_fmri.explorer.data/ExplorerData/settings/{images}",
            "static/%2e%2e/%2e%2e/etc/passwd", "metadata", "autoload.js", "rest/session_info",
            "admin", "favicon.ico",
        ):  # fmt: skip
            answer = await fetch(server.address + path, headers=headers)
            found.append((path, answer.code, answer.body or b""))
        return found

    for path, code, body in asyncio.run(ask()):
        assert code in (200, 302, 400, 403, 404, 405), (path, code)
        assert b"root:" not in body and b"class ExplorerData" not in body, path
        if path not in ("favicon.ico",):
            assert not any(sign in body for sign in PICTURES), path


# --- who comes in -----------------------------------------------------------------------------


def test_nobody_comes_in_without_the_password(server: Server):
    async def ask() -> None:
        page = await fetch(server.address)
        assert page.code == 302 and "login" in page.headers["Location"]
        assert await log_in(server.address, OWNER, "wrong") == {}
        assert await log_in(server.address, "nobody", PASSWORD) == {}
        with pytest.raises(HTTPClientError) as refused:
            await WebPage(server.address).join("any.token")
        assert refused.value.code == 403
        forged = {"user": "2|1:0|10:1700000000|4:user|4:b2xnYQ==|" + "0" * 64}
        answer = await fetch(server.address, headers={"Cookie": f"user={forged['user']}"})
        assert answer.code == 302

    asyncio.run(ask())


def test_a_session_cannot_be_chosen_or_joined_by_somebody_else(server: Server):
    async def ask() -> None:
        owner, viewer = await server.cookies(OWNER), await server.cookies(VIEWER)
        page = await fetch(server.address, headers={"Cookie": f"user={owner['user']}"})
        token = re.search(r'"token":"([^"]+)"', page.body.decode())
        assert token
        with pytest.raises(HTTPClientError) as refused:
            await WebPage(server.address, viewer).join(token[1])
        assert refused.value.code == 403
        for query in ("bokeh-session-id=abc", f"bokeh-token={token[1]}"):
            answer = await fetch(
                f"{server.address}?{query}", headers={"Cookie": f"user={owner['user']}"}
            )
            assert answer.code == 403
        chosen = {"Cookie": f"user={owner['user']}", "Bokeh-Session-Id": "abc"}
        assert (await fetch(server.address, headers=chosen)).code == 403

    asyncio.run(ask())


def test_a_login_form_of_another_site_is_refused(server: Server):
    async def ask() -> None:
        for origin in ("https://example.com", "null"):
            answer = await fetch(
                f"{server.address}login",
                method="POST",
                body=f"username={OWNER}&password={PASSWORD}",
                headers={"Origin": origin},
            )
            assert answer.code == 403 and cookies_of(answer) == {}

    asyncio.run(ask())


def test_a_page_of_another_site_gets_no_websocket(server: Server):
    async def ask() -> None:
        cookies = await server.cookies(OWNER)
        page = WebPage(server.address, cookies)
        page._headers = lambda: {"Cookie": page.cookies, "Origin": "https://example.com"}
        with pytest.raises(HTTPClientError) as refused:
            await page.open()
        assert refused.value.code == 403

    asyncio.run(ask())


def test_a_user_who_is_taken_out_of_the_file_is_out(server: Server):
    async def ask() -> None:
        add_user(server.users, "guest-for-a-day", PASSWORD)
        cookies = await log_in(server.address, "guest-for-a-day", PASSWORD)
        headers = {"Cookie": f"user={cookies['user']}"}
        assert (await fetch(server.address, headers=headers)).code == 200
        page = await WebPage(server.address, cookies).open("tab=Discover")
        users = json.loads(server.users.read_text(encoding="utf-8"))
        del users["guest-for-a-day"]
        server.users.write_text(json.dumps(users), encoding="utf-8")
        assert (await fetch(server.address, headers=headers)).code == 302
        await asyncio.wait_for(page.left(), PATIENCE)  # also who has been in

    asyncio.run(ask())


def test_no_password_is_in_the_log_or_among_the_processes(server: Server):
    assert PASSWORD not in server.log.read_text(encoding="utf-8")
    if Path("/proc").is_dir():
        for found in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert PASSWORD.encode() not in found.read_bytes()
            except OSError:
                continue


# --- what every answer says -------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "login", "logout", "healthz", "static/js/bokeh.min.js", "no"])
def test_every_answer_keeps_to_itself(server: Server, path: str):
    answer = asyncio.run(fetch(server.address + path))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'self'" in policy
    assert "object-src 'none'" in policy and "http" not in policy.replace("https", "http")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "Server" not in answer.headers


def test_cookies_are_for_this_site_and_no_script(server: Server):
    body = f"username={VIEWER}&password={PASSWORD}"
    answer = asyncio.run(fetch(f"{server.address}login", method="POST", body=body))
    cookies = answer.headers.get_list("Set-Cookie")
    assert any(cookie.startswith("user=") for cookie in cookies)
    assert all("HttpOnly" in c and "SameSite=Lax" in c for c in cookies)
    assert not any("Secure" in cookie for cookie in cookies)  # it is served by http


def test_login_and_logout_load_nothing_from_elsewhere(server: Server):
    for path in ("login", "login?error=<script>alert(1)</script>", "logout", "resting?back=//x"):
        answer = asyncio.run(fetch(server.address + path))
        text = answer.body.decode()
        assert answer.code == 200
        assert not re.findall(r"(?:src|href)=\"(?!\.|/|data:)", text)
        assert "<script" not in text and "//x" not in text


def test_health_is_open_and_says_little(server: Server):
    answer = asyncio.run(fetch(f"{server.address}healthz"))
    assert answer.code == 200 and len(answer.body) < 200
    assert json.loads(answer.body)["status"] == "ok"
    assert str(server.data_dir).encode() not in answer.body


def test_the_cookie_secret_is_kept_where_only_its_user_reads_it(server: Server):
    asyncio.run(fetch(server.address))
    (path,) = server.home.rglob("cookie_secret")
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600


# --- hostile input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "subject=../../../etc", "subject=sub-01/../../x", "pool=../../x&tab=Splits",
        "split=../own/x&tab=Splits", "tab=<script>alert(1)</script>", "trial=-5&tab=Trials",
        "trial=99999999999999999999999&tab=Trials", "trial=abc&tab=Trials", "rois=../../x",
        "map=__import__('os').system('true')&tab=Brain", "session=%00", "model=../../../etc/passwd",
        "trial_filters=__import__('os').system('true')&tab=Trials",
        "subject=%F0%9F%92%A9&tab=Brain", "bokeh-absolute-url=https://example.com/x",
    ],
)  # fmt: skip
def test_an_address_may_hold_anything(server: Server, query: str):
    before = state_of(server.data_dir)

    async def look() -> WebPage:
        page = await server.page(VIEWER, query)
        page.close()
        return page

    page = asyncio.run(look())
    assert len(page.models) > 50 and leaks(page) == []
    assert b"root:" not in b"".join(page.received)
    assert state_of(server.data_dir) == before


def test_a_page_cannot_have_a_file_of_the_server_read_as_its_logo(server: Server, tmp_path: Path):
    from PIL import Image

    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)

    async def ask() -> WebPage:
        page = await server.page(VIEWER, "tab=Discover")
        shell = next(page.find(class_name="Page"))
        page.change(page.models[shell]["data"]["id"], "logo", str(secret))
        await page.quiet()
        page.close()
        return page

    assert leaks(asyncio.run(ask())) == []


def test_a_page_that_talks_nonsense_harms_nobody(server: Server):
    async def ask() -> None:
        page = await server.page(VIEWER, "tab=Trials&subject=sub-01")
        for component in ("Table", "FilterPanel", "ThumbnailGrid", "ImageView"):
            for name in page.find(class_name=component):
                for nonsense in (None, {}, [[]], {"trial": "x"}, "x" * 10_000, -(2**70)):
                    page.message(name, nonsense)
        for strip in page.find(class_name="Tabs"):
            page.change(page.models[strip]["data"]["id"], "active", 99)
        await page.quiet()
        page.close()
        assert (await fetch(f"{server.address}healthz")).code == 200
        after = await server.page(VIEWER, "tab=Trials&subject=sub-01")
        await after.until(lambda: after.shows("ImageView", "picture"), "a page as before")
        after.close()

    known = len(server.log.read_text(encoding="utf-8"))
    asyncio.run(ask())
    assert "Traceback" not in server.log.read_text(encoding="utf-8")[known:]


def test_no_property_of_a_page_reads_a_file_or_changes_anything(server: Server, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("what is in no page", encoding="utf-8")

    async def ask() -> WebPage:
        page = await server.page(VIEWER, "tab=Download&subject=sub-01")
        await page.until(lambda: "All subjects" in page.buttons().values(), "the form")
        shown = [m["data"]["id"] for m in page.models.values() if isinstance(m.get("data"), dict)]
        for name in shown:
            for attribute, value in list(page.models.get(name, {}).items()):
                if attribute != "type" and (value is None or isinstance(value, str)):
                    page.change(name, attribute, str(secret))
        for name in page.buttons():
            page.press(name)
        await page.quiet()
        page.close()
        return page

    before = state_of(server.data_dir, server.home)
    page = asyncio.run(ask())
    received = b"".join(page.received)
    assert secret.read_bytes() not in received
    assert base64.b64encode(secret.read_bytes())[:20] not in received
    assert state_of(server.data_dir, server.home) == before


def test_a_flood_ends_with_its_page_and_keeps_nobody_waiting(server: Server):
    async def ask() -> None:
        page = await server.page(VIEWER, "tab=Discover")
        begun = time.monotonic()
        for i in range(AT_ONCE // 8):
            page.change("no model", "active", i)  # what is wrong counts for more
        while not page.is_over and time.monotonic() - begun < PATIENCE:
            asked = time.monotonic()
            assert (await fetch(f"{server.address}healthz")).code == 200
            assert time.monotonic() - asked < 5
        assert page.is_over
        after = await server.page(VIEWER, "tab=Discover")
        await after.send("PUSH-DOC", {"doc": {"version": "3", "roots": [], "title": "x"}})
        await asyncio.wait_for(after.left(), PATIENCE)

    known = len(server.log.read_text(encoding="utf-8"))
    asyncio.run(ask())
    assert server.log.read_text(encoding="utf-8")[known:].count("sends too many messages") == 2


def test_a_data_directory_that_goes_or_is_another_leaves_pages_that_say_so(server: Server):
    away = server.data_dir.with_name("away")

    async def look(is_replaced: bool) -> None:
        page = await server.page(OWNER, "tab=Trials&subject=sub-01")
        await page.until(lambda: page.shows("ImageView", "picture"), "a picture")
        server.data_dir.rename(away)
        try:
            if is_replaced:
                (server.data_dir / layout.ROIS_TREE).mkdir(parents=True)
                (server.data_dir / layout.STIMULI_TREE).write_bytes(b"no directory")
            for name in page.buttons():
                page.press(name)
            strip = page.models[next(page.find(class_name="Tabs"))]["data"]["id"]
            page.change(strip, "active", TABS.index("Splits"))
            await page.quiet()
        finally:
            shutil.rmtree(server.data_dir, ignore_errors=True)
            away.rename(server.data_dir)
        page.close()
        assert page.problems == []
        again = await server.page(VIEWER, "tab=Trials&subject=sub-01")
        await again.until(lambda: again.shows("ImageView", "picture"), "a page as before")
        again.close()

    known = len(server.log.read_text(encoding="utf-8"))
    for is_replaced in (False, True):
        asyncio.run(look(is_replaced))
    assert "Traceback" not in server.log.read_text(encoding="utf-8")[known:]


# --- coming and going -------------------------------------------------------------------------


def test_pages_that_are_left_are_let_go_of(server: Server):
    async def come_and_go() -> None:
        pages = [await server.page(VIEWER, "tab=Discover") for _ in range(2)]
        told = json.loads((await fetch(f"{server.address}healthz")).body)
        assert told["pages"] >= 2
        for page in pages:
            page.close()
        for _ in range(200):
            told = json.loads((await fetch(f"{server.address}healthz")).body)
            if not told["pages"]:
                return
            await asyncio.sleep(0.2)
        raise AssertionError("The server keeps pages that nobody looks at")

    asyncio.run(come_and_go())


def test_told_to_end_it_ends(server: Server, tmp_path: Path):
    environment = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "LAION_FMRI_DATA_DIR": str(server.data_dir),
        "LAION_FMRI_BUCKET": server.data_dir.as_uri(),
    }
    log = tmp_path / "log"

    async def look(address: str) -> None:
        await WebPage(address).open("tab=Discover")  # and stays

    with served([], environment, log) as address:
        asyncio.run(look(address))
    assert "Traceback" not in log.read_text(encoding="utf-8")


# --- OAuth ------------------------------------------------------------------------------------


def test_by_oauth_only_those_who_were_named_come_in(server: Server, tmp_path: Path):
    from tornado.web import create_signed_value

    environment = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "LAION_FMRI_DATA_DIR": str(server.data_dir),
        "LAION_FMRI_BUCKET": server.data_dir.as_uri(),
        "PANEL_OAUTH_KEY": "key",
        "PANEL_OAUTH_SECRET": "not for anybody",
    }
    arguments = ["--oauth", "github", "--allow-user", OWNER, "--owner", OWNER]

    async def ask(address: str, secret: str) -> None:
        assert "login" in (await fetch(address)).headers["Location"]
        login = await fetch(f"{address}login")
        assert login.code == 302 and login.headers["Location"].startswith("https://github.com/")
        assert "not for anybody" not in str(login.headers)
        assert all(
            "HttpOnly" in c and "SameSite" in c for c in login.headers.get_list("Set-Cookie")
        )
        for user, code in ((OWNER, 200), ("mallory", 403)):
            cookie = create_signed_value(secret, "user", user).decode()
            assert (await fetch(address, headers={"Cookie": f"user={cookie}"})).code == code

    with served(arguments, environment) as address:
        (kept,) = tmp_path.rglob("cookie_secret")
        asyncio.run(ask(address, kept.read_text(encoding="utf-8").strip()))
