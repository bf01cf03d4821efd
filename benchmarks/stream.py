"""The main job on all Abt-Buy offers: how good are the standing matches, what was lost where, and how fast?

    make bench-stream                                    # everything, with the default student
    .venv/bin/python -m benchmarks.stream --limit 200    # a quick try
    .venv/bin/python -m benchmarks.stream --out stream.json --evaluation abt-buy-test.json

Both tables are sent as changes of two sellers through the embedded Apache Kafka, a real Redis and `samesku worker`
processes; the decisions are read back as a downstream service reads them. `docs/benchmarks.md` says what each number
means. Needs the data (SAMESKU_DATA) and the serving install only.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import live, output, show
from benchmarks.abt_buy import SELLERS, SPLITS, AbtBuy, data_dir, load_abt_buy
from benchmarks.distance import Counts, count, expected, fates, matches_of, sides, standing_matches, steps
from benchmarks.offline import OtherEvaluation, evaluation_counts, matches_offline
from benchmarks.rates import partitions, rates, stages
from samesku.demo.serving import WorkerEnded, terminated_like_interrupted
from samesku.errors import CommandError
from samesku.load.send import NotDelivered
from samesku.progress import BytesProgress
from schemas.bundle import BundleError, BundleManifest
from schemas.decision import MatchDecision, standing
from schemas.policy import Policy
from schemas.settings import Settings, load_settings
from train.pairs.pairs import PairFileError
from worker.student.locate import find_bundle
from worker.student.student import Student

CANDIDATES = 5
# Between two lines of progress where no bar can be drawn.
LINE_SHARE = 0.05


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="default", help="folder of a bundle, or 'default' (the committed student)")
    parser.add_argument("--k", type=int, default=CANDIDATES, help=f"candidates per change ({CANDIDATES})")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of one group, which share the cores")
    parser.add_argument("--limit", type=int, metavar="N", help="only N offers, among them both sides of known matches")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="send in random order, not Abt's table first")
    parser.add_argument(
        "--exclude-same-source", action="store_true", help="name no candidates of the changed offer's own seller"
    )
    parser.add_argument(
        "--offline-splits", default="test", metavar="LIST", help="judge these splits' pairs offline, too (test); or ''"
    )
    parser.add_argument(
        "--evaluation", type=Path, metavar="FILE",
        help="take the test split's offline numbers from `samesku evaluate --json` instead (no step-by-step table)",
    )  # fmt: skip
    output.add_out(parser)
    args = parser.parse_args()
    args.offline_splits = [name for name in args.offline_splits.split(",") if name]
    if unknown := set(args.offline_splits) - set(SPLITS):
        parser.error(f"--offline-splits: {', '.join(sorted(unknown))}; valid: {', '.join(SPLITS)}")
    for name in ("k", "workers", "limit"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return args


def main() -> None:
    args = arguments()
    console = Console(stderr=True, highlight=False)
    try:
        with terminated_like_interrupted():
            report = run(args, console)
    except (
        CommandError, BundleError, PairFileError, OtherEvaluation, NotDelivered, WorkerEnded, live.StreamFailed,
        KafkaException, OSError,
    ) as error:  # fmt: skip
        sys.exit(f"bench-stream: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    show.stream_report(report, Console(highlight=False))
    output.write(report, args.out)


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure offline, stream, and account for the difference. Raises what `main` tells of."""
    report = output.surroundings("stream")
    data = load_abt_buy(data_dir(), args.limit)
    if args.shuffle is not None:
        data = replace(data, changes=random.Random(args.shuffle).sample(data.changes, len(data.changes)))
    settings = _settings(args)
    cache = Path(settings.student.cache_dir) if settings.student.cache_dir else None
    with BytesProgress(console, "building the bundle") as building:
        bundle = find_bundle(args.bundle, building, cache)
    manifest, alone = _offline(args, settings, bundle, data, console)
    policy = settings.policy.resolved(manifest.thresholds)
    reused = evaluation_counts(args.evaluation, manifest, len(data.of_split("test"))) if args.evaluation else None

    with _progress(console, "answered", len(data.changes)) as progress:
        found = live.stream(settings, bundle, args.workers, data.changes, progress)
    stands = standing(found.decisions)
    answers = list(found.answers.values())
    return report | {
        "bundle": output.bundle_facts(manifest),
        "settings": _in_force(args, settings, policy),
        "offers": len(data.changes),
        "splits": {
            split: _split(data.of_split(split), stands, alone.get(split), reused if split == "test" else None, policy)
            for split in SPLITS
        },
        "catalogue": _catalogue(data, stands),
        "rates": rates(answers, found.decisions, found.sent_at) | {"ready_seconds": found.ready_seconds},
        "partitions": partitions(answers, found.sent_at),
        "stages": stages(found.metrics, len(answers)),
        "repeated_answers": found.repeated_answers,
    }


def _settings(args: argparse.Namespace) -> Settings:
    settings = load_settings()
    changed = {"k": args.k, "exclude_same_source": args.exclude_same_source}
    return settings.model_copy(update={"blocking": settings.blocking.model_copy(update=changed)})


def _in_force(args: argparse.Namespace, settings: Settings, policy: Policy) -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "k": args.k,
        "workers": args.workers,
        "threads_each": live.threads_each(args.workers),
        "order": "tables" if args.shuffle is None else f"shuffled with seed {args.shuffle}",
        "exclude_same_source": args.exclude_same_source,
        "pair_order": settings.stream.pair_order,
        "batch_size": settings.stream.batch_size,
        "partitions": settings.kafka.partitions,
        "match_threshold": policy.match_threshold,
        "review_low": policy.review_low,
        "review_high": policy.review_high,
        "contradiction": policy.contradiction,
        "explain": policy.explain,
        "policy": policy.version,
    }


def _offline(
    args: argparse.Namespace, settings: Settings, bundle: Path, data: AbtBuy, console: Console
) -> tuple[BundleManifest, dict[str, set[str]]]:
    """The manifest, and by split what the student alone calls a match. The student is let go before the stream."""
    student = Student.load(bundle, settings.student.threads)
    threshold = settings.policy.resolved(student.manifest.thresholds).match_threshold
    assert threshold is not None  # resolved
    wanted = [split for split in args.offline_splits if not (split == "test" and args.evaluation)]
    said = {}
    for split in wanted:
        rows = {pair: row for pair, row in data.labelled.items() if row.split == split}
        with _progress(console, f"offline, {split}", len(rows)) as progress:
            said[split] = matches_offline(student, rows, threshold, progress)
    return student.manifest, said


def _split(
    labelled: dict[str, bool],
    stands: dict[str, MatchDecision],
    alone: set[str] | None,
    reused: Counts | None,
    policy: Policy,
) -> dict[str, Any]:
    """One split's labelled pairs: F1 of the stream beside the student alone, and what became of its matches."""
    true = {pair for pair, is_match in labelled.items() if is_match}
    found: dict[str, Any] = {
        "pairs": len(labelled),
        "matches": len(true),
        "stream": count(matches_of(stands) & labelled.keys(), true).as_json(),
        "fates_of_matches": fates(true, stands),
    }
    if alone is not None:
        walked = steps(labelled, alone, stands)
        found["expected"] = expected(walked[0].counts, labelled, stands)
        found["steps"] = [{"cause": step.cause, **step.counts.as_json()} for step in walked]
        assert policy.match_threshold is not None  # resolved
        found["sides"] = sides(labelled, alone, stands, policy.match_threshold, SELLERS["left"])
    elif reused is not None:
        found["expected"] = expected(reused, labelled, stands)
    return found


def _catalogue(data: AbtBuy, stands: dict[str, MatchDecision]) -> dict[str, Any]:
    """All standing pairs against all known matches, labelled or not."""
    labels = {pair: row.is_match for pair, row in data.labelled.items()}
    said = matches_of(stands)
    true = {pair for pair, is_match in labels.items() if is_match}
    return {
        "standing": dict(sorted(Counter(decision.verdict for decision in stands.values()).items())),
        "standing_matches": standing_matches(stands, labels, data.truth, data.known.keys()),
        "against_known": count(said, set(data.known)).as_json(),
        "against_known_labelled_pairs_only": count(said & labels.keys(), true).as_json(),
        "against_truth": count(said, data.truth).as_json(),
        "fates_of_known": fates(data.known, stands),
    }


@contextmanager
def _progress(console: Console, text: str, total: int) -> Iterator[live.Progress]:
    """A bar with the time that is left, or lines where there is no terminal; called with how much is done."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    bar = Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=60)
    with bar:
        task = bar.add_task(text, total=total)
        told = 0.0

        def done(amount: int) -> None:
            nonlocal told
            bar.update(task, completed=amount)
            if not console.is_terminal and total and amount / total >= told + LINE_SHARE:
                told = amount / total
                left = bar.tasks[task].time_remaining
                console.print(f"{text}: {amount} of {total}" + (f", {left:.0f} s left" if left else ""))

        yield done


if __name__ == "__main__":
    main()
