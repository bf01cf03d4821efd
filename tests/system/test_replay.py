"""Replays beside real workers, on a real broker and a real Redis, with two bundles that judge differently."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import orjson
import pytest
from confluent_kafka import Producer

from schemas import topics
from schemas.bundle import BundleManifest, load_manifest
from schemas.decision import MatchDecision, compute_decision_id, standing
from schemas.events import dumps
from schemas.label import Label
from schemas.offer import Offer
from schemas.policy import decide
from tests.system.cluster import PATIENCE, Cluster, delete_record, environment_of
from tests.system.conftest import MakeCluster
from worker.blocking import Index
from worker.replay.folder import Folder, stable_line
from worker.replay.log import ends_of as read_ends
from worker.stream.pairs import Member
from worker.stream.startup import look_around, open_index
from worker.student.student import Student

pytestmark = pytest.mark.system


def changed_copy(bundle: Path, target: Path, version: str, shift: float) -> Path:
    """A bundle of the same weights that says otherwise: its calibration is shifted, so that its digest differs."""
    shutil.copytree(bundle, target)
    manifest = load_manifest(bundle)
    calibration = manifest.calibration.model_copy(update={"b": manifest.calibration.b + shift})
    fields = {**manifest.model_dump(), "calibration": calibration.model_dump(), "version": version}
    (target / "bundle.json").write_bytes(BundleManifest.model_validate(fields).dumps())
    return target


@pytest.fixture(scope="module")
def newer(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed_copy(tiny_bundle, tmp_path_factory.mktemp("newer") / "bundle", "9.0.0", 1.5)


def offers(count: int) -> list[Offer]:
    colours = ("black", "pink", "blue", "silver")
    return [
        Offer.model_validate(
            {
                "offer_id": str(number),
                "source": "ab"[number % 2],
                "title": f"sony cyber-shot dsc-w{100 + number // 2} digital camera {colours[number % 4]}",
                "price": f"{100 + 7 * number}.00",
            }
        )
        for number in range(count)
    ]


def command(cluster: Cluster, *arguments: object, **replay: object) -> subprocess.Popen[bytes]:
    settings = cluster.settings()
    settings = settings.model_copy(update={"replay": settings.replay.model_copy(update={"share": 1.0, **replay})})
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("samesku")), *map(str, arguments)],
        env={"PATH": "/usr/bin:/bin", **environment_of(settings)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def samesku(cluster: Cluster, *arguments: object, code: int = 0, **replay: object) -> str:
    process = command(cluster, *arguments, **replay)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, (out + err).decode()
    return (out + err).decode()


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL; its output is read to the end, or the pipes would stay open."""
    process.kill()
    process.communicate(timeout=PATIENCE)


def serve(cluster: Cluster, count: int = 12) -> list[Offer]:
    """Let a worker decide a small catalogue, and leave it running."""
    cluster.worker()
    sent = offers(count)
    cluster.upsert(*sent)
    cluster.await_answers(count)
    return sent


def lines_of(folder: Path) -> list[bytes]:
    return [stable_line(made) for made in Folder(folder).read()]


def keys_of(cluster: Cluster) -> dict[bytes, object]:
    """Everything that Redis holds of indexes; what workers say of themselves lies beside them."""
    with cluster.redis() as client:
        return {key: client.dump(key) for key in client.scan_iter("{*")}


def insert(cluster: Cluster, made: MatchDecision) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "partitioner": topics.PARTITIONER})
    producer.produce(cluster.topic(topics.DECISIONS), key=made.pair_id, value=dumps(made))
    assert producer.flush(30) == 0


def publish_label(cluster: Cluster, made: MatchDecision, verdict: Literal["match", "no_match"]) -> None:
    said = Label(
        label_id="l1", pair_id=made.pair_id, first_digest=made.first.digest, second_digest=made.second.digest,
        verdict=verdict, reviewer="r", labeled_at=datetime.now(UTC),
    )  # fmt: skip
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "partitioner": topics.PARTITIONER})
    producer.produce(cluster.topic(topics.LABELS), key=made.pair_id, value=dumps(said))
    assert producer.flush(30) == 0


def test_what_was_decided_is_judged_again_and_nothing_live_is_touched(
    make_cluster: MakeCluster, newer: Path, tmp_path: Path
) -> None:
    cluster = make_cluster()
    sent = {offer.key: offer for offer in serve(cluster)}
    before, redis_before = cluster.decisions(), keys_of(cluster)
    run = tmp_path / "run"
    samesku(cluster, "replay", "--bundle", newer, "--out", run, chunk_pairs=5)
    found = {made.pair_id: made for made in Folder(run).read()}
    stands = standing(before)
    assert found.keys() == stands.keys()
    student = Student.load(newer, threads=1)
    policy = cluster.settings().policy.resolved(student.manifest.thresholds)
    for pair, made in found.items():
        (said,) = student.judge(sent[made.query_key], [sent[made.candidate_key]])
        assert (made.verdict, made.logit) == (decide(said.probability, said.attributes, policy).verdict, said.logit)
        assert (made.query_key, made.first, made.second) == (
            stands[pair].query_key, stands[pair].first, stands[pair].second
        )  # fmt: skip
        assert (made.previous_verdict, made.bundle.version) == (stands[pair].verdict, "9.0.0")
    assert any(found[pair].verdict != stands[pair].verdict for pair in found), "the bundles do not differ"
    assert len(cluster.decisions()) == len(before)
    assert keys_of(cluster) == redis_before
    # The same folder again: it has ended, and stays what it is.
    marks = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    samesku(cluster, "replay", "--bundle", newer, "--out", run, chunk_pairs=5)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == marks
    # Another range is another run.
    said_no = samesku(cluster, "replay", "--bundle", newer, "--out", run, "--from", "1h", code=1, chunk_pairs=5)
    assert "another replay" in said_no
    every = tmp_path / "every"
    samesku(cluster, "replay", "--bundle", newer, "--out", every, "--all")
    assert len(lines_of(every)) == len(before)

    # Compared with what stands in the topic itself, and with a person's label from the other one, which no worker is
    # left to bind.
    assert [worker.terminate() for worker in cluster.workers] == [0]
    labelled = next(made for pair, made in found.items() if made.verdict != stands[pair].verdict)
    publish_label(cluster, labelled, "match")
    samesku(cluster, "compare", run, "--range", "start..end", "--out", tmp_path / "compared", code=1)
    told = orjson.loads((tmp_path / "compared" / "compare.json").read_bytes())
    turned = Counter(f"{stands[pair].verdict}->{made.verdict}" for pair, made in found.items())
    assert told["flips"]["kinds"] == {kind: count for kind, count in turned.items() if len(set(kind.split("->"))) == 2}
    assert (told["pairs"]["compared"], told["agreement"]["labelled"]) == (len(found), 1)
    assert told["verdict"]["beyond"][0] == "min_pairs"
    assert told["latency"]["pairs"] == len(found)

    assert "come out the same" in samesku(cluster, "replay", "--verify", run)
    chunk = next(iter(Folder(run).chunks().values()))
    first, *rest = gzip.decompress(chunk.read_bytes()).splitlines(keepends=True)
    tampered = orjson.loads(first) | {"verdict": "retracted"}
    chunk.write_bytes(gzip.compress(orjson.dumps(tampered, option=orjson.OPT_SORT_KEYS) + b"\n" + b"".join(rest)))
    findings = samesku(cluster, "replay", "--verify", run, code=1)
    assert "changed since the run ended" in findings
    assert "line 1" in findings
    assert '"retracted"' in findings


def test_a_killed_replay_goes_on_and_ends_as_an_undisturbed_one(
    make_cluster: MakeCluster, newer: Path, tmp_path: Path
) -> None:
    cluster = make_cluster()
    serve(cluster)
    arguments = ("replay", "--bundle", newer, "--name", "same")
    samesku(cluster, *arguments, "--out", tmp_path / "whole", chunk_pairs=3)
    broken = tmp_path / "broken"
    process = command(cluster, *arguments, "--out", broken, chunk_pairs=3, piece_pairs=1, rate=5)
    cluster.wait(lambda: len(Folder(broken).chunks()) >= 2, "two chunks")
    kill(process)
    done = {path: path.stat().st_mtime_ns for path in Folder(broken).chunks().values()}
    assert len(done) < len(Folder(tmp_path / "whole").chunks()), "it had ended before it was killed"
    assert not Folder(broken).finished
    samesku(cluster, *arguments, "--out", broken, chunk_pairs=3)
    assert lines_of(broken) == lines_of(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    ended = [Folder(tmp_path / name).manifest() for name in ("broken", "whole")]
    assert ended[0]["sha256_stable"] == ended[1]["sha256_stable"]
    assert ended[0]["inputs_sha256"] == ended[1]["inputs_sha256"]


def label(made: MatchDecision, verdict: str) -> MatchDecision:
    """A person's word over a decision."""
    return made.model_copy(
        update={
            "verdict": verdict, "decided_by": "label", "label_id": "l1", "rationale": None, "timings": None,
            "decided_at": datetime.now(UTC),
            "decision_id": compute_decision_id(
                made.first, made.second, made.query_key, made.bundle.digest, made.prompt_version,
                made.grammar_version, made.policy_version, "l1",
            ),
        }
    )  # fmt: skip


def test_publishing_supersedes_what_stands_and_leaves_people_and_newer_versions_alone(
    make_cluster: MakeCluster, newer: Path, tmp_path: Path
) -> None:
    cluster = make_cluster()
    sent = serve(cluster)
    old = standing(cluster.decisions())
    # A label binds while both contents stand: not about an offer that changes or goes below.
    touched = {offer.key for offer in sent[:2]}
    labelled = label(next(made for pair, made in old.items() if not touched & set(pair.split("#"))), "no_match")
    insert(cluster, labelled)
    cluster.wait(lambda: len(cluster.decisions()) > len(old), "the label")
    ends = ",".join(f"{number}:{end}" for number, end in ends_of(cluster).items())
    # After the range an offer changes, and one goes.
    moved = sent[0].model_copy(update={"title": "sony cyber-shot dsc-w100 digital camera refurbished"})
    cluster.upsert(moved)
    gone = sent[1]
    cluster.produce([delete_record(gone)])
    cluster.await_answers(len(sent) + 2)
    before = cluster.decisions()
    stood = standing(before)
    samesku(
        cluster, "replay", "--bundle", newer, "--out", tmp_path / "first", "--to", ends, "--publish", chunk_pairs=7,
        piece_pairs=4,
    )  # fmt: skip
    after = cluster.decisions()
    added = {made.decision_id: made for made in after[len(before) :]}
    stands = standing(after)
    summary = Folder(tmp_path / "first").summary()["outcomes"]
    dead = {pair for pair, made in stood.items() if gone.key in pair.split("#")} & old.keys()
    assert summary["published"] == len(added) == len(old) - len(dead) - 1
    assert summary["offer_gone"] == len(dead)
    index = live_index(cluster)
    keys = [offer.key for offer in sent]
    current = {key: Member.stored(held).side for key, held in zip(keys, index.read(keys), strict=True) if held}
    assert current[moved.key].digest == moved.digest()
    for pair, made in stands.items():
        if pair == labelled.pair_id:
            assert made.decision_id == labelled.decision_id
        elif pair in old.keys() - dead:
            assert (made.bundle.version, made.replay is not None) == ("9.0.0", True)
            assert made.previous_decision_id == stood[pair].decision_id
            # At today's versions, also where no worker has judged the pair since the offer moved.
            assert (made.first, made.second) == tuple(current[key] for key in pair.split("#"))
    # The links of the live index are those of what stands now.
    for pair, made in stands.items():
        if pair == labelled.pair_id:
            continue  # put into the topic by hand, so that no worker has told the index
        first, second = pair.split("#")
        link = index.links(first).get(second)
        assert (link is not None) == (made.verdict in ("match", "review")), made
        assert link is None or (link.standing is not None and not link.pending)
        assert link is None or link.standing is None or link.standing.decision_id == made.decision_id
    tasks = {orjson.loads(record.value or b"")["decision_id"] for record in cluster.read(topics.REVIEW)}
    assert {made.decision_id for made in added.values() if made.verdict == "review"} <= tasks
    # Twice adds nothing.
    samesku(cluster, "replay", "--bundle", newer, "--out", tmp_path / "second", "--to", ends, "--publish")
    assert len(cluster.decisions()) == len(after)
    again = Folder(tmp_path / "second").summary()["outcomes"]
    assert (again["published"], again["stands_already"]) == (0, len(added))
    assert "come out the same" in samesku(cluster, "replay", "--verify", tmp_path / "first")
    # What is older than what stands is refused, and both are named.
    told = samesku(
        cluster, "replay", "--bundle", cluster.bundle, "--out", tmp_path / "back", "--to", ends, "--publish", code=1
    )
    assert "would not supersede" in told
    assert "9.0.0" in told
    assert load_manifest(cluster.bundle).version in told
    assert len(cluster.decisions()) == len(after)


def ends_of(cluster: Cluster) -> dict[int, int]:
    kafka = cluster.settings().kafka
    return read_ends(kafka, kafka.topic(topics.DECISIONS))


def live_index(cluster: Cluster) -> Index:
    index = open_index(cluster.settings())
    index.adopt(f"{look_around(cluster.settings()).generation}-{index.format}")
    return index


def test_a_killed_publish_goes_on_and_publishes_nothing_twice(
    make_cluster: MakeCluster, newer: Path, tmp_path: Path
) -> None:
    cluster = make_cluster()
    serve(cluster)
    before = cluster.decisions()
    arguments = ("replay", "--bundle", newer, "--publish", "--out", tmp_path / "run")
    process = command(cluster, *arguments, chunk_pairs=8, piece_pairs=1, rate=5)
    cluster.wait(lambda: len(cluster.decisions()) >= len(before) + 10, "some decisions")
    kill(process)
    assert not Folder(tmp_path / "run").finished
    samesku(cluster, *arguments, chunk_pairs=8)
    after = cluster.decisions()
    added = after[len(before) :]
    assert len(added) == len({made.pair_id for made in added}) == len(standing(before))
    assert {made.decision_id for made in Folder(tmp_path / "run").read()} == {made.decision_id for made in added}
    assert Folder(tmp_path / "run").summary()["outcomes"]["published"] == len(added)
    assert all(made.rationale is not None for made in Folder(tmp_path / "run").read())
    index = live_index(cluster)
    keys = {key for made in after for key in (made.first.key, made.second.key)}
    assert not any(link.pending for key in keys for link in index.links(key).values())


@pytest.mark.parametrize("killed", [False, True])
def test_the_whole_pipeline_again_comes_to_the_same_standing_verdicts(
    make_cluster: MakeCluster, tmp_path: Path, killed: bool
) -> None:
    cluster = make_cluster(blocking={"idf": "fixed", "k": 100}, stream={"batch_size": 3, "pair_order": "first_id"})
    cluster.worker()
    sent = offers(10)
    cluster.upsert(*sent)
    cluster.await_answers(10)
    cluster.upsert(sent[3].model_copy(update={"title": "sony cyber-shot dsc-w101 camera, used"}))
    cluster.produce([delete_record(sent[4])])
    cluster.await_answers(12)
    live = standing(cluster.decisions())
    redis_before = keys_of(cluster)
    run = tmp_path / "run"
    arguments = ("replay", "--mode", "events", "--bundle", cluster.bundle, "--out", run)
    if killed:
        process = command(cluster, *arguments, chunk_pairs=2, rate=10)
        cluster.wait(lambda: len(Folder(run).chunks()) >= 2, "two chunks")
        kill(process)
        assert not Folder(run).finished
    samesku(cluster, *arguments, chunk_pairs=2)
    again = standing(Folder(run).read())
    assert {pair: made.verdict for pair, made in again.items()} == {pair: made.verdict for pair, made in live.items()}
    assert keys_of(cluster) == redis_before
    assert len(Folder(run).chunks()) == 6
    assert "come out the same" in samesku(cluster, "replay", "--verify", run)
