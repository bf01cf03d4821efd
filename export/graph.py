"""From a torch model to the ONNX graph that serves: export with KV cache, then surgery.

Optimum exports the graph; the surgery asks the head only at wanted positions, names the weights after the parameters
they come from, and puts them into a file of their own in the order of the graph. The graph's bytes do not depend on
the weights' values, so a new adapter of the same base needs no new graph.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.failures import ExportError
from worker.student.recipe import MODEL_FILE, WEIGHTS_FILE

OPSET = 18
ALIGNMENT = 4_096
"""A page: ONNX Runtime maps external data, and the format recommends aligned offsets."""

TRANSPOSED = ".T"
"""Suffix of a weight that the graph holds as [in, out]; torch holds [out, in]."""

_HEAD = "/lm_head/MatMul"


@dataclass(frozen=True)
class Initialiser:
    """One weight of the graph: named `<parameter>` or `<parameter>.T`."""

    name: str
    shape: tuple[int, ...]
    offset: int
    bytes: int

    @property
    def parameter(self) -> str:
        return self.name.removesuffix(TRANSPOSED)

    @property
    def transposed(self) -> bool:
        return self.name.endswith(TRANSPOSED)


def export_graph(model: Any, folder: Path) -> list[Initialiser]:
    """Write model.onnx and model.onnx.data to `folder`.

    Args:
        model: a causal language model of transformers, fp32, with tied embeddings.

    Returns:
        The weights in the order of the data file.

    Raises:
        ExportError: the exported graph is not of the shape that the surgery knows.
    """
    graph = _optimum(model)
    _ask_positions(graph)
    weights = _named_weights(graph)
    return _save(graph, weights, folder)


def _optimum(model: Any) -> Any:
    import onnx
    from optimum.exporters.onnx import onnx_export_from_model

    # With external data optimum would leave one Constant outside; without it everything is in the protobuf.
    os.environ.pop("FORCE_ONNX_EXTERNAL_DATA", None)
    with tempfile.TemporaryDirectory(prefix="samesku-export-") as work, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracer warnings about shapes that the dynamic axes cover
        onnx_export_from_model(model, output=work, task="text-generation-with-past", opset=OPSET, do_validation=False)
        return onnx.load(str(Path(work) / "model.onnx"))


def _ask_positions(model: Any) -> None:
    """Gather the asked positions before the head, which costs a tenth of a short prompt's time."""
    from onnx import TensorProto, helper

    nodes = model.graph.node
    at = next((i for i, node in enumerate(nodes) if node.name == _HEAD), None)
    if at is None:
        raise ExportError(f"the exported graph has no node {_HEAD}: optimum or the architecture changed")
    head = nodes[at]
    hidden = head.input[0]
    head.input[0] = "asked_hidden_states"
    axis = helper.make_node("Constant", [], ["asked_axis"], name="/asked/axis", value_ints=[-1])
    indices = helper.make_node(
        "Unsqueeze", ["logit_positions", "asked_axis"], ["asked_indices"], name="/asked/Unsqueeze"
    )
    gather = helper.make_node(
        "GatherND", [hidden, "asked_indices"], ["asked_hidden_states"], name="/asked/GatherND", batch_dims=1
    )
    for i, node in enumerate((axis, indices, gather)):
        nodes.insert(at + i, node)
    model.graph.input.append(
        helper.make_tensor_value_info("logit_positions", TensorProto.INT64, ["batch_size", "asked_positions"])
    )
    (logits,) = (output for output in model.graph.output if output.name == "logits")
    logits.type.tensor_type.shape.dim[1].dim_param = "asked_positions"
    del model.graph.value_info[:]  # the exporter's shapes from before the surgery


def _named_weights(model: Any) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """Rename the initialisers after their parameters, through the node that uses each, and take their values out."""
    from onnx import numpy_helper

    users = {name: node.name for node in model.graph.node for name in node.input}
    names: dict[str, str] = {}
    weights: list[tuple[str, npt.NDArray[np.float32]]] = []
    for tensor in model.graph.initializer:
        name = tensor.name
        if name.startswith("onnx::MatMul_"):
            user = users[name]
            if not user.endswith("/MatMul"):
                raise ExportError(f"weight {name} is used by {user!r}, which names no linear layer")
            name = user.removeprefix("/").removesuffix("/MatMul").replace("/", ".") + ".weight" + TRANSPOSED
        elif not name.startswith("model."):
            raise ExportError(f"the exported graph has a weight {name!r} that no parameter is known for")
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32:
            raise ExportError(f"weight {name} is {values.dtype}, expected float32")
        names[tensor.name] = name
        weights.append((name, values))
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
    return weights


def _save(model: Any, weights: list[tuple[str, npt.NDArray[np.float32]]], folder: Path) -> list[Initialiser]:
    from onnx import TensorProto

    made: list[Initialiser] = []
    del model.graph.initializer[:]
    with (folder / WEIGHTS_FILE).open("wb") as stream:
        for name, values in weights:
            stream.write(bytes(-stream.tell() % ALIGNMENT))
            entry = Initialiser(name, tuple(values.shape), stream.tell(), values.nbytes)
            stream.write(np.ascontiguousarray(values).tobytes())
            made.append(entry)
            tensor = model.graph.initializer.add()
            tensor.name = name
            tensor.data_type = TensorProto.FLOAT
            tensor.dims.extend(entry.shape)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", WEIGHTS_FILE), ("offset", entry.offset), ("length", entry.bytes)):
                item = tensor.external_data.add()
                item.key, item.value = key, str(value)
    for node in model.graph.node:
        node.ClearField("doc_string")  # the exporter writes stack traces with local paths into it
        node.ClearField("metadata_props")
    model.graph.ClearField("doc_string")
    (folder / MODEL_FILE).write_bytes(model.SerializeToString(deterministic=True))
    return made
