"""Theme of Material components, on the explorer's page and in notebooks."""

from __future__ import annotations

from typing import Any

_TYPOGRAPHY = {
    "fontFamily": "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif",
    "fontSize": 13,
    "button": {"textTransform": "none"},
}
THEME: dict[str, Any] = {
    "light": {"palette": {"primary": {"main": "#3f51b5"}}, "typography": _TYPOGRAPHY},
    "dark": {
        "palette": {"primary": {"main": "#9fa8da"}},
        "typography": _TYPOGRAPHY,
        "components": {
            "MuiAppBar": {
                "styleOverrides": {
                    "root": {
                        "backgroundColor": "#1a2050",
                        "color": "#fff",
                        "& .MuiIconButton-root": {"color": "#fff"},
                    }
                }
            }
        },
    },
}
