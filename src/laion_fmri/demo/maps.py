"""The tree of single-trial betas: betas, noise ceilings and what else GLMsingle leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.anatomy import Brain
from laion_fmri.demo.ceilings import noise_ceilings
from laion_fmri.demo.names import ImageRecord
from laion_fmri.demo.profiles import Profile, rng_for
from laion_fmri.demo.responses import Betas
from laion_fmri.demo.sessions import Trials

_CEILING_SIDECAR = {
    "Description": "Noise ceiling: percent of the variance of the mean over repeats that any "
    "model can explain",
    "Units": "percent",
    "ZScored": "per voxel within each run (one session) or each session (across sessions)",
    "Formula": "100 * ncsnr**2 / (ncsnr**2 + mean(1 / n_repeats))",
}


def _write_map(path: Path, data: np.ndarray, affine: np.ndarray, sidecar: dict) -> None:
    files.write_nifti(path, data, affine)
    files.write_json(path.with_name(layout.split_extension(path.name)[0] + ".json"), sidecar)


def _write_model(path: Path, session: str, trials: int, rng: np.random.Generator) -> None:
    """A small stand-in for GLMsingle's model file: its options and its library of responses."""
    time = np.arange(0, 30, 1.5)
    peaks = np.linspace(4.5, 7.5, 20)[:, None]
    library = (time / peaks) ** 6 * np.exp(6 * (1 - time / peaks))
    with files.open_h5(path) as h5:
        h5.attrs["session"] = session
        files.h5_dataset(h5, "hrf_library", library.astype(np.float32))
        files.h5_dataset(h5, "fractions", np.linspace(0.05, 1, 20, dtype=np.float32))
        files.h5_dataset(h5, "n_trials", np.array(trials))
        files.h5_dataset(h5, "noise_regressors", rng.integers(0, 6, 1).astype(np.int16))


def _figure(volume: np.ndarray) -> Image.Image:
    """A middle slice of a map as a picture, front at the top."""
    plane = np.rot90(volume[::-1, :, volume.shape[2] // 2])
    grey = np.clip(plane / max(float(volume.max()), 1e-6) * 255, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).resize(
        (grey.shape[1] * 4, grey.shape[0] * 4), Image.Resampling.NEAREST
    )


def _nth_of(betas: Betas, trials: np.ndarray, i: int) -> np.ndarray:
    return betas.values(int(trials[i]))


def write_maps(
    root: Path,
    profile: Profile,
    brain: Brain,
    betas: Betas,
    trials: Trials,
    records: Sequence[ImageRecord],
    seed: int,
    tick: Callable[[], None],
) -> None:
    """Everything below ``derivatives/glmsingle-tedana/{subject}`` but the trial tables.

    `tick` is called now and then, once for each volume written.
    """
    subject, affine, mask = brain.subject, brain.functional.affine, brain.mask
    fitted = betas.truth.driver >= 0

    def volume(values: np.ndarray) -> np.ndarray:
        full = np.zeros(mask.shape, dtype=values.dtype)
        full[mask] = values
        return full

    def stream(rows: np.ndarray):
        for t in rows:
            tick()
            yield volume(betas.values(int(t)))

    expected = betas.truth.noise_ceiling(12)
    r2_sum = np.zeros(len(fitted), dtype=np.float32)
    for k, session in enumerate(profile.sessions):
        rng = rng_for(seed, "session maps", subject, session)
        rows = trials.of_session(k)
        path = root / layout.betas(subject, session)
        files.stream_nifti(path, stream(rows), (*mask.shape, len(rows)), affine)
        files.write_json(
            path.with_name(layout.split_extension(path.name)[0] + ".json"),
            {
                "Description": "Single-trial BOLD responses: GLMsingle's TYPED estimates, whose "
                "amplitude ridge regularisation shrinks. z-score them within session before use.",
                "Units": "arbitrary",
                "NaN": "no estimate for this voxel and trial",
            },
        )
        ceiling = noise_ceilings(
            partial(_nth_of, betas, rows),
            trials.run[rows],
            trials.image[rows],
            {"all": np.arange(len(records))},
        )["all"]
        _write_map(
            root / layout.session_noise_ceiling(subject, session),
            volume(np.where(fitted, ceiling, 0).astype(np.float32)),
            affine,
            _CEILING_SIDECAR,
        )
        r2 = np.where(fitted, 1.5 + 0.55 * expected * rng.uniform(0.85, 1.15, len(fitted)), 0)
        r2_sum += r2.astype(np.float32)
        hrf = np.where(fitted, 1 + rng.binomial(19, 0.4, len(fitted)), 0).astype(np.int16)
        fraction = np.where(fitted, np.clip(0.1 + expected / 90, 0.05, 1), 0).astype(np.float32)
        for rest, data, text in (
            (
                "space-T1w_stat-rsquare_desc-R2_statmap.nii.gz",
                r2.astype(np.float32),
                "Variance explained (%)",
            ),
            (
                "space-T1w_desc-HRFindex_dseg.nii.gz",
                hrf,
                "Which response of the library fits, from 1",
            ),
            (
                "space-T1w_desc-Fracridge_statmap.nii.gz",
                fraction,
                "Fraction of the unregularised length",
            ),
        ):
            path = root / layout.session_func(subject, session, rest)
            _write_map(path, volume(data), affine, {"Description": text})
        model = root / layout.session_func(subject, session, "desc-GLMsingle_model.h5")
        _write_model(model, session, len(rows), rng)
        figures = model.parent / "figures"
        figures.mkdir(exist_ok=True)
        name = f"{subject}_{session}_task-images_space-T1w_desc-R2_figure.png"
        _figure(volume(r2)).save(figures / name)
    _write_summaries(root, profile, brain, betas, trials, records, r2_sum / profile.n_sessions)


def _write_summaries(
    root: Path,
    profile: Profile,
    brain: Brain,
    betas: Betas,
    trials: Trials,
    records: Sequence[ImageRecord],
    r2_mean: np.ndarray,
) -> None:
    """Maps over all sessions of a subject."""
    mask, fitted = brain.mask, betas.truth.driver >= 0
    image, count = np.unique(trials.image, return_counts=True)
    selections = {
        "Noiseceiling4rep": image[count == 4],
        "Noiseceiling12rep": image[count == 12],
        "NoiseceilingAllrep": image[count > 1],
    }
    ceilings = noise_ceilings(betas.values, trials.session, trials.image, selections)
    summary = {
        "Subject": brain.subject,
        "Sessions": list(profile.sessions),
        "Trials": len(trials),
        "Images": len(image),
        "Voxels": int(fitted.sum()),
    }
    for desc, ceiling in ceilings.items():
        data = np.zeros(mask.shape, dtype=np.float32)
        data[mask] = np.where(fitted, ceiling, 0)
        path = root / layout.subject_noise_ceiling(brain.subject, desc)
        sidecar = {**_CEILING_SIDECAR, "NumberOfImages": len(selections[desc])}
        _write_map(path, data, brain.functional.affine, sidecar)
        summary[f"{desc}Median"] = round(float(np.median(ceiling[fitted])), 2)
    data = np.zeros(mask.shape, dtype=np.float32)
    data[mask] = r2_mean
    _write_map(
        root / layout.mean_rsquare(brain.subject),
        data,
        brain.functional.affine,
        {"Description": "Variance explained (%), mean over sessions; 0 where there is no fit"},
    )
    folder = root / layout.subject_betas_dir(brain.subject)
    files.write_json(folder / f"{brain.subject}_task-images_desc-GLMsingle_summary.json", summary)
