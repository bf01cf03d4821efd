"""An incident's action carried out: operator decisions and review tasks in transactions, and the links in the index.

What stands is read from the log itself, not from the audit store, which may be behind. The same action given again
publishes only what it had not yet. Order makes a race harmless: a decision of newer versions, a label or a newer bundle
that comes meanwhile stands over ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import redis
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from schemas import topics
from schemas.decision import MatchDecision, supersedes
from schemas.offer import Offer
from schemas.settings import Settings
from worker.blocking import BlockingError, Index
from worker.blocking.records import Link, Settle
from worker.incidents.action import Target, acted, why_not
from worker.incidents.errors import IncidentError
from worker.replay import log
from worker.replay.errors import ReplayError
from worker.replay.planning import as_decision
from worker.replay.span import Point
from worker.stream.backoff import Log
from worker.stream.errors import BatchAborted, ProducerReplaced, StreamError
from worker.stream.outputs import Outputs
from worker.stream.pairs import standing_of
from worker.stream.publisher import Publisher
from worker.stream.records import Outgoing
from worker.stream.startup import look_around, open_index

# Decisions of one transaction.
PORTION = 500
ATTEMPTS = 5

Contents = Callable[[Collection[str]], dict[str, Offer]]


def standing_now(settings: Settings, pairs: Collection[str]) -> dict[str, MatchDecision]:
    """What stands of these pairs at the end of the log. Raises IncidentError."""
    wanted = {pair.encode() for pair in pairs}
    stands: dict[str, MatchDecision] = {}
    try:
        topic = settings.kafka.topic(topics.DECISIONS)
        span = log.resolve(settings.kafka, topic, Point(edge="start"), Point(edge="end"))
        for record in log.read(settings.kafka, span, wanted=wanted.__contains__):
            made = as_decision(record)
            held = stands.get(made.pair_id)
            if held is None or supersedes(made, held):
                stands[made.pair_id] = made
    except ReplayError as error:
        raise IncidentError(str(error)) from error
    return stands


class Actor:
    """Publishes actions; use it once. ``now`` gives UTC."""

    def __init__(self, settings: Settings, contents: Contents, logger: Log, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._contents = contents
        self._log = logger
        self._now = now

    def act(self, pairs: Collection[str], target: Target, action_id: str) -> tuple[list[MatchDecision], Counter[str]]:
        """Do it to what stands of these pairs now. Returns what was published, and of the others how many and why.

        Raises IncidentError; what was published by then stays, and the same call goes on.
        """
        left: Counter[str] = Counter()
        stands = standing_now(self._settings, pairs)
        left["never decided"] = len(set(pairs) - stands.keys())
        made: list[MatchDecision] = []
        for held in sorted(stands.values(), key=lambda each: each.pair_id):
            reason = why_not(held, target)
            if reason is None:
                made.append(acted(held, target, action_id, self._now()))
            else:
                left[reason] += 1
        offers = self._contents({side.digest for each in made for side in (each.first, each.second)})
        if target == "review":
            shown = [each for each in made if {each.first.digest, each.second.digest} <= offers.keys()]
            left["contents not kept: nothing to show to people"] += len(made) - len(shown)
            made = shown
        if made:
            self._publish(made, offers, action_id)
        return made, +left

    def _publish(self, made: list[MatchDecision], offers: dict[str, Offer], action_id: str) -> None:
        publisher = Publisher(self._settings, "incident", action_id, self._log)
        again = Retrying(
            retry=retry_if_exception_type((BatchAborted, ProducerReplaced)), stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )  # fmt: skip
        try:
            index = self._index()
            publisher.open()
            for start in range(0, len(made), PORTION):
                portion = made[start : start + PORTION]
                # Linked before, so that a worker that changes an offer meanwhile finds the pair and judges it.
                index.link_many(Link(each.first.key, each.second.key, _token(action_id)) for each in portion)
                again(publisher.commit, list(self._records(portion, offers)))
                index.settle_many([_settle(each, offers, action_id) for each in portion])
        except StreamError as error:
            raise IncidentError(f"not all was published: {error}; give the same command again") from error
        except (BlockingError, redis.RedisError) as lost:
            raise IncidentError(f"the index is gone ({lost}): give the same command again once it is back") from lost
        finally:
            publisher.close()

    def _index(self) -> Index:
        index = open_index(self._settings)
        index.start_check()
        index.adopt(f"{look_around(self._settings).generation}-{index.format}")
        return index

    def _records(self, made: Iterable[MatchDecision], offers: dict[str, Offer]) -> Iterable[Outgoing]:
        outputs = Outputs(self._settings.kafka.topic_prefix)
        for each in made:
            # One by one: two pairs may be about different versions of the same offer.
            sides = (each.first, each.second)
            shown = {side.key: offers[side.digest] for side in sides if side.digest in offers}
            yield from outputs.decided([each], shown, self._now())


def _token(action_id: str) -> str:
    # No change of a partition is called so: a worker that settles its own attempt leaves ours alone.
    return f"incident:{action_id}"


def _settle(made: MatchDecision, offers: dict[str, Offer], action_id: str) -> Settle:
    # Without its prompt key a standing decision is never reused: the next change of either offer is judged.
    standing = standing_of(made, offers.get(made.first.digest), offers.get(made.second.digest))
    return Settle(made.first.key, made.second.key, _token(action_id), standing)
