"""How quick the review page is for the person in front of it: first paint, and from a key to the next pair.

A real page (`samesku review`'s application over uvicorn, on loopback) in a real headless Chromium, with hand-made tasks
and no Kafka: the topics are read by another thread that a key never waits for. The browser's own clocks are read:
`first-contentful-paint` of a fresh load, and the page's measure `key-to-next`, from the key's time stamp to the frame
that shows the next pair. The vote travels behind that; its round trip is reported beside it.

    python -m benchmarks.review_page --out review_page.json
"""

from __future__ import annotations

import argparse
import json
import platform
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from playwright.sync_api import Browser, Page
from rich.console import Console
from rich.progress import track
from rich.table import Table

from schemas.review_settings import ReviewSettings
from tests.system.browsing import chromium, find_chromium, log_in
from tests.worker.review.making import review_task
from worker.review import accounts, tasks
from worker.review.database import Database
from worker.review.web.app import create_app

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
ANSWERED = "performance.getEntriesByType('navigation')[0].responseEnd"
KEYS = "performance.getEntriesByName('key-to-next').map(each => each.duration)"
TRIPS = (
    "performance.getEntriesByType('resource').filter(each => each.name.endsWith('/vote')).map(each => each.duration)"
)
# A person who knows what they see needs at least that long; the next pair is fetched meanwhile.
PAUSE_MS = 250


@contextmanager
def serving(folder: Path, pairs: int, password: str) -> Iterator[str]:
    """The page with so many waiting pairs and one user; yields its address."""
    database = Database(folder / "review.db")
    settings = ReviewSettings(double_share=0.0, requests_per_minute=100_000, undo_s=0.0)
    with database.write() as connection:
        accounts.add(connection, datetime.now(UTC), "anna", "lead", password, settings.min_password, "benchmark")
        for number in range(pairs):
            tasks.take_review(connection, review_task(number, probability=0.5), 0.0)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(create_app(database, settings), log_config=None, access_log=False, lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        database.close()


def paints(page: Page, url: str, times: int, console: Console) -> tuple[list[float], list[float]]:
    """First contentful paint of so many loads, and until the last byte of the page, in ms after navigation began."""
    found: list[float] = []
    answered: list[float] = []
    for _ in track(range(times), "loading", console=console, transient=True):
        page.goto(url)
        while (at := page.evaluate(PAINTED)) is None:
            time.sleep(0.01)
        found.append(float(at))
        answered.append(float(page.evaluate(ANSWERED)))
    return found, answered


def first_visits(browser: Browser, known: Page, url: str, times: int) -> list[float]:
    """First contentful paint where the browser has nothing of ours yet but the session."""
    found: list[float] = []
    for _ in range(times):
        context = browser.new_context(storage_state=known.context.storage_state())
        found += paints(context.new_page(), url, 1, Console(quiet=True))[0]
        context.close()
    return found


class OneWord(BaseHTTPRequestHandler):
    """A page of one word, with neither style nor script."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>one</title><p>word"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the server's own log would stand between the results."""


def browser_alone(browser: Browser, known: Page, times: int) -> list[float]:
    """First contentful paint of one word in a browser that starts a renderer for it: what no page can be below."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneWord)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        return first_visits(browser, known, f"http://127.0.0.1:{server.server_address[1]}/", times)
    finally:
        server.shutdown()
        server.server_close()


def strokes(page: Page, times: int, console: Console) -> tuple[list[float], list[float]]:
    """Key to next pair, and the vote's round trip, of so many votes, in ms."""
    page.evaluate("performance.setResourceTimingBufferSize(100000)")
    for place in track(range(times), "labelling", console=console, transient=True):
        page.keyboard.press("mnns"[place % 4])
        page.wait_for_timeout(PAUSE_MS)
    return page.evaluate(KEYS), page.evaluate(TRIPS)


def summary(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and worst, in ms."""
    if not values:
        raise SystemExit("nothing was measured: is the queue empty?")
    return {
        "count": len(values),
        "p50_ms": round(float(np.percentile(values, 50)), 1),
        "p95_ms": round(float(np.percentile(values, 95)), 1),
        "worst_ms": round(max(values), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=200)
    parser.add_argument("--loads", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=20_000, help="waiting pairs in the queue")
    parser.add_argument("--out", type=Path, help="write the numbers here, as JSON")
    given = parser.parse_args()
    path = find_chromium()
    if path is None:
        sys.exit("no Chromium: apt-get install --no-install-recommends chromium, or name one: CHROMIUM=PATH")
    console = Console(stderr=True)
    password = secrets.token_urlsafe(16)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), given.pairs, password) as url,
        chromium(path) as browser,
    ):
        page = browser.new_context().new_page()
        log_in(page, url, "anna", password)
        painted, answered = paints(page, url, given.loads, console)
        cold = first_visits(browser, page, url, given.loads)
        alone = browser_alone(browser, page, given.loads)
        keys, trips = strokes(page, given.votes, console)
        result: dict[str, Any] = {
            "first_paint": summary(painted), "first_visit": summary(cold), "browser_alone": summary(alone),
            "answered": summary(answered),
            "key_to_next": summary(keys), "vote_round_trip": summary(trips),
            "pairs_waiting": given.pairs, "chromium": browser.version, "machine": platform.platform(),
        }  # fmt: skip
    table = Table("", "count", "p50 ms", "p95 ms", "worst ms")
    for name in ("first_paint", "first_visit", "browser_alone", "answered", "key_to_next", "vote_round_trip"):
        row = result[name]
        table.add_row(name, *(str(row[each]) for each in ("count", "p50_ms", "p95_ms", "worst_ms")))
    Console().print(table)
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
