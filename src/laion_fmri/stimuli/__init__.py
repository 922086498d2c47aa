"""The stimuli: images, embeddings, object masks and captions.

`hub` and the four modalities are keyed by image name; `by_trial` shows them by the
trials of a subject. Each works when only its own file is present.
"""
