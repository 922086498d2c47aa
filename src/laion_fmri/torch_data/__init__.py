"""A subject's trials, or the images it saw, as PyTorch datasets.

An epoch over compressed betas decompresses every session, and in random order over sessions that do
not fit into memory it does so again and again. Build a store once (`Subject.build_store`): from it
each trial is read in place, and what was read stays in the memory that the system shares between
all workers and epochs. `SessionSampler` draws trials session by session, which also reads
compressed sessions, and stores larger than the memory, once per epoch.

Examples
--------
>>> from torch.utils.data import DataLoader
>>> from laion_fmri.torch_data import SessionSampler
>>> trials = sub.to_torch_dataset(zscore="session", embeddings="CLIP", image=False)
>>> sampler = SessionSampler(trials)
>>> loader = DataLoader(
...     trials, 64, sampler=sampler, num_workers=2, persistent_workers=True
... )  # doctest: +SKIP
"""

from laion_fmri._errors import MissingDependencyError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingDependencyError(
        'PyTorch datasets need torch. Install the extra: pip install "laion-fmri-explorer[torch]".'
    ) from error

from laion_fmri.torch_data.dataset import LaionFMRIDataset, LaionFMRIImageDataset
from laion_fmri.torch_data.sampler import SessionSampler

__all__ = ["LaionFMRIDataset", "LaionFMRIImageDataset", "SessionSampler"]
