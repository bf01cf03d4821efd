"""The training mixture: the pairs that may be trained on, with what the slots and the sentence should say.

The teacher's rationales are taken where there are any; what can be derived from the label is derived for the others.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from schemas.identifiers import gtin14
from schemas.offer import Offer
from schemas.text import clean
from train.pairs.mining import read_mined
from train.pairs.noise import move_code
from train.pairs.pairs import Pair, data_root
from train.pairs.shares import stable_share
from train.pairs.sources import read_sources
from train.rationales.derive import derive
from train.rationales.door import RecordedRationales
from train.rationales.imported import ImportReport, import_row, imported_rows
from train.rationales.people import corrected, said_of
from train.rationales.verdicts import Targets

# A brand must be stated by this many offers before a title's first word is read as that brand.
MIN_BRAND_OFFERS = 3
# Sellers who fill the model field leave the code out of the title: shown in this share of offers that have a code, and
# with the noise of an epoch (:mod:`train.pairs.noise`) in a third.
MODEL_FIELD_SHARE = 0.25
# No training set has GTINs, catalogues do: so many pairs are given made-up ones, equal for a match, else unequal;
GTIN_SHARE = 0.1
# the other way round in this share of them, as where a seller copied a wrong one.
WRONG_GTIN_SHARE = 0.03


@dataclass(frozen=True)
class TrainingPair:
    """A pair with what the slots and the sentence should say."""

    pair: Pair
    targets: Targets


@dataclass
class Mixture:
    """The training pairs with what was read and dropped on the way; ``digest`` names the data in the bundle.

    Attributes:
        pairs: in the order of training.
        counts: pairs by ``origin:label``.
        dropped: pairs by origin that the guard dropped.
        rationales: what became of the teacher's rationales.
        held_out: pairs by origin that touch a product held out of training.
        left_out: origins that were not read at all.
    """

    pairs: list[TrainingPair]
    counts: dict[str, int]
    dropped: dict[str, int]
    rationales: ImportReport
    held_out: dict[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def digest(self) -> str:
        """SHA-256 over the sorted ids, titles and labels of every training pair."""
        lines = sorted(f"{p.pair.origin}\t{p.pair.pair_id}\t{p.pair.title_key()}\t{p.pair.label}" for p in self.pairs)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def known_brands(pairs: Iterable[Pair]) -> frozenset[str]:
    """Single-word brands that at least ``MIN_BRAND_OFFERS`` offers state in their brand field."""
    stated = {
        (offer.source, offer.offer_id, clean(offer.brand))
        for pair in pairs
        for offer in (pair.left, pair.right)
        if offer.brand
    }
    # Only whole single-word brands: the first word of "western digital" would make "wd" another brand.
    counts = Counter(brand for _, _, brand in stated if brand and " " not in brand)
    return frozenset(
        brand for brand, count in counts.items() if count >= MIN_BRAND_OFFERS and len(brand) > 1 and not brand.isdigit()
    )


def with_model_field(offer: Offer, seed: int) -> Offer:
    """The offer with its longest title code moved to ``model_number``, for a stable share of the offers.

    None of the training sets has a model field; production catalogues do.
    """
    return move_code(offer) if stable_share(seed, offer.key) < MODEL_FIELD_SHARE else offer


def made_up_gtin(text: str) -> str:
    """A valid GTIN-13 that depends on the text alone."""
    body = f"2{int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) % 10**11:011d}"
    return next(gtin for digit in "0123456789" if gtin14(gtin := body + digit))


def with_gtins(pair: Pair, seed: int) -> Pair:
    """The pair with made-up GTINs on both sides, for a stable share of the pairs."""
    if stable_share(seed, f"gtin:{pair.origin}:{pair.pair_id}") >= GTIN_SHARE or pair.left.gtin or pair.right.gtin:
        return pair
    wrong = stable_share(seed, f"wrong:{pair.origin}:{pair.pair_id}") < WRONG_GTIN_SHARE
    left = made_up_gtin(pair.pair_id)
    right = left if (pair.label == 1) != wrong else made_up_gtin(f"other:{pair.pair_id}")
    return replace(
        pair, left=pair.left.model_copy(update={"gtin": left}), right=pair.right.model_copy(update={"gtin": right})
    )


def build_mixture(
    root: Path | None = None,
    seed: int = 17,
    limit: int | None = None,
    *,
    leave_out: Collection[str] = (),
    hold_products: float = 0.0,
    hold_seed: int = 17,
    large: bool = False,
    mined: Path | None = None,
    files: Sequence[Path] = (),
    held_out_files: Sequence[Path] = (),
    rationales: Sequence[Path] = (),
) -> Mixture:
    """Read, guard and annotate the whole mixture (about half a minute).

    Args:
        root: the data folder; ``SAMESKU_DATA`` by default.
        seed: of the choice of offers whose code is moved to the model field.
        limit: keep only so many pairs, a uniform sample (for tests and trials).
        leave_out: origins (of ``ORIGINS``) that are not read at all: leave-one-dataset-out. Only what is named is left
            out: without ``wdc-computers`` the offers of ``wdc-products``, other shops' of the same kinds, stay.
        hold_products: share of each set's product groups that training must not touch (:mod:`train.pairs.products`).
            WDC Products needs none: its report products are in no training pair anyway.
        hold_seed: of the choice of those groups, apart from ``seed`` so that runs of several seeds hold out the same.
        large: also the pairs of WDC Products' large training file whose products belong to the SFT stage (titles
            only; left out with ``wdc-products``).
        mined: file of hard negatives (:mod:`train.pairs.mining`) to add; the options above bind them too.
        files: pair files of the user's own, of any format (:mod:`train.pairs.tables`), each an origin by its name.
        held_out_files: the user's own test and validation files: none of their pairs is trained on.
        rationales: files of teachers' records (:mod:`train.rationales.door`), found by what a pair's offers say and
            admitted against its label; of several about one pair the first file's counts.

    Raises:
        PairFileError: a file of pairs or of rationales cannot be read.
        ValueError: an origin to leave out is not known, or ``hold_products`` is no share below 1.
    """
    base = root or data_root()
    sources = read_sources(
        base,
        leave_out=leave_out,
        hold_products=hold_products,
        hold_seed=hold_seed,
        large=large,
        files=files,
        held_out_files=held_out_files,
    )
    pairs = sources.pairs
    if mined is not None:
        stated = {pair.title_key() for pair in pairs}
        pairs = pairs + [pair for pair in sources.allowed(read_mined(mined)) if pair.title_key() not in stated]
    brands = known_brands(pairs)
    report = ImportReport()
    by_ids = {pair.id_key(): pair for pair in pairs if pair.origin == "wdc-products"}
    taught: dict[tuple[str, str], Targets] = {}
    for row in imported_rows(base) if by_ids else ():
        pair = by_ids.get(_ids(row))
        if pair is None:
            continue
        left, right = (
            (pair.left, pair.right) if pair.left.offer_id == str(row["left"]["id"]) else (pair.right, pair.left)
        )
        targets = import_row(row, left, right, report)
        if targets is not None:
            taught[pair.id_key()] = targets if left is pair.left else _swapped(targets)
    recorded = RecordedRationales.read(rationales)
    annotated: list[TrainingPair] = []
    for pair in pairs:
        known = taught.get(pair.id_key()) if pair.origin == "wdc-products" else None
        known = recorded.targets(pair, report) or known
        said = said_of(pair.meta)
        targets = corrected(known or derive(pair.left, pair.right, pair.label, brands), said, pair.label)
        # People, like a teacher, read the listings as they were.
        if known is None and not said:
            moved = replace(pair, left=with_model_field(pair.left, seed), right=with_model_field(pair.right, seed))
            pair = moved
        annotated.append(TrainingPair(with_gtins(pair, seed), targets))
    random.Random(seed).shuffle(annotated)
    annotated = annotated[:limit]
    counts = Counter(f"{item.pair.origin}:{item.pair.label}" for item in annotated)
    return Mixture(
        annotated, dict(sorted(counts.items())), sources.guard.dropped, report, sources.held_out, sources.left_out
    )


def _ids(row: dict[str, object]) -> tuple[str, str]:
    left, right = row["left"], row["right"]
    assert isinstance(left, dict)
    assert isinstance(right, dict)
    first, second = sorted((str(left["id"]), str(right["id"])))
    return first, second


def _swapped(targets: Targets) -> Targets:
    if targets.sentence is None:
        return targets
    sentence = replace(
        targets.sentence, quote_left=targets.sentence.quote_right, quote_right=targets.sentence.quote_left
    )
    return replace(targets, sentence=sentence)
