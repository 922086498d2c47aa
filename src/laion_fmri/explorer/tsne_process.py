"""t-SNE in a process of its own, which says how far it is and can be ended at any time.

    python -m laion_fmri.explorer.tsne_process IN.npy OUT.npy

Reads embeddings of shape (n_images, n_features), writes places of shape (n_images, 2).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

N_ITERATIONS = 750
_COMPONENTS = 50  # what t-SNE sees of the embeddings
_PERPLEXITY = 30.0


def main(source: Path, target: Path) -> None:
    """Lay the images out."""
    from sklearn.manifold import TSNE

    from laion_fmri.explorer.split_space import principal_components

    vectors = np.load(source)
    places, _ = principal_components(vectors, _COMPONENTS)
    perplexity = min(_PERPLEXITY, max((len(vectors) - 1) / 3, 1.0))
    start = places[:, :2] / max(float(places[:, 0].std()), 1e-12) * 1e-4
    model = TSNE(
        perplexity=perplexity,
        init=start,
        max_iter=N_ITERATIONS,
        random_state=0,
        verbose=2,  # a line every 50 iterations
    )
    np.save(target, model.fit_transform(places).astype(np.float32))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
