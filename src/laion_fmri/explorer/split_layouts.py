"""Layouts of image space that take a while: made in the background, kept on disk.

A job belongs to the server: it goes on when the page is left, and every page that wants
the same layout follows the same job.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import logging
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import MissingDependencyError
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.split_space import ImageMap, image_space
from laion_fmri.explorer.tsne_process import N_ITERATIONS
from laion_fmri.whole_file import whole_file

log = logging.getLogger("laion_fmri.explorer")

_ITERATION = re.compile(r"Iteration (\d+):")
_PREPARED = 0.15  # share of the time before the first iteration
_ONE_AT_A_TIME = threading.Semaphore(1)
_jobs: dict[Path, LayoutJob] = {}
_guard = threading.Lock()


def tsne_map(data: ExplorerData, model: str, images: Sequence[str]) -> ImageMap | LayoutJob:
    """Images laid out by t-SNE: at once where that was done before, else the job that does it.

    Raises
    ------
    LaionFmriError
        When the embeddings are not local, or scikit-learn is not installed.
    """
    space = image_space(data, model)
    names = space.known(images)
    vectors = space.vectors[space.rows_of(names)]
    path = _kept_at(data.data_dir, model, names, vectors)
    kept = _read(path, len(names))
    if kept is not None:
        return ImageMap(names, kept)
    _require_scikit_learn()
    with _guard:
        job = _jobs.get(path)
        if job is None or (job.is_over and not job.is_done):
            job = _jobs[path] = LayoutJob(path, names, vectors)
            threading.Thread(target=job.run, name="t-SNE", daemon=True).start()
        return job


class LayoutJob:
    """A layout in the making.

    Attributes
    ----------
    progress : float
        From 0 to 1.
    is_over, is_done : bool
        Whether nothing more happens, and whether the layout is there.
    problem : str
        Why it failed.
    """

    def __init__(self, path: Path, names: tuple[str, ...], vectors: NDArray[np.float32]) -> None:
        self.progress = 0.0
        self.is_over = self.is_done = self.is_cancelled = False
        self.problem = ""
        self._path, self._names = path, names
        self._vectors: NDArray[np.float32] | None = vectors
        self._xy: NDArray[np.float32] | None = None
        self._process: subprocess.Popen[str] | None = None

    @property
    def result(self) -> ImageMap:
        """The layout, once it is done."""
        assert self._xy is not None
        return ImageMap(self._names, self._xy)

    def cancel(self) -> None:
        """End the work; nothing is kept."""
        self.is_cancelled = True
        if self._process is not None:
            self._process.terminate()

    def run(self) -> None:
        """Do the work; called in a thread."""
        try:
            with _ONE_AT_A_TIME:
                if not self.is_cancelled:
                    self._lay_out()
        except Exception as error:  # the page says so; the server goes on
            log.exception("t-SNE failed")
            self.problem = f"The layout could not be made ({type(error).__name__})."
        self._vectors = None
        self.is_over = True

    def _lay_out(self) -> None:
        assert self._vectors is not None
        with tempfile.TemporaryDirectory(prefix="laion-fmri-") as folder:
            source, target = Path(folder) / "in.npy", Path(folder) / "out.npy"
            np.save(source, self._vectors)
            command = [sys.executable, "-u", "-m", "laion_fmri.explorer.tsne_process"]
            self._process = subprocess.Popen(
                [*command, str(source), str(target)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C ends the server, which then ends this
            )
            atexit.register(self._process.kill)
            if self.is_cancelled:  # while it was being started
                self._process.terminate()
            said = self._follow(self._process)
            code = self._process.wait()
            atexit.unregister(self._process.kill)
            if self.is_cancelled:
                return
            if code:
                log.error("t-SNE ended with status %s: %s", code, said)
                self.problem = "The layout could not be made. The server's log has the details."
                return
            self._xy = np.load(target)
        self._keep()
        self.progress = 1.0
        self.is_done = True

    def _follow(self, process: subprocess.Popen[str]) -> str:
        last: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            last = [*last[-20:], line]
            if found := _ITERATION.search(line):
                self.progress = _PREPARED + (1 - _PREPARED) * int(found[1]) / N_ITERATIONS
            elif "conditional probabilities" in line:
                self.progress = max(self.progress, _PREPARED / 2)
        return "".join(last)

    def _keep(self) -> None:
        assert self._xy is not None
        try:
            with whole_file(self._path) as file:
                np.save(file, self._xy)
        except OSError:  # a data directory that cannot be written: kept as long as the server
            log.info("%s cannot be written; the layout is not kept", self._path)


def _kept_at(
    data_dir: Path, model: str, names: tuple[str, ...], vectors: NDArray[np.float32]
) -> Path:
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(vectors.tobytes())
    return data_dir / ".laion_fmri" / "layouts" / f"{model}_tsne_{digest.hexdigest()[:20]}.npy"


def _read(path: Path, n: int) -> NDArray[np.float32] | None:
    with _guard:
        job = _jobs.get(path)
    if job is not None and job.is_done:
        return job.result.xy
    try:
        xy = np.load(path, allow_pickle=False)
    except (OSError, ValueError):  # not there, or damaged: made again
        return None
    return xy if xy.shape == (n, 2) and xy.dtype == np.float32 else None


def _require_scikit_learn() -> None:
    if importlib.util.find_spec("sklearn") is None:
        raise MissingDependencyError(
            "t-SNE needs scikit-learn. Install the extra: "
            'pip install "laion-fmri-explorer[splits]".'
        )
