"""The student: a bundle that judges pairs and says why.

Exactness, on one machine with one version of ONNX Runtime: the query's part is computed once and shared; candidates
are batched only with candidates of the same number of tokens, so that nothing is padded and no mask is needed. A
row of a matrix product is added up in an order that does not depend on the other rows, hence the same pair has the
same logits, bit for bit, in whatever batch it stands. Between machines the last bits differ (1e-5); published logits
are rounded to four decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from schemas.bundle import BundleManifest
from schemas.grammar import frame
from schemas.offer import Offer
from schemas.prompt import SLOTS, quotable
from schemas.rationale import Answer, Quote, Rationale
from worker.student.bundle import open_bundle, verify_files
from worker.student.judge import Judgement
from worker.student.recipe import MODEL_FILE, TOKENIZER_FILE
from worker.student.sentence import write
from worker.student.session import Past, Session
from worker.student.slots import choice_logits, judgement
from worker.student.tokens import Tokens

BATCH_TOKENS = 2_048
"""Tokens of one forward pass, the shared past counted once a row: past it the CPU gains nothing and memory grows."""


class Student:
    """A loaded bundle; see `worker.student.judge.Judge` for the contract."""

    def __init__(self, manifest: BundleManifest, session: Session, tokens: Tokens) -> None:
        self._manifest = manifest
        self._session = session
        self._tokens = tokens
        self._prefix: tuple[tuple[int, ...], Past] | None = None

    @classmethod
    def load(cls, directory: Path | str, threads: int = 2) -> Student:
        """Load a bundle; its files are hashed while the graph is read.

        Raises:
            BundleError: it is not a bundle, its bytes are not those of its manifest, its prompt or grammar is not
                this code's, or ONNX Runtime refuses it.
        """
        folder = Path(directory)
        manifest = open_bundle(folder)
        with ThreadPoolExecutor(max_workers=1) as hashing:
            verified = hashing.submit(verify_files, folder, manifest)
            try:
                session = Session(folder / MODEL_FILE, threads)
                tokens = Tokens(folder / TOKENIZER_FILE)
            finally:
                # A flipped byte is the cause, what the libraries say of it only a symptom: so it is raised instead.
                verified.result()
        return cls(manifest, session, tokens)

    @property
    def manifest(self) -> BundleManifest:
        return self._manifest

    def judge(self, query: Offer, candidates: Sequence[Offer]) -> list[Judgement]:
        """Judge `query` (the side A) against each candidate; one judgement a candidate, in order."""
        if not candidates:
            return []
        past = self._shared(query)
        suffixes = [self._tokens.suffix(query, candidate) for candidate in candidates]
        found: dict[int, Judgement] = {}
        for rows in batches([len(suffix) for suffix in suffixes], past.tokens, BATCH_TOKENS):
            ids = np.array([suffixes[row] for row in rows], dtype=np.int64)
            length = ids.shape[1]
            slots = np.tile(np.arange(length - len(SLOTS), length, dtype=np.int64), (len(rows), 1))
            logits = self._session.logits(ids, past.repeat(len(rows)), slots)
            for row, values in zip(rows, logits, strict=True):
                found[row] = judgement(choice_logits(values, self._tokens.choices), self._manifest.calibration)
        return [found[row] for row in range(len(suffixes))]

    def explain(self, query: Offer, candidate: Offer, judgement: Judgement, answer: Answer | None = None) -> Rationale:
        """The rationale of a judgement with its sentence, whose quotes are substrings of the two listings.

        `answer` is the verdict to explain; by default the likelier one.
        """
        bare = judgement.rationale()
        rationale = bare if answer is None else bare.model_copy(update={"answer": answer})
        sentence = write(
            self._session,
            self._tokens,
            self._shared(query),
            self._tokens.suffix(query, candidate),
            frame(rationale),
            (quotable(query), quotable(candidate)),
        )
        quotes = (Quote(offer=query.key, text=sentence.quote_a), Quote(offer=candidate.key, text=sentence.quote_b))
        return rationale.model_copy(update={"sentence": sentence.text, "quotes": quotes})

    def _shared(self, query: Offer) -> Past:
        """Keys and values of the query's part; the last one is kept, for explanations follow judgements."""
        ids = tuple(self._tokens.prefix(query))
        if self._prefix is None or self._prefix[0] != ids:
            _, past = self._session.extend(np.array([ids], dtype=np.int64), self._session.empty())
            self._prefix = (ids, past)
        return self._prefix[1]


def batches(lengths: Sequence[int], shared: int, budget: int) -> list[list[int]]:
    """Rows grouped by equal length, in order, so that no batch passes `budget` tokens (a single row may)."""
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(length, []).append(row)
    found: list[list[int]] = []
    for length in sorted(groups):
        rows = groups[length]
        size = max(1, budget // (shared + length))
        found.extend(rows[start : start + size] for start in range(0, len(rows), size))
    return found
