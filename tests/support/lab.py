"""A real JupyterLab on this machine, and a notebook in it as a person sees it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

PATIENCE = 90_000  # ms: a kernel starts, Panel is imported, WebGL is drawn in software
_START = 120  # seconds
_TRIES = 6
_SETTINGS = {
    # No question to the network on start; every cell is in the page, also one out of sight.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


@contextmanager
def serve_lab(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """JupyterLab on the notebooks in ``folder/notebooks``; its address.

    Its settings, caches and kernels are in `folder`, and whoever runs it has none of theirs
    in it. `environment` is what kernels see beside that.
    """
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    for name, settings in _SETTINGS.items():
        path = folder / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={folder / 'notebooks'}", "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    with (folder / "lab.log").open("w") as log:
        lab = subprocess.Popen(
            command,
            env=_surroundings(folder) | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/api", lab)
            yield address
        finally:
            lab.terminate()
            try:
                lab.wait(20)
            except subprocess.TimeoutExpired:
                lab.kill()


def _surroundings(folder: Path) -> dict[str, str]:
    ours = {n: v for n, v in os.environ.items() if not n.startswith(("LAION_FMRI", "VSCODE"))}
    places = {
        "HOME": "home", "IPYTHONDIR": "ipython", "XDG_CONFIG_HOME": "config",
        "XDG_CACHE_HOME": "cache", "JUPYTER_CONFIG_DIR": "jupyter", "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }  # fmt: skip
    return ours | {name: str(folder / place) for name, place in places.items()}


def _wait_for(address: str, lab: subprocess.Popen) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and lab.poll() is None:
        try:
            urlopen(address, timeout=5).close()
            return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise TimeoutError(f"No JupyterLab at {address} after {_START} s")


class Notebook:
    """A notebook, written, opened and run.

    Parameters
    ----------
    page : Page
    address : str
        Of the JupyterLab.
    path : Path
        In the folder it serves.
    cells : sequence of str
    """

    def __init__(self, page: Page, address: str, path: Path, cells: Sequence[str]) -> None:
        self.page = page
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, path)
        self._start_kernel(address, path.name)
        page.goto(f"{address}/doc/tree/{path.name}")
        expect(self.cell(len(cells) - 1)).to_be_visible(timeout=PATIENCE)
        self._wait_until_idle()

    def cell(self, place: int) -> Locator:
        """A cell with what it has put out."""
        return self.page.locator(".jp-CodeCell").nth(place)

    def printed(self, place: int) -> Locator:
        """What a cell has printed."""
        return self.cell(place).locator("[data-mime-type='application/vnd.jupyter.stdout']")

    def run_all(self) -> None:
        """Run every cell."""
        begun = self.cell(0).locator(".jp-InputPrompt").filter(has_not_text="[ ]:")
        for _ in range(_TRIES):  # what is asked of a kernel that is not connected yet is lost
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.get_by_role("menuitem", name="Run All Cells").first.click()
            with suppress(PlaywrightTimeoutError):
                begun.wait_for(timeout=PATIENCE / _TRIES)
                return
        raise TimeoutError("The kernel runs nothing")

    def run(self, place: int) -> None:
        """Run one cell that has run before."""
        prompt = self.cell(place).locator(".jp-InputPrompt")
        number = prompt.inner_text()
        begun = prompt.filter(has_not_text=number)
        for _ in range(_TRIES):  # a menu that closes late takes the keys to itself
            self.cell(place).locator(".cm-content").click()
            self.page.keyboard.press("Shift+Enter")
            with suppress(PlaywrightTimeoutError):
                begun.wait_for(timeout=PATIENCE / _TRIES)
                return
        raise TimeoutError(f"The cell does not run: {number}")

    def _start_kernel(self, address: str, name: str) -> None:
        """Before the page is opened, which then has a kernel to connect to.

        Left to start it, JupyterLab asks which kernel is meant if that one is slow to come, and
        what is run before the answer is lost with the connection it was sent through.
        """
        session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
        answer = self.page.request.post(f"{address}/api/sessions", data=session)
        expect(answer).to_be_ok()

    def _wait_until_idle(self) -> None:
        kernel = self.page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        expect(kernel).to_be_attached(timeout=PATIENCE)
