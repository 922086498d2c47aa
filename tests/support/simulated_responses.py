"""Responses with a known signal, as `Subject.get_responses` gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from laion_fmri.responses import Responses


def simulated_responses(
    signal: NDArray,
    noise_sd: float | NDArray,
    repeats: int | Sequence[int],
    seed: int,
    *,
    n_sessions: int = 4,
    average: bool = False,
    positions: NDArray | None = None,
    ncsnr: NDArray | None = None,
    subject: str = "sub-01",
) -> Responses:
    """Return responses whose variance over trials is about 1.

    Parameters
    ----------
    signal : ndarray, shape (n_images, n_voxels)
        The mean response of each voxel to each image; image i is called ``"i.jpg"``.
    noise_sd : float or ndarray, shape (n_voxels,)
    repeats : int, or list of one an image
        Repeat k of an image is in session ``k % n_sessions``.
    """
    rng = np.random.default_rng(seed)
    n_images, n_voxels = signal.shape
    counts = np.broadcast_to(repeats, n_images)
    image_of = np.repeat(np.arange(n_images), counts)
    repeat = np.concatenate([np.arange(n) for n in counts])
    order = rng.permutation(len(image_of))
    image_of, repeat = image_of[order], repeat[order]
    values = signal[image_of] + noise_sd * rng.standard_normal((len(image_of), n_voxels))
    values = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    images = pd.DataFrame(
        {
            "name": [f"{i}.jpg" for i in image_of],
            "repeats": counts[image_of],
            "session": [f"ses-{1 + k % n_sessions:02d}" for k in repeat],
            "repeat": repeat + 1,
        }
    )
    if average:
        values = np.stack([values[image_of == i].mean(axis=0) for i in range(n_images)])
        images = pd.DataFrame({"name": [f"{i}.jpg" for i in range(n_images)], "repeats": counts})
    if positions is None:
        positions = np.arange(3 * n_voxels).reshape(n_voxels, 3)
    voxels = pd.DataFrame(np.asarray(positions, dtype=float), columns=["x", "y", "z"])
    if ncsnr is not None:
        voxels["ncsnr"] = ncsnr
    nothing = pd.DataFrame(columns=["kind", "name", "reason"])
    return Responses(subject, values, images, voxels, nothing, is_average=average)
