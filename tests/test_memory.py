"""Room for large arrays: as numpy's own, whatever its size."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from laion_fmri import memory
from laion_fmri.memory import empty, size_in_memory

PER_ENTRY = 1 << 10  # bytes that an estimate may add to a value

SMALL, LARGE = (3, 5), (40, 1_000_000)  # 60 bytes, 160 MB


@pytest.mark.parametrize("shape", [(0, 4), SMALL, LARGE])
@pytest.mark.parametrize("dtype", [np.float32, np.dtype(">i2")])
def test_it_is_an_array_to_write_to(shape, dtype):
    out = empty(shape, dtype)
    assert (out.shape, out.dtype) == (shape, np.dtype(dtype))
    assert out.flags.c_contiguous and out.flags.writeable and out.flags.aligned
    out[:1] = 7
    assert (out[:1] == 7).all()


def test_a_large_one_can_be_kept_and_sent():
    out = empty(LARGE, np.float32)
    out[:] = 0
    out[3, 4] = np.nan
    view = out[3:]
    again = pickle.loads(pickle.dumps(view[:1, :10]))
    del out
    assert np.isnan(view[0, 4]) and np.isnan(again[0, 4])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_writes_to_a_copy_of_its_own():
    out = empty(LARGE, np.float32)
    out[0] = 1
    child = os.fork()
    if not child:
        out[0] = 2
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (out[0] == 1).all()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_is_given_back():
    def resident() -> int:
        n_pages = Path("/proc/self/statm").read_text().split()[1]
        return int(n_pages) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    out = empty(LARGE, np.float32)
    out[:] = 1
    assert resident() - before > 0.9 * out.nbytes
    n_bytes = out.nbytes
    del out
    assert resident() - before < 0.5 * n_bytes


def test_more_than_there_can_be_is_a_memory_error():
    for n in (1 << 50, 1 << 62):
        with pytest.raises(MemoryError):
            empty((n, 2), np.float32)


def test_what_is_free():
    free = memory.available()
    assert free > 0
    assert memory.has_room(1)
    assert not memory.has_room(1 << 60)


@pytest.mark.parametrize("version", [1, 2])
def test_room_in_control_groups(tmp_path, version):
    line, top, names = {
        1: ("5:cpu,memory:/job/step", "sys/fs/cgroup/memory",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
        2: ("0::/job/step", "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")),
    }[version]  # fmt: skip
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"1:name=systemd:/x\n{line}\n")
    limits = {"job": "1000", "job/step": "max" if version == 2 else "900"}
    for group, limit in limits.items():
        folder = tmp_path / top / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in zip(names, (limit, "700", None), strict=True):
            if text:
                (folder / name).write_text(f"{text}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file 5\n{names[2]} 50\n")
    expected = [350] if version == 2 else [250, 350]
    assert list(memory.free_in_control_groups(tmp_path)) == expected
    assert list(memory.free_in_control_groups(tmp_path / "elsewhere")) == []


def test_sizes_are_about_right():
    array = np.zeros(1000, dtype=np.float32)
    table = pd.DataFrame({"a": np.zeros(1000)})
    assert size_in_memory(array) == 4000
    assert size_in_memory(b"12345") == 5
    assert 8000 <= size_in_memory(table) <= 9000
    assert 8000 <= size_in_memory({"left": array, "right": array}) <= 8000 + PER_ENTRY
    assert 10**6 * 5 <= size_in_memory(["12345"] * 10**6) <= 10**7

    class Holder:
        def __init__(self) -> None:
            self.parts = [array, array]

    assert 8000 <= size_in_memory(Holder()) <= 8000 + 3 * PER_ENTRY
