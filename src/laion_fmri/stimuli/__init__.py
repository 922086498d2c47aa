"""The stimuli: images, embeddings, object masks and captions.

`hub` and the four modalities are keyed by image name; `by_trial` indexes them by the trials of a
subject.
"""

from laion_fmri.stimuli.hub import Stimuli, load_stimuli

__all__ = ["Stimuli", "load_stimuli"]
