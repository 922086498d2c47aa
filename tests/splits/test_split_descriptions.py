"""Descriptions of splits and pools."""

from __future__ import annotations

from laion_fmri.splits.descriptions import (
    describe_parameters,
    describe_pool,
    describe_split,
    split_title,
)


def test_published_parameters_in_words():
    selection = {"criterion": "mmd_matched", "tau": 0.46964, "percentile": 74.0}
    params = {
        "method": "min_nn_filter + stochastic_mmd_swap",
        "criterion": "MMD-matched (≤ 1.0× random)",
        "adaptive_selection": selection,
    }
    shown = dict(describe_parameters(params))
    assert shown["Criterion"] == "MMD-matched (≤ 1.0× random)"
    assert shown["Distance τ"] == "0.47"
    assert "MMD²" in shown["Method"]
    assert describe_parameters({"method": "mine"}) == [("Method", "mine")]
    assert split_title("mine") == "mine"


def test_what_a_split_tests_follows_from_its_family_or_its_method():
    assert "near-duplicates" in describe_split("random_3", {})
    assert "stratified" in describe_split("tau", {"method": "nearest_neighbour_stratified"})
    assert describe_split("mine", {}) == ""


def test_pools_are_described():
    assert describe_pool("shared").startswith("images that every subject saw")
    assert "only sub-03 saw" in describe_pool("sub-03")
    assert "of all subjects" in describe_pool("pooled")
    assert describe_pool("pilot").endswith("called pilot")
