"""The splits the demo dataset declares."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from laion_fmri import layout
from laion_fmri.demo.profiles import PROFILES
from laion_fmri.demo.splits import cluster

NAMES = [*(f"random_{k}" for k in range(5)), *(f"cluster_k5_{k}" for k in range(5)), "tau", "ood"]


def test_declared_splits_are_there_and_whole(tiny_bucket: Path) -> None:
    folder = tiny_bucket / layout.SPLITS_TREE
    declared = json.loads((folder / "declared.json").read_text())
    metadata = pd.read_csv(tiny_bucket / layout.STIMULI_METADATA)
    regular = metadata[metadata["dataset"] != "OOD"]
    assert declared["dataset"] == "demo"
    assert list(declared["pools"]) == sorted(["shared", *PROFILES["tiny"].subjects])
    assert set(declared["files"]) == {f"{p}/{n}.json" for p in declared["pools"] for n in NAMES}
    for pool, said in declared["pools"].items():
        names = sorted(regular.loc[regular["participant"].isin(["shared", pool]), "image_name"])
        assert said["n"] == len(names)
        assert said["names_sha256"] == hashlib.sha256("\n".join(names).encode()).hexdigest()
        held_out = []
        for name in NAMES:
            data = (folder / pool / f"{name}.json").read_bytes()
            file = declared["files"][f"{pool}/{name}.json"]
            assert file == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            split = json.loads(data)
            (variant,) = split["variants"]
            train, test = variant["train_ids"], variant["test_ids"]
            assert (split["name"], split["n_train"], split["n_test"]) == (
                name,
                len(train),
                len(test),
            )
            assert train == sorted(train)
            assert test == sorted(test)
            assert test
            if name == "ood":
                assert train == names
                assert test == sorted(metadata.loc[metadata["dataset"] == "OOD", "image_name"])
                continue
            assert sorted(train + test) == names
            if name.startswith("random_"):
                rng = np.random.default_rng(int(name[-1]))
                rows = rng.choice(len(names), round(0.2 * len(names)), replace=False)
                assert test == sorted(names[i] for i in rows)
            if name.startswith("cluster_"):
                held_out += test
        assert sorted(held_out) == names, "each image is held out with one cluster"


def test_clusters_are_found_and_never_empty() -> None:
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(4)
    points = np.concatenate([c + 0.1 * rng.standard_normal((6, 4)) for c in centres])
    found = cluster(points, 4, rng)
    assert [len(set(found[6 * k : 6 * k + 6])) for k in range(4)] == [1, 1, 1, 1]
    assert len(set(found)) == 4
    same = cluster(np.zeros((6, 3)), 5, rng)
    assert len(set(same)) == 5
