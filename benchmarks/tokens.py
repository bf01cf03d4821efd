"""How many tokens does a pair cost a large model? The inputs of `samesku tco` that are tokens.

    .venv/bin/python -m benchmarks.tokens [--pairs 300] [--out tokens.json]

Prompts: those of the teacher's steps (`train.teacher.prompts`) for a seeded sample of validation pairs of all sets;
the one prompt of a plain API is the deciding step without earlier replies. Replies: what GPT-4o and GPT-4o mini really
wrote about WDC pairs (`explanations/` of the shared data): the structured ones stand for the comparing step, the short
free ones for deciding and explaining. Counted with the tokenizer of the student's base, which splits numbers more
finely than an API's would. Not counted: repairs, and a provider's discount for a cached system message.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import output
from train.pairs.guard import validation_files
from train.pairs.pairs import Pair, data_root, read_pairs, read_rows
from train.teacher.prompts import ask_compare, ask_decide, ask_explain, ask_extract
from train.teacher.question import Question
from train.teacher.replies import Decision

EXPLANATIONS = "explanations/wdc80cc_train_small_and_valid_small.jsonl.gz"
STRUCTURED, FREE = "structured_attr_importance_similarity", "text_short_wadhwa_fewshot"
Count = Callable[[str], int]


def prompt_tokens(pairs: Sequence[Pair], count: Count) -> dict[str, float]:
    """Mean tokens of each step's prompt, without the earlier replies that a prompt repeats."""
    found: dict[str, list[int]] = {"extract": [], "compare": [], "decide": [], "explain": []}
    said = Decision(reason="-", answer="same", confidence=1)
    for pair in pairs:
        question = Question.of(pair.pair_id, pair.left, pair.right)
        asked = {
            "extract": ask_extract(question.left),
            "compare": ask_compare(question, ({}, {})),
            "decide": ask_decide(question, {}),
            "explain": ask_explain(question, {}, said),
        }
        for step, messages in asked.items():
            found[step].append(sum(count(message["content"]) for message in messages))
    return {step: statistics.fmean(values) for step, values in found.items()}


def reply_tokens(rows: Sequence[dict[str, Any]], count: Count) -> dict[str, float]:
    """Mean tokens of structured and of short free explanations. Raises StatisticsError without one of a kind."""
    return {
        "structured": statistics.fmean(count(row["explanation"]) for row in rows if row["style"] == STRUCTURED),
        "free": statistics.fmean(count(row["explanation"]) for row in rows if row["style"] == FREE),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokens", description="Tokens of a pair.")
    parser.add_argument("--pairs", type=int, default=300)
    output.add_out(parser)
    given = parser.parse_args(arguments)
    from export.base import load_tokenizer

    tokenizer = load_tokenizer()

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False).input_ids)

    pairs = [pair for origin, path in validation_files().items() for pair in read_pairs(path, origin)]
    prompts = prompt_tokens(random.Random(5).sample(pairs, given.pairs), count)
    rows = list(read_rows(data_root() / EXPLANATIONS))
    replies = reply_tokens(random.Random(5).sample(rows, min(2_000, len(rows))), count)
    # A later step's prompt repeats what the earlier ones replied.
    agentic_in = prompts["compare"] + prompts["decide"] + prompts["explain"] + 3 * replies["structured"]
    figures = {
        "api_prompt_tokens": prompts["decide"],
        "api_reply_tokens": replies["free"],
        "agentic_prompt_tokens": agentic_in,
        "agentic_reply_tokens": replies["structured"] + 2 * replies["free"],
        "extract_prompt_tokens": prompts["extract"],
        "extract_reply_tokens": replies["structured"] / 2,
    }
    table = Table(title="Tokens of a pair (of an offer for extract)")
    table.add_column("input of samesku tco")
    table.add_column("tokens", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:.0f}")
    Console().print(table)
    output.write(
        {**output.surroundings("tokens"), "tokens": figures, "prompts": prompts, "replies": replies}, given.out
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
