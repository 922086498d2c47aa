"""The explorer as a group sees it: the login, a viewer's tabs, the banner, under the headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from served import served

from laion_fmri.demo.home import DemoHome, fill_data_dir
from laion_fmri.explorer.server.accounts import add_user

pytestmark = pytest.mark.browser
PATIENCE = 90_000
OWNER, VIEWER, PASSWORD = "olga", "victor", "correct horse"


@pytest.fixture(scope="module")
def environment(tiny_bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("served")
    fill_data_dir(DemoHome(tiny_bucket, folder / "data"))
    return {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "LAION_FMRI_DATA_DIR": str(folder / "data"),
        "LAION_FMRI_BUCKET": tiny_bucket.as_uri(),
        "LAION_FMRI_ACCESS_URL": "http://127.0.0.1:9",
    }


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> Iterator[str]:
    """A server with an owner and a viewer, below a prefix."""
    users = Path(environment["HOME"]) / "users.json"
    for user in (OWNER, VIEWER):
        add_user(users, user, PASSWORD)
    arguments = ["--password-file", str(users), "--owner", OWNER, "--prefix", "/lab/explorer"]
    with served(arguments, environment) as found:
        yield found


def log_in(page: Page, address: str, user: str, query: str) -> None:
    page.goto(f"{address}?{query}")
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("tab", name="Brain")).to_be_visible(timeout=PATIENCE)


def test_a_wrong_password_is_told_calmly(page: Page, address: str):
    page.goto(f"{address}?tab=Trials")
    page.get_by_label("User").fill(VIEWER)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")


def test_a_viewer_looks_and_is_told_what_is_not_theirs(page: Page, address: str):
    log_in(page, address, VIEWER, "tab=Trials&subject=sub-01")
    assert "tab=Trials" in page.url and "/lab/explorer/" in page.url
    expect(page.get_by_text("under a data use agreement").first).to_be_visible(timeout=PATIENCE)
    page.get_by_role("tab", name="Download").click()
    expect(page.get_by_text(f"owner of this server ({OWNER})").first).to_be_visible(
        timeout=PATIENCE
    )
    expect(page.get_by_text("Access to the images")).to_be_hidden()
    expect(page.get_by_role("button", name="Check files")).to_have_count(0)
    page.get_by_role("tab", name="Discover").click()
    expect(page.get_by_text("sub-03").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Change settings…")).to_have_count(0)
    page.get_by_role("tab", name="Splits").click()
    expect(page.get_by_text("Random baseline").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Make a split")).to_have_count(0)


def test_the_owner_has_everything_and_the_brain_is_drawn_under_the_headers(
    page: Page, address: str
):
    log_in(page, address, OWNER, "tab=Brain&subject=sub-01")
    expect(page.locator("canvas").first).to_be_visible(timeout=PATIENCE)
    page.get_by_role("tab", name="Discover").click()
    expect(page.get_by_role("button", name="Change settings…")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("tab", name="Trials").click()
    expect(page.get_by_role("button", name="Next", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("under a data use agreement")).to_have_count(0)


def test_without_a_login_every_page_says_so(page: Page, environment: dict[str, str]):
    with served(["--address", "0.0.0.0", "--insecure"], environment) as address:
        for tab in ("Discover", "Trials"):
            page.goto(f"{address}?tab={tab}&subject=sub-01")
            expect(page.get_by_text("started without a login")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("under a data use agreement").first).to_be_visible(timeout=PATIENCE)
        page.goto("about:blank")


def test_a_page_that_lies_untouched_is_let_go_of(page: Page, serve_app):
    from laion_fmri.explorer.server.status_pages import IdleTimeout, small_pages

    address = serve_app(
        lambda: IdleTimeout(hours=0.3 / 3600), extra_patterns=small_pages(lambda: 0), title="x"
    )
    page.goto(f"{address}?tab=Trials&trial=3")
    page.wait_for_url(re.compile("/resting"), timeout=PATIENCE)
    back = page.get_by_role("link", name="Go on where you were")
    expect(back).to_have_attribute("href", "/?tab=Trials&trial=3")
