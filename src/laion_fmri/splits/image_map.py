"""Maps of image space: the images of an embedding model on a plane."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import CancelledError, LaionFmriError, MissingDependencyError
from laion_fmri.atomic_write import atomic_file

if TYPE_CHECKING:
    from laion_fmri.splits.space import EmbeddingSpace

N_ITERATIONS = 750
"""Iterations of t-SNE."""

_SPARE_AXES = 14
_ROUNDS, _STEPS = 40, 3
_TOLERANCE = 1e-6  # relative change of the variances between iterations
_TSNE_COMPONENTS = 50
_PERPLEXITY = 30.0
_ITERATION = re.compile(r"Iteration (\d+):")
_SHARE_BEFORE_ITERATIONS = 0.15  # of the time


@dataclass(frozen=True, eq=False)
class ImageMap:
    """Images on a plane.

    Attributes
    ----------
    names : tuple of str
    xy : ndarray of float32, shape (n_images, 2)
    explained : tuple of float
        Fraction of the variance on each axis; empty if the axes have no meaning.
    """

    names: tuple[str, ...]
    xy: NDArray[np.float32]
    explained: tuple[float, ...] = ()


def principal_components(
    vectors: NDArray[np.float32], n: int = 2
) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Project vectors onto their first principal components.

    The sign of each axis makes its largest weight positive, so that the result is
    deterministic.

    Parameters
    ----------
    vectors : array of shape (n_images, n_features)
    n : int
        Number of components.

    Returns
    -------
    scores : ndarray of float32, shape (n_images, n)
        Zero-filled if there are fewer than `n` components.
    explained : tuple of float
        Fraction of the variance on each component.

    Examples
    --------
    >>> import numpy as np
    >>> from laion_fmri.splits.image_map import principal_components
    >>> scores, explained = principal_components(np.array([[0, 0], [1, 0], [2, 0.0]]), n=1)
    >>> scores.ravel().tolist(), explained
    ([-1.0, 0.0, 1.0], (1.0,))
    """
    centred = vectors - vectors.mean(axis=0)
    wanted, n = n, min(n, *vectors.shape)
    covariance = (centred.T @ centred).astype(np.float64)
    # Subspace iteration computes only the few axes that are needed.
    width = min(n + _SPARE_AXES, vectors.shape[1])
    axes = np.random.default_rng(0).normal(size=(vectors.shape[1], width))
    before = np.zeros(n)
    for _ in range(_ROUNDS):
        for _ in range(_STEPS):
            axes = covariance @ axes
            axes /= np.linalg.norm(axes, axis=0).max() or 1.0
        axes, _ = np.linalg.qr(axes)
        sizes, turn = np.linalg.eigh(axes.T @ covariance @ axes)
        axes = axes @ turn[:, ::-1]
        if np.allclose(sizes[::-1][:n], before, rtol=_TOLERANCE):
            break
        before = sizes[::-1][:n]
    axes = axes[:, :n]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(n)])
    scores = (centred @ axes.astype(np.float32)).astype(np.float32)
    scores = np.pad(scores, ((0, 0), (0, wanted - n)))
    total = float((centred.astype(np.float64) ** 2).sum()) or 1.0
    return scores, tuple(((scores.astype(np.float64) ** 2).sum(axis=0) / total).tolist())


def pca_map(space: EmbeddingSpace, images: Iterable[str] | None = None) -> ImageMap:
    """Project images onto the first two principal components of an embedding.

    Parameters
    ----------
    space : EmbeddingSpace
    images : iterable of str, optional
        All images of `space` by default; images without an embedding are left out.

    Examples
    --------
    >>> from laion_fmri.splits import EmbeddingSpace, pca_map
    >>> image_map = pca_map(EmbeddingSpace("CLIP"))
    >>> image_map.xy.shape == (len(image_map.names), 2)
    True
    """
    names = space.known(space.names if images is None else images)
    return ImageMap(names, *principal_components(space.vectors[space.rows_of(names)]))


def map_path(space: EmbeddingSpace, names: Sequence[str], folder: Path) -> Path:
    """Return the file of a t-SNE map, named by a hash of the images and their embedding."""
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(space.vectors[space.rows_of(names)].tobytes())
    return folder / f"{space.model}_tsne_{digest.hexdigest()[:20]}.npy"


def save_map(image_map: ImageMap, path: Path) -> None:
    """Save the positions of a map.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    with atomic_file(path) as file:
        np.save(file, image_map.xy)


def read_map(path: Path, names: Sequence[str]) -> ImageMap | None:
    """Load a saved map of these images; None when it is missing or damaged."""
    try:
        xy = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    is_whole = xy.shape == (len(names), 2) and xy.dtype == np.float32
    return ImageMap(tuple(names), xy) if is_whole else None


def tsne_map(
    space: EmbeddingSpace,
    images: Iterable[str] | None = None,
    *,
    progress: Callable[[float, str], None] | None = None,
    cancel: threading.Event | None = None,
) -> ImageMap:
    """Lay out the images of an embedding by t-SNE.

    t-SNE (L. van der Maaten and G. Hinton, 2008, Journal of Machine Learning Research 9)
    runs on the first 50 principal components with a perplexity of 30, starting from the first two
    components, in a separate process. It takes a minute for 6,000 images and requires scikit-learn:
    ``pip install "laion-fmri-explorer[splits]"``.

    Parameters
    ----------
    space : EmbeddingSpace
    images : iterable of str, optional
        All images of `space` by default; images without an embedding are left out.
    progress : callable, optional
        Called with the completed fraction, 0 to 1, and the name of the next step.
    cancel : threading.Event, optional
        Cancels the work when set.

    Raises
    ------
    MissingDependencyError
        When scikit-learn is not installed.
    CancelledError
        When `cancel` is set.
    LaionFmriError
        When the process cannot be started or fails.
    """
    require_scikit_learn()
    names = space.known(space.names if images is None else images)
    with tempfile.TemporaryDirectory(prefix="laion-fmri-") as folder:
        source, target = Path(folder) / "vectors.npy", Path(folder) / "map.npy"
        np.save(source, space.vectors[space.rows_of(names)])
        command = [sys.executable, "-u", "-m", __name__, str(source), str(target)]
        try:
            _run_process(command, progress or (lambda *_: None), cancel or threading.Event())
        except OSError as error:
            raise LaionFmriError(f"The t-SNE map could not be made: {error}.") from error
        return ImageMap(names, np.load(target))


def require_scikit_learn() -> None:
    """Raise `MissingDependencyError` unless scikit-learn, which t-SNE needs, is installed."""
    if find_spec("sklearn") is None:
        raise MissingDependencyError(
            "t-SNE needs scikit-learn. Install the extra: "
            'pip install "laion-fmri-explorer[splits]".'
        )


def _run_process(
    command: list[str], progress: Callable[[float, str], None], cancel: threading.Event
) -> None:
    """Run t-SNE until it ends or `cancel` is set."""
    # In its own session, so that Ctrl-C reaches only the caller, which ends the process.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        over = threading.Event()

        def end_when_cancelled() -> None:
            while not over.wait(0.1):
                if cancel.is_set():
                    process.terminate()
                    return

        watcher = threading.Thread(target=end_when_cancelled, name="t-SNE cancel", daemon=True)
        watcher.start()
        last: deque[str] = deque(maxlen=20)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last.append(line)
                if found := _ITERATION.search(line):
                    done = int(found[1]) / N_ITERATIONS
                    share = _SHARE_BEFORE_ITERATIONS + (1 - _SHARE_BEFORE_ITERATIONS) * done
                    progress(share, "Laying out by t-SNE")
                elif "conditional probabilities" in line:
                    progress(_SHARE_BEFORE_ITERATIONS / 2, "Laying out by t-SNE")
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            over.set()
    if cancel.is_set():
        raise CancelledError("t-SNE was cancelled.")
    if code:
        reason = last[-1].strip() if last else "no output"
        raise LaionFmriError(f"The t-SNE map could not be made (status {code}): {reason}")


def _main(source: Path, target: Path) -> None:
    """Lay out the vectors in `source`; write an array of shape (n_images, 2) to `target`."""
    from sklearn.manifold import TSNE

    vectors = np.load(source)
    scores, _ = principal_components(vectors, _TSNE_COMPONENTS)
    perplexity = min(_PERPLEXITY, max((len(vectors) - 1) / 3, 1.0))
    start = scores[:, :2] / max(float(scores[:, 0].std()), 1e-12) * 1e-4
    model = TSNE(
        perplexity=perplexity,
        init=start,
        max_iter=N_ITERATIONS,
        random_state=0,
        verbose=2,  # prints a line every 50 iterations
    )
    np.save(target, model.fit_transform(scores).astype(np.float32))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
