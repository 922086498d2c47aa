"""Dialogs: a question, the licence of the dataset, and the focus after closing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.custom import JSComponent
from panel.viewable import Viewable, Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.access import LICENSE, LICENSE_TEXT, LICENSE_URL, accept_license
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.error_messages import explain
from laion_fmri.explorer.widgets.markup import markup, outside_link

_STYLE = """
p { margin: 0 0 10px; font-size: 14px; line-height: 1.55; }
ul { margin: 0 0 12px 20px; font-size: 14px; line-height: 1.55; }
a { color: var(--accent); }
"""
_POINTS = (
    "You may copy, change, pass on and build on the data, commercially too, without asking.",
    "There is no warranty of any kind.",
)


class QuestionDialog(Viewer):
    """A text with a button to confirm and one to cancel.

    Parameters
    ----------
    title : str
    contents : Viewable
    yes, no : str
        Labels of the buttons.
    on_yes : callable
    color : {"primary", "error"}
        Colour of the confirm button.
    """

    def __init__(
        self,
        title: str,
        contents: Viewable,
        yes: str,
        on_yes: Callable[[], None],
        no: str = "Not now",
        color: Literal["primary", "error"] = "primary",
    ) -> None:
        super().__init__()
        self._on_yes = on_yes
        self.yes = pmui.Button(label=yes, variant="contained", color=color, margin=0)
        self.no = pmui.Button(label=no, variant="text", margin=0)
        self.yes.on_click(lambda _: self._answer(True))
        self.no.on_click(lambda _: self._answer(False))
        buttons = pn.Row(
            pn.HSpacer(), self.no, self.yes, styles={"gap": "8px"}, margin=(16, 0, 8, 0)
        )
        self._dialog = pmui.Dialog(
            contents,
            buttons,
            title=title,
            title_variant="h6",
            close_on_click=True,
            width_option="sm",
            sx={"& .MuiDialogTitle-root": {"p": "18px 16px 10px"}},
            sizing_mode="stretch_width",
            margin=0,
        )

    @property
    def is_open(self) -> bool:
        """Whether the dialog is open."""
        return self._dialog.open

    def open(self) -> None:
        """Open the dialog."""
        self._dialog.open = True

    def _answer(self, is_yes: bool) -> None:
        self._dialog.open = False
        if is_yes:
            self._on_yes()

    def __panel__(self) -> pmui.Dialog:
        return self._dialog


class LicenceDialog(QuestionDialog):
    """A summary of the licence, with a link to its text.

    Parameters
    ----------
    data : ExplorerData
        Its data directory is the one for which the licence is accepted.
    on_accepted : callable
    on_problem : callable of str
        Called with the reason why the licence cannot be accepted.
    """

    def __init__(
        self,
        data: ExplorerData,
        on_accepted: Callable[[], object],
        on_problem: Callable[[str], object],
    ) -> None:
        self._data, self._on_accepted, self._on_problem = data, on_accepted, on_problem
        points = Markup("").join(Markup("<li>{}</li>").format(point) for point in _POINTS)
        text = markup(
            Markup(
                "<p>{}</p><ul>{}</ul>"
                "<p>{}</p>"
                '<p class="muted" style="font-size:12px">Accepted once for this data directory, on '
                "this machine; nothing is sent.</p>"
            ).format(LICENSE_TEXT, points, outside_link(LICENSE_URL, f"Read {LICENSE} in full")),
            style=_STYLE,
        )
        super().__init__(
            f"Before the first download: {LICENSE}",
            text,
            "Accept the licence",
            self._accept,
        )

    def _accept(self) -> None:
        try:
            self._data.visitor.require_owner("Accepting the licence")
            accept_license(self._data.data_dir)
        except LaionFmriError as error:
            self._on_problem(explain(error))
        else:
            self._on_accepted()


class DialogFocus(JSComponent):
    """Invisible: when a dialog closes, returns the focus to where it was before.

    Material UI restores the focus to the document's active element. On this page that is the
    outermost of several shadow roots, which cannot be focused.
    """

    _esm: ClassVar[str] = """
    const EVERY = 100, LONGEST = 5000 // milliseconds
    const dialogOf = (event) => event.composedPath()
      .find((node) => node instanceof Element && node.matches(".MuiDialog-root"))
    export function render({ model }) {
      let last = null
      const note = (event) => { if (!dialogOf(event)) last = event.composedPath()[0] }
      const watch = (event) => {
        const dialog = dialogOf(event)
        if (!dialog || (event.type === "keydown" && event.key !== "Escape")) return
        const opener = last
        const until = performance.now() + LONGEST
        const look = () => {
          if (!dialog.isConnected) opener?.focus?.()
          else if (performance.now() < until) setTimeout(look, EVERY)
        }
        look()
      }
      const listeners = [["focusin", note], ["keydown", watch], ["click", watch]]
      for (const [name, act] of listeners) window.addEventListener(name, act, true)
      model.on("remove", () => {
        for (const [name, act] of listeners) window.removeEventListener(name, act, true)
      })
      return document.createElement("span")
    }
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(margin=0, **params)
