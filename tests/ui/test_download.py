"""The Download tab in a browser: what it shows, and that names of the bucket stay names."""

from __future__ import annotations

import json

import panel_material_ui as pmui
import pytest
from download_page import PATIENCE, choose, open_download, press, state_of
from playwright.sync_api import expect

from laion_fmri import access, layout
from laion_fmri.config import load_settings
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.download.tab import DownloadTab
from laion_fmri.explorer.state import ExplorerState

pytestmark = pytest.mark.browser

# As a browser that draws late writes back what the button was; whether the server takes it back.
OFFER_AND_WAIT = """async () => {
  const models = Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])
  const { data } = models.find((m) => m.data?.label === "Download")
  data.disabled = false
  for (let i = 0; i < 500 && !data.disabled; i++) await new Promise((next) => setTimeout(next, 20))
  return data.disabled
}"""
FOCUS_IN_DIALOG = """() => {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  for (let at = node; at; at = at.parentElement ?? at.getRootNode().host)
    if (at.getAttribute("role") === "dialog" || at.matches(".MuiDialog-root")) return true
  return false
}"""
HOSTILE = "<img src=x onerror=hacked=1>"


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "data"
    path.mkdir()
    return path


def app_on(data_dir, bucket_dir):
    from laion_fmri.explorer.app import create_app

    data = ExplorerData(load_settings(data_dir=data_dir, bucket=bucket_dir.as_uri()))
    return lambda: create_app(data)


def test_choose_a_session_see_the_plan_and_get_exactly_that(page, serve_app, data_dir, tiny_bucket):
    open_download(page, serve_app(app_on(data_dir, tiny_bucket)))
    choose(page, "sub-05", "ses-01")
    plan = page.get_by_role("table", name="Files of the plan")
    expect(plan).to_contain_text("Not downloaded")
    press(page, "Download", "Accept the licence")
    expect(state_of(page)).to_have_text("finished", timeout=PATIENCE)
    expect(page.get_by_text("Nothing to do")).to_be_visible()
    button = page.get_by_role("button", name="Download", exact=True)
    expect(button).to_be_disabled()
    assert page.evaluate(OFFER_AND_WAIT)
    expect(button).to_be_disabled()
    for key in (layout.betas("sub-05", "ses-01"), layout.trials("sub-05", "ses-01")):
        assert (data_dir / key).read_bytes() == (tiny_bucket / key).read_bytes()
    assert not list(data_dir.rglob("*ses-02*"))
    assert not list(data_dir.rglob("*.part"))

    page.get_by_role("tab", name="Discover").click()
    expect(page.get_by_role("img", name="FFA1, sub-05: downloaded")).to_be_visible(timeout=PATIENCE)


def test_the_code_is_copied_as_it_is(page, serve_app, data_dir, tiny_bucket):
    address = serve_app(app_on(data_dir, tiny_bucket))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_download(page, address)
    choose(page, "sub-05", "ses-01")
    press(page, "Copy Python")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import os\n\nos.environ")
    assert 'download(\n    "sub-05",\n    ses="ses-01",' in copied


def test_local_files_are_checked_and_repaired(page, serve_app, data_dir, tiny_bucket):
    access.accept_license(data_dir)
    open_download(page, serve_app(app_on(data_dir, tiny_bucket)))
    choose(page, "sub-05", "ses-01")
    press(page, "Download")
    expect(state_of(page)).to_have_text("finished", timeout=PATIENCE)
    broken = data_dir / layout.trials("sub-05", "ses-01")
    whole = broken.read_bytes()
    broken.write_bytes(whole[::-1])
    press(page, "Check files")
    expect(page.get_by_text("1 file differs from the bucket")).to_be_visible(timeout=PATIENCE)
    press(page, "Repair 1 file")
    expect(page.get_by_text("Repair of 1 file")).to_be_visible(timeout=PATIENCE)
    expect(state_of(page)).to_have_text("finished", timeout=PATIENCE)
    assert broken.read_bytes() == whole


def test_markup_in_names_and_reasons_does_nothing(page, serve_app, data_dir, tmp_path):
    mirror = tmp_path / "mirror"
    denied, fetched = f"{HOSTILE}/{HOSTILE}.txt", f"notes_{HOSTILE}.txt"
    for key in (denied, fetched):
        (mirror / key).parent.mkdir(parents=True, exist_ok=True)
        (mirror / key).write_text("hello")
    (mirror / ".bucket-policy.json").write_text(json.dumps({"deny": [f"{HOSTILE}/*"]}))
    (mirror / layout.BETAS_TREE / f"sub-{HOSTILE}").mkdir(parents=True)
    access.accept_license(data_dir)
    data = ExplorerData(load_settings(data_dir=data_dir, bucket=mirror.as_uri()))

    def app():
        tab = DownloadTab(ExplorerState(tab="Download", wanted=[denied, fetched]), data)
        tab.open()
        return pmui.Page(main=[tab])

    page.goto(serve_app(app))
    plan = page.get_by_role("table", name="Files of the plan")
    expect(plan).to_contain_text(HOSTILE, timeout=PATIENCE)
    expect(page.get_by_role("button", name=f"sub-{HOSTILE}")).to_have_count(0)
    expect(page.locator("pre").first).to_contain_text(HOSTILE)
    press(page, "Download")
    expect(state_of(page)).to_have_text("failed", timeout=PATIENCE)
    expect(page.get_by_text("The bucket denies access to the file")).to_be_visible()
    expect(page.locator(".why")).to_contain_text(HOSTILE)
    (data_dir / fetched).write_text("HELLO")
    press(page, "Check files")
    expect(page.get_by_text("1 file differs from the bucket")).to_be_visible(timeout=PATIENCE)
    assert page.locator("img").count() == 0
    assert page.evaluate("typeof hacked") == "undefined"


def test_the_agreement_form_is_a_dialog_that_can_be_closed(page, serve_app, data_dir, tiny_bucket):
    open_download(page, serve_app(app_on(data_dir, tiny_bucket)))
    button, dialog = page.get_by_role("button", name="Agreement form…"), page.get_by_role("dialog")
    for close in ("Escape", "close"):
        button.click()
        expect(dialog.get_by_label("Your name")).to_be_visible(timeout=PATIENCE)
        assert page.evaluate(FOCUS_IN_DIALOG)
        if close == "Escape":
            page.keyboard.press(close)
        else:
            dialog.get_by_role("button", name=close).click()
        expect(dialog).to_have_count(0, timeout=PATIENCE)
        expect(button).to_be_focused()
