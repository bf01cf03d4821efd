"""What the judges say of all 15 claims of each pair, asked once and kept on disk.

A score is kept by the content of both listings and the judge's digest: another run, another arm and another order of
pairs ask nothing again, and a judge with other weights is asked anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from schemas.offer import Offer
from schemas.rationale import VERDICTS
from train.judges.claims import Claim
from train.judges.interface import Judge
from train.rationales.records import content_digest
from train.rewards import Floats, judge_credit

Listings = tuple[Offer, Offer]
Progress = Callable[[int], None]
# Pairs whose claims are put to a judge at once; after each such batch the shelf is written.
BATCH = 64
SAVE_EVERY = 10


class ScoreShelf:
    """The scores of one judge [attributes, 3] by pair, in one file of a folder."""

    def __init__(self, folder: Path, judge: Judge) -> None:
        self.judge = judge
        self.path = folder / f"judged-{judge.digest[:24]}.npz"
        self._found: dict[str, Floats] = {}
        if self.path.is_file():
            with np.load(self.path) as kept:
                self._found = dict(zip(kept["keys"].tolist(), kept["scores"], strict=True))

    @staticmethod
    def key(pair: Listings) -> str:
        """Names a pair by what its listings say, in this order."""
        return hashlib.sha256("\0".join(content_digest(offer) for offer in pair).encode()).hexdigest()

    def scores(self, pairs: Sequence[Listings], progress: Progress = lambda _: None) -> Floats:
        """[pairs, attributes, 3]: probability that each verdict of each of the judge's attributes is right."""
        keys = [self.key(pair) for pair in pairs]
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._found}
        wanted = list(missing.items())
        for number, start in enumerate(range(0, len(wanted), BATCH), 1):
            batch = wanted[start : start + BATCH]
            claims = [
                Claim(left, right, attribute, verdict)
                for _, (left, right) in batch
                for attribute in self.judge.attributes
                for verdict in VERDICTS
            ]
            said = np.asarray(self.judge.score(claims), dtype=np.float64)
            said = said.reshape(len(batch), len(self.judge.attributes), len(VERDICTS))
            self._found |= {key: scores for (key, _), scores in zip(batch, said, strict=True)}
            if number % SAVE_EVERY == 0:
                self.save()
            progress(len(batch))
        if wanted:
            self.save()
        return np.stack([self._found[key] for key in keys])

    def save(self) -> None:
        """Write the file; it appears whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.stem}.{os.getpid()}.npz")
        np.savez(part, keys=np.array(list(self._found)), scores=np.stack(list(self._found.values())))
        os.replace(part, self.path)


def credit_of(
    judges: Sequence[Judge], pairs: Sequence[Listings], folder: Path, progress: Progress = lambda _: None
) -> Floats:
    """[pairs, 5, 3]: what each verdict adds to the judges' part of the reward (:func:`train.rewards.judge_credit`)."""
    scored = [(judge.attributes, ScoreShelf(folder, judge).scores(pairs, progress)) for judge in judges]
    return judge_credit(scored, len(pairs))


def claim_score(judges: Sequence[Judge], claim: Claim) -> float:
    """The mean score of a single claim with its quotes, over the judges that may be asked; 0 where there is none."""
    asked = [judge for judge in judges if claim.attribute in judge.attributes]
    return float(np.mean([judge.score([claim])[0] for judge in asked])) if asked else 0.0
