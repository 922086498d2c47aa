"""Object masks of the shared images, by image name and noun."""

from laion_fmri.stimuli.segmentations import Segmentations

__all__ = ["Segmentations"]
