"""Small datasets with splits of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from laion_fmri import layout
from laion_fmri.splits import recipes
from laion_fmri.splits.registry import names_sha256

SHARED = [f"shared_12rep_LAION_cluster_{i}_i0.jpg" for i in range(9)] + [
    f"shared_4rep_NSD_special1000_{i}.jpg" for i in range(4)
]
OOD = [f"shared_4rep_OOD_{kind}_thing-{i}.png" for kind in recipes.OOD_TYPES for i in range(2)]
UNIQUE = {
    subject: [f"unique_LAION_initial_cluster_{i}_i1_{code}.jpg" for i in range(7)]
    + [f"unique_THINGS+_whisk_{code}.jpg"]
    for subject, code in {"sub-01": "p01", "sub-03": "p04"}.items()
}


@dataclass
class SmallDataset:
    """A data directory that declares splits of its own."""

    path: Path

    def write_metadata(self, names: Iterable[str] | None = None, codes: bool = False) -> None:
        """The metadata of the images; `codes` names participants as the file names do."""
        kept = set(names) if names is not None else None
        owners = dict.fromkeys(SHARED + OOD, "shared")
        for subject, unique in UNIQUE.items():
            owners |= {name: name[-7:-4] if codes else subject for name in unique}
        rows = [
            (name, "x", owner, "shared" if owner == "shared" else "unique", 1)
            for name, owner in reversed(owners.items())
            if kept is None or name in kept
        ]
        path = self.path / layout.STIMULI_METADATA
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = ["image_name", "dataset", "participant", "unique_or_shared", "n_reps"]
        pd.DataFrame(rows, columns=columns).to_csv(path, index=False)

    def write_trials(self, subject: str, session: str, labels: list[str]) -> None:
        """A trial table."""
        path = self.path / layout.trials(subject, session)
        path.parent.mkdir(parents=True, exist_ok=True)
        n = len(labels)
        table = {"session": [session] * n, "run": [1] * n, "beta_index": range(n), "label": labels}
        pd.DataFrame(table).to_csv(path, sep="\t", index=False)

    def write_tau(self, pool: str = "shared", folder: Path | None = None) -> Path:
        """A published file of the tau split of a pool."""
        names = sorted(SHARED + UNIQUE.get(pool, []))
        stored = {
            "name": "tau",
            "pool": "in words",
            "splitter": "min_nn_stochastic",
            "params": {"method": "min_nn_filter + stochastic_mmd_swap"},
            "n_train": len(names) - 3,
            "n_test": 3,
            "variants": [{"variant_id": 0, "train_ids": names[3:], "test_ids": names[:3]}],
        }
        path = (folder or self.path / "splits") / pool / "tau.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stored))
        return path

    def write_embeddings(self, features: Mapping[str, np.ndarray], model: str = "CLIP") -> None:
        """Embeddings of some images, stored in another order than any list of names."""
        import h5py

        names = sorted(features, reverse=True)
        path = self.path / layout.embeddings(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            rows = np.array([features[name] for name in names], dtype=np.float16)
            file["embedding"] = rows
            file["image_ids"] = np.array(names, dtype=h5py.string_dtype())
            file["valid"] = np.isfinite(rows).all(axis=1)

    def declare(self, *files: Path, ood: bool = True) -> None:
        """Declare the pools and these split files."""
        pools = {"shared": SHARED, **{s: SHARED + names for s, names in UNIQUE.items()}}
        declared = {
            "dataset": "small",
            "pools": {
                pool: {"n": len(names), "names_sha256": names_sha256(names)}
                for pool, names in pools.items()
            },
            "files": {
                f"{path.parent.name}/{path.name}": {
                    "size": path.stat().st_size,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
                for path in files
            },
        }
        if ood:
            types = dict.fromkeys(recipes.OOD_TYPES, 2)
            declared["ood"] = {"n": len(OOD), "names_sha256": names_sha256(OOD), "types": types}
        path = self.path / "splits" / "declared.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(declared))
