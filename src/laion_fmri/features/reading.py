"""Features of anything that holds them: arrays, tables, files, and names of models."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import (
    DamagedFileError,
    InvalidArgumentError,
    LaionFmriError,
    MissingDependencyError,
    UnknownNameError,
    UnreadableFileError,
)
from laion_fmri.features.table import Features
from laion_fmri.layout import EMBEDDING_MODELS
from laion_fmri.names import as_names
from laion_fmri.stimuli.embeddings import Embeddings, read_layers
from laion_fmri.stimuli.hdf5 import open_for_reading
from laion_fmri.tables import read_text, typed

if TYPE_CHECKING:
    import pandas as pd

FeaturesLike = Union[  # a string in it names a class of an optional import
    Features, "pd.DataFrame", str, os.PathLike, Mapping[str, Any], Iterable[Any]
]

NAME_KEYS = (
    "image_name", "image_names", "image_ids", "images", "image", "names", "name", "label", "labels",
)  # fmt: skip
"""What holds the image names in a table or in a file of several arrays."""

_ADVICE = "Correct it, or write it anew."


def as_features(
    features: FeaturesLike,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    images: Iterable[str] | None = None,
    name: str | None = None,
) -> Features:
    """Return the features that something holds.

    Parameters
    ----------
    features : Features, DataFrame, str, path, mapping or list
        - a table with image names as its index, or in a column ``image_name``;
        - the name of a published embedding, or of features registered with `register_features`;
        - the path of a file: ``.npy`` (with `images`, or with a text file of the same name that
          ends in ``.txt`` and has one image name a line), ``.npz``, ``.h5``, ``.csv``, ``.tsv`` or
          ``.parquet``. Each array of a file, or each of a mapping or a list, is a feature space of
          its own (`Features.layers`).
    data_dir : path, optional
        Of the embeddings, instead of the configured one.
    images : iterable of str, optional
        Image names of the rows of a ``.npy`` file, an array, or a mapping of these; all else names
        its images itself.
    name : str, optional
        Instead of the one that the features have.

    Raises
    ------
    InvalidArgumentError
        When there are no image names, or the features are not valid; see `Features`.
    UnknownNameError
        When a text is neither the name of a model nor the path of a file.
    StimuliNotDownloadedError
        When the embedding is not downloaded.
    DamagedFileError, UnreadableFileError
        When a file cannot be read.
    MissingDependencyError
        When a ``.parquet`` file is given and pyarrow is not installed.

    Examples
    --------
    >>> as_features("resnet50.npz")  # doctest: +SKIP
    >>> as_features(["CLIP", "my-resnet"]).layers  # doctest: +SKIP
    """
    if images is not None and not isinstance(features, str | os.PathLike | Mapping):
        if isinstance(features, Features) or _is_table(features):
            raise InvalidArgumentError(
                f"This {type(features).__name__} names its images itself. Leave images= out, or "
                "give an array of the values."
            )
        found = Features.of(_listed(features), images, name or "features")
    elif isinstance(features, Features):
        found = features
    elif isinstance(features, str | os.PathLike):
        found = _named(features, data_dir, images)
    elif isinstance(features, Mapping):
        images = None if images is None else as_names(images)  # a generator has them once
        parts = {
            str(key): as_features(part, data_dir, images=images) for key, part in features.items()
        }
        return Features.joined(parts, name)
    elif _is_table(features):
        found = _of_table(features, name or "features")
    elif hasattr(features, "__array__"):
        raise InvalidArgumentError(
            "An array does not say which image each row is of. Give "
            "Features.of(array, images=names), or a table whose index holds the names."
        )
    elif isinstance(features, Iterable):
        return Features.joined(feature_sets(features, data_dir), name)
    else:
        raise InvalidArgumentError(
            f"{features!r} holds no features. Give Features, a table, the name of an embedding, "
            "or a file."
        )
    if name and name != found.name:
        found = Features(name, found.images, found.values, found.layers)
    return found


def feature_sets(
    features: FeaturesLike, data_dir: str | os.PathLike[str] | None = None
) -> dict[str, Features]:
    """Return features by name, one or several: each item of a list or a mapping on its own.

    Raises
    ------
    InvalidArgumentError
        When there are none, or two have the same name; and as `as_features`.
    """
    if isinstance(features, Mapping):
        found = [as_features(part, data_dir, name=str(key)) for key, part in features.items()]
    elif _are_several(features):
        found = [as_features(part, data_dir) for part in cast(Iterable[Any], features)]
    else:
        found = [as_features(features, data_dir)]
    by_name = {one.name: one for one in found}
    if not found:
        raise InvalidArgumentError("No features were given. Give at least one.")
    if len(by_name) < len(found):
        raise InvalidArgumentError(
            f"Two of the features have the same name (of {', '.join(one.name for one in found)}). "
            "Give a dict of your names to features."
        )
    return by_name


def _is_table(features: object) -> bool:
    return hasattr(features, "columns") and hasattr(features, "index")


def _are_several(features: object) -> bool:
    """Whether an iterable holds features, and is not features itself."""
    is_one = isinstance(features, Features | str | os.PathLike) or hasattr(features, "__array__")
    return isinstance(features, Iterable) and not is_one and not _is_table(features)


def _listed(values: Any) -> Any:
    """Return rows as a list if they come one after another, as from a generator."""
    return values if hasattr(values, "__len__") else list(values)


def _named(
    features: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None,
    images: Iterable[str] | None,
) -> Features:
    path = Path(features)
    if path.suffix.lower() in _READERS and path.is_file():
        return read_features(path, images)
    if isinstance(features, str):
        local = _local_models(data_dir)
        if features in {*EMBEDDING_MODELS, *local}:
            if images is not None:
                raise InvalidArgumentError(
                    f"The features {features!r} name their images themselves. Leave images= out."
                )
            return _of_model(features, data_dir)
    else:
        local = []
    if path.suffix.lower() in _READERS or isinstance(features, os.PathLike) or path.exists():
        if path.is_file():
            raise InvalidArgumentError(
                f"{path} is of no known kind. Features are read from files that end in "
                f"{', '.join(_READERS)}."
            )
        raise InvalidArgumentError(f"There is no file {path}. Check its name and folder.")
    raise UnknownNameError(
        "features",
        features,
        dict.fromkeys([*EMBEDDING_MODELS, *local]),
        "Give the name of an embedding, one that you registered with register_features, or a file.",
    )


def _local_models(data_dir: str | os.PathLike[str] | None) -> list[str]:
    try:
        return Embeddings("all", data_dir).models
    except LaionFmriError:  # no data directory: files can still be read
        return []


def _of_model(model: str, data_dir: str | os.PathLike[str] | None) -> Features:
    with Embeddings(model, data_dir) as embeddings:
        names, values = embeddings.names(model), embeddings[model]
        valid = embeddings.valid(model)
        layers = read_layers(embeddings.path(model))
    if not valid.all():
        names = [name for name, is_valid in zip(names, valid, strict=True) if is_valid]
        values = values[valid]
    return Features(model, tuple(names), values, layers)


# --- files and tables ---------------------------------------------------------------------


def read_features(path: str | os.PathLike[str], images: Iterable[str] | None = None) -> Features:
    """Read features from a file; see `as_features`.

    Raises
    ------
    InvalidArgumentError, DamagedFileError, UnreadableFileError, MissingDependencyError
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InvalidArgumentError(
            f"{file} is of no known kind. Features are read from files that end in "
            f"{', '.join(_READERS)}."
        )
    if images is not None and reader is not _read_npy:
        raise InvalidArgumentError(
            f"{file} names its images itself. Give images= with a .npy file."
        )
    with _errors_of(file):
        if reader is _read_npy:
            return _read_npy(file, images)
        return reader(file)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except LaionFmriError:
        raise
    except OSError as error:
        if error.errno:
            raise UnreadableFileError.from_os(path, error) from error
        raise DamagedFileError(path, _one_line(error), _ADVICE) from error
    except MemoryError as error:
        problem = "its header asks for more memory than this computer has"
        raise DamagedFileError(path, problem, _ADVICE) from error
    except Exception as error:  # numpy, zipfile, h5py and pandas have a dozen kinds
        raise DamagedFileError(path, _one_line(error), _ADVICE) from error


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read_npy(path: Path, images: Iterable[str] | None = None) -> Features:
    names = path.with_suffix(".txt")
    if images is None:
        if not names.is_file():
            raise InvalidArgumentError(
                f"{path.name} does not say which image each row is of. Give images=, or write the "
                f"names to {names.name}, one a line."
            )
        images = names.read_text(encoding="utf-8-sig").splitlines()
        images = [name.strip() for name in images if name.strip()]
    # A map is not longer than its file: a header that says more is an error, not an allocation.
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return Features.of(np.array(values), images, path.stem)


def _read_npz(path: Path) -> Features:
    if not zipfile.is_zipfile(path):
        raise DamagedFileError(path, "it is no file of numpy.savez", _ADVICE)
    with np.load(path, allow_pickle=False) as file:
        return _of_arrays({key: file[key] for key in file.files}, path)


def _read_h5(path: Path) -> Features:
    import h5py

    arrays: dict[str, NDArray] = {}

    def add(name: str, found: object) -> None:
        if isinstance(found, h5py.Dataset):
            is_text = h5py.check_string_dtype(found.dtype) is not None
            arrays[name] = found.asstr()[:] if is_text else found[:]

    with open_for_reading(path) as file:
        file.visititems(add)
        layers = read_layers(path) if "embedding" in arrays else {}
    found = _of_arrays(arrays, path)
    return Features(found.name, found.images, found.values, layers or found.layers)


def _of_arrays(arrays: Mapping[str, NDArray], path: Path) -> Features:
    """Features of a file of several arrays, one of which holds the names."""
    key = next((k for k in NAME_KEYS if k in arrays), None)
    if key is None:
        raise InvalidArgumentError(
            f"{path} has no array of image names (it has {', '.join(arrays) or 'none'}). Name it "
            f"{NAME_KEYS[0]}."
        )
    images = as_names(arrays[key])
    rest = {k: a for k, a in arrays.items() if a.ndim >= 2 and a.dtype.kind in "biuf"}
    if not rest:
        raise InvalidArgumentError(f"{path} has no array of features with one row an image.")
    valid = arrays.get("valid")
    if valid is not None and valid.shape == (len(images),):
        is_valid = valid.astype(bool)
        images = [name for name, keep in zip(images, is_valid, strict=True) if keep]
        rest = {k: a[is_valid] if len(a) == len(is_valid) else a for k, a in rest.items()}
    parts = {k: Features.of(a, images, k) for k, a in rest.items()}
    if len(parts) == 1:
        (one,) = parts.values()
        return Features(path.stem, one.images, one.values)
    return Features.joined(parts, path.stem)


def _read_csv(path: Path) -> Features:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    return _of_table(typed(read_text(path, separator), {}), path.stem)


def _read_parquet(path: Path) -> Features:
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet files are read with pyarrow. Install the extra: "
            'pip install "laion-fmri-explorer[parquet]".'
        ) from error
    return _of_table(table, path.stem)


def _of_table(table: Any, name: str) -> Features:
    key = next((k for k in NAME_KEYS if k in table.columns), None)
    names = table.index if key is None else table[key]
    rest = table if key is None else table.drop(columns=key)
    if key is None and getattr(names, "dtype", None) is not None and names.dtype.kind in "biuf":
        raise InvalidArgumentError(
            f"The table {name!r} names no images. Put their names in its index, or in a column "
            f"{NAME_KEYS[0]}."
        )
    text = [str(c) for c in rest.columns if rest[c].dtype.kind not in "biuf"]
    if text:
        raise InvalidArgumentError(
            f"The column {text[0]!r} of the table {name!r} holds no numbers. Remove it, or keep "
            f"the image names in a column {NAME_KEYS[0]}."
        )
    return Features.of(rest.to_numpy(), as_names(names), name)


_READERS: Mapping[str, Callable[..., Features]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
}
