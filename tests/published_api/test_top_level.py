"""What scripts import from the package, and from its modules."""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest
from PIL import Image

import laion_fmri
from laion_fmri.config import get_data_dir

NAMES = [
    "Captions", "Embeddings", "Group", "Segmentations", "Stimuli", "Subject", "as_displayed_rgb",
    "download_captions", "download_embeddings", "download_raw", "download_segmentations",
    "download_stimuli", "load_embeddings", "load_stimuli", "load_subject", "load_subjects",
    "resolve_subject_id", "set_data_dir",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    assert callable(getattr(laion_fmri, name))
    assert name in laion_fmri.__all__ and name in dir(laion_fmri)


@pytest.mark.parametrize(
    "module, names",
    [
        ("subject", ["Subject", "load_subject"]),
        ("group", ["Group", "load_subjects"]),
        ("stimuli", ["load_stimuli"]),
        ("captions", ["Captions"]),
        ("embeddings", ["Embeddings", "load_embeddings"]),
        ("segmentations", ["Segmentations"]),
        ("derivatives", ["localizer_statmap_path", "localizer_effect_path"]),
        ("templates", ["to_template", "volume_to_surface", "surface_to_template",
                       "volume_to_template"]),
    ],
)  # fmt: skip
def test_modules(module, names):
    found = importlib.import_module(f"laion_fmri.{module}")
    assert all(callable(getattr(found, name)) for name in names)


def test_parameters():
    for name, parameters in {
        "load_subject": ["subject"],
        "load_subjects": ["subjects"],
        "load_stimuli": ["data_dir"],
        "resolve_subject_id": ["subject"],
        "set_data_dir": ["data_dir"],
    }.items():
        found = list(inspect.signature(getattr(laion_fmri, name)).parameters)
        assert found[: len(parameters)] == parameters


def test_what_they_do(tmp_path):
    assert (
        laion_fmri.resolve_subject_id("03") == laion_fmri.resolve_subject_id("sub-03") == "sub-03"
    )
    for bad in ("", "sub-", 3, None):
        with pytest.raises(laion_fmri.SubjectNotFoundError):
            laion_fmri.resolve_subject_id(bad)
    assert laion_fmri.set_data_dir(tmp_path / "data") == get_data_dir() == tmp_path / "data"
    see_through = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert np.unique(np.asarray(laion_fmri.as_displayed_rgb(see_through))).tolist() == [128]
