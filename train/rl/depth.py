"""A part of a causal language model's depth as a module of its own, which shares the model's weights.

What is below a layer does not change while only the layers from it on are trained, so its outcome can be computed once
(`train.rl.activations`). A part is a shallow copy of the body with fewer layers: its forward pass is the library's own.
"""

from __future__ import annotations

import copy
from typing import Any

import torch


class DepthError(ValueError):
    """The model cannot be parted there; the message says why."""


def causal_of(model: Any) -> Any:
    """The causal language model, with the adapter's layers in it, of a model with or without a peft adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def depth_of(causal: Any) -> int:
    """How many layers there are. Raises DepthError for a body whose layers are not where Llama has them."""
    body = causal.base_model
    if not hasattr(body, "layers") or not hasattr(body, "norm"):
        raise DepthError(
            f"{type(body).__name__} is not built of `layers` and `norm` as Llama is: train it with first_layer = 0"
        )
    return len(body.layers)


def lower(causal: Any, first: int) -> Any:
    """The body up to layer ``first``, exclusive: its last hidden state is what that layer is given.

    Raises:
        DepthError: there is no such layer.
    """
    if not 0 < first < depth_of(causal):
        raise DepthError(f"first_layer must be between 1 and {depth_of(causal) - 1}, not {first}")
    body = _copied(causal.base_model)
    body.layers = causal.base_model.layers[:first]
    body.norm = torch.nn.Identity()
    return body


def upper(causal: Any, first: int) -> Any:
    """The body from layer ``first`` on, which takes ``inputs_embeds``; the whole body for 0.

    Raises:
        DepthError: there is no such layer.
    """
    if first == 0:
        return causal.base_model
    if not 0 < first < depth_of(causal):
        raise DepthError(f"first_layer must be between 1 and {depth_of(causal) - 1}, not {first}")
    body = _copied(causal.base_model)
    body.layers = causal.base_model.layers[first:]
    return body


def freeze_below(model: Any, first: int) -> int:
    """Leave only the adapter's weights from layer ``first`` on to be trained; returns how many parameters those are."""
    below = causal_of(model).base_model.layers[:first] if first else ()
    for layer in below:
        layer.requires_grad_(False)
    return sum(value.numel() for value in model.parameters() if value.requires_grad)


def _copied(body: Any) -> Any:
    """A copy whose modules can be exchanged without a change of the body's own."""
    part = copy.copy(body)
    part._modules = dict(body._modules)
    return part
