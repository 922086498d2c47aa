from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull, KDTree

from laion_fmri.templates.sphere import barycentric_weights


def unit(points):
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def warped(points):
    return unit(points + 0.03 * np.sin(5 * points[:, [1, 2, 0]]))


def test_a_sphere_takes_from_itself(icosphere):
    points, triangles = icosphere(3)
    weights = barycentric_weights(points * 100, triangles, points)
    np.testing.assert_allclose(weights.toarray(), np.eye(len(points)), atol=1e-9)


def assert_each_row_is_a_triangle_that_holds_its_target(weights, points, triangles, targets):
    assert weights.data.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(unit(weights @ points), unit(targets), atol=1e-5)
    faces = {frozenset(face) for face in triangles.tolist()}
    for row in range(len(targets)):
        corners = set(weights.indices[weights.indptr[row] : weights.indptr[row + 1]].tolist())
        assert any(corners <= face for face in faces if corners & face)


@pytest.mark.parametrize(("level", "target_level"), [(3, 2), (2, 3), (3, 3)])
def test_targets_lie_in_the_triangles_they_take_from(icosphere, level, target_level):
    points, triangles = icosphere(level)
    targets = icosphere(target_level)[0]
    points = warped(points)
    weights = barycentric_weights(points, triangles, targets)
    assert_each_row_is_a_triangle_that_holds_its_target(weights, points, triangles, targets)


def test_long_thin_triangles():
    rng = np.random.default_rng(0)
    points = unit(rng.standard_normal((400, 3)) * [1, 1, 0.3])
    triangles = ConvexHull(points).simplices
    targets = unit(rng.standard_normal((300, 3)))
    weights = barycentric_weights(points, triangles, targets)
    nearest = KDTree(points).query(targets)[1]
    beside = np.asarray(weights[np.arange(300), nearest]) == 0
    assert beside.any()  # the nearest vertex is not always a corner
    np.testing.assert_allclose(unit(weights @ points), targets, atol=0.05)
    held = np.linalg.norm(unit(weights @ points) - targets, axis=1) < 1e-6
    assert held.mean() > 0.97


def test_a_smooth_field_comes_through(icosphere):
    points, triangles = icosphere(5)
    points = warped(points)
    targets = icosphere(4)[0]

    def field(at):
        return np.sin(3 * at[:, 0]) + at[:, 1] * at[:, 2]

    moved = barycentric_weights(points, triangles, targets) @ field(points)
    np.testing.assert_allclose(moved, field(targets), atol=2e-3)


@pytest.mark.parametrize("level", [2, 3])
def test_weights_are_those_of_nitransforms(icosphere, level):
    surface = pytest.importorskip("nitransforms.surface")
    mesh = pytest.importorskip("nitransforms.base").SurfaceMesh
    points, triangles = icosphere(level)
    points = warped(points) * 100
    reference = icosphere(2)
    theirs = surface.SurfaceResampler(
        mesh.from_arrays(reference[0] * 100, reference[1]), mesh.from_arrays(points, triangles)
    )
    values = np.random.default_rng(0).standard_normal((2, len(points)))
    ours = (barycentric_weights(points, triangles, reference[0]) @ values.T).T
    # It extrapolates a little where a point lies on an edge; we stop there.
    np.testing.assert_allclose(ours, theirs.apply(values), atol=5e-3)
