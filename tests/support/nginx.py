"""nginx serving a folder as the objects of a bucket, at path-style addresses."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from listing_server import serve_listing

from laion_fmri.bucket import BucketObject
from laion_fmri.bucket.s3 import S3Bucket

_PATIENCE = 10  # seconds
_CONFIG = """
daemon off;
master_process off;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  client_body_temp_path {work}/body;
  proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    location = /{bucket} {{ proxy_pass {listing}; }}
    location = /{bucket}/ {{ proxy_pass {listing}; }}
  }}
}}
"""


def find_nginx() -> str | None:
    """Where nginx is (`apt-get install nginx-light` brings one); None where there is none."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def serve_bucket(folder: Path, work: Path) -> Iterator[S3Bucket]:
    """`folder` as a bucket of its name; `work` is an empty folder for what nginx writes."""
    program, port = find_nginx(), _free_port()
    assert program is not None
    with serve_listing(_objects(folder), work) as listing:
        config = work / "nginx.conf"
        values = {"work": work, "port": port, "root": folder.parent, "bucket": folder.name}
        config.write_text(_CONFIG.format(listing=listing, **values))
        command = [program, "-c", str(config), "-e", str(work / "error.log")]
        process = subprocess.Popen(command)
        try:
            _wait_for(port, process)
            yield S3Bucket(folder.name, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _objects(folder: Path) -> Iterator[BucketObject]:
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            etag = f"{int(stat.st_mtime):x}-{stat.st_size:x}"  # as nginx makes it
            yield BucketObject(path.relative_to(folder).as_posix(), stat.st_size, etag)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nginx does not answer (exit status {process.poll()})")
