"""Markup in addresses, names, files and errors is text on every tab: nothing of it runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from laion_fmri import layout
from laion_fmri.config import Settings
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.download_queue import shared_queue
from laion_fmri.explorer.state import IN_THE_ADDRESS, TABS
from laion_fmri.transfer.plan import make_plan

pytestmark = pytest.mark.browser
PATIENCE = 90_000  # ms; a busy machine
HOSTILE = "<img src=x onerror=hacked=1>"
MARKED = f"**{HOSTILE}**"  # Markdown, which Panel's text panes render
OWN_KIND = ("tab", "subject", "trial", "rois")  # parameters that are no free text
# What ran, and elements that only the text above can have made, in every shadow root.
DONE = """() => {
  const found = globalThis.hacked ? ["it ran"] : []
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.hasAttribute("onerror") || node.getAttribute("src") === "x")
        found.push(node.parentElement?.outerHTML ?? node.outerHTML)
      if (node.shadowRoot) walk(node.shadowRoot)
    }
  }
  walk(document)
  return found
}"""


@pytest.fixture
def hostile(tiny_home, tmp_path: Path) -> Settings:
    """A data directory and a bucket in which everything that may have a name has that one."""
    top = tmp_path / HOSTILE
    data_dir, bucket_dir = top / "data", top / "bucket"
    shutil.copytree(tiny_home.data_dir, data_dir, copy_function=os.link)
    shutil.copytree(tiny_home.bucket_dir, bucket_dir, copy_function=os.link)
    for tree, name in ((data_dir, HOSTILE), (bucket_dir, f"{HOSTILE}2")):
        for path in list((tree / layout.ROIS_TREE / "sub-01" / "face").glob("*label-OFA*")):
            os.link(path, path.with_name(path.name.replace("OFA", name)))
    category = bucket_dir / layout.ROIS_TREE / "sub-01" / HOSTILE
    category.mkdir()
    (category / f"sub-01_label-{HOSTILE}3_mask.json").write_text(json.dumps({HOSTILE: HOSTILE}))

    def rewrite(path: Path, separator: str, **columns: str) -> None:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
        path.unlink()  # a link to what other tests read
        table.assign(**columns).to_csv(path, sep=separator, index=False)

    rewrite(data_dir / layout.CAPTIONS, ",", caption=MARKED)
    rewrite(data_dir / layout.SEGMENTATIONS_METADATA, ",", noun=HOSTILE)
    rewrite(data_dir / layout.STIMULI_METADATA, ",", dataset=HOSTILE)
    for path in (data_dir / layout.BETAS_TREE / "sub-01").rglob("*_trials.tsv"):
        rewrite(path, "\t", **{HOSTILE: HOSTILE})
    kept = data_dir / ".laion_fmri" / "selections.json"
    kept.parent.mkdir(exist_ok=True)
    of_subject = {"sub-01": {MARKED: [["ses-01", 1]]}}
    kept.write_text(json.dumps({"version": 1, "selections": of_subject}))
    own = data_dir / layout.SPLITS_TREE / "own" / "shared"
    own.mkdir(parents=True, exist_ok=True)
    (own / "mine.json").write_text(json.dumps({HOSTILE: HOSTILE}))
    return Settings(data_dir=data_dir, bucket=bucket_dir.as_uri())


def require_text_only(page: Page) -> None:
    """What is hostile is shown, and was never more than text."""
    expect(page.get_by_text(HOSTILE).filter(visible=True).first).to_be_visible(timeout=PATIENCE)
    assert page.evaluate(DONE) == []


def require_options(page: Page, label: str, *options: str) -> None:
    """A list offers these as they are; the first is taken."""
    page.get_by_role("combobox", name=label, exact=True).filter(visible=True).first.click()
    offered = page.get_by_role("listbox").filter(visible=True)
    for option in options:
        expect(offered.get_by_text(option, exact=True).first).to_be_attached(timeout=PATIENCE)
    offered.get_by_text(options[0], exact=True).first.click()
    page.keyboard.press("Escape")


def test_nothing_of_an_address_runs(page: Page, serve_app, hostile: Settings):
    data = ExplorerData(hostile)
    address = serve_app(lambda: create_app(data))
    rois = json.dumps([MARKED])
    query = dict.fromkeys(IN_THE_ADDRESS, MARKED) | {"tab": "Splits", "trial": "1", "rois": rois}
    page.goto(f"{address}?{urlencode(query)}")
    require_text_only(page)
    for tab in TABS:
        page.get_by_role("tab", name=tab, exact=True).click()
        combobox = page.get_by_role("combobox").filter(visible=True).first
        expect(combobox).to_be_visible(timeout=PATIENCE)
        assert page.evaluate(DONE) == []


def test_nothing_of_names_and_files_runs(page: Page, serve_app, hostile: Settings):
    data = ExplorerData(hostile)
    objects = [o for o in data.bucket().objects() if o.key == layout.trials("sub-05", "ses-01")]
    job = shared_queue(hostile).submit(
        make_plan(objects, hostile.data_dir, data.bucket()), f"{MARKED} {HOSTILE}"
    )
    others = {name: MARKED for name in IN_THE_ADDRESS if name not in OWN_KIND}
    address = serve_app(lambda: create_app(data))
    page.goto(f"{address}?{urlencode({**others, 'tab': 'Trials', 'subject': 'sub-01'})}")
    require_text_only(page)  # datasets, the filters of the address
    page.get_by_role("button", name="Marked trials and selections").click()
    require_options(page, "Saved selections", MARKED)
    expect(page.get_by_role("region", name="Captions")).to_contain_text(MARKED)
    require_text_only(page)

    page.get_by_role("tab", name="Brain", exact=True).click()
    expect(page.get_by_role("slider", name="Threshold (%)")).to_be_visible(timeout=PATIENCE)
    require_options(page, "ROI", HOSTILE)
    page.get_by_role("tab", name="ROIs", exact=True).click()
    expect(page.get_by_role("heading", name=HOSTILE).first).to_be_visible(timeout=PATIENCE)
    require_text_only(page)

    page.get_by_role("tab", name="Discover", exact=True).click()
    expect(page.get_by_text(f"{HOSTILE}2").first).to_be_visible(timeout=PATIENCE)
    require_text_only(page)  # also the folders of the settings
    page.get_by_role("tab", name="Download", exact=True).click()
    expect(page.get_by_role("heading", name=job.title)).to_be_visible(timeout=PATIENCE)
    require_text_only(page)
    page.get_by_role("tab", name="Splits", exact=True).click()
    require_text_only(page)
