"""Errors: messages that stand alone, and that cross process borders."""

from __future__ import annotations

import copy
import pickle

import pytest

from laion_fmri import _errors
from laion_fmri._errors import LaionFmriError, UnknownNameError, closest

KINDS = [
    kind
    for kind in vars(_errors).values()
    if isinstance(kind, type) and issubclass(kind, LaionFmriError)
]
ARGUMENTS = {
    "UnknownNameError": ("ROI", "FFA", ["FFA1", "FFA2"]),
    "UnreadableFileError": ("/a/b.nii.gz", "permission denied"),
    "DamagedFileError": ("/a/b.nii.gz", "it ends too early"),
}


def made(kind):
    return kind(*ARGUMENTS.get(kind.__name__, ("What was wrong. What to do.",)))


@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_pickling_and_copying(kind):
    error = made(kind)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert str(error)


@pytest.mark.parametrize(
    "kind, builtin",
    [
        ("DataNotDownloadedError", FileNotFoundError),
        ("StimuliNotDownloadedError", FileNotFoundError),
        ("SubjectNotFoundError", ValueError),
        ("UnknownNameError", ValueError),
        ("LicenseNotAcceptedError", RuntimeError),
        ("TrialNotFoundError", IndexError),
        ("AccessDeniedError", PermissionError),
        ("BucketUnreachableError", ConnectionError),
    ],
)
def test_errors_are_also_what_python_calls_them(kind, builtin):
    assert issubclass(getattr(_errors, kind), builtin)


def test_unknown_names_suggest_or_list():
    assert "Did you mean 'FFA1'" in str(UnknownNameError("ROI", "ffa1", ["FFA1", "V1"]))
    assert "Known: a, b." in str(UnknownNameError("ROI", "zzz", ["a", "b"]))
    assert "There is none." in str(UnknownNameError("ROI", "zzz", []))
    many = str(UnknownNameError("ROI", "zzz", [f"q{i}" for i in range(100)]))
    assert "…" in many
    assert len(many) < 200


def test_closest_is_exact_among_many_names():
    names = [f"unique_LAION_initial_cluster_{i}_i{i % 50}_p01.jpg" for i in range(25_000)]
    assert closest("unique_laion_initial_cluster_1003_i3_p01.jp", names)[0] == names[1003]
    assert closest("", names) == []
