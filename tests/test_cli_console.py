"""Whatever the output is, no command ends in a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from laion_fmri.cli import main
from laion_fmri.cli.console import give_up
from laion_fmri.config import config_file
from laion_fmri.progress import progress_bar

CYRILLIC = "Иван"
FULL = "/dev/full"
SINKS = ["pipe", "nothing", *([FULL] if Path(FULL).exists() else [])]


@pytest.fixture
def commands(tiny_home, tmp_path, monkeypatch):
    """One of each kind; names that most encodings lack are among their output."""
    folder = tmp_path / f"{CYRILLIC} \udcff"
    try:
        folder.mkdir()
    except (OSError, UnicodeError):  # a system whose names are text
        folder = tmp_path / CYRILLIC
        folder.mkdir()
    monkeypatch.setenv("LAION_FMRI_BUCKET", tiny_home.bucket_dir.as_uri())
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(folder))
    return {
        (): 0,
        ("--help",): 0,
        ("--version",): 0,
        ("download", "--help"): 0,
        ("download",): 2,
        ("config",): 0,
        ("config", "--json"): 0,
        ("info",): 0,
        ("info", "--files"): 0,
        ("info", "--subject", "sub-99"): 1,
        ("download", "--subject", "03", "--ses", "01", "--dry-run"): 0,
        ("download-captions",): 1,
        ("download-captions", "--accept-license"): 0,
        ("download-stimuli",): 1,
        ("verify",): 0,
        ("store", "list"): 0,
        ("logout",): 0,
        ("login",): 1,
    }


def status_of(command):
    try:
        return main([*command])
    except SystemExit as over:
        return over.code


@contextmanager
def written_to(sink):
    """A stream to a sink; at the end it is closed, as a program's end does."""
    if sink == "nothing":
        yield None
        return
    reading, writing = os.pipe()
    os.close(reading)
    with Path(FULL).open("w") if sink == FULL else os.fdopen(writing, "w") as stream:
        yield stream
    if sink == FULL:
        os.close(writing)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "utf-8"])
def test_encodings_that_lack_characters(commands, monkeypatch, encoding):
    for command, status in commands.items():
        for name in ("stdout", "stderr"):
            wrapped = io.TextIOWrapper(io.BytesIO(), encoding=encoding)  # strict, as at first
            monkeypatch.setattr(sys, name, wrapped)
        assert status_of(command) == status, command
        sys.stderr.flush()
        out, err = (s.buffer.getvalue().decode(encoding) for s in (sys.stdout, sys.stderr))
        assert out or err, command
        if command == ("config",):
            assert ("И" in out) == (encoding == "utf-8")
            assert ("\\u0418\\u0432" in out) == (encoding != "utf-8")


@pytest.mark.parametrize("sink", SINKS)
def test_output_that_nobody_takes(commands, monkeypatch, capsys, sink):
    for command, status in commands.items():
        with written_to(sink) as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            found = status_of(command)
        said = capsys.readouterr().err
        if sink == FULL and not status:  # a full disk is a failure, a reader who has gone is none
            assert found == 1, command
            assert "the output cannot be written" in said.splitlines()[-1]
        else:
            assert found == status, command


@pytest.mark.parametrize("sink", SINKS)
def test_messages_and_bars_that_nobody_takes_change_nothing(commands, monkeypatch, sink):
    for command, status in commands.items():
        with written_to(sink) as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            assert status_of(command) == status, command
            with progress_bar(total=3, desc="…") as bar:
                bar.update(3)
            if stream is not None:
                give_up(stream)


def test_a_failure_is_a_failure_whoever_reads(tiny_home, tmp_path, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_BUCKET", tiny_home.bucket_dir.as_uri())
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tmp_path))
    assert main(["download-captions", "--accept-license", "--quiet"]) == 0
    denied = [*tiny_home.bucket_dir.glob("stimuli/task-images_stimuli.h5")]
    key = denied[0].relative_to(tiny_home.bucket_dir).as_posix()
    with written_to("pipe") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["download-files", key, "--json", "--quiet"]) == 1


@pytest.mark.skipif(FULL not in SINKS, reason="needs /dev/full")
def test_the_end_of_the_program_fails_no_more(tiny_home, tmp_path):
    """Python flushes once more at its end, and says so where that fails."""
    env = {**os.environ, "LAION_FMRI_BUCKET": tiny_home.bucket_dir.as_uri()}
    env.pop("PYTHONUNBUFFERED", None)  # argparse would hide what fails at once
    program = [sys.executable, "-m", "laion_fmri"]
    for command, sink, status in (
        (["info", "--files"], FULL, 1),
        (["--help"], FULL, 1),
        (["info", "--files"], "pipe", 0),
    ):
        with written_to(sink) as out:
            done = subprocess.run(
                [*program, *command], env=env, stdout=out, stderr=subprocess.PIPE, check=False
            )
        said = done.stderr.decode()
        assert done.returncode == status
        assert "Traceback" not in said and "Exception ignored" not in said
        assert len(said.splitlines()) == status
    for arguments, status in (
        ("config >&- 2>&-", 0),
        (f"info --subject sub-99 2>{FULL}", 1),
        (f"nonsense >{FULL} 2>{FULL}", 2),
    ):
        shell = f"{sys.executable} -m laion_fmri {arguments}"
        assert subprocess.run(shell, shell=True, env=env, check=False).returncode == status


def test_the_config_file_may_say_anything(capsys):
    config_file().parent.mkdir(parents=True)
    config_file().write_text(json.dumps({"data_dir": f"/{CYRILLIC}/\udcff"}))
    assert main(["config"]) == 0
