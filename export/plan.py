"""For every weight of the graph: which tensor of the base file it comes from, and through which steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from export.adapter import Adapter
from export.failures import ExportError
from export.graph import Initialiser
from worker.student.recipe import TensorRecipe

# llama.cpp's names of the parts of a Llama layer.
_GGUF_PARTS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_GGUF_WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def gguf_name(parameter: str) -> str:
    """The GGUF tensor of a Llama parameter: model.layers.3.mlp.up_proj.weight -> blk.3.ffn_up.weight.

    Raises:
        ExportError: not a parameter of that architecture.
    """
    if parameter in _GGUF_WHOLE:
        return _GGUF_WHOLE[parameter]
    head, _, rest = parameter.removeprefix("model.layers.").partition(".")
    part = _GGUF_PARTS.get(rest.removesuffix(".weight"))
    if not parameter.startswith("model.layers.") or not head.isdigit() or part is None:
        raise ExportError(f"parameter {parameter} has no known name in a GGUF file")
    return f"blk.{head}.{part}.weight"


def plan(
    weights: Sequence[Initialiser],
    adapter: Adapter,
    kind: Literal["gguf", "safetensors"],
    heads: int,
    kv_heads: int,
) -> tuple[TensorRecipe, ...]:
    """The recipe of every weight, in the order of the data file.

    Raises:
        ExportError: a weight has no source, or a LoRA pair no weight.
    """
    unused = dict(adapter.pairs)
    made: list[TensorRecipe] = []
    for weight in weights:
        parameter = weight.parameter
        rows = None
        if kind == "gguf":
            rows = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}.get(
                ".".join(parameter.removesuffix(".weight").split(".")[-2:])
            )
        made.append(
            TensorRecipe(
                name=weight.name,
                offset=weight.offset,
                bytes=weight.bytes,
                shape=weight.shape,
                source=gguf_name(parameter) if kind == "gguf" else parameter,
                unpermute_heads=rows,
                lora=unused.pop(parameter, None),
                transpose=weight.transposed,
            )
        )
    if unused:
        raise ExportError(f"the adapter changes {', '.join(sorted(unused))}, which the graph does not hold")
    return tuple(made)
