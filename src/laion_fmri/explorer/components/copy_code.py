"""Python that reproduces a view, in a fold."""

from __future__ import annotations

import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.explorer.components.code_block import CodeBlock


class CopyCode(Viewer):
    """A fold with the code of a view in it and a "Copy code" button.

    Parameters
    ----------
    title : str
    margin : int or tuple of int
    """

    def __init__(
        self, title: str = "Code for this view", margin: int | tuple[int, int] = (8, 10)
    ) -> None:
        super().__init__()
        self._block = CodeBlock("Python", copy_label="Copy code")
        self._fold = pmui.Accordion(
            (title, self._block),
            active=[],
            title_variant="subtitle2",
            disable_gutters=True,
            sizing_mode="stretch_width",
            margin=margin,
        )

    @property
    def code(self) -> str:
        """What is shown and copied."""
        return self._block.code

    @code.setter
    def code(self, code: str) -> None:
        self._block.code = code

    def __panel__(self) -> pmui.Accordion:
        return self._fold
