"""Bundles are tried, promoted and rolled back while changes flow: real Kafka, real Redis, real (tiny) students."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from export.facts import Facts
from export.pack import update_facts
from samesku.commands.models import app
from samesku.errors import CommandError
from schemas.bundle import BundleManifest, Calibration, load_manifest
from schemas.decision import MatchDecision, standing, supersedes
from schemas.deployment import Deployment
from schemas.offer import Offer
from schemas.policy import Policy, decide
from tests.deployments import NOW
from tests.system.cluster import Cluster, by_position, delete_record, environment_of
from tests.system.conftest import MakeCluster
from worker.registry.heartbeat import read
from worker.registry.registry import Registry
from worker.stream import build_worker, logs
from worker.stream.metrics import DEPLOYMENT, DEPLOYMENT_REFUSED, SHADOW_DELTA, SHADOW_PAIRS, Metrics
from worker.stream.startup import follow_registry, redis_client
from worker.student.student import Student

pytestmark = pytest.mark.system

COLOURS = ("black", "pink", "blue", "red", "silver", "white", "green", "gold", "grey", "brown")


def offers(wave: int) -> list[Offer]:
    """The same ten offers with other titles in every wave."""
    return [
        Offer.model_validate(
            {"offer_id": str(number), "source": "s", "title": f"sony cyber-shot dsc-w{100 + number} {colour} {wave}"}
        )
        for number, colour in enumerate(COLOURS)
    ]


def variant(bundle: Path, folder: Path, version: str, shift: float) -> Path:
    """A bundle like another, whose calibration is shifted by `shift` nats: other verdicts and another digest."""
    shutil.copytree(bundle, folder)
    old = load_manifest(bundle).calibration
    facts = Facts(calibration=Calibration(a=old.a, b=old.b + shift, fitted_on="shifted"))
    update_facts(folder, facts, NOW, version)
    return folder


@pytest.fixture
def new_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return variant(tiny_bundle, tmp_path / "new", "9.0.0", 1.5)


class Threaded:
    """A worker in a thread that follows the registry, as `samesku worker` does."""

    def __init__(self, cluster: Cluster, slot: str) -> None:
        self.metrics = Metrics()
        settings = cluster.settings(slot)
        log = logs.configure(settings.log)
        switch = follow_registry(settings, self.metrics, log)
        self.worker = build_worker(settings, switch.seats.live.judge, self.metrics, log, switch=switch)
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as failure:  # noqa: BLE001 - the test looks at it
            self.failure = failure

    def stop(self) -> None:
        self.worker.stop()
        self.thread.join()


Start = Callable[[Cluster, str], Threaded]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Threaded] = []

    def begin(cluster: Cluster, slot: str) -> Threaded:
        running.append(Threaded(cluster, slot))
        return running[-1]

    yield begin
    for each in running:
        each.stop()
    assert [each.failure for each in running] == [None] * len(running)


class Operator:
    """Gives `samesku models` commands."""

    def __init__(self, cluster: Cluster) -> None:
        self._environment = environment_of(cluster.settings())

    def __call__(self, *arguments: str) -> Any:
        """What a command said as JSON. Raises what ended it otherwise."""
        done = CliRunner().invoke(app, [*arguments, "--json"], env=self._environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return orjson.loads(lines[-1])

    def text(self, *arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments), env=self._environment)
        assert done.exit_code == 0, done.output
        return done.output


class Reference:
    """What a bundle says of a decision's pair when it is asked alone."""

    def __init__(self, bundle: Path, contents: dict[str, Offer]) -> None:
        self.student = Student.load(bundle, threads=1)
        self.manifest: BundleManifest = self.student.manifest
        self._contents = contents

    def of(self, made: MatchDecision) -> tuple[float, float, str]:
        digests = {side.key: side.digest for side in (made.first, made.second)}
        query, candidate = (self._contents[digests[key]] for key in (made.query_key, made.candidate_key))
        judgement = self.student.judge(query, [candidate])[0]
        policy = Policy().resolved(self.manifest.thresholds)
        ruling = decide(judgement.probability, judgement.attributes, policy)
        return judgement.logit, judgement.probability, ruling.verdict


def place(pair: str) -> Fraction:
    return Fraction(int(sha256(pair.encode()).hexdigest()[:16], 16), 16**16)


class Story:
    """One cluster with two workers, and what was sent to it."""

    def __init__(self, cluster: Cluster, start: Start, old: Path, new: Path) -> None:
        self.cluster, self.operator = cluster, Operator(cluster)
        self.contents: dict[str, Offer] = {}
        self.old, self.new = Reference(old, self.contents), Reference(new, self.contents)
        self.workers = [start(cluster, slot) for slot in ("0", "1")]
        self.sent = 0
        self._seen = 0

    def send(self, wave: int) -> None:
        made = offers(wave)
        self.contents |= {offer.digest(): offer for offer in made}
        self.sent += self.cluster.upsert(*made)

    def wave(self, wave: int) -> list[MatchDecision]:
        """Send a wave and wait for its answers; returns the decisions since the last call."""
        self.send(wave)
        return self.news()

    def news(self) -> list[MatchDecision]:
        self.cluster.await_answers(self.sent)
        everything = self.cluster.decisions()
        new, self._seen = everything[self._seen :], len(everything)
        return new

    def sum(self, name: Any, **labels: str) -> float:
        return sum(each.metrics.value(name, **labels) for each in self.workers)

    def check_all(self) -> None:
        """Of every decision: its bundle owns the pair in the deployment that it is stamped with, and says just that."""
        history = {each.number: each.deployment for each in Registry.read(self.cluster.settings().kafka).history}
        for made in self.cluster.decisions():
            deployment = history.get(made.deployment)
            trial = deployment is not None and deployment.mode == "canary"
            share = Fraction(deployment.share) if deployment is not None else Fraction(0)
            of_candidate = trial and place(made.pair_id) < share and made.verdict != "retracted"
            assert made.canary == of_candidate
            if deployment is None:
                owner = self.old.manifest.ref()
            else:
                owner = deployment.candidate if of_candidate and deployment.candidate else deployment.live
            assert made.bundle == owner
            if made.verdict == "retracted":
                assert (made.timings, made.thresholds, made.shadow) == (None, None, None)
                continue
            reference = self.new if made.bundle.digest == self.new.manifest.digest() else self.old
            assert (made.logit, made.probability, made.verdict) == reference.of(made)
            assert made.timings is not None
            assert made.timings.judge_ms > 0
            assert made.thresholds is not None
            assert made.thresholds.match == reference.manifest.thresholds.match
            assert (made.shadow is not None) == (deployment is not None and deployment.mode == "shadow")

    def check_answers(self) -> None:
        answers = self.cluster.answers()
        assert len(answers) == self.sent
        assert {len(found) for found in by_position(answers).values()} == {1}
        published = {made.decision_id for made in self.cluster.decisions()}
        assert all({*each.decision_ids, *each.standing_ids} <= published for each in answers)


def test_the_story_of_an_upgrade(make_cluster: MakeCluster, start: Start, tiny_bundle: Path, new_bundle: Path) -> None:
    story = Story(make_cluster(), start, tiny_bundle, new_bundle)
    operator = story.operator

    # Nothing was deployed: the bundle of the settings judges.
    first = story.wave(1)
    assert first
    assert {made.deployment for made in first} == {0}

    # Shadow: both judge, and what the metric says is what an independent computation says.
    shadow = operator("shadow", str(new_bundle), "--wait", "--by", "ann", "--reason", "try it")
    assert (shadow["live"]["digest"], shadow["mode"]) == (story.old.manifest.digest(), "shadow")
    shadowed = story.wave(2)
    assert {made.deployment for made in shadowed} == {shadow["number"]}
    expected: Counter[tuple[str, str]] = Counter()
    deltas = []
    for made in shadowed:
        assert made.shadow is not None
        logit, probability, verdict = story.new.of(made)
        assert (made.shadow.logit, made.shadow.probability, made.shadow.verdict) == (logit, probability, verdict)
        assert made.shadow.bundle == story.new.manifest.ref()
        expected[made.verdict, verdict] += 1
        deltas.append(abs((made.probability or 0) - probability))
    assert any(live != candidate for live, candidate in expected), "the bundles agree: there is no difference to count"
    counted = {both: story.sum(SHADOW_PAIRS, live=both[0], candidate=both[1]) for both in expected}
    assert counted == dict(expected)
    samples = [each.metrics.registry.get_sample_value(f"{SHADOW_DELTA.name}_sum") or 0 for each in story.workers]
    assert sum(samples) == pytest.approx(sum(deltas))

    # Canary: exactly the pairs of the pure function.
    canary = operator("canary", "--share", "30%", "--wait")
    assert canary["share"] == 0.3
    tried = story.wave(3)
    assert {made.pair_id for made in tried if made.canary} == {
        made.pair_id for made in tried if place(made.pair_id) < Fraction(0.3)
    }
    assert {made.canary for made in tried} == {True, False}

    # Promote while changes flow: nobody waits for anybody.
    story.send(4)
    promoted = operator("promote", "--reason", "good")
    story.send(5)
    story.news()
    operator("promote", "live", "--wait")  # again, so that there is something to wait for
    assert {made.bundle.version for made in story.wave(6)} == {"9.0.0"}
    assert promoted["previous"]["digest"] == story.old.manifest.digest()

    # Roll back: what comes now is of the old bundle and stands, pairs that did not change included.
    back = operator("rollback", "--wait", "--reason", "second thoughts")
    again = story.wave(6)
    assert {(made.bundle.version, made.deployment) for made in again} == {
        (story.old.manifest.version, back["number"])
    }  # fmt: skip
    story.sent += story.cluster.produce([delete_record(offers(6)[0])])
    retracted = story.news()
    assert {made.deployment for made in retracted} <= {back["number"]}
    stands = standing(story.cluster.decisions())
    assert {stands[made.pair_id].deployment for made in again} == {back["number"]}

    story.check_all()
    story.check_answers()
    assert [each["action"] for each in history(operator)] == [
        "shadow", "canary", "promote", "promote", "rollback",
    ]  # fmt: skip
    assert history(operator)[0]["by"] == "ann"
    assert {each["bundle"]["version"] for each in operator("list")["bundles"]} == {story.old.manifest.version, "9.0.0"}
    # A table may break a reason over lines, but says every word of it.
    assert {"rollback", "second", "thoughts"} <= set(operator.text("history").split())


def history(operator: Operator) -> list[dict[str, Any]]:
    lines = operator.text("history", "--json").splitlines()
    return [orjson.loads(line) for line in lines if line.startswith("{")]


def test_a_decision_after_a_rollback_stands_over_the_canarys_at_the_same_versions(
    make_cluster: MakeCluster, start: Start, tiny_bundle: Path, new_bundle: Path
) -> None:
    """One wave under a canary of everything; stopped; then the other half of each pair's history is made by hand."""
    story = Story(make_cluster(), start, tiny_bundle, new_bundle)
    canary = story.operator("canary", str(new_bundle), "--share", "1", "--wait")
    tried = story.wave(1)
    assert {(made.canary, made.bundle.version) for made in tried} == {(True, "9.0.0")}
    stopped = story.operator("stop", "--wait")
    assert stopped["number"] > canary["number"]
    again = story.wave(1)
    # Same contents and prompt: without the rule about owners every one of these would have been reused.
    assert {made.pair_id for made in again} >= {made.pair_id for made in tried if made.verdict in ("match", "review")}
    assert {(made.canary, made.bundle.digest) for made in again} == {(False, story.old.manifest.digest())}
    for made in again:
        before = made.model_copy(
            update={"bundle": story.new.manifest.ref(), "deployment": canary["number"], "decision_id": "f" * 64}
        )
        assert supersedes(made, before)
        assert not supersedes(before, made)
    story.check_answers()


def flip(folder: Path) -> None:
    """Turn one bit of the weights."""
    with (folder / "model.onnx.data").open("r+b") as file:
        file.seek(4_321)
        byte = file.read(1)
        file.seek(4_321)
        file.write(bytes([byte[0] ^ 1]))


def test_a_broken_bundle_leaves_the_old_one_serving(
    make_cluster: MakeCluster, start: Start, tiny_bundle: Path, new_bundle: Path
) -> None:
    story = Story(make_cluster(), start, tiny_bundle, new_bundle)
    operator = story.operator
    operator("add", str(new_bundle))
    good = operator("promote", str(tiny_bundle), "--wait")
    flip(new_bundle)
    with pytest.raises(CommandError, match=r"was refused: slot .*is not the file that was exported"):
        operator("promote", load_manifest(new_bundle).digest()[:12], "--wait")
    number = history(operator)[-1]["number"]
    story.cluster.wait(lambda: story.sum(DEPLOYMENT_REFUSED) == 2 * number, "both refuse")
    made = story.wave(1)
    assert {(each.deployment, each.bundle.digest) for each in made} == {
        (good["number"], story.old.manifest.digest())
    }  # fmt: skip
    assert story.sum(DEPLOYMENT) == 2 * good["number"]
    # One that starts now falls back to the previous bundle, with the stamp of its time.
    story.workers[0].stop()
    late = start(story.cluster, "0")
    assert (late.metrics.value(DEPLOYMENT), late.metrics.value(DEPLOYMENT_REFUSED)) == (good["number"], number)
    # A rollback clears the alarm.
    operator("rollback", "--wait")
    assert late.metrics.value(DEPLOYMENT_REFUSED) == 0
    story.wave(2)
    story.check_all()
    story.check_answers()


def test_a_bundle_whose_file_is_broken_is_not_registered(make_cluster: MakeCluster, new_bundle: Path) -> None:
    operator = Operator(make_cluster())
    flip(new_bundle)
    with pytest.raises(CommandError, match="is not the file that was exported"):
        operator("promote", str(new_bundle))
    assert operator("list")["bundles"] == []
    assert operator("show")["workers"] == {}


def test_processes_follow_and_start_with_what_is_live(make_cluster: MakeCluster, new_bundle: Path) -> None:
    cluster = make_cluster()
    operator, worker = Operator(cluster), cluster.worker()
    cluster.await_answers(cluster.upsert(*offers(1)[:2]))
    done = operator("promote", str(new_bundle), "--wait")
    settings = cluster.settings()
    said = read(redis_client(settings), settings.redis.namespace, ["0"])["0"]
    assert (said.deployment, said.live.version) == (done["number"], "9.0.0")
    assert worker.events("deployment_in_force")[0]["number"] == done["number"]
    assert operator("show")["workers"]["0"]["deployment"] == done["number"]
    assert worker.terminate() == 0
    assert operator("show")["workers"] == {}
    assert read(redis_client(settings), settings.redis.namespace, ["0"]) == {}
    late = cluster.worker()
    cluster.await_answers(2 + cluster.upsert(*offers(2)[:2]))
    assert {made.bundle.version for made in cluster.decisions() if made.deployment} == {"9.0.0"}
    assert late.events("starting")[0]["deployment"] == done["number"]
    assert late.events("student_bundle_not_used")[0]["bundle"] == str(cluster.bundle)


def test_a_command_that_decided_on_an_older_state_is_refused(
    make_cluster: MakeCluster, tiny_bundle: Path, new_bundle: Path
) -> None:
    operator = Operator(make_cluster())
    first: dict[str, Any] = operator("promote", str(new_bundle))
    assert Deployment.model_validate({k: v for k, v in first.items() if k != "number"}).seen == 0
    with pytest.raises(CommandError, match=f"deployment {first['number']} is in force, and you decided on 1"):
        operator("promote", str(tiny_bundle), "--seen", "1")
    assert operator("rollback", "--seen", str(first["number"]))["live"]["digest"] == load_manifest(tiny_bundle).digest()
