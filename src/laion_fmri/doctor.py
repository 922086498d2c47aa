"""Checks of the installation: versions, a browser, folders, the bucket, the access service."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from typing import Any

from laion_fmri import access, discovery
from laion_fmri._errors import ConfigError, LaionFmriError
from laion_fmri._version import __version__
from laion_fmri.browser import ask_browser, find_browser
from laion_fmri.bucket import open_bucket
from laion_fmri.config import Settings, config_file, load_settings
from laion_fmri.http.client import describe_network
from laion_fmri.transfer.plan import format_bytes

_CORE = (
    "numpy", "pandas", "nibabel", "h5py", "boto3", "urllib3", "certifi", "filelock", "pillow",
    "isal", "tqdm",
)  # fmt: skip
_EXTRAS = {
    "explorer": ("panel", "panel-material-ui", "holoviews", "bokeh", "nilearn"),
    "template": ("nilearn", "scipy"),
    "splits": ("scikit-learn",),
    "torch": ("torch",),
}
_LITTLE_ROOM = 20e9  # bytes: all files of one session, with some margin


class Health(StrEnum):
    """The severity of a finding."""

    GOOD = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes
    ----------
    subject : str
    health : Health
    said : str
        The result, with advice where needed.
    """

    subject: str
    health: Health
    said: str


@dataclass(frozen=True)
class Diagnosis:
    """The results of all checks; prints as a table.

    Attributes
    ----------
    findings : tuple of Finding
    """

    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Whether there is no problem."""
        return all(found.health is not Health.PROBLEM for found in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as a dict, for JSON output."""
        return {"findings": [asdict(found) for found in self.findings]}

    def __str__(self) -> str:
        return "\n".join(f"{f.health:<8} {f.subject:<15} {f.said}" for f in self.findings)


def examine() -> Diagnosis:
    """Check everything the package needs; a failed check does not stop the others.

    Nothing is changed; the only requests are a listing of the bucket and the public manifest of the
    access service.
    """
    findings = [*_of_python(), *_of_extras(), _of_browser()]
    try:
        settings = load_settings()
    except ConfigError as error:
        return Diagnosis((*findings, Finding("settings", Health.PROBLEM, str(error))))
    findings.append(Finding("settings", Health.GOOD, _sources(settings)))
    for look in (_of_data_dir, _of_network, _of_bucket, _of_access):
        findings += look(settings)
    return Diagnosis(tuple(findings))


def _of_python() -> Iterator[Finding]:
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("laion_fmri", Health.GOOD, f"{__version__}, {where} ({sys.prefix})")
    yield Finding("packages", *_versions(_CORE, Health.PROBLEM))


def _of_extras() -> Iterator[Finding]:
    for extra, packages in _EXTRAS.items():
        yield Finding(f"[{extra}]", *_versions(packages, Health.NOTE))


def _of_browser() -> Finding:
    command = find_browser()
    if command is None:
        said = "no browser found that can be started; the explorer needs one with WebGL 2"
        return Finding("browser", Health.NOTE, said)
    found = ask_browser(command)
    if found is None:
        return Finding("browser", Health.NOTE, f"{command} does not answer")
    if found.missing:
        said = f"{found.name} lacks {', '.join(found.missing)}"
        return Finding("browser", Health.NOTE, f"{said}; try another, or its settings")
    how = "without a graphics card, so slowly" if found.draws_in_software else found.renderer
    said = f"{found.name}, WebGL 2 {f'({how})' * bool(how)}".strip()
    return Finding("browser", Health.GOOD, said)


def _versions(packages: Iterable[str], if_missing: Health) -> tuple[Health, str]:
    known, missing = [], []
    for package in packages:
        try:
            known.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    said = ", ".join(known) + f"{'; ' * bool(known)}not installed: {', '.join(missing)}" * bool(
        missing
    )
    return (if_missing if missing else Health.GOOD), said


def _sources(settings: Settings) -> str:
    told = [f"{name} from {source}" for name, source in settings.sources.items()]
    return f"{'; '.join(told)} ({config_file()})"


def _of_data_dir(settings: Settings) -> Iterator[Finding]:
    try:
        data_dir = settings.require_data_dir()
    except LaionFmriError as error:
        yield Finding("data directory", Health.PROBLEM, str(error))
        return
    writable = os.access(data_dir, os.W_OK | os.X_OK)
    said = str(data_dir) if writable else f"{data_dir} cannot be written to"
    yield Finding("data directory", Health.GOOD if writable else Health.PROBLEM, said)
    free = shutil.disk_usage(data_dir).free
    health = Health.GOOD if free > _LITTLE_ROOM else Health.NOTE
    yield Finding("free space", health, format_bytes(free))
    accepted = access.is_license_accepted(data_dir)
    said = "accepted" if accepted else "not accepted yet; the first download asks"
    yield Finding("licence", Health.GOOD if accepted else Health.NOTE, said)


def _of_network(settings: Settings) -> Iterator[Finding]:
    try:
        said = describe_network(settings.access_url)
    except ValueError as error:  # an invalid setting or address
        yield Finding("network", Health.PROBLEM, str(error))
        return
    yield Finding("network", Health.GOOD, said)


def _of_bucket(settings: Settings) -> Iterator[Finding]:
    def ask() -> str:
        bucket = open_bucket(settings)
        subjects = discovery.get_subjects(bucket)
        return f"{bucket.uri}: {len(subjects)} subjects"

    yield _answered("bucket", ask)


def _of_access(settings: Settings) -> Iterator[Finding]:
    def ask() -> str:
        files = list(access.stimulus_source(settings).objects())
        return f"{settings.access_url}: {len(files)} files"

    yield _answered("access service", ask, Health.NOTE)
    try:
        known = access.load_credentials(settings.access_url)
    except LaionFmriError as error:
        yield Finding("request id", Health.PROBLEM, str(error))
        return
    said = "none; `laion-fmri request-access` gets one" if known is None else "there is one"
    yield Finding("request id", Health.NOTE if known is None else Health.GOOD, said)


def _answered(subject: str, ask: Callable[[], str], if_not: Health = Health.PROBLEM) -> Finding:
    began = time.perf_counter()
    try:
        said = ask()
    except LaionFmriError as error:
        return Finding(subject, if_not, str(error))
    return Finding(subject, Health.GOOD, f"{said} ({time.perf_counter() - began:.1f} s)")
