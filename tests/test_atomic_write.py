"""Files are complete or absent."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from laion_fmri.atomic_write import (
    atomic_file,
    atomic_folder,
    atomic_path,
    partial_files,
    remove,
    write_atomically,
)


def names_in(folder):
    return [p.name for p in folder.iterdir()]


def test_it_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    with atomic_file(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    assert names_in(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    with pytest.raises(error), atomic_file(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"before"
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_private_file_is_its_owners_and_others_follow_the_umask(tmp_path):
    private, shared = tmp_path / "a.json", tmp_path / "b.json"
    before = os.umask(0o022)
    try:
        write_atomically(private, "é", private=True)
        write_atomically(shared, "é")
    finally:
        os.umask(before)
    assert private.read_bytes() == shared.read_bytes() == "é".encode()
    assert private.stat().st_mode & 0o777 == 0o600
    assert shared.stat().st_mode & 0o777 == 0o644


def test_a_temporary_path_has_the_ending_of_the_file(tmp_path):
    path = tmp_path / "map.nii.gz"
    with atomic_path(path) as temporary:
        assert temporary.name.endswith(".nii.gz") and temporary.parent == tmp_path
        assert not temporary.exists()
        temporary.write_bytes(b"one")
        assert partial_files(path) == [temporary]
    assert path.read_bytes() == b"one"
    assert partial_files(path) == []


def test_an_existing_file_stays_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "split.json"
    for text in ("one", "two"):
        try:
            with atomic_path(path, replace=False) as temporary:
                temporary.write_text(text)
        except FileExistsError:
            assert text == "two"
    assert path.read_text() == "one"
    assert names_in(tmp_path) == ["split.json"]


def test_without_hard_links_an_existing_file_stays_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no hard links")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "split.json"
    with atomic_path(path, replace=False) as temporary:
        temporary.write_text("one")
    with pytest.raises(FileExistsError), atomic_path(path, replace=False) as temporary:
        temporary.write_text("two")
    assert path.read_text() == "one"
    assert names_in(tmp_path) == ["split.json"]


def test_a_folder_appears_when_it_is_whole_and_replaces_another(tmp_path):
    path = tmp_path / "a.zarr"
    for content in (b"one", b"two"):
        with atomic_folder(path) as temporary:
            assert partial_files(path) == [temporary]
            (temporary / "part").mkdir()
            (temporary / "part" / "file").write_bytes(content)
        assert (path / "part" / "file").read_bytes() == content
        assert names_in(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize("before", ["file", "folder"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_folder_that_was_there(tmp_path, before, error):
    path = tmp_path / "a.zarr"
    if before == "file":
        path.write_bytes(b"before")
    else:
        path.mkdir()
    with pytest.raises(error), atomic_folder(path) as temporary:
        (temporary / "half").write_bytes(b"half")
        raise error
    assert names_in(tmp_path) == ["a.zarr"]
    assert path.is_file() == (before == "file")
    with atomic_folder(path) as temporary:
        (temporary / "whole").write_bytes(b"whole")
    assert names_in(path) == ["whole"]


def test_folders_that_are_written_at_once(tmp_path):
    path = tmp_path / "a.zarr"

    def write(number: int) -> None:
        with atomic_folder(path) as temporary:
            (temporary / str(number)).write_bytes(b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(100)))
    assert names_in(tmp_path) == ["a.zarr"]
    assert len(names_in(path)) == 1


def test_removing_what_is_there_and_what_is_not(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"")
    for name in ("folder", "file", "none"):
        remove(tmp_path / name)
    assert names_in(tmp_path) == []
