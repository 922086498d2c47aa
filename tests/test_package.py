"""What is built from the repository holds what it must, and works where it is installed."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from laion_fmri import __version__

ROOT = Path(__file__).parents[1]
PACKAGE = "laion_fmri"
PYTHONS = ("3.11", "3.12", "3.13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE")
NOT_SOURCE = ("__pycache__", "*.egg-info", ".*_cache", "*.pyc")
ONLY_IN_EXTRAS = (
    "bokeh", "colorcet", "holoviews", "jupyter_bokeh", "matplotlib", "nilearn", "panel",
    "panel_material_ui", "param", "scipy", "sklearn", "torch",
)  # fmt: skip

WITHOUT_EXTRAS = f"""
import sys

for name in {ONLY_IN_EXTRAS}:
    sys.modules[name] = None  # as if it were not installed

import laion_fmri
from laion_fmri._errors import MissingDependencyError
from laion_fmri.splits import evaluate, get_split_masks, make_split

sub = laion_fmri.load_subject("sub-01", data_dir=sys.argv[1])
trials = sub.metadata
betas = sub.get_betas(session="ses-01", roi="face")
train, test = get_split_masks(trials, "random_0", data_dir=sys.argv[1])
assert sub.images.get(0).size and sub.captions.list(int(trials.index[train][0]))
assert evaluate("random_0", sub, "face", pool="sub-01").table["n_voxels"].all()
try:
    make_split("mine", pool="sub-01", save=False, data_dir=sys.argv[1])
except MissingDependencyError as error:
    assert "[splits]" in str(error)
else:
    sys.exit("scikit-learn was found")
print(laion_fmri.__file__, *betas.shape)
"""


def python(*command: str | os.PathLike[str], **options) -> str:
    """What a Python printed that sees no setting and no path of this one."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(kind: str, source: Path, target: Path) -> Path:
    """Have setuptools build a "wheel" or "sdist" of the project in `source`; its path."""
    target.mkdir(exist_ok=True)
    code = f"import sys, setuptools.build_meta as b; b.build_{kind}(sys.argv[1])"
    python(sys.executable, "-c", code, target, cwd=source)
    (built,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def source_files() -> set[str]:
    folder = ROOT / "src" / PACKAGE
    found = (path.relative_to(folder.parent) for path in folder.rglob("*") if path.is_file())
    hidden = re.compile(r"(^|/)(__pycache__|\.[^/]+)(/|$)")
    return {path.as_posix() for path in found if not hidden.search(path.as_posix())}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    project = folder / "project"
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, project)
    return build("sdist", project, folder / "sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made from the sdist, so that it must be complete."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return build("wheel", project, folder / "dist")


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel in it, and none of what it depends on."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    venv.create(folder, symlinks=os.name != "nt")
    binary = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    python(sys.executable, "-m", "pip", "--python", binary, "install", *options, wheel)
    return binary


# --- what is in it ------------------------------------------------------------------------


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == source_files()
    kinds = {name.rpartition(".")[2] for name in names}
    assert {"py", "typed", "js", "css", "html", "json", "txt"} == kinds
    assert any(re.search(r"static/three-[\d.]+\.min\.js", name) for name in names)


def test_the_sdist_holds_what_is_needed_to_build(sdist: Path):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*BUILT_FROM, *(f"src/{name}" for name in source_files())} <= names
    assert not any(name.startswith("tests") for name in names)


def test_the_metadata_say_what_it_is(metadata: Message):
    assert metadata["Name"] == "laion-fmri-explorer"
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "BSD-3-Clause AND MIT"
    assert len(metadata.get_all("License-File")) == 2
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    said = metadata.get_all("Classifier")
    assert all(f"Programming Language :: Python :: {version}" in said for version in PYTHONS)
    assert all(version in SpecifierSet(metadata["Requires-Python"]) for version in PYTHONS)
    assert metadata.get_payload().startswith("![")


def test_what_the_explorer_needs_is_asked_for_by_its_extra_alone(metadata: Message):
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    core = {r.name.lower().replace("-", "_") for r in wanted if r.marker is None}
    assert core and core.isdisjoint({*ONLY_IN_EXTRAS, "scikit_learn"})


def test_the_citation_has_the_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^cff-version: 1\.2\.0$", text, flags=re.MULTILINE)
    assert re.search(rf"^version: {re.escape(__version__)}$", text, flags=re.MULTILINE)


# --- where it is installed ----------------------------------------------------------------


def test_both_ways_to_the_command(installed: Path, tmp_path: Path):
    command = installed.with_name("laion-fmri")
    for version in (
        python(command, "--version", cwd=tmp_path),
        python(installed, "-I", "-m", PACKAGE, "--version", cwd=tmp_path),
    ):
        assert version == f"laion-fmri {__version__}\n"
    assert "explore" in python(command, "--help", cwd=tmp_path)


def test_importing_needs_nothing_that_is_not_in_python(installed: Path, tmp_path: Path):
    code = "import laion_fmri; print(*laion_fmri.__all__)"
    assert "load_subject" in python(installed, "-I", "-c", code, cwd=tmp_path).split()


def test_the_library_needs_no_extra(installed: Path, tiny_home, tmp_path: Path):
    site = {"base": str(installed.parents[1]), "platbase": str(installed.parents[1])}
    there = Path(sysconfig.get_path("purelib", "venv", vars=site))
    beside = there / "dependencies.pth"
    beside.write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    try:
        shown = python(installed, "-I", "-c", WITHOUT_EXTRAS, tiny_home.data_dir, cwd=tmp_path)
    finally:
        beside.unlink()
    assert Path(shown.split()[0]).is_relative_to(there)
