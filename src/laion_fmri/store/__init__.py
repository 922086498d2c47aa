"""Stores of betas and of image averages: Zarr v3 groups, read by blocks of voxels."""
