from __future__ import annotations

import contextlib
import io
import itertools
import shlex

import pytest

from laion_fmri import access, cli, layout
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import load_settings
from laion_fmri.explorer.call_code import python_code, shell_code
from laion_fmri.explorer.request import (
    CHOICES,
    GROUPS,
    RESPONSES,
    Request,
    calls,
    make_request_plan,
)
from laion_fmri.selection import AVERAGES

SERVED = {f"sub-0{n}": ("ses-01", "ses-02") for n in (1, 3, 5, 6, 7)}
EVERYTHING = tuple(CHOICES)


@pytest.fixture
def settings(tiny_bucket, tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    access.accept_license(data_dir)
    return load_settings(data_dir=data_dir, bucket=tiny_bucket.as_uri())


def plan_of(request, settings, tiny_bucket):
    made = calls(request, SERVED)
    return made, make_request_plan(made, settings, DirectoryBucket(tiny_bucket))


def described(keys):
    """Kinds of files among keys, without what always comes along."""
    found = set()
    for key in keys:
        e = layout.parse_entities(key)
        if "/" in key and not key.startswith(layout.STIMULI_TREE):
            found.add((e.get("desc"), e.suffix))
    return found


def wanted(labels, sessions):
    named, averaged = any(s != AVERAGES for s in sessions), AVERAGES in sessions
    levels = {"subject", *(["session"] * named), *(["averages"] * averaged)}
    kinds = [k for label in labels for k in CHOICES[label].files if k.level in levels]
    # The mean R² map comes along with sessions.
    extra = {("R2mean", "statmap")} if named and any(k.level != "subject" for k in kinds) else set()
    return {(k.desc, k.suffix) for k in kinds} | extra


@pytest.mark.parametrize("sessions", [("ses-01",), (AVERAGES,), ("ses-02", AVERAGES)])
def test_every_combination_gets_exactly_what_was_chosen(settings, tiny_bucket, sessions):
    labels = (*GROUPS[RESPONSES], "ROIs")
    for n in range(1, len(labels) + 1):
        for chosen in itertools.combinations(labels, n):
            request = Request(("sub-01",), sessions, chosen)
            if request.advice():
                continue
            _, plan = plan_of(request, settings, tiny_bucket)
            keys = [f.key for f in plan.files]
            assert described(keys) == wanted(chosen, sessions), chosen
            assert all("/sub-01/" in key for key in keys if key.startswith("derivatives"))


def test_sessions_are_those_chosen(settings, tiny_bucket):
    _, plan = plan_of(Request(("sub-01", "sub-05"), ("ses-02",), ("Betas",)), settings, tiny_bucket)
    betas = [f.key for f in plan.files if f.key.endswith("statmap.nii.gz") and "Betas" in f.key]
    assert betas == [layout.betas(s, "ses-02") for s in ("sub-01", "sub-05")]


def test_whole_trees_and_dataset_wide_files(settings, tiny_bucket):
    what = ("Anatomy (T1w, T2w, brain mask)", "FreeSurfer recon", "CLIP embeddings", "Captions")
    _, plan = plan_of(Request(("sub-03",), (), what), settings, tiny_bucket)
    keys = {f.key for f in plan.files}
    bucket = DirectoryBucket(tiny_bucket)
    for tree in (layout.ANATOMICAL_TREE, layout.FREESURFER_TREE):
        assert {o.key for o in bucket.objects(f"{tree}/sub-03/")} <= keys
    assert {layout.embeddings("CLIP"), layout.CAPTIONS} <= keys
    assert layout.embeddings("DINOv2") not in keys
    assert not any(key.startswith((layout.ROIS_TREE, layout.LOCALIZERS_TREE)) for key in keys)


def test_subjects_with_other_sessions_are_asked_for_apart():
    served = {"sub-01": ("ses-01", "ses-02"), "sub-03": ("ses-01",)}
    request = Request(("sub-01", "sub-03"), ("ses-02",), ("Betas", "ROIs"))
    made = [
        (c.arguments["subject"], c.arguments.get("ses"), c.arguments["suffix"])
        for c in calls(request, served)
    ]
    assert made == [("sub-01", "ses-02", ["statmap", "mask"]), ("sub-03", None, "mask")]


def test_everything_of_everyone_is_one_call():
    request = Request(tuple(SERVED), ("ses-01", "ses-02", AVERAGES), tuple(GROUPS[RESPONSES]))
    (call,) = calls(request, SERVED)
    assert call.arguments["subject"] == "all"
    assert "ses" not in call.arguments


REQUESTS = [
    Request(("sub-01",), ("ses-01",), ("Betas",)),
    Request(("sub-01", "sub-03"), ("ses-02", AVERAGES), ("Trial tables", "Noise ceilings")),
    Request(tuple(SERVED), ("ses-01", "ses-02", AVERAGES), EVERYTHING),
    Request(("sub-05",), (), ("FreeSurfer recon", "ROIs")),
    Request(("sub-07",), (), ("Anatomy (T1w, T2w, brain mask)",)),
    Request((), (), ("CLIP embeddings", "SigLIP2 embeddings", "Segmentations", "Captions")),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_the_python_is_true(settings, tiny_bucket, request_, monkeypatch):
    made, plan = plan_of(request_, settings, tiny_bucket)
    code = python_code(made, settings)
    for name in ("LAION_FMRI_DATA_DIR", "LAION_FMRI_BUCKET"):
        monkeypatch.setenv(name, "")  # so that what the code sets is undone
    with contextlib.redirect_stderr(io.StringIO()):
        exec(code, {})
    here = {p for p in settings.data_dir.rglob("*") if p.is_file() and ".laion_fmri" not in p.parts}
    assert here == {f.path for f in plan.files}


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_the_shell_commands_are_true(settings, tiny_bucket, request_, monkeypatch, capsys):
    made, plan = plan_of(request_, settings, tiny_bucket)
    lines = shell_code(made, settings).replace("\\\n", "").splitlines()
    for line in lines:
        if line.startswith("export "):
            name, _, value = shlex.split(line)[1].partition("=")
            monkeypatch.setenv(name, value)
        else:
            program, *arguments = shlex.split(line)
            assert program == "laion-fmri"
            assert cli.main(arguments) == 0
    here = {p for p in settings.data_dir.rglob("*") if p.is_file() and ".laion_fmri" not in p.parts}
    assert here == {f.path for f in plan.files}


def test_settings_that_are_found_anyway_are_not_repeated(settings):
    made = calls(REQUESTS[0], SERVED)
    assert "environ" in python_code(made, settings)
    assert "environ" not in python_code(made, load_settings())
    assert "export" not in shell_code(made, load_settings())


def test_values_are_quoted():
    request = Request(('sub-01"; import os #', "sub-$(x)"), (), ("ROIs",))
    made = calls(request, dict.fromkeys((*request.subjects, "sub-03"), ()))
    compile(python_code(made, load_settings()), "code", "exec")
    assert "'sub-$(x)'" in shell_code(made, load_settings())


@pytest.mark.parametrize(
    ("request_", "advice"),
    [
        (Request(), "Choose what to download."),
        (Request((), ("ses-01",), ("Betas",)), "Choose a subject."),
        (
            Request(("sub-01",), (), ("Betas", "ROIs")),
            "Choose a session, or the averages, for: Betas.",
        ),
        (Request(("sub-01",), (AVERAGES,), ("Betas",)), "Choose a session as well for: Betas."),
        (Request(("sub-01",), (), ("ROIs",)), ""),
        (Request((), (), ("Captions",)), ""),
    ],
)
def test_advice(request_, advice):
    assert request_.advice() == advice


def test_a_title_says_what_in_one_line():
    many = tuple(f"ses-{n:02d}" for n in range(1, 31))
    title = Request(("sub-01",), many, ("Betas", "Captions")).title()
    assert title == "sub-01 · ses-01, ses-02, ses-03, ses-04 and 26 more · Betas, Captions"
    assert Request((), (), ("Captions",)).title() == "Captions"
