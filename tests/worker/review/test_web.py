"""What the page lets in, what it shows, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.worker.review.making import PASSWORD, Clock, review_task, settings
from worker.review import tasks
from worker.review.database import Database
from worker.review.web.app import create_app
from worker.review.web.page import asset

Open = Callable[..., TestClient]
SCRIPT = "</title><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


@pytest.fixture
def database(peopled: Database) -> Database:
    return peopled


@pytest.fixture
def opened(database: Database, clock: Clock) -> Iterator[Open]:
    """Opens the page, as one browser each time, with somebody of `seeded` logged in."""
    clients: list[TestClient] = []

    def open_page(who: str | None = "anna", **fields: Any) -> TestClient:
        client = TestClient(create_app(database, settings(**fields), clock), follow_redirects=False)
        clients.append(client)
        if who is not None:
            assert login(client, who).status_code == 303
        return client

    yield open_page
    for client in clients:
        client.close()


def login(client: TestClient, name: str, password: str = PASSWORD) -> Any:
    form = client.get("/login").text
    return client.post("/login", data={"name": name, "password": password, "csrf": _field(form, "csrf")})


def token(client: TestClient) -> str:
    return _field(client.get("/").text, "csrf")


def vote(client: TestClient, task: str, verdict: str = "match", **fields: str) -> Any:
    data = {"task_id": task, "cast_id": f"{task}-{verdict}-0", "verdict": verdict, **fields}
    return client.post("/vote", data=data, headers={"accept": "application/json", "x-csrf-token": token(client)})


def _field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def ask(database: Database, *numbers: int, **fields: Any) -> None:
    with database.write() as connection:
        for number in numbers:
            tasks.take_review(connection, review_task(number, **fields), 0)


class Tags(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", ["/", "/pair?id=x", "/search?q=x", "/history", "/progress", "/trail", "/people"])
def test_whoever_is_logged_out_sees_nothing(opened: Open, database: Database, path: str) -> None:
    ask(database, 1)
    client = opened(None)
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Sony" not in answer.text


@pytest.mark.parametrize("path", ["/vote", "/undo", "/next", "/reopen", "/people/end", "/logout"])
def test_whoever_is_logged_out_does_nothing(opened: Open, path: str) -> None:
    sent = {"task_id": "d1", "cast_id": "12345678", "verdict": "match", "name": "anna"}
    assert opened(None).post(path, data=sent).status_code == 401


def test_a_session_ends_when_it_is_ended_and_when_its_time_is_over(opened: Open, clock: Clock) -> None:
    client = opened(session_hours=1)
    stolen = dict(client.cookies)
    assert client.post("/logout", data={"csrf": token(client)}).status_code == 303
    thief = opened(None)
    thief.cookies.update(stolen)
    assert thief.get("/").status_code == 303
    second = opened(session_hours=1)
    clock.forward(3_601)
    assert second.get("/").status_code == 303


def test_a_cookie_that_we_did_not_sign_is_nobodys(opened: Open) -> None:
    client = opened()
    value = client.cookies["samesku_review"]
    client.cookies.clear()
    client.cookies.set("samesku_review", value[:-3] + "abc")
    assert client.get("/").status_code == 303


def test_cookies_are_for_this_site_alone(opened: Open) -> None:
    client = opened(None, secure_cookies=True)
    client.base_url = client.base_url.copy_with(scheme="https")
    cookie = login(client, "anna").headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "secure"))


def test_failed_logins_are_told_alike_and_run_out(opened: Open) -> None:
    client = opened(None, login_attempts=3)
    told = [login(client, name, "wrong wrong wrong") for name in ("anna", "nobody", "anna")]
    assert {answer.status_code for answer in told} == {401}
    assert len({re.sub(r'value="[^"]*"', "", answer.text) for answer in told}) == 1
    # The address has used its attempts up, so that even the right password must wait.
    assert login(client, "anna").status_code == 429


def test_a_login_form_of_another_browser_is_refused(opened: Open) -> None:
    form = opened(None).get("/login").text
    answer = opened(None).post("/login", data={"name": "anna", "password": PASSWORD, "csrf": _field(form, "csrf")})
    assert answer.status_code == 403


def test_a_post_without_the_sessions_token_does_nothing(opened: Open, database: Database) -> None:
    ask(database, 1)
    client = opened()
    data = {"task_id": "d1", "cast_id": "12345678", "verdict": "match"}
    for given in ({}, {"csrf": "wrong"}, {"csrf": token(opened("lea"))}):
        assert client.post("/vote", data=data | given).status_code == 403
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM votes").fetchone()[0] == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 400),
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-length": "1000000"}, 413),
    ],
)
def test_foreign_hosts_origins_and_floods_are_refused(opened: Open, headers: dict[str, str], status: int) -> None:
    assert opened().post("/undo", headers=headers, content=b"").status_code == status


def test_a_user_who_asks_too_often_waits(opened: Open) -> None:
    client = opened(requests_per_minute=5)
    answers = [client.get("/history") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert "retry-after" in answers[-1].headers


def test_every_answer_carries_the_policy(opened: Open) -> None:
    client = opened()
    for path in ("/", "/static/review.js", "/nowhere", "/login"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")


def test_pages_are_not_kept_by_the_browser_but_its_scripts_are(opened: Open) -> None:
    client = opened()
    assert client.get("/").headers["cache-control"] == "no-store"
    assert "immutable" in client.get(asset("review.css")).headers["cache-control"]


def test_a_script_in_a_listing_stays_text(opened: Open, database: Database) -> None:
    hostile = review_task(1, title=SCRIPT)
    event = hostile.model_copy(
        update={
            "first_offer": hostile.first_offer.model_copy(
                update={"attributes": {SCRIPT: SCRIPT}, "image_url": "javascript:alert(1)", "brand": '" onclick="x'}
            ),
            "reasons": [SCRIPT],
        }
    )
    with database.write() as connection:
        tasks.take_review(connection, event, 0)
    client = opened("lea")
    vote(client, "d1", "no_match", note=SCRIPT)
    ask(database, 2, title=SCRIPT)
    for path in ("/", "/history", "/trail", f"/search?q={SCRIPT}", f"/search?q={SCRIPT[:8]}", "/progress"):
        page = client.get(path)
        assert page.status_code == 200
        tags = Tags(page.text).found
        assert [attributes for tag, attributes in tags if tag == "script"] == [
            {"src": asset("review.js"), "defer": None}
        ]
        assert not [tag for tag, _ in tags if tag == "img"]
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
        assert not [each for _, each in tags if (each.get("href") or "").startswith("javascript:")]
    assert "&lt;script&gt;" in client.get("/").text


def test_images_and_links_are_only_http_and_not_loaded_unless_wished(opened: Open, database: Database) -> None:
    ask(database, 1, image_url="https://images.example/a.png", url="https://shop.example/a")
    links = [each for tag, each in Tags(opened().get("/").text).found if tag == "a" and each.get("target")]
    assert {each["href"] for each in links} == {"https://images.example/a.png", "https://shop.example/a"}
    assert {each["rel"] for each in links} == {"noreferrer noopener"}
    shown = opened(load_images=True).get("/")
    [image] = [each for tag, each in Tags(shown.text).found if tag == "img"]
    assert (image["src"], image["referrerpolicy"]) == ("https://images.example/a.png", "no-referrer")
    assert "https:" in shown.headers["content-security-policy"]


def test_blind_shows_what_the_student_said_only_after_the_vote(opened: Open, database: Database) -> None:
    ask(database, 1)
    client = opened(blind=True)
    pair = review_task(1).pair_id
    shown = client.get("/").text + client.get("/pair", params={"id": pair}).text
    assert "0.50" not in shown
    assert "leaning" not in shown
    assert "uncertain" not in shown
    assert "review at 0.50" in vote(client, "d1").json()["said"]


def test_a_vote_by_form_goes_on_without_a_script(opened: Open, database: Database) -> None:
    ask(database, 1, 2)
    client = opened()
    page = client.get("/").text
    data = {name: _field(page, name) for name in ("csrf", "task_id", "cast_id")}
    assert client.post("/vote", data=data | {"verdict": "match"}).status_code == 303
    assert _field(client.get("/").text, "task_id") != data["task_id"]


def test_the_script_gets_the_next_pair_and_the_numbers(opened: Open, database: Database) -> None:
    ask(database, 1, 2, 3, 4)
    client = opened()
    answer = vote(client, "d1", holding="d2,d3", want="1").json()
    assert [each["task_id"] for each in answer["next"]] == ["d4"]
    assert answer["counts"] == {"open": 3, "conflicts": 0, "today": 1, "hour": 1}
    undone = client.post("/undo", data={"holding": "d2,d3"}, headers={
        "accept": "application/json", "x-csrf-token": token(client)
    }).json()  # fmt: skip
    assert undone["task"]["task_id"] == "d1"


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"verdict": "perhaps"}, 422, "verdict"),
        ({"brand": "perhaps"}, 422, "brand"),
        ({"brand": "different"}, 422, "different brand"),
        ({"task_id": "none"}, 409, "no such pair"),
    ],
)
def test_a_bad_vote_says_why(opened: Open, database: Database, fields: dict[str, str], status: int, told: str) -> None:
    ask(database, 1)
    answer = vote(opened(), **{"task": "d1", **{name: value for name, value in fields.items() if name != "task_id"}},
                  **({"task_id": fields["task_id"]} if "task_id" in fields else {}))  # fmt: skip
    assert answer.status_code == status
    assert told in answer.json()["error"]


@pytest.mark.parametrize(("path", "who", "status"), [
    ("/trail", "anna", 403), ("/trail", "lea", 200), ("/people", "lea", 403), ("/people", "root", 200),
])  # fmt: skip
def test_roles(opened: Open, path: str, who: str, status: int) -> None:
    assert opened(who).get(path).status_code == status


def test_an_admin_ends_the_sessions_of_others(opened: Open) -> None:
    anna, root = opened(), opened("root")
    assert root.post("/people/end", data={"name": "anna", "csrf": token(root)}).status_code == 303
    assert anna.get("/").status_code == 303


def test_search_finds_by_offer_and_by_words(opened: Open, database: Database) -> None:
    ask(database, 1, 2)
    client = opened()
    for asked in ("abt:a1", "buy:b1", review_task(1).pair_id, "dsc-w121 pink"):
        found = client.get("/search", params={"q": asked}).text
        assert ("DSC-W121" in found, "W124" in found) == (True, False), asked
    assert "nothing found" in client.get("/search", params={"q": "%_%"}).text


def test_the_other_answer_is_hidden_until_ones_own_is_given(opened: Open, database: Database) -> None:
    with database.write() as connection:
        tasks.take_review(connection, review_task(1), 1.0)
    vote(opened("lea"), "d1", "no_match", note="hm")
    page = opened().get("/pair", params={"id": review_task(1).pair_id}).text
    assert "lea" not in page
