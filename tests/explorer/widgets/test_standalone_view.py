"""The explorer's parts by themselves: made, linked, read back, and what a notebook gets."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
import sys

import numpy as np
import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.document import Document
from nbclient import NotebookClient
from nbformat import v4
from pyviz_comms import Comm, JupyterComm

from laion_fmri import explorer as pieces
from laion_fmri._errors import SubjectNotFoundError
from laion_fmri.config import load_settings
from laion_fmri.explorer import (
    BrainView,
    DownloadManager,
    Explorer,
    ImageView,
    ResponseProfile,
    RoiPicker,
    SplitInspector,
    TrialBrowser,
)
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime import notebook
from laion_fmri.maps import RESPONSE_OF_TRIAL
from laion_fmri.subject import load_subject


@pytest.fixture(autouse=True)
def configured(tiny_home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    monkeypatch.setenv("LAION_FMRI_BUCKET", tiny_home.settings.bucket)


@pytest.fixture
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


# --- each by itself ---------------------------------------------------------------------------


def test_every_public_name_is_there_and_can_be_shown(sub):
    made = {
        "BrainView": BrainView(sub),
        "DownloadManager": DownloadManager(sub),
        "Explorer": Explorer(sub, tab="Splits"),
        "ImageView": ImageView(sub),
        "ResponseProfile": ResponseProfile(sub),
        "RoiPicker": RoiPicker(sub),
        "SplitInspector": SplitInspector("tau", subject=sub),
        "TrialBrowser": TrialBrowser(sub),
    }
    assert set(made) == set(pieces.__all__)
    for piece in made.values():
        assert pn.panel(piece).get_root(Document(), Comm()) is not None


def test_a_subject_or_its_name_will_do(sub):
    assert BrainView(sub).subject == BrainView("01").subject == "sub-01"
    assert SplitInspector(subject=sub).subject == "sub-01"
    assert Explorer("01").subject == Explorer(sub).subject == "sub-01"
    assert DownloadManager("05").subject == "sub-05"  # whether it is here or not
    with pytest.raises(SubjectNotFoundError):
        Explorer("subject one")


def test_a_subject_brings_its_data_directory(sub, monkeypatch):
    monkeypatch.delenv("LAION_FMRI_DATA_DIR")
    assert len(TrialBrowser(sub).shown) == len(sub.metadata)
    assert BrainView(sub).picture is not None
    explorer = Explorer(data_dir=sub.data_dir, tab="Trials")
    assert explorer.subject == "sub-01"
    assert str(sub.data_dir) in repr(DownloadManager(sub).plan or sub.data_dir)


# --- the whole --------------------------------------------------------------------------------


def test_an_explorer_is_what_is_chosen_in_it(sub):
    explorer = Explorer(sub, tab="Trials", trial=12)
    assert (explorer.subject, explorer.trial, explorer.tab) == ("sub-01", 12, "Trials")
    trials = explorer.tabs[explorer.strip.active]
    assert trials.browser.trial == 12
    trials.browser.next()
    assert explorer.trial == 13
    explorer.trial = 20
    assert trials.browser.trial == 20
    explorer.tab = "Brain"
    brain = explorer.tabs[explorer.strip.active].brain
    brain.picker.choice.value = ["face"]
    assert explorer.rois == ["face"] and explorer.map == brain.map != ""
    explorer.strip.active = 4
    assert explorer.tab == "Splits" and explorer.split == "random_0"


def test_an_explorer_does_nothing_before_it_is_shown(sub):
    explorer = Explorer(sub)
    assert not {"tabs", "strip"} & set(vars(explorer))
    explorer.tab = "Discover"
    assert [tab.title for tab in explorer.tabs if tab.shown and tab._built] == ["Discover"]
    assert sum(tab._built for tab in explorer.tabs) == 1


def test_pieces_share_what_they_know(tiny_home):
    data = ExplorerData(load_settings(data_dir=tiny_home.data_dir))
    explorer, view = Explorer(data=data), BrainView(data=data)
    explorer.__panel__()
    assert explorer.tabs[2].brain.picture.subject is view.picture.subject


# --- a download -------------------------------------------------------------------------------


def test_what_is_to_be_fetched_is_read_back(sub):
    manager = DownloadManager("sub-05")
    assert manager.request.subjects == ("sub-05",)
    assert manager.plan is None
    manager._tab.form.sessions.value = ["ses-01"]
    assert manager.request.sessions == ("ses-01",)
    assert manager.plan is not None
    assert {f.key.split("/")[2] for f in manager.plan.to_fetch} == {"sub-05"}
    manager.subject = "sub-06"
    assert manager.request.subjects == ("sub-06",)
    key = manager.plan.files[0].key
    manager.wanted = [key]
    assert manager.request.files == (key,)
    manager._tab.form.drop.clicks += 1
    assert manager.wanted == [] and manager.jobs == []


# --- linked -----------------------------------------------------------------------------------


def test_a_brain_follows_a_browser(sub):
    browser = TrialBrowser(sub)
    view = BrainView(sub, trial=browser.param.trial, trials=browser.param.marked)
    browser.trial = 7
    browser.marked = [1, 2]
    assert view.trial == 7 and view.trials == [1, 2]
    assert f"{RESPONSE_OF_TRIAL} 7" in view.controls.map.options


def test_two_pieces_follow_each_other(sub):
    picker, view = RoiPicker(sub, value=["face"]), BrainView(sub)
    picker.link(view, value="rois", bidirectional=True)
    assert view.rois == ["face"]
    view.controls.picker.choice.value = ["PPA", "face"]
    assert picker.value == ["PPA", "face"]
    assert np.array_equal(picker.mask, sub.get_roi_mask(["PPA", "face"]))
    picker.value = []
    assert view.rois == [] and not view.mask.any()


def test_one_piece_follows_another(sub):
    explorer, image = Explorer(sub), ImageView(sub)
    explorer.link(image, trial="trial")
    explorer.trial = 5
    assert image.trial == 5
    image.trial = 6
    assert explorer.trial == 5


def test_a_control_that_only_repeats_a_choice_ends_no_link(sub):
    picker = RoiPicker(sub, value=["face"])
    view = BrainView(sub, rois=picker.param.value)
    view.refresh()
    picker.value = ["PPA"]
    assert view.rois == ["PPA"] == view.picker.value


# --- what a notebook gets ---------------------------------------------------------------------


def run(*cells: str) -> list[list]:
    """The outputs of cells in a kernel."""
    made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    NotebookClient(made, timeout=120).execute()
    return [cell.outputs for cell in made.cells]


def test_a_notebook_gets_everything_once():
    imported, again, shown = run(
        "from laion_fmri.explorer import RoiPicker",
        "from laion_fmri.explorer import BrainView, TrialBrowser",
        "TrialBrowser('sub-01')",
    )
    everything = "".join(o.data.get("application/javascript", "") for o in imported)
    assert "DecompressionStream" in everything and "Bokeh" in everything
    assert again == []
    (result,) = [o for o in shown if o.output_type == "execute_result"]
    assert (
        len(result.data["text/html"]) < 1_000_000
    )  # with Material UI in every button it would be 27 MB


def test_the_one_copy_is_the_installed_one():
    script = notebook.page_script()
    packed = max(re.findall(r'"([A-Za-z0-9+/=]{1000,})"', script), key=len)
    assert gzip.decompress(base64.b64decode(packed)) == notebook.BUNDLE_PATH.read_bytes()
    assert len(script) < 1_000_000


def test_only_notebooks_get_the_one_copy(tmp_path):
    code = f"""
import panel as pn, panel_material_ui as pmui
from bokeh.document import Document
from pyviz_comms import Comm, JupyterComm
from laion_fmri.explorer.runtime import notebook
pn.config.inline = True
notebook._share_material()
button = pmui.Button(label="Press")
in_cell = button.get_root(Document(), JupyterComm())
assert in_cell.esm == notebook._THE_COPY and ".material-icons" in in_cell.css_bundle
pn.config.comms = "ipywidgets"
assert button.get_root(Document()).esm == notebook._THE_COPY
pn.config.comms = "default"
assert len(button.get_root(Document()).esm) > 100_000
button.save({str(tmp_path / "saved.html")!r}, embed=False, resources="inline")
assert notebook._NAME not in open({str(tmp_path / "saved.html")!r}).read()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_click_in_one_cell_changes_what_another_shows():
    code = """
import panel as pn
from bokeh.document import Document
from panel.io.state import set_curdoc
from pyviz_comms import JupyterComm
from laion_fmri.explorer.runtime import notebook
from laion_fmri.explorer.widgets.notice import plain_text
notebook._keep_documents_apart()
text, cells = plain_text("before"), (Document(), Document())
for cell in cells:
    cell.add_root(pn.Column(text, plain_text("beside")).get_root(cell, JupyterComm()))
for cell in cells:
    with set_curdoc(cell):
        text.object = f"after a click in {id(cell)}"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_nothing_is_changed_outside_a_notebook(monkeypatch):
    made = pmui.base.MaterialComponent._get_model
    notebook.prepare()
    assert pmui.base.MaterialComponent._get_model is made
    assert not notebook._is_for_notebook(Document(), Comm())
    assert notebook._is_for_notebook(Document(), JupyterComm())
