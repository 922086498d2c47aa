"""All stimuli of the dataset in one handle, keyed by image name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.html import shortened, table
from laion_fmri.stimuli.captions import Captions
from laion_fmri.stimuli.embeddings import Embeddings
from laion_fmri.stimuli.images import Images
from laion_fmri.stimuli.metadata import read_metadata
from laion_fmri.stimuli.once import Kept
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
    """A handle on the stimuli of the whole dataset; files are opened when looked into.

    Parameters
    ----------
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataDirNotSetError
    """
    return Stimuli(load_settings(data_dir=data_dir).require_data_dir())


class Stimuli:
    """Images, embeddings, object masks and captions of every image, by name.

    Each part works when its own files are local, and raises `StimuliNotDownloadedError`
    on first use when they are not.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._kept = Kept()
        self._parts = Kept()

    @property
    def local_parts(self) -> list[str]:
        """What is here: some of metadata, images, segmentations, captions, CLIP embeddings …"""
        here = [part for part, key in _PARTS.items() if self._is_here(key)]
        return [*here, *(f"{model} embeddings" for model in self.embeddings.models)]

    def _is_here(self, key: str) -> bool:
        return layout.local_path(self.data_dir, key).exists()

    def __repr__(self) -> str:
        return f"<Stimuli in {self.data_dir}: {', '.join(self.local_parts) or 'none here'}>"

    def _repr_html_(self) -> str:
        rows = [
            (part, "here" if self._is_here(key) else "not here") for part, key in _PARTS.items()
        ]
        rows.append(("embeddings", shortened(self.embeddings.models)))
        return table("Stimuli", rows, note=f"In {self.data_dir}")

    @property
    def metadata(self) -> pd.DataFrame:
        """One row an image: image_name, dataset, participant, unique_or_shared, n_reps."""
        return self._kept.get("metadata", lambda: read_metadata(self.data_dir))

    @property
    def images(self) -> Images:
        """The images."""
        return self._parts.get("images", lambda: Images(self.data_dir))

    @property
    def embeddings(self) -> Embeddings:
        """Embeddings by pretrained models."""
        return self._parts.get("embeddings", lambda: Embeddings(self.data_dir))

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
        self._kept.clear()
        for part in self._parts.made():
            part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
