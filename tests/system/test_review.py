"""The review page in a real Chromium, on a real Kafka: fifty pairs by keyboard, undo, a conflict, hostile listings."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from playwright.sync_api import Browser, Page, expect

from samesku.topics import TopicAdmin
from schemas import topics
from schemas.events import Event, dumps
from schemas.label import Label, parse_label
from schemas.sections import KafkaSettings
from tests.system.browsing import chromium, log_in, need_chromium
from tests.worker.review.making import PASSWORD, labeling_task, later_decision, review_task

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PATIENCE_S = 60.0
PAIRS = 50
HOSTILE = "</td><script>document.title = 'hacked'</script><img src=x onerror=\"document.title = 'hacked'\">"


@dataclass
class Served:
    """`samesku review serve` as a process, on topics of its own."""

    bootstrap: str
    folder: Path
    prefix: str
    undo_s: float = 0.3
    process: subprocess.Popen[str] | None = None
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.bootstrap, topic_prefix=self.prefix, partitions=1)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SAMESKU_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap,
            "SAMESKU_KAFKA__TOPIC_PREFIX": self.prefix,
            "SAMESKU_KAFKA__TRANSACTIONAL_ID_PREFIX": f"{self.prefix}page",
            "SAMESKU_KAFKA__TRANSACTION_TIMEOUT_MS": "10000",
            "SAMESKU_REVIEW__DATABASE": str(self.folder / "review.db"),
            "SAMESKU_REVIEW__PORT": "0",
            "SAMESKU_REVIEW__UNDO_S": str(self.undo_s),
            "SAMESKU_REVIEW__DOUBLE_SHARE": "0",
            "SAMESKU_REVIEW__POLL_S": "0.1",
            "SAMESKU_LOG__JSON_LINES": "true",
        }

    def command(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "samesku.cli", "review", *arguments], env=self.environment, input=given, text=True,
            capture_output=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "samesku.cli", "review", "serve"], env=self.environment, text=True,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r'"url": ?"(http://[^"]+)/"', line):
                self.url = found[1]
                break
        else:
            pytest.fail("the page did not start:\n" + "".join(self.lines))
        self.wait(lambda: httpx.get(f"{self.url}/healthz").status_code == 200)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.process = None
        return code

    def send(self, name: str, *events: Event) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": topics.PARTITIONER})
        for event in events:
            key: Any = event.pair_id  # type: ignore[attr-defined]
            producer.produce(self.kafka.topic(name), key=key.encode(), value=dumps(event))
        assert producer.flush(30) == 0

    def labels(self, count: int) -> list[Label]:
        """All labels in the topic, once there are `count` (or more)."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": f"{self.prefix}reader", "enable.auto.commit": False,
             "isolation.level": "read_committed", "auto.offset.reset": "earliest"}
        )  # fmt: skip
        consumer.assign([TopicPartition(self.kafka.topic(topics.LABELS), 0, 0)])
        found: list[Label] = []
        quiet = 0
        ends = time.monotonic() + PATIENCE_S
        # A little longer than until the last: what would come twice must be seen.
        while (len(found) < count or quiet < 2) and time.monotonic() < ends:
            message = consumer.poll(0.4)
            quiet = quiet + 1 if message is None else 0
            if message is not None and message.error() is None:
                found.append(parse_label(message.key(), message.value()))
        consumer.close()
        return found

    @staticmethod
    def wait(true: Any) -> None:
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            try:
                if true():
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        pytest.fail("waited in vain")


@pytest.fixture(scope="module")
def served(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    need_chromium()
    page = Served(kafka, tmp_path_factory.mktemp("review"), f"review{os.getpid()}.")
    TopicAdmin(page.kafka.client_config()).apply(page.kafka.topic_specs())
    for name, role in (("anna", "reviewer"), ("ben", "reviewer"), ("lea", "lead")):
        done = page.command("users", "add", name, "--role", role, given=f"{PASSWORD}\n")
        assert done.returncode == 0, done.stderr
    page.start()
    yield page
    if page.process is not None:
        page.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(need_chromium()) as running:
        yield running


def person(browser: Browser, served: Served, name: str) -> Page:
    page = browser.new_context().new_page()
    log_in(page, served.url, name, PASSWORD)
    return page


def shown(page: Page) -> str:
    return str(page.get_attribute("article.task", "data-task"))


def press(page: Page, key: str) -> None:
    """Press a key and wait until the vote is saved."""
    before = page.locator("[data-count=today]").inner_text()
    page.keyboard.press(key)
    expect(page.locator("[data-count=today]")).not_to_have_text(before)


def test_fifty_pairs_by_keyboard_with_an_undo_arrive_once_and_in_order(served: Served, browser: Browser) -> None:
    # One is hostile; the student is surest of the last, so that the order of the queue is known.
    asked = [review_task(number, probability=0.5 + number / 200) for number in range(PAIRS)]
    asked[7] = review_task(7, probability=0.5 + 7 / 200, title=HOSTILE)
    served.send(topics.REVIEW, *asked)
    anna = person(browser, served, "anna")
    expect(anna.locator("[data-count=open]")).to_have_text(str(PAIRS), timeout=PATIENCE_S * 1_000)
    given: list[tuple[str, str]] = []
    for place in range(PAIRS):
        task = f"d{place}"
        expect(anna.locator(f"article[data-task={task}]")).to_have_count(1)
        if place == 7:
            # What would run would have run by now: the text is there, the element is not.
            assert HOSTILE.split(">")[0] in anna.inner_text("table.pair")
            assert anna.locator("table.pair script, table.pair img").count() == 0
            assert "hacked" not in anna.title()
        if place == 10:
            press(anna, "m")
            anna.keyboard.press("z")
            expect(anna.locator(f"article[data-task={task}]")).to_have_count(1)
            expect(anna.locator("#said")).to_contain_text("took back: match")
        key, verdict = ("m", "match") if place % 2 == 0 else ("n", "no_match")
        if place == 20:
            # A different variant cannot be a match: the page says so, and stays.
            anna.keyboard.press("3")
            anna.keyboard.press("3")
            assert anna.locator(".attribute[data-name=variant]").get_attribute("data-said") == "different"
            anna.keyboard.press("m")
            expect(anna.locator("#said")).to_contain_text("cannot have a different variant")
            key, verdict = "n", "no_match"
        anna.keyboard.press(key)
        given.append((task, verdict))
    expect(anna.locator("#empty")).to_be_visible()
    expect(anna.locator("[data-count=today]")).to_have_text(str(PAIRS))
    labels = served.labels(PAIRS)
    assert [(label.decision_id, label.verdict) for label in labels] == given
    assert labels[20].attributes == {"variant": "different"}
    assert {label.reviewer for label in labels} == {"anna"}
    anna.context.close()


def test_two_who_disagree_are_settled_by_a_lead(served: Served, browser: Browser) -> None:
    before = len(served.labels(0))
    served.send(topics.LABELING, labeling_task(101, double=True, expires_at=datetime.now(UTC) + timedelta(days=1)))
    # Two answers are wanted, so two people are shown the pair: the lead comes when they have disagreed.
    people = {name: person(browser, served, name) for name in ("anna", "ben")}
    for name, key in (("anna", "m"), ("ben", "n")):
        expect(people[name].locator("article[data-task=d101]")).to_have_count(1, timeout=PATIENCE_S * 1_000)
        press(people[name], key)
    assert len(served.labels(before)) == before
    lea = people["lea"] = person(browser, served, "lea")
    expect(lea.locator(".tag.alert")).to_contain_text("you decide")
    expect(lea.locator("p.student").first).to_contain_text("anna said match")
    press(lea, "n")
    label = served.labels(before + 1)[-1]
    assert (label.decision_id, label.verdict, label.reviewer) == ("d101", "no_match", "lea")
    # The decision that follows is in the pair's history beside the label.
    served.send(
        topics.DECISIONS,
        later_decision(101, "no_match", (1, 1), decided_by="label", label_id=label.label_id, decision_id="applied"),
    )
    lea.goto(f"{served.url}/search?q=abt:a101")
    lea.click("table.list a")
    served.wait(lambda: lea.reload() and "applied" in lea.inner_text("table.list >> nth=0"))
    lea.goto(f"{served.url}/progress")
    expect(lea.locator(".cards")).to_contain_text("0%agree, of 1 answered twice")
    for page in people.values():
        page.context.close()


def test_whoever_is_logged_out_is_sent_to_the_door(served: Served, browser: Browser) -> None:
    anna = person(browser, served, "anna")
    anna.click("text=Log out")
    anna.wait_for_url(f"{served.url}/login")
    anna.goto(f"{served.url}/progress")
    assert anna.url == f"{served.url}/login"
    assert httpx.post(f"{served.url}/vote", data={"task_id": "d1"}).status_code == 401
    anna.context.close()


def test_a_killed_page_neither_loses_nor_doubles_labels(served: Served, browser: Browser) -> None:
    before = len(served.labels(0))
    served.send(topics.REVIEW, *(review_task(number) for number in range(200, 206)))
    anna = person(browser, served, "anna")
    expect(anna.locator("[data-count=open]")).to_have_text("6", timeout=PATIENCE_S * 1_000)
    for _ in range(6):
        press(anna, "m")
    # Killed while labels are on their way: some have left, some wait for their time to undo.
    served.end(signal.SIGKILL)
    served.start()
    labels = served.labels(before + 6)[before:]
    assert len(labels) == 6
    assert {label.decision_id for label in labels} == {f"d{number}" for number in range(200, 206)}
    assert served.end() == 0
    anna.context.close()
