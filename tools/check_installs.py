"""Install the wheel and the sdist on several versions of Python, alone and with each extra.

Each installation is a new environment, in which a few lines try on the demo dataset what the
extra is for. Prints a line for each; ends with 1 when one does not work.

Usage: python tools/check_installs.py [--extras NAME ...] [PYTHON ...]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from laion_fmri.demo.home import prepare_demo_home

ROOT = Path(__file__).parents[1]
PYTHONS = ("python3.11", "python3.12", "python3.13")

LOADING = """
import sys
import laion_fmri
from laion_fmri.splits import get_split_masks

sub = laion_fmri.load_subject("sub-01", data_dir=sys.argv[1])
betas = sub.get_betas(session="ses-01", roi="face")
train, test = get_split_masks(sub.metadata, "random_0", data_dir=sys.argv[1])
assert betas.shape[1] and train.any() and test.any() and sub.images.get(0).size
"""
EXPLORING = """
import re, subprocess, sys
from urllib.request import urlopen
from laion_fmri.explorer import BrainView, Explorer, SplitInspector

BrainView("sub-01"), Explorer("sub-01"), SplitInspector("sub-01")
command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", "0"]
server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
try:
    address = re.search(r"http://[^ ]+/", server.stdout.readline()).group()
    assert urlopen(address + "healthz", timeout=60).status == 200
    assert b"LAION-fMRI Explorer" in urlopen(address, timeout=60).read()
finally:
    server.terminate()
    server.wait(30)
"""
FOR_EXTRA = {
    "core": "",
    "sdist": "",
    "template": """
import numpy as np
surface = sub.to_template(np.ones(sub.get_n_voxels(), "float32"), "fsnative")
assert np.nanmax(surface["L"]) == 1
""",
    "splits": """
from laion_fmri.splits import evaluate
assert len(evaluate("random_0", sub, "face", pool="sub-01").table) == 1
""",
    "explorer": EXPLORING,
    "torch": """
from torch.utils.data import DataLoader
trials = sub.to_torch_dataset("ses-01", roi="face")
assert next(iter(DataLoader(trials, batch_size=4)))["betas"].shape == (4, betas.shape[1])
""",
}


def main() -> int:
    """Try every installation; 1 when one does not work."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help=f"default: {PYTHONS}")
    parser.add_argument(
        "--extras",
        nargs="+",
        choices=FOR_EXTRA,
        default=[name for name in FOR_EXTRA if name != "torch"],  # which takes gigabytes
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failed = sum(
            not works
            for works in installations(Path(folder), chosen.pythons or PYTHONS, chosen.extras)
        )
    print(f"{failed} failed" if failed else "All work.")
    return int(failed > 0)


def installations(folder: Path, pythons: Sequence[str], extras: Sequence[str]) -> Iterator[bool]:
    """Whether each installation works, printed as it is known."""
    home = prepare_demo_home(folder / "demo", profile="tiny")
    built = build(folder)
    surroundings = {
        **{name: text for name, text in os.environ.items() if not name.startswith("LAION_FMRI")},
        "HOME": str(folder / "home"),
        "LAION_FMRI_DATA_DIR": str(home.data_dir),
        "LAION_FMRI_BUCKET": home.settings.bucket,
    }
    for python, extra in product(pythons, extras):
        began = time.monotonic()
        said = try_one(python, extra, built, folder / "environment", home.data_dir, surroundings)
        shutil.rmtree(folder / "environment", ignore_errors=True)
        print(f"{python:12} {extra:10} {time.monotonic() - began:5.0f} s  {said or 'works'}")
        yield not said


def build(folder: Path) -> dict[str, Path]:
    """The sdist, and the wheel that is made of it, so that it must be complete."""
    code = "import sys, setuptools.build_meta as b; b.build_sdist(sys.argv[1])"
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "docs", "tests", "build"))
    subprocess.run(
        [sys.executable, "-c", code, folder], cwd=source, check=True, capture_output=True
    )
    (sdist,) = folder.glob("*.tar.gz")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    subprocess.run([*wheel, sdist], check=True)
    return {"sdist": sdist, "wheel": next(folder.glob("*.whl"))}


def try_one(
    python: str,
    extra: str,
    built: dict[str, Path],
    environment: Path,
    data_dir: Path,
    surroundings: dict[str, str],
) -> str:
    """What went wrong with one installation; nothing where it works."""
    binary = environment / "bin" / "python"
    package = str(built["sdist" if extra == "sdist" else "wheel"])
    if extra not in ("core", "sdist"):
        package += f"[{extra}]"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    for command in (
        [python, "-m", "venv", environment],
        [binary, *install],
        [binary, "-m", "pip", "check"],
        [environment / "bin" / "laion-fmri", "doctor", "--help"],
        [binary, "-I", "-c", LOADING + FOR_EXTRA[extra], data_dir],
    ):
        try:
            done = subprocess.run(
                command, env=surroundings, cwd=data_dir, capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            return f"not found: {error.filename}"
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            return lines[-1] if lines else f"ended with {done.returncode}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
