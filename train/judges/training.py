"""Training one judge: evidence first, then text and evidence together, then calibration on products of its own.

The loss of a preference is Bradley and Terry's (1952, Biometrika 39): -log sigmoid(right - wrong), and, since a score
is also read by itself, the logistic loss of both claims. Resumable: a checkpoint holds all that goes on.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from train.judges.corruptions import Preference, kinds_of, preferences
from train.judges.encoder import (
    WEIGHTS,
    EncoderJudge,
    Manifest,
    load_encoder,
    raw_logits,
    read_delta,
    write_delta,
    write_judge,
)
from train.judges.facts import features, rendered
from train.judges.interface import JudgeName
from train.judges.material import bases
from train.judges.model import JudgeModel, body_digest, row_of
from train.judges.recipe import JudgeRecipe
from train.judges.teachers import taught

CHECKPOINT = "checkpoint.pt"
CALIBRATION_PER_KIND = 150
EVIDENCE_BATCH = 64


@dataclass(frozen=True)
class TrainingData:
    """What one judge is made from."""

    text: list[Preference]
    evidence: list[Preference]
    calibration: list[Preference]

    def digest(self) -> str:
        """SHA-256 (hex) over all claims, in their order."""
        lines = [case.right.key() + case.wrong.key() for part in (self.text, self.evidence) for case in part]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def training_data(name: JudgeName, recipe: JudgeRecipe, root: Path | None = None) -> TrainingData:
    """The preferences of one judge, of seen kinds only (about a minute, most of it reading what must be left out)."""
    kinds = kinds_of(name, seen=True)
    made = {
        part: bases(part, root=root, stage=recipe.clusters, halves=recipe.pave_halves, seed=recipe.seed, renditions=4)
        for part in ("train", "calibration")
    }
    own = taught(name, recipe.teacher, recipe.clusters, "train", root) if recipe.teacher else []
    rng = random.Random(recipe.seed)
    evidence = preferences(name, kinds, made["train"], recipe.evidence_per_kind, seed=recipe.seed, evaluation=False)
    text = preferences(name, kinds, made["train"], recipe.per_kind, seed=recipe.seed + 1, evaluation=False) + own
    rng.shuffle(text)
    rng.shuffle(evidence)
    calibration = preferences(
        name, kinds, made["calibration"], CALIBRATION_PER_KIND, seed=recipe.seed + 2, evaluation=False
    )
    return TrainingData(text, evidence + own, calibration)


@dataclass
class _Tensors:
    evidence: Tensor
    rows: Tensor


def _tensors(cases: Sequence[Preference]) -> _Tensors:
    """Evidence [cases, 2, FEATURES] and rows [cases, 2] of (right, wrong)."""
    claims = [claim for case in cases for claim in (case.right, case.wrong)]
    evidence = torch.tensor(np.stack([features(claim) for claim in claims]), dtype=torch.float32)
    rows = torch.tensor([row_of(claim) for claim in claims])
    return _Tensors(evidence.view(len(cases), 2, -1), rows.view(len(cases), 2))


def preference_loss(logits: Tensor, pointwise: float) -> Tensor:
    """The mean loss of logits [preferences, 2] of (right, wrong)."""
    wanted = torch.tensor([1.0, 0.0]).expand_as(logits)
    loss: Tensor = -logsigmoid(logits[:, 0] - logits[:, 1]).mean()
    return loss + pointwise * binary_cross_entropy_with_logits(logits, wanted)


def _hidden(evidence: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    keep = (torch.rand(evidence.shape[0], 1, evidence.shape[-1], generator=generator) >= chance).to(evidence.dtype)
    return evidence * keep


def train_evidence(
    model: JudgeModel, cases: Sequence[Preference], recipe: JudgeRecipe, progress: Callable[[str], None]
) -> None:
    """The evidence part alone, in seconds."""
    data = _tensors(cases)
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(model.evidence.parameters(), recipe.head_learning_rate, weight_decay=0.05)
    model.train()
    for epoch in range(recipe.evidence_epochs):
        for chosen in torch.split(torch.randperm(len(cases), generator=generator), EVIDENCE_BATCH):
            seen = _hidden(data.evidence[chosen], recipe.evidence_dropout, generator)
            logits = model.evidence(seen).gather(2, data.rows[chosen][..., None])[..., 0]
            loss = preference_loss(logits, recipe.pointwise)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        progress(f"evidence: epoch {epoch + 1} of {recipe.evidence_epochs}, loss {loss.item():.3f}")


def train_text(
    model: JudgeModel, cases: Sequence[Preference], recipe: JudgeRecipe, folder: Path, progress: Callable[[str], None]
) -> None:
    """Text and evidence together; goes on from the folder's checkpoint, which is written every ``save_steps`` steps."""
    head = [*model.evidence.parameters(), *(model.text.parameters() if model.text is not None else [])]
    lora = [value for value in model.body.parameters() if value.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": head, "lr": recipe.head_learning_rate / 4},
        {"params": lora, "lr": recipe.learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    steps = max(1, round(recipe.epochs * len(cases) / recipe.batch))
    warmup = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warmup) * max(0.0, 1 - step / steps)
    )
    order: list[int] = []
    rng = random.Random(recipe.seed)
    while len(order) < steps * recipe.batch:
        order += rng.sample(range(len(cases)), len(cases))
    start = _resume(model, optimizer, schedule, folder)
    data = _tensors(cases)
    generator = torch.Generator().manual_seed(recipe.seed + start)
    model.train()
    recent: list[float] = []
    for step in range(start, steps):
        chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
        texts = [rendered(claim) for number in chosen for claim in (cases[number].right, cases[number].wrong)]
        distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        place = torch.tensor([distinct[text] for text in texts])
        evidence = _hidden(data.evidence[chosen], recipe.evidence_dropout, generator).flatten(0, 1)
        logits = model(list(distinct), place, evidence, data.rows[chosen].flatten()).view(-1, 2)
        loss = preference_loss(logits, recipe.pointwise)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*head, *lora], 1.0)
        optimizer.step()
        schedule.step()
        recent = [*recent[-49:], loss.item()]
        if (step + 1) % 10 == 0:
            progress(f"text: step {step + 1} of {steps}, loss {np.mean(recent):.3f}")
        if (step + 1) % recipe.save_steps == 0:
            _save(model, optimizer, schedule, folder, step + 1)


def _save(model: JudgeModel, optimizer: Any, schedule: Any, folder: Path, step: int) -> None:
    state = {"kept": model.kept(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "step": step}
    temporary = folder / f"{CHECKPOINT}.partial"
    torch.save(state, temporary)
    temporary.replace(folder / CHECKPOINT)


def _resume(model: JudgeModel, optimizer: Any, schedule: Any, folder: Path) -> int:
    path = folder / CHECKPOINT
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    kept = model.kept()
    with torch.no_grad():
        for name, value in state["kept"].items():
            kept[name].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return int(state["step"])


def calibrated(model: JudgeModel, cases: Sequence[Preference]) -> tuple[float, float]:
    """Slope and intercept of Platt's scaling (1999), fitted on claims of products that no weight was fitted on."""
    claims = [claim for case in cases for claim in (case.right, case.wrong)]
    logits = raw_logits(model, claims)
    fit = LogisticRegression(C=10.0).fit(logits[:, None], np.tile([1, 0], len(cases)))
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def train_judge(
    name: JudgeName,
    recipe: JudgeRecipe,
    folder: Path,
    *,
    data: TrainingData | None = None,
    root: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> EncoderJudge:
    """Train, keep and calibrate one judge; ``folder`` then holds it. The same call goes on where it was interrupted."""
    folder.mkdir(parents=True, exist_ok=True)
    found = data or training_data(name, recipe, root)
    model = JudgeModel(recipe)
    if not (folder / CHECKPOINT).is_file():
        train_evidence(model, found.evidence, recipe, progress)
    if recipe.body != "none":
        train_text(model, found.text, recipe, folder, progress)
    weights = folder / WEIGHTS
    digest = write_delta(model, weights)
    # What is calibrated and measured is what is kept, in half precision.
    read_delta(model, weights)
    slope, intercept = calibrated(model, found.calibration)
    counts = Counter(case.kind for case in found.text)
    manifest = Manifest(
        name=name, recipe=recipe, body_sha256=body_digest(recipe.body), weights_sha256=digest, slope=slope,
        intercept=intercept, trained_on=found.digest(), preferences=dict(sorted(counts.items())),
    )  # fmt: skip
    write_judge(folder, manifest)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return load_encoder(folder)
