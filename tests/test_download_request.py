from __future__ import annotations

import contextlib
import io
import itertools
import shlex
import shutil

import pytest

from laion_fmri import access, cli, layout
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import ENVIRONMENT, load_settings
from laion_fmri.demo.access_service import DemoAccessService
from laion_fmri.download_request.choices import (
    CHOICES,
    GROUPS,
    IMAGES,
    LOCALIZERS,
    RAW,
    RESPONSES,
    SPLITS,
)
from laion_fmri.download_request.code import LIST_FILE, listed_keys, python_code, shell_code
from laion_fmri.download_request.plan import make_request_plan, read_offer
from laion_fmri.download_request.request import Offer, Request, SubjectOffer, calls, in_ranges
from laion_fmri.selection import AVERAGES

SUBJECTS = tuple(f"sub-0{n}" for n in (1, 3, 5, 6, 7))
SESSIONS = ("ses-01", "ses-02")
EVERYTHING = tuple(CHOICES)


def offer_of(**sessions):
    """What a bucket offers that has these sessions of ``sub_01`` …"""
    return Offer({n.replace("_", "-"): SubjectOffer(s) for n, s in sessions.items()})


SERVED = Offer(dict.fromkeys(SUBJECTS, SubjectOffer(SESSIONS, (), True)))


@pytest.fixture(scope="module")
def bucket_dir(tiny_bucket, tmp_path_factory):
    """The tiny bucket, and raw data in it."""
    root = tmp_path_factory.mktemp("bucket") / "mirror"
    shutil.copytree(tiny_bucket, root)
    for sub in ("sub-01", "sub-03"):
        for ses in ("ses-01", "ses-02", "ses-Anat"):
            name = f"{sub}/{ses}/func/{sub}_{ses}_task-images_run-01_bold"
            for extension in (".nii.gz", ".json"):
                path = root / (name + extension)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
    (root / "sub-01" / "ses-31").mkdir()
    return root


@pytest.fixture
def settings(bucket_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LAION_FMRI_REQUEST_ID", raising=False)
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    access.accept_license(data_dir)
    with DemoAccessService(bucket_dir) as service:
        chosen = load_settings(
            data_dir=data_dir, bucket=bucket_dir.as_uri(), access_url=service.url
        )
        access.login(service.issue(), settings=chosen)
        yield chosen


def plan_of(request, settings, bucket_dir):
    bucket = DirectoryBucket(bucket_dir)
    made = calls(request, read_offer(bucket))
    return made, make_request_plan(made, settings, bucket)


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
def test_every_combination_gets_exactly_what_was_chosen(settings, bucket_dir, sessions):
    labels = (*GROUPS[RESPONSES], "ROIs")
    for n in range(1, len(labels) + 1):
        for chosen in itertools.combinations(labels, n):
            request = Request(("sub-01",), sessions, chosen)
            if request.advice():
                continue
            _, plan = plan_of(request, settings, bucket_dir)
            keys = [f.key for f in plan.files]
            assert described(keys) == wanted(chosen, sessions), chosen
            assert all("/sub-01/" in key for key in keys if key.startswith("derivatives"))


def test_sessions_are_those_chosen(settings, bucket_dir):
    _, plan = plan_of(Request(("sub-01", "sub-05"), ("ses-02",), ("Betas",)), settings, bucket_dir)
    betas = [f.key for f in plan.files if f.key.endswith("statmap.nii.gz") and "Betas" in f.key]
    assert betas == [layout.betas(s, "ses-02") for s in ("sub-01", "sub-05")]


def test_whole_trees_and_dataset_wide_files(settings, bucket_dir):
    what = ("Anatomy (T1w, T2w, brain mask)", "FreeSurfer recon", "CLIP embeddings", "Captions")
    _, plan = plan_of(Request(("sub-03",), (), what), settings, bucket_dir)
    keys = {f.key for f in plan.files}
    bucket = DirectoryBucket(bucket_dir)
    for tree in (layout.ANATOMICAL_TREE, layout.FREESURFER_TREE):
        assert {o.key for o in bucket.objects(f"{tree}/sub-03/")} <= keys
    assert {layout.embeddings("CLIP"), layout.CAPTIONS} <= keys
    assert layout.embeddings("DINOv2") not in keys
    assert not any(key.startswith((layout.ROIS_TREE, layout.LOCALIZERS_TREE)) for key in keys)


def test_localizers_are_their_tree_and_nothing_else(settings, bucket_dir):
    _, plan = plan_of(Request(("sub-03",), (), (LOCALIZERS,)), settings, bucket_dir)
    keys = {f.key for f in plan.files if "/" in f.key}
    bucket = DirectoryBucket(bucket_dir)
    assert keys == {o.key for o in bucket.objects(f"{layout.LOCALIZERS_TREE}/sub-03/")}


def test_who_has_no_localizers_is_not_asked_for_them():
    subjects = {"sub-01": SubjectOffer((), (), True), "sub-03": SubjectOffer()}
    request = Request(("sub-01", "sub-03"), (), (LOCALIZERS,))
    assert [c.arguments["subject"] for c in calls(request, Offer(subjects))] == ["sub-01"]


def test_raw_data_of_the_chosen_sessions(settings, bucket_dir):
    request = Request(("sub-01", "sub-03"), ("ses-01", "ses-Anat"), (RAW,))
    made, plan = plan_of(request, settings, bucket_dir)
    asked = [(c.arguments["subject"], c.arguments["ses"]) for c in made]
    assert asked[0] == (["sub-01", "sub-03"], ["ses-01", "ses-Anat"])
    raw = {f.key for f in plan.files if f.key.startswith("sub-")}
    bucket = DirectoryBucket(bucket_dir)
    parts = (
        "sub-01/ses-01",
        "sub-01/ses-Anat",
        "sub-03/ses-01",
        "sub-03/ses-Anat",
        "sub-05/ses-01",
    )
    assert raw == {o.key for part in parts for o in bucket.objects(f"{part}/")}


def test_every_session_of_raw_data_needs_no_filter(bucket_dir):
    offer = read_offer(DirectoryBucket(bucket_dir))
    assert offer.subjects["sub-01"].raw_sessions == ("ses-01", "ses-02", "ses-Anat")
    (call,) = calls(Request(("sub-01",), ("ses-01", "ses-02", "ses-Anat"), (RAW,)), offer)
    assert "ses" not in call.arguments


def test_the_images_are_a_file_of_the_access_service(settings, bucket_dir):
    _, plan = plan_of(Request((), (), (IMAGES,)), settings, bucket_dir)
    assert {f.key for f in plan.files} == {layout.STIMULI_IMAGES, layout.STIMULI_METADATA}
    assert all(isinstance(f.source, access.AccessFiles) for f in plan.files)
    _, same = plan_of(Request(files=(layout.STIMULI_IMAGES,)), settings, bucket_dir)
    assert same.files == plan.files


def test_a_dataset_s_own_splits_come_with_it(settings, bucket_dir):
    _, plan = plan_of(Request((), (), (SPLITS,)), settings, bucket_dir)
    bucket = DirectoryBucket(bucket_dir)
    assert {f.key for f in plan.files} == {o.key for o in bucket.objects("splits/")}
    (call,) = calls(Request((), (), (SPLITS,)), Offer({}))
    assert call.verb == "download_splits"
    assert "from laion_fmri.splits import download_splits" in python_code([call], settings)


def test_published_splits_are_planned_without_a_bucket(settings, bucket_dir):
    made = calls(Request((), (), (SPLITS,)), Offer({}))
    plan = make_request_plan(made, settings, DirectoryBucket(bucket_dir))
    assert len(plan.files) == 72


def test_single_files(settings, bucket_dir):
    keys = (layout.trials("sub-01", "ses-01"), "README")
    made, plan = plan_of(Request(files=keys), settings, bucket_dir)
    assert [f.key for f in plan.files] == list(keys)
    assert "download_files(" in python_code(made, settings)
    assert "laion-fmri download-files" in shell_code(made, settings)


def test_subjects_with_other_sessions_are_asked_for_apart():
    offer = offer_of(sub_01=("ses-01", "ses-02"), sub_03=("ses-01",))
    request = Request(("sub-01", "sub-03"), ("ses-02",), ("Betas", "ROIs"))
    made = [
        (c.arguments["subject"], c.arguments.get("ses"), c.arguments["suffix"])
        for c in calls(request, offer)
    ]
    assert made == [("sub-01", "ses-02", ["statmap", "mask"]), ("sub-03", None, "mask")]


def test_everything_of_everyone_is_one_call():
    request = Request(SUBJECTS, (*SESSIONS, AVERAGES), tuple(GROUPS[RESPONSES]))
    (call,) = calls(request, SERVED)
    assert call.arguments["subject"] == "all"
    assert "ses" not in call.arguments


MANY_FILES = tuple(
    key
    for sub in SUBJECTS
    for ses in SESSIONS
    for key in (
        layout.trials(sub, ses),
        layout.session_noise_ceiling(sub, ses),
        layout.session_func(sub, ses, "space-T1w_desc-HRFindex_dseg.nii.gz"),
        layout.session_func(sub, ses, "space-T1w_desc-Fracridge_statmap.nii.gz"),
        layout.session_func(sub, ses, "space-T1w_desc-HRFindex_dseg.json"),
    )
)

REQUESTS = [
    Request(("sub-01",), ("ses-01",), ("Betas",)),
    Request(("sub-01", "sub-03"), ("ses-02", AVERAGES), ("Trial tables", "Noise ceilings")),
    Request(SUBJECTS, (*SESSIONS, "ses-Anat", AVERAGES), EVERYTHING),
    Request(("sub-05",), (), ("FreeSurfer recon", "ROIs")),
    Request(("sub-07",), (), ("Anatomy (T1w, T2w, brain mask)",)),
    Request((), (), ("CLIP embeddings", "SigLIP2 embeddings", "Segmentations", "Captions")),
    Request((), (), (IMAGES,)),
    Request(("sub-01", "sub-03"), ("ses-02",), (RAW, LOCALIZERS, "Anatomy (T1w, T2w, brain mask)")),
    Request((), (), ("Captions",), ("README", layout.trials("sub-01", "ses-01"))),
    Request(files=MANY_FILES),
]


def save_list(made, settings, monkeypatch):
    """Save the list that code with many files reads, as the page offers."""
    folder = settings.data_dir.parent
    (folder / LIST_FILE).write_text("".join(f"{key}\n" for key in listed_keys(made)))
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_the_python_is_true(settings, bucket_dir, request_, monkeypatch):
    made, plan = plan_of(request_, settings, bucket_dir)
    code = python_code(made, settings)
    for name in ENVIRONMENT.values():
        monkeypatch.setenv(name, "")  # so that what the code sets is undone
    save_list(made, settings, monkeypatch)
    with contextlib.redirect_stderr(io.StringIO()):
        exec(code, {})
    here = {p for p in settings.data_dir.rglob("*") if p.is_file() and ".laion_fmri" not in p.parts}
    assert here == {f.path for f in plan.files}


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_the_shell_commands_are_true(settings, bucket_dir, request_, monkeypatch, capsys):
    made, plan = plan_of(request_, settings, bucket_dir)
    save_list(made, settings, monkeypatch)
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
    offer = Offer(dict.fromkeys((*request.subjects, "sub-03"), SubjectOffer()))
    made = calls(request, offer)
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
        (Request((), (), (), ("README",)), ""),
        (Request(("sub-01",), (), (RAW,)), f"Choose a session for: {RAW}."),
        (Request(("sub-01",), (), (LOCALIZERS,)), ""),
    ],
)
def test_advice(request_, advice):
    assert request_.advice() == advice


def test_a_title_says_what_in_one_line():
    many = tuple(f"ses-{n:02d}" for n in range(1, 31))
    title = Request(("sub-01",), many, ("Betas", "Captions")).title()
    assert title == "sub-01 · ses-01 to ses-30 · Betas, Captions"
    assert (
        Request(("sub-01",), (AVERAGES,), ("ROIs",), ("a", "b"))
        .title()
        .endswith("ROIs · 2 chosen files")
    )
    assert Request((), (), ("Captions",)).title() == "Captions"


def test_hostile_keys_are_quoted():
    keys = ("$(touch x)", "a b\nc", "' --json", "--quiet", '"); import os; ("')
    made = calls(Request(files=keys), Offer({}))
    settings = load_settings()
    compile(python_code(made, settings), "code", "exec")
    (line,) = [
        x
        for x in shlex.split(shell_code(made, settings).replace("\\\n", ""), posix=True)
        if x == "--"
    ]
    assert line == "--"
    assert shlex.split(shell_code(made, settings).replace("\\\n", ""))[-len(keys) :] == list(keys)


def test_sessions_in_ranges():
    assert in_ranges(()) == []
    assert in_ranges(("ses-01", "ses-02")) == ["ses-01", "ses-02"]
    assert in_ranges(("ses-09", "ses-10", "ses-11", "averages")) == ["ses-09 to ses-11", "averages"]
