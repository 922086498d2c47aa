"""A data directory as a complete download leaves it, without downloading."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from laion_fmri import layout


def copy_local(bucket_dir: Path, data_dir: Path, subjects: Iterable[str]) -> Path:
    """Copy all derivatives of some subjects, and what belongs to everyone, under local names."""
    trees = [f"{tree}/{sub}" for tree in layout.DERIVATIVE_TREES for sub in subjects]
    for tree in [*trees, layout.STIMULI_TREE, layout.SPLITS_TREE]:
        for path in (bucket_dir / tree).rglob("*"):
            key = path.relative_to(bucket_dir).as_posix()
            if path.is_file() and not layout.is_held_out(key):
                target = layout.local_path(data_dir, key)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    return data_dir
