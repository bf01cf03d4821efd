"""Live links: with which offers does this one have a decision, standing or under way?

A link lies with both offers, in two slots. It is written to both *before* the pair is judged, and removed only after
the commit, so at any moment the links are a superset of the committed matches and reviews: a crash costs a judgement
more, never a forgotten pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from worker.blocking.generations import Generations
from worker.blocking.records import HeldLabel, Link, LinkState, Settle, Standing
from worker.blocking.scripts import Argument, Call, run

_LINKS = ("match", "review")
# No key holds it: control characters are escaped there.
_SEPARATOR = "\x1f"


class Links(Generations):
    """The part of :class:`worker.blocking.index.Index` that keeps links."""

    def links(self, key: str) -> dict[str, LinkState]:
        """Links of one offer by the other's key, sorted."""
        return self.links_many([key])[0]

    def links_many(self, keys: Sequence[str]) -> list[dict[str, LinkState]]:
        """Links of many offers; one script per shard."""
        rows = self._by_shard("links", keys, lambda key: [self._layout.pending(key), self._layout.standing(key)])
        return [_states(_pairs(row[0]), _pairs(row[1])) for row in rows]

    def link(self, a: str, b: str, token: str) -> None:
        """Link two offers with both, pending under ``token``; see :meth:`link_many`."""
        self.link_many([Link(a, b, token)])

    def link_many(self, links: Iterable[Link]) -> None:
        """Announce that pairs are about to be judged. The standing decision stays, as the previous one.

        ``token`` names the attempt and must not hold U+001F. Best is the change's identity (partition and offset): a
        crashed attempt's token is then written again, and settled, by the redelivery.
        """
        run(self.client, [c for x in links for c in self._both("link", x.a, x.b, lambda _key: (), x.token)])

    def settle(self, a: str, b: str, token: str, standing: Standing | None) -> bool:
        """Record the committed outcome of one attempt; see :meth:`settle_many`."""
        return self.settle_many([Settle(a, b, token, standing)])[0]

    def settle_many(self, outcomes: Sequence[Settle]) -> list[bool]:
        """After the commit: end the attempts, and put (match, review) or remove (no_match, retracted) what stands.

        Nothing happens where the token does not stand any more. Give the :class:`Standing` of a no_match too: then
        an older decision never removes a newer one. ``None`` removes whatever stands. Attempts of others stay
        pending.

        Returns:
            for each outcome, whether it now stands with both offers.
        """
        calls: list[Call] = []
        for x in outcomes:
            links = x.standing is not None and x.standing.verdict in _LINKS
            content = x.standing.dumps() if x.standing else b""
            calls.extend(self._both("settle", x.a, x.b, self._standing_key, x.token, content, int(links)))
        done = run(self.client, calls)
        return [bool(done[i] and done[i + 1]) for i in range(0, len(done), 2)]

    def unlink(self, a: str, b: str, seen: LinkState) -> None:
        """Remove the link that was seen; see :meth:`unlink_many`."""
        self.unlink_many([(a, b, seen)])

    def unlink_many(self, links: Iterable[tuple[str, str, LinkState]]) -> None:
        """Remove links as they were seen (by :meth:`links`), from both offers; what came since stays."""
        calls: list[Call] = []
        for a, b, seen in links:
            content = seen.standing.dumps() if seen.standing else b""
            calls.extend(self._both("unlink", a, b, self._standing_key, content, *sorted(seen.tokens)))
        run(self.client, calls)

    def put_labels(self, labels: Iterable[tuple[str, str, HeldLabel]]) -> None:
        """Keep what was said of pairs (`a`, `b`, label), with both offers: of each pair's contents, what counts.

        The rule is `schemas.label.replaces`, so labels may come in any order, and again. It is no statement about
        what was decided: it says only what `match.labels` holds, and may so be written before any commit.
        """
        calls: list[Call] = []
        for a, b, label in labels:
            calls.extend(
                self._call(
                    "label", self._layout.shard(key), [self._layout.labels(key)],
                    _SEPARATOR.join((other, *label.digests)), label.dumps(), label.offset, label.by,
                )
                for key, other in ((a, b), (b, a))
            )  # fmt: skip
        run(self.client, calls)

    def labels(self, key: str) -> dict[str, list[HeldLabel]]:
        """What was said of one offer's pairs, by the other's key: one label for each contents."""
        return self.labels_many([key])[0]

    def labels_many(self, keys: Sequence[str]) -> list[dict[str, list[HeldLabel]]]:
        """The same of many offers; one script per shard."""
        rows = self._by_shard("labels", keys, lambda key: [self._layout.labels(key)])
        found: list[dict[str, list[HeldLabel]]] = []
        for row in rows:
            of_offer: dict[str, list[HeldLabel]] = {}
            for field, data in sorted(_pairs(row[0]).items()):
                of_offer.setdefault(field.decode().partition(_SEPARATOR)[0], []).append(HeldLabel.loads(data))
            found.append(of_offer)
        return found

    def _standing_key(self, key: str) -> tuple[bytes, ...]:
        return (self._layout.standing(key),)

    def _both(
        self, script: str, a: str, b: str, more: Callable[[str], tuple[bytes, ...]], *args: Argument
    ) -> list[Call]:
        return [
            self._call(script, self._layout.shard(key), [self._layout.pending(key), *more(key)], other, *args)
            for key, other in ((a, b), (b, a))
        ]


def _pairs(flat: Any) -> dict[bytes, bytes]:
    """A hash as a script returns it: field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _states(pending: dict[bytes, bytes], standing: dict[bytes, bytes]) -> dict[str, LinkState]:
    return {
        other.decode(): LinkState(
            frozenset(filter(None, pending.get(other, b"").decode().split("\x1f"))),
            Standing.loads(standing[other]) if other in standing else None,
        )
        for other in sorted({*pending, *standing})
    }
