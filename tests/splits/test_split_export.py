"""Splits as files to take along."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from small_dataset import SmallDataset

from laion_fmri import splits
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.splits.export import file_name, split_file


def test_each_kind_of_file_has_the_split(small: SmallDataset) -> None:
    split = splits.load_split("random_0", "sub-01")
    stored = json.loads(split_file(split, "json"))
    assert stored["variants"][0]["train_ids"] == list(split.train_ids)
    table = pd.read_csv(io.BytesIO(split_file(split, "tsv")), sep="\t")
    assert table["image_name"].tolist() == [*split.train_ids, *split.test_ids]
    labels = [split.test_ids[0], "elsewhere.jpg", split.train_ids[0]]
    trials = pd.DataFrame({"label": labels, "session": ["ses-01", "ses-01", "ses-02"]})
    masks = np.load(io.BytesIO(split_file(split, "npz", trials)), allow_pickle=False)
    assert masks["test"].tolist() == [True, False, False]
    assert masks["train"].tolist() == [False, False, True]
    assert masks["session"].tolist() == trials["session"].tolist()
    assert masks["edition"] == split.edition
    with pytest.raises(InvalidArgumentError, match="label and session"):
        split_file(split, "npz")


def test_names_of_files_say_what_is_in_them() -> None:
    assert file_name("ood", "shared", "tsv", ["shape"], "sub-01") == "shared_ood_shape.tsv"
    assert file_name("tau", "sub-01", "npz", (), "sub-01", "ses-02") == (
        "sub-01_tau_sub-01_ses-02.npz"
    )
