"""Our safetensors reader against the library's writer, and against broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from worker.student.failures import WeightsError
from worker.student.safetensors import SafetensorsFile


def test_all_types(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    values = torch.randn(3, 5)
    save_file({"a": values, "b": values.half(), "c": values.bfloat16(), "d": values.int()}, path, metadata={"x": "y"})
    file = SafetensorsFile(path)
    assert sorted(file.names()) == ["a", "b", "c", "d"]
    for name, expected in (("a", values), ("b", values.half()), ("c", values.bfloat16())):
        found = file.tensor(name)
        assert found.dtype == np.float32
        assert np.array_equal(found, expected.float().numpy())
    with pytest.raises(WeightsError, match=r"'d' of model\.safetensors has type I32"):
        file.tensor("d")
    with pytest.raises(WeightsError, match="has no tensor 'e'"):
        file.tensor("e")


@pytest.mark.parametrize("data", [b"", b"1234", b"\xff" * 40, (3).to_bytes(8, "little") + b"{,}", b"{}" * 20])
def test_broken_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="is not a readable safetensors file"):
        SafetensorsFile(path)


def test_a_tensor_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(64)}, path)
    path.write_bytes(path.read_bytes()[:-16])
    with pytest.raises(WeightsError, match="cut off"):
        SafetensorsFile(path).tensor("a")
