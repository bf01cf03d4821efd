"""Real commands on a cluster, a stream of Abt-Buy, and what each bundle says of a pair when it is asked alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from benchmarks.abt_buy import SPLITS, AbtBuy
from schemas.change import parse_change
from schemas.decision import MatchDecision, standing
from schemas.offer import Offer
from schemas.policy import Policy, decide
from schemas.settings import Settings
from tests.system.cluster import PATIENCE, Cluster, by_position, environment_of
from worker.student.student import Student

SHARE = Fraction(1, 10)
MATCHES = 18
LINKING = ("match", "review")


def part_of(data: AbtBuy) -> dict[str, Offer]:
    """Both offers of some matches of one maker, by key, as they are streamed; pairs for the test first.

    LG's washers, ovens and ranges differ in a colour or a letter, which is what bundles disagree about.
    """
    changes = [parse_change(change.key, change.value) for change in data.changes]
    offers = {change.key: change.offer for change in changes if change.offer is not None}
    ordered = sorted(data.known, key=lambda pair: (SPLITS.index(data.known[pair]), pair))
    ours = [pair for pair in ordered if all(offers[key].title.startswith("lg ") for key in pair.split("#"))]
    kept = {key for pair in ours[:MATCHES] for key in pair.split("#")}
    return {key: offer for key, offer in offers.items() if key in kept}


def in_canary(pair: str) -> bool:
    """By another way than `schemas.deployment.in_share`: a fraction of the whole range of the hash."""
    return Fraction(int(sha256(pair.encode()).hexdigest()[:16], 16), 16**16) < SHARE


class Said(NamedTuple):
    logit: float
    probability: float
    verdict: str


class Judges:
    """What each bundle says of a pair when it is asked alone; each pair of contents is judged once."""

    def __init__(self, bundles: dict[str, Path], policy: Policy) -> None:
        self._students = {version: Student.load(folder, threads=2) for version, folder in bundles.items()}
        self._policy = policy
        self._said: dict[tuple[str, str, str], Said] = {}
        self.contents: dict[str, Offer] = {}
        """By digest."""

    def of(self, version: str, made: MatchDecision) -> Said:
        digests = {side.key: side.digest for side in (made.first, made.second)}
        asked = version, digests[made.query_key], digests[made.candidate_key]
        if asked not in self._said:
            student = self._students[version]
            (found,) = student.judge(self.contents[asked[1]], [self.contents[asked[2]]])
            policy = self._policy.resolved(student.manifest.thresholds)
            verdict = decide(found.probability, found.attributes, policy).verdict
            self._said[asked] = Said(found.logit, found.probability, verdict)
        return self._said[asked]


class Upgrade:
    """A cluster, the operator's shell, and what was sent."""

    def __init__(self, cluster: Cluster, judges: Judges, folder: Path) -> None:
        self.cluster, self.judges, self.folder = cluster, judges, folder
        self.settings = settings_of(cluster, folder)
        self.current: dict[str, Offer] = {}
        self._environment = {
            **os.environ, **environment_of(self.settings), "LOGNAME": "ann", "COLUMNS": "110", "TERM": "dumb",
        }  # fmt: skip
        self.code = 0
        self._sent = 0
        self._seen = 0

    def samesku(self, *arguments: object, codes: Collection[int] = (0,), show: bool = True) -> str:
        """Give a command in the folder, which must end with one of the `codes`; returns what it said."""
        done = subprocess.run(
            [self._program, *map(str, arguments)], env=self._environment, cwd=self.folder, timeout=PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT if show else subprocess.PIPE, check=False,
        )  # fmt: skip
        said = done.stdout.decode()
        assert done.returncode in codes, said + (done.stderr or b"").decode()
        self.code = done.returncode
        if show:
            words = (f'"{word}"' if " " in str(word) else str(word) for word in arguments)
            print(f"$ samesku {' '.join(words)}\n{said.replace(self.cluster.prefix, '')}")
        return said

    def json(self, *arguments: object) -> Any:
        return orjson.loads(self.samesku(*arguments, "--json", show=False))

    def start_sink(self) -> subprocess.Popen[bytes]:
        with (self.folder / "sink.log").open("wb") as log:
            return subprocess.Popen(
                [self._program, "audit", "sink"], env=self._environment, stdout=log, stderr=log, cwd=self.folder
            )

    @property
    def _program(self) -> Path:
        return Path(sys.executable).with_name("samesku")

    def deployed(self, action: str) -> int:
        """The number of the deployment in force, which this action brought."""
        now = orjson.loads(self.samesku("models", "history", "--json", show=False).splitlines()[-1])
        assert now["action"] == action
        return int(now["number"])

    def send(self, offers: Sequence[Offer]) -> list[MatchDecision]:
        """Send upserts; returns their decisions. Every change has one answer, and no answer names what nobody sees."""
        self.current |= {offer.key: offer for offer in offers}
        self.judges.contents |= {offer.digest(): offer for offer in offers}
        self._sent += self.cluster.upsert(*offers)
        answers = self.cluster.await_answers(self._sent)
        assert len(answers) == self._sent
        assert {len(found) for found in by_position(answers).values()} == {1}
        made = self.news()
        published = {each.decision_id for each in self.cluster.decisions()}
        assert all({*answer.decision_ids, *answer.standing_ids} <= published for answer in answers)
        return made

    def reprice(self, keys: Collection[str]) -> list[MatchDecision]:
        """Offers get a lower price: their pairs are judged again, by whoever decides them now."""
        linked = {
            pair
            for pair, made in self.stands().items()
            if made.verdict in LINKING and not set(keys).isdisjoint(pair.split("#"))
        }
        made = self.send([cheaper(self.current[key]) for key in keys])
        assert linked <= {each.pair_id for each in made}
        for each in made:
            assert not set(keys).isdisjoint((each.first.key, each.second.key))
        return made

    def news(self) -> list[MatchDecision]:
        """The decisions since the last call."""
        everything = self.cluster.decisions()
        new, self._seen = everything[self._seen :], len(everything)
        return new

    def stands(self) -> dict[str, MatchDecision]:
        return standing(self.cluster.decisions())

    def check(self, made: Collection[MatchDecision], deployment: int, live: str, candidate: str | None = None) -> None:
        """Of each: which bundle must have decided it, what it says alone, and the stamps."""
        assert made
        for each in made:
            owner = candidate if candidate is not None and in_canary(each.pair_id) else live
            assert (each.bundle.version, each.canary) == (owner, owner == candidate)
            assert said_of(each) == self.judges.of(owner, each)
            assert (each.deployment, each.decided_by) == (deployment, "student")


def settings_of(cluster: Cluster, folder: Path) -> Settings:
    """The cluster's settings with an audit store; the limits of a comparison allow for so few pairs."""
    settings = cluster.settings()
    audit = {"root": str(folder / "audit"), "group_id": f"{cluster.prefix}audit", "flush_s": 0.5, "threads": 1}
    return settings.model_copy(
        update={
            "audit": settings.audit.model_copy(update=audit),
            "replay": settings.replay.model_copy(update={"share": 1.0}),
            # What a student says does not depend on it; the worker has one.
            "student": settings.student.model_copy(update={"threads": 2}),
            "compare": settings.compare.model_copy(update={"min_pairs": 40, "min_labels": 20}),
        }
    )


def cheaper(offer: Offer) -> Offer:
    price = Decimal(str(offer.price or 100)) * Decimal("0.9")
    return Offer.model_validate({**offer.model_dump(), "price": f"{price:.2f}"})


def said_of(made: MatchDecision) -> Said:
    assert made.logit is not None
    assert made.probability is not None
    return Said(made.logit, made.probability, made.verdict)
