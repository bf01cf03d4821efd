"""`--verify`: whether a folder is what its input and its bundle say.

Three questions, each answered by itself: are the files those of the manifest, is the frozen input that of the
manifest, and does the student say the same again, byte for byte in all but `folder.VOLATILE`?
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest

import orjson

from schemas.decision import MatchDecision, Side
from worker.replay.again import Again, Pair, member
from worker.replay.errors import WrongRequest
from worker.replay.folder import Folder, read_chunk, stable_line
from worker.replay.store import Inputs

# Enough to see what is wrong; one changed threshold differs everywhere.
MOST = 20


def check_files(folder: Folder) -> Iterator[str]:
    """Findings about files that are not those of the manifest. Raises WrongRequest for a run that has not ended."""
    listed = folder.manifest()["files"]
    there = {f"{path.parent.name}/{path.name}": path for path in folder.chunks().values()}
    for name in sorted(listed.keys() | there.keys()):
        if name not in there:
            yield f"{name}: missing"
        elif name not in listed:
            yield f"{name}: not of this run"
        elif (found := hashlib.sha256(there[name].read_bytes()).hexdigest()) != listed[name]["sha256"]:
            yield f"{name}: changed since the run ended (sha256 {found[:12]}, was {listed[name]['sha256'][:12]})"


def check_inputs(folder: Folder, inputs: Inputs) -> Iterator[str]:
    """A finding if the frozen input has changed."""
    found, said = inputs.sha256(), folder.manifest()["inputs_sha256"]
    if found != said:
        yield f"inputs.sqlite: changed since the run ended (sha256 {found[:12]}, was {said[:12]})"


def check_decisions(
    folder: Folder, judged: Iterable[tuple[int, int, list[MatchDecision]]], told: Counter[str]
) -> Iterator[str]:
    """Findings about decisions that come out otherwise; `told` counts what was compared."""
    for begin, end, again in judged:
        path = folder.chunk(begin, end)
        try:
            held = list(read_chunk(path)) if path.is_file() else []
        except WrongRequest as damaged:
            yield str(damaged)
            continue
        for number, (old, new) in enumerate(zip_longest(held, again)):
            told["compared"] += 1
            if old is None or new is None:
                one = old or new
                what = "is not what comes out now" if new is None else "is missing"
                yield f"{path.name}, line {number + 1}: the decision about {one.pair_id} {what}" if one else ""
            elif stable_line(old) != stable_line(new):
                yield f"{path.name}, line {number + 1}: {new.pair_id}: {_differing(old, new)}"


def published_again(folder: Folder, inputs: Inputs, again: Again) -> Iterator[tuple[int, int, list[MatchDecision]]]:
    """Of a published run: each decision judged again with the contents that it had."""
    for begin, end in folder.chunks():
        try:
            held = list(read_chunk(folder.chunk(begin, end)))
        except WrongRequest:
            # `check_decisions` says so.
            yield begin, end, []
            continue
        offers = inputs.offers([side.digest for made in held for side in (made.first, made.second)])
        counts: Counter[str] = Counter()
        pairs = []
        for made in held:
            sides: dict[str, Side] = {made.first.key: made.first, made.second.key: made.second}
            query, candidate = sides[made.query_key], sides[made.candidate_key]
            if query.digest in offers and candidate.digest in offers:
                asked = member(query, offers[query.digest]), member(candidate, offers[candidate.digest])
                pairs.append(Pair(made, *asked))
        found = again.judge(pairs, counts)
        yield (
            begin,
            end,
            [_with_past(new, pair.made) for new, pair in zip(found, pairs, strict=True) if new is not None],
        )


def _with_past(new: MatchDecision, old: MatchDecision) -> MatchDecision:
    """What stood before it was known when it was published, and is no judgement."""
    past = {"previous_verdict": old.previous_verdict, "previous_decision_id": old.previous_decision_id}
    return new.model_copy(update=past)


def _differing(old: MatchDecision, new: MatchDecision) -> str:
    before, after = orjson.loads(stable_line(old)), orjson.loads(stable_line(new))
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    shown = (f"{name} {_short(before.get(name))}, again {_short(after.get(name))}" for name in names)
    return "; ".join(shown)


def _short(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
