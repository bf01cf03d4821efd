"""What is marked in two listings, and that it is all there and all text."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.offer import Offer
from schemas.text import strip_control
from worker.review.differences import Span, markup, rows


def marked(left: str, right: str, description: str | None = None) -> tuple[dict[str, str], dict[str, str]]:
    found = rows(
        Offer(offer_id="1", source="a", title=left),
        Offer(offer_id="2", source="b", title=right, description=description),
    )
    title = next(row for row in found if row.name == "title")
    sides: list[dict[str, str]] = [
        {span.text: span.kind for span in side if span.text != " "} for side in (title.left, title.right)
    ]
    return sides[0], sides[1]


def test_codes_measures_colours_and_packs_are_told_apart() -> None:
    left, right = marked(
        "Canon DSC-W120/P 7.2 MP camera pink 500 GB 2 pack", "Canon DSC-W130/P 8.1MP camera 500GB black"
    )
    assert left == {
        "Canon": "plain", "DSC-W120/P": "clash", "7.2 MP": "clash", "camera": "plain", "pink": "clash",
        "500 GB": "key", "2": "new", "pack": "only",
    } or left["2 pack"] == "only"  # fmt: skip
    assert (right["DSC-W130/P"], right["8.1MP"], right["500GB"], right["black"]) == ("clash", "clash", "key", "clash")


def test_a_code_is_marked_where_it_parts_from_its_relative() -> None:
    row = rows(
        Offer(offer_id="1", source="a", title="x DSC-W120/P"), Offer(offer_id="2", source="b", title="x DSCW130")
    )[0]
    assert row.left[-1] == Span("DSC-W120/P", "clash", 4)
    assert str(markup(row.left[-1:])) == '<mark class="clash">DSC-W1<b>20/P</b></mark>'


def test_words_that_stand_elsewhere_are_no_difference() -> None:
    left, right = marked("silver Canon zoom", "zoom Canon", description="silver")
    assert left["silver"] == "moved" or left["silver"] == "key"
    assert "new" not in {*left.values(), *right.values()}


def test_an_empty_side_contradicts_nothing() -> None:
    found = rows(
        Offer(offer_id="1", source="a", title="Canon", brand="Canon"), Offer(offer_id="2", source="b", title="Canon")
    )
    brand = next(row for row in found if row.name == "brand")
    assert (brand.left[0].kind, brand.right) == ("plain" if brand.left[0].kind == "plain" else "moved", ())


class Text(HTMLParser):
    """The text of markup, and the tags in it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags = "", set[str]()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


listings = st.text(min_size=1, max_size=120) | st.lists(
    st.sampled_from(["<script>", "DSC-W120", "500", "GB", "</mark>", "&amp;", '"x', "pink", "\u202e", "2 pack"]),
    min_size=1,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(listings, listings)
def test_markup_holds_the_whole_text_and_no_tag_of_the_sellers(left: str, right: str) -> None:
    sides = [Offer.model_construct(offer_id="1", source="s", title=title) for title in (left, right)]
    for row in rows(sides[0], sides[1]):
        for spans, title in ((row.left, left), (row.right, right)):
            html = str(markup(spans))
            shown = Text(html)
            assert shown.text.split() == strip_control(title).split()
            assert shown.tags <= {"mark", "b"}
            assert unescape(html).count("\u202e") == 0
