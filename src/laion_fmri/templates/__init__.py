"""Mapping from the T1w volume to surfaces and templates.

Values of the brain mask's voxels are mapped to the subject's own cortical surface (fsnative), and
on through ``sphere.reg`` to fsaverage, or through ``talairach.lta`` to the MNI305 volume: one map
or one per trial, one hemisphere or both, in memory and as BIDS-named files.

Missing values are preserved: NaN neither spreads to neighbours with enough valid values, nor
becomes 0. See `volume_to_surface`, `surface_to_template` and `volume_to_template` for each step.

Requires the extra ``template``, and the recon: ``download(subject, include_freesurfer=True)``.

Examples
--------
>>> import numpy as np
>>> from laion_fmri.templates import volume_to_surface
>>> ceiling = sub.get_noise_ceiling(desc="Noiseceiling12rep")
>>> on_fsaverage = sub.to_template(ceiling)
>>> on_fsaverage["L"].shape
(10242,)
>>> own_surface = volume_to_surface(sub, ceiling, "fsnative", hemi="L")
>>> image = sub.to_template(ceiling, "MNI305", voxel_size=4)
>>> bool(np.nanmax(image.dataobj) <= ceiling.max())
True
"""

from laion_fmri.templates.fsaverage import FSAVERAGE_DENSITIES
from laion_fmri.templates.mapping import (
    TEMPLATE_SPACES,
    surface_to_template,
    to_template,
    volume_to_surface,
    volume_to_template,
)

__all__ = [
    "FSAVERAGE_DENSITIES",
    "TEMPLATE_SPACES",
    "surface_to_template",
    "to_template",
    "volume_to_surface",
    "volume_to_template",
]
