"""The source and the local folder of the dataset: displayed, and changed after a check."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup
from panel.viewable import Viewable, Viewer

from laion_fmri.bucket.listing_cache import without_secrets
from laion_fmri.config import AWS_REGION, DEFAULT_ACCESS_URL, DEFAULT_BUCKET, ENVIRONMENT
from laion_fmri.explorer.authorization import queue_of
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import Latest
from laion_fmri.explorer.widgets.layout import small_button, stacked
from laion_fmri.explorer.widgets.markup import heading, markup
from laion_fmri.explorer.widgets.notice import notice, plain_text, say
from laion_fmri.settings_check import Finding, check_settings

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
_FIELDS = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(min(420px, 100%), 1fr))",
    "gap": "14px 20px",
}


class SettingsSection(Viewer):
    """The current settings, and a form that checks new ones before it applies them.

    Parameters
    ----------
    data : ExplorerData
    latest : callable
        Creates a `Latest` for slow work.
    button : Viewable
        Placed next to "Change settings…".
    """

    def __init__(
        self, data: ExplorerData, latest: Callable[[Viewable], Latest], button: Viewable
    ) -> None:
        super().__init__()
        self._data = data
        self._before: dict[str, str] = {}
        self._facts = markup(
            style=_FACTS_STYLE, styles={"flex": "1 1 300px", "min-width": "min(100%, 300px)"}
        )
        self.change = small_button(
            "Change settings…", self._open, icon="settings", visible=data.visitor.may_act
        )
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
        self.message, self._explanation = plain_text(), plain_text(muted=True)
        self.message.margin = self._explanation.margin = (4, 0, 0, 0)
        self.submit = small_button("Check and use", self._submit, icon="check", variant="contained")
        cancel = small_button("Cancel", self._close, variant="text")
        self.form = pmui.Paper(
            heading("Settings"),
            pn.Row(
                *self.fields.values(),
                sizing_mode="stretch_width",
                styles=_FIELDS,
                margin=(14, 0, 6, 0),
            ),
            self.message,
            self._explanation,
            pn.Row(self.submit, cancel, styles={"gap": "8px"}, margin=(10, 0, 0, 0)),
            variant="outlined",
            sx={"p": "14px 16px 16px"},
            margin=(0, 0, 16, 0),
            visible=False,
        )
        self.done = stacked()
        self._check_work = latest(self.form)
        buttons = pn.Row(self.change, button, styles={"gap": "8px"}, margin=0, align="start")
        self._layout = stacked(
            pn.Row(
                self._facts,
                buttons,
                styles={"flex-wrap": "wrap", "gap": "10px 24px"},
                margin=(0, 0, 16, 0),
                sizing_mode="stretch_width",
            ),
            self.form,
            self.done,
        )

    @property
    def text(self) -> str:
        """The current settings, as HTML."""
        return self._facts.object

    def display(self, free_space: str = "") -> None:
        """Display the current settings, and the free space of the data directory."""
        settings = self._data.settings
        facts = {"bucket": settings.bucket}
        if settings.bucket.startswith("s3://"):
            endpoint = without_secrets(settings.endpoint_url or "")
            facts["endpoint_url"] = endpoint or f"AWS, {AWS_REGION}"
        facts["data_dir"] = str(settings.data_dir or "not set")
        facts["access_url"] = settings.access_url
        more = {"data_dir": f" · {free_space}" if free_space else ""}
        rows = Markup("").join(
            Markup(
                '<div><dt>{}</dt><dd class="name mono">{}<span class="more">{}</span></dd></div>'
            ).format(LABELS[name], value, more.get(name, ""))
            for name, value in facts.items()
        )
        self._facts.object = Markup("<dl>{}</dl>").format(rows)

    def _open(self) -> None:
        settings = self._data.settings
        self._before = {name: str(getattr(settings, name) or "") for name in LABELS}
        self._before["endpoint_url"] = without_secrets(self._before["endpoint_url"])
        for name, field in self.fields.items():
            is_fixed = settings.is_fixed(name)
            help_text = f"Set by {ENVIRONMENT[name]} in the server's environment"
            field.param.update(
                value=self._before[name],
                disabled=is_fixed,
                helper_text=help_text if is_fixed else "",
                error_state=False,
            )
        self._explanation.object = (
            "Changes apply to every page of this server and are saved."
            if settings.are_saved
            else "This server was started with its own settings, such as those of the demo. "
            "Changes apply to all its pages until it stops. They are not saved."
        )
        say(self.done, [])
        self._show_message("")
        self.form.visible = True

    def _close(self) -> None:
        self.form.visible = False

    def _submit(self) -> None:
        typed = {name: (field.value or "").strip() for name, field in self.fields.items()}
        changes = {name: text for name, text in typed.items() if text != self._before.get(name)}
        if not changes:
            self._show_message("Nothing was changed.")
            return
        self._show_message("Checking…")
        self.submit.disabled = True
        self._check_work.ask(
            lambda: self._check_and_change(changes), self._show_findings, self._show_problem
        )

    def _check_and_change(self, changes: dict[str, str]) -> tuple[dict[str, Finding], str]:
        before = self._data.settings.data_dir
        is_busy = queue_of(self._data).is_busy
        findings = check_settings(self._data.settings_with(changes), changes)
        if all(finding.works for finding in findings.values()):
            self._data.change_settings(changes)
        has_moved = self._data.settings.data_dir != before
        return findings, f" Downloads into {before} continue." if has_moved and is_busy else ""

    def _show_findings(self, found: tuple[dict[str, Finding], str]) -> None:
        findings, downloads = found
        for name, field in self.fields.items():
            finding = findings.get(name)
            if not field.disabled:
                field.param.update(
                    helper_text=finding.text if finding else "",
                    error_state=finding is not None and not finding.works,
                )
        if not all(finding.works for finding in findings.values()):
            self._show_problem("Nothing was changed, because not all settings work.")
            return
        self._show_problem("")
        self._close()
        text = " ".join(finding.text for finding in findings.values()) + downloads
        say(self.done, [notice(f"The settings were changed. {text}", "success")])

    def _show_problem(self, text: str) -> None:
        self.submit.disabled = False
        self._show_message(text)

    def _show_message(self, text: str) -> None:
        self.message.param.update(object=text, visible=bool(text))

    def __panel__(self) -> pn.Column:
        return self._layout
