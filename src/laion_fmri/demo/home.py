"""A place for the demo: a bucket of five subjects, and a data directory that holds two."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from laion_fmri import access, layout
from laion_fmri.config import Settings, cache_folder

_GENERATOR = "laion_fmri.demo"  # as the demo dataset names it
LOCAL_SUBJECTS = ("sub-01", "sub-03")


@dataclass(frozen=True)
class DemoHome:
    """The folders of the demo.

    Attributes
    ----------
    bucket_dir : Path
        A directory bucket with every subject.
    data_dir : Path
        A data directory with some of them, and the stimuli.
    """

    bucket_dir: Path
    data_dir: Path

    @property
    def settings(self) -> Settings:
        """Settings that work on the demo and on nothing else."""
        return Settings(data_dir=self.data_dir, bucket=self.bucket_dir.as_uri())

    @contextmanager
    def served(self) -> Iterator[Settings]:
        """The same with an access service on this machine, which answers meanwhile."""
        from laion_fmri.demo.access_service import DemoAccessService

        with DemoAccessService(self.bucket_dir) as service:
            yield replace(self.settings, access_url=service.url)


def prepare_demo_home(
    root: Path | None = None,
    profile: str = "demo",
    progress: Callable[[float, str], None] | None = None,
) -> DemoHome:
    """Write the demo once and fill its data directory; quick when it is there already.

    Parameters
    ----------
    root : Path, optional
        A folder of the user's cache by default.
    profile : {"demo", "tiny"}
    progress : callable, optional
        Called with the fraction done and what is being done.
    """
    from laion_fmri.demo.profiles import FORMAT_VERSION
    from laion_fmri.demo.write import write_demo

    root = root or cache_folder() / f"{profile}-{FORMAT_VERSION}"
    home = DemoHome(root / "bucket", root / "data")
    root.mkdir(parents=True, exist_ok=True)
    write_demo(home.bucket_dir, profile=profile, progress=progress)
    fill_data_dir(home)
    return home


def fill_data_dir(home: DemoHome) -> None:
    """Fetch what every tab needs to have something to show, by the library's own engine.

    The licence is accepted on the way: the demo's data are this project's own.
    """
    from laion_fmri.bucket import open_bucket
    from laion_fmri.demo.write import copy_gated_stimuli
    from laion_fmri.download_plans import plan_download
    from laion_fmri.fetching import fetch
    from laion_fmri.transfer.plan import make_plan

    home.data_dir.mkdir(exist_ok=True)
    access.accept_license(home.data_dir)
    bucket = open_bucket(home.settings)
    plan = plan_download(
        LOCAL_SUBJECTS,
        settings=home.settings,
        bucket=bucket,
        include_anatomical=True,
        include_freesurfer=True,
        include_localizers=True,
    )
    open_files = [
        found
        for tree in (layout.STIMULI_TREE, layout.SPLITS_TREE)
        for found in bucket.objects(f"{tree}/")
        if found.key not in layout.GATED_KEYS
    ]
    fetch(plan + make_plan(open_files, home.data_dir, bucket), progress=False)
    copy_gated_stimuli(home.bucket_dir, home.data_dir)


def is_demo_dataset(folder: Path) -> bool:
    """Whether a bucket's folder or a data directory has the synthetic demo dataset."""
    try:
        described = json.loads((folder / layout.DATASET_FILES[0]).read_bytes())
        return {"Name": _GENERATOR} in described["GeneratedBy"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
