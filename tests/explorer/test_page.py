"""The page around the tabs, and the small ones beside it."""

from __future__ import annotations

import html
from pathlib import Path

import panel as pn
import pytest

from laion_fmri import explorer
from laion_fmri._errors import ConfigError
from laion_fmri.explorer.app import create_app, take_valid
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.page import ICON
from laion_fmri.explorer.runtime.visitor import Visitor
from laion_fmri.explorer.state import ExplorerState

PAGES = sorted((Path(explorer.__file__).parent / "server" / "pages").glob("*.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_small_pages_have_the_icon_of_the_explorer_within_them(page: Path):
    assert f'<link rel="icon" href="{ICON}">' in page.read_text(encoding="utf-8")


def test_one_invalid_value_in_an_address_costs_no_other():
    state = ExplorerState(session="ses-02")
    take_valid(state, {"tab": "Trials", "trial": "abc", "rois": 7, "subject": "sub-01"})
    assert (state.tab, state.subject, state.session) == ("Trials", "sub-01", "ses-02")
    assert (state.trial, state.rois) == (0, [])


class _Damaged(ExplorerData):
    """Data whose settings cannot be used."""

    def for_visitor(self, visitor: Visitor) -> ExplorerData:
        raise ConfigError("<img src=x onerror=alert(1)> is no bucket.")


def test_a_page_that_cannot_be_made_says_why_as_text():
    (said,) = (pane for part in create_app(_Damaged()).main for pane in part.select(pn.pane.Str))
    assert said.object == "<img src=x onerror=alert(1)> is no bucket."
    assert "<img" not in html.unescape(said.get_root().text)
