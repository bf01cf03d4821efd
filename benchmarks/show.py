"""The benchmarks' reports as tables for a person. The same objects are written as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.abt_buy import SPLITS

FATE_WORDS = {
    "match": "stand as a match",
    "never_named": "never named by blocking",
    "no_match": "named, judged no match",
    "review_band": "in review: the review band",
    "review_contradiction": "in review: a contradiction",
    "retracted": "retracted",
}
GROUP_WORDS = {
    "known_match": "known matches",
    "labelled_no_match": "labelled as no match (certainly wrong)",
    "unlabelled_true": "unlabelled, but a match in the full mapping",
    "unlabelled_other": "unlabelled, in no mapping",
    "same_seller": "two offers of one seller, never labelled",
}


def stream_report(report: dict[str, Any], console: Console) -> None:
    """Print what `benchmarks.stream` found, the test split first."""
    facts, bundle = report["settings"], report["bundle"]
    console.print(
        f"\n[bold]{report['offers']} Abt-Buy offers, k = {facts['k']}, {facts['workers']} worker(s)[/] with "
        f"{bundle['name']} {bundle['version']} ({bundle['digest'][:12]}), threshold {facts['match_threshold']:.3f}, "
        f"review from {facts['review_low']:.3f} to {facts['review_high']:.3f}\n"
    )
    console.print(_quality(report))
    for split in SPLITS:
        if steps := report["splits"][split].get("steps"):
            console.print(_steps(split, steps, report["splits"][split]["sides"]))
    console.print(_fates(report))
    console.print(_catalogue(report["catalogue"]))
    console.print(_rates(report))


def _quality(report: dict[str, Any]) -> Table:
    """F1 of the stream on labelled pairs beside what the student and blocking promise."""
    table = Table(title="Labelled pairs: F1 of the standing matches beside offline F1 x blocking recall")
    table.add_column("split")
    for name in ("matches", "P", "R", "F1", "offline", "recall@k", "product", "distance"):
        table.add_column(name, justify="right")
    for split in SPLITS:
        found = report["splits"][split]
        stream, promised = found["stream"], found.get("expected")
        row = [split, str(found["matches"]), *(_percent(stream[name]) for name in _SHARES)]
        if promised:
            product = promised["offline_f1_x_recall"]
            row += [_percent(promised[name]) for name in ("offline_f1", "blocking_recall")]
            row += [_percent(product), f"{100 * (stream['f1'] - product):+.1f}"]
        table.add_row(*row, style="bold" if split == "test" else None)
    whole = report["catalogue"]["against_known_labelled_pairs_only"]
    table.add_row("all", str(_matches(whole)), *(_percent(whole[name]) for name in _SHARES))
    table.caption = "The student was trained on train pairs and calibrated on valid: only test is a fair measure."
    return table


def _steps(split: str, steps: list[dict[str, Any]], sides: dict[str, int]) -> Table:
    table = Table(title=f"{split} split: from the student alone to the stream, one cause a line")
    table.add_column("after this")
    for name in ("right", "wrong", "missed", "F1", "change"):
        table.add_column(name, justify="right")
    before = None
    for step in steps:
        change = "" if before is None else f"{100 * (step['f1'] - before):+.1f}"
        counted = [str(step[name]) for name in ("right", "wrong", "missed")]
        table.add_row(step["cause"], *counted, _percent(step["f1"]), change)
        before = step["f1"]
    table.caption = (
        f"The answer is another than offline in {sides['same_side_differ']} of {sides['same_side']} pairs judged from "
        f"the same side, in {sides['other_side_differ']} of {sides['other_side']} from the other."
    )
    return table


def _fates(report: dict[str, Any]) -> Table:
    table = Table(title="What became of the known matches")
    table.add_column("they …")
    for name in (*SPLITS, "all"):
        table.add_column(name, justify="right")
    columns = [report["splits"][split]["fates_of_matches"] for split in SPLITS]
    columns.append(report["catalogue"]["fates_of_known"])
    for fate, words in FATE_WORDS.items():
        table.add_row(words, *(str(column[fate]) for column in columns))
    return table


def _catalogue(found: dict[str, Any]) -> Table:
    table = Table(title="All standing matches")
    table.add_column("they are …")
    table.add_column("pairs", justify="right")
    for group, words in GROUP_WORDS.items():
        table.add_row(words, str(found["standing_matches"][group]))
    table.add_section()
    for name, words in (
        ("against_known", "F1 against the known matches (a lower bound)"),
        ("against_truth", "F1 against known and full mapping together (still without same-seller pairs)"),
    ):
        shown = found[name]
        shares = f"P {_percent(shown['precision'])}, R {_percent(shown['recall'])}"
        table.add_row(f"{words}: {shares}", _percent(shown["f1"]))
    return table


def _rates(report: dict[str, Any]) -> Table:
    found, stages, worst = report["rates"], report["stages"], report["partitions"][0]
    mean = found["changes"] / len(report["partitions"])
    table = Table(title="Rates", show_header=False)
    rows = {
        "changes": f"{found['changes']} in {found['seconds']:.1f} s: {found['changes_per_second']:.2f}/s",
        "pairs judged": f"{found['pairs']} ({found['distinct_pairs']} distinct): {found['pairs_per_second']:.2f}/s",
        "candidates per change": f"{found['candidates_per_change']:.2f}",
        "changes with fewer candidates under lag": str(found["changes_with_fewer_candidates"]),
        "slowest partition": f"{worst['partition']}: {worst['changes']} changes ({worst['changes'] / mean:.2f} of the "
        f"mean), last answer after {worst['seconds']:.1f} s",
        "batches": f"{stages['batches']}, {stages['changes_per_batch']:.1f} changes each",
        "ms per change": ", ".join(f"{phase} {spent:.1f}" for phase, spent in stages["ms_per_change"].items()),
        "judging, ms per pair": "" if stages["judge_ms_per_pair"] is None else f"{stages['judge_ms_per_pair']:.1f}",
        "workers ready after": f"{found['ready_seconds']:.1f} s",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


_SHARES = ("precision", "recall", "f1")


def _matches(counts: dict[str, Any]) -> int:
    return int(counts["right"]) + int(counts["missed"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
