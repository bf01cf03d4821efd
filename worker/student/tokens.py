"""Texts to token ids, part by part, as training did it.

The parts of a prompt are tokenised separately, so that the ids of the query's part do not depend on what follows and
can be shared by all candidates exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from schemas.bundle import BundleError
from schemas.offer import Offer
from schemas.prompt import BOS_ID, SLOTS, render_candidate, render_query


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of a text and the number of the text's UTF-8 bytes up to its end."""

    id: int
    end: int


class Tokens:
    """The bundle's tokenizer, with the ids of all slots and choices looked up once."""

    def __init__(self, path: Path) -> None:
        """Load `tokenizer.json`.

        Raises:
            BundleError: it cannot be read, or a label or choice of `schemas.prompt` is not one token of it.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception, whatever is wrong with the file
            raise BundleError(f"{path} is not a tokenizer: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # `schemas.text.clean` leaves no "<|" in a listing; should it ever, the text stays text (decision 13).
        self._tokenizer.encode_special_tokens = True
        self.labels = tuple(self._single(slot.label) for slot in SLOTS)
        self.choices = tuple(tuple(self._single(choice) for choice in slot.choices) for slot in SLOTS)

    def encode(self, text: str) -> list[int]:
        """Token ids of one part; no token is added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def pieces(self, text: str) -> list[Piece]:
        """The tokens of one part with where each ends, in bytes: a character may be spread over several tokens."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        found: list[Piece] = []
        at = 0
        for token, name in zip(encoding.ids, encoding.tokens, strict=True):
            at += len(name)  # a byte-level vocabulary writes every byte as one character
            found.append(Piece(token, at))
        return found

    def prefix(self, query: Offer) -> list[int]:
        """The shared part of all prompts about `query`."""
        return [BOS_ID, *self.encode(render_query(query))]

    def suffix(self, query: Offer, candidate: Offer) -> list[int]:
        """What follows the prefix for one candidate; the last ids are the slots' labels."""
        return [*self.encode(render_candidate(query, candidate)), *self.labels]

    def prompt(self, query: Offer, candidate: Offer) -> list[int]:
        """Prefix and suffix: a whole prompt, where nothing is shared."""
        return [*self.prefix(query), *self.suffix(query, candidate)]

    def _single(self, text: str) -> int:
        ids = self.encode(text)
        if len(ids) != 1:
            raise BundleError(
                f"the tokenizer splits the slot text {text!r} into {len(ids)} tokens; it is another model's"
            )
        return ids[0]
