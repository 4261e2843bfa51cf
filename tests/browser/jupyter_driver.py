"""Driver of a local JupyterLab or Notebook 7: its server, notebooks, cells, and websocket messages."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page, TimeoutError, WebSocket

REPOSITORY = Path(__file__).parents[2]


def write_notebook(path: Path, cells: Sequence[str], kernel: str = "python3") -> None:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


@contextmanager
def server(folder: Path, theme: str = "JupyterLab Light", app: str = "jupyterlab") -> Iterator[str]:
    """Run JupyterLab, or the app "notebook", for ``folder / "work"`` on a free loopback port; yields its address.

    The server writes to ``folder`` only.
    """
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (folder / "work").mkdir(exist_ok=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "IPYTHONDIR": "ipython",
    }
    environment = {**os.environ, **{name: str(folder / subfolder) for name, subfolder in folders.items()}}
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "config" / "lab" / "user-settings")
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    options = (
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={folder / 'work'}",
    )
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", app, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait_for_server(process, f"http://127.0.0.1:{port}/api/status", folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def end_kernels(address: str) -> None:
    """End every kernel of a server, and its session."""
    with urllib.request.urlopen(f"{address}/api/sessions", timeout=10) as answer:
        sessions = json.load(answer)
    for session in sessions:
        request = urllib.request.Request(f"{address}/api/sessions/{session['id']}", method="DELETE")
        with urllib.request.urlopen(request, timeout=10):
            pass


def _wait_for_server(process: subprocess.Popen[bytes], url: str, log: Path, limit: float = 30) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and its kernels."""
    for kind, timeout in ((signal.SIGTERM, 8), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, kind)
            process.wait(timeout)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        else:
            break
    process.wait(5)


class Messages:
    """Widget messages on the websockets of a page, since creation or `forget`."""

    def __init__(self, page: Page) -> None:
        self.sent: list[int] = []  # bytes of each comm_msg from the browser
        self.received: list[str] = []  # method of each comm_msg to the browser: "update", "echo_update", ...
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, frame: str | bytes) -> None:
        if _read(frame)[0] == "comm_msg":
            self.sent.append(len(frame))

    def _received(self, frame: str | bytes) -> None:
        kind, content = _read(frame)
        if kind == "comm_msg":
            self.received.append(str(content.get("data", {}).get("method")))

    def forget(self) -> None:
        self.sent.clear()
        self.received.clear()


def _read(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    """Return kind and content of a frame in Jupyter's websocket protocol v1 (a table of offsets, then parts) or JSON."""
    if isinstance(frame, str):
        try:
            message = json.loads(frame)
        except ValueError:
            return "", {}
        return (message.get("header") or {}).get("msg_type", ""), message.get("content") or {}
    (count,) = struct.unpack_from("<Q", frame)
    offsets = struct.unpack_from(f"<{count}Q", frame, 8)
    parts = [frame[start:end] for start, end in pairwise(offsets)]
    return json.loads(parts[1])["msg_type"], json.loads(parts[4])


class Notebook:
    """Open notebook with an idle kernel."""

    def __init__(self, page: Page, address: str, name: str, app: str = "lab/tree") -> None:
        self.page = page
        page.goto(f"{address}/{app}/{name}?reset")
        self.idle()

    def idle(self, seconds: float = 40) -> None:
        """Wait until the kernel is idle."""
        self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(
            state="attached", timeout=1000 * seconds
        )

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def run_all(self) -> None:
        """Run all cells from the menu."""
        # Right after opening, the menu may not yet refer to this notebook.
        started = self.cell(0).locator(".jp-InputPrompt").filter(has_not_text="[ ]:")
        for _ in range(4):
            self.cell(0).locator(".cm-content").first.click()
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            try:
                return started.wait_for(timeout=4000)
            except TimeoutError:
                continue
        raise AssertionError("the cells did not start")

    def run(self, index: int) -> str:
        """Run one cell, and return the text that it printed."""
        cell = self.cell(index)
        prompt = cell.locator(".jp-InputPrompt").first
        before = prompt.inner_text()
        cell.locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")
        end = time.monotonic() + 20
        while prompt.inner_text() == before or "*" in prompt.inner_text():
            assert time.monotonic() < end, f"cell {index} did not end"
            self.page.wait_for_timeout(50)
        return self.printed(index)

    def printed(self, index: int) -> str:
        """Return the text that a cell has printed."""
        return "".join(self.cell(index).locator(".jp-OutputArea-output[data-mime-type*=stdout]").all_inner_texts())
