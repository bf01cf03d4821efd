"""Which tensor of the base every weight of the graph comes from."""

from __future__ import annotations

import pytest

from export.adapter import Adapter
from export.failures import ExportError
from export.graph import Initialiser
from export.plan import gguf_name, plan
from worker.student.gguf import GgufFile
from worker.student.locate import base_file
from worker.student.recipe import LoraPair

PAIR = LoraPair(a="a", b="b", scale=2.0)
WEIGHTS = [
    Initialiser("model.embed_tokens.weight", (10, 4), 0, 160),
    Initialiser("model.layers.0.self_attn.q_proj.weight.T", (4, 4), 160, 64),
    Initialiser("model.layers.0.self_attn.k_proj.weight.T", (4, 2), 224, 32),
    Initialiser("model.layers.0.self_attn.v_proj.weight.T", (4, 2), 256, 32),
    Initialiser("model.norm.weight", (4,), 288, 16),
]


def test_every_parameter_of_the_base_has_a_name_in_its_file() -> None:
    attention = [f"self_attn.{name}_proj" for name in "qkvo"]
    parts = [*attention, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"]
    names = {gguf_name(f"model.layers.{layer}.{part}.weight") for layer in range(30) for part in parts}
    names |= {gguf_name("model.embed_tokens.weight"), gguf_name("model.norm.weight")}
    assert names == set(GgufFile(base_file()).names())
    for unknown in ("lm_head.weight", "model.layers.x.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.bias"):
        with pytest.raises(ExportError, match="has no known name"):
            gguf_name(unknown)


def test_steps_of_a_gguf_base() -> None:
    adapter = Adapter({}, {}, {"model.layers.0.self_attn.q_proj.weight": PAIR})
    found = plan(WEIGHTS, adapter, "gguf", 9, 3)
    assert [(part.source, part.unpermute_heads, part.lora, part.transpose) for part in found] == [
        ("token_embd.weight", None, None, False),
        ("blk.0.attn_q.weight", 9, PAIR, True),
        ("blk.0.attn_k.weight", 3, None, True),
        ("blk.0.attn_v.weight", None, None, True),
        ("output_norm.weight", None, None, False),
    ]
    assert [(part.offset, part.bytes) for part in found] == [(w.offset, w.bytes) for w in WEIGHTS]


def test_steps_of_a_folder_base() -> None:
    found = plan(WEIGHTS, Adapter({}, {}, {}), "safetensors", 9, 3)
    assert found[1].source == "model.layers.0.self_attn.q_proj.weight"
    assert found[1].unpermute_heads is None


def test_a_pair_that_no_weight_uses() -> None:
    adapter = Adapter({}, {}, {"model.layers.7.self_attn.q_proj.weight": PAIR})
    with pytest.raises(ExportError, match=r"changes model\.layers\.7\.self_attn\.q_proj\.weight"):
        plan(WEIGHTS, adapter, "gguf", 9, 3)
