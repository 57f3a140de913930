"""Debian's Chromium, driven by Playwright: a page that reports every error and every request to another host."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.waiting import wait_for

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Without those on networking it looks for hosts of its maker's at every start."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Run a browser; skip the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not os.path.exists(CHROMIUM):  # noqa: PTH110
        pytest.skip(f"{CHROMIUM} is not installed; apt-get install chromium, or set CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


class Visit:
    """A page that is open, and what went wrong on it."""

    def __init__(self, browser: Any, url: str, fragment: str = "", script: str = "", **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", lambda request: self._asked(request.url, url))
        if script:  # runs before the page's own
            self.page.add_init_script(script)
        self.page.goto(f"{url}/{fragment}")

    def drawn(self) -> str:
        """Return the address of the picture once there is one."""
        self.page.wait_for_selector("#picture[src^=blob]")
        return str(self.page.get_attribute("#picture", "src"))

    def redrawn(self, before: str) -> str:
        """Return the address of the picture once it is another."""
        wait_for(lambda: self.page.get_attribute("#picture", "src") not in (before, None, ""))
        return self.drawn()

    def picture(self) -> bytes:
        """Return the bytes of the picture that is shown."""
        script = "async (image) => Array.from(new Uint8Array(await (await fetch(image.src)).arrayBuffer()))"
        return bytes(self.page.eval_on_selector("#picture", script))

    def slide(self, name: str, value: float) -> None:
        """Set a control as a hand on it does."""
        self.page.fill(f"#{name}", str(value))

    def lose(self, pattern: str) -> None:
        """Let no request to such addresses through, as if the service were gone."""
        self.page.route(pattern, lambda route: route.abort())

    def find(self, pattern: str) -> None:
        """Let them through again."""
        self.page.unroute(pattern)

    def close(self) -> None:
        """Leave; nothing may have gone wrong."""
        self.context.close()
        assert self.errors == []
        assert self.foreign == []

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text and "ERR_FAILED" not in message.text:
            self.errors.append(message.text)

    def _asked(self, asked: str, url: str) -> None:
        if not asked.startswith((f"{url}/", "blob:", "data:")):
            self.foreign.append(asked)
