"""The stimuli by global trial index."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from builders import LABELS, SmallData, picture

from laion_fmri import layout
from laion_fmri._errors import (
    InconsistentDataError,
    InvalidArgumentError,
    StimuliNotDownloadedError,
    TrialNotFoundError,
    UnknownNameError,
)

SECOND = [LABELS[3], LABELS[0], LABELS[0]]
ALL = [*LABELS, *SECOND]
COLUMNS = [
    "session", "session_trial", "image_name", "stim_idx", "unique_or_shared", "dataset",
    "participant", "n_reps", "repeat", "run", "beta_index", "label",
]  # fmt: skip


@pytest.fixture
def small(tmp_path):
    data = SmallData(tmp_path)
    data.brain()
    data.betas()
    data.trials()
    data.betas(data.rng.normal(size=(4, 3, 5, 3)), ses="ses-10")
    data.trials(SECOND, ses="ses-10")
    data.metadata([LABELS[2], LABELS[1], LABELS[0], LABELS[3]])
    return data


def test_metadata_rows_line_up_with_betas(small):
    table = small.subject.metadata
    betas = small.subject.get_betas(session=None)
    assert len(table) == sum(len(part) for part in betas.values())
    assert table.columns.tolist() == COLUMNS
    assert table.index.tolist() == list(range(7))
    assert table["image_name"].tolist() == ALL
    assert table["session"].tolist() == ["ses-01"] * 4 + ["ses-10"] * 3
    assert table["session_trial"].tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert table["stim_idx"].tolist() == [2, 1, 0, 3, 3, 2, 2]
    assert (table["unique_or_shared"] == [n.partition("_")[0] for n in ALL]).all()


def test_metadata_without_sessions(tmp_path):
    data = SmallData(tmp_path)
    data.metadata()
    table = data.subject.metadata
    assert len(table) == 0
    assert table.columns.tolist() == COLUMNS
    with pytest.raises(TrialNotFoundError, match="none"):
        data.subject.captions.human(0)


def test_labels_that_the_metadata_do_not_name(small):
    small.metadata(LABELS[:2])
    with pytest.raises(InconsistentDataError, match=r"2 images shown to sub-01 .*first: shared_4"):
        _ = small.subject.metadata
    small.at(layout.STIMULI_METADATA).unlink()
    with pytest.raises(StimuliNotDownloadedError, match="download_stimuli"):
        _ = small.subject.metadata


def test_further_columns_of_the_trial_tables_come_along(small):
    small.trials(onset=[1.5, "n/a", 3.5, 4.5], dataset="mine", stim_idx=9, participant="P")
    table = small.subject.metadata
    assert table.columns.is_unique
    assert table["onset"].tolist()[:1] == [1.5]
    assert np.isnan(table["onset"][[1, 4, 5, 6]]).all()
    assert table["dataset"].tolist() == ["THINGS" if "THINGS" in n else "LAION" for n in ALL]
    assert table["stim_idx"].tolist() == [2, 1, 0, 3, 3, 2, 2]
    assert table["participant"].tolist()[:4] == ["P"] * 4


def test_a_further_column_has_one_type_over_all_sessions(small):
    small.trials(code=["1", "2", "3", "4"], onset=["0.5", "n/a", "1.5", "2"])
    small.trials(SECOND, ses="ses-10", code=["007", "n/a", "5.10"], onset=["1", "2", "3"])
    assert small.subject.get_trial_info("ses-01")["code"].tolist() == [1, 2, 3, 4]
    table = small.subject.metadata
    assert table["code"].dropna().tolist() == ["1", "2", "3", "4", "007", "5.10"]
    assert table["code"].isna().tolist() == [False] * 5 + [True, False]
    assert table["onset"].dtype == np.float64
    assert table["label"].tolist() == table["image_name"].tolist() == ALL


def test_repeats_are_counted_over_the_sessions(small):
    table = small.subject.metadata
    assert table["repeat"].tolist() == [1, 1, 1, 1, 2, 2, 3]
    small.trials(repeat=9, session_trial=9, image_name="x", unique_or_shared="x")
    again = small.subject.metadata
    assert again.equals(table)


def test_metadata_are_read_once_and_again_when_a_file_changes(small, tmp_path):
    sub = small.subject
    first = sub.metadata
    whole = first.copy()
    first.loc[:, "image_name"] = "spoilt"
    del first["run"]
    assert sub.metadata.equals(whole)
    small.trials([LABELS[0]], ses="ses-10")
    assert len(sub.metadata) == 5
    small.metadata(LABELS)
    assert sub.metadata["stim_idx"].tolist() == [0, 1, 2, 3, 0]
    small.betas(ses="ses-20")
    small.trials(ses="ses-20")
    assert len(sub.metadata) == 9
    unpickled = pickle.loads(pickle.dumps(sub))
    assert unpickled.metadata.equals(sub.metadata)
    path = small.at(layout.trials("sub-01", "ses-20"))
    path.write_text(path.read_text().replace("unique_LAION", "unique_NOBODY"))
    with pytest.raises(InconsistentDataError, match="unique_NOBODY"):
        _ = sub.metadata


def test_sessions_without_trials_shift_nothing(small):
    small.embeddings()
    before = small.subject.embeddings.all("CLIP")
    small.betas(ses="ses-02")
    small.trials([], ses="ses-02")
    sub = small.subject
    table = sub.metadata
    assert table["session"].tolist() == ["ses-01"] * 4 + ["ses-10"] * 3
    assert table["run"].dtype == table["beta_index"].dtype == np.int64
    assert table["session_trial"].dtype == np.int64
    assert np.array_equal(sub.embeddings.all("CLIP"), before)
    assert sub.embeddings.all("CLIP", session="ses-02").shape == (0, 8)
    assert len(sub.images.all("ses-02")) == 0


def test_sessions_whose_names_differ_by_a_zero_are_two(small):
    small.betas(small.rng.normal(size=(4, 3, 5, 2)), ses="ses-1")
    small.trials(LABELS[1:3], ses="ses-1")
    small.embeddings()
    sub = small.subject
    assert sub.get_sessions() == ["ses-01", "ses-1", "ses-10"]
    assert sub.metadata["session"].tolist() == ["ses-01"] * 4 + ["ses-1"] * 2 + ["ses-10"] * 3
    assert sub.metadata["image_name"].tolist() == [*LABELS, *LABELS[1:3], *SECOND]
    assert len(sub.embeddings.all("CLIP", session="1")) == 2
    assert len(sub.embeddings.all("CLIP", session="01")) == 4
    assert [len(part) for part in sub.get_betas().values()] == [4, 2, 3]


def test_a_trial_table_without_betas_is_no_session(small):
    small.trials(LABELS[:2], ses="ses-05")
    small.embeddings()
    assert len(small.subject.metadata) == 7
    with pytest.raises(FileNotFoundError, match="ses='ses-05'"):
        small.subject.embeddings.all("CLIP", session="ses-05")


def test_duplicate_names_in_the_metadata(small):
    small.metadata([*LABELS, LABELS[0]])
    with pytest.raises(InconsistentDataError, match="twice"):
        _ = small.subject.metadata


def test_embeddings_line_up_with_trials(small):
    shuffled = [LABELS[3], LABELS[2], LABELS[0], LABELS[1]]
    features = small.embeddings(shuffled, valid=[True, False, True, True])
    expected = features[[shuffled.index(name) for name in ALL]]
    expected[[2]] = np.nan
    sub = small.subject
    assert sub.embeddings.models == ["CLIP"]
    assert np.array_equal(sub.embeddings.all("CLIP"), expected, equal_nan=True)
    assert np.array_equal(sub.embeddings.all("CLIP", session="10"), expected[4:])
    several = sub.embeddings.all("CLIP", session=np.array([10, 1]))
    assert list(several) == ["ses-10", "ses-01"]
    assert np.array_equal(several["ses-01"], expected[:4], equal_nan=True)
    assert np.array_equal(sub.embeddings.get("CLIP", 5), expected[5])


def test_an_embedding_file_that_lacks_an_image(small):
    small.embeddings(LABELS[:2])
    with pytest.raises(InconsistentDataError, match=r"2 images .*CLIP_embeddings.*download_emb"):
        small.subject.embeddings.all("CLIP")
    with pytest.raises(UnknownNameError, match="CLIP_embeddings"):
        small.subject.embeddings.get("CLIP", 2)


def test_images(small):
    pictures = [picture(colour=(n, 0, 0)) for n in range(4)]  # in the order of the metadata
    small.images(pictures)
    images = small.subject.images
    reds = [2, 1, 0, 3, 3, 2, 2]
    assert images[4] == pictures[3]
    assert images.get(0).getpixel((0, 0)) == (2, 0, 0)
    assert images.array()[:, 0, 0, 0].tolist() == reds
    assert images.array(session="ses-10")[:, 0, 0, 0].tolist() == reds[4:]
    assert list(images.array([1, "ses-10"])) == list(images.all([1, 10])) == ["ses-01", "ses-10"]
    assert images.array([10])["ses-10"][:, 0, 0, 0].tolist() == reds[4:]
    every = images.all()
    assert len(every) == 7
    assert [image.getpixel((0, 0))[0] for image in every] == reds
    assert len(every) == 0


def test_masks_and_captions_are_safe_on_every_trial(small):
    masks = small.segmentations([(LABELS[0], "hand", 0)])
    small.captions([(LABELS[0], 1, "a hand"), (LABELS[0], 0, "machine"), (LABELS[1], 1, "else")])
    sub = small.subject
    assert [sub.segmentations.has_image(t) for t in range(7)] == [name == LABELS[0] for name in ALL]
    assert sub.segmentations.nouns(1) == []
    assert sub.segmentations.nouns(5) == ["hand"]
    assert np.array_equal(sub.segmentations.get(6, "hand"), masks[0])
    assert len(sub.segmentations.for_image(0)) == 1
    assert sub.captions.list(0) == ["machine", "a hand"]
    assert sub.captions.human(1) == ["else"]
    assert sub.captions.ai(1) is None
    assert sub.captions.list(2) == []
    assert len(sub.captions.get(0)) == 2


@pytest.mark.parametrize("trial", [7, -1, 10**9, 1.5, True, "0", None, [0]])
def test_trials_that_do_not_exist(small, trial):
    small.captions([])
    with pytest.raises(TrialNotFoundError, match="numbered 0 to 6"):
        small.subject.captions.human(trial)


@pytest.mark.parametrize("trial", [np.int64(5), np.uint8(5), np.array(5), 5.0, np.float32(5)])
def test_whole_numbers_of_every_type_are_trials(small, trial):
    small.captions([(LABELS[0], 1, "a hand")])
    assert small.subject.captions.human(trial) == ["a hand"]


def test_embeddings_of_several_trials(small):
    small.embeddings()
    embeddings = small.subject.embeddings
    for trials in ([5, 1], np.array([5, 1]), pd.Series([5, 1], index=[3, 4]), (t for t in (5, 1))):
        assert np.array_equal(embeddings.get("CLIP", trials), embeddings.all("CLIP")[[5, 1]])
    with pytest.raises(TrialNotFoundError, match="7 is not a trial"):
        embeddings.get("CLIP", [5, 7])


def test_sessions_that_are_not_here(small):
    small.embeddings()
    with pytest.raises(FileNotFoundError, match="ses-09"):
        small.subject.embeddings.all("CLIP", session="ses-09")
    with pytest.raises(FileNotFoundError, match="ses-09"):
        small.subject.embeddings.all("CLIP", session=9)
    with pytest.raises(InvalidArgumentError):
        small.subject.embeddings.all("CLIP", session=-9)


def test_a_session_that_arrives_is_noticed(small):
    small.captions([(LABELS[0], 1, "a hand")])
    sub = small.subject
    assert sub.captions.human(4) == []
    small.betas(ses="ses-02")
    small.trials([LABELS[0]], ses="ses-02")
    assert sub.captions.human(4) == ["a hand"]
