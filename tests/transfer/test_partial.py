"""A file that is not whole yet."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.transfer.partial import PartialFile, PartialFileBusyError, bytes_in, partial_path

SEGMENT = 10


@pytest.fixture
def path(tmp_path):
    return partial_path(tmp_path / "file", "v1")


def filled(partial: PartialFile, data: bytes) -> None:
    for segment in partial.missing():
        partial.write(segment, data[segment.position : segment.stop])


@given(size=st.integers(0, 60), steps=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 7))))
def test_whatever_is_written_is_gone_on_with(tmp_path_factory, size, steps):
    """Written in any order, closed at any moment, opened again: every byte in its place."""
    folder = tmp_path_factory.mktemp("any")
    path, target = folder / ".file.part", folder / "file"
    data = os.urandom(size)
    n_written = 0
    for number, n_bytes in steps:
        partial = PartialFile(path, size, SEGMENT)
        assert partial.n_bytes == n_written
        if missing := partial.missing():
            segment = missing[number % len(missing)]
            stop = min(segment.position + n_bytes, segment.stop)
            chunk = data[segment.position : stop]
            partial.write(segment, chunk)
            n_written += len(chunk)
        partial.close()
        assert bytes_in(path, size) == n_written
    partial = PartialFile(path, size, SEGMENT)
    filled(partial, data)
    assert partial.is_whole
    partial.complete(target)
    assert target.read_bytes() == data
    assert not path.exists()


def test_a_file_that_was_begun_in_order_goes_on_in_segments(path, tmp_path):
    path.write_bytes(b"0123456789abc")
    partial = PartialFile(path, 30, SEGMENT)
    assert [(s.position, s.stop) for s in partial.missing()] == [(13, 20), (20, 30)]
    filled(partial, b"0123456789abcdefghijklmnopqrst")
    partial.complete(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"0123456789abcdefghijklmnopqrst"


def test_a_larger_file_than_the_object_starts_over(path):
    path.write_bytes(b"0" * 99)
    partial = PartialFile(path, 30, 100)
    assert partial.n_bytes == 0
    partial.close()
    assert path.stat().st_size == 0


@pytest.mark.parametrize("at", [0, 8, 16, 24, 30])
def test_a_damaged_table_is_not_believed(path, at):
    partial = PartialFile(path, 30, SEGMENT)
    filled(partial, b"x" * 30)
    partial.close()
    table = bytearray(path.read_bytes())
    table[30 + at : 30 + at + 8] = b"\xff" * 8
    path.write_bytes(table)
    assert bytes_in(path, 30) in (0, 30)  # 30: the damage is in what only says that all is settled
    path.write_bytes(table[:40])
    assert bytes_in(path, 30) == 0


def test_only_one_writes(path):
    first = PartialFile(path, 30, SEGMENT)
    with pytest.raises(PartialFileBusyError):
        PartialFile(path, 30, SEGMENT)
    first.close()
    PartialFile(path, 30, SEGMENT).close()


def test_who_waited_for_a_file_that_was_completed_begins_anew(path, tmp_path):
    first = PartialFile(path, 3, SEGMENT)
    first.write(first.segments[0], b"abc")
    first.complete(tmp_path / "file")
    second = PartialFile(path, 3, SEGMENT)
    assert second.n_bytes == 0
    second.discard()
    assert (tmp_path / "file").read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_settling_leaves_no_empty_file(path, tmp_path):
    PartialFile(path, 30, SEGMENT).settle()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no boot time here")
@pytest.mark.parametrize("size", [8, 30])
def test_what_a_power_cut_may_have_left_is_not_believed(path, size):
    partial = PartialFile(path, size, SEGMENT)
    partial.write(partial.segments[0], b"12345")
    partial.close()
    assert bytes_in(path, size) == 5
    os.utime(path, (0, 0))  # long before this machine was started
    assert bytes_in(path, size) == 0


def test_what_was_flushed_outlives_the_machine(path):
    partial = PartialFile(path, 30, SEGMENT)
    partial.write(partial.segments[1], b"12345")
    partial.settle()
    os.utime(path, (0, 0))
    assert bytes_in(path, 30) == 5


def test_a_symbolic_link_is_not_followed(path, tmp_path):
    (tmp_path / "mine").write_text("years of work")
    path.symlink_to(tmp_path / "mine")
    with pytest.raises(OSError):
        PartialFile(path, 3, SEGMENT)
    assert (tmp_path / "mine").read_text() == "years of work"
