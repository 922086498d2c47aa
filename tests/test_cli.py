from __future__ import annotations

import json
import subprocess
import sys

import pytest

from laion_fmri import layout
from laion_fmri.cli import main


@pytest.fixture
def at(tiny_bucket, tmp_path, monkeypatch):
    """The command line on the tiny bucket, with a config file of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("DATA_DIR", "BUCKET", "ENDPOINT_URL"):
        monkeypatch.delenv(f"LAION_FMRI_{name}", raising=False)
    assert main(["config", "--data-dir", str(tmp_path / "data")]) == 0
    assert main(["config", "--bucket", tiny_bucket.as_uri()]) == 0
    return tmp_path / "data"


def test_config_remembers_and_shows(at, capsys):
    capsys.readouterr()
    assert main(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["data_dir"] == str(at)
    assert at.is_dir()


def test_info_describes_the_bucket(at, capsys):
    capsys.readouterr()
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "Subjects:  5 (sub-01, sub-03, sub-05, sub-06, sub-07)" in out
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sub-03"]["sessions"] == ["ses-01", "ses-02"]


def test_a_download_asks_for_the_licence_once(at, capsys):
    command = ["download", "--subject", "03", "--ses", "01", "--desc", "singletrial"]
    capsys.readouterr()
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.startswith("laion-fmri: ") and "--accept-license" in error
    assert len(error.splitlines()) == 1
    assert main([*command, "--accept-license"]) == 0
    assert "fetched" in capsys.readouterr().out
    assert (at / layout.betas("sub-03", "ses-01")).is_file()
    assert main(command) == 0
    assert "0 files fetched" in capsys.readouterr().out


def test_a_dry_run_fetches_nothing(at, capsys):
    capsys.readouterr()
    assert main(["download", "--subject", "all", "--ses", "averages", "--dry-run", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert {row["status"] for row in rows} == {"not downloaded"}
    assert list(at.iterdir()) == []


def test_stimulus_files(at, capsys):
    assert main(["download-embeddings", "--model", "CLIP", "--accept-license"]) == 0
    assert main(["download-captions"]) == 0
    assert main(["download-segmentations"]) == 0
    assert (at / layout.embeddings("CLIP")).is_file()
    assert not (at / layout.embeddings("DINOv2")).exists()
    assert main(["download-embeddings", "--model", "CLAP"]) == 1
    assert "Did you mean 'CLIP'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["download", "--subject", "sub-99"], "no subject sub-99"),
        (["download", "--subject", "sub-01", "--ses", "ses-77"], "no session ses-77"),
        (["config", "--data-dir", "/proc/nowhere"], "Choose another"),
    ],
)
def test_failures_are_one_line_and_status_1(at, capsys, command, said):
    capsys.readouterr()
    assert main(command) == 1
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_wrong_usage_is_status_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["download"])
    assert stopped.value.code == 2


def test_demo_writes_a_bucket_and_says_how_to_use_it(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "bucket"), "--profile", "tiny"]) == 0
    assert "laion-fmri config --bucket file://" in capsys.readouterr().out
    assert (tmp_path / "bucket" / layout.betas("sub-01", "ses-01")).is_file()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert main(["demo", str(tmp_path / "mine"), "--profile", "tiny"]) == 1
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_python_m_is_the_same_command():
    shown = subprocess.run(
        [sys.executable, "-m", "laion_fmri", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("laion-fmri ")


def test_a_taken_port_is_one_line(capsys, tmp_path, monkeypatch):
    import socket

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["explore", "--no-browser", "--port", port]) == 1
    assert "Choose another with --port" in capsys.readouterr().err


def test_info_of_a_subject_and_of_its_files(at, capsys):
    capsys.readouterr()
    assert main(["info", "--subject", "sub-01"]) == 0
    assert "betas" in capsys.readouterr().out
    assert main(["info", "--subject", "sub-01", "--files"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("key\tsize\tstatus")
    assert len(lines) > 100
    assert main(["info", "--subject", "sub-01", "--files", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(lines) - 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_single_files_from_a_list(at, tmp_path, capsys, encoding):
    keys = f"README\n\n{layout.trials('sub-01', 'ses-01')}\n"
    (tmp_path / "keys.txt").write_text(keys, encoding=encoding)
    command = ["download-files", "--keys-from", str(tmp_path / "keys.txt"), "participants.tsv"]
    assert main([*command, "--accept-license", "--quiet"]) == 0
    assert (at / "README").is_file() and (at / layout.trials("sub-01", "ses-01")).is_file()
    assert main(["download-files", "--keys-from", str(tmp_path / "nothing")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_verify_says_what_is_wrong_by_its_status_too(at, capsys):
    assert main(["download", "--subject", "01", "--ses", "averages", "--accept-license"]) == 0
    assert main(["verify", "--quiet"]) == 0
    path = at / layout.mean_rsquare("sub-01")
    right = path.read_bytes()
    path.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    capsys.readouterr()
    assert main(["verify", "--quiet", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["damaged"] == [layout.mean_rsquare("sub-01")]
    assert main(["verify", "--quiet", "--repair"]) == 0
    assert path.read_bytes() == right
    assert main(["verify", "--quiet"]) == 0


def test_what_was_fetched_in_json_although_something_failed(at, tiny_bucket, tmp_path, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in ("README", "participants.tsv"):
        (mirror / name).write_text("x")
    (mirror / ".bucket-policy.json").write_text('{"deny": ["README"]}')
    assert main(["config", "--bucket", mirror.as_uri()]) == 0
    capsys.readouterr()
    command = ["download-files", "README", "participants.tsv", "--accept-license"]
    assert main([*command, "--json", "--quiet"]) == 1
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["fetched"] == ["participants.tsv"]
    assert list(report["denied"]) == ["README"]
    assert said.err.startswith("laion-fmri: ")


def test_ctrl_c_leaves_a_resumable_state_and_says_so(tmp_path, tiny_bucket):
    """A real process, interrupted in the middle of a download."""
    import os
    import signal
    from pathlib import Path

    import throttled_bucket

    script = (
        "import signal, sys, threading\n"
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from throttled_bucket import ThrottledBucket\n"
        "import laion_fmri.bucket.directory as directory\n"
        "bucket = ThrottledBucket\n"
        "directory.DirectoryBucket = lambda path: bucket_of(path)\n"
        "def bucket_of(path):\n"
        "    made = bucket(path)\n"
        "    made.allow(20)\n"
        "    threading.Timer(1, lambda: print('waiting', flush=True)).start()\n"
        "    return made\n"
        "from laion_fmri.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    (tmp_path / "data").mkdir()
    environment = os.environ | {
        "LAION_FMRI_BUCKET": tiny_bucket.as_uri(),
        "LAION_FMRI_DATA_DIR": str(tmp_path / "data"),
        "PYTHONPATH": str(Path(throttled_bucket.__file__).parent),
    }
    command = ["download", "--subject", "01", "--ses", "averages", "--accept-license", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Downloaded files stay" in error
    assert len(error.splitlines()) == 1
    assert list((tmp_path / "data").rglob("*.part"))


def test_stores_are_built_listed_and_dropped(at, capsys):
    fetch = ["download", "--subject", "01", "--ses", "01", "--include-anatomical", "--quiet"]
    assert main([*fetch, "--accept-license"]) == 0
    which = ["--subject", "01", "--ses", "01"]
    capsys.readouterr()
    assert main(["store", "build", *which, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert main(["store", "list"]) == 0
    assert "no store" in capsys.readouterr().out
    assert main(["store", "build", *which, "--quiet"]) == 0
    assert main(["store", "list", "--json"]) == 0
    shown = capsys.readouterr().out
    (store,) = json.loads(shown[shown.index("[") :])
    assert store["is_fresh"] and store["subject"] == "sub-01"
    assert said in shown  # it costs what was said
    assert main(["store", "list"]) == 0
    assert "fresh" in capsys.readouterr().out
    assert main(["store", "drop", *which]) == 0
    assert "1 store removed" in capsys.readouterr().out
    assert main(["store", "drop", "--subject", "99"]) == 0
    assert "0 stores removed" in capsys.readouterr().out
