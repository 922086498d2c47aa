"""A copy of a file matches its fingerprint, a changed file does not."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.fingerprint import FileFingerprint, file_signature

CONTENT = random.Random(0).randbytes(300_000)
FILES = {"plain": CONTENT, "gzip": gzip.compress(CONTENT, 1, mtime=0), "empty": b""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fingerprint")


def test_a_signature_changes_with_the_file(tmp_path: Path):
    path, other = tmp_path / "a", tmp_path / "b"
    assert file_signature(path) == (0, 0, 0)
    path.write_bytes(b"one")
    first = file_signature(path)
    assert first == file_signature(path) and first[1] == 3
    other.write_bytes(b"two")
    os.utime(other, ns=(first[0], first[0]))
    other.replace(path)  # another file of the same size and time
    assert file_signature(path) != first


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_copy_matches_whatever_its_time(folder: Path, content: bytes):
    path, copy = folder / "betas", folder / "copy" / "betas"
    copy.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    copy.write_bytes(content)
    os.utime(copy, ns=(1, 1))
    then = FileFingerprint.of(path)
    assert then.matches(path) and then.matches(copy)
    copy.write_bytes(content + b"x")
    assert not then.matches(copy)
    copy.unlink()
    with pytest.raises(FileNotFoundError):
        then.matches(copy)


@given(place=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7), compressed=st.booleans())
def test_other_content_never_matches(folder: Path, place: int, bit: int, compressed: bool):
    changed = bytearray(CONTENT)
    changed[place] ^= 1 << bit
    path = folder / "data"
    for content in (CONTENT, bytes(changed)):
        path.write_bytes(gzip.compress(content, 1, mtime=0) if compressed else content)
        os.utime(path, ns=(len(content), place if content == CONTENT else place + 1))
        if content == CONTENT:
            then = FileFingerprint.of(path)
    assert not then.matches(path)
