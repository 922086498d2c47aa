"""The explorer as users start it, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def explorer(data_dir: Path, bucket: str) -> Iterator[str]:
    """The address of ``laion-fmri explore`` on a data directory and a bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "laion_fmri", "explore", "--no-browser", "--port", str(port)]
    own = {"LAION_FMRI_DATA_DIR": str(data_dir), "LAION_FMRI_BUCKET": bucket}
    server = subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        server.stdout.readline()  # where it is: from then on it answers
        time.sleep(3)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(30)
