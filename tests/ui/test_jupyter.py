"""The explorer's parts in a real JupyterLab, with nothing fetched from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pytest
from early_plots import measure_before_layout
from lab import PATIENCE, Notebook, serve_lab
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SUBJECT = """\
import laion_fmri
from laion_fmri.explorer import BrainView, Explorer, RoiPicker, TrialBrowser

sub = laion_fmri.load_subject("sub-01")"""


@pytest.fixture(scope="module")
def lab(tiny_home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    folder = tmp_path_factory.mktemp("lab")
    settings = tiny_home.settings
    environment = {
        "LAION_FMRI_DATA_DIR": str(settings.data_dir),
        "LAION_FMRI_BUCKET": settings.bucket,
        "LAION_FMRI_ACCESS_URL": "http://127.0.0.1:9",
    }
    with serve_lab(folder, environment) as address:
        yield address, folder / "notebooks"


@pytest.fixture
def open_notebook(page: Page, lab, request) -> Callable[[Sequence[str]], Notebook]:
    """Opens a notebook with these cells."""
    address, folder = lab
    page.set_default_timeout(PATIENCE)
    return lambda cells: Notebook(page, address, folder / f"{request.node.name}.ipynb", cells)


def test_pieces_are_drawn_linked_and_read_back(open_notebook):
    browser, picker, view, read = range(1, 5)
    notebook = open_notebook(
        [
            SUBJECT,
            "browser = TrialBrowser(sub)\nbrowser",
            "picker = RoiPicker(sub)\npicker",
            "view = BrainView(sub, trial=browser.param.trial)\n"
            'picker.link(view, value="rois", bidirectional=True)\nview',
            "import json\n"
            "same = bool((picker.mask == sub.get_roi_mask(['PPA', 'face'])).all())\n"
            "print(json.dumps([browser.trial, view.trial, picker.value, view.rois, same]))",
            "browser.trial = 7\nview.rois = ['PPA']",
        ]
    )
    notebook.run_all()
    canvas = notebook.cell(view).locator('[data-state="ready"] canvas').first
    expect(canvas).to_be_visible(timeout=PATIENCE)

    # What the last cell did, while the page was still putting the pieces together, is seen.
    trial = notebook.cell(browser).get_by_label("Trial", exact=True)
    expect(trial).to_have_value("7", timeout=PATIENCE)
    for place in (picker, view):
        chip = notebook.cell(place).get_by_role("button", name="PPA")
        expect(chip).to_be_visible(timeout=PATIENCE)

    notebook.cell(browser).get_by_role("button", name="Next", exact=True).click()
    expect(trial).to_have_value("8", timeout=PATIENCE)
    notebook.cell(picker).get_by_role("combobox", name="ROI", exact=True).click()
    notebook.cell(picker).get_by_text("face", exact=True).click()
    notebook.page.keyboard.press("Escape")
    expect(notebook.cell(picker).get_by_role("listbox")).to_have_count(0, timeout=PATIENCE)
    chip = notebook.cell(view).get_by_role("button", name="face", exact=True)
    expect(chip.first).to_be_visible(timeout=PATIENCE)

    notebook.run(read)
    expect(notebook.printed(read)).to_contain_text("[8,", timeout=PATIENCE)
    chosen = ["PPA", "face"]
    assert json.loads(notebook.printed(read).inner_text()) == [8, 8, chosen, chosen, True]


def test_pieces_are_widgets_where_an_editor_wants_them(open_notebook):
    browser, view, read = 1, 2, 3
    notebook = open_notebook(
        [
            "import panel as pn\npn.extension(comms='ipywidgets', inline=True)\n" + SUBJECT,
            "browser = TrialBrowser(sub)\nbrowser",
            "view = BrainView(sub, trial=browser.param.trial)\nview",
            "print(browser.trial, view.trial)",
        ]
    )
    notebook.run_all()
    canvas = notebook.cell(view).locator('[data-state="ready"] canvas').first
    expect(canvas).to_be_visible(timeout=PATIENCE)
    notebook.cell(browser).get_by_role("button", name="Next", exact=True).click()
    trial = notebook.cell(browser).get_by_label("Trial", exact=True)
    expect(trial).to_have_value("1", timeout=PATIENCE)
    notebook.run(read)
    expect(notebook.printed(read)).to_have_text("1 1\n", timeout=PATIENCE)


def test_the_whole_explorer_in_a_cell(open_notebook):
    explorer, read = 1, 2
    notebook = open_notebook(
        [
            SUBJECT,
            'explorer = Explorer(sub, tab="Download", trial=3)\nexplorer',
            "print(explorer.tab, explorer.trial, explorer.subject)",
        ]
    )
    notebook.run_all()
    cell = notebook.cell(explorer)
    expect(cell.get_by_text("Choose a session")).to_be_visible(timeout=PATIENCE)
    cell.get_by_role("button", name="ses-01").click()
    expect(cell.get_by_role("button", name="Download", exact=True)).to_be_visible(timeout=PATIENCE)
    for tab, text in {"Discover": "sub-03", "Splits": "random_0", "Trials": "Next repeat"}.items():
        cell.get_by_role("tab", name=tab).click()
        shown = cell.get_by_text(text).filter(visible=True).first
        expect(shown).to_be_visible(timeout=PATIENCE)
    assert measure_before_layout(notebook.page) > 0
    cell.get_by_role("button", name="Next", exact=True).click()
    expect(cell.get_by_label("Trial", exact=True)).to_have_value("4", timeout=PATIENCE)
    notebook.run(read)
    expect(notebook.printed(read)).to_have_text("Trials 4 sub-01\n", timeout=PATIENCE)
