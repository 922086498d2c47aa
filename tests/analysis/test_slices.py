"""What slices are drawn from, of the demo's subject."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from laion_fmri import load_subject
from laion_fmri._errors import UnknownNameError
from laion_fmri.analysis.slices import ANATOMIES, available_anatomies, brain_box, read_anatomy


@pytest.fixture
def sub(tiny_home):
    return load_subject("sub-01", tiny_home.data_dir)


def test_every_local_volume_can_be_read(sub):
    assert available_anatomies(sub) == list(ANATOMIES)
    for name in available_anatomies(sub):
        assert read_anatomy(sub, name).greys.max() == 255
    with pytest.raises(UnknownNameError):
        read_anatomy(sub, "FLAIR")


def test_the_box_has_every_voxel_of_the_mask(sub):
    box, image = brain_box(sub), nib.load(sub.get_anatomical_brain_mask(res="1pt8"))
    assert box.full_shape == image.shape
    assert len(box.indices) == int((np.asarray(image.dataobj) != 0).sum())
