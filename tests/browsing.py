"""Pages opened from a file in a browser, and all that happens meanwhile."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # drawing in 3-D without a graphics card
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"
BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"
# what software rendering, and the tests' own reading of pixels, call forth
_HARMLESS = ("GPU stall due to ReadPixels", "Multiple readback operations")


@contextmanager
def chromium() -> Iterator[Any]:
    """The system's Chromium; the test skips where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium on the PATH (tried {', '.join(BROWSERS)})")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=QUIET)
        yield opened
        opened.close()


class Opened:
    """A page that was opened from a file, and all that happened meanwhile."""

    def __init__(
        self,
        browser: Any,
        file: Path,
        html: str,
        fragment: str = "",
        before: str = "",
        **settings: Any,
    ):
        file.write_text(html, encoding="utf-8")
        self.url = file.as_uri()
        self.page = browser.new_page(**settings)
        if before:
            self.page.add_init_script(before)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self._requested(request.url))
        self.page.on("console", lambda message: self._complained(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(self.url + fragment)

    def _requested(self, url: str) -> None:
        # what lies in the page itself was not fetched
        if not url.startswith(("data:", "blob:")):
            self.requests.append(url.split("#")[0])

    def _complained(self, text: str) -> None:
        if not any(known in text for known in _HARMLESS):
            self.complaints.append(text)

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()
