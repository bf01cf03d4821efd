"""After an erasure the text is nowhere, and does not come back."""

from __future__ import annotations

from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from schemas.events import dumps
from tests.decisions import NOW
from tests.worker.audit.making import decision_record, fill, judged, offer, offer_record
from worker.audit import erasing
from worker.audit.compaction import compact
from worker.audit.contents import Contents
from worker.audit.erasing import erase, mend, remaining
from worker.audit.erasures import ERASED
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS, OFFERS
from worker.stream.records import Record

SECRET = "zebra-striped handle of J. Doe"
GONE, OTHER, THIRD = offer(1, "a", SECRET), offer(1, "b", "plain handle"), offer(2, "b", "another")
LATER = NOW + timedelta(days=2)


def everything(store: AuditStore) -> str:
    """All cells of all files, whether they count or not."""
    text = []
    for table in ("decisions", "offers"):
        folder = f"{table}/p0000"
        names = [f"{folder}/{name}" for name in store.folder.names(folder)]
        parts = [f"{folder}/parts/{name}" for name in store.folder.names(f"{folder}/parts")]
        names += [f"{each}/{name}" for each in parts for name in store.folder.names(each)]
        for name in names:
            if name.endswith(".parquet"):
                with store.folder.fs.open(store.folder.url(name), "rb") as file:
                    text.append(str(pq.read_table(file).to_pylist()))
    return "".join(text)


def records() -> tuple[list[Record], list[Record]]:
    offers = [offer_record(GONE, 0, 1), offer_record(OTHER, 1, 1), offer_record(THIRD, 2, 1)]
    about = judged(GONE, OTHER)
    extra = dumps(about).replace(b'"verdict":"match"', f'"verdict":"match","zz":"{SECRET}"'.encode())
    extra = extra.replace(about.decision_id.encode(), b"with-unknown-fields")
    bad = Record("t", 0, 3, f"{GONE.key}#{THIRD.key}".encode(), f"broken {SECRET}".encode())
    decisions = [
        decision_record(about, 0), decision_record(judged(OTHER, offer(3, "c")), 1),
        Record("t", 0, 2, about.pair_id.encode(), extra), bad,
    ]  # fmt: skip
    return offers, decisions


def put(store: AuditStore) -> None:
    offers, decisions = records()
    fill(store, OFFERS, offers)
    fill(store, DECISIONS, decisions[:2])
    fill(store, DECISIONS, decisions[2:], start=2)


def test_text_is_gone_and_all_else_stays(any_store: AuditStore) -> None:
    put(any_store)
    assert SECRET in everything(any_store)
    done = erase(any_store, GONE.key, "legal", "request 17", LATER, 100)
    assert (done.contents, done.decisions, done.remaining) == (1, 3, 0)
    assert done.entry.digests == [GONE.digest()]
    assert SECRET not in everything(any_store)
    assert remaining(any_store) == {"offers": 0, "decisions": 0}
    contents = Contents(any_store)
    assert contents.get([GONE.digest(), OTHER.digest()]) == {OTHER.digest(): OTHER}
    assert contents.erased([GONE.digest(), OTHER.digest()]) == {GONE.digest()}
    (blank, _) = any_store.decisions(f"first_key = '{GONE.key}'")
    whole = judged(GONE, OTHER)
    assert blank.rationale is not None
    assert whole.rationale is not None
    assert blank.rationale.sentence == ERASED
    assert [quote.text for quote in blank.rationale.quotes] == [ERASED, OTHER.title]
    assert blank.rationale.attributes == whole.rationale.attributes
    assert (blank.probability, blank.first, blank.decision_id) == (whole.probability, whole.first, whole.decision_id)
    untouched = judged(OTHER, offer(3, "c"))
    assert list(any_store.events(f"pair_id = '{untouched.pair_id}'")) == [dumps(untouched)]


@pytest.mark.parametrize("wiped", [("offers", "decisions"), ("offers",)])
def test_reading_the_topics_again_brings_nothing_back(any_store: AuditStore, wiped: tuple[str, ...]) -> None:
    put(any_store)
    erase(any_store, GONE.key, "legal", "request 17", LATER, 100)
    for table in wiped:
        any_store.folder.remove_folder(table)
    put(any_store)
    compact(any_store, DECISIONS, 0, fan=2, part_rows=100, full=True)
    assert SECRET not in everything(any_store)
    assert Contents(any_store).erased([GONE.digest()]) == {GONE.digest()}


def test_what_a_sink_has_not_read_yet_is_barred_too(store: AuditStore) -> None:
    erase(store, GONE.key, "legal", "request 17", LATER, 100)
    put(store)
    assert SECRET not in everything(store)
    assert Contents(store).get([GONE.digest()]) == {}


def test_what_the_seller_publishes_afterwards_is_new(store: AuditStore) -> None:
    put(store)
    erase(store, GONE.key, "legal", "request 17", LATER, 100)
    new = offer(1, "a", "harmless handle")
    fill(store, OFFERS, [offer_record(new, 3, 9, LATER + timedelta(days=1))], start=3)
    assert Contents(store).get([new.digest()]) == {new.digest(): new}


def test_a_file_of_a_writer_that_did_not_know_is_hidden_and_then_mended(
    store: AuditStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(erasing, "mend", lambda store, part_rows: {"offers": 0, "decisions": 0})
        put(store)
        erase(store, GONE.key, "legal", "request 17", LATER, 100)
    assert SECRET in everything(store)
    assert Contents(store).get([GONE.digest()]) == {}
    assert all(SECRET.encode() not in event for event in store.events())
    assert sum(remaining(store).values()) == 4
    assert sum(mend(store, 100).values()) == 4
    assert SECRET not in everything(store)


def test_a_text_that_is_no_offer_key(store: AuditStore) -> None:
    with pytest.raises(ValueError, match="not an offer key"):
        erase(store, "nonsense", "legal", "x", LATER, 100)
