"""Commands for features of your own models."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from laion_fmri._errors import UnreadableFileError
from laion_fmri.transfer.plan import format_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laion_fmri.features import FeaturesInfo


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add ``features`` with ``add``, ``list`` and ``remove``."""
    features = commands.add_parser(
        "features", help="features of your own models beside the data: add, list, remove"
    )
    actions = features.add_subparsers(metavar="ACTION", required=True)

    add = actions.add_parser("add", help="add features of images; then use them by their name")
    add.add_argument(
        "file", type=Path, help=".npy, .npz, .h5, .csv, .tsv or .parquet, with image names"
    )
    add.add_argument("--name", help="name of the features (default: that of the file)")
    add.add_argument(
        "--images",
        type=Path,
        metavar="TXT",
        help="image names of a .npy file, one a line (default: the .txt beside it)",
    )
    add.add_argument("--replace", action="store_true", help="replace features of the same name")
    add.set_defaults(command=_add)

    listed = actions.add_parser("list", help="list the features, and images that they lack")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(command=_list)

    remove = actions.add_parser("remove", help="remove features")
    remove.add_argument("name")
    remove.set_defaults(command=_remove)


def _add(options: argparse.Namespace) -> None:
    from laion_fmri.features import register_features

    images = None
    if options.images is not None:
        try:
            lines = options.images.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise UnreadableFileError.from_os(options.images, error) from error
        images = [line.strip() for line in lines if line.strip()]
    name = options.name or options.file.stem
    info = register_features(name, options.file, images, replace=options.replace)
    print("\n".join(_lines([info])))
    if info.n_lacking:
        print(f"No features of {info.n_lacking:,} images of the dataset: {info.lacking}.")


def _list(options: argparse.Namespace) -> None:
    from laion_fmri.features import list_features

    found = list_features()
    if options.json:
        rows = [dataclasses.asdict(one) | {"path": str(one.path)} for one in found]
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join(_lines(found)) or "No features are registered.")


def _remove(options: argparse.Namespace) -> None:
    from laion_fmri.features import remove_features

    remove_features(options.name)
    print(f"{options.name} removed.")


def _lines(found: Sequence[FeaturesInfo]) -> list[str]:
    return [
        f"{one.name:<20}{one.n_images:>7,} images x {one.n_features:,} features  {one.dtype}  "
        f"{format_bytes(one.n_bytes)}"
        + (f"  {len(one.layers)} layers" if one.layers else "")
        + (f"  lacks {one.n_lacking:,} images" if one.n_lacking else "")
        for one in found
    ]
