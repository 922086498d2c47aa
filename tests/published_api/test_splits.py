"""Splits as the published package's users call them: positions, keywords, nothing configured."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from static_site import static_site

from laion_fmri._errors import DataNotFoundError, UnknownNameError
from laion_fmri.splits import (
    SplitVariant,
    get_split_masks,
    get_train_test_ids,
    list_splits,
    load_split,
)

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "published_splits"
NAMES = [*(f"random_{k}" for k in range(5)), *(f"cluster_k5_{k}" for k in range(5)), "tau", "ood"]


@pytest.fixture(params=["self-made", "published"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Path:
    """The published files served, and nothing else on this machine."""
    folder = PUBLISHED
    if request.param == "published" and not PUBLISHED.is_dir():
        pytest.skip("the published split files are not on this machine")
    if request.param == "self-made":
        folder = tmp_path / "site"
        _publish(folder, tmp_path / "registry.json", monkeypatch)
    with static_site(folder) as address:
        monkeypatch.setenv("LAION_FMRI_SPLITS_URL", address)
        yield folder


def _publish(folder: Path, figures: Path, monkeypatch) -> None:
    """Files as published, and the package's figures of them."""
    from laion_fmri.splits import fetching, registry

    pools = {"shared": {"n": 10, "names_sha256": "0" * 64}}
    names = [f"shared_12rep_LAION_cluster_{i}_i0.jpg" for i in range(10)]
    ood = [f"shared_4rep_OOD_{kind}_{i}.png" for kind in ("gabor", "shape") for i in range(2)]
    files = {}
    for name in NAMES:
        train, test = (names, ood) if name == "ood" else (names[2:], names[:2])
        variant = {"variant_id": 0, "train_ids": train, "test_ids": test}
        sizes = {"n_train": len(train), "n_test": len(test)}
        stored = {"name": name, "pool": "x", "splitter": "x", "params": {}, **sizes}
        stored["variants"] = [variant]
        path = folder / "shared" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stored))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files[f"shared/{name}.json"] = {"size": path.stat().st_size, "sha256": digest}
    figures.write_text(json.dumps({"dataset": "x", "pools": pools, "files": files}))
    known = registry.read_registry(figures, declared=False)
    for module in (registry, fetching):
        monkeypatch.setattr(module, "published_registry", lambda: known)


def stored_ids(site: Path, name: str) -> tuple[list[str], list[str]]:
    variant = json.loads((site / "shared" / f"{name}.json").read_text())["variants"][0]
    return variant["train_ids"], variant["test_ids"]


def test_names_are_listed(site: Path) -> None:
    assert list_splits() == NAMES == list_splits("shared") == list_splits(pool="shared")


@pytest.mark.parametrize("name", ["tau", "random_0", "cluster_k5_4", "ood"])
def test_ids_by_position_and_by_keyword(site: Path, name: str) -> None:
    expected = stored_ids(site, name)
    assert get_train_test_ids(name, "shared") == expected
    assert get_train_test_ids(name, pool="shared") == expected
    assert get_train_test_ids(name, "shared", 0, None) == expected
    assert get_train_test_ids(name=name, pool="shared", variant_id=0, ood_types=None) == expected
    assert [type(ids) for ids in get_train_test_ids(name, "shared")] == [list, list]
    for variant in (np.int64(0), 0.0, np.array(0)):
        assert get_train_test_ids(name, "shared", variant) == expected
    for variant in (1, 0.5, False, None):
        with pytest.raises(UnknownNameError, match="variant"):
            get_train_test_ids(name, "shared", variant)


def test_ood_types_are_the_fourth(site: Path) -> None:
    expected = [image for image in stored_ids(site, "ood")[1] if "_OOD_shape_" in image]
    assert expected
    assert get_train_test_ids("ood", "shared", 0, ["shape"])[1] == expected
    assert get_train_test_ids("ood", pool="shared", ood_types="shape")[1] == expected


def test_masks_by_position_and_by_keyword(site: Path) -> None:
    train_ids, test_ids = stored_ids(site, "tau")
    trials = pd.DataFrame({"label": [test_ids[0], "x.jpg", train_ids[0], test_ids[0]]})
    for train, test in (
        get_split_masks(trials, "tau", "shared"),
        get_split_masks(trials, "tau", "shared", 0, None),
        get_split_masks(trials=trials, name="tau", pool="shared", variant_id=0, ood_types=None),
        get_split_masks(trials["label"], "tau", pool="shared"),
    ):
        assert np.array_equal(train, [False, False, True, False])
        assert np.array_equal(test, [True, False, False, True])
    _, shapes = get_split_masks(stored_ids(site, "ood")[1], "ood", "shared", 0, ["shape"])
    assert 0 < shapes.sum() < len(shapes)


def test_a_variant_has_all_ids(site: Path) -> None:
    split = load_split("tau", pool="shared")
    train, test = stored_ids(site, "tau")
    assert isinstance(split.variants[0], SplitVariant)
    assert split.variants[0].all_ids() == train + test
    assert (split.edition, split.n_train, split.n_test) == ("v1", len(train), len(test))


def test_without_a_network_it_is_said_clearly(monkeypatch) -> None:
    monkeypatch.setenv("LAION_FMRI_SPLITS_URL", "http://127.0.0.1:9")
    assert list_splits(pool="sub-03") == NAMES
    for name in ("tau", "random_0", "ood"):
        with pytest.raises(DataNotFoundError, match=r"could not be fetched from 127\.0\.0\.1 "):
            get_train_test_ids(name, pool="shared")
