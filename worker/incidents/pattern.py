"""What reported pairs have in common and others have not: a conjunction of traits, found step by step.

Subgroup discovery by forward selection. At each step, of the traits that keep at least `cover` of the reported pairs,
the one that leaves the fewest of the background is taken, if it tells reported from background apart by more than
chance: Fisher's exact test (one-sided) within what the conditions so far leave, at `ALPHA` over all traits tried
(Bonferroni). It ends when no trait does. Some reports may be about something else; what one pattern does not cover is
looked at again, alone.

The background are standing decisions in general. Those of the same fault are among them, which only makes the test
more careful. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from scipy.stats import fisher_exact

from worker.incidents.traits import Trait

ALPHA = 0.01
# Fewer pairs than this have too much in common by chance.
LEAST = 5


@dataclass(frozen=True)
class Step:
    """One condition: of how many reported and background pairs, that met those before, it left how many."""

    trait: Trait
    reported: tuple[int, int]
    background: tuple[int, int]
    p_value: float
    """After the correction for the traits tried."""


@dataclass(frozen=True)
class Pattern:
    """A conjunction of traits; `covered` are the places of the reported pairs that meet it."""

    steps: tuple[Step, ...]
    covered: tuple[int, ...]

    @property
    def conditions(self) -> frozenset[Trait]:
        return frozenset(step.trait for step in self.steps)

    def holds(self, found: Collection[Trait]) -> bool:
        return self.conditions <= set(found)


def patterns(
    reported: Sequence[frozenset[Trait]], background: Sequence[frozenset[Trait]], cover: float = 0.8, most: int = 3
) -> list[Pattern]:
    """The patterns of the reported pairs, the widest first.

    Args:
        reported: traits of each reported pair; fewer than `LEAST` have no pattern.
        background: traits of a sample of standing decisions that nobody reported.
        cover: share of the reported pairs (of those that are left) that a pattern must hold for.
        most: how many patterns are looked for.
    """
    found: list[Pattern] = []
    left = list(range(len(reported)))
    while len(left) >= LEAST and len(found) < most:
        pattern = _pattern([reported[place] for place in left], background, cover)
        if pattern is None:
            break
        covered = tuple(left[place] for place in pattern.covered)
        found.append(Pattern(pattern.steps, covered))
        left = [place for place in left if place not in set(covered)]
    return found


def _pattern(
    reported: Sequence[frozenset[Trait]], background: Sequence[frozenset[Trait]], cover: float
) -> Pattern | None:
    needed = max(LEAST, cover * len(reported))
    inside, outside = list(range(len(reported))), list(range(len(background)))
    steps: list[Step] = []
    while True:
        counts = Counter(trait for place in inside for trait in reported[place])
        chosen = {step.trait for step in steps}
        tried = [trait for trait, count in counts.items() if count >= needed and trait not in chosen]
        if not tried or not outside:
            break
        seen = Counter(trait for place in outside for trait in background[place])
        # Fewest of the background, then most of the reported; the name makes it one answer.
        best = min(tried, key=lambda trait: (seen[trait], -counts[trait], trait))
        kept, others = counts[best], seen[best]
        table = [[kept, len(inside) - kept], [others, len(outside) - others]]
        p_value = min(1.0, float(fisher_exact(table, alternative="greater").pvalue) * len(tried))
        if p_value > ALPHA:
            break
        steps.append(Step(best, (len(inside), kept), (len(outside), others), p_value))
        inside = [place for place in inside if best in reported[place]]
        outside = [place for place in outside if best in background[place]]
    return Pattern(tuple(steps), tuple(inside)) if steps else None
