"""Every notebook runs from top to bottom, and is kept without its outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from laion_fmri.demo import profiles
from laion_fmri.demo.home import prepare_demo_home

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo is, once for all notebooks: every image and trial, a coarser brain."""
    folder = tmp_path_factory.mktemp("cache")
    coarse = replace(profiles.PROFILES["demo"], voxel_mm=5.0, anatomical_mm=4.0, recon_mm=4.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setattr(profiles, "PROFILES", {**profiles.PROFILES, "demo": coarse})
        prepare_demo_home()
    return folder


@pytest.fixture
def own_folders(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting or cache of whoever runs the tests is seen or touched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_folder))
    for name in ("XDG_CONFIG_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("LAION_FMRI_DATA_DIR", raising=False)
    monkeypatch.delenv("LAION_FMRI_BUCKET", raising=False)
    return tmp_path


def test_runs_from_top_to_bottom(notebook: nbformat.NotebookNode, own_folders: Path) -> None:
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(own_folders)}}
    )
    client.execute()
    complaints = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr" and "Warning" in output.text
    ]
    assert not complaints


def test_is_kept_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert notebook.metadata.kernelspec.name == "python3"


def test_the_notebooks_are_found() -> None:
    assert {path.stem for path in NOTEBOOKS} == {
        "quickstart",
        "discovering_and_downloading",
        "betas_and_rois",
        "trials",
        "brain_maps",
        "splits_and_encoding",
        "encoding_your_own_model",
        "whole_brain_map",
        "exploring_inline",
        "reliability",
        "representational_similarity",
        "retrieval",
    }
