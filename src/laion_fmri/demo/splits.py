"""Train/test splits the demo dataset declares for its own images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.names import OOD_TYPES, SHARED, ImageRecord
from laion_fmri.demo.profiles import rng_for

N_CLUSTERS = 5
TEST_SHARE = 0.2
DECLARED = f"{layout.SPLITS_TREE}/declared.json"


def pools(records: Sequence[ImageRecord], subjects: Sequence[str]) -> dict[str, list[str]]:
    """Sorted image names of the shared pool and of each subject's."""
    shared = [r.name for r in records if r.is_shared and not r.is_ood]
    return {
        SHARED: sorted(shared),
        **{s: sorted(shared + [r.name for r in records if r.participant == s]) for s in subjects},
    }


def cluster(points: np.ndarray, n_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """k-means (Lloyd's, seeded far apart) that leaves no cluster empty.

    Parameters
    ----------
    points : array of shape (n_points, n_dimensions)

    Returns
    -------
    array of shape (n_points,), int
    """
    centres = [points[rng.integers(len(points))]]
    for _ in range(n_clusters - 1):
        gap = np.min([((points - c) ** 2).sum(axis=1) for c in centres], axis=0)
        centres.append(points[np.argmax(gap)])
    member = np.full(len(points), -1)
    for _ in range(100):
        gap = np.stack([((points - c) ** 2).sum(axis=1) for c in centres])
        nearest = gap.argmin(axis=0)
        for k in range(n_clusters):
            if not (nearest == k).any():
                spare = np.bincount(nearest, minlength=n_clusters)[nearest] > 1
                nearest[np.where(spare, gap.min(axis=0), -1).argmax()] = k
        if (nearest == member).all():
            break
        member = nearest
        centres = [points[member == k].mean(axis=0) for k in range(n_clusters)]
    return member


def _close_test_set(embedding: np.ndarray) -> np.ndarray:
    """Test images spread evenly over how near their nearest neighbour is: boolean."""
    likeness = embedding @ embedding.T
    np.fill_diagonal(likeness, -1)
    order = np.argsort(likeness.max(axis=1), kind="stable")
    n_test = round(TEST_SHARE * len(order))
    test = np.zeros(len(order), dtype=bool)
    test[order[np.linspace(0, len(order) - 1, n_test + 2).round().astype(int)[1:-1]]] = True
    return test


def split_pool(
    pool: str, names: list[str], ood: list[str], embedding: np.ndarray, seed: int
) -> dict[str, dict]:
    """All twelve splits of one pool, in the published schema.

    Parameters
    ----------
    pool : str
    names : list of str
        Sorted image names of the pool.
    ood : list of str
        Sorted names of the out-of-distribution images.
    embedding : array of shape (len(names), D)
        CLIP embeddings of `names`.
    """
    full = f"LAION non-OOD shared ({len(names)} images)"
    if pool != SHARED:
        full = f"{pool} full pool (unique + LAION non-OOD shared)"

    def entry(name: str, splitter: str, params: dict, train: list[str], test: list[str]) -> dict:
        variant = {"variant_id": 0, "train_ids": train, "test_ids": test}
        return {
            "name": name, "pool": full, "splitter": splitter, "params": params,
            "n_train": len(train), "n_test": len(test), "variants": [variant],
        }  # fmt: skip

    def parted(test: np.ndarray) -> tuple[list[str], list[str]]:
        train_names = [n for n, t in zip(names, test, strict=True) if not t]
        return train_names, [n for n, t in zip(names, test, strict=True) if t]

    splits = {}
    for k in range(5):
        test = np.zeros(len(names), dtype=bool)
        size = round(TEST_SHARE * len(names))
        test[np.random.default_rng(k).choice(len(names), size, replace=False)] = True
        params = {"method": "uniform_random", "seed": k}
        splits[f"random_{k}"] = entry(f"random_{k}", "min_nn_stochastic", params, *parted(test))
    points = embedding.astype(np.float64)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    member = cluster(points, N_CLUSTERS, rng_for(seed, "clusters", pool))
    for k in range(N_CLUSTERS):
        params = {"method": "kmeans_clip_k5_holdout", "held_out_cluster": k}
        splits[f"cluster_k5_{k}"] = entry(
            f"cluster_k5_{k}", "min_nn_stochastic", params, *parted(member == k)
        )
    params = {"method": "nearest_neighbour_stratified", "criterion": "CLIP similarity"}
    splits["tau"] = entry("tau", "min_nn_stochastic", params, *parted(_close_test_set(points)))
    params = {"method": "ood_dataset_holdout", "ood_types": list(OOD_TYPES)}
    splits["ood"] = entry("ood", "ood_holdout", params, list(names), list(ood))
    return splits


def write_splits(
    root: Path,
    records: Sequence[ImageRecord],
    subjects: Sequence[str],
    clip: np.ndarray,
    seed: int,
) -> None:
    """Every split file, and the declaration of their pools, sizes and checksums.

    Parameters
    ----------
    clip : array of shape (n_images, 1024)
        CLIP embeddings in the order of `records`.
    """
    row: Mapping[str, int] = {r.name: i for i, r in enumerate(records)}
    ood = sorted(r.name for r in records if r.is_ood)
    declared: dict[str, dict] = {"dataset": "demo", "pools": {}, "files": {}}  # type: ignore[dict-item]
    for pool, names in pools(records, subjects).items():
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        declared["pools"][pool] = {"n": len(names), "names_sha256": digest}
        embedding = clip[[row[name] for name in names]]
        for name, split in split_pool(pool, names, ood, embedding, seed).items():
            data = json.dumps(split, sort_keys=True).encode()
            files.write_bytes(root / layout.SPLITS_TREE / pool / f"{name}.json", data)
            declared["files"][f"{pool}/{name}.json"] = {
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    files.write_json(root / DECLARED, declared)
