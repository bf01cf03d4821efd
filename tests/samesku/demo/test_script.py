"""The committed catalogue is what its generator writes, and the script of it is what the demo promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from samesku.demo.generate import CATALOG, OWN_SHOP, TRUTH, build, main
from samesku.demo.products import products
from samesku.demo.script import Act, demo_catalog, own_catalog
from samesku.load.rows import UnknownFormat
from schemas.change import parse_change
from schemas.events import BadEvent
from schemas.identifiers import gtin14
from schemas.text import clean


def reason(act: Act) -> str:
    key, value = act.records[0]
    try:
        return parse_change(key, value).op
    except BadEvent as bad:
        return bad.reason


def test_the_committed_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_file_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("samesku.demo.generate.CATALOG", tmp_path / "catalog.jsonl")
    monkeypatch.setattr("samesku.demo.generate.TRUTH", tmp_path / "truth.json")
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert (tmp_path / "catalog.jsonl").read_bytes() == CATALOG.read_bytes()
    assert (tmp_path / "truth.json").read_bytes() == TRUTH.read_bytes()


def test_the_catalogue_has_what_it_is_for() -> None:
    listings, truth = build()
    assert 200 <= len(listings) <= 400
    assert len({listing["source"] for listing in listings}) == 5
    assert len(truth) == len(listings)
    everything = {product.id: product for product in products()}
    assert len({product.gtin for product in everything.values()}) == len(everything) >= 120
    assert any(product.pack > 1 for product in everything.values())
    assert any(product.bundle for product in everything.values())
    for listing in listings:
        gtin = listing.get("gtin")
        assert gtin is None or gtin14(gtin) is not None or not gtin[0].isdigit()
    for live in ("voltmart", "budgetbay", "primo", "gadgethub"):
        theirs = {truth[key] for key in truth if key.startswith(live)}
        ours = {truth[key] for key in truth if key.startswith(OWN_SHOP)}
        assert theirs & ours
        assert theirs - ours


def test_every_listing_passes_the_workers_door_and_only_the_bad_events_do_not() -> None:
    script = demo_catalog()
    assert script.rejects == []
    own, live, *events = script.acts
    changes = [parse_change(key, value) for act in (own, live) for key, value in act.records]
    assert {change.key for change in changes} == set(script.truth) == set(script.titles)
    assert all(change.index_only == (change.source == OWN_SHOP) for change in changes)
    assert [reason(act) for act in events] == [
        "upsert",
        "upsert",
        "upsert",
        "delete",
        "delete",
        "delete",
        "upsert",
        "upsert",
        "bad_gtin",
        "empty_title",
        "unknown_operation",
        "not_json",
    ]
    assert all(act.expect and act.detailed for act in events)


def test_the_events_say_what_they_change_in_the_truth() -> None:
    changed = {key: product for act in demo_catalog().acts for key, product in act.products.items()}
    assert changed.pop("primo:PR-704") == demo_catalog().truth["voltmart:VM55021"]
    assert changed == {"voltmart:VM55018": None, "primo:PR-709": None, "voltmart:VM99999": None}


def test_a_title_that_talks_to_the_model_is_only_text() -> None:
    listings, _ = build()
    trap = next(listing for listing in listings if "answer" in listing["title"])
    assert not set(clean(trap["title"])) & set('"|')


def test_a_catalogue_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("sku,name\n1,Lamp\n2,\n", encoding="utf-8")
    script = own_catalog(path)
    assert [act.records[0][0] for act in script.acts] == [b"shop:1"]
    assert [reject.line for reject in script.rejects] == [3]
    assert script.truth == {}
    with pytest.raises(UnknownFormat):
        own_catalog(tmp_path / "shop.xlsx")
