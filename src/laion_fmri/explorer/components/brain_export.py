"""What is seen, as files: a montage, a page of its own, the map as NIfTI and GIfTI."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer import figures
from laion_fmri.explorer.background import Gate, Latest
from laion_fmri.explorer.brain_data import Picture
from laion_fmri.explorer.components.markup import escape, markup
from laion_fmri.explorer.components.saver import Saver
from laion_fmri.explorer.components.surface_view import SurfaceView
from laion_fmri.explorer.figures import Scale

File = tuple[str, str, bytes]


class BrainExport(Viewer):
    """A fold of buttons, each of which makes a file and has the browser save it."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._picture: Picture | None = None
        self._view: SurfaceView | None = None
        self._told: dict[str, str] = {}  # by button: that its file is being made, or why it is not
        self._said = markup()
        self.saver = Saver(margin=0)
        self.montage = self._button("Montage for a paper", "grid_view", self._montage)
        self.page = self._button("Page of its own (HTML)", "language", self._page)
        self.nifti = self._button("Map as NIfTI", "view_in_ar", self._nifti)
        self.gifti_left = self._button("Map as GIfTI, left", "blur_on", lambda: self._gifti("L"))
        self.gifti_right = self._button("Map as GIfTI, right", "blur_on", lambda: self._gifti("R"))
        self._fold = pmui.Accordion(
            (
                "Keep as a file",
                pn.Column(
                    self.montage, self.page, self.nifti, self.gifti_left, self.gifti_right,
                    self._said, self.saver, sizing_mode="stretch_width", margin=0,
                ),
            ),
            active=[],
            title_variant="subtitle2",
            disable_gutters=True,
            sizing_mode="stretch_width",
            margin=(8, 10),
        )  # fmt: skip

    def set_picture(self, picture: Picture, view: SurfaceView) -> None:
        """Make files of this picture, as the view shows it."""
        self._picture, self._view = picture, view
        self.nifti.disabled = picture.voxels is None

    def _button(self, label: str, icon: str, make: Callable[[], File]) -> Any:
        latest = Latest(self._said, self._gate)  # its own: another file takes nothing from this one
        button = pmui.Button(
            label=label, icon=icon, variant="text", size="small", margin=0,
            sizing_mode="stretch_width",
        )  # fmt: skip
        button.on_click(lambda _: self._make(label, make, latest))
        return button

    def _make(self, label: str, make: Callable[[], File], latest: Latest) -> None:
        if self._picture is None:
            return
        self._tell(label, "being made …")

        def hand_over(file: File) -> None:
            self._tell(label, "")
            self.saver.hand_over(*file)

        latest.ask(make, hand_over, lambda text: self._tell(label, text))

    def _tell(self, label: str, text: str) -> None:
        self._told[label] = text
        told = "<br>".join(f"{label}: {escape(text)}" for label, text in self._told.items() if text)
        self._said.object = f'<p class="muted" role="status">{told}</p>' if told else ""

    def _name(self, ending: str) -> str:
        assert self._picture is not None
        name = f"{self._picture.subject.name}_{self._picture.brain_map.name}"
        return re.sub(r"[^\w-]+", "_", name).strip("_") + ending

    def _montage(self) -> File:
        picture, view = self._picture, self._view
        assert picture is not None and view is not None
        low, high = view.map_data["range"]
        scale = Scale(
            lower=low if view.lower is None else view.lower,
            upper=high if view.upper is None else view.upper,
            symmetric=view.symmetric,
            colormap=view.colormap,
        )
        brain_map = picture.brain_map
        values = {
            h: picture.values.get(h, np.full(len(s.points), np.nan))
            for h, s in picture.surfaces.items()
        }
        content = figures.montage(
            picture.surfaces,
            values,
            picture.underlay,
            scale,
            title=f"{picture.subject.name}: {brain_map.name}",
            units=brain_map.units,
        )
        return self._name("_montage.png"), "image/png", content

    def _page(self) -> File:
        picture, view = self._picture, self._view
        assert picture is not None and view is not None
        title = f"{picture.subject.name}: {picture.brain_map.name}"
        return self._name(".html"), "text/html", figures.html_page(view, title)

    def _nifti(self) -> File:
        picture = self._picture
        assert picture is not None and picture.voxels is not None
        content = figures.nifti_bytes(picture.subject, picture.voxels)
        return self._name(".nii.gz"), "application/gzip", content

    def _gifti(self, hemi: str) -> File:
        picture = self._picture
        assert picture is not None
        values = picture.values.get(hemi)
        if values is None:
            values = np.full(len(picture.surfaces[hemi].points), np.nan, dtype=np.float32)
        content = figures.gifti_bytes(values, hemi, picture.brain_map.name)
        name = f"_hemi-{hemi}_space-{picture.space}.func.gii"
        return self._name(name), "application/xml", content

    def __panel__(self) -> pmui.Accordion:
        return self._fold
