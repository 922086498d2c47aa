"""Writes a whole demo dataset: complete under its name, or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.atomic_write import atomic_path
from laion_fmri.demo import bids, files, stimuli
from laion_fmri.demo.anatomy import make_brain, write_anatomy
from laion_fmri.demo.content import Picture, draw
from laion_fmri.demo.localizers import write_localizers
from laion_fmri.demo.maps import write_maps
from laion_fmri.demo.names import ImageRecord, list_images
from laion_fmri.demo.profiles import FORMAT_VERSION, DemoDataset, Profile, get_profile, rng_for
from laion_fmri.demo.recon import write_recon
from laion_fmri.demo.responses import Truth, driving_labels, make_betas, make_truth
from laion_fmri.demo.rois import Regions, find_regions, write_rois
from laion_fmri.demo.sessions import schedule, write_trial_tables
from laion_fmri.demo.splits import write_splits
from laion_fmri.demo.truth import DemoTruth, write_truth
from laion_fmri.demo.tuning import fit_weights, standardise

MARKER = ".laion_fmri_demo.json"
Progress = Callable[[float, str], None]

_HELD_OUT_SUBJECTS = ("sub-01", "sub-03")
_RAW_SUBJECT = "sub-01"
_WORKERS = 2


def _marker(profile: Profile, seed: int) -> dict:
    return {
        "format": FORMAT_VERSION,
        "profile": profile.name,
        "seed": seed,
        "subjects": list(profile.subjects),
        "sessions": list(profile.sessions),
    }


def _is_reusable(directory: Path, marker: dict) -> bool:
    """Whether `directory` already holds exactly this dataset.

    Raises
    ------
    InvalidArgumentError
        When it holds anything else.
    """
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    try:
        found = json.loads((directory / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == marker:
        return True
    what = "another demo dataset" if found else "something that is not a demo dataset"
    raise InvalidArgumentError(
        f"{directory} already holds {what}. Nothing was changed. Choose an empty or new directory, "
        "or delete this one first."
    )


def _draw_all(records: Sequence[ImageRecord], seed: int, report: Progress) -> list[Picture]:
    pictures = []
    for i, record in enumerate(records):
        if i % 16 == 0:
            report(i / len(records), "drawing pictures")
        pictures.append(draw(record, seed))
    return pictures


def _write_brain(root: Path, profile: Profile, subject: str, seed: int) -> Regions:
    """All of a subject that does not depend on the pictures."""
    brain = make_brain(profile, subject, seed)
    regions = find_regions(profile, brain, seed)
    write_anatomy(root, profile, brain)
    write_recon(root, profile, brain)
    write_rois(root, regions)
    write_localizers(root, profile, regions, seed)
    if subject in _HELD_OUT_SUBJECTS:
        bids.write_held_out(root, brain, seed)
    return regions


@dataclass(frozen=True)
class _Stimuli:
    """The inputs of simulated responses: images, tunings, and the responses of each tuning."""

    records: Sequence[ImageRecord]
    embedding_mean: np.ndarray
    embedding_sd: np.ndarray
    weights: np.ndarray
    responses: np.ndarray


def _write_stimuli(root: Path, profile: Profile, seed: int, report: Progress) -> _Stimuli:
    records = list_images(profile, seed)
    pictures = _draw_all(records, seed, report)
    report(1.0, "writing stimuli")
    stimuli.write_images(root, pictures)
    clip = stimuli.write_embeddings(root, pictures, seed)
    stimuli.write_captions(root, pictures, seed)
    stimuli.write_segmentations(root, pictures, seed)
    write_splits(root, records, profile.subjects, clip, seed)
    standardised, mean, sd = standardise(clip)
    features = np.stack([p.features for p in pictures]).astype(np.float64)
    weights = fit_weights(standardised, features, driving_labels(), rng_for(seed, "tuning"))
    responses = (standardised @ weights.T).astype(np.float32)
    return _Stimuli(records, mean, sd, weights, responses)


def _write_responses(
    root: Path,
    profile: Profile,
    regions: Regions,
    shown: _Stimuli,
    seed: int,
    tick: Callable[[], None],
) -> Truth:
    """The subject's trials and betas, and what was put into them."""
    subject, records = regions.brain.subject, shown.records
    trials = schedule(profile, subject, records, seed)
    write_trial_tables(root, profile, subject, trials, records)
    truth = make_truth(profile, regions, shown.weights, seed)
    betas = make_betas(profile, subject, truth, trials, shown.responses, records, seed)
    write_maps(root, profile, regions.brain, betas, trials, records, seed, tick)
    if subject == _RAW_SUBJECT:
        bids.write_raw(root, subject, trials, records, seed)
    return truth


def _write_all(root: Path, profile: Profile, seed: int, progress: Progress) -> None:
    bids.write_dataset_files(root, profile)
    # Threads: compression and array arithmetic release the interpreter lock.
    with ThreadPoolExecutor(_WORKERS) as pool:
        brains = [pool.submit(_write_brain, root, profile, s, seed) for s in profile.subjects]
        shown = _write_stimuli(root, profile, seed, lambda f, what: progress(0.4 * f, what))
        n_volumes = sum(len(schedule(profile, s, shown.records, seed)) for s in profile.subjects)
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            if done % 20 == 0:
                progress(min(0.99, 0.4 + 0.59 * done / n_volumes), "writing responses")

        def responses(brain: Future[Regions]) -> Truth:
            return _write_responses(root, profile, brain.result(), shown, seed, tick)

        truths = dict(zip(profile.subjects, pool.map(responses, brains), strict=True))
    write_truth(root, DemoTruth(shown.embedding_mean, shown.embedding_sd, truths))


def write_demo(
    directory: str | os.PathLike[str],
    profile: str = "demo",
    seed: int = 0,
    progress: Progress | None = None,
) -> DemoDataset:
    """Write a synthetic dataset in the published layout, as a directory bucket.

    The same profile and seed give the same bytes. The directory appears when everything
    in it is complete; one that already holds this very dataset is used as it is.

    Parameters
    ----------
    directory : path
        New or empty.
    profile : {"tiny", "demo", "full"}
        ``tiny`` is for tests, ``demo`` for people, ``full`` has the real grid and number
        of trials for one session of one subject.
    seed : int
    progress : callable, optional
        Called with a fraction done (0 to 1) and what is being done.

    Returns
    -------
    DemoDataset

    Raises
    ------
    UnknownNameError
        When there is no such profile.
    InvalidArgumentError
        When `directory` holds anything else, or `seed` is negative.
    MissingDependencyError
        When nilearn, whose template brain is used, is not installed.
    """
    chosen = get_profile(profile)
    if not isinstance(seed, int) or seed < 0:
        raise InvalidArgumentError(f"The seed must be a whole number from 0, not {seed!r}.")
    target = Path(directory).expanduser().absolute()
    report = progress or (lambda fraction, what: None)
    marker = _marker(chosen, seed)
    if not _is_reusable(target, marker):
        partial = target.with_name(f".{target.name}.writing-{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            report(0.0, "drawing pictures")
            _write_all(partial, chosen, seed, report)
            files.write_json(partial / MARKER, marker)
            if target.exists():
                target.rmdir()  # empty, as checked above; a rename onto it fails on Windows
            partial.replace(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    report(1.0, "done")
    return DemoDataset(target, chosen.name, seed, chosen.subjects, chosen.sessions)


def copy_gated_stimuli(
    bucket_dir: str | os.PathLike[str], data_dir: str | os.PathLike[str]
) -> list[Path]:
    """Put the demo's gated stimulus files into a data directory.

    The pictures are drawn by this package, so nothing has to be agreed to. The metadata
    table, which the access service serves with them, comes along. Files appear complete.

    Parameters
    ----------
    bucket_dir : path
        A directory written by `write_demo`.
    data_dir : path

    Returns
    -------
    list of Path
        The files in `data_dir`.

    Raises
    ------
    InvalidArgumentError
        When `bucket_dir` holds no demo dataset.
    """
    bucket, data = Path(bucket_dir), Path(data_dir)
    if not (bucket / MARKER).is_file():
        raise InvalidArgumentError(
            f"{bucket} holds no demo dataset. Write one with laion_fmri.demo.write_demo(...) or "
            "`laion-fmri demo DIR`."
        )
    copied = []
    for key in (layout.STIMULI_IMAGES, layout.STIMULI_METADATA):
        target = layout.local_path(data, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            shutil.copyfile(bucket / key, temporary)
        copied.append(target)
    return copied
