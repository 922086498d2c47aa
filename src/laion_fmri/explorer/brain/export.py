"""Files of the displayed map: a montage, a standalone page, NIfTI and GIfTI."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import panel_material_ui as pmui
from markupsafe import Markup
from numpy.typing import NDArray
from panel.viewable import Viewer

from laion_fmri.analysis.cortex import gifti_bytes
from laion_fmri.analysis.map_bytes import nifti_bytes
from laion_fmri.analysis.map_figure import draw_montage, png_bytes
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.standalone_page import html_page
from laion_fmri.explorer.brain.surface_view import SurfaceView
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.widgets.layout import folded, small_button, stacked
from laion_fmri.explorer.widgets.markup import markup
from laion_fmri.explorer.widgets.save_file import SaveFile

File = tuple[str, str, bytes]


class BrainExport(Viewer):
    """A folded row of buttons, each of which creates a file and has the browser save it."""

    def __init__(self, view: SurfaceView, gate: Gate) -> None:
        super().__init__()
        self._view, self._gate = view, gate
        self._picture: Picture | None = None
        self._rois: list[str] = []
        self._told: dict[str, str] = {}  # by button: that its file is being created, or its error
        self._said = markup()
        self.saver = SaveFile(margin=0)
        self.montage = self._button("Montage for a paper", "grid_view", self.montage_file)
        self.page = self._button("Standalone page (HTML)", "language", self.page_file)
        self.nifti = self._button("Map as NIfTI", "view_in_ar", self.nifti_file)
        self.gifti_left = self._button(
            "Map as GIfTI, left", "blur_on", lambda: self.gifti_file("L")
        )
        self.gifti_right = self._button(
            "Map as GIfTI, right", "blur_on", lambda: self.gifti_file("R")
        )
        content = stacked(
            self.montage, self.page, self.nifti, self.gifti_left, self.gifti_right,
            self._said, self.saver,
        )  # fmt: skip
        self._fold = folded(("Export", content))

    def set_picture(self, picture: Picture) -> None:
        """Set the picture to export, as displayed by the view."""
        self._picture = picture
        self.nifti.disabled = picture.voxels is None

    def set_rois(self, names: Sequence[str]) -> None:
        """Set the ROIs to draw in the montage."""
        self._rois = list(names)

    def _button(self, label: str, icon: str, make: Callable[[], File]) -> pmui.Button:
        latest = Latest(self._said, self._gate)  # files do not cancel each other

        def hand_over(file: File) -> None:
            self._tell(label, "")
            self.saver.hand_over(*file)

        def start() -> None:
            if self._picture is not None:
                self._tell(label, "in progress …")
                latest.ask(make, hand_over, lambda text: self._tell(label, text))

        return small_button(label, start, icon=icon, variant="text", sizing_mode="stretch_width")

    def _tell(self, label: str, text: str) -> None:
        self._told[label] = text
        told = Markup("<br>").join(f"{label}: {text}" for label, text in self._told.items() if text)
        self._said.object = (
            Markup('<p class="muted" role="status">{}</p>').format(told) if told else ""
        )

    @property
    def _shown(self) -> Picture:
        assert self._picture is not None
        return self._picture

    def _name(self, ending: str) -> str:
        return re.sub(r"[^\w-]+", "_", self._shown.title).strip("_") + ending

    def montage_file(self) -> File:
        """Create a PNG of both hemispheres from four sides, with the chosen ROIs."""
        picture, view = self._shown, self._view
        figure = draw_montage(
            picture.surfaces,
            {hemi: self._surface_values(hemi) for hemi in picture.surfaces},
            picture.underlay,
            lower=view.automatic_bounds[0] if view.lower is None else view.lower,
            upper=view.automatic_bounds[1] if view.upper is None else view.upper,
            symmetric=view.symmetric,
            colormap=view.colormap,
            title=picture.title,
            units=picture.brain_map.units,
            rois={name: picture.rois[name] for name in self._rois if name in picture.rois},
            roi_colours=picture.roi_colours,
        )
        return self._name("_montage.png"), "image/png", png_bytes(figure)

    def page_file(self) -> File:
        """Create an HTML file of the view that needs no server."""
        return self._name(".html"), "text/html", html_page(self._view, self._shown.title)

    def nifti_file(self) -> File:
        """Create a NIfTI of the map on the functional grid."""
        picture = self._shown
        assert picture.voxels is not None
        content = nifti_bytes(picture.subject, picture.voxels)
        return self._name(".nii.gz"), "application/gzip", content

    def gifti_file(self, hemi: str) -> File:
        """Create a GIfTI of the map on the displayed cortex, one hemisphere."""
        picture = self._shown
        content = gifti_bytes(self._surface_values(hemi), hemi, picture.brain_map.name)
        name = f"_hemi-{hemi}_space-{picture.space}.func.gii"
        return self._name(name), "application/xml", content

    def _surface_values(self, hemi: str) -> NDArray:
        picture = self._shown
        nothing = np.full(len(picture.surfaces[hemi].points), np.nan, dtype=np.float32)
        return picture.values.get(hemi, nothing)

    def __panel__(self) -> pmui.Accordion:
        return self._fold
