"""Names, entities, keys and paths."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri import layout
from laion_fmri._errors import (
    InvalidArgumentError,
    SubjectNotFoundError,
    UnknownNameError,
    UnsafeKeyError,
)

words = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1)


def test_doctests():
    assert doctest.testmod(layout).failed == 0


@pytest.mark.parametrize("given_, full", [("03", "sub-03"), ("sub-03", "sub-03")])
def test_subject_id(given_, full):
    assert layout.resolve_subject_id(given_) == full


@pytest.mark.parametrize(
    "bad", ["", "sub-", "sub-0/3", "../x", "03\n", "sub-03 ", 3, None, b"\xff", ["03"], "sub-é"]
)
def test_malformed_subjects_are_refused(bad):
    with pytest.raises(SubjectNotFoundError, match="full form"):
        layout.resolve_subject_id(bad)


@pytest.mark.parametrize("bad", ["", "ses-", "ses-01\n", "../ses-01", 1.5, None, b"\xff"])
def test_malformed_sessions_are_refused(bad):
    with pytest.raises(InvalidArgumentError, match="full form"):
        layout.session_id(bad)


def test_natural_order():
    names = ["ses-10", "ses-2", "ses-01", "ses-PrismaAnat", "ses-1"]
    assert sorted(names, key=layout.natural_order) == [
        "ses-01", "ses-1", "ses-2", "ses-10", "ses-PrismaAnat",
    ]  # fmt: skip


@given(st.lists(st.text()))
def test_natural_order_takes_any_names(names):
    assert sorted(sorted(names, key=layout.natural_order)) == sorted(names)


def test_entities_of_betas():
    found = layout.parse_entities(layout.betas("sub-01", "ses-02"))
    assert dict(found.values) == {
        "sub": "01",
        "ses": "02",
        "task": "images",
        "space": "T1w",
        "stat": "effect",
        "desc": "SingletrialBetas",
    }
    assert (found.suffix, found.extension) == ("statmap", ".nii.gz")


@pytest.mark.parametrize(
    "key, sub, suffix, extension",
    [
        ("derivatives/freesurfer/sub-01/surf/lh.sphere.reg", "01", "", ".reg"),
        ("derivatives/freesurfer/sub-01/mri/transforms/talairach.lta", "01", "", ".lta"),
        ("README", None, "", ""),
        (".hidden", None, "", ""),
        ("stimuli/task-images_desc-captions.csv", None, "", ".csv"),
        ("sub-01/ses-01/func/sub-01_ses-01_task-images_run-01_echo-2_part-mag_bold.nii.gz",
         "01", "bold", ".nii.gz"),
    ],
)  # fmt: skip
def test_entities_of_other_files(key, sub, suffix, extension):
    found = layout.parse_entities(key)
    assert (found.get("sub"), found.suffix, found.extension) == (sub, suffix, extension)


@given(st.dictionaries(st.sampled_from(["ses", "task", "run", "desc", "label"]), words), words)
def test_entities_come_back_from_a_name(values, suffix):
    name = "_".join(["sub-01", *(f"{k}-{v}" for k, v in values.items()), suffix]) + ".nii.gz"
    found = layout.parse_entities(f"derivatives/x/sub-01/{name}")
    assert dict(found.values) == {"sub": "01", **values}
    assert found.suffix == suffix


@given(st.text())
def test_any_key_can_be_parsed(key):
    layout.parse_entities(key)
    layout.local_name(key)
    layout.is_held_out(key)
    layout.roi_of(key)


def test_only_hyphens_of_labels_go_and_only_in_the_file_name():
    key = "derivatives/rois/sub-01/label-a-b/sub-01_desc-c-d_label-pSTS-fa-ces_mask.func.gii"
    assert layout.local_name(key) == (
        "derivatives/rois/sub-01/label-a-b/sub-01_desc-c-d_label-pSTSfaces_mask.func.gii"
    )


@given(words, words)
def test_local_names_are_stable(label, rest):
    name = "derivatives/rois/sub-01/face/sub-01_label-{}_mask.nii.gz"
    once = layout.local_name(name.format(f"{label}-{rest}"))
    assert layout.local_name(once) == once == name.format(label + rest)


UNSAFE = [
    "",
    "/",
    "/etc/passwd",
    "a//b",
    "a/",
    "./a",
    "../a",
    "a/../../b",
    "a\\b",
    "a\0b",
    "..",
    ".",
]


@pytest.mark.parametrize("key", UNSAFE)
def test_unsafe_keys_are_refused(key):
    with pytest.raises(UnsafeKeyError, match="refused"):
        layout.local_path(Path("/data"), key)


@given(st.text(st.sampled_from("ab./\\-_\0"), max_size=12))
def test_no_key_leaves_the_data_directory(key):
    root = Path("/data")
    try:
        path = layout.local_path(root, key)
    except UnsafeKeyError:
        return
    assert path.is_relative_to(root)
    assert path != root
    assert ".." not in path.parts


@pytest.mark.parametrize("session", ["ses-31", "ses-32", "ses-33", "ses-34"])
def test_held_out_by_folder_or_name(session):
    assert layout.is_held_out(f"derivatives/x/sub-01/{session}/func/a.nii.gz")
    assert layout.is_held_out(f"derivatives/x/sub-01/figures/sub-01_{session}_hist.png")
    assert not layout.is_held_out(f"derivatives/x/sub-01/{session}0/func/a.nii.gz")
    assert not layout.is_held_out("derivatives/x/sub-31/ses-30/func/a.nii.gz")
    assert layout.is_held_out(layout.betas("sub-01", session))
    assert layout.is_held_out(f"sub-01/{session}/func/sub-01_{session}_task-images_bold.nii.gz")
    assert layout.is_held_out(f"derivatives/tedana/sub-01/{session}/func/a_desc-optcom_bold.nii.gz")


def test_what_is_held_out_depends_on_the_tree():
    for tree in ("localizers", "rois", "anatomical", "freesurfer"):
        assert not layout.is_held_out(f"derivatives/{tree}/sub-01/ses-31/func/sub-01_ses-31_x.json")
    assert layout.is_held_out("derivatives/localizers-old/sub-01/ses-31/func/sub-01_ses-31_x.json")


def test_roi_of():
    assert layout.roi_of(layout.roi_volume("sub-01", "face", "FFA-1")) == ("face", "FFA1")
    key = layout.roi_surface("sub-01", "face", "FFA-1", "L", ".label")
    assert layout.roi_of(key) == ("face", "FFA1")
    assert layout.roi_of(key.replace(".label", ".json")) is None
    assert layout.roi_of(f"other/{key}") is None
    hidden = layout.roi_volume("sub-01", "face", "FFA1").replace("/sub-01_", "/.sub-01_")
    assert layout.roi_of(hidden + ".0123456789ab.part") is None


def test_embedding_models():
    for model in layout.EMBEDDING_MODELS:
        assert layout.embedding_model(layout.embeddings(model)) == model
    assert layout.embedding_model("stimuli/task-images_desc-captions.csv") is None


@pytest.mark.parametrize("value, listed", [(None, None), ("a", ["a"]), (("a", "b"), ["a", "b"])])
def test_as_list(value, listed):
    assert layout.as_list(value) == listed


@pytest.mark.parametrize("value", ["", ["a", ""], 1, [1], b"\xff", [None]])
def test_what_is_no_filter_value(value):
    with pytest.raises(InvalidArgumentError, match="filter value"):
        layout.as_list(value)


@given(words, st.sampled_from(["ses", "task", "desc", "run"]))
def test_bare_values_and_tokens_match_whatever_case(value, entity):
    for wanted in (value, f"{entity}-{value}", value.upper(), f"{entity}-{value}".upper()):
        assert layout.matches(value, wanted, entity)


@given(words, words)
def test_other_values_do_not_match(actual, wanted):
    assert layout.matches(actual, wanted, "desc") == (actual.lower() == wanted.lower())


def test_extensions_match_with_or_without_dot():
    assert layout.matches(".nii.gz", "nii.gz", "extension")
    assert not layout.matches(".nii.gz", "nii", "extension")
    assert not layout.matches(".nii.gz", "gz", "extension")


def test_categories():
    assert layout.require_category("face") == "face"
    with pytest.raises(UnknownNameError, match="Did you mean 'face'"):
        layout.require_category("faces")
