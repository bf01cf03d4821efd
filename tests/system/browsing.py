"""A real headless Chromium for tests and benchmarks of the review page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """$CHROMIUM, or the first of the usual names on the PATH."""
    return os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)


def need_chromium() -> str:
    """Its path. Without one the test is skipped, and fails in CI, where a skipped test would go unseen."""
    found = find_chromium()
    if found is None:
        told = "no Chromium: install it (apt-get install --no-install-recommends chromium) or name one (CHROMIUM=PATH)"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A browser of its own, nothing of it kept."""
    with sync_playwright() as driver:
        # Root has no sandbox to give; anybody else keeps it.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def log_in(page: Page, url: str, name: str, password: str) -> None:
    page.goto(f"{url}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{url}/")
