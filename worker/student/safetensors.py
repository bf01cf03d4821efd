"""Read a safetensors file with numpy alone: F32, F16 and BF16, memory-mapped.

The format is eight bytes of header length, a JSON header, then the tensors
(https://huggingface.co/docs/safetensors). BF16 is widened by hand, since numpy does not know it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.student.failures import WeightsError

FloatArray = npt.NDArray[np.float32]

# The format's own limit of the header, so that a corrupt length allocates nothing.
_MAX_HEADER = 100_000_000


class SafetensorsFile:
    """The tensors of one safetensors file; each is converted to fp32 only when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            WeightsError: not a safetensors file.
        """
        self._path = path
        try:
            self._bytes: npt.NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
            length = int(self._bytes[:8].view("<u8")[0])
            if length > min(_MAX_HEADER, self._bytes.size - 8):
                raise ValueError(f"header of {length} bytes")
            header = json.loads(self._bytes[8 : 8 + length].tobytes())
        except (OSError, ValueError, IndexError) as error:
            raise WeightsError(f"{path} is not a readable safetensors file: {error}") from error
        header.pop("__metadata__", None)
        self._header: dict[str, dict[str, object]] = header
        self._start = 8 + length

    def names(self) -> list[str]:
        return list(self._header)

    def tensor(self, name: str) -> FloatArray:
        """The named tensor in fp32, a copy that may be written to.

        Raises:
            WeightsError: no such tensor, or a type other than F32, F16, BF16.
        """
        if name not in self._header:
            raise WeightsError(f"{self._path.name} has no tensor {name!r}")
        entry = self._header[name]
        begin, end = entry["data_offsets"]  # type: ignore[misc]  # JSON, checked by the reshape below
        raw = np.asarray(self._bytes[self._start + begin : self._start + end]).copy()  # type: ignore[has-type]
        kind = entry["dtype"]
        if kind == "F32":
            values = raw.view("<f4").astype(np.float32)
        elif kind == "F16":
            values = raw.view("<f2").astype(np.float32)
        elif kind == "BF16":
            values = (raw.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        else:
            raise WeightsError(f"tensor {name!r} of {self._path.name} has type {kind}, which is not read here")
        try:
            return values.reshape(entry["shape"])  # type: ignore[call-overload,no-any-return]
        except ValueError as error:
            raise WeightsError(f"tensor {name!r} of {self._path.name} is cut off: {error}") from error
