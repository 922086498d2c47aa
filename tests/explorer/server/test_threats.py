"""The list of threats names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
ROOT = TESTS.parent
LIST = (ROOT / "docs" / "explanation" / "threats.md").read_text(encoding="utf-8")
ROWS = [line.split("|") for line in LIST.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1].strip()[:40])
def test_each_threat_has_tests_that_exist(row: list[str]):
    named = re.findall(r"`([\w/]+\.py)`(?::((?:\s*,?\s*`[\w ]+…?`)+))?", row[3])
    assert named
    for file, parts in named:
        (path,) = TESTS.rglob(file)
        tests = re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
        for part in re.findall(r"`(\w+)…?`", parts or ""):
            assert any(part in name for name in tests), (file, part)


def test_every_threat_is_listed_once():
    names = [row[1].strip() for row in ROWS]
    assert len(names) >= 15 and len(set(names)) == len(names)
