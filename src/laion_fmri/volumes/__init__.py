"""Volumes, brain masks, ROIs and surfaces as arrays: readers and grids."""
