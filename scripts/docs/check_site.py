"""Load every page of the built site in a browser and fail on a request to another server, an error, or a dead link."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from tests.browser.browser_driver import ARGS, find_chromium

PREFIX = "/notebook_explain"  # as in site_url: the page for missing files has absolute links


class _Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(PREFIX))

    def log_message(self, *_: object) -> None:
        return


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        return  # a browser that moves on closes connections


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free local port; yield its address."""
    handler = functools.partial(_Handler, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()


def check_site(site: Path) -> None:
    """Open every HTML page of the site.

    Raises
    ------
    SystemExit
        A page asked another server for something, raised an error, or asked for a file that is missing.
    """
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    executable = find_chromium()
    if executable is None:
        raise SystemExit("no Chromium found: run `make browser`; the site cannot be checked without it")
    faults: list[str] = []
    with served(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*ARGS])
        page = browser.new_page()
        current = ""
        page.on(
            "request",
            lambda request: _external(request.url, address) and faults.append(f"{current} asks for {request.url}"),
        )
        page.on(
            "response", lambda response: response.status >= 400 and faults.append(f"{current} misses {response.url}")
        )
        page.on("pageerror", lambda error: faults.append(f"{current}: {error}"))
        page.route(lambda url: _external(url, address), lambda route: route.abort())
        for current in pages:
            page.goto(f"{address}/{current}", wait_until="load")
        browser.close()
    if faults:
        raise SystemExit("the site is not whole:\n" + "\n".join(faults))
    print(f"{len(pages)} pages, no request to another server, no error")


def _external(url: str, address: str) -> bool:
    return urlsplit(url).scheme in ("http", "https", "ws", "wss") and not url.startswith(address)
