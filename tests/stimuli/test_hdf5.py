"""HDF5 files on disks with and without locks, and held by another process."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
from builders import LABELS, SmallData

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError, UnreadableFileError
from laion_fmri.stimuli.captions import Captions
from laion_fmri.stimuli.embeddings import load_embeddings
from laion_fmri.stimuli.hdf5 import LazyHdf5, open_for_reading
from laion_fmri.stimuli.segmentations import Segmentations

FLOCK = """
#include <errno.h>
#include <stdlib.h>
int flock(int file, int operation) { errno = atoi(getenv("FLOCK_SAYS")); return -1; }
"""
READ_ALL = """
import os, sys
from pathlib import Path
from laion_fmri import Segmentations, load_embeddings
from laion_fmri.stimuli.images import Images
root, name = Path(sys.argv[1]), sys.argv[2]
for number in sys.argv[3:]:
    os.environ["FLOCK_SAYS"] = number
    readers = [(Images(root), Segmentations(root)) for _ in range(2)]  # files are open twice
    print(load_embeddings("CLIP", root).get("CLIP", name).shape,
          *[(len(images), masks.masks([0]).shape) for images, masks in readers])
"""


@pytest.fixture
def small(tmp_path) -> SmallData:
    data = SmallData(tmp_path / "data")
    data.metadata()
    data.embeddings()
    data.images([b"a", b"b", b"c", b"d"])
    data.segmentations([(LABELS[0], "hand", 0)])
    return data


@pytest.mark.skipif(shutil.which("cc") is None, reason="makes a disk without locks with a compiler")
def test_files_are_read_on_a_disk_without_locks(small, tmp_path):
    (tmp_path / "flock.c").write_text(FLOCK)
    library = tmp_path / "flock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "flock.c"], check=True)
    answers = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EAGAIN, errno.EACCES]
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, small.path, LABELS[0], *map(str, answers)],
        env={"LD_PRELOAD": str(library), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["(8,) (4, (1, 6, 6)) (4, (1, 6, 6))"] * len(answers), (
        done.stderr
    )


def test_a_file_that_another_process_writes_is_not_called_damaged(small):
    hold = """
        import h5py, sys
        with h5py.File(sys.argv[1], "r+"):
            print("held", flush=True)
            sys.stdin.read()
    """
    path = small.at(layout.embeddings("CLIP"))
    command = [sys.executable, "-c", textwrap.dedent(hold), path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(UnreadableFileError, match=r"another process .* writing") as error:
            load_embeddings("CLIP", small.path).get("CLIP", LABELS[0])
        assert "Delete" not in str(error.value)
        assert writer.stdin is not None
        writer.stdin.close()
    assert load_embeddings("CLIP", small.path).get("CLIP", LABELS[0]).shape == (8,)


@pytest.mark.parametrize("locking", [None, False, True, "best-effort"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_file_that_is_open_in_this_process_is_opened_once_more(small, locking, mode):
    with h5py.File(small.at(layout.SEGMENTATIONS), mode, locking=locking):
        assert Segmentations(small.path).masks([0]).shape == (1, 6, 6)


def test_a_file_whose_writer_ended_too_early_is_not_called_damaged(small):
    path = small.at(layout.SEGMENTATIONS)
    write = "f = h5py.File(sys.argv[1], 'w', libver='latest'); f['x'] = 1; f.flush()"
    code = f"import h5py, os, sys; {write}; os._exit(0)"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    with pytest.raises(UnreadableFileError, match="h5clear") as error:
        Segmentations(small.path).masks([0])
    assert "Delete" not in str(error.value)


def test_what_the_system_refuses_is_not_called_damaged(small, tmp_path):
    with pytest.raises(UnreadableFileError, match="is a directory"):
        open_for_reading(tmp_path)
    path = small.at(layout.SEGMENTATIONS)
    path.unlink()
    path.mkdir()
    with pytest.raises(UnreadableFileError) as error:
        Segmentations(small.path).masks([0])
    assert "Delete" not in str(error.value)
    captions = small.at(layout.CAPTIONS)
    captions.mkdir()
    with pytest.raises(UnreadableFileError):
        Captions(small.path).human(LABELS[0])


def test_wrong_content_is_damaged(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000)
    whole = path.read_bytes()
    for content in (b"", b"junk" * 100, whole[:-50]):
        path.write_bytes(content)
        with (
            pytest.raises(DamagedFileError, match="Delete it"),
            LazyHdf5(path) as file,
            file.dataset("x", 1) as found,
        ):
            found[:]
