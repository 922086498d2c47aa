"""From a bucket through a download to arrays, against independent readers."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from laion_fmri import layout
from laion_fmri.stimuli.hub import load_stimuli
from laion_fmri.subject import Subject, load_subject

SUB = "sub-01"


@pytest.fixture(scope="module")
def sub(data_dir) -> Subject:
    return load_subject(SUB, data_dir)


@pytest.fixture(scope="module")
def brain(data_dir) -> np.ndarray:
    path = data_dir / layout.anatomical(SUB, "desc-brain_mask", "1pt8")
    return np.asarray(nibabel.load(path).dataobj) != 0


def volume(data_dir: Path, key: str) -> np.ndarray:
    return np.asarray(nibabel.load(data_dir / key).dataobj)


def test_betas_of_every_session(sub, data_dir, brain):
    assert sub.get_sessions() == ["ses-01", "ses-02"]
    for ses in sub.get_sessions():
        expected = volume(data_dir, layout.betas(SUB, ses))[brain].T.astype(np.float32)
        got = sub.get_betas(ses)
        assert got.shape == (len(sub.get_trial_info(ses)), sub.get_n_voxels())
        assert got.tobytes() == expected.tobytes()


def test_every_roi(sub, data_dir, brain):
    betas = volume(data_dir, layout.betas(SUB, "ses-01"))
    rois = data_dir / layout.ROIS_TREE / SUB
    for category in sub.get_available_categories():
        union = np.zeros(brain.shape, bool)
        for roi in sub.get_available_rois(category):
            (path,) = rois.glob(f"{category}/*_res-1pt8_label-{roi}_mask.nii.gz")
            mask = np.asarray(nibabel.load(path).dataobj) != 0
            assert np.array_equal(sub.get_roi_mask(roi), mask[brain])
            assert np.array_equal(sub.get_roi_grid_mask(roi), mask.ravel())
            union |= mask
        assert np.array_equal(sub.get_roi_mask(category), union[brain])
        expected = betas[brain & union].T.astype(np.float32)
        assert sub.get_betas("ses-01", roi=category).tobytes() == expected.tobytes()


def test_roi_surfaces(sub, data_dir):
    for roi, forms in sub.get_roi_data("face", format="gii").items():
        for hemi, sides in forms["gii"].items():
            stem = f"face/{SUB}_{hemi}_space-fsnative_label-{roi}_mask"
            root = data_dir / layout.ROIS_TREE / SUB
            gifti = nibabel.load(root / f"{stem}.func.gii")
            assert np.array_equal(sides["func.gii"], gifti.darrays[0].data != 0)
            label = np.atleast_1d(nibabel.freesurfer.read_label(str(root / f"{stem}.label")))
            assert np.array_equal(sides["label"], label)
            assert np.array_equal(np.flatnonzero(sides["func.gii"]), np.sort(label))


def test_noise_ceilings(sub, data_dir, brain):
    for ses in sub.get_sessions():
        expected = volume(data_dir, layout.session_noise_ceiling(SUB, ses))[brain]
        assert sub.get_noise_ceiling(ses).tobytes() == expected.astype(np.float32).tobytes()
    assert sub.get_available_noise_ceilings() == list(layout.SUBJECT_NOISE_CEILINGS)
    for desc in sub.get_available_noise_ceilings():
        got = sub.get_noise_ceiling(desc=desc)
        expected = volume(data_dir, layout.subject_noise_ceiling(SUB, desc))[brain]
        assert got.tobytes() == expected.astype(np.float32).tobytes()
        assert np.nanmin(got) >= 0
        assert np.nanmax(got) <= 100


def test_masks_of_both_sources(sub, data_dir, brain):
    rsquare = volume(data_dir, layout.mean_rsquare(SUB))
    assert np.array_equal(sub.get_brain_mask(), brain.ravel())
    in_rsquare = (rsquare != 0) & ~np.isnan(rsquare)
    assert np.array_equal(sub.get_brain_mask("rsquare"), in_rsquare.ravel())
    full = np.asarray(nibabel.load(sub.get_anatomical_brain_mask()).dataobj) != 0
    assert np.array_equal(sub.get_brain_mask(res=None), full.ravel())


def test_a_map_there_and_back(sub, data_dir, tmp_path, brain):
    values = sub.get_noise_ceiling(desc="Noiseceiling12rep")
    back = nibabel.load(sub.to_nifti(values, tmp_path / "map.nii.gz"))
    source = nibabel.load(data_dir / layout.betas(SUB, "ses-01"))
    assert np.allclose(back.affine, source.affine)
    assert np.array_equal(np.asarray(back.dataobj)[brain], values, equal_nan=True)
    where = nibabel.affines.apply_affine(source.affine, np.argwhere(brain))
    assert np.allclose(sub.get_voxel_coordinates(), where)


def test_trials_and_stimuli_by_name(sub, data_dir):
    tables = [
        pd.read_csv(data_dir / layout.trials(SUB, ses), sep="\t") for ses in sub.get_sessions()
    ]
    names = pd.concat(tables)["label"].tolist()
    images = pd.read_csv(data_dir / layout.STIMULI_METADATA).set_index("image_name")
    table = sub.metadata
    assert table["image_name"].tolist() == names
    assert table["dataset"].tolist() == images.loc[names, "dataset"].tolist()
    assert [images.index[i] for i in table["stim_idx"]] == names
    for model in layout.EMBEDDING_MODELS:
        with h5py.File(data_dir / layout.embeddings(model)) as file:
            ids = list(file["image_ids"].asstr()[:])
            expected = file["embedding"][:][[ids.index(name) for name in names]]
        assert sub.embeddings.all(model).tobytes() == expected.tobytes()


def test_images_masks_and_captions(sub, data_dir):
    stim = load_stimuli(data_dir)
    names = pd.read_csv(data_dir / layout.STIMULI_METADATA)["image_name"].tolist()
    assert stim.images.names() == names
    captions = pd.read_csv(data_dir / layout.CAPTIONS, keep_default_na=False)
    masks = pd.read_csv(data_dir / layout.SEGMENTATIONS_METADATA)
    with (
        h5py.File(data_dir / layout.STIMULI_IMAGES) as images,
        h5py.File(data_dir / layout.SEGMENTATIONS) as stored,
    ):
        for trial in range(0, len(sub.metadata), 7):
            name = sub.metadata["image_name"][trial]
            raw = images["images"][names.index(name)].tobytes()
            assert sub.images[trial] == stim.images[name] == raw
            assert sub.images.get(trial).mode == "RGB"
            assert (
                sub.images.get(trial, as_displayed=False).mode == Image.open(io.BytesIO(raw)).mode
            )
            ours = captions[captions["image_name"] == name].sort_values("caption_idx")
            human = ours[ours["source"] == "human"]["caption"].tolist()
            assert sub.captions.human(trial) == human
            assert (sub.captions.ai(trial) is None) == (not (ours["source"] == "ai").any())
            rows = masks[masks["image_name"] == name]
            assert sub.segmentations.nouns(trial, False) == sorted(rows["noun"].unique())
            for row in rows.itertuples():
                got = sub.segmentations.get(trial, row.noun, row.instance_id)
                assert np.array_equal(got, stored["masks"][row.mask_row])


def test_transparent_images_are_among_them(data_dir):
    stim = load_stimuli(data_dir)
    modes = {stim.images.get(name, as_displayed=False).mode for name in stim.images.names()}
    assert modes == {"RGB", "RGBA"}
