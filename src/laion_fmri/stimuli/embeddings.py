"""Embeddings of every image by pretrained models, by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.config import load_settings
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.metadata import NameIndex, require_stimulus_file
from laion_fmri.stimuli.once import Kept

if TYPE_CHECKING:
    from os import PathLike


def load_embeddings(
    models: str | Iterable[str] | None = None, data_dir: str | PathLike[str] | None = None
) -> Embeddings:
    """Embeddings without the rest of the stimuli.

    Parameters
    ----------
    models : str or list of str, optional
        Which models; all that are local by default.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    UnknownNameError
        When a model is not one of CLIP, DINOv2, PEcore, SigLIP2, nor local.
    StimuliNotDownloadedError
        When a model that was asked for, or every model, is not local.
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    embeddings = Embeddings(root, layout.as_list(models))
    if not embeddings.models:
        raise StimuliNotDownloadedError(
            f"No embeddings are in {root}. laion_fmri.download_embeddings() fetches them."
        )
    return embeddings


class _Model:
    """One model's file; the whole array is read once (some 50 MB)."""

    def __init__(self, path: Path) -> None:
        with LazyHdf5(path) as file:
            with file.dataset("image_ids", 1) as ids:
                names = ids.asstr()[:]
            with file.dataset("embedding", 2) as embedding:
                self.features: NDArray[np.floating] = embedding[:]
            with file.dataset("valid", 1) as valid:
                self.valid: NDArray[np.bool_] = valid[:].astype(bool)
        if self.features.dtype.kind != "f":
            raise DamagedFileError(
                path, f"its embeddings are of type {self.features.dtype}, not floating-point"
            )
        if not len(names) == len(self.features) == len(self.valid):
            raise InconsistentDataError(
                f"{path.name} holds {len(names)} names, {len(self.features)} embeddings and "
                f"{len(self.valid)} flags, so rows cannot be matched. Download it again."
            )
        self.index = NameIndex(names, path)
        self.features.setflags(write=False)

    def rows(self, names: Iterable[str]) -> NDArray[np.floating]:
        rows = self.index.rows(names)
        features = self.features[rows]
        features[~self.valid[rows]] = np.nan
        return features


class Embeddings:
    """Embeddings of every image, by model and name.

    ``embeddings["CLIP"]`` is the whole array, rows in the order of `image_ids`; join by
    name, since that order differs from the metadata's. Rows that the file marks as not
    valid come back as NaN from `get` and `rows`.

    Parameters
    ----------
    data_dir : Path
    models : list of str, optional
        Only these; they must be local.
    """

    def __init__(self, data_dir: Path, models: list[str] | None = None) -> None:
        self.data_dir = data_dir
        self._chosen = models
        self._kept = Kept()
        for model in models or ():
            self._path(model)

    @property
    def models(self) -> list[str]:
        """The models whose file is local (of those chosen), in the published order."""
        local = [
            model
            for path in (self.data_dir / layout.STIMULI_TREE).glob("*_embeddings.h5")
            if (model := layout.embedding_model(f"{layout.STIMULI_TREE}/{path.name}"))
        ]
        order = {model: place for place, model in enumerate(layout.EMBEDDING_MODELS)}
        local.sort(key=lambda model: (order.get(model, len(order)), model))
        return [m for m in local if self._chosen is None or m in self._chosen]

    def __getitem__(self, model: str) -> NDArray[np.float16]:
        """The whole array of a model: float16 of shape (n_images, n_features), read-only."""
        return self._model(model).features

    def image_ids(self, model: str) -> list[str]:
        """The image name of each row of ``embeddings[model]``."""
        return list(self._model(model).index.names)

    def get(self, model: str, name: str) -> NDArray[np.float16]:
        """The embedding of one image, shape (n_features,)."""
        return self.rows(model, [name])[0]

    def rows(self, model: str, names: Iterable[str]) -> NDArray[np.float16]:
        """The embeddings of many images, in the order of `names`; shape (n, n_features)."""
        return self._model(model).rows(names)

    def lacking(self, model: str, names: Iterable[str]) -> list[str]:
        """The names that have no row in a model's file, each once."""
        return self._model(model).index.lacking(names)

    def close(self) -> None:
        """Forget what was read."""
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, object]:
        return {"data_dir": self.data_dir, "models": self._chosen}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _path(self, model: str) -> Path:
        known = list(dict.fromkeys([*layout.EMBEDDING_MODELS, *self.models]))
        if model not in known:
            raise UnknownNameError("embedding model", model, known)
        if self._chosen is not None and model not in self._chosen:
            raise UnknownNameError("embedding model", model, self._chosen)
        return require_stimulus_file(self.data_dir, layout.embeddings(model))

    def _model(self, model: str) -> _Model:
        path = self._path(model)
        return self._kept.get(model, lambda: _Model(path))
