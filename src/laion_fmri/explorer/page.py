"""The page around the tabs: its filter for browser input, its theme, and its history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui
import param
from panel.custom import JSComponent
from panel.util import edit_readonly
from panel.viewable import Viewable

from laion_fmri.explorer.runtime.background import is_served
from laion_fmri.explorer.runtime.delivery import deliver_every_change
from laion_fmri.explorer.runtime.visitor import Visitor
from laion_fmri.explorer.widgets.notice import notice
from laion_fmri.explorer.widgets.page_messages import MessagingComponent

_FROM_THE_BROWSER = frozenset(
    {"dark_theme", "sidebar_open", "contextbar_open", "sidebar_width", "contextbar_width"}
)
# Both hemispheres from above, one of them active; embedded in the page, so that it is found
# at any URL.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="#5c6bc0">'
    '<path d="M15 3v26a11 13 0 0 1 0-26z"/><path d="M17 3v26a11 13 0 0 0 0-26z"/>'
    '<circle cx="21.5" cy="21" r="3.5" fill="#ffca28"/></svg>'
)
ICON = f"data:image/svg+xml,{quote(_ICON)}"
_LONGEST = 8_000  # characters of an address that are accepted from the page
_COOKIE = "laion-fmri-theme"


class ExplorerPage(pmui.Page):
    """A page of which a browser can change only the appearance.

    Other changes are ignored: as a logo, for example, a browser could name a file of the server,
    which would be read and sent.
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(busy_indicator=None, favicon=ICON, **params)
        # By default a page tracks whether the server is busy, which changes twice per event and
        # redraws the page; and its link to the server's state outlives the page. Views have their
        # own loading indicators.
        with edit_readonly(self):
            self.busy = self.param.loading
        if is_served():
            deliver_every_change()

    def _process_property_change(self, props: dict[str, Any]) -> dict[str, Any]:
        wanted = {name: value for name, value in props.items() if name in _FROM_THE_BROWSER}
        return super()._process_property_change(wanted)

    def _cleanup(self, root: Any = None) -> None:
        # When a session ends, Bokeh clears the models of components before Panel requests their
        # children, which would then never be freed.
        for view in self.select():
            if view is not self:
                view._cleanup(root)
        super()._cleanup(root)


def banner(visitor: Visitor) -> list[Viewable]:
    """Return the warning above the tabs, if the visitor has one."""
    if not visitor.banner:
        return []
    said = notice(visitor.banner, "warning")
    said.margin = (8, 16, 0, 16)
    return [said]


def account(visitor: Visitor) -> list[Viewable]:
    """Return a logout button for the header."""
    if not visitor.user:
        return []
    out = pmui.Button(
        label="Log out",
        description=f"Log out ({visitor.user})",
        icon="logout",
        href="logout",
        variant="text",
        color="default",
        size="small",
        stylesheets=[_IN_THE_HEADER],
        margin=0,
    )
    return [pn.Spacer(sizing_mode="stretch_width"), out]


_IN_THE_HEADER = """
.MuiButtonBase-root { color: inherit; white-space: nowrap; text-transform: none; }
"""


class PageHistory(MessagingComponent):
    """Invisible: makes each choice of the user an entry of the browser's history.

    Changes without user input, such as during loading or going back, replace the current entry;
    so do changes of the `quiet` parts of the address.

    Parameters
    ----------
    restore : callable
        Called with the query of the address, ``"?tab=Trials&trial=12"``, when the user goes
        back or forward.
    quiet : sequence of str
        Names in the address whose changes add no entries.
    """

    quiet = param.List(default=[], item_type=str)

    _esm: ClassVar[str] = """
    export function render({ model }) {
      const { history } = window
      const push = history.pushState.bind(history)
      let byUser = false
      const told = () => { byUser = true }
      const loud = (address) => {
        const { pathname, searchParams } = new URL(address, document.baseURI)
        for (const name of model.quiet) searchParams.delete(name)
        return `${pathname}?${searchParams}`
      }
      history.pushState = (state, title, address) => {
        const next = new URL(address, document.baseURI).href
        if (next === window.location.href) return
        if (byUser && loud(next) !== loud(window.location.href)) push(state, title, address)
        else history.replaceState(state, title, address)
      }
      const restore = () => {
        byUser = false
        model.send_msg(window.location.search)
      }
      const acts = ["pointerdown", "keydown"]
      for (const act of acts) window.addEventListener(act, told, { capture: true })
      window.addEventListener("popstate", restore)
      model.on("remove", () => {
        history.pushState = push
        for (const act of acts) window.removeEventListener(act, told, { capture: true })
        window.removeEventListener("popstate", restore)
      })
      return document.createElement("span")
    }
    """

    def __init__(self, restore: Callable[[str], object], quiet: Sequence[str]) -> None:
        self._restore = restore
        super().__init__(quiet=list(quiet), margin=0)

    def receive(self, message: Any) -> bool:
        """Restore an address."""
        if not isinstance(message, str) or len(message) > _LONGEST or message[:1] not in ("", "?"):
            return False
        self._restore(message)
        return True


class ThemeChoice(JSComponent):
    """Invisible: sets the theme of the page and saves the choice in a cookie.

    Until the user chooses, the page follows the system theme, even if it changes later. The cookie
    contains ``chosen-dark``, ``chosen-light``, ``system-dark`` or ``system-light``, so that the
    server renders the next page in its theme from the start.
    """

    _esm: ClassVar[str] = f"""
    const NAME = "{_COOKIE}"
    const kept = () => document.cookie.match(`(?:^|; )${{NAME}}=(chosen|system)-(dark|light)`) ?? []
    const keep = (whose, dark) => {{
      const value = `${{whose}}-${{dark ? "dark" : "light"}}`
      document.cookie = `${{NAME}}=${{value}}; path=/; max-age=31536000; SameSite=Lax`
    }}
    export function render({{ model, view }}) {{
      let page = view
      while (page && page.model.class_name !== "Page") page = page.parent
      const place = document.createElement("span")
      if (!page) return place
      const {{ data }} = page.model
      const system = matchMedia("(prefers-color-scheme: dark)")
      let following = false
      const follow = () => {{
        const [, whose, theme] = kept()
        const dark = whose === "chosen" ? theme === "dark" : system.matches
        if (whose !== "chosen") keep("system", dark)
        following = true
        if (data.dark_theme !== dark) data.dark_theme = dark
        following = false
      }}
      const noteChoice = () => {{
        const isDark = data.dark_theme
        if (!following && isDark !== (kept()[2] === "dark")) keep("chosen", isDark)
      }}
      data.properties.dark_theme.change.connect(noteChoice)
      system.addEventListener("change", follow)
      model.on("remove", () => system.removeEventListener("change", follow))
      follow()
      return place
    }}
    """


def first_theme() -> Literal["dark", "default"]:
    """Return the last theme of the browser, for the first rendering."""
    return "dark" if pn.state.cookies.get(_COOKIE, "").endswith("-dark") else "default"
