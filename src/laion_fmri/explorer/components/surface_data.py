"""What a surface view draws, checked and packed: meshes, values, labels, colour scales. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import colorcet
import numpy as np
import numpy.typing as npt
from bokeh import palettes

from ..._errors import InconsistentDataError, InvalidArgumentError

HEMISPHERES = ("L", "R")

# Perceptually uniform: sequential scales first, then those that diverge from a middle.
COLORMAPS: dict[str, tuple[str, ...]] = {
    "inferno": palettes.Inferno256,
    "magma": palettes.Magma256,
    "plasma": palettes.Plasma256,
    "viridis": palettes.Viridis256,
    "cividis": palettes.Cividis256,
    "fire": tuple(colorcet.palette["fire"]),
    "blues": tuple(colorcet.palette["linear_blue_5_95_c73"]),
    "blue-white-red": tuple(colorcet.palette["diverging_bwr_40_95_c42"]),
    "blue-black-red": tuple(colorcet.palette["diverging_bkr_55_10_c35"]),
    "green-white-violet": tuple(colorcet.palette["diverging_gwv_55_95_c39"]),
}

_CELL_BITS = 10  # three of them make one 32-bit code
_CELLS = 2**_CELL_BITS - 1
_NICE_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


class Mesh(NamedTuple):
    """One hemisphere: points (n, 3) float32 in mm, triangles (m, 3) uint32, wound outwards.

    Triangles that lie beside each other come after each other.
    """

    points: npt.NDArray[np.float32]
    triangles: npt.NDArray[np.uint32]


@dataclass(frozen=True)
class RoiLayer:
    """A label to draw.

    Parameters
    ----------
    name : str
        As the legend and the readout show it.
    colour : str
        ``"#rrggbb"``.
    masks : mapping
        Hemisphere to bool (n,), True at the label's vertices; a hemisphere may be absent
        or empty.
    voxels : array of int, optional
        The label's voxels as places of the grid of the slices (see `VolumeGrid`).
    """

    name: str
    colour: str
    masks: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    voxels: npt.NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        digits = self.colour[1:]
        if not (self.colour[:1] == "#" and len(digits) == 6 and _is_hexadecimal(digits)):
            raise InvalidArgumentError(
                f"ROI {self.name} has the colour {self.colour!r}; give it as '#rrggbb'."
            )


def checked_mesh(side: str, points: npt.ArrayLike, triangles: npt.ArrayLike) -> Mesh:
    """Points and triangles of a hemisphere as the page wants them.

    Parameters
    ----------
    side : str
        ``"L"`` or ``"R"``.
    points : array (n, 3)
        Millimetres.
    triangles : array (m, 3)
        Vertex numbers.

    Raises
    ------
    InvalidArgumentError
        If any of them is not that.
    """
    if side not in HEMISPHERES:
        raise InvalidArgumentError(f"Unknown hemisphere {side!r}; use 'L' and 'R'.")
    xyz = np.ascontiguousarray(points, dtype="<f4")
    corners = np.asarray(triangles)
    if xyz.ndim != 2 or xyz.shape[1] != 3 or not np.isfinite(xyz).all():
        raise InvalidArgumentError(
            f"Points of hemisphere {side} must be finite and of shape (n, 3), not {xyz.shape}."
        )
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"Triangles of hemisphere {side} must be integers of shape (m, 3), "
            f"not {corners.dtype} {corners.shape}."
        )
    if corners.size and (corners.min() < 0 or corners.max() >= len(xyz)):
        raise InvalidArgumentError(
            f"Triangles of hemisphere {side} name vertices outside 0 … {len(xyz) - 1}."
        )
    if enclosed_volume(xyz, corners) < 0:
        corners = corners[:, ::-1]
    return Mesh(xyz, np.ascontiguousarray(corners[_places_on_a_curve(xyz, corners)], dtype="<u4"))


def _places_on_a_curve(
    points: npt.NDArray[np.floating], triangles: npt.NDArray[np.integer]
) -> npt.NDArray[np.intp]:
    """The order of the triangles along a Z-order curve through space.

    Whatever draws them then finds most vertices among those that it has just turned and lit: of
    a recon's mesh, whose own order jumps, that is 0.9 vertices a triangle instead of 2.3.
    """
    if not len(triangles):
        return np.array([], dtype=np.intp)
    centres = points[triangles].mean(axis=1)
    low = centres.min(axis=0)
    extent = max(float((centres.max(axis=0) - low).max()), 1e-6)
    cells = ((centres - low) * (_CELLS / extent)).astype(np.uint32)
    code = np.zeros(len(cells), dtype=np.uint32)
    for bit in range(_CELL_BITS):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


def enclosed_volume(points: npt.NDArray[np.floating], triangles: npt.NDArray[np.integer]) -> float:
    """Signed volume of a closed mesh in mm³: negative when its triangles are wound inwards.

    Parameters
    ----------
    points : array (n, 3)
    triangles : array (m, 3)
    """
    centred = points.astype(np.float64) - points.mean(axis=0)
    a, b, c = (centred[triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def spread_offsets(meshes: Mapping[str, Mesh], gap: float = 12.0) -> dict[str, float]:
    """How far to shift each hemisphere along x so that they lie `gap` mm apart.

    Hemispheres that already keep their distance stay where they are.

    Parameters
    ----------
    meshes : mapping of hemisphere to Mesh
    gap : float
        Millimetres between the two.

    Returns
    -------
    dict
        Millimetres per hemisphere, not above 0 for ``"L"`` and not below 0 for ``"R"``.
    """
    if len(meshes) < 2:
        return dict.fromkeys(meshes, 0.0)
    return {
        "L": min(0.0, -gap / 2 - float(meshes["L"].points[:, 0].max())),
        "R": max(0.0, gap / 2 - float(meshes["R"].points[:, 0].min())),
    }


def checked_values(
    what: str, side: str, values: npt.ArrayLike, n_vertices: int
) -> npt.NDArray[np.float32]:
    """One float32 per vertex, infinities as NaN.

    Raises
    ------
    InconsistentDataError
        If there is not one value per vertex.
    """
    flat = np.asarray(values, dtype=np.float32)
    if flat.shape != (n_vertices,):
        raise InconsistentDataError(
            f"The {what} has {flat.shape} values for hemisphere {side}, its surface has "
            f"{n_vertices} vertices. Use values computed on this surface."
        )
    return np.where(np.isfinite(flat), flat, np.float32(np.nan))


def float_bytes(values: npt.NDArray[np.float32]) -> bytes:
    """Little-endian float32, as a Float32Array reads them."""
    return values.astype("<f4").tobytes()


def map_range(
    values: Iterable[npt.NDArray[np.float32]], symmetric: bool = False
) -> tuple[float, float]:
    """Ends of the threshold controls for these values, rounded outwards to calm numbers.

    Parameters
    ----------
    values : iterable of arrays
        All hemispheres; NaN is ignored.
    symmetric : bool
        Whether magnitudes count.

    Returns
    -------
    tuple of float
        From 0, or below it where a map that is not symmetric has negative values.
    """
    known = _known(values)
    if not known.size:
        return 0.0, 1.0
    highest = float(np.abs(known).max() if symmetric else known.max())
    lowest = 0.0 if symmetric else min(0.0, float(known.min()))
    return -nice_above(-lowest) if lowest else 0.0, nice_above(highest) if highest > 0 else 1.0


def automatic_bounds(
    values: Iterable[npt.NDArray[np.float32]], span: tuple[float, float], symmetric: bool = False
) -> tuple[float, float]:
    """Threshold and upper bound that show a map well before anyone touches them.

    The upper bound leaves out the largest half percent; the threshold is a tenth of it, or
    the whole range where a map that is not symmetric has negative values.

    Parameters
    ----------
    values : iterable of arrays
    span : tuple of float
        As `map_range` gives it.
    symmetric : bool
    """
    known = _known(values)
    size = np.abs(known) if symmetric else known
    top = float(np.percentile(size, 99.5)) if size.size else 0.0
    upper = min(nice_above(top), span[1]) if top > 0 else span[1]
    return (span[0] if span[0] < 0 else upper / 10), upper


def nice_above(value: float) -> float:
    """The next calm number (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 × 10ⁿ) not below a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    step = next(s for s in _NICE_STEPS if s * power >= value * (1 - 1e-9))
    return float(f"{step * power:.12g}")


def palette_bytes(name: str) -> bytes:
    """256 RGB colours of a scale; scales with fewer are interpolated linearly.

    Parameters
    ----------
    name : str
        A key of `COLORMAPS`.

    Returns
    -------
    bytes
        768 of them.
    """
    stops = np.array([_rgb(colour) for colour in COLORMAPS[name]], dtype=np.float64)
    at = np.linspace(0, len(stops) - 1, 256)
    columns = [np.interp(at, np.arange(len(stops)), stops[:, k]) for k in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8).tobytes()


def _known(values: Iterable[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    together = np.concatenate([np.ravel(v) for v in values] or [np.empty(0, np.float32)])
    return together[np.isfinite(together)]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _is_hexadecimal(digits: str) -> bool:
    return all(d in "0123456789abcdefABCDEF" for d in digits)
