"""The page around the tabs, and the small ones beside it."""

from __future__ import annotations

from pathlib import Path

import panel as pn
import pytest
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet
from panel.io.state import set_curdoc

from laion_fmri import explorer
from laion_fmri.explorer.app import create_app
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.page import ICON

PAGES = sorted((Path(explorer.__file__).parent / "pages").glob("*.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_small_pages_have_the_icon_of_the_explorer_within_them(page: Path):
    assert f'<link rel="icon" href="{ICON}">' in page.read_text(encoding="utf-8")


def test_style_sheets_of_what_is_made_before_the_page_went_out_are_on_this_server(tiny_home):
    page = Document()
    with set_curdoc(page):
        create_app(ExplorerData(tiny_home.settings))
        made = pn.Column("made before, put in place after").get_root(page)
    addresses = [sheet.url for sheet in made.select({"type": ImportedStyleSheet})]
    assert addresses
    assert [url for url in addresses if not url.startswith("static/extensions/panel/")] == []
