"""The ONNX graph at work: token ids and a past in, logits at asked positions and a longer past out.

The graph's inputs are those of optimum's export with KV cache, plus `logit_positions` [batch, n]: only there is the
head computed, so that `logits` is [batch, n, vocabulary].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from schemas.bundle import BundleError
from schemas.prompt import BOS_ID

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

PAD_ID = BOS_ID
"""What stands behind a shorter row; masked, so any id would do."""

_PAST = "past_key_values."
_PRESENT = "present."


@dataclass(frozen=True, slots=True)
class Past:
    """Keys and values of the tokens so far: one [batch, heads, tokens, dim] array an input of the graph."""

    arrays: tuple[FloatArray, ...]

    @property
    def tokens(self) -> int:
        return int(self.arrays[0].shape[2])

    def repeat(self, batch: int) -> Past:
        """The same past for each of `batch` continuations."""
        return Past(tuple(np.repeat(array, batch, axis=0) for array in self.arrays))


class Session:
    """One loaded graph. Not thread-safe towards the order of results, as any session is."""

    def __init__(self, model: Path, threads: int) -> None:
        """Load the graph with `threads` CPU threads.

        Raises:
            BundleError: ONNX Runtime refuses it, or its inputs are not those of our export.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The cores are shared with the loop, librdkafka and often Redis: idle workers must not spin.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the binding raises a dozen unrelated classes for a bad file
            raise BundleError(f"ONNX Runtime refuses {model}: {error}") from error
        inputs = {item.name: item.shape for item in self._session.get_inputs()}
        self._past = [name for name in inputs if name.startswith(_PAST)]
        missing = {"input_ids", "attention_mask", "position_ids", "logit_positions"} - set(inputs)
        if missing or not self._past:
            raise BundleError(f"{model} is not a graph of `samesku export`: it lacks the inputs {sorted(missing)}")
        self._present = [name.replace(_PAST, _PRESENT, 1) for name in self._past]
        shape = inputs[self._past[0]]
        self._heads, self._dim = int(shape[1]), int(shape[3])

    def empty(self, batch: int = 1) -> Past:
        """The past before the first token."""
        nothing = np.zeros((batch, self._heads, 0, self._dim), dtype=np.float32)
        return Past(tuple(nothing for _ in self._past))

    def _feed(self, rows: Sequence[Sequence[int]], past: Past, positions: IntArray) -> dict[str, Any]:
        start, tokens = past.tokens, max(len(row) for row in rows)
        batch = len(rows)
        ids = np.full((batch, tokens), PAD_ID, dtype=np.int64)
        mask = np.zeros((batch, start + tokens), dtype=np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : start + len(row)] = 1
        feed: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": np.tile(np.arange(start, start + tokens, dtype=np.int64), (batch, 1)),
            "logit_positions": positions,
        }
        feed.update(zip(self._past, past.arrays, strict=True))
        return feed

    def last_logits(self, rows: Sequence[Sequence[int]], past: Past, count: int) -> FloatArray:
        """Logits [batch, count, vocabulary] at the last `count` tokens of each row.

        Args:
            rows: token ids, one row a continuation of `past`; shorter ones are padded on the right and masked.
            past: of batch `len(rows)`.
        """
        positions = np.array([range(len(row) - count, len(row)) for row in rows], dtype=np.int64)
        (found,) = self._session.run(["logits"], self._feed(rows, past, positions))
        return np.asarray(found, dtype=np.float32)

    def extend(self, ids: Sequence[int], past: Past) -> tuple[FloatArray, Past]:
        """Logits [vocabulary] after the last of `ids`, and the past (of batch 1) that includes them."""
        positions = np.array([[len(ids) - 1]], dtype=np.int64)
        found, *present = self._session.run(["logits", *self._present], self._feed([ids], past, positions))
        return np.asarray(found[0, 0], dtype=np.float32), Past(tuple(present))
