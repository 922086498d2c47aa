"""What an import brings along. Modules are counted, not seconds."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

HEAVY = {"numpy", "nibabel", "pandas", "h5py", "PIL", "boto3", "botocore", "nilearn", "httpx",
         "isal", "tqdm", "scipy", "google_crc32c", "zarr", "xarray"}  # fmt: skip
PAGE = {"panel", "panel_material_ui", "bokeh", "holoviews", "param"}
CORE = [
    "access", "betas", "bucket.directory", "bucket.s3", "config", "discovery", "download",
    "stimuli.by_trial", "stimuli.hub", "subject", "trials", "volumes.masks",
    "volumes.rois",
]  # fmt: skip


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.split())


def test_importing_the_package_brings_nothing_heavy():
    assert not loaded_by("import laion_fmri") & (HEAVY | PAGE)


def test_importing_the_core_brings_numpy_at_most():
    found = loaded_by("; ".join(f"import laion_fmri.{name}" for name in CORE))
    assert found & (HEAVY | PAGE) <= {"numpy"}


def test_using_the_core_never_brings_the_pages_packages(tiny_bucket, data_dir):
    code = f"""
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.discovery import list_files
from laion_fmri.subject import load_subject
from laion_fmri.stimuli.captions import Captions
root = {str(data_dir)!r}
assert len(list_files("sub-01", DirectoryBucket({str(tiny_bucket)!r})))
sub = load_subject("sub-01", root)
sub.get_betas("ses-01", roi="all"), sub.get_roi_data("all"), sub.metadata
Captions(root).metadata
"""
    assert not loaded_by(code) & PAGE


def test_public_names():
    import laion_fmri

    for name in laion_fmri.__all__:
        assert getattr(laion_fmri, name) is not None
    assert set(laion_fmri.__all__) <= set(dir(laion_fmri))
    for name in laion_fmri.__all__:  # a module of that name would be there the second time
        assert not isinstance(getattr(laion_fmri, name), types.ModuleType)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = laion_fmri.nothing
