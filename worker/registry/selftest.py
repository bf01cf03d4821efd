"""The self-test of a bundle: does it judge like something that may serve?

`Student.load` has compared the files' hashes and the hashes of prompt and grammar before. Here a few made-up pairs are
judged, each check one that a sound bundle of any quality passes. Non-goal: quality (`samesku evaluate`, `samesku
replay`).
"""

from __future__ import annotations

import math
from pathlib import Path

import orjson

from schemas.grammar import GRAMMAR_HASH
from schemas.offer import Offer
from schemas.prompt import PROMPT_HASH
from worker.registry.failures import SelfTestFailed
from worker.student.judge import Judge, Judgement

GOLDEN_PAIRS = Path(__file__).parent / "golden_pairs.jsonl"


def golden_pairs() -> list[tuple[Offer, Offer]]:
    """The pairs of the self-test, as (query, candidate)."""
    rows = (orjson.loads(line) for line in GOLDEN_PAIRS.read_bytes().splitlines())
    return [(Offer.model_validate(row["query"]), Offer.model_validate(row["candidate"])) for row in rows]


def self_test(judge: Judge) -> int:
    """Judge the golden pairs; returns how many judgements were made.

    Checked: prompt and grammar are this code's; every logit and probability is a finite number, in both orders of the
    offers; the same pair gets the same judgement again, alone and in company; not all pairs get the same logit (a graph
    that answers a constant); a sentence can be written.

    Raises SelfTestFailed, which says of which pair; whatever else the student raises is turned into one.
    """
    manifest = judge.manifest
    name = f"{manifest.name} {manifest.version} ({manifest.digest()[:16]})"
    if (manifest.prompt_hash, manifest.grammar_hash) != (PROMPT_HASH, GRAMMAR_HASH):
        raise SelfTestFailed(f"{name} was trained on another prompt or grammar than this worker's")
    pairs = golden_pairs()
    try:
        alone = [_sound(judge.judge(query, [candidate])[0]) for query, candidate in pairs]
        exchanged = [_sound(judge.judge(candidate, [query])[0]) for query, candidate in pairs]
        for place, (query, candidate) in enumerate(pairs):
            company = [candidate, *(other for _, other in pairs[:place])]
            if judge.judge(query, company)[0] != alone[place]:
                raise SelfTestFailed(f"pair {place + 1} got another judgement the second time, among others")
        if len({judgement.logit for judgement in (*alone, *exchanged)}) == 1:
            raise SelfTestFailed(f"every pair got the same logit, {alone[0].logit}")
        judge.explain(*pairs[0], alone[0])
    except SelfTestFailed as failed:
        raise SelfTestFailed(f"{name} failed its self-test: {failed}") from failed
    except Exception as error:  # a broken graph or tokenizer fails in a dozen unrelated ways
        raise SelfTestFailed(f"{name} failed its self-test: {type(error).__name__}: {error}") from error
    return 3 * len(pairs)


def _sound(judgement: Judgement) -> Judgement:
    if not math.isfinite(judgement.logit):
        raise SelfTestFailed(f"a logit is {judgement.logit}")
    if not 0 <= judgement.probability <= 1:
        raise SelfTestFailed(f"a probability is {judgement.probability}")
    return judgement
