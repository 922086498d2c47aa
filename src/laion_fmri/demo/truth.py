"""The known truth of a demo dataset, kept beside the published trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from laion_fmri._errors import (
    DamagedFileError,
    InvalidArgumentError,
    UnknownNameError,
    UnreadableFileError,
)
from laion_fmri.demo import files
from laion_fmri.demo.responses import Truth
from laion_fmri.stimuli.hdf5 import open_for_reading

TRUTH_FILE = ".laion_fmri_demo_truth.h5"
_ARRAYS = tuple(f.name for f in fields(Truth) if f.name not in ("drivers", "weights"))


@dataclass(frozen=True)
class DemoTruth:
    """The ground truth of a demo dataset.

    Attributes
    ----------
    embedding_mean, embedding_sd : array of shape (1024,), float64
        Over all images; responses are linear in ``(CLIP - mean) / sd``.
    subjects : mapping of str to Truth
        What drives each voxel, how strongly, and with how much noise.
    """

    embedding_mean: np.ndarray
    embedding_sd: np.ndarray
    subjects: Mapping[str, Truth]

    def _driver(self, subject: str, roi: str) -> int:
        drivers = [d.replace("-", "") for d in self.subjects[subject].drivers]
        if roi.replace("-", "") not in drivers:
            raise UnknownNameError("driving ROI", roi, drivers)
        return drivers.index(roi.replace("-", ""))

    def weights(self, subject: str, roi: str) -> np.ndarray:
        """Weights of one ROI (``"FFA1"`` or ``"FFA-1"``), shape (1024,)."""
        return self.subjects[subject].weights[self._driver(subject, roi)]

    def voxels(self, subject: str, roi: str) -> np.ndarray:
        """Voxels (of the anatomical brain mask, boolean) that an ROI's tuning drives."""
        return self.subjects[subject].driver == self._driver(subject, roi)

    def response(self, subject: str, roi: str, embedding: np.ndarray) -> np.ndarray:
        """The noiseless response of an ROI to images.

        Parameters
        ----------
        embedding : array of shape (n_images, 1024)
            CLIP embeddings as stored.

        Returns
        -------
        array of shape (n_images,), float64
            Mean 0 and sd 1 over all images of the dataset.
        """
        standardised = (embedding.astype(np.float64) - self.embedding_mean) / self.embedding_sd
        return standardised @ self.weights(subject, roi)


def write_truth(root: Path, truth: DemoTruth) -> None:
    """Write the truth into a demo dataset."""
    any_subject = next(iter(truth.subjects.values()))
    with files.open_h5(root / TRUTH_FILE) as h5:
        files.h5_dataset(h5, "embedding_mean", truth.embedding_mean)
        files.h5_dataset(h5, "embedding_sd", truth.embedding_sd)
        files.h5_dataset(h5, "weights", any_subject.weights)
        files.h5_strings(h5, "drivers", any_subject.drivers)
        for subject, one in truth.subjects.items():
            group = h5.create_group(subject)
            for name in _ARRAYS:
                files.h5_dataset(group, name, getattr(one, name))


def load_truth(directory: str | Path) -> DemoTruth:
    """The truth of a demo dataset.

    Parameters
    ----------
    directory : path
        The directory bucket that `write_demo` wrote.

    Raises
    ------
    InvalidArgumentError
        When `directory` holds no demo dataset.
    DamagedFileError
        When its truth cannot be read.
    """
    import h5py

    path = Path(directory) / TRUTH_FILE
    if not path.is_file():
        raise InvalidArgumentError(
            f"{directory} holds no demo dataset. Write one with laion_fmri.demo.write_demo(...) or "
            "`laion-fmri demo DIR`."
        )
    try:
        with open_for_reading(path) as h5:
            drivers = tuple(name.decode() for name in h5["drivers"][:])
            weights = h5["weights"][:]
            subjects = {
                name: Truth(drivers, weights, **{a: group[a][:] for a in _ARRAYS})
                for name, group in h5.items()
                if isinstance(group, h5py.Group)
            }
            return DemoTruth(h5["embedding_mean"][:], h5["embedding_sd"][:], subjects)
    except UnreadableFileError:
        raise
    except (OSError, KeyError) as error:
        advice = "Delete the directory and write the demo dataset again."
        raise DamagedFileError(path, str(error), advice) from error
