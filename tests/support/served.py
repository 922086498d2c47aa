"""The explorer in a process of its own, as people start it."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

_PATIENCE = 90.0  # seconds
_PORT = re.compile(r"(?:127\.0\.0\.1|0\.0\.0\.0|localhost):(\d+)")


_processes: dict[str, int] = {}


def process_of(address: str) -> int:
    """The process of a server that `served` started."""
    return _processes[address]


@contextmanager
def served(
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[str]:
    """Serve the explorer on a free port and give its address, with a slash at the end.

    Parameters
    ----------
    arguments : sequence of str
        Of ``laion-fmri explore``.
    environment : mapping, optional
        Beside what there is.
    log : Path, optional
        Where its standard error goes, and what it says once it is served.
    """
    command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", "0"]
    errors = log.open("ab", buffering=0) if log else None
    process = subprocess.Popen(
        [*command, *arguments],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    reader = None
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "Ctrl-C" in line), "")
        found = _PORT.search(line)
        assert found, f"The server said {line!r} and ended with {process.wait(5)}"
        # Nobody would read on: once the pipe is full, the server would wait for ever.
        reader = threading.Thread(target=_keep, args=(process.stdout, errors), daemon=True)
        reader.start()
        address = f"http://127.0.0.1:{found[1]}{_prefix(arguments)}/"
        wait_for_health(address)
        _processes[address] = process.pid
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()  # one that does not end must not outlive the test that says so
            if reader:
                reader.join(20)
        if errors:
            errors.close()


def _keep(said: IO[str], log: IO[bytes] | None) -> None:
    for line in said:
        if log is not None:
            log.write(line.encode())


def _prefix(arguments: Sequence[str]) -> str:
    return next((b for a, b in itertools.pairwise(arguments) if a == "--prefix"), "")


def wait_for_health(address: str) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            with urlopen(f"{address}healthz", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"{address} did not answer in {_PATIENCE} s")
