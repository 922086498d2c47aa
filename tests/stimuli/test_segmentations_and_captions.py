"""Object masks and captions by name."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from builders import LABELS, SmallData

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    DataDirNotSetError,
    InconsistentDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.stimuli.captions import Captions
from laion_fmri.stimuli.segmentations import Segmentations

ROWS = [
    (LABELS[0], "hand", 0),
    (LABELS[2], "cat", 0),
    (LABELS[0], "hand", 1),
    (LABELS[0], "sky", 0),
]


@pytest.fixture
def small(tmp_path):
    return SmallData(tmp_path)


def test_masks(small):
    masks = small.segmentations(ROWS)
    with Segmentations(small.path) as found:
        for (name, noun, instance), mask in zip(ROWS, masks, strict=True):
            got = found.get(name, noun, instance)
            assert got.dtype == np.uint8
            assert np.array_equal(got, mask)
        assert found.nouns(LABELS[0], localized_only=False) == ["hand", "sky"]
        assert found.nouns(LABELS[0]) == ["hand"]
        assert found.for_image(LABELS[0])["instance_id"].tolist() == [0, 1, 0]
        assert found.masks([]).shape == (0, 6, 6)
        assert np.array_equal(found.masks([0, 0]), masks[::-1][[0, 0]])


def test_images_without_masks_give_empty_answers(small):
    small.segmentations(ROWS)
    found = Segmentations(small.path)
    assert not found.has_image(LABELS[1])
    assert found.nouns(LABELS[1]) == []
    assert len(found.for_image(LABELS[1])) == 0
    with pytest.raises(UnknownNameError, match="There is none"):
        found.get(LABELS[1], "hand")


def test_unknown_nouns_and_instances(small):
    small.segmentations(ROWS)
    found = Segmentations(small.path)
    with pytest.raises(UnknownNameError, match="Did you mean 'hand'"):
        found.get(LABELS[0], "hands")
    with pytest.raises(UnknownNameError, match="Known: 0, 1"):
        found.get(LABELS[0], "hand", 7)


def test_metadata_that_name_masks_that_are_not_there(small):
    small.segmentations(ROWS)
    with h5py.File(small.at(layout.SEGMENTATIONS), "w") as file:
        file["masks"] = np.zeros((2, 6, 6), "u1")
    with pytest.raises(InconsistentDataError, match="holds 2 masks"):
        Segmentations(small.path).get(*ROWS[0])


def test_masks_that_cannot_be_told_apart(small):
    small.segmentations([*ROWS, ROWS[0]])
    with pytest.raises(InconsistentDataError, match=r"two masks of 'hand', instance 0"):
        Segmentations(small.path).get(LABELS[0], "hand")
    assert Segmentations(small.path).get(LABELS[0], "hand", 1).shape == (6, 6)
    small.segmentations(ROWS)
    path = small.at(layout.SEGMENTATIONS_METADATA)
    table = pd.read_csv(path).assign(mask_row=[0, 1, 1, 2])
    table.to_csv(path, index=False)
    with pytest.raises(InconsistentDataError, match=r"mask_row 1 .*Download it again"):
        Segmentations(small.path).nouns(LABELS[0])
    table.assign(mask_row=[0, 1, None, 2]).to_csv(path, index=False)
    with pytest.raises(DamagedFileError, match="not a whole number"):
        Segmentations(small.path).nouns(LABELS[0])


def test_each_mask_is_read_once(small, monkeypatch):
    masks = small.segmentations(ROWS)[::-1]
    found, read = Segmentations(small.path), []
    original = h5py.Dataset.read_direct

    def counted(self, *arguments):
        read.append(arguments[1])
        return original(self, *arguments)

    monkeypatch.setattr(h5py.Dataset, "read_direct", counted)
    got = found.masks([2, 0, 2, 2, 0])
    assert np.array_equal(got, masks[[2, 0, 2, 2, 0]])
    assert sorted(read) == [0, 2]


def test_the_metadata_alone_answer_what_is_in_an_image(small):
    small.segmentations(ROWS)
    small.at(layout.SEGMENTATIONS).unlink()
    found = Segmentations(small.path)
    assert found.nouns(LABELS[0]) == ["hand"]
    with pytest.raises(StimuliNotDownloadedError, match=r"download_segmentations\(\)"):
        found.get(*ROWS[0])


def test_damaged_and_missing_masks(small):
    with pytest.raises(DataDirNotSetError):
        Segmentations()
    with pytest.raises(StimuliNotDownloadedError, match=r"download_segmentations\(\)"):
        Segmentations(small.path).nouns(LABELS[0])
    small.segmentations(ROWS)
    path = small.at(layout.SEGMENTATIONS)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFileError):
        Segmentations(small.path).get(*ROWS[0])
    small.at(layout.SEGMENTATIONS_METADATA).write_text("mask_row\n1\n")
    with pytest.raises(DamagedFileError, match="lacks the column image_name"):
        Segmentations(small.path).nouns(LABELS[0])


CAPTIONS = [
    (LABELS[0], 2, "second"),
    (LABELS[0], 0, "by a machine"),
    (LABELS[0], 1, "None"),
    (LABELS[1], 1, 'a "quoted", <b>bold</b> one'),
]


def test_captions_in_rank_order(small):
    small.captions(CAPTIONS)
    with Captions(small.path) as found:
        assert found.human(LABELS[0]) == ["None", "second"]
        assert found.ai(LABELS[0]) == "by a machine"
        assert found.list(LABELS[0]) == ["by a machine", "None", "second"]
        assert found.get(LABELS[0])["caption_idx"].tolist() == [0, 1, 2]
        assert found.human(LABELS[1]) == ['a "quoted", <b>bold</b> one']
        assert found.ai(LABELS[1]) is None


def test_captions_in_any_order_with_ranks_twice_or_missing_are_those_of_the_table(small):
    rng = np.random.default_rng(0)
    path = small.captions([(f"{i % 40}.jpg", 0, "") for i in range(400)])
    table = pd.read_csv(path, dtype={"caption": str})
    table["caption_idx"] = rng.choice([0, 1, 2, 3, np.nan], len(table))
    table["source"] = rng.choice(["ai", "human"], len(table))
    table["caption"] = [f"caption {i}" for i in range(len(table))]
    table.to_csv(path, index=False)
    found = Captions(small.path)
    for name in table["image_name"].unique():
        of_image = table[table["image_name"] == name].sort_values("caption_idx", kind="stable")
        human = of_image.loc[of_image["source"] == "human", "caption"].tolist()
        ai = of_image.loc[of_image["source"] == "ai", "caption"].tolist()
        assert found.human(name) == human
        assert found.ai(name) == next(iter(ai), None)
        assert found.list(name) == of_image["caption"].tolist()


def test_images_without_captions_give_empty_answers(small):
    small.captions(CAPTIONS)
    found = Captions(small.path)
    assert found.human("other") == found.list("other") == []
    assert found.ai("other") is None
    assert len(found.get("other")) == 0


def test_captions_of_no_image_belong_to_none(small):
    small.captions([(LABELS[1], 1, "one"), ("", 1, "whose?"), (LABELS[0], 1, "other")])
    found = Captions(small.path)
    assert found.human(LABELS[1]) == ["one"]
    assert found.human(LABELS[0]) == ["other"]
    assert found.human("") == found.human("nan") == []


def test_damaged_and_missing_captions(small):
    with pytest.raises(StimuliNotDownloadedError, match=r"download_captions\(\)"):
        Captions(small.path).human(LABELS[0])
    path = small.captions(CAPTIONS)
    path.write_bytes(path.read_bytes().replace(b"caption_idx", b"rank"))
    with pytest.raises(DamagedFileError, match="lacks the column caption_idx"):
        Captions(small.path).human(LABELS[0])


NASTY = [
    "nan",
    "NaN",
    "None",
    "NA",
    "null",
    "inf",
    "007",
    "5.10",
    "1e5",
    "True",
    '"',
    "a\nb",
    "a,b",
]


def test_nouns_and_captions_that_look_like_something_else_stay_text(small):
    name = LABELS[0]
    small.segmentations([(name, noun, i) for i, noun in enumerate([*NASTY, "n/a", ""])])
    found = Segmentations(small.path)
    assert found.nouns(name) == sorted(NASTY)
    assert set(found.metadata["noun"].dropna()) == set(NASTY)
    assert found.get(name, "007", NASTY.index("007")).shape == (6, 6)
    small.captions([(name, i, text) for i, text in enumerate([*NASTY, "n/a", ""], 1)])
    captions = Captions(small.path)
    assert captions.human(name) == NASTY
    assert captions.metadata["caption"].dropna().tolist() == NASTY


@pytest.mark.parametrize("which", [[0], [0, 1, 2, 3]])
def test_numbers_alone_as_nouns_and_captions_stay_text(small, which):
    texts = ["007", "1234565", "5.10", "2"]
    small.segmentations([(LABELS[0], texts[i], 0) for i in which])
    assert Segmentations(small.path).nouns(LABELS[0]) == sorted(texts[i] for i in which)
    small.captions([(LABELS[0], i + 1, texts[i]) for i in which])
    assert Captions(small.path).human(LABELS[0]) == [texts[i] for i in which]


def test_separators_at_the_end_of_rows_shift_nothing(small):
    """As spreadsheets write them, in every table of the dataset."""
    small.brain(), small.betas()
    paths = [small.captions(CAPTIONS), small.metadata(), small.trials()]
    small.segmentations(ROWS)
    paths.append(small.at(layout.SEGMENTATIONS_METADATA))

    def everything():
        sub, masks = small.subject, Segmentations(small.path)
        return [
            sub.metadata.to_csv(),
            Captions(small.path).metadata.to_csv(),
            masks.metadata.to_csv(),
        ]

    before = everything()
    for path in paths:
        separator = "\t" if path.suffix == ".tsv" else ","
        head, *rows = path.read_text().splitlines()
        path.write_bytes(
            "\r\n".join([head, *(row + separator * 2 for row in rows), ""]).encode("utf-8-sig")
        )
    assert everything() == before
