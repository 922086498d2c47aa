"""Features of your own models beside the data, where every function finds them by name.

A file ``{data_dir}/.laion_fmri/features/{name}.h5`` has the layout of the published embeddings, so
that a registered name works wherever the name of a published embedding does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri._errors import (
    ConfigError,
    InvalidArgumentError,
    LaionFmriError,
    UnknownNameError,
    closest,
)
from laion_fmri.atomic_write import atomic_path
from laion_fmri.config import load_settings
from laion_fmri.features.reading import FeaturesLike, as_features
from laion_fmri.features.table import Features, some
from laion_fmri.stimuli.embeddings import LAYERS, Embeddings, own_features_path
from laion_fmri.stimuli.hdf5 import LazyHdf5
from laion_fmri.stimuli.metadata import read_metadata

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class FeaturesInfo:
    """Registered features.

    Attributes
    ----------
    name : str
    path : Path
    n_images, n_features : int
    dtype : str
    layers : tuple of str
        Names of the feature spaces; empty for a single one.
    n_bytes : int
        Size of the file.
    n_lacking : int or None
        Number of the dataset's images without features. None if the names of the dataset's images
        are not downloaded.
    lacking : str
        Which images those are, in words; empty if there are none.
    """

    name: str
    path: Path
    n_images: int
    n_features: int
    dtype: str
    layers: tuple[str, ...]
    n_bytes: int
    n_lacking: int | None
    lacking: str


def register_features(
    name: str,
    features: FeaturesLike,
    images: Iterable[str] | None = None,
    *,
    replace: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> FeaturesInfo:
    """Keep features of your own beside the data; their name then works as that of an embedding.

    Parameters
    ----------
    name : str
        Letters, digits, dots, hyphens and underscores. ``"all"`` and the names of embeddings and of
        other registered features are taken, in upper and lower case.
    features : Features, DataFrame, array, path, mapping or list
        As in `as_features`. Their precision is kept: float16 takes half the space.
    images : iterable of str, optional
        Image names of the rows of an array, a ``.npy`` file, or a mapping of these.
    replace : bool
        Whether registered features of this name are replaced.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    FeaturesInfo
        Its ``n_lacking`` and ``lacking`` say which images of the dataset have no features.

    Raises
    ------
    InvalidArgumentError
        When the name is not valid or taken, the features are not valid, or an image name is not
        one of the dataset's.
    ConfigError
        When the file cannot be written.

    Examples
    --------
    >>> laion_fmri.register_features("my-resnet", "resnet50.npz")  # doctest: +SKIP
    >>> laion_fmri.encode("my-resnet", "sub-01", split="tau", roi="FFA1")  # doctest: +SKIP
    """
    import h5py

    root = load_settings(data_dir=data_dir).require_data_dir()
    _require_new_name(name, root, replace)
    found = as_features(features, root, images=images, name=name)
    _require_known_images(found, root)
    path = own_features_path(root, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
            rows = file.create_dataset("embedding", data=found.values)
            rows.attrs[LAYERS] = json.dumps(
                {key: [columns.start, columns.stop] for key, columns in found.layers.items()}
            )
            text = h5py.string_dtype()
            file.create_dataset("image_ids", data=np.array(found.images, dtype=object), dtype=text)
            file.create_dataset("valid", data=np.ones(len(found), dtype=bool))
    except OSError as error:
        raise ConfigError(f"The features cannot be written to {path} ({error}).") from error
    return _info(name, root)


def list_features(data_dir: str | os.PathLike[str] | None = None) -> list[FeaturesInfo]:
    """List the registered features, by name.

    Raises
    ------
    DamagedFileError
        When a file is not one of registered features.
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    return [_info(name, root) for name in _registered(root)]


def remove_features(name: str, data_dir: str | os.PathLike[str] | None = None) -> None:
    """Remove registered features.

    Raises
    ------
    UnknownNameError
        When there are none of this name.
    ConfigError
        When the file cannot be removed.
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    known = _registered(root)
    if name not in known:
        raise UnknownNameError("registered features", name, known)
    try:
        own_features_path(root, name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"The features {name!r} cannot be removed ({error}).") from error


def _registered(root: Path) -> list[str]:
    folder = own_features_path(root, "x").parent
    return sorted(path.stem for path in folder.glob("*.h5") if _NAME.fullmatch(path.stem))


def _info(name: str, root: Path) -> FeaturesInfo:
    path = own_features_path(root, name)
    with LazyHdf5(path) as file:
        with file.dataset("embedding", 2) as rows:
            shape, dtype = rows.shape, str(rows.dtype)
            layers = tuple(json.loads(rows.attrs.get(LAYERS, "{}")))
        with file.dataset("image_ids", 1) as ids:
            images = frozenset(ids.asstr()[:])
    n_lacking, lacking = _coverage(images, root)
    return FeaturesInfo(
        name, path, shape[0], shape[1], dtype, layers, path.stat().st_size, n_lacking, lacking
    )


def _coverage(images: frozenset[str], root: Path) -> tuple[int | None, str]:
    """Count the dataset's images that are not among these, and say which they are."""
    try:
        table = read_metadata(root)
    except LaionFmriError:
        return None, ""
    lacks = ~table["image_name"].isin(images)
    # Subjects have images of their own: someone who studies one of them may need no others.
    groups = table["participant"].where(table["unique_or_shared"] == "unique", "shared")
    counts = [
        f"{int(lacks[groups == group].sum()):,} of {int((groups == group).sum()):,} "
        + ("shared" if group == "shared" else f"of {group} alone")
        for group in dict.fromkeys(groups)
        if lacks[groups == group].any()
    ]
    return int(lacks.sum()), "; ".join(counts)


def _require_new_name(name: object, root: Path, replace: bool) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"{name!r} cannot be the name of features. Use letters, digits, dots, hyphens and "
            "underscores, beginning with a letter or a digit, at most 64."
        )
    if name.lower() == "all":
        raise InvalidArgumentError(
            f"{name!r} stands for all embeddings and cannot be a name. Choose another name."
        )
    own = _registered(root)
    published = {*layout.EMBEDDING_MODELS, *Embeddings("all", root).models} - set(own)
    if name.lower() in {model.lower() for model in published}:
        raise InvalidArgumentError(
            f"{name!r} is the name of a published embedding. Choose another name."
        )
    same = [one for one in own if one.lower() == name.lower() and one != name]
    if same:
        raise InvalidArgumentError(
            f"{name!r} differs from the registered features {same[0]!r} only in upper and lower "
            "case. Choose another name, or remove those."
        )
    if name in own and not replace:
        raise InvalidArgumentError(
            f"Features named {name!r} are registered already. Choose another name, or give "
            "replace=True."
        )


def _require_known_images(features: Features, root: Path) -> None:
    """Check that the images are the dataset's, if their names are downloaded."""
    known = _dataset_images(root)
    strangers = [image for image in features.images if image not in known] if known else []
    if not strangers:
        return
    close = closest(strangers[0], known, 1)
    raise InvalidArgumentError(
        f"{len(strangers):,} of the {len(features):,} images of {features.name!r} are not in the "
        f"dataset: {some(strangers)}. "
        + (f"Did you mean {close[0]!r}? " if close else "")
        + "Name them as the column image_name of the metadata does, and leave others out."
    )


def _dataset_images(root: Path) -> frozenset[str]:
    """Names of the dataset's images: of the metadata, or else of a published embedding."""
    try:
        return frozenset(read_metadata(root)["image_name"])
    except LaionFmriError:
        pass
    with Embeddings("all", root) as embeddings:
        published = [m for m in embeddings.models if m in layout.EMBEDDING_MODELS]
        return frozenset(embeddings.names(published[0])) if published else frozenset()
