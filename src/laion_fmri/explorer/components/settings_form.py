"""Where the dataset comes from and where it goes: shown, and changed after a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from laion_fmri.config import AWS_REGION, DEFAULT_ACCESS_URL, DEFAULT_BUCKET, ENVIRONMENT, Settings
from laion_fmri.explorer.components.markup import escape, heading, markup
from laion_fmri.explorer.components.text import plain_text
from laion_fmri.explorer.kept_listing import without_secrets
from laion_fmri.explorer.settings_check import Finding

LABELS = {
    "bucket": "Bucket",
    "endpoint_url": "Endpoint",
    "data_dir": "Data directory",
    "access_url": "Access service",
}
_PLACEHOLDERS = {
    "bucket": f"{DEFAULT_BUCKET}, or file:///path/of/a/mirror",
    "endpoint_url": f"empty for AWS ({AWS_REGION}), or http://localhost:9000",
    "data_dir": "/path/to/data",
    "access_url": DEFAULT_ACCESS_URL,
}
_FACTS_STYLE = """
dl { display: flex; flex-wrap: wrap; gap: 6px 32px; }
dt { color: var(--muted); font-size: 11.5px; line-height: 1.35; }
dd .more { color: var(--muted); font-family: system-ui, sans-serif; }
"""


class SettingsFacts(Viewer):
    """The settings in force."""

    def __init__(self) -> None:
        super().__init__()
        self._view = markup(style=_FACTS_STYLE)

    @property
    def text(self) -> str:
        """The HTML that is shown."""
        return self._view.object

    def display(self, settings: Settings, room: str = "") -> None:
        """Show these settings; `room` is how much space is free where files go."""
        facts = {"bucket": settings.bucket}
        if settings.bucket.startswith("s3://"):
            endpoint = without_secrets(settings.endpoint_url or "")
            facts["endpoint_url"] = endpoint or f"AWS, {AWS_REGION}"
        facts["data_dir"] = str(settings.data_dir or "not set")
        facts["access_url"] = settings.access_url
        more = {"data_dir": f" · {room}" if room else ""}
        rows = "".join(
            f'<div><dt>{LABELS[name]}</dt><dd class="name mono">{escape(value)}'
            f'<span class="more">{escape(more.get(name, ""))}</span></dd></div>'
            for name, value in facts.items()
        )
        self._view.object = f"<dl>{rows}</dl>"

    def __panel__(self) -> pn.pane.HTML:
        return self._view


class SettingsForm(Viewer):
    """A field for each setting, with what a look at it found below.

    Parameters
    ----------
    on_submit : callable
        Called with what was changed, by the settings' names; empty values are defaults.
    """

    def __init__(self, on_submit: Callable[[dict[str, str]], object]) -> None:
        super().__init__()
        self._on_submit = on_submit
        self._before: dict[str, str] = {}
        self.fields = {
            name: pmui.TextInput(
                label=label,
                placeholder=_PLACEHOLDERS[name],
                size="small",
                sizing_mode="stretch_width",
                margin=0,
            )
            for name, label in LABELS.items()
        }
        self.explanation = plain_text(muted=True)
        self.message = plain_text()
        self.explanation.margin = self.message.margin = (4, 0, 0, 0)
        self.submit = pmui.Button(
            label="Check and use", icon="check", variant="contained", size="small", margin=0
        )
        cancel = pmui.Button(label="Cancel", variant="text", size="small", margin=0)
        self.submit.on_click(lambda _: self._submit())
        cancel.on_click(lambda _: self.end())
        self._layout = pmui.Paper(
            heading("Settings"),
            pn.Row(
                *self.fields.values(),
                sizing_mode="stretch_width",
                styles={
                    "display": "grid",
                    "grid-template-columns": "repeat(auto-fit, minmax(min(420px, 100%), 1fr))",
                    "gap": "14px 20px",
                },
                margin=(14, 0, 6, 0),
            ),
            self.message,
            self.explanation,
            pn.Row(self.submit, cancel, styles={"gap": "8px"}, margin=(10, 0, 0, 0)),
            variant="outlined",
            sx={"p": "14px 16px 16px"},
            margin=(0, 0, 16, 0),
            visible=False,
        )

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return self._layout.visible

    def begin(self, settings: Settings, by_environment: set[str], is_kept: bool) -> None:
        """Open the form.

        Parameters
        ----------
        settings : Settings
        by_environment : set of str
            Settings that cannot be changed here.
        is_kept : bool
            Whether changes go to the config file.
        """
        self._before = {name: str(getattr(settings, name) or "") for name in LABELS}
        self._before["endpoint_url"] = without_secrets(self._before["endpoint_url"])
        for name, field in self.fields.items():
            is_fixed = name in by_environment
            said = f"Set by {ENVIRONMENT[name]} in the server's environment" if is_fixed else ""
            field.param.update(
                value=self._before[name], disabled=is_fixed, helper_text=said, error_state=False
            )
        self.explanation.object = (
            "Changes hold for every page of this server, and are kept for later."
            if is_kept
            else "This server was started on settings of its own, such as the demo's. Changes hold "
            "for every page of it until it ends, and are not kept."
        )
        self._tell("")
        self._layout.visible = True

    def end(self) -> None:
        """Close the form."""
        self._layout.visible = False

    @property
    def changes(self) -> dict[str, str]:
        """What was changed."""
        typed = {name: (field.value or "").strip() for name, field in self.fields.items()}
        return {name: text for name, text in typed.items() if text != self._before.get(name)}

    def _submit(self) -> None:
        changes = self.changes
        if not changes:
            self._tell("Nothing was changed.")
            return
        self._tell("Checking…")
        self.submit.disabled = True
        self._on_submit(changes)

    def show_findings(self, findings: Mapping[str, Finding]) -> None:
        """Say beside each field what was found."""
        self.submit.disabled = False
        works = all(finding.works for finding in findings.values())
        self._tell("" if works else "Nothing was changed, because not all of it works.")
        for name, field in self.fields.items():
            if field.disabled:
                continue
            finding = findings.get(name)
            field.param.update(
                helper_text=finding.text if finding else "",
                error_state=finding is not None and not finding.works,
            )

    def say(self, text: str) -> None:
        """Say why the settings could not be changed."""
        self.submit.disabled = False
        self._tell(text)

    def _tell(self, text: str) -> None:
        self.message.param.update(object=text, visible=bool(text))

    def __panel__(self) -> pmui.Paper:
        return self._layout
