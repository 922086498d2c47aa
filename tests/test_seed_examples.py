"""The examples of the documentation of loading, as written, with what they must give.

Lines of an example stand as they are documented; what is asserted of them comes from
independent readers (nibabel, h5py, pandas, PIL) of the same files. Where the demo dataset
lacks what an example names, the name is another: the noun of a mask (``"fingers"``,
``"hand"``, ``"face"``), the place of a written file, and counts of images, of trials and of
features of the published dataset.
"""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from local_copy import copy_local
from PIL import Image

import laion_fmri
from laion_fmri import layout
from laion_fmri._errors import (
    DataDirNotSetError,
    DataNotDownloadedError,
    StimuliNotDownloadedError,
    SubjectNotFoundError,
)
from laion_fmri.group import load_subjects
from laion_fmri.splits import get_split_masks
from laion_fmri.subject import load_subject

NAME = "shared_12rep_LAION_cluster_1003_i0.jpg"
MODELS = {"CLIP": 1024, "DINOv2": 1024, "PEcore": 1024, "SigLIP2": 1152}


class Files:
    """One subject's files through other readers; the truth of these tests."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.brain = self.volume(layout.anatomical(name, "desc-brain_mask", "1pt8")) != 0

    def volume(self, key: str) -> np.ndarray:
        return np.asarray(nibabel.load(self.root / key).dataobj)

    def trials(self, ses: str) -> pd.DataFrame:
        return pd.read_csv(self.root / layout.trials(self.name, ses), sep="\t")

    def betas(self, ses: str, where: np.ndarray | None = None) -> np.ndarray:
        inside = self.brain if where is None else self.brain & where
        return self.volume(layout.betas(self.name, ses))[inside].T.astype("f4")

    def rois(self, pattern: str) -> dict[str, np.ndarray]:
        root = self.root / layout.ROIS_TREE / self.name
        return {
            path.name.partition("label-")[2].partition("_")[0]: nibabel.load(path).get_fdata() != 0
            for path in sorted(root.glob(f"{pattern}_mask.nii.gz"))
        }

    def roi(self, pattern: str) -> np.ndarray:
        return np.logical_or.reduce(list(self.rois(pattern).values()))

    @property
    def shown(self) -> list[str]:
        return [*self.trials("ses-01")["label"], *self.trials("ses-02")["label"]]


def same(got: np.ndarray, expected: np.ndarray) -> bool:
    """To the last bit, NaN included: a trial may have no estimate in a voxel."""
    return (got.shape, got.dtype, got.tobytes()) == (
        expected.shape,
        expected.dtype,
        expected.tobytes(),
    )


@pytest.fixture(scope="module")
def root(tiny_bucket, tmp_path_factory) -> Path:
    return copy_local(
        tiny_bucket, tmp_path_factory.mktemp("examples"), ["sub-01", "sub-03", "sub-05"]
    )


@pytest.fixture(autouse=True)
def configured(root, nothing_configured, monkeypatch) -> None:
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(root))


@pytest.fixture
def sub():
    return load_subject("sub-03")


@pytest.fixture(scope="module")
def files(root) -> Files:
    return Files(root, "sub-03")


@pytest.fixture(scope="module")
def embedded(root) -> dict[str, dict[str, np.ndarray]]:
    """The row of every image in every model's file."""
    found = {}
    for model in MODELS:
        with h5py.File(root / layout.embeddings(model)) as file:
            found[model] = dict(zip(file["image_ids"].asstr()[:], file["embedding"], strict=True))
    return found


@pytest.fixture(scope="module")
def stored(root) -> dict[str, bytes]:
    """The bytes of every image."""
    names = pd.read_csv(root / layout.STIMULI_METADATA)["image_name"]
    with h5py.File(root / layout.STIMULI_IMAGES) as file:
        return {name: file["images"][row].tobytes() for row, name in enumerate(names)}


@pytest.fixture(scope="module")
def masks(root) -> pd.DataFrame:
    return pd.read_csv(root / layout.SEGMENTATIONS_METADATA)


@pytest.fixture(scope="module")
def captions(root) -> pd.DataFrame:
    return pd.read_csv(root / layout.CAPTIONS).sort_values("caption_idx")


def mask_of(root: Path, masks: pd.DataFrame, name: str, noun: str) -> np.ndarray:
    row = masks.query("image_name == @name and noun == @noun and instance_id == 0")
    with h5py.File(root / layout.SEGMENTATIONS) as file:
        return file["masks"][int(row["mask_row"].iloc[0])]


# --- masks and core accessors ---------------------------------------------------------------


def test_brain_masks(sub, files):
    anatomical = sub.get_brain_mask()  # anat-derived, res-1pt8
    rsquare = sub.get_brain_mask(source="rsquare")  # rsquare-derived
    full = sub.get_brain_mask(res=None)  # full-resolution anat mask
    n_voxels = sub.get_n_voxels(source="rsquare")  # n voxels under rsquare

    assert np.array_equal(anatomical, files.brain.ravel())
    fit = files.volume(layout.mean_rsquare("sub-03"))
    assert np.array_equal(rsquare, ((fit != 0) & ~np.isnan(fit)).ravel())
    assert n_voxels == rsquare.sum() < anatomical.sum()
    key = layout.anatomical("sub-03", "desc-brain_mask")
    assert np.array_equal(full, files.volume(key).ravel() != 0)
    assert len(full) > len(anatomical)


def test_the_mask_source_flows_through(sub, files, tmp_path):
    inside = sub.get_brain_mask(source="rsquare").reshape(files.brain.shape)
    betas = sub.get_betas("ses-01", mask_source="rsquare")
    ceiling = sub.get_noise_ceiling("ses-01", mask_source="rsquare")
    path = sub.to_nifti(ceiling, tmp_path / "out.nii.gz", mask_source="rsquare")
    where = sub.get_voxel_coordinates(mask_source="rsquare")

    expected = files.volume(layout.betas("sub-03", "ses-01"))[inside].T
    assert same(betas, expected)
    assert betas.shape[1] == len(ceiling) == len(where)
    assert np.array_equal(nibabel.load(path).get_fdata()[inside], ceiling)


def test_core_accessors(sub, files):
    assert sub.get_sessions() == ["ses-01", "ses-02"]  # ['ses-01', ...]
    mask = sub.get_brain_mask()  # bool, (n_total_voxels,)
    assert mask.dtype == bool
    assert mask.shape == (files.brain.size,)
    assert sub.get_n_voxels() == mask.sum()  # number of brain-mask voxels
    betas = sub.get_betas(session="ses-01")  # float32, (n_trials, n_voxels)
    assert betas.dtype == np.float32
    assert betas.tobytes() == files.betas("ses-01").tobytes()
    several = sub.get_betas(session=["ses-01", "ses-02"])  # dict[ses, ndarray]
    assert list(several) == ["ses-01", "ses-02"]
    assert several["ses-02"].tobytes() == files.betas("ses-02").tobytes()
    ceiling = sub.get_noise_ceiling(session="ses-01")  # float32, (n_voxels,)
    expected = files.volume(layout.session_noise_ceiling("sub-03", "ses-01"))[files.brain]
    assert ceiling.dtype == np.float32
    assert np.array_equal(ceiling, expected)
    ceiling = sub.get_noise_ceiling(desc="Noiseceiling12rep")  # subject-level variant
    expected = files.volume(layout.subject_noise_ceiling("sub-03", "Noiseceiling12rep"))
    assert np.array_equal(ceiling, expected[files.brain])
    trials = sub.get_trial_info(session="ses-01")  # pandas DataFrame
    assert trials.columns.tolist() == ["session", "run", "beta_index", "label"]
    assert trials["label"].tolist() == files.trials("ses-01")["label"].tolist()


def test_filters_on_get_betas(sub, files):
    ceiling = files.volume(layout.session_noise_ceiling("sub-03", "ses-01"))
    whole = files.betas("ses-01")
    own = np.zeros(files.brain.size, bool)
    own[::3] = True
    got = sub.get_betas("ses-01", mask=own)
    assert same(got, files.betas("ses-01", own.reshape(files.brain.shape)))
    with pytest.warns(UserWarning, match="read as 0.2 %"):
        got = sub.get_betas(session="ses-01", nc_threshold=0.2)
    assert same(got, files.betas("ses-01", ceiling > 0.2))
    is_shared = np.array([n.startswith("shared_") for n in files.trials("ses-01")["label"]])
    assert same(sub.get_betas("ses-01", stimuli="shared"), whole[is_shared])
    assert same(sub.get_betas("ses-01", stimuli="unique"), whole[~is_shared])
    for streaming in (False, True):
        assert same(sub.get_betas("ses-01", streaming=streaming), whole)


# --- ROIs -----------------------------------------------------------------------------------


def test_roi_queries(sub, files):
    every = sub.get_available_rois()  # flat list of every ROI
    categories = sub.get_available_categories()  # 8 categories
    faces = sub.get_available_rois(category="face")  # face-area ROIs only
    assert every == sorted(files.rois("*/*"))
    assert categories == list(layout.ROI_CATEGORIES)
    assert faces == sorted(files.rois("face/*")) == ["FFA1", "FFA2", "OFA", "pSTSfaces"]

    one = sub.get_roi_mask("FFA1")  # 1-D bool mask
    face = sub.get_roi_mask("face")  # union of all face ROIs
    union = sub.get_roi_mask("all")  # union of every ROI on disk
    several = sub.get_roi_masks(["FFA1", "face"])  # dict keyed by your inputs
    assert one.dtype == bool
    assert np.array_equal(one, files.roi("face/*FFA1")[files.brain])
    assert np.array_equal(face, files.roi("face/*")[files.brain])
    assert np.array_equal(union, files.roi("*/*")[files.brain])
    assert list(several) == ["FFA1", "face"]
    assert np.array_equal(several["face"], face)


def test_roi_queries_on_get_betas(sub, files):
    one = sub.get_betas(session="ses-01", roi="FFA1")
    face = sub.get_betas(session="ses-01", roi="face")
    both = sub.get_betas(session="ses-01", roi=["face", "place"])
    every = sub.get_betas(session="ses-01", roi="all")
    visual = sub.get_betas(session="ses-01", roi="visual")

    assert same(one, files.betas("ses-01", files.roi("face/*FFA1")))
    assert same(face, files.betas("ses-01", files.roi("face/*")))
    where = files.roi("face/*") | files.roi("place/*")
    assert same(both, files.betas("ses-01", where))
    assert same(every, files.betas("ses-01", files.roi("*/*")))
    assert same(visual, every)


def test_multi_format_roi_loading(sub, files):
    root = files.root / layout.ROIS_TREE / "sub-03" / "face"

    def surface(hemi):
        path = root / f"sub-03_hemi-{hemi}_space-fsnative_label-FFA1_mask"
        label = nibabel.freesurfer.read_label(f"{path}.label")
        return nibabel.load(f"{path}.func.gii").agg_data() != 0, label

    data = sub.get_roi_data("FFA1")  # full nested dict (default = all)
    assert list(data) == ["FFA1"]
    assert list(data["FFA1"]) == ["volume", "gii"]
    assert np.array_equal(data["FFA1"]["volume"], files.roi("face/*FFA1")[files.brain])
    assert list(data["FFA1"]["gii"]) == ["hemi-L", "hemi-R"]
    for hemi in "LR":
        mask, label = surface(hemi)
        side = data["FFA1"]["gii"][f"hemi-{hemi}"]
        assert list(side) == ["func.gii", "label"]
        assert side["func.gii"].dtype == bool
        assert np.array_equal(side["func.gii"], mask)
        assert np.array_equal(side["label"], label)

    volume = sub.get_roi_data("FFA1", format="volume")  # vol only
    left = sub.get_roi_data("FFA1", format="gii", hemi="L")  # left surface
    surfaces = sub.get_roi_data("FFA1", format="func.gii")  # surface masks only
    face = sub.get_roi_data("face", format="volume")  # one entry per face ROI
    assert list(volume["FFA1"]) == ["volume"]
    assert list(sub.get_roi_data("FFA1", format="nii.gz")["FFA1"]) == ["volume"]
    assert list(left["FFA1"]) == ["gii"]
    assert list(left["FFA1"]["gii"]) == ["hemi-L"]
    assert list(left["FFA1"]["gii"]["hemi-L"]) == ["func.gii", "label"]
    assert {tuple(side) for side in surfaces["FFA1"]["gii"].values()} == {("func.gii",)}
    assert list(face) == sub.get_available_rois(category="face")
    for name, mask in files.rois("face/*").items():
        assert np.array_equal(face[name]["volume"], mask[files.brain])


# --- several subjects, brain space, anatomy ---------------------------------------------------


def test_multi_subject_access(root):
    group = load_subjects(["sub-03", "sub-05"])
    shared = group.get_shared_betas(session="ses-01")  # dict[sub, ndarray]
    for sub_id, sub in group:
        files = Files(root, sub_id)
        is_shared = files.trials("ses-01")["label"].str.startswith("shared_").to_numpy()
        assert sub.name == sub_id
        assert same(shared[sub_id], files.betas("ses-01")[is_shared])
    assert list(shared) == ["sub-03", "sub-05"]
    assert laion_fmri.load_subjects("all").names == ["sub-01", "sub-03", "sub-05"]


def test_brain_space_mapping(sub, files, tmp_path):
    per_voxel_array = sub.get_noise_ceiling(desc="Noiseceiling12rep")
    sub.to_nifti(per_voxel_array, str(tmp_path / "out.nii.gz"))
    where = sub.get_voxel_coordinates()  # (n_voxels, 3)

    image = nibabel.load(tmp_path / "out.nii.gz")
    source = nibabel.load(files.root / layout.betas("sub-03", "ses-01"))
    assert np.array_equal(image.get_fdata()[files.brain], per_voxel_array)
    assert not image.get_fdata()[~files.brain].any()
    assert np.allclose(image.affine, source.affine)
    expected = nibabel.affines.apply_affine(source.affine, np.argwhere(files.brain))
    assert where.shape == (sub.get_n_voxels(), 3)
    assert np.allclose(where, expected)


def test_anatomical_derivatives(sub, root):
    assert sub.has_anatomical()  # bool: are the files local?
    folder = sub.get_anatomical_dir()  # Path to the subject's anat tree
    full = sub.get_t1w()  # full-resolution T1w path
    functional = sub.get_t1w(res="1pt8")  # functional-grid T1w path
    t2w = sub.get_t2w()  # full-resolution T2w path
    mask = sub.get_anatomical_brain_mask(res="1pt8")  # anat brain mask path

    stem = "sub-03_ses-PrismaAnat_space-T1w"
    assert folder == root / "derivatives/anatomical/sub-03"
    folder = folder / "ses-PrismaAnat/anat"
    assert full == folder / f"{stem}_T1w.nii.gz"
    assert functional == folder / f"{stem}_res-1pt8_T1w.nii.gz"
    assert t2w == folder / f"{stem}_T2w.nii.gz"
    assert mask == folder / f"{stem}_res-1pt8_desc-brain_mask.nii.gz"
    assert all(path.is_file() for path in (full, functional, t2w, mask))
    same = nibabel.load(mask).get_fdata().ravel() != 0
    assert np.array_equal(same, sub.get_brain_mask(source="anatomical"))
    assert sub.has_freesurfer()
    assert (sub.get_freesurfer_dir() / "surf" / "lh.white").is_file()


def test_pytorch_integration(sub, files):
    torch = pytest.importorskip("torch")
    ds = sub.to_torch_dataset(session="ses-01", roi="visual")
    item = ds[0]  # dict with betas, image, ...

    assert len(ds) == len(files.trials("ses-01"))
    expected = files.betas("ses-01", files.roi("*/*"))[0]
    assert same(item["betas"].numpy(), expected)
    assert item["image_name"] == files.shown[0]
    shown = torch.from_numpy(sub.images.array("ses-01")[0].copy()).permute(2, 0, 1)
    assert torch.equal((item["image"] * 255).round().to(torch.uint8), shown)
    assert (item["session"], item["trial"]) == ("ses-01", 0)


# --- by trial ---------------------------------------------------------------------------------


def test_the_trial_table(sub, files, root):
    table = sub.metadata
    images = pd.read_csv(root / layout.STIMULI_METADATA)
    assert len(table) == len(files.shown)
    assert table.index.tolist() == list(range(len(table)))
    assert {
        "session",
        "session_trial",
        "image_name",
        "stim_idx",
        "unique_or_shared",
        "dataset",
    } <= (set(table.columns))
    assert table["image_name"].tolist() == files.shown
    assert images["image_name"][table["stim_idx"]].tolist() == files.shown
    known = images.set_index("image_name").loc[files.shown]
    for column in ("unique_or_shared", "dataset"):
        assert table[column].tolist() == known[column].tolist()
    n_first = len(files.trials("ses-01"))
    assert table["session"].tolist()[n_first - 1 : n_first + 1] == ["ses-01", "ses-02"]
    assert table["session_trial"].tolist()[n_first - 1 : n_first + 1] == [n_first - 1, 0]


def shown_in_the_scanner(raw: bytes) -> np.ndarray:
    """Transparent pixels over mid grey, by numpy."""
    rgba = np.asarray(Image.open(io.BytesIO(raw)).convert("RGBA")).astype(float)
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 127.5 * (1 - alpha)


def test_images_by_trial(sub, files, stored):
    picture = sub.images.get(42)  # PIL.Image for trial 42
    raw = sub.images[42]  # raw JPEG bytes
    stack = sub.images.array(session="ses-01")  # (n, 1000, 1000, 3) uint8 stack
    every = sub.images.all()  # iterator, length n_trials

    n_first = len(files.trials("ses-01"))
    assert isinstance(picture, Image.Image)
    assert raw == stored[files.shown[42]]
    assert stack.shape == (n_first, 1000, 1000, 3)
    assert stack.dtype == np.uint8
    for trial in {files.shown.index(name) for name in files.shown[:n_first]}:
        expected = shown_in_the_scanner(stored[files.shown[trial]])
        assert np.abs(stack[trial] - expected).max() <= 1
    assert np.array_equal(stack[42], np.asarray(picture))
    assert len(every) == len(files.shown)
    assert np.array_equal(np.asarray(next(every)), stack[0])
    assert np.array_equal(np.asarray(next(iter(every))), stack[1])


def test_embeddings_by_trial(sub, files, embedded):
    assert sub.embeddings.models == list(MODELS)  # ['CLIP', 'DINOv2', ...]
    one = sub.embeddings.get("CLIP", 42)  # (D,) features for trial 42
    every = sub.embeddings.all("CLIP")  # (n_trials, D) — ready to regress
    first = sub.embeddings.all("CLIP", session="ses-01")

    expected = np.stack([embedded["CLIP"][name] for name in files.shown])
    assert every.dtype == np.float16
    assert every.tobytes() == expected.tobytes()
    assert np.array_equal(one, expected[42])
    assert np.array_equal(first, expected[: len(files.trials("ses-01"))])
    betas = np.concatenate(list(sub.get_betas(session=None).values()))
    assert len(betas) == len(every)


def test_masks_and_captions_by_trial(sub, files, root, masks, captions):
    known = {name: sorted(set(rows["noun"])) for name, rows in masks.groupby("image_name")}
    trial = next(t for t, name in enumerate(files.shown) if name in known)
    name = files.shown[trial]
    nouns = sub.segmentations.nouns(trial)  # ['hand', 'piano', ...]
    has = sub.segmentations.has_image(trial)  # False if unique-image trial
    mask = sub.segmentations.get(trial, nouns[0])  # (1000, 1000) uint8 mask
    every = sub.captions.list(42)  # all captions for trial 42's image

    assert nouns == known[name]
    assert has is True
    assert mask.shape == (1000, 1000)
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, mask_of(root, masks, name, nouns[0]))
    ours = captions[captions["image_name"] == files.shown[42]]
    assert sorted(every) == sorted(ours["caption"])
    assert every == ours.sort_values("caption_idx")["caption"].tolist()
    unique = next(t for t, name in enumerate(files.shown) if name.startswith("unique_"))
    assert sub.segmentations.has_image(unique) is False
    assert sub.segmentations.nouns(unique) == []


def test_fitting_clip_features_to_betas(files, embedded):
    sub = load_subject("sub-03")

    # Per-session z-score, then concatenate, for fair scale:
    beta_chunks = []
    for ses in sub.get_sessions():
        b = sub.get_betas(session=ses, roi="visual")
        beta_chunks.append((b - b.mean(0)) / b.std(0))
    y = np.concatenate(beta_chunks, axis=0)  # (n_trials, n_voxels)

    # Trial-aligned CLIP features (same row order as y):
    X = sub.embeddings.all("CLIP")  # (n_trials, 1024)

    assert X.shape == (len(files.shown), 1024)
    assert len(y) == len(X)
    y = y[:, ~np.isnan(y).any(0)]  # some voxels have no estimate in some trials
    n_first = len(beta_chunks[0])
    assert np.allclose(y[:n_first].mean(0), 0, atol=1e-5)
    assert np.allclose(y[:n_first].std(0), 1, atol=1e-5)
    # Images whose features are alike drive alike responses, which shifted rows would not.
    features = X - X.mean(0, dtype=np.float32)
    alike = np.corrcoef(features), np.corrcoef(y)
    pairs = np.triu_indices(len(X), 1)
    aligned = np.corrcoef(alike[0][pairs], alike[1][pairs])[0, 1]
    shifted = np.roll(np.roll(alike[0], 1, 0), 1, 1)
    assert aligned > 0.2 > 2 * np.corrcoef(shifted[pairs], alike[1][pairs])[0, 1]


def test_masks_for_shared_image_trials(sub, files, root, masks):
    face = masks["noun"].value_counts().index[0]  # the commonest, for "face"
    seen = 0
    trials = sub.metadata
    shared_trials = trials.index[trials["unique_or_shared"] == "shared"]
    for trial in shared_trials:
        nouns = sub.segmentations.nouns(trial)
        if face in nouns:
            face_mask = sub.segmentations.get(trial, face)
            seen += 1
            assert np.array_equal(face_mask, mask_of(root, masks, files.shown[trial], face))
    named = set(masks[masks["noun"] == face]["image_name"])
    assert seen == sum(name in named for name in files.shown) > 0


# --- dataset-wide -----------------------------------------------------------------------------


def test_the_stimulus_hub(root, stored, embedded, masks, captions):
    stim = laion_fmri.load_stimuli()
    head = stim.metadata.head()  # pandas DataFrame
    table = pd.read_csv(root / layout.STIMULI_METADATA)
    assert head["image_name"].tolist() == table["image_name"].tolist()[:5]
    assert len(stim.metadata) == len(table)

    img = stim.images.get("shared_12rep_LAION_cluster_1003_i0.jpg")  # PIL
    jpeg = stim.images["shared_12rep_LAION_cluster_1003_i0.jpg"]  # raw bytes
    assert stim.images.names()[:3] == table["image_name"].tolist()[:3]
    for name, raw in stim.images:
        assert raw == stored[name]
    assert jpeg == stored[NAME]
    assert np.array_equal(np.asarray(img), np.asarray(Image.open(io.BytesIO(jpeg))))

    assert stim.embeddings.models == ["CLIP", "DINOv2", "PEcore", "SigLIP2"]
    assert stim.embeddings["CLIP"].shape == (len(table), 1024)
    assert stim.embeddings["CLIP"].dtype == np.float16
    vector = stim.embeddings.get(
        "CLIP",
        "shared_12rep_LAION_cluster_1003_i0.jpg",
    )  # (1024,) vector
    assert vector.shape == (1024,)
    assert np.array_equal(vector, embedded["CLIP"][NAME])

    nouns = stim.segmentations.nouns(
        "shared_12rep_LAION_cluster_1003_i0.jpg",
    )  # ['fingers', 'hand', ...]
    mask = stim.segmentations.get(
        "shared_12rep_LAION_cluster_1003_i0.jpg",
        nouns[0],
    )  # (1000, 1000) uint8
    assert nouns == sorted(set(masks[masks["image_name"] == NAME]["noun"]))
    assert np.array_equal(mask, mask_of(root, masks, NAME, nouns[0]))

    human = stim.captions.human(
        "shared_12rep_LAION_cluster_1003_i0.jpg",
    )  # list[str], length 5 for shared
    ai = stim.captions.ai(
        "shared_12rep_LAION_cluster_1003_i0.jpg",
    )  # str or None
    rows = stim.captions.get(
        "shared_12rep_LAION_cluster_1003_i0.jpg",
    )  # pandas DataFrame
    ours = captions[captions["image_name"] == NAME]
    assert human == ours[ours["source"] == "human"]["caption"].tolist()
    assert len(human) == 5
    assert ai == ours[ours["source"] == "ai"]["caption"].item()
    assert rows["caption"].tolist() == ours["caption"].tolist()


def test_uncovered_images_give_empty_answers(root, captions):
    stim = laion_fmri.load_stimuli()
    for name in stim.images.names():
        is_ood, is_unique = "_OOD_" in name, name.startswith("unique_")
        assert len(stim.captions.human(name)) == (3 if is_unique else 5)
        assert (stim.captions.ai(name) is None) == (is_ood or is_unique)
        if is_unique:
            assert stim.segmentations.nouns(name) == []
            assert len(stim.segmentations.for_image(name)) == 0
            assert not stim.segmentations.has_image(name)


def test_standalone_embeddings(root, embedded):
    emb = laion_fmri.load_embeddings("CLIP")
    first = emb["CLIP"][0]  # (1024,) float16
    vector = emb.get(
        "CLIP",
        "shared_12rep_LAION_cluster_1003_i0.jpg",
    )  # one vector
    assert first.shape == (1024,)
    assert first.dtype == np.float16
    assert np.array_equal(first, embedded["CLIP"][emb.image_ids[0]])
    assert np.array_equal(vector, embedded["CLIP"][NAME])
    for model, n_features in MODELS.items():
        with h5py.File(root / layout.embeddings(model)) as file:
            whole = laion_fmri.load_embeddings(model)[model]
            assert whole.shape == (len(file["image_ids"]), n_features)
            assert np.array_equal(whole, file["embedding"][:])


def test_standalone_segmentations(root, masks):
    seg = laion_fmri.Segmentations()

    # What nouns are present in this image?
    nouns = seg.nouns(
        "shared_12rep_LAION_cluster_1003_i0.jpg",
    )  # ['fingers', 'hand', ...]

    # Fetch one mask:
    mask = seg.get(
        "shared_12rep_LAION_cluster_1003_i0.jpg",
        nouns[0],
        instance=0,
    )  # (1000, 1000) uint8
    assert mask.shape == (1000, 1000)
    assert np.array_equal(mask, mask_of(root, masks, NAME, nouns[0]))
    assert len(seg.for_image(NAME)) == (masks["image_name"] == NAME).sum()


def test_standalone_captions(captions):
    caps = laion_fmri.Captions()

    # All human captions for one image (rank-ordered, up to five):
    human = caps.human("shared_12rep_LAION_cluster_1003_i0.jpg")
    # The AI caption, or None if no AI caption is available:
    ai = caps.ai("shared_12rep_LAION_cluster_1003_i0.jpg")
    # Or grab everything for an image as a DataFrame:
    rows = caps.get("shared_12rep_LAION_cluster_1003_i0.jpg")
    # And the full long-form table:
    head = caps.metadata.head()

    ours = captions[captions["image_name"] == NAME]
    assert human == ours["caption"].tolist()[1:]
    assert ai == ours["caption"].tolist()[0]
    assert rows["caption_idx"].tolist() == [0, 1, 2, 3, 4, 5]
    assert head.columns.tolist() == [
        "image_name", "caption_idx", "source", "caption", "origin_collection", "participant_id",
        "ai_model",
    ]  # fmt: skip
    assert len(caps.metadata) == len(captions)


def test_subject_level_access(root, embedded, masks, captions):
    files = Files(root, "sub-01")
    sub = laion_fmri.load_subject("sub-01")
    trials = sub.metadata
    head = trials[["session", "session_trial", "image_name", "unique_or_shared", "dataset"]].head()
    assert head["image_name"].tolist() == files.shown[:5]

    trial = 42  # global row index in sub.metadata

    # Pretrained features aligned to the same trial rows:
    x_one = sub.embeddings.get("CLIP", trial)  # (1024,)
    x_all = sub.embeddings.all("CLIP")  # (n_trials, 1024)
    x_ses = sub.embeddings.all("CLIP", session="ses-01")
    assert np.array_equal(x_one, embedded["CLIP"][files.shown[42]])
    assert np.array_equal(x_all, np.stack([embedded["CLIP"][name] for name in files.shown]))
    assert np.array_equal(x_ses, x_all[: len(files.trials("ses-01"))])

    # Object masks for shared-image trials, and captions for the stimulus shown:
    with_masks = 0
    for trial in range(len(trials)):
        name = files.shown[trial]
        if sub.segmentations.has_image(trial):
            nouns = sub.segmentations.nouns(trial)
            mask = sub.segmentations.get(trial, nouns[0])  # (1000, 1000) uint8
            assert np.array_equal(mask, mask_of(root, masks, name, nouns[0]))
            with_masks += 1
        human = sub.captions.human(trial)
        ai = sub.captions.ai(trial)  # None for unique-image and OOD trials
        ours = captions[captions["image_name"] == name]
        assert human == ours[ours["source"] == "human"]["caption"].tolist()
        assert (ai is None) == (name.startswith("unique_") or "_OOD_" in name)
    assert with_masks == sum(name in set(masks["image_name"]) for name in files.shown)


def test_stimulus_aligned_data_in_short(files, embedded):
    stim = laion_fmri.load_stimuli()
    assert len(stim.metadata.head()) == 5
    assert len(stim.captions.human("shared_12rep_LAION_cluster_1003_i0.jpg")) == 5
    assert stim.segmentations.nouns("shared_12rep_LAION_cluster_1003_i0.jpg")

    sub = load_subject("sub-03")
    trials = sub.metadata  # trial table across sessions
    X = sub.embeddings.all("CLIP", session="ses-01")  # rows align to betas
    img = sub.images.get(42)  # PIL image for trial 42
    assert trials["image_name"][42] == files.shown[42]
    assert len(X) == len(sub.get_betas("ses-01", roi="FFA1"))
    assert img.size == (1000, 1000)
    assert img.mode == "RGB"


# --- workflows ----------------------------------------------------------------------------------


def test_z_scoring_and_shared_against_unique(sub, files):
    train_chunks, test_chunks = [], []
    for ses in sub.get_sessions():
        betas = sub.get_betas(session=ses)  # (n_trials, n_voxels)
        with np.errstate(invalid="ignore"):  # voxels that no model was fitted in are all 0
            z = (betas - betas.mean(0)) / betas.std(0)  # within-session z-score
        trials = sub.get_trial_info(session=ses)
        is_shared = trials["label"].str.startswith("shared_").to_numpy()
        train_chunks.append(z[~is_shared])
        test_chunks.append(z[is_shared])

        train = sub.get_betas(session=ses, stimuli="unique")
        test = sub.get_betas(session=ses, stimuli="shared")
        assert same(train, betas[~is_shared])
        assert same(test, betas[is_shared])

    X_train = np.concatenate(train_chunks, axis=0)
    X_test = np.concatenate(test_chunks, axis=0)
    n_unique = sum(name.startswith("unique_") for name in files.shown)
    assert X_train.shape == (n_unique, sub.get_n_voxels())
    assert X_test.shape == (len(files.shown) - n_unique, sub.get_n_voxels())


def test_train_and_test_splits(sub, files):
    sessions = sub.get_sessions()
    betas_per_session = sub.get_betas(session=sessions, roi="face")
    trials_per_session = sub.get_trial_info(session=sessions)

    betas = np.concatenate(list(betas_per_session.values()), axis=0)
    trials = pd.concat(list(trials_per_session.values()), ignore_index=True)
    assert trials["label"].tolist() == files.shown
    assert len(betas) == len(trials)
    pool = {n for n in files.shown if n.startswith("shared_") and "_OOD_" not in n}

    names = ["random_0", "tau", *(f"cluster_k5_{k}" for k in range(5))]
    for name in names:
        train_mask, test_mask = get_split_masks(trials, name, pool="shared")
        sides = [set(trials["label"][mask]) for mask in (train_mask, test_mask)]
        assert sides[0] | sides[1] == pool
        assert not sides[0] & sides[1]
        X_train, X_test = betas[train_mask], betas[test_mask]
        assert len(X_train) + len(X_test) == sum(n in pool for n in files.shown)

    train_mask, test_mask = get_split_masks(
        trials, "ood", pool="shared", ood_types=["shape", "unusual", "cropped"]
    )
    kinds = ("_OOD_shape_", "_OOD_unusual_", "_OOD_cropped_")
    assert set(trials["label"][train_mask]) == pool
    assert test_mask.tolist() == [any(kind in n for kind in kinds) for n in files.shown]


def test_splits_with_visual_rois(sub, files):
    sessions = sub.get_sessions()
    betas = np.concatenate(list(sub.get_betas(session=sessions, roi="visual").values()), axis=0)
    trials = pd.concat(list(sub.get_trial_info(session=sessions).values()), ignore_index=True)
    train, test = get_split_masks(trials, "tau", pool="shared")
    X_train, X_test = betas[train], betas[test]
    where = files.roi("*/*")
    expected = np.concatenate([files.betas(ses, where) for ses in sessions])
    assert same(X_train, expected[train])
    assert same(X_test, expected[test])


def test_noise_ceiling_and_inspection(sub, files, capsys):
    # Noise ceiling: max explainable variance per voxel (0-100)
    nc = sub.get_noise_ceiling(session="ses-01")  # (n_voxels,)
    nc_12rep = sub.get_noise_ceiling(desc="Noiseceiling12rep")
    assert nc.shape == nc_12rep.shape == (files.brain.sum(),)
    assert 0 <= nc_12rep.min() < 1 < nc_12rep.max() <= 100

    # Inspect available sessions and ROIs
    print(sub.get_sessions())
    print(sub.get_available_rois())
    print(sub.get_available_categories())
    print(f"Brain-mask voxels: {sub.get_n_voxels()}")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "['ses-01', 'ses-02']"
    assert shown[3] == f"Brain-mask voxels: {files.brain.sum()}"


def test_per_subject_queries(files):
    sub = load_subject("sub-03")
    trials = sub.get_trial_info(session="ses-01")
    # columns: session, run, beta_index, label
    assert trials.columns.tolist() == ["session", "run", "beta_index", "label"]
    assert trials["run"].unique().tolist() == [1, 2, 3]  # runs in this session
    assert len(trials) == len(files.trials("ses-01"))  # trial count
    if sub.has_stimuli():
        stim = sub.get_stimulus_metadata()
    assert len(stim) == sub.get_n_stimuli()


# --- errors --------------------------------------------------------------------------------------


def test_errors_you_may_encounter(sub, root, tmp_path, monkeypatch):
    with pytest.raises(DataNotDownloadedError, match="download"):
        sub.get_betas(session="ses-09")
    assert issubclass(DataNotDownloadedError, FileNotFoundError)
    with pytest.raises(SubjectNotFoundError):
        load_subject("sub-")
    assert issubclass(SubjectNotFoundError, ValueError)
    for arguments in (
        {"session": "ses-01", "roi": "FFA1", "mask": sub.get_brain_mask()},
        {"session": "ses-01", "roi": "FFA9"},
    ):
        with pytest.raises(ValueError, match=r"FFA1|not both"):
            sub.get_betas(**arguments)
    with pytest.raises(ValueError, match="session=…"):
        sub.get_noise_ceiling()

    copy_local(root, tmp_path, ["sub-05"])
    for path in (tmp_path / layout.STIMULI_TREE).iterdir():
        path.unlink()
    bare = load_subject("sub-05", tmp_path)
    assert not bare.has_stimuli()
    assert issubclass(StimuliNotDownloadedError, FileNotFoundError)
    for read in (
        lambda: bare.metadata,
        lambda: bare.images.get(0),
        lambda: bare.embeddings.all("CLIP"),
        lambda: bare.segmentations.nouns(0),
        lambda: laion_fmri.load_stimuli(tmp_path).metadata,
    ):
        with pytest.raises(StimuliNotDownloadedError, match="download_"):
            read()
    monkeypatch.delenv("LAION_FMRI_DATA_DIR")
    with pytest.raises(DataDirNotSetError, match="dataset_initialize"):
        load_subject("sub-03")
