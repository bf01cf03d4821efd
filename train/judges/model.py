"""The network of a local judge: what reads the text of a pair, and a head that is asked for each claim.

The logit of a claim is the sum of two parts, one from the evidence (:mod:`train.judges.facts`) and one from a body's
vector of the text, each with a row for every attribute and verdict. So one pass over a pair serves all its claims, and
what the text may add to the evidence is learnt apart. Bodies come from installed wheels; only LoRA and head are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from schemas.rationale import ATTRIBUTES, VERDICTS
from train.judges.claims import Claim
from train.judges.facts import FEATURES
from train.judges.recipe import BodyName, JudgeRecipe
from train.report.minilm import model_folder

TARGETS = {
    "minilm": ["query", "key", "value", "dense"],
    "smollm2": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}
HIDDEN = 64
TEXT_HIDDEN = 48
ROWS = len(ATTRIBUTES) * len(VERDICTS)


def row_of(claim: Claim) -> int:
    """Which output of the head is asked for a claim."""
    return ATTRIBUTES.index(claim.attribute) * len(VERDICTS) + VERDICTS.index(claim.verdict)


def body_file(name: BodyName) -> Path:
    """The file whose bytes are the body's weights."""
    if name == "minilm":
        return model_folder() / "model.safetensors"
    from export.base import default_base

    return default_base()


@lru_cache(maxsize=2)
def body_digest(name: BodyName) -> str:
    """SHA-256 (hex) of a body's weights; "" for none."""
    if name == "none":
        return ""
    with body_file(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=2)
def tokenizer_of(name: BodyName) -> Any:
    """The body's tokenizer."""
    if name == "minilm":
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(model_folder()))
    from export.base import load_tokenizer

    return load_tokenizer()


class Body(nn.Module):
    """Texts of pairs to vectors. ``width`` is 0 where there is no body."""

    def __init__(self, recipe: JudgeRecipe) -> None:
        super().__init__()
        self.name = recipe.body
        self.max_tokens = recipe.max_tokens
        self.width = 0
        self.encoder: Any = None
        if recipe.body == "none":
            return
        if recipe.body == "minilm":
            from transformers import AutoModel

            plain = AutoModel.from_pretrained(str(model_folder()), dtype=torch.float32, add_pooling_layer=False)
            plain.encoder.layer = plain.encoder.layer[: recipe.layers]
        else:
            from export.base import load_base

            plain = load_base()[0].model
            plain.layers = plain.layers[: recipe.layers]
            plain.config.num_hidden_layers = len(plain.layers)
            plain.config.use_cache = False
        self.width = int(plain.config.hidden_size)
        adapter = LoraConfig(
            r=recipe.rank, lora_alpha=2 * recipe.rank, lora_dropout=0.0, target_modules=TARGETS[recipe.body]
        )
        self.encoder = get_peft_model(plain, adapter)

    def forward(self, texts: Sequence[tuple[str, str]]) -> Tensor:
        """Vectors [texts, width]: the mean over the tokens of a text (an encoder), or its last one (a decoder)."""
        tokenizer = tokenizer_of(self.name)
        if self.name == "minilm":
            batch = tokenizer(
                [text[0] for text in texts], [text[1] for text in texts], truncation="longest_first",
                max_length=self.max_tokens, padding=True, return_tensors="pt",
            )  # fmt: skip
        else:
            # A decoder has no mark between two texts: each is cut by itself so that both are read.
            joined = [
                "\n".join(tokenizer.decode(tokenizer(side).input_ids[: self.max_tokens // 2]) for side in text)
                for text in texts
            ]
            batch = tokenizer(joined, padding=True, padding_side="right", return_tensors="pt")
        states = self.encoder(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state  # fmt: skip
        mask = batch["attention_mask"].to(states.dtype)
        if self.name == "minilm":
            pooled: Tensor = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            return pooled
        last = mask.sum(1).long() - 1
        found: Tensor = states[torch.arange(len(states)), last]
        return found


class JudgeModel(nn.Module):
    """Body and head. Outputs are logits of "this claim is right"."""

    def __init__(self, recipe: JudgeRecipe) -> None:
        super().__init__()
        torch.manual_seed(recipe.seed)
        self.body = Body(recipe)
        self.evidence = nn.Sequential(
            nn.Linear(FEATURES, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, ROWS)
        )
        self.text: nn.Module | None = None
        if self.body.width:
            last = nn.Linear(TEXT_HIDDEN, ROWS)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.text = nn.Sequential(
                nn.LayerNorm(self.body.width), nn.Linear(self.body.width, TEXT_HIDDEN), nn.GELU(), last
            )  # fmt: skip

    def forward(self, texts: Sequence[tuple[str, str]], place: Tensor, evidence: Tensor, rows: Tensor) -> Tensor:
        """Logits [claims].

        Args:
            texts: the distinct texts.
            place: which of them each claim is about [claims].
            evidence: [claims, FEATURES].
            rows: what the head is asked for [claims].
        """
        out: Tensor = self.evidence(evidence)
        if self.text is not None:
            out = out + self.text(self.body(texts))[place]
        return out.gather(1, rows[:, None])[:, 0]

    def kept(self) -> dict[str, Tensor]:
        """What is trained, and therefore kept: head and LoRA, by name."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}
