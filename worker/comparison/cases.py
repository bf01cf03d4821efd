"""The pairs that both sides decided on the very same contents. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from schemas.decision import MatchDecision
from schemas.label import Label
from schemas.offer import Offer, split_key


@dataclass(frozen=True)
class Case:
    """One pair as both sides decided it. `label` is a person's word on these contents: the same product or not."""

    old: MatchDecision
    new: MatchDecision
    first: Offer | None = None
    second: Offer | None = None
    label: bool | None = None

    @property
    def pair_id(self) -> str:
        return self.old.pair_id

    @property
    def flipped(self) -> bool:
        return self.old.verdict != self.new.verdict

    @property
    def kind(self) -> str:
        return f"{self.old.verdict}->{self.new.verdict}"

    @property
    def sources(self) -> str:
        """Both sellers, in order."""
        return " + ".join(sorted({split_key(self.old.first.key)[0], split_key(self.old.second.key)[0]}))

    @property
    def category(self) -> str:
        """The category that both offers, or the one that names any, agree on."""
        named = {offer.category for offer in (self.first, self.second) if offer is not None and offer.category}
        if not named:
            return "none given"
        return named.pop() if len(named) == 1 else "different"

    @property
    def price(self) -> float | None:
        """The higher of both prices, as numbers: in whatever currency they are."""
        prices = [float(each.price) for each in (self.first, self.second) if each is not None and each.price]
        return max(prices) if prices else None


@dataclass
class Aligned:
    """The cases, and what could not be compared."""

    cases: list[Case] = field(default_factory=list)
    only_old: int = 0
    only_new: int = 0
    other_contents: int = 0
    """Pairs of which the two sides judged other versions of an offer."""
    by_people: int = 0
    """Pairs that one side decided by a label or by an operator: no bundle's word."""


def align(
    old: Mapping[str, MatchDecision], new: Mapping[str, MatchDecision], offers: Mapping[str, Offer],
    labels: Mapping[str, Collection[Label]],
) -> Aligned:  # fmt: skip
    """Put both sides together, by pair id. `offers` is by digest; `labels` by pair id, oldest first.

    A label binds where both digests are those that the person saw, or where it names none (a file of labelled pairs).
    A decision that a person made, or a deletion, is no bundle's word and is only counted.
    """
    aligned = Aligned(only_old=len(old.keys() - new.keys()), only_new=len(new.keys() - old.keys()))
    for pair in sorted(old.keys() & new.keys()):
        before, after = old[pair], new[pair]
        if (before.first.digest, before.second.digest) != (after.first.digest, after.second.digest):
            aligned.other_contents += 1
        elif {before.decided_by, after.decided_by} & {"label", "teacher", "operator", "change"}:
            aligned.by_people += 1
        else:
            contents = offers.get(before.first.digest), offers.get(before.second.digest)
            aligned.cases.append(Case(before, after, *contents, _label(before, labels.get(pair, ()))))
    return aligned


def _label(made: MatchDecision, labels: Collection[Label]) -> bool | None:
    said: bool | None = None
    for label in labels:
        if label.first_digest in ("", made.first.digest) and label.second_digest in ("", made.second.digest):
            said = label.verdict == "match"
    return said
