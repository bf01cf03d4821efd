"""What people said of a pair's attributes when they labelled it, over what was derived or written by a teacher. Pure.

A label names the attributes that somebody looked at and corrected; the others keep what is known of them anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from schemas.rationale import ATTRIBUTES, VERDICTS, Attribute, Verdict
from train.rationales.verdicts import Targets

SAID = "attribute_verdicts"
"""Key of a pair's ``meta``: {attribute: verdict}, as `schemas.label.Label.attributes`."""
SOURCE = "people"


def said_of(meta: Mapping[str, Any]) -> dict[Attribute, Verdict]:
    """The verdicts in a pair's ``meta``; what is no attribute or no verdict of ours is passed over."""
    stated = meta.get(SAID)
    if not isinstance(stated, Mapping):
        return {}
    return {
        cast(Attribute, name): cast(Verdict, verdict)
        for name, verdict in stated.items()
        if name in ATTRIBUTES and verdict in VERDICTS
    }


def corrected(targets: Targets, said: Mapping[Attribute, Verdict], label: int) -> Targets:
    """The targets with what people said in the place of what was known.

    A match with a ``different`` attribute contradicts itself: the label counts, the verdict is masked. The sentence
    goes where it was about an attribute whose verdict is another one now.

    Args:
        targets: derived, or a teacher's.
        said: of the same pair; may be empty.
        label: 1 same product, 0 not.
    """
    if not said:
        return targets
    verdicts: dict[Attribute, Verdict] = {**targets.verdicts, **said}
    if label == 1:
        verdicts = {name: verdict for name, verdict in verdicts.items() if verdict != "different"}
    sentence = targets.sentence
    if sentence is not None and verdicts.get(sentence.attribute) != targets.verdicts.get(sentence.attribute):
        sentence = None
    return replace(
        targets, verdicts=verdicts, sentence=sentence, source=SOURCE, not_different=targets.not_different - said.keys()
    )
