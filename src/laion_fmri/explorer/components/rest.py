"""Lets go of a page that nobody has touched for long, so that its session can end."""

from __future__ import annotations

from typing import ClassVar

import param
from panel.custom import JSComponent

PLACE = "resting"
"""Where a page goes that is let go of, below the server's address."""


class Rest(JSComponent):
    """Nothing to see: after hours without a key or a click, leaves for a page that is only text.

    What is shown there leads back to the same address, which brings back what was chosen.
    """

    hours = param.Number(default=2.0, bounds=(0, None), doc="How long a page may lie untouched.")

    _esm: ClassVar[str] = f"""
    const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]
    export function render({{ model, signal }}) {{
      let touched = Date.now()
      const touch = () => {{ touched = Date.now() }}
      for (const sign of SIGNS) {{
        window.addEventListener(sign, touch, {{ passive: true, capture: true, signal }})
      }}
      const limit = model.hours * 3600000
      const clock = setInterval(() => {{
        if (Date.now() - touched < limit) return
        clearInterval(clock)
        const back = window.location.pathname + window.location.search
        const base = window.location.pathname.replace(/[^/]*$/, "")
        window.location.replace(`${{base}}{PLACE}?back=${{encodeURIComponent(back)}}`)
      }}, Math.min(30000, Math.max(50, limit / 4)))
      model.on("remove", () => clearInterval(clock))
      return document.createElement("span")
    }}
    """
