"""Maps: which there are, what they hold, and that they are refused when they do not fit."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from laion_fmri import maps
from laion_fmri._errors import (
    DamagedFileError,
    InconsistentDataError,
    InvalidArgumentError,
    TrialNotFoundError,
    UnknownNameError,
)
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.data import ExplorerData


@pytest.fixture
def data(tiny_home):
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def sub(data):
    return data.subject("sub-01")


def test_every_kind_of_map_is_offered_the_best_first(sub):
    listed = maps.available_maps(sub)
    names = [m.name for m in listed]
    assert names[0] == "Noise ceiling, 12 repeats"
    assert {
        "Noise ceiling, ses-01", "R², mean over sessions", "R², ses-02", "HRF index, ses-01",
        "Ridge fraction, ses-02", "Localizer floc, faceVsOthers, ses-4BarScreenfLoc",
        "Localizer oloc, objectVsScrambled, ses-31", "Localizer floc, faces, ses-4BarScreenfLoc",
    } <= set(names)  # fmt: skip
    assert len(set(names)) == len(names)
    assert all(m.units and m.explanation.endswith(".") for m in listed)


def test_the_code_of_every_map_gives_its_values(sub):
    for one in maps.available_maps(sub):
        values = eval(one.code, {"sub": sub, "maps": maps}).read()
        np.testing.assert_array_equal(values, one.read(), err_msg=one.name)
    ceiling = maps.get_map(sub, "Noise ceiling, ses-01")
    np.testing.assert_array_equal(ceiling.read(), sub.get_noise_ceiling(session="ses-01"))
    floc = sub.get_localizer_map("floc", "faces", session="ses-4BarScreenfLoc")
    found = maps.get_map(sub, "Localizer floc, faces, ses-4BarScreenfLoc").read()
    np.testing.assert_array_equal(found, floc)


def test_betas_are_not_called_percent_signal_change(sub):
    for one in (maps.response_map(sub, [0]), maps.response_map(sub, [0, 1])):
        assert one.units == "beta"
        assert "no percent signal change" in one.explanation


def test_values_are_those_of_the_file_at_the_voxels_of_the_mask(sub):
    one = next(m for m in maps.available_maps(sub) if m.name == "HRF index, ses-01")
    volume = np.asarray(nib.load(one.files[0]).dataobj)
    mask = np.asarray(nib.load(sub.get_anatomical_brain_mask(res="1pt8")).dataobj) != 0
    np.testing.assert_array_equal(one.read(), volume[mask])


def test_an_unknown_map_is_refused_and_no_name_means_the_first(sub):
    listed = maps.available_maps(sub)
    assert maps.find_map(listed, "").name == "Noise ceiling, 12 repeats"
    with pytest.raises(UnknownNameError, match="Noise ceiling, 12 repeats"):
        maps.find_map(listed, "Noise ceiling, 11 repeats")
    with pytest.raises(UnknownNameError, match="fetches the noise ceilings"):
        maps.find_map([], "", "sub-01")


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("trials", [[3], [0, 5, 7, -1]])
def test_the_response_is_the_mean_of_the_betas(sub, trials):
    n_trials = sum(len(t) for t in sub.get_trial_info().values())
    trials = [t % n_trials for t in trials]  # the last one is in the last session
    one = maps.response_map(sub, trials)
    betas = np.concatenate(list(sub.get_betas().values()))
    expected = np.nanmean(betas[trials].astype(float), axis=0)
    np.testing.assert_allclose(one.read(), expected, rtol=1e-5, atol=1e-6)
    assert one.symmetric
    values = eval(one.code, {"sub": sub, "maps": maps}).read()
    np.testing.assert_array_equal(values, one.read())


def test_trials_that_do_not_exist_are_refused(sub):
    with pytest.raises(TrialNotFoundError, match="99999"):
        maps.response_map(sub, [99999])
    with pytest.raises(InvalidArgumentError, match="marked"):
        maps.response_map(sub, [])


def test_two_selections_of_equal_size_are_two_maps(data, sub):
    first, second = maps.response_map(sub, [0, 1]), maps.response_map(sub, [2, 3])
    assert first.name == second.name
    a = brain_data.map_on_surface(data, sub, first)["L"]
    b = brain_data.map_on_surface(data, sub, second)["L"]
    assert not np.array_equal(a, b, equal_nan=True)
    again = brain_data.map_on_surface(data, sub, maps.response_map(sub, [1, 0]))["L"]
    assert again is a


def test_what_is_handed_in_may_be_flat_whole_or_on_the_surface(sub, tmp_path):
    n = sub.get_n_voxels()
    values = np.linspace(-1, 1, n).astype(np.float32)
    grid, volume = sub.to_volume(values)
    path = sub.to_nifti(values, tmp_path / "mine.nii.gz")
    long = tmp_path / "long.nii.gz"
    nib.Nifti2Image(volume[..., None], grid.affine).to_filename(long)
    for given in (values, volume, volume.ravel(), values[:, None], volume[..., None], path,
                  str(path), long):  # fmt: skip
        one = maps.given_map(sub, given, "mine")
        np.testing.assert_array_equal(one.read(), values)
    assert one.symmetric
    surface = maps.given_map(sub, {"L": np.arange(10242)}, "mine").read()
    assert surface["L"].shape == (10242,)
    assert grid.shape == volume.shape


def test_what_does_not_fit_is_refused_with_a_reason(sub, tmp_path):
    with pytest.raises(InvalidArgumentError, match="one value a voxel"):
        maps.given_map(sub, np.zeros(7), "mine")
    with pytest.raises(InvalidArgumentError, match="real numbers"):
        maps.given_map(sub, np.array(["a"]), "mine")
    with pytest.raises(InvalidArgumentError, match="keyed"):
        maps.given_map(sub, {"left": np.zeros(3)}, "mine")
    with pytest.raises(InvalidArgumentError, match="name"):
        maps.given_map(sub, np.zeros(sub.get_n_voxels()), "")
    elsewhere = tmp_path / "elsewhere.nii"
    nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)).to_filename(elsewhere)
    with pytest.raises(InconsistentDataError, match="another grid"):
        maps.given_map(sub, elsewhere, "mine")
    elsewhere.write_bytes(b"no nifti")
    with pytest.raises(DamagedFileError, match="Write it again") as refused:
        maps.given_map(sub, elsewhere, "mine")
    assert "Delete" not in str(refused.value)


def test_sessions_without_betas_still_have_maps(sub):
    assert maps.session_folders(sub) == sub.get_sessions()


# --- which maps there are -----------------------------------------------------------------


def test_what_is_offered_are_own_maps_those_of_the_subject_and_responses(sub):
    offered = maps.OfferedMaps()
    offered.give(sub, maps.given_map(sub, np.zeros(sub.get_n_voxels()), "mine"))
    offered.update(sub, [[4], [], [1, 2], [10**9]])
    own = [one.name for one in maps.available_maps(sub)]
    assert offered.names == ["mine", *own, "Response in trial 4", "Mean response over 2 trials"]
    assert offered.find("mine").units == ""
    assert offered.find("no such map").name == "mine"


def test_a_name_that_is_gone_is_followed_by_what_is_nearest(sub):
    offered = maps.OfferedMaps()
    offered.update(sub, [[4]])
    first, second = offered.names[:2]
    assert offered.name_instead_of(second) == second
    assert offered.name_instead_of("Response in trial 3", second) == "Response in trial 4"
    assert offered.name_instead_of("no such map", second) == second
    assert offered.name_instead_of("no such map") == first
