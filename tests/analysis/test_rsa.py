from __future__ import annotations

import numpy as np
import pytest
import rsatoolbox

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.analysis.distances import squared
from laion_fmri.analysis.rsa import RDM, rdm

VALUES = np.random.default_rng(0).standard_normal((6, 12))
NAMES = [f"{i}.jpg" for i in range(6)]


def test_an_array_becomes_an_rdm_of_named_images():
    found = rdm(VALUES, "euclidean", images=NAMES, name="mine")
    assert (found.images, found.name, found.n_channels) == (tuple(NAMES), "mine", 12)
    expected = ((VALUES[:, None] - VALUES[None]) ** 2).mean(axis=2)
    np.testing.assert_allclose(found.square(), expected, atol=1e-12)
    assert repr(found) == "<RDM of mine: euclidean, 6 images, 12 channels>"


def test_a_channel_without_a_value_for_every_image_is_left_out_and_counted():
    values = VALUES.copy()
    values[2, 3], values[:, 7] = np.nan, np.nan
    found = rdm(values)
    assert (found.n_channels, found.n_left_out) == (10, 2)
    np.testing.assert_allclose(found.values, rdm(np.delete(values, [3, 7], axis=1)).values)
    assert "2 left out" in repr(found)


def test_several_become_a_list():
    found = rdm({"a": VALUES, "b": VALUES[:, :5]}, "cosine")
    assert [one.name for one in found] == ["a", "b"]
    assert [one.n_channels for one in rdm([VALUES, VALUES[:, :5]])] == [12, 5]


def test_rsatoolbox_gets_the_same_rdm():
    found = rdm(VALUES, images=NAMES).to_rsatoolbox()
    data = rsatoolbox.data.Dataset(VALUES, obs_descriptors={"image": NAMES})
    theirs = rsatoolbox.rdm.calc_rdm(data, "correlation", descriptor="image")
    np.testing.assert_allclose(found.get_matrices(), theirs.get_matrices())
    assert found.pattern_descriptors["image"] == theirs.pattern_descriptors["image"]


@pytest.mark.parametrize("seed", range(3))
def test_a_selection_has_the_distances_of_its_images(seed):
    rng = np.random.default_rng(seed)
    pairs = rng.random(45)
    whole = RDM(pairs, tuple(f"{i}" for i in range(10)), "x", "cosine")
    rows = rng.permutation(10)[: rng.integers(3, 11)]
    part = whole.select([str(row) for row in rows])
    np.testing.assert_array_equal(part.square(), squared(pairs, 10)[np.ix_(rows, rows)])
    assert whole.select(whole.images) is whole
    with pytest.raises(UnknownNameError, match="Unknown image of the RDM x '11'"):
        whole.select(["1", "2", "11"])


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (VALUES[:2], {}, "at least 3 images; array has 2"),
        (VALUES[:, :1], {}, '1 of the 1 voxels .* metric="correlation" needs at least 2'),
        (np.full((4, 5), np.nan), {}, "0 of the 5 voxels"),
        (np.where(VALUES > 1, np.inf, VALUES), {}, "array has infinite values for"),
        (VALUES[0], {}, r"shape \(12,\)"),
        (VALUES.astype(str), {}, "Real numbers"),
        (VALUES, {"images": NAMES[:4]}, "6 rows, and images= has 4 names"),
        (VALUES, {"images": ["a"] * 6}, "Images have several rows: a"),
        (VALUES, {"metric": "crossnobis"}, "needs single trials"),
        (VALUES, {"metric": "euclid"}, "Unknown metric 'euclid'. Did you mean 'euclidean'"),
    ],
)
def test_what_gives_no_rdm_is_named(values, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        rdm(values, **options)
