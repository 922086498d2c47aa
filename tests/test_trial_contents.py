from __future__ import annotations

import io
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from laion_fmri import layout
from laion_fmri import trial_contents as trial_data
from laion_fmri._errors import InconsistentDataError, StimuliNotDownloadedError
from laion_fmri.analysis.roi_responses import VoxelChoice, percentiles, roi_responses
from laion_fmri.subject import load_subject
from laion_fmri.trial_selection.filters import Filters, TrialFilter
from laion_fmri.trial_selection.trial_table import (
    describe_trial,
    next_repeat,
    trial_table,
    trials_tsv,
)
from laion_fmri.zscore import nan_mean, z_scored


@pytest.fixture
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


@pytest.fixture
def own_sub(tiny_home, tmp_path):
    """A subject whose files a test may spoil."""
    data_dir = shutil.copytree(tiny_home.data_dir, tmp_path / "data")
    return load_subject("sub-01", data_dir)


# --- trials -----------------------------------------------------------------------------


def test_the_table_counts_the_showings_of_each_image(sub):
    table = trial_table(sub)
    assert list(table.index) == list(range(len(sub.metadata)))
    for _, rows in table.groupby("image_name"):
        assert rows["repeat"].tolist() == list(range(1, len(rows) + 1))
        assert set(rows["repeats"]) == {len(rows)}


def test_without_stimulus_metadata_the_names_say_what_they_can(own_sub):
    with_metadata = trial_table(own_sub)
    layout.local_path(own_sub.data_dir, layout.STIMULI_METADATA).unlink()
    table = trial_table(own_sub)
    for column in ("session", "run", "image_name", "unique_or_shared", "repeat", "repeats"):
        assert table[column].tolist() == with_metadata[column].tolist()
    assert set(table["dataset"]) == {""}


@pytest.mark.parametrize("has_metadata", [True, False])
def test_a_subject_without_sessions_has_no_trials_to_filter(own_sub, has_metadata):
    shutil.rmtree(own_sub.data_dir / layout.BETAS_TREE / "sub-01")
    if not has_metadata:
        layout.local_path(own_sub.data_dir, layout.STIMULI_METADATA).unlink()
    trials = TrialFilter(trial_table(own_sub))
    assert len(trials) == 0
    assert trials.filtered(Filters(run="1")).trials.tolist() == []


def test_next_repeat_goes_round():
    table = pd.DataFrame({"image_name": ["a", "b", "a", "c", "a"]})
    assert [next_repeat(table, t) for t in range(5)] == [2, 1, 4, 3, 0]


def test_ood_types_come_from_the_names(sub):
    table = trial_table(sub)
    assert set(table.loc[table["dataset"] != "OOD", "ood_type"]) == {""}
    assert "" not in set(table.loc[table["dataset"] == "OOD", "ood_type"])


def add_columns(sub, session: str, **columns: object) -> None:
    path = layout.local_path(sub.data_dir, layout.trials(sub.name, session))
    table = pd.read_csv(path, sep="\t", dtype=str).assign(**columns)
    table.to_csv(path, sep="\t", index=False)


OF_THE_PAGE = ("trial", "session_trial", "image_name", "stim_idx", "dataset", "unique_or_shared",
               "repeat", "repeats", "ood_type", "noun", "caption")  # fmt: skip


@pytest.mark.parametrize("has_metadata", [True, False])
def test_columns_of_the_trial_tables_replace_none_of_the_pages(own_sub, has_metadata):
    if not has_metadata:
        layout.local_path(own_sub.data_dir, layout.STIMULI_METADATA).unlink()
    before = trial_table(own_sub)
    for session in own_sub.get_sessions():
        more = {name: [str(i % 10 + 1) for i in range(len(own_sub.get_trial_info(session)))]
                for name in (*OF_THE_PAGE, "index", "level_0", "shown", "side")}  # fmt: skip
        add_columns(own_sub, session, **more)
    table = trial_table(own_sub)
    pd.testing.assert_frame_equal(table[before.columns], before)
    trials = TrialFilter(table)
    assert trials.filtered(Filters(where="trial < 3")).trials.tolist() == [0, 1, 2]
    assert trials.filtered(Filters(where="index == 10 and session_trial < 20")).trials[0] == 9
    written = pd.read_csv(io.StringIO(trials_tsv(table, [4, 17])), sep="\t")
    assert written["trial"].tolist() == [4, 17]
    assert written["image_name"].tolist() == before["image_name"].iloc[[4, 17]].tolist()


def test_what_is_missing_ends_nothing(own_sub):
    """In the table, the words and the masks."""
    add_columns(
        own_sub, "ses-01", run=["n/a"] + ["2"] * (len(own_sub.get_trial_info("ses-01")) - 1)
    )
    name = own_sub.get_trial_info("ses-01")["label"][0]
    path = layout.local_path(own_sub.data_dir, layout.STIMULI_METADATA)
    images = pd.read_csv(path, dtype=str)
    known = images.columns.drop("image_name")
    images.loc[images["image_name"] == name, known] = None
    images.to_csv(path, index=False)
    nouns = layout.local_path(own_sub.data_dir, layout.SEGMENTATIONS_METADATA)
    masks = pd.read_csv(nouns, dtype=str)
    seen = own_sub.metadata["image_name"]
    trial = int(np.flatnonzero(seen.isin(masks["image_name"]))[0])
    of_image = masks.index[masks["image_name"] == seen[trial]]
    masks.loc[of_image[0], ["noun", "score", "localized", "box_x0"]] = None
    masks.to_csv(nouns, index=False)

    table = trial_table(own_sub)
    trials = TrialFilter(table, pd.read_csv(nouns, dtype=str))
    assert len(trials.filtered(Filters()).trials) == len(own_sub.metadata)
    assert 0 not in trials.filtered(Filters(run="2")).trials
    assert trials.filtered(Filters(run="2", session="ses-01")).trials[0] == 1
    said = describe_trial(0, table.iloc[0])
    assert "run not known" in said[1]
    assert not any("nan" in part for part in said)
    stimuli = own_sub._stimuli
    found = trial_data.object_masks(own_sub, trial, stimuli.segmentations)
    assert len(found) == len(of_image) - 1
    assert "nan" not in {mask.noun for mask in found}


# --- one trial --------------------------------------------------------------------------


def test_pictures_are_those_the_library_shows(sub):
    table = trial_table(sub).drop_duplicates("image_name")
    kinds = set()
    for trial in table.index:
        picture = trial_data.displayed_picture(sub, trial)
        kinds.add(picture.mime)
        decoded = Image.open(io.BytesIO(picture.encoded))
        np.testing.assert_array_equal(np.asarray(decoded), np.asarray(sub.images.get(trial)))
    assert kinds == {"image/jpeg", "image/png"}


def test_masks_come_back_from_their_runs(sub):
    trial = next(t for t in range(50) if sub.segmentations.has_image(t))
    masks = trial_data.object_masks(sub, trial, sub._stimuli.segmentations)
    assert len(masks) == len(sub.segmentations.for_image(trial))
    for mask in masks:
        stored = sub.segmentations.get(trial, mask.noun, mask.instance)
        drawn = np.zeros(mask.shape, dtype=bool)
        for first, end in mask.runs:
            drawn.reshape(-1)[first:end] = True
        np.testing.assert_array_equal(drawn, stored != 0)


def test_every_mask_has_its_own_colour():
    masks = [
        trial_data.ObjectMask(noun, instance, 1.0, True, (1, 1), np.zeros((0, 2), np.uint32))
        for noun in "abcdefghijkl"
        for instance in range(5)
    ]
    assert len(set(trial_data.mask_colours(masks))) == len(masks)


@pytest.mark.parametrize("mask", [np.zeros((3, 4)), np.ones((3, 4)), np.eye(4)])
def test_runs_of_simple_masks(mask):
    runs = trial_data.mask_runs(mask.astype(np.uint8))
    covered = [p for first, end in runs.tolist() for p in range(first, end)]
    assert covered == np.flatnonzero(mask).tolist()


def test_captions_are_the_librarys(sub):
    for trial in range(len(sub.metadata)):
        captions = trial_data.trial_captions(sub, trial)
        human = [c.text for c in captions if c.source == "human"]
        assert human == sub.captions.human(trial)
        assert [c.rank for c in captions if c.source == "human"] == list(range(1, len(human) + 1))
        assert [c.text for c in captions if c.source == "ai"] == [sub.captions.ai(trial)] * (
            sub.captions.ai(trial) is not None
        )
        known = sub.captions.get(trial)
        assert {c.origin for c in captions} <= {*known["origin_collection"].fillna("")}
        assert {c.model for c in captions if c.source == "ai"} <= {*known["ai_model"].dropna()}


def test_boxes_are_the_tables(sub):
    trial = next(t for t in range(50) if sub.segmentations.has_image(t))
    rows = sub.segmentations.for_image(trial).set_index(["noun", "instance_id"])
    for mask in trial_data.object_masks(sub, trial, sub._stimuli.segmentations):
        row = rows.loc[(mask.noun, mask.instance)]
        box = tuple(row[["box_x0", "box_y0", "box_x1", "box_y1"]].astype(float))
        assert mask.box == (box if box[0] < box[2] and box[1] < box[3] else None)


def test_missing_stimuli_are_named(own_sub):
    layout.local_path(own_sub.data_dir, layout.STIMULI_IMAGES).unlink()
    with pytest.raises(StimuliNotDownloadedError):
        trial_data.displayed_picture(own_sub, 0)


# --- responses --------------------------------------------------------------------------


def test_roi_means_equal_numpy_on_the_same_betas(sub):
    found = roi_responses(sub, "ses-01")
    betas = sub.get_betas("ses-01").astype(np.float64)
    assert sorted(found.rois) == sub.get_available_rois()
    assert list(zip(found.categories, found.rois, strict=True)) == sorted(
        zip(found.categories, found.rois, strict=True)
    )
    with np.errstate(invalid="ignore"):  # voxels that never vary
        z = (betas - np.nanmean(betas, axis=0)) / np.nanstd(betas, axis=0)
    for place, roi in enumerate(found.rois):
        inside = sub.get_roi_mask(roi)
        assert found.n_voxels[place] == inside.sum()
        raw = np.nanmean(betas[:, inside], axis=1)
        np.testing.assert_allclose(found.means["raw"][:, place], raw, rtol=1e-12)
        scored = np.nanmean(z[:, inside], axis=1)
        np.testing.assert_allclose(found.means["z"][:, place], scored, rtol=1e-9, atol=1e-12)
    expected = np.nanpercentile(found.means["z"], [5, 50, 95], axis=0)
    np.testing.assert_array_equal(percentiles(found.means["z"]), expected)


@pytest.mark.parametrize("source", ["anatomical", "rsquare"])
def test_voxels_are_those_chosen(sub, source):
    found = roi_responses(sub, "ses-01", VoxelChoice(source, 20.0))
    roi = "PPA"
    betas = sub.get_betas("ses-01", roi=roi, nc_threshold=20.0, mask_source=source)
    place = found.rois.index(roi)
    assert 0 < found.n_voxels[place] == betas.shape[1]
    everything = roi_responses(sub, "ses-01", VoxelChoice(source))
    assert found.n_voxels[place] < everything.n_voxels[place]
    expected = nan_mean(z_scored(betas.astype(float)), axis=1)
    np.testing.assert_allclose(found.means["z"][:, place], expected, rtol=1e-9, atol=1e-12)


def test_a_damaged_roi_is_reported_and_the_others_stand(own_sub):
    category = own_sub.get_available_categories()[0]
    roi = own_sub.get_available_rois(category)[0]
    path = layout.local_path(own_sub.data_dir, layout.roi_volume("sub-01", category, roi))
    path.write_bytes(path.read_bytes()[:60])
    found = roi_responses(own_sub, "ses-01")
    place = found.rois.index(roi)
    assert list(found.problems) == [roi]
    assert found.n_voxels[place] == 0
    assert np.isnan(found.means["z"][:, place]).all()
    assert np.isfinite(np.delete(found.means["z"], place, axis=1)).all()


def test_a_table_that_does_not_fit_the_betas_is_refused(own_sub):
    path = layout.local_path(own_sub.data_dir, layout.trials("sub-01", "ses-01"))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InconsistentDataError, match="trials"):
        roi_responses(own_sub, "ses-01")
