"""What a report is made from: the pairs of every set, what was trained on, and the teacher's verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.rationale import Attribute, Verdict
from train.pairs.guard import held_out_files, validation_files
from train.pairs.mixture import build_mixture, known_brands
from train.pairs.pairs import Pair, data_root, read_pairs
from train.pairs.products import clusters_of, report_pairs
from train.pairs.splits import WDC_FILES, stages_of_clusters
from train.rationales.derive import derive
from train.rationales.imported import EXPLANATIONS, ImportReport, import_row, imported_rows
from train.report.attributes import Taught
from train.report.slices import HARD_FLAG, Background, offer_keys
from train.verification.audit import Audited, read_audit, read_published_rate

# Of a trial's limit: so many validation pairs of each set, and so many training pairs in all.
TRIAL_VALIDATION, TRIAL_TRAINING = 10, 50
AUDITED_SET = "abt-buy"
AUDIT = "human-audit/batch_01_test_abt_buy.jsonl"
PUBLISHED_RATES = "human-audit/labeler_error_rates.csv"


@dataclass(frozen=True)
class Training:
    """The training pairs as they are read today, and the digest that a bundle trained on them carries."""

    pairs: Sequence[Pair]
    digest: str

    def background(self) -> Background:
        """What the slices need of them."""
        seen = frozenset(key for pair in self.pairs for keys in offer_keys(pair) for key in keys)
        return Background(known_brands(self.pairs), seen)


@dataclass(frozen=True)
class TeacherRow:
    """A pair of products that SFT never saw, with what a teacher said of its attributes."""

    pair: Pair
    teacher: Mapping[Attribute, Verdict]
    report_only: bool

    def taught(self, brands: frozenset[str]) -> Taught:
        """The same with the verdicts of the rules, which know the label."""
        rules = derive(self.pair.left, self.pair.right, self.pair.label, brands).verdicts
        return Taught(self.pair, self.teacher, rules, bool(self.pair.meta.get(HARD_FLAG)), self.report_only)


@dataclass(frozen=True)
class Inputs:
    """Everything that is measured. ``training`` is read on demand, for a report whose baselines are kept needs none.

    Attributes:
        tests, validation: pairs by set.
        products: pairs of products that no stage of training saw.
        teacher: pairs with a teacher's verdicts, of products that SFT never saw.
        training: reads the training pairs (half a minute).
        training_key: names what ``training`` would read, without reading it.
        audit: what people decided of pairs of ``AUDITED_SET``, by pair id.
        published_rate: the share of wrong gold labels in it that the audit's authors state.
        files, file_pairs: sha256 (hex) and number of pairs by test file.
    """

    tests: Mapping[str, Sequence[Pair]]
    validation: Mapping[str, Sequence[Pair]]
    products: Sequence[Pair]
    teacher: Sequence[TeacherRow]
    training: Callable[[], Training]
    training_key: str
    audit: Mapping[str, Audited] = field(default_factory=dict)
    published_rate: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    file_pairs: Mapping[str, int] = field(default_factory=dict)


def read_inputs(root: Path | None = None, limit: int | None = None) -> Inputs:
    """Read all of it; ``limit`` keeps only the first so many pairs of each set, and few others (a trial).

    Raises:
        train.pairs.pairs.PairFileError: a file cannot be read.
        train.verification.records.VerificationFileError: the audit is none.
    """
    base = root or data_root()

    def read_training() -> Training:
        mixture = build_mixture(base, limit=limit and limit * TRIAL_TRAINING)
        return Training([item.pair for item in mixture.pairs], mixture.digest())

    paths = held_out_files(base)
    tests = {name: read_pairs(path, name) for name, path in paths.items()}
    return Inputs(
        tests={name: pairs[:limit] for name, pairs in tests.items()},
        validation={
            name: read_pairs(path, name)[: limit and limit * TRIAL_VALIDATION]
            for name, path in validation_files(base).items()
        },
        products=report_pairs(base)[:limit],
        teacher=read_teacher(base)[:limit],
        training=read_training,
        training_key=f"{_key_of_training(base)} {limit}",
        audit=read_audit(base / AUDIT),
        published_rate=read_published_rate(base / PUBLISHED_RATES, AUDITED_SET),
        files={str(path.relative_to(base)): _sha256(path) for path in paths.values()},
        file_pairs={str(path.relative_to(base)): len(tests[name]) for name, path in paths.items()},
    )


def read_teacher(root: Path) -> list[TeacherRow]:
    """The imported rationales of WDC Products pairs of whose two products none belongs to SFT."""
    pairs: dict[tuple[str, str], Pair] = {}
    for name in WDC_FILES:
        for pair in read_pairs(root / "wdc-products-80cc" / f"{name}.jsonl.gz", "wdc-products"):
            pairs.setdefault(pair.id_key(), pair)
    stages = stages_of_clusters({cluster for pair in pairs.values() for cluster in clusters_of(pair)})
    report, found = ImportReport(), dict[tuple[str, str], TeacherRow]()
    for row in imported_rows(root):
        first, second = sorted((str(row["left"]["id"]), str(row["right"]["id"])))
        known = pairs.get((first, second))
        if known is None or (first, second) in found:
            continue
        of = {stages[cluster] for cluster in clusters_of(known)}
        if "sft" in of:
            continue
        left, right = known.left, known.right
        if left.offer_id != str(row["left"]["id"]):
            left, right = right, left
        targets = import_row(row, left, right, report)
        if targets is not None:
            found[first, second] = TeacherRow(known, targets.verdicts, of == {"report"})
    return list(found.values())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _key_of_training(root: Path) -> str:
    """Changes when a data file or the code that makes training pairs of it does."""
    code = Path(__file__).parents[1]
    files = [path for name in ("pairs", "rationales") for path in (code / name).glob("*.py")]
    files += [Path(__file__).with_name("baselines.py"), root / EXPLANATIONS]
    files += [path for path in root.glob("*/*.jsonl*") if path.parent.name not in ("explanations", "teacher-labels")]
    return hashlib.sha256("".join(_sha256(path) for path in sorted(files)).encode()).hexdigest()
