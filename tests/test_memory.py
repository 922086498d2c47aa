"""Room for large arrays: as numpy's own, whatever its size."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from laion_fmri.memory import empty

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
