"""Several subjects at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import SES, SmallData
from local_copy import copy_local

import laion_fmri
from laion_fmri import layout
from laion_fmri._errors import (
    DataDirNotSetError,
    DataNotDownloadedError,
    InvalidArgumentError,
    NotEnoughMemoryError,
    StimuliNotDownloadedError,
    SubjectNotFoundError,
    UnknownNameError,
)
from laion_fmri.group import Group, load_subjects
from laion_fmri.subject import load_subject

PAIR = ["sub-03", "sub-05"]


@pytest.fixture(scope="module")
def root(tiny_bucket, tmp_path_factory):
    return copy_local(tiny_bucket, tmp_path_factory.mktemp("group"), ["sub-01", *PAIR])


@pytest.fixture(scope="module")
def group(root) -> Group:
    return load_subjects(PAIR, root)


@pytest.fixture
def own(root, tmp_path):
    """A copy to change."""
    shutil.copytree(root, tmp_path / "own")
    return tmp_path / "own"


def labels_of(root, sub: str, ses: str) -> list[str]:
    return pd.read_csv(root / layout.trials(sub, ses), sep="\t")["label"].tolist()


def test_iterating_indexing_and_length(group, root, monkeypatch):
    assert [(name, sub.name) for name, sub in group] == [(n, n) for n in PAIR]
    assert group.names == PAIR
    assert len(group) == 2
    assert group["sub-03"] is group["03"]
    assert "03" in group
    assert "sub-01" not in group
    assert None not in group
    assert repr(group) == "<Group of 2: sub-03, sub-05>"
    assert load_subjects("all", root).names == ["sub-01", *PAIR]
    assert load_subjects("05", root).names == ["sub-05"]
    assert load_subjects(["05", "sub-05", "01"], root).names == ["sub-05", "sub-01"]
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(root))
    assert laion_fmri.load_subjects().names == ["sub-01", *PAIR]
    assert laion_fmri.Group is Group


def test_subjects_that_are_not_there(group, root, tmp_path):
    with pytest.raises(DataDirNotSetError):
        load_subjects(PAIR)
    with pytest.raises(DataNotDownloadedError, match=r"sub-09 has no files .*Downloaded: sub-01"):
        load_subjects([*PAIR, "sub-09"], root)
    with pytest.raises(SubjectNotFoundError, match="not in this group of sub-03, sub-05"):
        group["01"]
    with pytest.raises(DataNotDownloadedError, match="--subject all"):
        load_subjects("all", tmp_path)
    with pytest.raises(InvalidArgumentError, match="No subject was asked for"):
        load_subjects([], root)
    for bad in (None, 1.5, [None], ["sub-"], ""):
        with pytest.raises(SubjectNotFoundError, match="not a subject identifier"):
            load_subjects(bad, root)


def test_shared_betas_are_the_rows_of_shared_images(group, root):
    got = group.get_shared_betas(session="ses-01")
    assert list(got) == PAIR
    for sub in PAIR:
        is_shared = [label.startswith("shared_") for label in labels_of(root, sub, "ses-01")]
        every = load_subject(sub, root).get_betas("ses-01")
        assert 0 < sum(is_shared) < len(is_shared)
        assert got[sub].dtype == np.float32
        assert got[sub].tobytes() == every[np.array(is_shared)].tobytes()


@pytest.mark.parametrize("session", [None, ["ses-02", "ses-01"], iter(["02", "01"])])
def test_several_sessions_give_dicts_of_dicts(group, root, session):
    order = ["ses-01", "ses-02"] if session is None else ["ses-02", "ses-01"]
    got = group.get_shared_betas(session=session, roi="face", nc_threshold=5)
    for sub in PAIR:
        assert list(got[sub]) == order
        for ses in order:
            expected = load_subject(sub, root).get_betas(
                ses, roi="face", nc_threshold=5, stimuli="shared"
            )
            assert got[sub][ses].tobytes() == expected.tobytes()


def test_betas_of_everyone_that_do_not_fit_into_memory(tmp_path):
    data = SmallData(tmp_path)
    data.huge_betas()
    data.trials(["shared_12rep_LAION_cluster_1_i0.jpg"] * 32_000)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        twin = Path(str(path).replace("sub-01", "sub-03"))
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.hardlink_to(path)
    group = load_subjects(["01", "03"], tmp_path)
    with pytest.raises(NotEnoughMemoryError, match=r"2 sessions \(64,000 trials.*take 1\.05 TB"):
        group.get_shared_betas(SES)


def test_masks_of_every_subjects_own(group, root):
    masks = {name[4:]: sub.get_roi_mask("PPA", "rsquare") for name, sub in group}
    got = group.get_shared_betas("ses-01", mask=masks, mask_source="rsquare")
    expected = group.get_shared_betas("ses-01", roi="PPA", mask_source="rsquare")
    for sub in PAIR:
        assert got[sub].tobytes() == expected[sub].tobytes()
    with pytest.raises(InvalidArgumentError, match="Voxels differ between subjects"):
        group.get_shared_betas("ses-01", mask=masks["03"])
    with pytest.raises(InvalidArgumentError, match="masks of sub-03, but the group"):
        group.get_shared_betas("ses-01", mask={"03": masks["03"]})
    with pytest.raises(InvalidArgumentError, match="not both"):
        group.get_shared_betas("ses-01", mask=masks, roi="PPA")


@pytest.mark.parametrize("session", ["ses-02", None])
def test_tables_line_up_with_shared_betas(group, root, session):
    betas = group.get_shared_betas(session, roi="PPA")
    info, metadata = group.get_shared_trial_info(session), group.get_shared_metadata(session)
    for name, sub in group:
        one_of = {"ses-02": None} if session else betas[name]
        assert set(one_of) == ({"ses-02"} if session else {"ses-01", "ses-02"})
        for ses in one_of:
            rows, table, joined = (
                found[name] if session else found[name][ses] for found in (betas, info, metadata)
            )
            shared = [label for label in labels_of(root, name, ses) if label.startswith("shared_")]
            assert table["label"].tolist() == joined["image_name"].tolist() == shared
            assert len(rows) == len(shared)
            assert np.array_equal(rows, sub.get_betas(ses, roi="PPA")[table.index])
            assert (joined["unique_or_shared"] == "shared").all()
            assert sub.metadata.loc[joined.index, "image_name"].tolist() == shared


def test_shared_images(group, root):
    per_session = {
        (sub, ses): {name for name in labels_of(root, sub, ses) if name.startswith("shared_")}
        for sub in PAIR
        for ses in ("ses-01", "ses-02")
    }
    every = [per_session[sub, "ses-01"] | per_session[sub, "ses-02"] for sub in PAIR]
    assert group.shared_images() == sorted(every[0] & every[1])
    first = sorted(per_session["sub-03", "ses-01"] & per_session["sub-05", "ses-01"])
    assert group.shared_images("ses-01") == group.shared_images(["01"]) == first
    assert set(first) <= set(group.shared_images())
    alone = load_subjects(["03"], root).shared_images()
    assert alone == sorted(every[0])  # no unique image, though its only subject saw it


def test_an_image_that_one_subject_has_not_seen_is_not_shared(own):
    for ses in ("ses-01", "ses-02"):
        path = own / layout.trials("sub-05", ses)
        path.write_text(path.read_text().replace("shared_12rep_LAION_cluster_1003_i0", "shared_x"))
    names = load_subjects(PAIR, own).shared_images()
    assert names
    assert "shared_12rep_LAION_cluster_1003_i0.jpg" not in names
    assert "shared_x.jpg" not in names


def test_an_roi_that_one_subject_lacks_is_found_out_before_anything_is_read(own):
    for path in (own / layout.ROIS_TREE / "sub-05").glob("place/*PPA*"):
        path.unlink()
    (own / layout.betas("sub-03", "ses-01")).write_bytes(b"junk")
    with pytest.raises(UnknownNameError, match=r"'PPA'.*Looked for in sub-05"):
        load_subjects(PAIR, own).get_shared_betas("ses-01", roi=iter(["FFA1", "PPA"]))


def test_missing_files_name_their_subject(own):
    (own / layout.betas("sub-05", "ses-02")).unlink()
    group = load_subjects(PAIR, own)
    with pytest.raises(DataNotDownloadedError, match=r"subject='sub-05', ses='ses-02'"):
        group.get_shared_betas("ses-02", roi="PPA")
    got = group.get_shared_betas(None, roi="PPA")
    assert [list(got[sub]) for sub in PAIR] == [["ses-01", "ses-02"], ["ses-01"]]
    (own / layout.STIMULI_METADATA).unlink()
    assert group.shared_images("ses-01")
    with pytest.raises(StimuliNotDownloadedError, match="download_stimuli"):
        group.get_shared_metadata("ses-01")
