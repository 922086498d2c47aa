"""A home directory of its own, a demo access service, and a server that says what it is told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from laion_fmri.access import RequestId, StimulusRequest
from laion_fmri.config import Settings
from laion_fmri.demo.access_service import DemoAccessService

IMAGES = bytes(range(256)) * 8192  # 2 MB
TABLE = b"image_name,dataset\na.jpg,NSD\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("LAION_FMRI_REQUEST_ID", raising=False)
    return folder


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    """A folder with the two files that the service hands out."""
    folder = tmp_path / "gated"
    folder.mkdir()
    (folder / "task-images_stimuli.h5").write_bytes(IMAGES)
    (folder / "task-images_metadata.csv").write_bytes(TABLE)
    return folder


@pytest.fixture
def demo(gated: Path) -> Iterator[DemoAccessService]:
    with DemoAccessService(gated) as service:
        yield service


@pytest.fixture
def settings(demo: DemoAccessService, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", access_url=demo.url)


@pytest.fixture
def form() -> StimulusRequest:
    return StimulusRequest(
        name="Ada Beispiel",
        email="ada@example.org",
        institution="Institute of Examples",
        pi_or_supervisor="Prof. Muster",
        research_purpose="Models of the ventral stream.",
        accepted_terms=True,
        acknowledged_privacy=True,
    )


@pytest.fixture
def request_id(demo: DemoAccessService) -> RequestId:
    return RequestId(demo.issue())


class Scripted:
    """Answers every request with what `say` gives for it, byte by byte as it is given."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.reply: Callable[[bytes], Iterator[bytes]] = lambda asked: iter(())
        self.is_over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def says(
        self, content: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer everything with `content`: bytes as they are, the rest as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = [f"{k}: {v}" for k, v in (headers or {}).items()]
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *lines]
        whole = "\r\n".join([*head, "", ""]).encode() + body
        self.reply = lambda asked: iter([whole])

    def stop(self) -> None:
        self.is_over.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            asked = b""
            while not _is_whole(asked) and (block := connection.recv(1 << 16)):
                asked += block
            self.requests.append(asked)
            for part in self.reply(asked):
                connection.sendall(part)


def _is_whole(asked: bytes) -> bool:
    head, end, body = asked.partition(b"\r\n\r\n")
    lengths = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
    return bool(end) and len(body) >= (int(lengths[0].split(b":")[1]) if lengths else 0)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.stop()
