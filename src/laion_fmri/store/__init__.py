"""Stores of betas: every trial of a subject in one file, read by blocks of voxels."""
