"""Names in every kind of string and array."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from builders import LABELS, SmallData
from hypothesis import given, settings
from hypothesis import strategies as st

import laion_fmri
from laion_fmri import splits
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.names import as_labels, as_name, as_names

plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
KINDS = {
    "list of str": list,
    "list of bytes": lambda names: [n.encode() for n in names],
    "tuple": tuple,
    "iterator": iter,
    "U array": lambda names: np.array(names, dtype="U"),
    "S array": lambda names: np.array([n.encode() for n in names]),
    "object array of bytes": lambda names: np.array([n.encode() for n in names], dtype=object),
    "0-d arrays": lambda names: [np.array(n) for n in names],
    "numpy's bytes": lambda names: [np.bytes_(n.encode()) for n in names],
    "Series": pd.Series,
    "Series of bytes": lambda names: pd.Series([n.encode() for n in names]),
    "Index": pd.Index,
    "Categorical": pd.Categorical,
    "Series of categories": lambda names: pd.Series(names, dtype="category"),
    "dict's keys": lambda names: dict.fromkeys(names).keys(),
}


@given(st.lists(plain, min_size=1, max_size=5, unique=True))
@settings(max_examples=30)
def test_names_are_text_whatever_holds_them(names):
    for kind, hold in KINDS.items():
        assert as_names(hold(names)) == names, kind
        assert {type(name) for name in as_names(hold(names))} == {str}
    for one in (names[0], names[0].encode(), np.str_(names[0]), np.array(names[0], dtype=object)):
        assert as_name(one) == names[0]
        assert as_names(one) == names[:1]


@pytest.mark.parametrize(
    "value", [3, 2.5, None, np.nan, pd.NA, True, ["a"], b"\xff\xfe", np.array(3), np.array(["a"])]
)
def test_what_is_no_name_is_refused(value):
    with pytest.raises(InvalidArgumentError, match="no image name"):
        as_name(value)
    with pytest.raises(InvalidArgumentError, match="no image name"):
        as_names(["a", value])


def test_arrays_of_several_axes_are_no_list_of_names():
    for array in (np.array([["a"]]), pd.DataFrame({"a": ["b"]})):
        with pytest.raises(InvalidArgumentError, match="one axis"):
            as_names(array)


def test_missing_labels_are_none():
    assert as_labels(["a", None, np.nan, pd.NA, b"b"]) == ["a", None, None, None, "b"]
    with pytest.raises(InvalidArgumentError):
        as_labels(["a", 3])


def test_names_in_an_hdf5_dataset(tmp_path):
    with h5py.File(tmp_path / "names.h5", "w") as file:
        file["text"] = ["a", "ü"]
        file["fixed"] = np.array(["a", "ü".encode()], dtype="S8")
        assert as_names(file["text"]) == as_names(file["fixed"]) == ["a", "ü"]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> SmallData:
    data = SmallData(tmp_path_factory.mktemp("names"))
    data.brain()
    data.betas()
    data.trials()
    data.metadata()
    data.embeddings()
    data.images([b"a", b"b", b"c", b"d"])
    data.segmentations([(LABELS[0], "hand", 0)])
    data.captions([(LABELS[0], 1, "a hand")])
    return data


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_and_arrays_find_the_same_as_text(small, kind):
    """Every part of the stimuli, and the sides of a split."""
    stim = laion_fmri.Stimuli(small.path)
    hold = KINDS[kind]
    few = list(LABELS[:2])
    expected = stim.embeddings.rows("CLIP", few)
    assert np.array_equal(stim.embeddings.rows("CLIP", hold(few)), expected)
    assert stim.embeddings.lacking("CLIP", hold([*few, "other"])) == ["other"]
    one = next(iter(hold([LABELS[0]])))
    assert np.array_equal(stim.embeddings.get("CLIP", one), expected[0])
    assert stim.images[one] == b"a"
    assert one in stim.images
    assert stim.captions.human(one) == ["a hand"]
    assert stim.segmentations.nouns(one) == ["hand"]
    assert stim.segmentations.get(one, next(iter(hold(["hand"])))).shape == (6, 6)
    split = splits.make_split("own", "random", images=hold(list(LABELS)), pool="mine",
                              test_size=0.5, data_dir=small.path, save=False)  # fmt: skip
    train, test = split.get_masks(hold(list(LABELS)))
    assert (train ^ test).all()
    for column in ("label", "image_name"):
        table = pd.DataFrame({column: list(hold(list(LABELS)))})
        np.testing.assert_array_equal(split.get_masks(table), (train, test))


@pytest.mark.parametrize("labels", [[b"\xff", LABELS[0]], [1, 2], np.arange(3)])
def test_labels_that_are_no_names_are_refused_not_left_out(small, labels):
    split = splits.make_split("own", "random", images=LABELS, pool="mine", data_dir=small.path,
                              save=False)  # fmt: skip
    with pytest.raises(InvalidArgumentError, match="no image name"):
        split.get_masks(labels)
    for call in (
        lambda: laion_fmri.Captions(small.path).human(labels[0]),
        lambda: laion_fmri.load_embeddings("CLIP", small.path).get("CLIP", labels[0]),
        lambda: laion_fmri.Stimuli(small.path).segmentations.nouns(labels[0]),
    ):
        with pytest.raises(InvalidArgumentError):
            call()
