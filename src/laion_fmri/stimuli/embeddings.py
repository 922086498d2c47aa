"""Embeddings of every image by pretrained models, by name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    StimuliNotDownloadedError,
)
from laion_fmri.arguments import is_single, one_of
from laion_fmri.config import load_settings
from laion_fmri.fingerprint import file_signature
from laion_fmri.names import as_names
from laion_fmri.stimuli.cache import Cache
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.metadata import NameIndex, is_among, require_stimulus_file

if TYPE_CHECKING:
    from os import PathLike


LAYERS = "layers"
"""Attribute of the rows of own features: columns of each feature space, as JSON."""

_OWN = ".laion_fmri/features"


def own_features_path(data_dir: Path, name: str) -> Path:
    """Return the path of features registered under a name; it need not exist."""
    return data_dir / _OWN / f"{name}.h5"


def embeddings_path(data_dir: Path, model: str) -> Path:
    """Return the path of a model's embeddings, or of the features registered under its name."""
    own = own_features_path(data_dir, model)
    published = layout.local_path(data_dir, layout.embeddings(model))
    return own if own.exists() and not published.exists() else published


def read_layers(path: Path) -> dict[str, slice]:
    """Read the columns of each feature space of registered features; empty for a single one."""
    with LazyHdf5(path) as file, file.dataset("embedding", 2) as rows:
        stored = json.loads(rows.attrs.get(LAYERS, "{}"))
        return {name: slice(start, stop) for name, (start, stop) in stored.items()}


def load_embeddings(
    models: str | Iterable[str] | None = "all", data_dir: str | PathLike[str] | None = None
) -> Embeddings:
    """Load embeddings without the other stimuli.

    Parameters
    ----------
    models : str or list of str
        Models; ``"all"`` for every downloaded one.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    UnknownNameError
        When a model is neither CLIP, DINOv2, PEcore, SigLIP2 nor a downloaded one.
    StimuliNotDownloadedError
        When a requested model, or every model, is not downloaded.
    """
    embeddings = Embeddings(models, data_dir)
    embeddings.require_any()
    return embeddings


class _Model:
    """The file of one model; the whole array is read once (about 50 MB)."""

    def __init__(self, path: Path, index: NameIndex) -> None:
        with LazyHdf5(path) as file:
            with file.dataset("embedding", 2) as embedding:
                self.features: NDArray[np.floating] = embedding[:]
            with file.dataset("valid", 1) as valid:
                self.valid: NDArray[np.bool_] = valid[:].astype(bool)
        if self.features.dtype.kind != "f":
            raise DamagedFileError(
                path, f"its embeddings are of type {self.features.dtype}, not floating-point"
            )
        if not len(index) == len(self.features) == len(self.valid):
            raise InconsistentDataError(
                f"{path.name} holds {len(index)} names, {len(self.features)} embeddings and "
                f"{len(self.valid)} flags, so rows cannot be matched. Download it again."
            )
        self.index = index
        self.features.setflags(write=False)

    def rows(self, names: Iterable[str]) -> NDArray[np.floating]:
        rows = self.index.rows(names)
        features = self.features[rows]
        features[~self.valid[rows]] = np.nan
        return features


def _read_names(path: Path) -> NameIndex:
    with LazyHdf5(path) as file, file.dataset("image_ids", 1) as ids:
        return NameIndex(ids.asstr()[:].tolist(), path)


class Embeddings:
    """Embeddings of every image, by model and name.

    ``embeddings["CLIP"]`` is the whole array, with rows in the order of `image_ids`; join by name,
    because the metadata have another order. `get` and `rows` return NaN for rows marked as invalid.
    ``len`` is the number of images, ``in`` tests for an image or a model.

    Parameters
    ----------
    models : str or list of str
        Models to use, which must be downloaded. ``"all"`` for every downloaded one.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    UnknownNameError
        When there is no such model.
    StimuliNotDownloadedError
        When a requested model is not downloaded.
    """

    def __init__(
        self,
        models: str | Iterable[str] | None = "all",
        data_dir: str | PathLike[str] | None = None,
    ) -> None:
        self.data_dir = load_settings(data_dir=data_dir).require_data_dir()
        asked = ["all"] if models is None else list(dict.fromkeys(as_names(models, "model")))
        if not asked:
            raise InvalidArgumentError('No model was asked for. Name at least one, or give "all".')
        self._chosen = None if asked == ["all"] else asked
        self._cache = Cache()
        for model in self._chosen or ():
            self.path(model)

    @property
    def models(self) -> list[str]:
        """The selected models that are downloaded, in the published order, then registered ones."""
        local = self._published()
        local += [name for name in self._own() if name not in local]
        return [m for m in local if self._chosen is None or m in self._chosen]

    def _published(self) -> list[str]:
        local = [
            model
            for path in (self.data_dir / layout.STIMULI_TREE).glob("*_embeddings.h5")
            if (model := layout.embedding_model(f"{layout.STIMULI_TREE}/{path.name}"))
        ]
        order = {model: place for place, model in enumerate(layout.EMBEDDING_MODELS)}
        return sorted(local, key=lambda model: (order.get(model, len(order)), model))

    def _own(self) -> list[str]:
        return sorted(path.stem for path in (self.data_dir / _OWN).glob("[!.]*.h5"))

    def __getitem__(self, model: str) -> NDArray[np.float16]:
        """Return the array of a model: float16 of shape (n_images, n_features), read-only."""
        return self._model(model).features

    @property
    def image_ids(self) -> NDArray[np.object_]:
        """The image name of each row of every model's array, shape (n_images,).

        Registered features, which may have other images, count only if no published model is
        selected.

        Raises
        ------
        InconsistentDataError
            When the order of images differs between models; use `names` for one model.
        StimuliNotDownloadedError
            When no model is downloaded.
        """
        models, published = self.require_any(), set(self._published())
        first, *others = [m for m in models if m in published] or models
        names = self._index(first).names
        for other in others:
            if self._index(other).names != names:
                raise InconsistentDataError(
                    f"{first} and {other} list the images in different orders. Ask for those of "
                    f"one model: embeddings.names({first!r})."
                )
        return np.array(names, dtype=object)

    def names(self, model: str) -> list[str]:
        """Return the image name of each row of ``embeddings[model]``."""
        return list(self._index(model).names)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    def __contains__(self, name: object) -> bool:
        """Whether a model, or an image in any model, exists."""
        return is_among(name, self.models) or any(name in self._index(m) for m in self.models)

    def get(self, model: str, name: str | Iterable[str]) -> NDArray[np.float16]:
        """Return the embedding of one image, or of each of a list of images.

        Returns
        -------
        ndarray of float16, shape (n_features,) or (n, n_features)

        Raises
        ------
        UnknownNameError
            When the model has no such image.
        """
        if is_single(name):
            return self.rows(model, as_names(name))[0]
        return self.rows(model, name)

    def valid(self, model: str) -> NDArray[np.bool_]:
        """Return which rows of ``embeddings[model]`` are valid, shape (n_images,)."""
        return self._model(model).valid

    def rows(self, model: str, names: Iterable[str]) -> NDArray[np.float16]:
        """Return the embeddings of images, in the order of `names`; shape (n, n_features)."""
        return self._model(model).rows(names)

    def lacking(self, model: str, names: Iterable[str]) -> list[str]:
        """Return the names without a row in a model's file, without duplicates."""
        return self._index(model).lacking(names)

    def require_any(self) -> list[str]:
        """Return the downloaded models.

        Raises
        ------
        StimuliNotDownloadedError
            When there is none.
        """
        if models := self.models:
            return models
        raise StimuliNotDownloadedError(
            f"No embeddings are in {self.data_dir}. laion_fmri.download_embeddings() fetches them."
        )

    def close(self) -> None:
        """Clear the cache."""
        self._cache.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, object]:
        return {"data_dir": self.data_dir, "models": self._chosen or "all"}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def path(self, model: str) -> Path:
        """Return the path of a model's file.

        Raises
        ------
        UnknownNameError
            When there is no such model, or it is not selected.
        StimuliNotDownloadedError
            When it is not downloaded.
        """
        known = list(dict.fromkeys([*layout.EMBEDDING_MODELS, *self.models]))
        name = one_of("embedding model", model, known)
        if self._chosen is not None:
            one_of("embedding model", name, self._chosen)
        path = embeddings_path(self.data_dir, name)
        if not path.exists():
            require_stimulus_file(self.data_dir, layout.embeddings(name))
        return path

    def _index(self, model: str) -> NameIndex:
        path = self.path(model)
        # Registered features may be replaced at any time.
        key = f"names in {path.name} {file_signature(path)}"
        return self._cache.get(key, lambda: _read_names(path))

    def _model(self, model: str) -> _Model:
        path = self.path(model)
        key = f"{path.name} {file_signature(path)}"
        return self._cache.get(key, lambda: _Model(path, self._index(model)))
