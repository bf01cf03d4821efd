"""The student: a bundle that judges pairs and says why.

Exactness, on one machine with one version of ONNX Runtime: the query's part is computed once and shared, candidates
are batched and padded on the right. A row of an fp32 matrix product is added up in an order that does not depend on
the other rows, and masked tokens add zeros at the end of every sum; so the same pair has the same logits, bit for
bit, alone, in any batch, and without the sharing (measured 0.0 on AVX-512; a test asks for equality). Between
machines the last bits differ (some 1e-5), therefore published logits are rounded to four decimals.

A causal model reads a pair in one order, and the other order may get another verdict. So a pair that is in doubt
(`BundleManifest.in_doubt`) is judged in both, and the means of their logits decide: whichever offer is the query, the
mean is the same. What is left: a pair that is in doubt in one order only.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas.bundle import BundleManifest
from schemas.grammar import frame
from schemas.offer import Offer
from schemas.prompt import SLOTS, quotable
from schemas.rationale import Answer, Quote, Rationale
from worker.student.batches import batches
from worker.student.bundle import open_bundle, verify_files
from worker.student.judge import Judgement
from worker.student.recipe import MODEL_FILE, TOKENIZER_FILE
from worker.student.sentence import write
from worker.student.session import Past, Session
from worker.student.slots import answer_logit, choice_logits, judgement, mean_logits
from worker.student.tokens import Tokens


class Student:
    """A loaded bundle; see `worker.student.judge.Judge` for the contract."""

    def __init__(self, manifest: BundleManifest, session: Session, tokens: Tokens) -> None:
        self._manifest = manifest
        self._session = session
        self._tokens = tokens
        self._prefix: tuple[tuple[int, ...], Past] | None = None

    @classmethod
    def load(cls, directory: Path | str, threads: int = 0) -> Student:
        """Load a bundle, with `threads` CPU threads (0: one a core); its files are hashed while the graph is read.

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
        suffixes = [self._tokens.suffix(query, candidate) for candidate in candidates]
        values = self._choice_logits(suffixes, self._shared(query))
        doubtful = [row for row, logits in enumerate(values) if self._manifest.in_doubt(answer_logit(logits))]
        # Each has another query now, so that nothing can be shared: whole prompts, from the first token.
        prompts = [self._tokens.prompt(candidates[row], query) for row in doubtful]
        exchanged = dict(zip(doubtful, self._choice_logits(prompts, self._session.empty()), strict=True))
        calibration = self._manifest.calibration
        return [
            judgement(mean_logits(logits, exchanged[row]), calibration, 2)
            if row in exchanged
            else judgement(logits, calibration)
            for row, logits in enumerate(values)
        ]

    def with_both_orders_within(self, margin: float | None) -> Student:
        """This student with another margin (None: each pair is judged once), in the manifest and its digest too."""
        fields = {**self._manifest.model_dump(), "both_orders_within": margin}
        return Student(BundleManifest.model_validate(fields), self._session, self._tokens)

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

    def _choice_logits(self, continuations: Sequence[Sequence[int]], past: Past) -> list[list[list[float]]]:
        """The rounded choice logits [slots][choices] of each continuation of `past` (of batch 1), in their order."""
        found: dict[int, list[list[float]]] = {}
        for rows in batches([len(ids) for ids in continuations], past.tokens):
            logits = self._session.last_logits([continuations[row] for row in rows], past.repeat(len(rows)), len(SLOTS))
            for row, values in zip(rows, logits, strict=True):
                found[row] = choice_logits(values, self._tokens.choices)
        return [found[row] for row in range(len(continuations))]

    def _shared(self, query: Offer) -> Past:
        """Keys and values of the query's part; the last one is kept, for explanations follow judgements."""
        ids = tuple(self._tokens.prefix(query))
        if self._prefix is None or self._prefix[0] != ids:
            _, past = self._session.extend(ids, self._session.empty())
            self._prefix = (ids, past)
        return self._prefix[1]
