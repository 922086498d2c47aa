"""What the repository promises about itself."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import urlparse

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from laion_fmri import __version__

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

KNOWN_HOSTS = {
    "laion-fmri.hebartlab.com",  # the access service
    "raw.githubusercontent.com",  # where the published splits are
    "github.com",  # whose code this contains or reads
    "creativecommons.org",
    "opensource.org",
    "keepachangelog.com",
    "semver.org",
    "www.w3.org",  # names of XML languages, never fetched
    "s3.amazonaws.com",  # likewise
    "example.com",
    "example.org",
    "127.0.0.1",
}
VENDORED = ("src/laion_fmri/explorer/brain/static/",)
ON_ONE_MACHINE_ONLY = re.compile(r"(?<![\w./{}$-])/(?:home|root|Users|work|workspace)/\w")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")


@cache
def tracked_text() -> dict[str, str]:
    """Every text file of the repository, by its path, without what is vendored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.split("\n") if listed.returncode == 0 else _names_below(ROOT)
    found = {}
    for name in names:
        if not name or name.startswith(VENDORED) or not (ROOT / name).is_file():
            continue
        try:
            found[name] = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def _names_below(root: Path) -> list[str]:
    """Paths of a copy without its history: folders that tools make are left out."""
    made = re.compile(r"(^|/)(\.(?!ci|gitignore)[^/]+|__pycache__|_build|build|dist)(/|$)|egg-info")
    names = (path.relative_to(root).as_posix() for path in root.rglob("*"))
    return [name for name in names if not made.search(name)]


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):.*## ", makefile, flags=re.MULTILINE))


# --- README -------------------------------------------------------------------------------


def test_readme_names_only_make_targets_that_exist():
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= make_targets()


def test_readme_opens_with_a_picture():
    opening = re.match(r"!\[.+\]\((.+)\)", README)
    assert opening and opening[1].startswith("docs/images/")


def test_readme_links_to_files_that_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if not urlparse(link).scheme]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_readme_commands_are_commands_of_the_package():
    from laion_fmri.cli import build_parser

    parser = build_parser()
    lines = re.findall(r"^(?:\.venv/bin/)?laion-fmri (.+?)\s*(?:#.*)?$", README, re.MULTILINE)
    assert lines
    for line in lines:
        parser.parse_args(line.split())


def test_readme_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", "")  # so that what the example sets is undone
    (code,) = re.findall(r"```python\n(.+?)```", README, flags=re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    runpy.run_path(str(script))
    assert re.match(r"\(\d+, \d+\) \(\d+, \d+\)\n\['", capsys.readouterr().out)


# --- make and continuous integration ------------------------------------------------------


def test_make_help_lists_the_targets():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"demo", "test", "check", "bench", "docs"} <= make_targets()
    assert [t for t in make_targets() if f"make {t} " not in shown.stdout] == []


def test_continuous_integration_runs_the_test_command_of_the_readme():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    run = re.findall(r"^make (.+)$", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert run == [".venv/.explorer", "test"]


def test_make_test_installs_what_the_tests_need():
    """PyTorch is in none of these extras, since it may take gigabytes."""
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", "test"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"pip install .*\[explorer,docs,test\].* torch==", shown)
    assert "tools/find_chromium" in shown


# --- checks of the code -------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"]], ids=" ".join
)
def test_the_code_passes_a_check(command: list[str]):
    program = Path(sys.executable).with_name(command[0])
    checked = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_old_python_is_named_in_one_line(tmp_path: Path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    nobody = tmp_path / "id"
    nobody.write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    for script in (old, nobody):
        script.chmod(0o755)
    found = subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "find_python")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1 and found.stdout == ""
    assert found.stderr.count("\n") == 1 and "Python 3.11 or newer" in found.stderr


# --- imports ------------------------------------------------------------------------------


def lint_imports(root: Path) -> subprocess.CompletedProcess:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copied_source(tmp_path: Path) -> Path:
    """A copy of the package's Python files and of pyproject.toml, to break."""
    only_python = shutil.ignore_patterns("__pycache__", "static", "*.js", "*.css")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=only_python)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_import_contracts_are_kept(copied_source: Path):
    checked = lint_imports(copied_source)
    assert checked.returncode == 0, checked.stdout


def test_import_contracts_notice_what_breaks_them(copied_source: Path):
    broken = {
        "volumes.masks": "import panel",
        "demo.write": "from bokeh.models import ColumnDataSource",
        "subject.rois": "from laion_fmri.explorer import state",
        "layout": "from laion_fmri.subject import Subject",
    }
    for module, line in broken.items():
        path = (copied_source / "src" / "laion_fmri" / module.replace(".", "/")).with_suffix(".py")
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    checked = lint_imports(copied_source)
    assert checked.returncode == 1
    told = re.findall(r"laion_fmri\.(\S+) -> (\S+) \(l\.", checked.stdout)
    imported = ("panel", "bokeh", "laion_fmri.explorer.state", "laion_fmri.subject")
    assert {*zip(broken, imported, strict=True)} <= {*told}


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"numpy", "pandas", "nibabel", "h5py", "nilearn", "boto3", "httpx", "PIL", "panel"}
    code = "import sys, laion_fmri; print(*{name.split('.')[0] for name in sys.modules})"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert heavy.isdisjoint(shown.split())


# --- what files say -----------------------------------------------------------------------


def test_the_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", __version__)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert __version__ in changelog


def test_requirements_have_lower_bounds_and_no_upper_ones():
    extras = PROJECT["optional-dependencies"]
    assert {"explorer", "template", "torch", "test", "docs"} <= set(extras)
    listed = [Requirement(r) for r in sum(extras.values(), PROJECT["dependencies"])]
    for requirement in listed:
        others = [s for s in requirement.specifier if s.operator != ">="]
        assert len(others) < len(requirement.specifier), requirement
        # A bad version may be left out; "!=2.*" would be an upper bound by another name.
        assert all(s.operator == "!=" and "*" not in s.version for s in others), requirement
    assert "3.11" in SpecifierSet(PROJECT["requires-python"])


def test_files_name_no_unknown_host():
    unknown = {
        (name, host)
        for name, text in tracked_text().items()
        for host in re.findall(r"(?:https?|wss?)://([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)", text)
        if host not in KNOWN_HOSTS and not host.endswith((".example.com", ".example.org"))
    }
    assert unknown == set()


def test_files_name_no_path_of_one_machine():
    found = {name for name, text in tracked_text().items() if ON_ONE_MACHINE_ONLY.search(text)}
    assert found == set()


def test_files_have_nothing_left_to_be_done():
    found = {name for name, text in tracked_text().items() if UNFINISHED.search(text)}
    assert found == set()


def test_vendored_code_comes_with_its_licence():
    vendored = [path for folder in VENDORED for path in (ROOT / folder).glob("*.js")]
    assert vendored
    for path in vendored:
        assert path.with_name(path.name.replace(".min.js", ".LICENSE.txt")).is_file()
