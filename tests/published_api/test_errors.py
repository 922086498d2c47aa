"""The errors of the published package: their names and what Python calls them."""

from __future__ import annotations

import inspect

import pytest

import laion_fmri
from laion_fmri import _errors

KINDS = {
    name
    for name, kind in vars(_errors).items()
    if inspect.isclass(kind) and issubclass(kind, _errors.LaionFmriError)
}


def test_every_error_class_is_at_the_top_level():
    assert set(laion_fmri.__all__) >= KINDS
    for name in KINDS:
        assert getattr(laion_fmri, name) is getattr(_errors, name)


@pytest.mark.parametrize(
    "name, bases",
    [
        ("DataDirNotSetError", [RuntimeError]),
        ("DataNotFoundError", [FileNotFoundError]),
        ("DataNotDownloadedError", [laion_fmri.DataNotFoundError, FileNotFoundError]),
        ("StimuliNotDownloadedError", [laion_fmri.DataNotFoundError, FileNotFoundError]),
        ("SubjectNotFoundError", [ValueError, KeyError]),
        ("UnknownNameError", [ValueError, KeyError]),
        ("NoMatchingDataError", [FileNotFoundError, ValueError]),
        ("LicenseNotAcceptedError", [RuntimeError]),
        ("AccessServiceError", [RuntimeError]),
        ("AccessServiceUnavailableError", [RuntimeError, ConnectionError]),
        ("FormRefusedError", [RuntimeError]),
        ("TermsOutdatedError", [RuntimeError]),
        ("AccessRevokedError", [RuntimeError]),
        ("AccessNotFoundError", [RuntimeError]),
    ],
)
def test_scripts_catch_errors_by_their_bases(name, bases):
    kind = getattr(laion_fmri, name)
    assert all(issubclass(kind, base) for base in bases)
    assert issubclass(kind, laion_fmri.LaionFmriError)
    # A KeyError shows its message in quotes; ours show it as it is.
    made = kind("image", "x.jpg", ["y.jpg"]) if name == "UnknownNameError" else kind("What to do.")
    assert not str(made).startswith(("'", '"'))
