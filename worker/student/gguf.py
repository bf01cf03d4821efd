"""Read the tensors of a GGUF file with numpy alone.

Only what a language model's file needs here: version 3, little endian, and the tensor types F32, F16, Q8_0, Q4_0
and Q4_1. Dequantisation repeats llama.cpp's block layout in fp32, operation by operation as the `gguf` package does,
so that the values have the very bits that training saw. Not a goal: writing, the K-quants, big-endian files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.student.failures import WeightsError

FloatArray = npt.NDArray[np.float32]

_MAGIC = b"GGUF"
_VERSION = 3
_DEFAULT_ALIGNMENT = 32
_BLOCK = 32
# An array or string longer than this is a corrupt length, not a tokenizer: the largest real one has 49,152 entries.
_LIMIT = 1 << 28

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class _Entry:
    shape: tuple[int, ...]  # numpy order: slowest axis first, the reverse of the file's
    kind: int
    offset: int  # from the start of the file


def _f32(raw: npt.NDArray[np.uint8]) -> FloatArray:
    return raw.view("<f4").astype(np.float32, copy=False)


def _f16(raw: npt.NDArray[np.uint8]) -> FloatArray:
    return raw.view("<f2").astype(np.float32)


def _halves(blocks: npt.NDArray[np.uint8]) -> FloatArray:
    """The two-byte fp16 field of every block, as a column."""
    return np.ascontiguousarray(blocks).view("<f2").astype(np.float32)


def _q8_0(raw: npt.NDArray[np.uint8]) -> FloatArray:
    blocks = raw.reshape(-1, 2 + _BLOCK)
    quants = np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)
    return (quants * _halves(blocks[:, :2])).reshape(-1)


def _nibbles(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Low halves hold the first 16 weights of a block, high halves the last 16."""
    return np.concatenate([packed & np.uint8(0x0F), packed >> np.uint8(4)], axis=1)


def _q4_0(raw: npt.NDArray[np.uint8]) -> FloatArray:
    blocks = raw.reshape(-1, 2 + _BLOCK // 2)
    quants = _nibbles(blocks[:, 2:]).astype(np.int8) - np.int8(8)
    return (_halves(blocks[:, :2]) * quants.astype(np.float32)).reshape(-1)


def _q4_1(raw: npt.NDArray[np.uint8]) -> FloatArray:
    blocks = raw.reshape(-1, 4 + _BLOCK // 2)
    quants = _nibbles(blocks[:, 4:]).astype(np.float32)
    return (_halves(blocks[:, :2]) * quants + _halves(blocks[:, 2:4])).reshape(-1)


# type number -> (bytes a block, weights a block, reader)
_TYPES: dict[int, tuple[int, int, Callable[[npt.NDArray[np.uint8]], FloatArray]]] = {
    0: (4, 1, _f32),
    1: (2, 1, _f16),
    2: (18, _BLOCK, _q4_0),
    3: (20, _BLOCK, _q4_1),
    8: (34, _BLOCK, _q8_0),
}


class GgufFile:
    """The tensors of one GGUF file, memory-mapped; each is dequantised only when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            WeightsError: not a GGUF file of version 3, or its header is cut off.
        """
        self._path = path
        try:
            self._bytes: npt.NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise WeightsError(f"cannot read {path}: {error}") from error
        self._at = 0
        try:
            self._entries = self._header()
        except (struct.error, UnicodeDecodeError) as error:
            raise WeightsError(f"{path} has a broken GGUF header: {error}") from error

    def names(self) -> list[str]:
        return list(self._entries)

    def tensor(self, name: str) -> FloatArray:
        """The named tensor in fp32, a copy that may be written to.

        Raises:
            WeightsError: no such tensor, its type is not known here, or the file ends before it does.
        """
        if name not in self._entries:
            raise WeightsError(f"{self._path.name} has no tensor {name!r}")
        entry = self._entries[name]
        if entry.kind not in _TYPES:
            raise WeightsError(f"tensor {name!r} of {self._path.name} has type {entry.kind}, which is not read here")
        size, per_block, read = _TYPES[entry.kind]
        count = int(np.prod(entry.shape, dtype=np.int64))
        end = entry.offset + count // per_block * size
        if end > self._bytes.size:
            raise WeightsError(f"{self._path.name} ends before its tensor {name!r}")
        return np.array(read(np.asarray(self._bytes[entry.offset : end])).reshape(entry.shape), dtype=np.float32)

    def _take(self, pattern: str) -> Any:
        size = struct.calcsize(pattern)
        (value,) = struct.unpack(pattern, self._bytes[self._at : self._at + size].tobytes())
        self._at += size
        return value

    def _length(self) -> int:
        length = int(self._take("<Q"))
        if length > _LIMIT:
            raise WeightsError(f"{self._path.name} has a broken GGUF header: a length of {length}")
        return length

    def _text(self) -> str:
        length = self._length()
        raw = self._bytes[self._at : self._at + length].tobytes()
        self._at += length
        return raw.decode()

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._take(_SCALARS[kind])
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            raise WeightsError(f"{self._path.name} has a broken GGUF header: value type {kind}")
        inner = int(self._take("<I"))
        count = self._length()
        if inner in _SCALARS:  # skipped in one step: no caller needs the tokenizer's arrays
            self._at += count * struct.calcsize(_SCALARS[inner])
            return None
        for _ in range(count):
            self._value(inner)
        return None

    def _header(self) -> dict[str, _Entry]:
        if self._bytes[:4].tobytes() != _MAGIC:
            raise WeightsError(f"{self._path} is not a GGUF file")
        self._at = 4
        version = int(self._take("<I"))
        if version != _VERSION:
            raise WeightsError(f"{self._path} is GGUF version {version}, only {_VERSION} is read here")
        tensors, pairs = self._length(), self._length()
        alignment = _DEFAULT_ALIGNMENT
        for _ in range(pairs):
            key = self._text()
            value = self._value(int(self._take("<I")))
            if key == "general.alignment":
                alignment = int(value)
        found: list[tuple[str, tuple[int, ...], int, int]] = []
        for _ in range(tensors):
            name = self._text()
            shape = tuple(int(self._take("<Q")) for _ in range(int(self._take("<I"))))
            found.append((name, shape[::-1], int(self._take("<I")), int(self._take("<Q"))))
        start = (self._at + alignment - 1) // alignment * alignment
        return {name: _Entry(shape, kind, start + offset) for name, shape, kind, offset in found}
