"""All stimuli of the dataset in one handle, keyed by image name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.html import shortened, table
from laion_fmri.stimuli.cache import Cache
from laion_fmri.stimuli.captions import Captions
from laion_fmri.stimuli.embeddings import Embeddings
from laion_fmri.stimuli.images import Images
from laion_fmri.stimuli.metadata import read_metadata, require_stimulus_file
from laion_fmri.stimuli.segmentations import Segmentations

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

_PARTS = {
    "metadata": layout.STIMULI_METADATA,
    "images": layout.STIMULI_IMAGES,
    "segmentations": layout.SEGMENTATIONS,
    "captions": layout.CAPTIONS,
}


def load_stimuli(data_dir: str | PathLike[str] | None = None) -> Stimuli:
    """Load a handle of the stimuli of the whole dataset; see `Stimuli`."""
    return Stimuli(data_dir)


class LocalStimuli:
    """The downloaded stimuli, by image name.

    Each part requires only its own files, and raises `StimuliNotDownloadedError` on first use when
    they are not downloaded.

    Parameters
    ----------
    data_dir : Path
    images_refusal : str
        Reason why the images must not be read; every use raises `NotAllowedError` with it.
    """

    def __init__(self, data_dir: Path, images_refusal: str = "") -> None:
        self.data_dir = data_dir
        self._images_refusal = images_refusal
        self._cache = Cache()
        self._parts = Cache()

    @property
    def local_parts(self) -> list[str]:
        """List the downloaded parts: metadata, images, captions, CLIP embeddings …"""
        parts = [part for part, key in _PARTS.items() if self._is_downloaded(key)]
        return [*parts, *(f"{model} embeddings" for model in self.embeddings.models)]

    def _is_downloaded(self, key: str) -> bool:
        return layout.local_path(self.data_dir, key).exists()

    def __repr__(self) -> str:
        return (
            f"<Stimuli in {self.data_dir}: {', '.join(self.local_parts) or 'nothing downloaded'}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            (part, "Downloaded" if self._is_downloaded(key) else "Not downloaded")
            for part, key in _PARTS.items()
        ]
        rows.append(("embeddings", shortened(self.embeddings.models)))
        return table("Stimuli", rows, note=f"In {self.data_dir}")

    @property
    def metadata(self) -> pd.DataFrame:
        """One row per image: image_name, dataset, participant, unique_or_shared, n_reps."""
        return self._cache.get("metadata", lambda: read_metadata(self.data_dir))

    @property
    def images(self) -> Images:
        """The images."""
        return self._parts.get("images", lambda: Images(self.data_dir, self._images_refusal))

    @property
    def embeddings(self) -> Embeddings:
        """Embeddings by pretrained models."""
        return self._parts.get("embeddings", lambda: Embeddings("all", self.data_dir))

    @property
    def segmentations(self) -> Segmentations:
        """Object masks of the shared images."""
        return self._parts.get("segmentations", lambda: Segmentations(self.data_dir))

    @property
    def captions(self) -> Captions:
        """Human and AI captions."""
        return self._parts.get("captions", lambda: Captions(self.data_dir))

    def close(self) -> None:
        """Close every file; the next read opens it again."""
        self._cache.clear()
        for part in self._parts.made():
            part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stimuli(LocalStimuli):
    """Images, embeddings, object masks and captions of every image, by name.

    The images and their metadata must be downloaded. Files are opened on first use; embeddings,
    masks and captions raise `StimuliNotDownloadedError` when they are not downloaded.
    `load_embeddings`, `Captions` and `Segmentations` need no images.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataDirNotSetError
    StimuliNotDownloadedError
        When the images or their metadata are not downloaded.
    """

    def __init__(self, data_dir: str | PathLike[str] | None = None) -> None:
        super().__init__(load_settings(data_dir=data_dir).require_data_dir())
        for key in (layout.STIMULI_METADATA, layout.STIMULI_IMAGES):
            require_stimulus_file(self.data_dir, key)
