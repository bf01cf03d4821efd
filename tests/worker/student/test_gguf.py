"""Our GGUF reader against the reference implementation, and against broken files."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from worker.student.failures import WeightsError
from worker.student.gguf import GgufFile
from worker.student.locate import base_file

KINDS = ["F32", "F16", "Q8_0", "Q4_0", "Q4_1"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("tokenizer.ggml.tokens", ["a", "é", "c" * 300])
    writer.add_array("tokenizer.ggml.token_type", [1, 2, 3])
    writer.add_float32("some.float", 0.5)
    writer.add_bool("some.flag", True)
    random = np.random.default_rng(0)
    for kind in KINDS:
        weights = random.normal(size=(6, 64)).astype(np.float32)
        data = gguf.quantize(weights, gguf.GGMLQuantizationType[kind])
        writer.add_tensor(f"{kind}.weight", data, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_every_type_is_read_as_the_reference_reads_it(written: Path) -> None:
    file = GgufFile(written)
    assert file.names() == [f"{kind}.weight" for kind in KINDS]
    for tensor in gguf.GGUFReader(written).tensors:
        expected = gguf.dequantize(tensor.data, tensor.tensor_type)
        found = file.tensor(tensor.name)
        assert found.dtype == np.float32
        assert found.shape == (6, 64)
        assert found.tobytes() == expected.astype(np.float32).tobytes()
        found += 1  # a copy: the file is not touched


def test_the_installed_base_is_read_as_the_reference_reads_it() -> None:
    file = GgufFile(base_file())
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(base_file()).tensors}
    assert set(file.names()) == set(tensors)
    for name in ("output_norm.weight", "blk.0.attn_q.weight", "blk.29.ffn_down.weight"):
        expected = gguf.dequantize(tensors[name].data, tensors[name].tensor_type)
        assert file.tensor(name).tobytes() == expected.astype(np.float32).tobytes()


def test_an_unknown_tensor_and_an_unknown_type(written: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="has no tensor 'nothing'"):
        GgufFile(written).tensor("nothing")
    path = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    kind = gguf.GGMLQuantizationType.Q5_0
    writer.add_tensor("w", gguf.quantize(np.zeros((1, 32), np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(WeightsError, match="has type 6, which is not read here"):
        GgufFile(path).tensor("w")


def test_broken_files(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    path = tmp_path / "broken.gguf"
    for broken, message in (
        (b"NOPE" + data[4:], "is not a GGUF file"),
        (data[:4] + b"\x01" + data[5:], "GGUF version 1"),
        (data[:40], "broken GGUF header"),
        (data[:8] + b"\xff" * 8 + data[16:], "broken GGUF header: a length of"),
    ):
        path.write_bytes(broken)
        with pytest.raises(WeightsError, match=message):
            GgufFile(path)
    path.write_bytes(data[:-200])
    with pytest.raises(WeightsError, match="ends before its tensor"):
        GgufFile(path).tensor("Q4_1.weight")
    with pytest.raises(WeightsError, match="cannot read"):
        GgufFile(tmp_path / "missing.gguf")
