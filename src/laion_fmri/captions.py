"""Captions of the stimuli, by image name."""

from laion_fmri.stimuli.captions import Captions

__all__ = ["Captions"]
