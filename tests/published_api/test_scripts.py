"""Whole scripts, as they were written for the published package, and the pages that show some."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

ROI_STATISTICS = """
import numpy as np
from laion_fmri.subject import load_subject

sub = load_subject("sub-01")
noise_ceiling = sub.get_noise_ceiling(desc="Noiseceiling12rep")
rows = []
for category in sub.get_available_categories():
    for roi in sub.get_available_rois(category=category):
        mask = sub.get_roi_mask(roi)
        assert mask.shape == noise_ceiling.shape == (sub.get_n_voxels(),)
        if mask.sum() == 0:
            continue
        rows.append((roi, int(mask.sum()), float(np.nanmean(noise_ceiling[mask]))))
assert len(rows) > 5

everything = sub.get_roi_data("all", format="volume")
union = np.any([entry["volume"] for entry in everything.values()], axis=0)
assert np.array_equal(union, sub.get_roi_mask("all"))
assert sub.get_roi_masks(["face", "place"])["place"].any()
"""

SHARED_IMAGES = """
import numpy as np
from laion_fmri.group import load_subjects

group = load_subjects(["sub-01", "sub-03"])
betas = group.get_shared_betas(session="ses-01", roi="FFA1")
for sub_id, sub in group:
    trials = sub.get_trial_info(session="ses-01")
    shared = trials["label"].str.startswith("shared_").to_numpy()
    whole = sub.get_betas(session="ses-01", roi="FFA1")
    assert np.array_equal(betas[sub_id], whole[shared], equal_nan=True)
metadata = group.get_shared_stimulus_metadata()
images = group.get_shared_images(format="pil")
assert len(images) == len(metadata)
try:
    group["sub-99"]
except KeyError:
    pass
"""

ENCODING = """
import numpy as np
import laion_fmri

sub = laion_fmri.load_subject("sub-01")
z, X, names = [], [], []
for ses in sub.get_sessions():
    betas = sub.get_betas(ses, ["face", "place"], None, None, None, False, "rsquare")
    z.append((betas - np.nanmean(betas, 0)) / (np.nanstd(betas, 0) + 1e-6))
    X.append(sub.embeddings.all("CLIP", session=ses).astype("float32"))
    names += sub.get_trial_info(ses)["label"].tolist()
Y, X = np.nan_to_num(np.concatenate(z)), np.concatenate(X)
test = np.array([name.startswith("shared_") for name in names])
gram = X[~test].T @ X[~test] + 10 * np.eye(X.shape[1])
weights = np.linalg.solve(gram, X[~test].T @ Y[~test])
predicted = X[test] @ weights
scores = [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, Y[test].T)]
mask = sub.get_roi_mask(["face", "place"], mask_source="rsquare")
assert len(scores) == mask.sum()
volume = np.zeros(sub.get_n_voxels(source="rsquare"), dtype="float32")
volume[mask] = scores
sub.to_nifti(volume, "scores.nii.gz", mask_source="rsquare")
sub.to_nifti(np.array(scores), "roi.nii.gz", roi=["face", "place"], mask_source="rsquare")
import nibabel
whole, part = (nibabel.load(f"{name}.nii.gz").get_fdata() for name in ("scores", "roi"))
assert np.allclose(whole, part, equal_nan=True)
"""

LOADING_SAFELY = """
from laion_fmri.config import get_data_dir
from laion_fmri.subject import Subject, load_subject

sub = Subject("sub-01", get_data_dir())
assert sub.subject_id == "sub-01"
for missing in ("sub-99", "42"):
    try:
        load_subject(missing)
    except FileNotFoundError:
        continue
    raise SystemExit("a subject without files was loaded")
try:
    sub.get_noise_ceiling(desc="Noiseceiling99rep")
except FileNotFoundError as error:
    print(error)
if sub.has_stimuli():
    print(sub.get_n_stimuli(), sub.get_n_stimuli("shared"))
print(sub.get_anatomical_dir() / "ses-PrismaAnat" / "anat")
"""

SCRIPTS = {
    "roi_statistics": ROI_STATISTICS,
    "shared_images": SHARED_IMAGES,
    "encoding": ENCODING,
    "loading_safely": LOADING_SAFELY,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_unchanged(name, configured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(SCRIPTS[name], name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", ["howto/from_the_published_package", "explanation/voxels"])
def test_code_of_pages_runs(page, sub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{page}.md").read_text()
    blocks = re.findall(r"```python\n(.+?)```", text, flags=re.DOTALL)
    names = {"sub": sub}
    for block in blocks:
        exec(compile(textwrap.dedent(block), page, "exec"), names)
    assert blocks and list(tmp_path.glob("*.nii.gz"))
