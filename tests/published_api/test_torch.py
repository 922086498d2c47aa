"""PyTorch datasets as the published package's users call them."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_items(torch, sub):
    from laion_fmri.torch_data import LaionFMRIDataset

    ds = sub.to_torch_dataset(session="ses-01", roi="FFA1")
    assert isinstance(ds, LaionFMRIDataset) and isinstance(ds, torch.utils.data.Dataset)
    trials = sub.metadata[sub.metadata["session"] == "ses-01"]
    assert len(ds) == len(trials)
    shown = trials["image_name"].tolist()
    place = next(n for n, name in enumerate(shown) if shown.index(name) < n)  # seen before
    item = ds[place]
    assert {"betas", "image", "image_name", "rep_index"} <= set(item)
    assert np.array_equal(item["betas"].numpy(), sub.get_betas("ses-01", "FFA1")[place])
    assert item["image_name"] == shown[place]
    assert item["rep_index"] == shown[:place].count(shown[place]) > 0
    assert item["rep_index"] == trials["repeat"].iloc[place] - 1
    assert (item["image"].dtype, item["image"].shape) == (torch.float32, (3, 1000, 1000))
    pixels = np.asarray(sub.images.get(place), dtype=float).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(item["image"].numpy(), pixels, atol=1e-6)


def test_by_position(torch, sub):
    mask = sub.get_roi_mask("FFA1", "rsquare")
    ds = sub.to_torch_dataset("ses-01", None, mask, 10, lambda image: image.size, "rsquare")
    expected = sub.get_betas("ses-01", "FFA1", nc_threshold=10, mask_source="rsquare")
    assert np.array_equal(ds[0]["betas"].numpy(), expected[0])
    assert ds[0]["image"] == (1000, 1000)


def test_batches_over_sessions(torch, sub):
    ds = sub.to_torch_dataset(
        session=["ses-01", "ses-02"], roi="FFA1", image_transform=lambda image: image.size[0]
    )
    batch = next(iter(torch.utils.data.DataLoader(ds, batch_size=4)))
    assert batch["betas"].shape == (4, int(sub.get_roi_mask("FFA1").sum()))
    assert batch["rep_index"].dtype == torch.int64
    repeats = [int(sub.metadata["repeat"].iloc[ds[n]["trial"]]) - 1 for n in range(0, len(ds), 7)]
    assert [ds[n]["rep_index"] for n in range(0, len(ds), 7)] == repeats
