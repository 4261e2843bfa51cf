"""The viewers in Firefox: pages draw, and their controls work. Driven by WebDriver BiDi, which Firefox speaks itself."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import notebook_explain as ne
from tests.browser.example_tubes import tubes
from tests.example_values import small_pyramid

websocket = pytest.importorskip("websocket", reason="no websocket-client: pip install -e '.[test]'")

PREFERENCES = """
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
"""


class Firefox:
    """A page of a headless Firefox."""

    def __init__(self, port: int) -> None:
        url = f"ws://127.0.0.1:{port}/session"
        self._socket = websocket.create_connection(url, timeout=60, suppress_origin=True)
        self._sent = 0
        self.errors: list[str] = []
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded"])
        self._context = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def _call(self, method: str, **parameters: Any) -> Any:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
                self.errors.append(message["params"]["text"])
            if message.get("id") == self._sent:
                assert message["type"] == "success", message
                return message["result"]

    def close(self) -> None:
        self._socket.close()

    def open(self, path: Path) -> None:
        self._call("browsingContext.navigate", context=self._context, url=path.as_uri(), wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which JSON can hold."""
        target = {"context": self._context}
        found = self._call(
            "script.evaluate", expression=f"JSON.stringify({expression} ?? null)", target=target, awaitPromise=True
        )
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"])

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Wait until a JavaScript condition is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"{condition}; errors: {self.errors}"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        if os.environ.get("NE_REQUIRE_BROWSER") == "1":
            pytest.fail("no Firefox: make browser (NE_REQUIRE_BROWSER=1 forbids the skip)")
        pytest.skip("no Firefox: make browser")
    profile = tmp_path_factory.mktemp("firefox")
    (profile / "user.js").write_text(PREFERENCES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--headless", "--remote-debugging-port", str(port), "--profile", str(profile), "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    break
            except OSError:
                assert time.monotonic() < end, "Firefox did not start"
                time.sleep(0.2)
        firefox = Firefox(port)
        yield firefox
        firefox.close()
    finally:
        process.terminate()
        process.wait(20)


FRAME = "document.querySelector('canvas.ne-frame').toDataURL()"


def move(name: str, value: float) -> str:
    return (
        f"(input => {{ input.value = {value}; for (const type of ['input', 'change'])"
        f" input.dispatchEvent(new Event(type, {{ bubbles: true }})); }})(document.querySelector('[data-name={name}]'))"
    )


def test_the_tube_viewer_draws_and_follows_its_sliders(firefox: Firefox, tmp_path: Path) -> None:
    firefox.errors.clear()
    firefox.open(tubes().to_html(tmp_path / "tubes.html"))
    firefox.wait("document.querySelector('.ne-tubes')?.dataset.ready === 'true'")
    firefox.evaluate(move("frame", 2))
    firefox.wait("document.querySelector('.ne-tubes').dataset.frame === '2'")
    shown = [firefox.evaluate(FRAME)]
    for threshold in (0.1, 0.9):
        firefox.evaluate(move("threshold", threshold))
        firefox.wait(f"Number(document.querySelector('.ne-tubes').dataset.threshold) === {threshold}")
        shown.append(firefox.evaluate(FRAME))
    assert len(set(shown)) == 3
    kept = firefox.evaluate("document.querySelector('.ne-kept').textContent")
    assert "ball rolls right" in kept
    assert firefox.errors == []


def test_a_comparison_and_a_pyramid_draw(firefox: Firefox, tmp_path: Path) -> None:
    firefox.errors.clear()
    viewer = ne.compare(tubes(), tubes(), a_layer=0)
    firefox.open(viewer.to_html(tmp_path / "compare.html"))
    firefox.wait("document.querySelectorAll('.ne-tubes[data-ready=true]').length === 2")
    firefox.open(small_pyramid().to_html(tmp_path / "pyramid.html"))
    firefox.wait("document.querySelector('.ne-pyramid')?.dataset.ready === 'true'")
    assert firefox.errors == []
    viewer.close()
