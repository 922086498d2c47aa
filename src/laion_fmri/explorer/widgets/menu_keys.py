"""Escape closes open menus."""

from __future__ import annotations

from typing import Any, ClassVar

from panel.custom import JSComponent


class MenuKeys(JSComponent):
    """Invisible: Escape closes an open menu wherever the focus is.

    The search field of a `panel_material_ui.Select` stops the propagation of all keys, and after a
    choice among several options nothing in the menu has the focus: in both cases the enclosing menu
    never receives Escape.
    """

    _esm: ClassVar[str] = """
    const LISTENS = Symbol.for("laion_fmri.menu_keys")
    const menuOf = (event) => event.composedPath().find((e) => e.matches?.(".MuiModal-root"))
    let used = null // the menu that was clicked, or got a key, last
    const remember = (event) => { used = menuOf(event) ?? null }
    const close = (event) => {
      used = menuOf(event) ?? (used?.isConnected ? used : null)
      if (event.key !== "Escape" || !used?.querySelector("[role=listbox]")) return
      event.preventDefault()
      event.stopPropagation()
      used.querySelector(".MuiBackdrop-root")?.click()
    }
    export function render() {
      if (!globalThis[LISTENS]) {
        document.addEventListener("pointerdown", remember, true)
        document.addEventListener("keydown", close, true)
      }
      globalThis[LISTENS] = true
      return document.createElement("span")
    }
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(margin=0, styles={"position": "absolute"}, **params)
