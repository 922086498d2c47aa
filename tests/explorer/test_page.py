"""The page around the tabs, and the small ones beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from laion_fmri import explorer
from laion_fmri.explorer.page import ICON

PAGES = sorted((Path(explorer.__file__).parent / "pages").glob("*.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_small_pages_have_the_icon_of_the_explorer_within_them(page: Path):
    assert f'<link rel="icon" href="{ICON}">' in page.read_text(encoding="utf-8")
