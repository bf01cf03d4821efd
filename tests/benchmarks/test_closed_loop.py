from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import closed_loop_measure as measure
from benchmarks import closed_loop_page as page
from benchmarks.closed_loop_measure import Phase, Seen, seen_of
from benchmarks.closed_loop_parts import LoopFailed
from benchmarks.closed_loop_stages import Plan, claim, portions, repriced
from benchmarks.closed_loop_stream import LOSES, STYLES, Product, queries_of, read_products, restyled, truth_of
from benchmarks.closed_loop_styles import costliest, scores
from schemas.decision import Cuts, MatchDecision
from schemas.identifiers import codes
from schemas.offer import Offer, pair_id
from schemas.text import clean
from tests.decisions import decision
from train.pairs.splits import clusters_of_offers, stages_of_clusters
from worker.monitor.plots import svg

CUTS = Cuts(match=0.5, review_low=0.5, review_high=0.5)


def listing(number: int, source: str = "market", **fields: Any) -> Offer:
    return Offer.model_validate(
        {"offer_id": f"o{number}", "source": source, "title": "Sony Cyber-shot DSC-W120 camera 7.2 MP", **fields}
    )


def seen(number: int, said: bool, truth: bool, **fields: Any) -> Seen:
    values: dict[str, Any] = {"phase": "quiet", "query": f"market:{number}", "probability": 0.9 if said else 0.1}
    values |= fields
    return Seen(
        at=number, decision=str(number), pair=f"p{number}", contents=f"c{number}", said=said, truth=truth, review=False,
        bundle="b", **values,
    )  # fmt: skip


# The stream


def test_no_measured_product_was_learnt_from_by_anybody(data_dir: Path) -> None:
    parts = read_products(data_dir)
    stages = stages_of_clusters(set(clusters_of_offers(data_dir).values()))
    named = {part: {product.name for product in products} for part, products in parts.items()}
    assert not named["measured"] & (named["learnt"] | named["known"])
    assert {stages[name] for name in named["learnt"] | named["measured"]} == {"rl", "judges", "report"}
    for product in parts["measured"]:
        assert {offer.source for offer in product.catalogue} == {"shop"}
        assert {offer.source for offer in product.queries} == {"market"}
    truth = truth_of(parts["measured"])
    one, other = parts["measured"][:2]
    assert truth.is_match(pair_id(one.queries[0].key, one.catalogue[0].key))
    assert not truth.is_match(pair_id(one.queries[0].key, other.catalogue[0].key))
    with pytest.raises(KeyError):
        truth.is_match(pair_id(one.queries[0].key, parts["learnt"][0].catalogue[0].key))


@pytest.mark.parametrize("style", sorted(STYLES))
def test_a_style_changes_the_same_offer_alike_and_keeps_who_it_is(style: str) -> None:
    offers = [listing(number, brand="Sony", price="120.00") for number in range(3)]
    made = restyled(offers, style)
    assert made == restyled(list(reversed(offers)), style)[::-1]
    if style != "accessories":
        assert [offer.key for offer in made] == [offer.key for offer in offers]
    if style not in LOSES | {"price scale", "swapped fields", "language"}:
        text = " ".join(f"{made[0].title} {made[0].description or ''}".lower().split())
        assert "sony" in text
        assert "dscw120" in "".join(char for char in text if char.isalnum()) or codes(clean(text))


def test_an_accessory_is_another_product() -> None:
    product = Product("p", (listing(100, "shop"),), tuple(listing(number) for number in range(20)))
    truth, made = truth_of([product]), restyled(product.queries, "accessories")
    changed = [offer for offer, before in zip(made, product.queries, strict=True) if offer != before]
    assert 0 < len(changed) < 20
    for offer in made:
        assert truth.is_match(pair_id(offer.key, "shop:o100")) == (offer not in changed)


def test_listings_come_mixed_and_all_of_them() -> None:
    products = [Product(str(number), (), (listing(2 * number), listing(2 * number + 1))) for number in range(20)]
    offers = queries_of(products, 1)
    assert sorted(offer.key for offer in offers) == sorted(f"market:o{number}" for number in range(40))
    assert offers != queries_of(products, 2)
    assert [offer for portion in portions(offers) for offer in portion] == offers


def test_another_price_is_another_content() -> None:
    offer = listing(1, price="100.00")
    assert repriced(offer, 0) is offer
    assert [str(repriced(offer, times).price) for times in (1, 2)] == ["97.00", "94.09"]


def test_a_folder_is_of_one_plan(tmp_path: Path) -> None:
    claim(tmp_path / "a", Plan())
    claim(tmp_path / "a", Plan())
    with pytest.raises(LoopFailed, match=r"another plan \(labels, seed differ\)"):
        claim(tmp_path / "a", Plan(labels=7, seed=3))


def test_the_costliest_style_keeps_what_names_the_product() -> None:
    rows = [{"style": name, "f1": f1} for name, f1 in (("clean", 0.1), ("broken feed", 0.2), ("a", 0.5), ("b", 0.4))]
    assert costliest(rows) == "b"
    assert scores([(True, True), (True, False), (False, True), (False, False)]) == {
        "pairs": 4, "matches": 2, "f1": 0.5, "precision": 0.5, "recall": 0.5,
    }  # fmt: skip


# The numbers


def test_only_the_students_decisions_about_the_phases_products_count() -> None:
    def made(at: int, query: str, candidate: str, **fields: Any) -> tuple[int, MatchDecision]:
        found = decision(query, candidate, "match")
        named = {"decision_id": f"{at}", "query_key": query, "candidate_key": candidate, "thresholds": CUTS, **fields}
        return at, found.model_copy(update=named)

    products = {"market:1": "p", "shop:1": "p", "shop:2": "q", "market:3": "other", "shop:3": "other"}
    phases = [Phase("quiet", 0, 100, frozenset({"p"})), Phase("after", 100, 200, frozenset({"other"}))]
    decisions = [
        made(120, "market:3", "shop:2", probability=0.2),
        made(50, "market:1", "shop:1"),
        made(51, "market:1", "shop:2", verdict="review"),
        made(52, "market:3", "shop:3"),
        made(53, "market:1", "shop:1", decided_by="label"),
        made(250, "market:3", "shop:3"),
        made(54, "market:1", "shop:1", decision_id="50"),
    ]
    rows = seen_of(decisions, phases, products, {}, {})
    assert [(row.decision, row.phase, row.said, row.truth, row.review) for row in rows] == [
        ("50", "quiet", True, True, False), ("51", "quiet", True, False, True), ("120", "after", False, False, False),
    ]  # fmt: skip


def test_windows_do_not_reach_over_phases() -> None:
    rows = [seen(number, True, True, phase="quiet" if number < 23 else "drift") for number in range(40)]
    cut = measure.windows(rows, 10)
    assert [len(part) for part in cut] == [10, 13, 10, 7]
    assert [row for part in cut for row in part] == rows


def test_true_f1_by_hand_and_of_other_verdicts() -> None:
    rows = [seen(1, True, True), seen(2, True, False), seen(3, False, True), seen(4, False, False)]
    found = measure.true_quality(rows)
    assert (found["f1"], found["precision"], found["recall"]) == (0.5, 0.5, 0.5)
    assert found["f1_low"] < 0.5 < found["f1_high"]
    assert measure.true_quality(rows, [row.truth for row in rows])["f1"] == 1.0
    assert measure.true_quality([seen(1, False, False)])["f1"] is None


def test_the_labelled_estimate_is_the_truth_when_all_are_labelled() -> None:
    rows = [
        seen(number, number % 3 > 0, number % 4 > 0, inclusion=1.0, least=1.0, uniform=True, labelled=True)
        for number in range(60)
    ]
    found = measure.labelled_quality(rows)
    assert found["f1"] == pytest.approx(measure.true_quality(rows)["f1"])
    assert found["labels"] == 60
    half = [Seen(**{**vars(row), "inclusion": 0.5, "least": 0.5}) for row in rows[::2]]
    wide = measure.labelled_quality(half)
    assert wide["f1_low"] < wide["f1"] < wide["f1_high"]
    assert measure.labelled_quality([seen(1, True, True)])["f1"] is None


def test_blocking_is_measured_against_the_catalogue() -> None:
    rows = [seen(1, True, True), seen(2, True, True, query="market:1"), seen(3, False, False, query="market:1")]
    products = {"market:1": "p"}
    assert measure.judged_matches(rows, {"p": 3}, products) == pytest.approx(2 / 3)


def records(promoted: bool) -> dict[str, Any]:
    rows = [
        seen(number, number % 2 == 0 or (phase == "drift" and number % 3 == 0), number % 2 == 0, phase=phase)
        for number, phase in enumerate(["quiet"] * 30 + ["drift"] * 30 + ["after"] * 30)
    ]
    at = "1970-01-01T00:00:00.{:03d}000Z"
    return {
        "seen": measure.as_rows(rows), "products": {row.query: "p" for row in rows}, "catalogue": {"p": 2},
        "control": {row.contents: False for row in rows if row.phase == "after"} if promoted else {},
        "alarms": [{"stream": "offers/all/codes", "at": at.format(40)}],
        "stages": {
            "choose": {"style": "article numbers", "rows": [{"style": "article numbers", **scores([(True, True)])}]},
            "quiet": {"begin": at.format(0), "end": at.format(29)},
            "drift": {
                "begin": at.format(30), "end": at.format(59), "style": "article numbers",
                "alarm": {"seen": at.format(41), "stream": "offers/all/codes"},
            },
            "retrain": {
                "verdict": {"reasons": ["better on held-out labels"]},
                "labels": {"counts": {"trained on, person": 30, "held out": 10}},
            },
            "promote": {"promoted": promoted, "at": at.format(60)},
            "after": {"begin": at.format(60), "end": at.format(90)},
        },
    }  # fmt: skip


@pytest.mark.parametrize("promoted", [True, False])
def test_the_report_says_what_came_of_it(promoted: bool) -> None:
    report = measure.build(records(promoted), 10)
    assert [phase["name"] for phase in report["phases"]] == ["quiet", "drift", "after"]
    assert [event["kind"] for event in report["events"]] == ["drift", "alarm", "promoted" if promoted else "refused"]
    assert [event["at"] for event in report["events"]] == [30, 41, 60]
    assert [window["from"] for window in report["windows"]] == list(range(0, 90, 10))
    said = page.verdict_line(report)
    assert "fell from 100.0 to" in said
    assert ("where the old student has 0.0" in said) == promoted
    assert ("refused, and it stayed at 100.0" in said) == (not promoted)
    text = page.table(report)
    assert "alarm: offers/all/codes" in text
    assert "article numbers (chosen)" in text
    drawn = svg(page.figure(report))
    assert "drift begins: article numbers" in drawn
    assert "retrained on 30 labels, judged on 10" in drawn
