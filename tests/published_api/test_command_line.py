"""The command line as people's scripts call it."""

from __future__ import annotations

import os
import sys

import pytest

from laion_fmri import layout
from laion_fmri.cli import main
from laion_fmri.config import dataset_initialize, write_config


@pytest.fixture
def here(tiny_bucket, tmp_path):
    write_config(bucket=tiny_bucket.as_uri())
    return dataset_initialize(tmp_path / "data")


def test_the_command_alone_prints_the_help(capsys):
    assert main([]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("usage: laion-fmri") and "download-embeddings" in told.out
    assert told.err == ""
    with pytest.raises(SystemExit) as over:
        main(["--help"])
    assert over.value.code == 0
    assert capsys.readouterr().out == told.out


@pytest.mark.parametrize(
    "flag, tree",
    [
        ("--include-embeddings", layout.STIMULI_TREE),
        ("--include-localizers", layout.LOCALIZERS_TREE),
        ("--include-anatomical", layout.ANATOMICAL_TREE),
        ("--include-freesurfer", layout.FREESURFER_TREE),
    ],
)
def test_download_has_a_flag_for_each_tree(here, capsys, flag, tree):
    command = ["download", "--subject", "sub-01", "--ses", "ses-01", "--dry-run"]
    assert main(command) == 0
    assert tree not in capsys.readouterr().out
    assert main([*command, flag]) == 0
    assert tree in capsys.readouterr().out


def test_embeddings_of_all_models(here):
    assert main(["download-embeddings", "--model", "all", "--accept-license", "--quiet"]) == 0
    assert all((here / layout.embeddings(model)).is_file() for model in layout.EMBEDDING_MODELS)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("typed, status", [("I AGREE", 0), ("yes", 0), ("no", 1), ("\x04", 1)])
def test_the_licence_is_asked_for_in_a_terminal(here, typed, status):
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "laion_fmri", "download-captions"])
    said = b""
    try:
        while b"I AGREE" not in said:
            said += os.read(terminal, 4096)
        os.write(terminal, typed.encode() + b"\n" * (typed != "\x04"))
        while block := os.read(terminal, 4096):
            said += block
    except OSError:  # the end, on Linux
        pass
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status, said.decode()
    assert (here / layout.CAPTIONS).is_file() == (status == 0)
    assert b"Traceback" not in said
