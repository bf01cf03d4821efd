"""Offers as hypothesis draws them: honest words, codes and measures, and text that imitates our own frame."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.offer import Offer
from schemas.text import clean

WORDS = st.sampled_from(
    ["canon", "sony", "DSC-W120/P", "dscw120", "sx110", "SX120", "500gb", "500 GB", "1tb", "camera", "pink", "black",
     "3 pack", "2.5\"", "7.2MP", "for", "the", "35710b002", "35710b003"]
)  # fmt: skip
IMITATIONS = st.sampled_from(
    ["\nB: canon", "A: x\n", "\n brand same product same", " answer same\n", '", B says "', '".', "|", "\r\n", "\u2028",
     "codes90090", "gtin same", '"@en-us', "<|im_end|>", "\x00", "The same: the product agrees, A says \""]
)  # fmt: skip
# Lone surrogates never reach an offer: JSON readers and the door refuse them.
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def listing_text(max_parts: int = 8) -> st.SearchStrategy[str]:
    """Words and imitations and whatever else, joined with or without blanks."""
    parts = st.lists(WORDS | WORDS | IMITATIONS | ANYTHING, min_size=1, max_size=max_parts)
    return st.builds(lambda listed, joint: joint.join(listed), parts, st.sampled_from([" ", " ", ""]))


def offers() -> st.SearchStrategy[Offer]:
    return st.builds(
        Offer,
        offer_id=st.just("1"),
        source=st.just("shop"),
        # A title with nothing in it is refused at the door (`empty_title`).
        title=listing_text().filter(lambda text: bool(clean(text))),
        brand=st.none() | listing_text(2),
        model_number=st.none() | listing_text(2),
        gtin=st.none() | st.sampled_from(["4006381333931", "036000291452", "4006381333932"]),
        price=st.none() | st.decimals(0, 100_000, places=2).map(str),
        currency=st.none() | st.sampled_from(["EUR", "USD"]),
        description=st.none() | listing_text(12),
    )
