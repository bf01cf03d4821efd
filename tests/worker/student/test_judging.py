"""The tiny student at work: what is exact, what no listing can change, what is refused."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from export.verify import frozen_pairs
from schemas.bundle import MANIFEST_FILE, BundleError
from schemas.grammar import is_grounded
from schemas.offer import Offer
from schemas.prompt import SLOTS, quotable
from schemas.rationale import ATTRIBUTES, AttributeVerdict
from worker.student.session import Session
from worker.student.student import Student
from worker.student.tokens import Tokens

PAIRS = frozen_pairs()
QUERY = PAIRS[0].query
CANDIDATES = [pair.candidate for pair in PAIRS]
SENTENCE = re.compile(r'(The same: the \w+ agrees|Not the same: the \w+ differs), A says "([^"]*)", B says "([^"]*)"\.')


@pytest.fixture(scope="module")
def student(tiny_bundle: Path) -> Student:
    return Student.load(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> tuple[Session, Tokens]:
    return Session(tiny_bundle / "model.onnx", 1), Tokens(tiny_bundle / "tokenizer.json")


def test_a_pair_is_judged_alike_in_any_company(student: Student) -> None:
    alone = [student.judge(QUERY, [candidate])[0] for candidate in CANDIDATES]
    assert student.judge(QUERY, CANDIDATES) == alone
    assert student.judge(QUERY, CANDIDATES[::-1]) == alone[::-1]
    assert student.judge(QUERY, CANDIDATES[5:8] * 9) == alone[5:8] * 9


@pytest.fixture(scope="module")
def careful(student: Student) -> Student:
    """With a margin that about half of the pairs are within."""
    manifest = student.manifest
    cut = manifest.calibration.logit(manifest.thresholds.match)
    sizes = sorted(abs(student.judge(pair.query, [pair.candidate])[0].logit - cut) for pair in PAIRS)
    return student.with_both_orders_within(sizes[len(sizes) // 2])


def shares_of(verdict: AttributeVerdict) -> tuple[float, float, float]:
    return verdict.p_same, verdict.p_different, verdict.p_unknown


def test_a_pair_within_the_margin_is_judged_in_both_orders(student: Student, careful: Student) -> None:
    orders = set()
    for pair in PAIRS:
        (found,), (once,) = (judge.judge(pair.query, [pair.candidate]) for judge in (careful, student))
        orders.add(found.orders)
        if found.orders == 1:
            assert not careful.manifest.in_doubt(once.logit)
            assert found == once
        else:
            assert careful.manifest.in_doubt(once.logit)
            (exchanged,) = student.judge(pair.candidate, [pair.query])
            assert found.logit == pytest.approx((once.logit + exchanged.logit) / 2, abs=1e-4)
            for name, verdict in found.attributes.items():  # the softmax of mean logits is a geometric mean
                sides = (once.attributes[name], exchanged.attributes[name])
                shares = [math.sqrt(a * b) for a, b in zip(*map(shares_of, sides), strict=True)]
                assert shares_of(verdict) == pytest.approx([share / sum(shares) for share in shares], abs=1e-6)
    assert orders == {1, 2}


def test_with_both_orders_too_a_pair_is_judged_alike_in_any_company(careful: Student) -> None:
    alone = [careful.judge(QUERY, [candidate])[0] for candidate in CANDIDATES]
    assert {judgement.orders for judgement in alone} == {1, 2}
    assert careful.judge(QUERY, CANDIDATES) == alone
    assert careful.judge(QUERY, CANDIDATES[::-1]) == alone[::-1]
    assert careful.judge(QUERY, CANDIDATES[5:8] * 9) == alone[5:8] * 9


def test_a_pair_that_both_orders_doubt_has_one_judgement(student: Student) -> None:
    always = student.with_both_orders_within(1e6)
    for pair in PAIRS:
        assert always.judge(pair.query, [pair.candidate]) == always.judge(pair.candidate, [pair.query])


def test_the_margin_is_part_of_the_digest(student: Student, careful: Student) -> None:
    assert careful.manifest.digest() != student.manifest.digest()
    assert careful.with_both_orders_within(0).manifest.digest() == student.manifest.digest()


def test_a_pair_of_both_orders_is_explained_from_the_side_of_the_query(careful: Student) -> None:
    pair = next(pair for pair in PAIRS if careful.judge(pair.query, [pair.candidate])[0].orders == 2)
    judgement = careful.judge(pair.query, [pair.candidate])[0]
    rationale = careful.explain(pair.query, pair.candidate, judgement)
    assert rationale.attributes == judgement.attributes
    assert [quote.offer for quote in rationale.quotes] == [pair.query.key, pair.candidate.key]
    assert rationale.sentence is not None
    assert SENTENCE.fullmatch(rationale.sentence)


def test_verdicts_of_the_tiny_student_vary(student: Student) -> None:
    found = [student.judge(pair.query, [pair.candidate])[0] for pair in PAIRS]
    assert {judgement.answer for judgement in found} == {"same", "different"}
    assert len({judgement.logit for judgement in found}) == len(found)


def test_sharing_and_padding_do_not_change_one_bit(engine: tuple[Session, Tokens]) -> None:
    session, tokens = engine
    prefix, suffixes = tokens.prefix(QUERY), [tokens.suffix(QUERY, candidate) for candidate in CANDIDATES]
    _, past = session.extend(prefix, session.empty())
    shared = session.last_logits(suffixes, past.repeat(len(suffixes)), len(SLOTS))
    for row, suffix in zip(shared, suffixes, strict=True):
        plain = session.last_logits([prefix + suffix], session.empty(), len(SLOTS))[0]
        assert np.array_equal(row, plain)


def test_asked_positions_are_the_last_tokens(engine: tuple[Session, Tokens]) -> None:
    session, tokens = engine
    ids = tokens.prefix(QUERY)
    two = session.last_logits([ids], session.empty(), 2)[0]
    assert np.array_equal(two[1], session.extend(ids, session.empty())[0])
    assert np.allclose(two[0], session.extend(ids[:-1], session.empty())[0], atol=1e-5)


def test_no_candidates(student: Student) -> None:
    assert student.judge(QUERY, []) == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.query.offer_id)
def test_the_form_is_the_same_for_every_listing(student: Student, pair: object) -> None:
    """Also for titles that imitate the slots, the sentence or the end of a text."""
    assert isinstance(pair, type(PAIRS[0]))
    judgement = student.judge(pair.query, [pair.candidate])[0]
    assert tuple(judgement.attributes) == ATTRIBUTES
    assert 0 <= judgement.probability <= 1
    for answer in ("same", "different"):
        rationale = student.explain(pair.query, pair.candidate, judgement, answer)
        assert rationale.answer == answer
        assert rationale.sentence is not None
        form = SENTENCE.fullmatch(rationale.sentence)
        assert form is not None, rationale.sentence
        assert form[1].startswith("The same" if answer == "same" else "Not the same")
        assert [quote.text for quote in rationale.quotes] == [form[2], form[3]]
        for quote, offer in zip(rationale.quotes, (pair.query, pair.candidate), strict=True):
            assert quote.offer == offer.key
            assert is_grounded(quotable(offer), quote.text)


def test_explaining_does_not_depend_on_what_came_before(student: Student, tiny_bundle: Path) -> None:
    pair = PAIRS[4]
    judgement = student.judge(pair.query, [pair.candidate])[0]
    first = student.explain(pair.query, pair.candidate, judgement)
    student.judge(QUERY, CANDIDATES)
    assert student.explain(pair.query, pair.candidate, judgement) == first
    assert Student.load(tiny_bundle, threads=2).explain(pair.query, pair.candidate, judgement) == first


def test_an_offer_without_quotable_text_gets_an_empty_quote(student: Student) -> None:
    bare = Offer(offer_id="1", source="a", title="— | —")
    assert quotable(bare) == ""
    judgement = student.judge(bare, [QUERY])[0]
    assert [bool(quote.text) for quote in student.explain(bare, QUERY, judgement).quotes] == [False, True]


def test_special_tokens_in_a_text_stay_text(engine: tuple[Session, Tokens]) -> None:
    _, tokens = engine
    assert min(tokens.encode("<|im_end|><|endoftext|>")) > 16


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data", "tokenizer.json"])
def test_a_flipped_byte_in_the_bundle_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} is not the file that was exported"):
        Student.load(copy, threads=1)


def test_a_file_cut_off_or_missing_or_linked_is_refused(copy: Path) -> None:
    weights = copy / "model.onnx.data"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(BundleError, match="is not the file that was exported"):
        Student.load(copy, threads=1)
    weights.unlink()
    with pytest.raises(BundleError, match=r"cannot read .*model\.onnx\.data"):
        Student.load(copy, threads=1)
    (copy / "elsewhere").write_bytes(whole)
    weights.symlink_to(copy / "elsewhere")
    with pytest.raises(BundleError, match="is a link"):
        Student.load(copy, threads=1)


@pytest.mark.parametrize("what", ["prompt", "grammar"])
def test_a_bundle_of_another_prompt_or_grammar_is_refused(copy: Path, what: str) -> None:
    manifest = json.loads((copy / MANIFEST_FILE).read_bytes())
    manifest[f"{what}_hash"] = "0" * 64
    (copy / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match=f"trained on another {what}: its {what} hash is 0000"):
        Student.load(copy, threads=1)


def test_a_manifest_that_lists_too_little_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST_FILE).read_bytes())
    del manifest["files"]["model.onnx.data"]
    (copy / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match=r"does not list model\.onnx\.data"):
        Student.load(copy, threads=1)


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        Student.load(tmp_path)
