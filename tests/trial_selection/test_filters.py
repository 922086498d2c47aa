from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri.stimuli.caption_search import CaptionIndex
from laion_fmri.trial_selection.filters import FACETS, SIDES, Filtered, Filters, TrialFilter

NAMES = [f"image {i}" for i in range(6)]
MASKS = pd.DataFrame(
    {
        "image_name": ["image 0", "image 0", "image 0", "image 1", "elsewhere"],
        "noun": ["dog", "dog", "tree", "dog", "ufo"],
    }
)
CAPTIONS = pd.DataFrame(
    {
        "image_name": ["image 0", "image 2", "image 2", "elsewhere"],
        "caption": ["a dog", "a dogged man", None, "a dog"],
    }
)


def make_table(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "session": rng.choice(["ses-01", "ses-02"], n).astype(object),
            "run": rng.integers(1, 12, n),
            "image_name": rng.choice(NAMES, n).astype(object),
            "dataset": rng.choice(["NSD", "OOD"], n).astype(object),
            "unique_or_shared": rng.choice(["shared", "unique"], n).astype(object),
            "repeats": rng.integers(1, 4, n),
            "ood_type": rng.choice(["", "shape"], n).astype(object),
        }
    )


@pytest.fixture
def table() -> pd.DataFrame:
    return make_table(np.random.default_rng(0), 200)


def index() -> CaptionIndex:
    rows = CAPTIONS.dropna()
    return CaptionIndex(list(rows["image_name"]), list(rows["caption"]))


def test_steps_through_what_passes():
    listed = Filtered(np.array([7, 2, 9]), {})
    assert listed.beside(2) == [9, 7]
    assert (listed.beside(7), listed.beside(3)) == ([2], [])
    assert [listed.step(trial, 1) for trial in (7, 2, 9, 3)] == [2, 9, None, 7]
    assert [listed.step(trial, -1) for trial in (7, 2, 9, 3, 1)] == [None, 7, 2, 2, None]
    assert {listed.another(7) for _ in range(50)} == {2, 9}
    assert Filtered(np.array([7]), {}).another(7) is None


def test_every_filter_and_its_counts(table):
    trials = TrialFilter(table, MASKS, CAPTIONS)
    sides = np.arange(200) % 3
    selections = {"mine": np.array([3, 5, 8, 60]), "nothing": np.array([], dtype=int)}
    for filters, expected in [
        (Filters(), np.ones(200, bool)),
        (Filters(session="ses-02"), table["session"] == "ses-02"),
        (Filters(run="11"), table["run"] == 11),
        (Filters(repeats="2", seen_by="shared"),
         (table["repeats"] == 2) & (table["unique_or_shared"] == "shared")),
        (Filters(ood_type="shape"), table["ood_type"] == "shape"),
        (Filters(noun="dog"), table["image_name"].isin(["image 0", "image 1"])),
        (Filters(noun="ufo"), np.zeros(200, bool)),
        (Filters(side="test"), sides == SIDES.index("test")),
        (Filters(selection="mine"), np.isin(np.arange(200), [3, 5, 8, 60])),
        (Filters(selection="unknown"), np.zeros(200, bool)),
        (Filters(dataset="nowhere"), np.zeros(200, bool)),
        (Filters(where="run > 5 and not noun == dog"),
         (table["run"] > 5) & ~table["image_name"].isin(["image 0", "image 1"])),
        (Filters(where="caption contains DOGG"), table["image_name"] == "image 2"),
        (Filters(where="trial < 4"), np.arange(200) < 4),
    ]:  # fmt: skip
        found = trials.filtered(filters, search=index(), sides=sides, selections=selections)
        np.testing.assert_array_equal(found.trials, np.flatnonzero(expected), err_msg=str(filters))
        assert found.problem == ""
    found = trials.filtered(Filters(), sides=sides, selections=selections)
    assert found.counts["selection"] == {"mine": 4, "nothing": 0}
    assert list(found.counts["run"]) == sorted(found.counts["run"], key=int)
    assert found.counts["noun"]["dog"] == table["image_name"].isin(["image 0", "image 1"]).sum()
    assert trials.filtered(Filters(dataset="nowhere")).counts["dataset"]["nowhere"] == 0


def test_captions_rank_the_trials(table):
    trials = TrialFilter(table, MASKS, CAPTIONS)
    found = trials.filtered(Filters(caption="dog"), search=index()).trials
    names = table["image_name"].to_numpy()[found]
    n_whole = int((table["image_name"] == "image 0").sum())
    assert set(names[:n_whole]) == {"image 0"}
    assert set(names[n_whole:]) == {"image 2"}
    assert (np.diff(found[:n_whole]) > 0).all()


def test_a_wrong_expression_is_told_and_filters_nothing(table):
    found = TrialFilter(table).filtered(Filters(where="run ==", session="ses-01"))
    assert "character 7" in found.problem
    assert len(found.trials) == (table["session"] == "ses-01").sum()


def test_without_anything_else_there_are_still_filters(table):
    trials = TrialFilter(table)
    assert len(trials.filtered(Filters(caption="dog", side="test")).trials) == len(table)
    assert "no column 'noun'" in trials.filtered(Filters(where="noun == dog")).problem
    assert len(TrialFilter(table.iloc[:0]).filtered(Filters()).trials) == 0


@given(st.integers(0, 10**6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_count_is_what_choosing_it_leaves(seed, data):
    rng = np.random.default_rng(seed)
    table = make_table(rng, 60)
    trials = TrialFilter(table, MASKS)
    sides = rng.integers(0, 3, 60)
    columns = {**FACETS}
    chosen = data.draw(
        st.fixed_dictionaries(
            {f: st.sampled_from(["", *table[c].astype(str).unique()]) for f, c in columns.items()}
        )
    )
    filters = Filters(
        **chosen,
        noun=data.draw(st.sampled_from(["", "dog", "tree"])),
        side=data.draw(st.sampled_from(["", *SIDES])),
    )
    counts = trials.filtered(filters, sides=sides).counts
    for name in (*FACETS, "noun", "side"):
        for value, n in counts[name].items():
            if value:
                again = trials.filtered(filters.changed(**{name: value}), sides=sides)
                assert len(again.trials) == n


@given(st.builds(Filters, *[st.text(max_size=20)] * 11))
def test_the_address_says_every_filter(filters):
    assert Filters.from_text(filters.text, filters.session) == filters


@given(st.text(max_size=60))
def test_any_address_is_read(text):
    Filters.from_text(text)
    assert Filters.from_text("&".join("a=1" for _ in range(100))) == Filters()


def test_missing_values_have_no_choice_and_end_nothing(table):
    table = table.assign(
        run=table["run"].astype(float),
        dataset=table["dataset"].where(table.index > 9),
        unique_or_shared=table["unique_or_shared"].where(table.index > 4),
    )
    table.loc[3, "run"] = np.nan
    trials = TrialFilter(table, MASKS, CAPTIONS)
    found = trials.filtered(Filters())
    assert len(found.trials) == len(table)
    assert set(found.counts["dataset"]) == {"NSD", "OOD"}
    assert set(found.counts["run"]) == {f"{run:g}" for run in table["run"].dropna().unique()}
    for name, column in (("run", "run"), ("dataset", "dataset"), ("seen_by", "unique_or_shared")):
        assert sum(found.counts[name].values()) == table[column].notna().sum()
    assert (
        trials.filtered(Filters(run="11")).trials.tolist()
        == table.index[table["run"] == 11].tolist()
    )
    assert 3 not in trials.filtered(Filters(where="run > 0")).trials
    assert trials.filtered(Filters(where="not run > 0")).trials.tolist() == [3]


def test_datasets_that_look_like_numbers_are_in_an_order(table):
    names = ["nan", "inf", "7", "12", "NSD", "1e3"]
    table = table.assign(dataset=np.resize(names, len(table)))
    counts = TrialFilter(table).filtered(Filters()).counts["dataset"]
    assert list(counts) == ["7", "12", "1e3", "NSD", "inf", "nan"]
