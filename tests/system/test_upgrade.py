"""An upgrade from one released bundle to the next, on a part of Abt-Buy; every step is computed again beside it.

Real Kafka, real Redis, the real students, one worker that is never restarted, an audit sink, and the commands as an
operator gives them. They and what they say are printed (`pytest -s`): docs/upgrade.md shows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import orjson
import pytest

from benchmarks.abt_buy import AbtBuy, load_abt_buy
from schemas.bundle import load_manifest
from schemas.decision import MatchDecision, standing
from schemas.policy import Policy
from tests.system.conftest import MakeCluster
from tests.system.upgrading import LINKING, Judges, Said, Upgrade, in_canary, part_of, said_of
from worker.audit.store import AuditStore
from worker.audit.tables import DECISIONS
from worker.registry.locations import locate
from worker.replay.folder import Folder

pytestmark = pytest.mark.system

OLD, NEW = "samesku-135m", "samesku-135m-0.3.1-rc.1"


@pytest.fixture(scope="module")
def bundles() -> dict[str, Path]:
    """Where the two bundles lie, built into the cache on first use, by their versions, the old one first."""
    return {load_manifest(folder).version: folder for folder in (locate(OLD), locate(NEW))}


@pytest.fixture(scope="module")
def abt_buy(data_dir: Path) -> AbtBuy:
    if not (data_dir / "abt-buy").is_dir():
        pytest.skip(f"no Abt-Buy in {data_dir}")
    return load_abt_buy(data_dir)


def turned(pairs: Collection[tuple[str, str]]) -> dict[str, int]:
    """Flips by kind, of (old verdict, new verdict)."""
    return dict(Counter(f"{old}->{new}" for old, new in pairs if old != new))


@pytest.fixture
def upgrade(make_cluster: MakeCluster, bundles: dict[str, Path], tmp_path: Path) -> Iterator[Upgrade]:
    cluster = make_cluster(bundle=next(iter(bundles.values())), blocking={"k": 2}, policy={"explain": "never"})
    made = Upgrade(cluster, Judges(bundles, Policy(explain="never")), tmp_path)
    sink = made.start_sink()
    yield made
    sink.kill()
    sink.wait()


@pytest.mark.timeout(900)
def test_an_upgrade(upgrade: Upgrade, abt_buy: AbtBuy, bundles: dict[str, Path]) -> None:
    samesku, judges, cluster = upgrade.samesku, upgrade.judges, upgrade.cluster
    old, new = bundles

    # What is served is written down first; then the old bundle decides the stream.
    samesku("models", "promote", OLD, "--reason", "what we have")
    worker = cluster.worker()
    first = upgrade.send(list(part_of(abt_buy).values()))
    upgrade.check(first, upgrade.deployed("promote"), old)
    stands = upgrade.stands()

    # Judged again by the new one, beside the worker; nothing live is touched.
    samesku("replay", "--bundle", NEW, "--out", "replays/new")
    replayed = standing(Folder(upgrade.folder / "replays/new").read())
    assert replayed.keys() == stands.keys()
    assert upgrade.news() == []
    for pair, made in replayed.items():
        assert (made.first, made.second) == (stands[pair].first, stands[pair].second)
        assert said_of(made) == judges.of(new, stands[pair])
    verdicts = {pair: (judges.of(old, made).verdict, judges.of(new, made).verdict) for pair, made in stands.items()}
    flips = turned(verdicts.values())
    assert flips, "the bundles agree on all pairs: the story shows nothing"
    assert Folder(upgrade.folder / "replays/new").summary()["flips"] == flips

    # Compared, with what is known of the pairs of the two shops.
    known = {pair: pair in abt_buy.truth for pair in stands if len({key.split(":")[0] for key in pair.split("#")}) == 2}
    lines = [orjson.dumps({"pair_id": pair, "label": int(match)}) for pair, match in known.items()]
    (upgrade.folder / "labels.jsonl").write_bytes(b"\n".join(lines))
    check_comparison(upgrade, verdicts, known)

    # Into the registry, and into the shadow: it judges what comes, and decides nothing.
    samesku("models", "add", NEW, "--parent", "live")
    samesku("models", "list")
    samesku("models", "shadow", f"{load_manifest(bundles[new]).name}@{new}", "--reason", "its replay", "--wait")
    matched = [pair for pair, made in sorted(stands.items()) if made.verdict in LINKING]
    inside, outside = [[pair for pair in matched if in_canary(pair) == within][:3] for within in (True, False)]
    keys = list(dict.fromkeys(pair.split("#")[0] for pair in (*inside, *outside)))
    shadowed = upgrade.reprice(keys)
    upgrade.check(shadowed, upgrade.deployed("shadow"), old)
    for made in shadowed:
        assert made.shadow is not None
        assert made.shadow.bundle.version == new
        assert Said(made.shadow.logit, made.shadow.probability, made.shadow.verdict) == judges.of(new, made)

    # A tenth of the pairs is the candidate's.
    samesku("models", "canary", "--share", "10%", "--wait")
    samesku("models", "show")
    tried = upgrade.reprice(keys)
    upgrade.check(tried, upgrade.deployed("canary"), old, candidate=new)
    assert {made.pair_id for made in tried if made.canary} >= set(inside) != set()
    assert not all(made.canary for made in tried)

    # All of them, without a restart.
    samesku("models", "promote", "--reason", "quiet as a canary", "--wait")
    promoted = upgrade.deployed("promote")
    decided = upgrade.reprice(keys[1:])
    upgrade.check(decided, promoted, new)

    # What no change has touched is brought up to the new bundle.
    check_published(upgrade, promoted, new)

    # Back again, in one command: what changes from now on is the old bundle's, and stands.
    expected: dict[str, tuple[str, str]]
    expected = {pair: (made.bundle.version, made.verdict) for pair, made in upgrade.stands().items()}
    samesku("models", "rollback", "--reason", "second thoughts", "--wait")
    again = upgrade.reprice([keys[0], keys[-1]])
    upgrade.check(again, upgrade.deployed("rollback"), old)
    expected |= {made.pair_id: (old, judges.of(old, made).verdict) for made in again}
    assert {pair: (made.bundle.version, made.verdict) for pair, made in upgrade.stands().items()} == expected
    assert Counter(version for version, _ in expected.values()).keys() == {old, new}

    assert worker.process.poll() is None
    assert len(worker.events("starting")) == 1
    samesku("models", "history")
    check_why(upgrade, inside[0])


def check_comparison(upgrade: Upgrade, verdicts: dict[str, tuple[str, str]], known: dict[str, bool]) -> None:
    """`samesku compare` counts what was counted here."""
    arguments = ["compare", "replays/new", "--range", "start..end", "--labels", "labels.jsonl", "--out", "compared"]
    right = [
        sum(verdicts[pair][side] == ("match" if match else "no_match") for pair, match in known.items())
        for side in (0, 1)
    ]
    flips = turned(verdicts.values())
    changes = [
        abs(
            sum(both[1] == verdict for both in verdicts.values())
            - sum(both[0] == verdict for both in verdicts.values())
        )
        for verdict in ("match", "no_match", "review")
    ]
    limits = upgrade.settings.compare
    beyond = {
        "min_pairs": len(verdicts) < limits.min_pairs,
        "max_flip_share": sum(flips.values()) > limits.max_flip_share * len(verdicts),
        "max_rate_change": max(changes) > limits.max_rate_change * len(verdicts),
        "max_agreement_drop": len(known) >= limits.min_labels
        and right[0] - right[1] > limits.max_agreement_drop * len(known),
    }
    upgrade.samesku(*arguments, codes=(0, 1))
    told = orjson.loads((upgrade.folder / "compared" / "compare.json").read_bytes())
    assert told["pairs"] == {
        "compared": len(verdicts),
        "only_old": 0,
        "only_new": 0,
        "other_contents": 0,
        "by_people": 0,
    }
    assert told["flips"]["kinds"] == flips
    agreement = told["agreement"]
    assert [agreement["labelled"], agreement["old"]["count"], agreement["new"]["count"]] == [len(known), *right]
    assert upgrade.code == int(bool(told["verdict"]["beyond"]))
    # How long the two took is not to be computed.
    assert set(told["verdict"]["beyond"]) - {"max_latency_ratio", "max_calibration_rise"} == {
        name for name, is_beyond in beyond.items() if is_beyond
    }


def check_published(upgrade: Upgrade, deployment: int, new: str) -> None:
    """Every pair that this deployment has not decided at the present contents is published once more, and stands."""
    before = upgrade.stands()
    left = {
        pair for pair, made in before.items()
        if made.deployment != deployment
        or any(side.digest != upgrade.current[side.key].digest() for side in (made.first, made.second))
    }  # fmt: skip
    upgrade.samesku("replay", "--publish", "--bundle", "live", "--out", "replays/published")
    added = upgrade.news()
    assert Counter(made.pair_id for made in added) == Counter(left)
    outcomes = Folder(upgrade.folder / "replays/published").summary()["outcomes"]
    assert (outcomes["published"], outcomes["stands_already"]) == (len(left), len(before) - len(left))
    assert outcomes["judged"] == len(left)
    upgrade.check(added, deployment, new)
    for made in added:
        assert made.previous_decision_id == before[made.pair_id].decision_id
        assert made.replay is not None
        for side in (made.first, made.second):
            assert side.digest == upgrade.current[side.key].digest()
    stands = upgrade.stands()
    assert {(made.bundle.version, made.deployment) for made in stands.values()} == {(new, deployment)}
    assert {made.pair_id: stands[made.pair_id].decision_id for made in added} == {
        made.pair_id: made.decision_id for made in added
    }


def check_why(upgrade: Upgrade, pair: str) -> None:
    """The audit store tells the pair's history as the topic has it."""
    everything = upgrade.cluster.decisions()
    store = AuditStore(upgrade.settings.audit.root, threads=1)
    upgrade.cluster.wait(lambda: sum(1 for _ in store.stream(DECISIONS)) == len(everything), "the sink")
    ours = sorted((made for made in everything if made.pair_id == pair), key=lambda made: made.decided_at)
    told = upgrade.json("why", *pair.split("#"))
    assert [MatchDecision.model_validate(each["decision"]) for each in told["decisions"]] == ours
    assert told["standing"] == ours[-1].decision_id
    # Wherever the lines break.
    said = " ".join(upgrade.samesku("why", *pair.split("#")).split())
    for made in ours:
        assert f"{made.bundle.name} {made.bundle.version}" in said
        assert f"deployment {made.deployment}" in said
        assert made.decision_id[:16] in said
    assert all(each in said for each in ("in the shadow", "; canary", "; replay "))
