"""From the T1w volume to surfaces and templates that subjects share.

Values on the voxels of the brain mask go to the subject's own cortical surface
(fsnative), from there through ``sphere.reg`` to fsaverage, or through ``talairach.lta`` to
the MNI305 volume. One map or one a trial, one hemisphere or both, in memory and as
BIDS-named files.

What has no value stays without one: NaN is neither spread to neighbours that have enough
values of their own, nor turned to 0. `volume_to_surface`, `surface_to_template` and
`volume_to_template` say what that means for each step.

Needs the extra ``template``, and the recon: ``download(subject, include_freesurfer=True)``.

Examples
--------
>>> import numpy as np
>>> from laion_fmri.templates import volume_to_surface
>>> ceiling = sub.get_noise_ceiling(desc="Noiseceiling12rep")
>>> on_fsaverage = sub.to_template(ceiling)
>>> on_fsaverage["L"].shape
(10242,)
>>> own_surface = volume_to_surface(sub, ceiling, "L")
>>> image = sub.to_template(ceiling, space="MNI305", voxel_size=4)
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
