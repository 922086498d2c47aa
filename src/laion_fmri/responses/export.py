"""Responses as objects of other packages: xarray, rsatoolbox, Brain-Score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import MissingDependencyError
from laion_fmri.responses.data import ResponsesData

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rsatoolbox.data import Dataset

_VENTRAL = "laionventral"
_REGIONS = {"V1": ("V1v", "V1d"), "V2": ("V2v", "V2d"), "V3": ("V3v", "V3d"), "V4": ("hV4",)}
_CEILINGS = ("4rep", "12rep", "allrep")


def import_xarray() -> Any:
    """Import xarray.

    Raises
    ------
    MissingDependencyError
        When it is not installed.
    """
    try:
        import xarray
    except ImportError as error:
        raise MissingDependencyError(
            'xarray is not installed. Install the extra: pip install "laion-fmri-explorer[xarray]".'
        ) from error
    return xarray


def to_xarray(responses: ResponsesData) -> xr.DataArray:
    """Return responses as an xarray DataArray.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    xarray.DataArray
        Dimensions ``image`` (or ``trial``) and ``voxel``, with the columns of the tables as
        coordinates; the sessions of an image are joined with spaces. ``da.sel(image="….jpg")``
        selects an image by name. It shares memory with the values.

    Raises
    ------
    MissingDependencyError
        When xarray is not installed.
    """
    xarray = import_xarray()
    row = "image" if responses.is_average else "trial"
    attributes = {
        "subject": responses.subject,
        "zscore": responses.zscore,
        "left_out": responses.left_out.to_json(orient="records"),
    }
    coordinates = table_coordinates(responses.images, row)
    coordinates |= table_coordinates(responses.voxels, "voxel")
    return xarray.DataArray(responses.values, coordinates, (row, "voxel"), "responses", attributes)


def table_coordinates(table: pd.DataFrame, dimension: str) -> dict[str, tuple[str, NDArray]]:
    """Return the columns of a table as coordinates along a dimension; text as str arrays.

    The name of an image is the coordinate ``image``, because ``name`` is that of a DataArray.
    """
    found = {}
    for name in table.columns:
        column = table[name]
        if name == "sessions":
            values = np.array([" ".join(sessions) for sessions in column], dtype=str)
        elif column.dtype.kind in "biuf":
            values = column.to_numpy()
        else:
            values = column.to_numpy().astype(str)
        found["image" if name == "name" else str(name)] = (dimension, values)
    return found


def to_rsatoolbox(responses: ResponsesData) -> Dataset:
    """Return responses as a Dataset of rsatoolbox.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    rsatoolbox.data.Dataset
        Measurements in float64. Observations are described by the columns of the table of images,
        with the name as ``"image"``; channels by those of the table of voxels.

    Raises
    ------
    MissingDependencyError
        When rsatoolbox is not installed.
    """
    try:
        from rsatoolbox.data import Dataset
    except ImportError as error:
        raise MissingDependencyError(
            "rsatoolbox is not installed. Install the extra: "
            'pip install "laion-fmri-explorer[rsa]".'
        ) from error
    rows = {name: values for name, (_, values) in table_coordinates(responses.images, "").items()}
    channels = {
        name: values for name, (_, values) in table_coordinates(responses.voxels, "").items()
    }
    return Dataset(
        responses.values.astype(np.float64),
        descriptors={"subject": responses.subject, "zscore": responses.zscore},
        obs_descriptors=rows,
        channel_descriptors=channels,
    )


def to_brainscore(responses: ResponsesData) -> xr.DataArray:
    """Return responses with the dimensions and coordinates of Brain-Score's assemblies.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    xarray.DataArray
        Dimensions ``presentation`` and ``neuroid``; ``NeuroidAssembly(array)`` makes an assembly
        of it. Coordinates of presentations: stimulus_id, repetition (from 0; 0 for averages),
        subject_id_pres and, for single trials, session, run and beta_index. Of neuroids: neuroid_id
        (subject and grid indices), subject, subject_id (the same), region (``"V1"`` … ``"V4"``, or
        ``"IT"``: ventral voxels of the LAION localizer outside them; else empty), roi (the ROI
        that gives the region), hemisphere, voxel_index_in_brain_mask, x, y, z, and nc_4rep,
        nc_12rep and nc_allrep (percent) where they are downloaded.

    Raises
    ------
    MissingDependencyError
        When xarray is not installed.
    """
    xarray = import_xarray()
    images, voxels = responses.images, responses.voxels
    names = images["name"].to_numpy().astype(str)
    subjects = _subjects(responses)
    region, roi = _regions(voxels)
    presentation: dict[str, NDArray] = {
        "stimulus_id": names,
        "repetition": np.zeros(len(names), np.int64),
        "subject_id_pres": np.full(len(names), responses.subject),
    }
    if not responses.is_average:
        presentation["repetition"] = images["repeat"].to_numpy() - 1
        presentation["session"] = images["session"].to_numpy().astype(str)
        presentation["run"] = images["run"].to_numpy()
        presentation["beta_index"] = images["session_trial"].to_numpy()
    places = voxels[["i", "j", "k"]].to_numpy()
    neuroid: dict[str, NDArray] = {
        "neuroid_id": np.array(
            [f"{sub}_{i}_{j}_{k}" for sub, (i, j, k) in zip(subjects, places, strict=True)], str
        ),
        "subject": subjects,
        "subject_id": subjects,
        "region": region,
        "roi": roi,
        "hemisphere": voxels["hemisphere"].to_numpy().astype(str),
        "voxel_index_in_brain_mask": voxels["voxel"].to_numpy(),
    }
    neuroid |= {axis: voxels[axis].to_numpy() for axis in "xyz"}
    for repeats in _CEILINGS:
        if (column := f"noise_ceiling_{repeats}") in voxels:
            neuroid[f"nc_{repeats}"] = voxels[column].to_numpy()
    coordinates = {name: ("presentation", values) for name, values in presentation.items()}
    coordinates |= {name: ("neuroid", values) for name, values in neuroid.items()}
    dimensions = ("presentation", "neuroid")
    name = f"LAION_fMRI_{responses.subject}"
    return xarray.DataArray(responses.values, coordinates, dimensions, name)


def _subjects(responses: ResponsesData) -> NDArray[np.str_]:
    """Return the subject of each voxel; the voxels of a group have a column of them."""
    if "subject" in responses.voxels:
        return responses.voxels["subject"].to_numpy().astype(str)
    return np.full(len(responses.voxels), responses.subject)


def _regions(voxels: pd.DataFrame) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return the region of each voxel, and its ROI; where ROIs overlap, the last one."""
    region, roi = (np.full(len(voxels), "", dtype="U16") for _ in range(2))
    if _VENTRAL in voxels:
        region[voxels[_VENTRAL]], roi[voxels[_VENTRAL]] = "IT", _VENTRAL
    for name, parts in _REGIONS.items():
        for part in parts:
            if part in voxels:
                region[voxels[part]], roi[voxels[part]] = name, part
    return region, roi
