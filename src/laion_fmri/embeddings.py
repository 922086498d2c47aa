"""Embeddings of the stimuli by pretrained models, by image name."""

from laion_fmri.stimuli.embeddings import Embeddings, load_embeddings

__all__ = ["Embeddings", "load_embeddings"]
