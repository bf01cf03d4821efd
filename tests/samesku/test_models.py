"""Waiting for workers, shares as they are typed, and what is printed about a deployment."""

from __future__ import annotations

import pytest
import typer

from samesku.commands.models import again, parse_share
from samesku.errors import CommandError
from samesku.models.show import bundle_text, lineage, sentence, state_data
from samesku.models.workers import Fleet, wait_for
from tests.deployments import NOW, A, B, C, deployment, registered
from worker.registry.heartbeat import Serving
from worker.registry.state import Numbered, RegistryState


def said(slot: str, number: int, **fields: object) -> Serving:
    return Serving.model_validate({"slot": slot, "deployment": number, "live": A, "at": NOW, **fields})


class Time:
    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(looks: list[dict[str, Serving | None]], seconds: float = 60) -> tuple[Fleet, list[str]]:
    clock, lines, left = Time(), list[str](), iter(looks)
    last = looks[-1]
    found = wait_for(5, lambda: Fleet(next(left, last)), seconds, lines.append, lambda: clock.now, clock.sleep)
    return found, lines


def test_it_waits_for_every_worker_there_is() -> None:
    found, lines = wait(
        [
            {"0": said("0", 4), "1": None},
            {"0": said("0", 5), "1": None},
            {"0": said("0", 5), "1": said("1", 4)},
            {"0": said("0", 5), "1": said("1", 6)},
        ]
    )
    assert list(found.slots) == ["0", "1"]
    assert lines == ["0 of 2 workers serve deployment 5", "1 of 2 workers serve deployment 5"]


def test_without_workers_there_is_nothing_to_wait_for() -> None:
    assert wait([{}]) == (Fleet({}), [])


def test_one_that_refuses_ends_the_wait() -> None:
    with pytest.raises(CommandError, match=r"slot 1 \(serves 4\): a flipped byte"):
        wait([{"0": said("0", 5), "1": said("1", 4, refused=5, refusal="a flipped byte")}])


def test_an_older_refusal_does_not() -> None:
    assert wait([{"0": said("0", 5, refused=3)}])[0].behind(5) == []


def test_the_time_is_limited_and_says_who_is_missing() -> None:
    with pytest.raises(CommandError, match=r"after 2 s: 1 of 2 workers serve deployment 5; missing: slot 1"):
        wait([{"0": said("0", 5), "1": said("1", 4)}], seconds=2)


@pytest.mark.parametrize(("typed", "share"), [("10%", 0.1), ("0.1", 0.1), ("100%", 1.0), ("1", 1.0), ("0.5%", 0.005)])
def test_a_share(typed: str, share: float) -> None:
    assert parse_share(typed) == pytest.approx(share)


@pytest.mark.parametrize("typed", ["0", "0%", "101%", "1.1", "ten", "", "nan", "-5%"])
def test_no_share(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no share"):
        parse_share(typed)


def test_a_deployment_in_a_line() -> None:
    tried = deployment("canary", A, 0, candidate=B, mode="canary", share=0.1)
    live, candidate = f"tiny-a 1.0.0 ({'a' * 12})", f"tiny-b 2.0.0 ({'b' * 12})"
    assert sentence(Numbered(7, tried)) == (
        f"deployment 7 (canary by ann): {live} is live; {candidate} on 0.1 of the pairs"
    )


def test_the_command_that_judges_again_names_who_gained() -> None:
    tried = deployment("canary", A, 0, deployment_id="0123456789", candidate=B, mode="canary", share=0.1)
    assert again([], tried) == []
    (_, command) = again(["candidate"], tried)
    assert command == "  samesku replay --publish --bundle candidate --from start --out replay-01234567-candidate"


def test_a_bundle_and_where_it_comes_from() -> None:
    state = RegistryState()
    entries = [registered(A), registered(B, parent=A.digest), registered(C, parent=B.digest, training_digest="t1")]
    for offset, entry in enumerate(entries):
        state.apply(offset, entry)
    state.apply(3, deployment("promote", C, 0, previous=B))
    assert [each.bundle for each in lineage(state, entries[2])] == [C, B, A]
    text = bundle_text(state, entries[2])
    assert "aliases:        live" in text
    assert "training data:  t1" in text
    assert "live in:        deployments 4" in text
    data = state_data(state)
    assert data["aliases"] == {"live": C.digest, "candidate": None, "previous": B.digest}
    assert data["deployment"]["number"] == 4


def test_a_bundle_that_is_its_own_ancestor_ends_somewhere() -> None:
    state = RegistryState()
    entries = [registered(A, parent=B.digest), registered(B, parent=A.digest)]
    for offset, entry in enumerate(entries):
        state.apply(offset, entry)
    assert [each.bundle for each in lineage(state, entries[0])] == [A, B]
