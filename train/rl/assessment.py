"""How good the arms are: the slots of validation and test pairs, scored once for each adapter and kept.

The layers below the trained ones are those of the SFT student in every arm, so that all share one file of activations.
Tests are scored, and nothing is chosen by them.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.calibration.scores import calibration_pairs
from train.judges.interface import Judge
from train.pairs.guard import held_out_files
from train.pairs.mining import products_known
from train.pairs.mixture import TrainingPair
from train.pairs.pairs import Pair, read_pairs
from train.rationales.verdicts import Targets
from train.rewards import Floats, Ints
from train.rl.config import RlConfig
from train.rl.judging import credit_of
from train.rl.lessons import examples_of, network_of, sources_of
from train.rl.loading import load_trainable
from train.rl.pool import Pool
from train.rl.scoring import score_examples
from train.stages import digest

SetName = tuple[str, str]
"""Split and origin."""
SAMPLE_SEED = 23
Say = Callable[[str], None]


@dataclass(frozen=True)
class Exam:
    """The pairs that arms are measured on.

    Attributes:
        sets: by split and origin.
        judged: by the same, how many of the first pairs the held-out judge is asked about.
    """

    sets: Mapping[SetName, Sequence[Pair]]
    judged: int

    def pairs(self) -> list[Pair]:
        return [pair for pairs in self.sets.values() for pair in pairs]

    def labels(self, name: SetName) -> Ints:
        return np.array([pair.label for pair in self.sets[name]], dtype=np.int64)

    def products(self, name: SetName) -> Ints:
        """[pairs]: the product of each left offer: pairs of one product err together."""
        known = products_known(self.sets[name])
        names = [known[pair.left.offer_id] for pair in self.sets[name]]
        return np.unique(names, return_inverse=True)[1].astype(np.int64)


def exam_of(pool: Pool, pairs: int | None, judged: int, root: Path | None = None) -> Exam:
    """A seeded sample of each validation and test set; validation without the panel's pairs, which chose weights.

    Args:
        pairs: of each set at most; None for all.
        judged: of each set, how many pairs the held-out judge is asked about.

    Raises:
        train.pairs.pairs.PairFileError: a file cannot be read.
    """
    looked_at = {item.pair.title_key() for item in pool.panel.items}
    sets: dict[SetName, list[Pair]] = {}
    for origin, found in calibration_pairs(root)[0].items():
        sets["valid", origin] = [pair for pair in found if pair.title_key() not in looked_at]
    for origin, path in held_out_files(root).items():
        sets["test", origin] = read_pairs(path, origin)
    order = random.Random(SAMPLE_SEED)
    return Exam(
        {name: order.sample(found, min(pairs or len(found), len(found))) for name, found in sets.items()}, judged
    )


@dataclass(frozen=True)
class Answers:
    """One adapter's logits [pairs, 6, 3] of each set."""

    logits: Mapping[SetName, Floats]


def examine(config: RlConfig, adapter: Path, exam: Exam, cache: Path, say: Say = lambda text: None) -> Answers:
    """The answers of an adapter whose layers below ``config.first_layer`` are the SFT student's.

    Raises: as :func:`train.rl.lessons.network_of` and :func:`train.rl.loading.load_trainable`.
    """
    pairs = exam.pairs()
    told = "\n".join(f"{pair.title_key()}{pair.label}" for pair in pairs)
    name = hashlib.sha256(f"{digest([adapter])}{told}{config.first_layer}".encode()).hexdigest()[:24]
    path = cache / f"answers-{name}.npy"
    if path.is_file():
        found = np.asarray(np.load(path), dtype=np.float64)
    else:
        cache.mkdir(parents=True, exist_ok=True)
        start = sources_of(config.base, config.adapter)
        examined = config.model_copy(update={"adapter": adapter})
        model, _, encoder = load_trainable(examined)
        examples = examples_of([TrainingPair(pair, Targets()) for pair in pairs], encoder, None)
        network = network_of(model, encoder, config.first_layer, examples, cache, start, say)
        found = score_examples(network, examples, lambda done: None)
        part = path.with_name(f".{path.stem}.{os.getpid()}.npy")
        np.save(part, found)
        os.replace(part, path)
    logits: dict[SetName, Floats] = {}
    at = 0
    for key, members in exam.sets.items():
        logits[key] = found[at : at + len(members)]
        at += len(members)
    return Answers(logits)


def held_out_credit(exam: Exam, judges: Sequence[Judge], cache: Path) -> dict[SetName, Floats]:
    """[pairs, 5, 3] of the first pairs of each set."""
    return {
        name: credit_of(judges, [(pair.left, pair.right) for pair in pairs[: exam.judged]], cache)
        for name, pairs in exam.sets.items()
    }
