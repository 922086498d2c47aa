"""The Brain tab: maps and ROIs on the cortex and in slices."""
