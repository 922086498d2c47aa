"""The demo dataset as a bucket: names, policy, anatomy, determinism."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.demo import copy_gated_stimuli, load_truth, write_demo
from laion_fmri.demo.home import is_demo_dataset
from laion_fmri.demo.profiles import PROFILES

TINY = PROFILES["tiny"]


def _sums(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def keys(tiny_bucket: Path) -> list[str]:
    files = (p.relative_to(tiny_bucket).as_posix() for p in tiny_bucket.rglob("*") if p.is_file())
    return sorted(key for key in files if not key.startswith("."))


def test_same_seed_gives_the_same_bytes(tiny_bucket: Path, tmp_path: Path) -> None:
    again = write_demo(tmp_path / "elsewhere", profile="tiny").path
    first, second = _sums(tiny_bucket), _sums(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_every_published_file_is_where_the_layout_puts_it(tiny_bucket: Path) -> None:
    for subject in TINY.subjects:
        expected = [
            layout.mean_rsquare(subject),
            *(layout.subject_noise_ceiling(subject, d) for d in layout.SUBJECT_NOISE_CEILINGS),
            *(layout.anatomical(subject, what, res)
              for what in ("T1w", "T2w", "desc-brain_mask") for res in (None, "1pt8")),
            f"{layout.freesurfer_dir(subject)}/surf/lh.sphere.reg",
            f"{layout.freesurfer_dir(subject)}/mri/transforms/talairach.lta",
        ]  # fmt: skip
        for session in TINY.sessions:
            expected += [
                layout.betas(subject, session),
                layout.trials(subject, session),
                layout.session_noise_ceiling(subject, session),
                layout.session_func(subject, session, "desc-GLMsingle_model.h5"),
            ]
        missing = [key for key in expected if not (tiny_bucket / key).is_file()]
        assert missing == []
    for name in layout.DATASET_FILES:
        assert (tiny_bucket / name).is_file()


def test_no_two_keys_share_a_local_name(keys: list[str]) -> None:
    assert len({layout.local_name(key) for key in keys}) == len(keys)


def test_rois_cover_all_categories_and_carry_hyphens_in_their_keys(keys: list[str]) -> None:
    by_subject: dict[str, set[str]] = {}
    for key in keys:
        found = layout.roi_of(key)
        if found:
            by_subject.setdefault(key.split("/")[2], set()).add("/".join(found))
    for subject in TINY.subjects:
        assert {r.split("/")[0] for r in by_subject[subject]} == set(layout.ROI_CATEGORIES)
    assert "face/FFA1" in by_subject["sub-01"]
    assert any("label-FFA-1_mask" in key for key in keys)
    assert "face/pSTSfaces" in by_subject["sub-01"]
    assert "face/pSTSfaces" not in by_subject["sub-05"], "not everyone has every ROI"


def test_a_left_only_roi_has_left_files_only(keys: list[str]) -> None:
    own = [k for k in keys if "sub-01" in k and "label-VWFA-1_" in k]
    assert len(own) == 4
    assert sum("res-1pt5" in key for key in own) == sum("res-1pt8" in key for key in own) == 1
    assert not any("hemi-R" in key for key in own)


@pytest.mark.parametrize("subject", TINY.subjects)
def test_left_is_left(tiny_bucket: Path, subject: str) -> None:
    image = nib.load(tiny_bucket / layout.roi_volume(subject, "character", "VWFA-1"))
    assert nib.aff2axcodes(image.affine) == ("L", "A", "S")
    ijk = np.argwhere(np.asarray(image.dataobj) > 0)
    assert len(ijk)
    world = nib.affines.apply_affine(image.affine, ijk)
    assert (world[:, 0] < 0).all()

    folder = tiny_bucket / layout.freesurfer_dir(subject) / "surf"
    points, _, info = nib.freesurfer.read_geometry(folder / "lh.white", read_metadata=True)
    mask = nib.load(
        tiny_bucket / layout.roi_surface(subject, "character", "VWFA-1", "L", ".func.gii")
    ).darrays[0].data  # fmt: skip
    label = nib.freesurfer.read_label(
        tiny_bucket / layout.roi_surface(subject, "character", "VWFA-1", "L", ".label")
    )
    assert np.array_equal(np.sort(label), np.flatnonzero(mask))
    on_surface = points[mask > 0] + info["cras"]
    assert (on_surface[:, 0] < 0).all()
    assert np.linalg.norm(on_surface.mean(axis=0) - world.mean(axis=0)) < 8


def test_surfaces_need_their_centre_to_meet_the_volume(tiny_bucket: Path) -> None:
    folder = tiny_bucket / layout.freesurfer_dir("sub-01")
    orig = nib.load(folder / "mri" / "orig.mgz")
    points, _, info = nib.freesurfer.read_geometry(folder / "surf" / "lh.pial", read_metadata=True)
    assert np.abs(info["cras"]).max() > 5
    to_scanner = orig.affine @ np.linalg.inv(orig.header.get_vox2ras_tkr())
    assert np.allclose(to_scanner[:3, :3], np.eye(3))
    assert np.allclose(to_scanner[:3, 3], info["cras"])
    mask = nib.load(tiny_bucket / layout.anatomical("sub-01", "desc-brain_mask"))
    inside = np.asarray(mask.dataobj)

    def share_inside(at: np.ndarray) -> float:
        ijk = np.rint(nib.affines.apply_affine(np.linalg.inv(mask.affine), at)).astype(int)
        ijk = np.clip(ijk, 0, np.array(mask.shape) - 1)
        return float(inside[tuple(ijk.T)].mean())

    assert share_inside(points + info["cras"]) > 0.8
    assert share_inside(points) < share_inside(points + info["cras"])


def test_masks_differ_and_betas_live_inside_the_fitted_one(tiny_bucket: Path) -> None:
    anatomical = np.asarray(
        nib.load(tiny_bucket / layout.anatomical("sub-03", "desc-brain_mask", "1pt8")).dataobj
    )
    fitted = np.asarray(nib.load(tiny_bucket / layout.mean_rsquare("sub-03")).dataobj) != 0
    assert (fitted <= (anatomical > 0)).all()
    assert fitted.sum() < anatomical.sum()
    betas = nib.load(tiny_bucket / layout.betas("sub-03", "ses-01"))
    data = np.asarray(betas.dataobj)
    assert data.dtype == np.float32
    assert (data[~fitted] == 0).all()
    assert (data[fitted] != 0).all()
    assert 0 < np.isnan(data).sum() < 100


def test_the_policy_denies_held_out_sessions_and_gated_images(
    tiny_bucket: Path, keys: list[str]
) -> None:
    patterns = json.loads((tiny_bucket / ".bucket-policy.json").read_text())["deny"]
    denied = [k for k in keys if any(fnmatch.fnmatchcase(k, p) for p in patterns)]
    assert layout.STIMULI_IMAGES in denied
    held_out = [k for k in keys if layout.is_held_out(k)]
    assert {layout.betas("sub-01", s) for s in layout.HELD_OUT_SESSIONS} <= set(held_out)
    assert any("/sub-01/ses-31/func/sub-01_ses-31_task-oloc" in k for k in set(keys) - set(denied))
    assert set(denied) == {*held_out, layout.STIMULI_IMAGES}


def test_a_complete_demo_is_reused_and_anything_else_refused(
    tiny_bucket: Path, tmp_path: Path
) -> None:
    before = (tiny_bucket / "README").stat().st_mtime_ns
    assert write_demo(tiny_bucket, profile="tiny").path == tiny_bucket
    assert (tiny_bucket / "README").stat().st_mtime_ns == before
    with pytest.raises(InvalidArgumentError, match="another demo dataset"):
        write_demo(tiny_bucket, profile="tiny", seed=1)
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter1.txt").write_text("do not lose this")
    with pytest.raises(InvalidArgumentError, match="Nothing was changed"):
        write_demo(foreign, profile="tiny")
    assert [p.name for p in tmp_path.rglob("*")] == ["thesis", "chapter1.txt"]
    with pytest.raises(UnknownNameError, match="demo profile"):
        write_demo(tmp_path / "new", profile="huge")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(fraction: float, what: str) -> None:
        if fraction > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path / "demo", profile="tiny", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_gated_stimuli_are_copied_whole(tiny_bucket: Path, tmp_path: Path) -> None:
    copied = copy_gated_stimuli(tiny_bucket, tmp_path)
    assert (tmp_path / layout.STIMULI_IMAGES) in copied
    original = (tiny_bucket / layout.STIMULI_IMAGES).read_bytes()
    assert (tmp_path / layout.STIMULI_IMAGES).read_bytes() == original
    assert not [p for p in (tmp_path / "stimuli").iterdir() if p.name.startswith(".")]
    with pytest.raises(InvalidArgumentError, match="no demo dataset"):
        copy_gated_stimuli(tmp_path, tmp_path)
    with pytest.raises(InvalidArgumentError, match="no demo dataset"):
        load_truth(tmp_path)


def test_the_demo_is_told_from_other_datasets(tiny_bucket: Path, tmp_path: Path) -> None:
    assert is_demo_dataset(tiny_bucket)
    assert not is_demo_dataset(tmp_path)
    for text in ("", "[]", '{"GeneratedBy": [{"Name": "another"}]}'):
        (tmp_path / "dataset_description.json").write_text(text)
        assert not is_demo_dataset(tmp_path)
