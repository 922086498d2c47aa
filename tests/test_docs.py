"""The documentation tells of everything there is, and builds without a warning."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import laion_fmri
from laion_fmri.cli import build_parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WITH_A_PAGE = ("laion_fmri.access", "laion_fmri.explorer", "laion_fmri.splits")
LONGEST_BUILD = 300  # seconds, on a busy machine


def pages(folder: str) -> dict[str, str]:
    """The text of every page of a part, by its name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / folder).glob("*.md")}


def listed_in_toctree(folder: str) -> set[str]:
    index = pages(folder)["index"]
    (inside,) = re.findall(r"```\{toctree\}\n(.+?)```", index, flags=re.DOTALL)
    return {line for line in inside.split("\n") if line and not line.startswith(":")}


def parser_of_commands():
    """The subparsers of the commands, by name."""
    (action,) = (a for a in build_parser()._actions if hasattr(a, "choices") and a.choices)
    return action.choices


# --- what is told -------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["howto", "explanation", "reference"])
def test_every_page_is_in_the_contents(folder: str):
    assert listed_in_toctree(folder) == set(pages(folder)) - {"index"}


def test_every_notebook_is_a_tutorial():
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks and listed_in_toctree("tutorials") == notebooks


def test_every_command_is_described():
    text = pages("reference")["commands"]
    described = set(re.findall(r"`([a-z-]+)`(?=[^|\n]*\|[^|]+\|$)", text, flags=re.MULTILINE))
    assert set(parser_of_commands()) <= described


def test_commands_that_are_shown_are_commands():
    parser = build_parser()
    for folder in ("", "howto", "explanation", "reference"):
        for name, text in pages(folder).items():
            for block in re.findall(r"```sh\n(.+?)```", text, flags=re.DOTALL):
                lines = block.replace("\\\n", "").replace(" … ", " ").split("\n")
                shown = [re.search(r"^(?:\w+=\S+ )*laion-fmri ([^#>]+)", line) for line in lines]
                for command in filter(None, shown):
                    try:
                        parser.parse_args(command[1].split())
                    except SystemExit:
                        pytest.fail(f"{name}.md: laion-fmri {command[1]}")


def test_every_option_of_the_explorer_is_named():
    explore = parser_of_commands()["explore"]
    options = {o for action in explore._actions for o in action.option_strings} - {"-h", "--help"}
    text = pages("reference")["commands"]
    assert [option for option in sorted(options) if f"`{option}" not in text] == []


def test_every_setting_is_described():
    from laion_fmri.config import ENVIRONMENT

    text = pages("reference")["settings"]
    named = {*ENVIRONMENT.values(), "LAION_FMRI_REQUEST_ID"}
    assert [name for name in sorted(named) if name not in text] == []


@pytest.mark.parametrize("module", WITH_A_PAGE)
def test_every_public_name_is_on_the_page_of_its_module(module: str):
    text = pages("reference")[module.rpartition(".")[2]]
    described = set(re.findall(r"^\.\. auto(?:function|class):: (\w+)$", text, flags=re.MULTILINE))
    public = importlib.import_module(module).__all__
    assert {name for name in public if not name.isupper()} == described


def test_every_name_of_the_package_is_in_the_reference():
    text = pages("reference")["python"]
    modules = {*re.findall(r"^   (laion_fmri[\w.]+)$", text, flags=re.MULTILINE), *WITH_A_PAGE}
    linked = dict(re.findall(r"\{py:obj\}`(\w+) <([\w.]+)>`", text))
    errors = {name for name in laion_fmri.__all__ if name.endswith("Error")}
    assert all(hasattr(laion_fmri._errors, name) for name in errors)
    public = {name for name in laion_fmri.__all__ if not name.startswith("__")} - errors
    assert set(linked) - {"download"} == public  # which is in the module of that name
    for name, target in linked.items():
        module = target.rpartition(".")[0]
        assert module in modules, target
        assert callable(getattr(importlib.import_module(module), name))


def test_pictures_that_are_shown_are_there():
    shown = {
        (path.parent / found).resolve()
        for path in DOCS.rglob("*.md")
        if "_build" not in path.parts
        for found in re.findall(
            r"(?:!\[[^\]]*\]\(|```\{image\} )([^)\s]+)", path.read_text(encoding="utf-8")
        )
    }
    assert shown
    assert {path for path in shown if not path.is_file()} == set()
    assert {path.name for path in (DOCS / "images").iterdir()} == {path.name for path in shown}


# --- that it builds -----------------------------------------------------------------------


@pytest.fixture
def copied_docs(tmp_path: Path) -> Path:
    """A copy of what the documentation is made of, without what was made of it before."""
    made = shutil.ignore_patterns("_build", "generated", "*.ipynb", "__pycache__")
    shutil.copytree(DOCS, tmp_path / "docs", ignore=made)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    return tmp_path / "docs"


def test_it_builds_without_a_warning(copied_docs: Path, tmp_path: Path):
    """Notebooks have tests of their own, so they are not run here."""
    for name in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme"):
        pytest.importorskip(name, reason="The extra docs is not installed")
    command = [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going"]
    options = ["-D", "nb_execution_mode=off", "-d", tmp_path / "doctrees"]
    built = subprocess.run(
        [*command, *options, copied_docs, tmp_path / "html"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=LONGEST_BUILD,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    from sphinx.util.inventory import InventoryFile

    found = InventoryFile.loads((tmp_path / "html" / "objects.inv").read_bytes(), uri="")
    known = {name for kind, names in found.data.items() if kind.startswith("py:") for name in names}
    text = "".join(pages("reference").values())
    targets = set(re.findall(r"\{py:obj\}`\w+ <([\w.]+)>`", text))
    assert targets and targets - known == set()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/explanation/architecture.md"])
def test_the_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.(?:py|js))`", text))
    missing = {name for name in named if not (ROOT / "src" / "laion_fmri" / name).is_file()}
    assert named and not missing
