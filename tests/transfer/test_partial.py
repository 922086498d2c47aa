"""A file that is not whole yet."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.transfer.partial import PartialFile, PartialFileBusyError, bytes_in, partial_path
from laion_fmri.transfer_jobs.records import JobStore

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


# --- disks and systems of other kinds --------------------------------------------------------


@pytest.fixture
def windows_rule(monkeypatch):
    """No file can be renamed or deleted while this process has it open, as on Windows."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc, which tells which files are open")

    def ruled(action):
        def act(path, *rest, **options):
            open_files = {os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()}
            if os.path.realpath(path) in open_files and not str(path).endswith(".lock"):
                raise PermissionError(13, "The file is being used by another process", path)
            return action(path, *rest, **options)

        return act

    for name in ("replace", "rename", "unlink", "remove"):
        monkeypatch.setattr(os, name, ruled(getattr(os, name)))


@pytest.mark.parametrize("size", [3, 30])
def test_a_file_is_closed_before_it_is_renamed_or_deleted(windows_rule, path, tmp_path, size):
    partial = PartialFile(path, size, SEGMENT)
    for segment in partial.segments:
        partial.write(segment, bytes(segment.stop - segment.start))
    partial.complete(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == bytes(size)
    PartialFile(path, size, SEGMENT).discard()
    PartialFile(path, size, SEGMENT).settle()
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_file_whose_last_step_failed_can_be_completed_later(path, tmp_path):
    (tmp_path / "file").mkdir()  # nothing can be renamed to it
    partial = PartialFile(path, 3, SEGMENT)
    partial.write(partial.segments[0], b"abc")
    with pytest.raises(OSError):
        partial.complete(tmp_path / "file")
    partial.settle()  # as the engine does after any error
    (tmp_path / "file").rmdir()
    again = PartialFile(path, 3, SEGMENT)
    assert again.is_whole
    again.complete(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.skipif(os.name != "posix", reason="locks of other systems")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_disk_without_locks_keeps_nobody_out(monkeypatch, path, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    first = PartialFile(path, 3, SEGMENT)
    PartialFile(path, 3, SEGMENT).close()
    first.discard()


HOLD = """
import sys
from pathlib import Path
from laion_fmri.transfer_jobs.records import JobStore
from laion_fmri.transfer.partial import PartialFile

partial = PartialFile(Path(sys.argv[1]), 30, 8)
lock = JobStore(Path(sys.argv[2]))
print(lock.take(), flush=True)
sys.stdin.read()
"""


def test_locks_keep_other_processes_out_and_end_with_their_process(path, tmp_path):
    command = [sys.executable, "-c", HOLD, str(path), str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as other:
        assert other.stdout.readline() == "True\n"
        lock = JobStore(tmp_path)
        with pytest.raises(PartialFileBusyError):
            PartialFile(path, 30, SEGMENT)
        assert not lock.take()
        assert lock.owner().startswith(f"process {other.pid} on ")
        other.kill()
    PartialFile(path, 30, SEGMENT).close()
    assert lock.take()
    assert lock.take()  # again
    assert lock.owner().startswith(f"process {os.getpid()} on ")
    assert not JobStore(tmp_path).take()  # nor another queue of the same process
    lock.release()
    assert JobStore(tmp_path).take()
