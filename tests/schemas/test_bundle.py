from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.bundle import (
    BundleError,
    BundleManifest,
    Calibration,
    Thresholds,
    load_manifest,
    parse_manifest,
)

HASH = "0" * 64


def manifest(**changes: Any) -> BundleManifest:
    fields: dict[str, Any] = {
        "name": "smollm2-135m",
        "version": "1.0.0",
        "built_at": datetime(2026, 11, 23, tzinfo=UTC),
        "base": "SmolLM2-135M",
        "base_sha256": HASH,
        "precision": "fp32",
        "prompt_version": "1",
        "prompt_hash": HASH,
        "grammar_version": "1",
        "grammar_hash": HASH,
        "tokenizer_hash": HASH,
        "files": {"model.onnx": {"sha256": HASH, "size": 7}},
        **changes,
    }
    return BundleManifest.model_validate(fields)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = manifest(note="kept")
    (tmp_path / "bundle.json").write_bytes(written.dumps())
    assert load_manifest(tmp_path) == written
    assert load_manifest(tmp_path).dumps() == written.dumps()


def test_the_digest_is_of_what_judges() -> None:
    base = manifest().digest()
    assert manifest(quality={"abt-buy": {"f1": 0.9}}).digest() == base
    assert manifest(built_at=datetime(2027, 1, 1, tzinfo=UTC)).digest() == base
    assert manifest(calibration={"a": 2.0}).digest() != base
    assert manifest(files={"model.onnx": {"sha256": "1" * 64, "size": 7}}).digest() != base
    assert manifest().ref().digest == base


def test_a_manifest_without_a_margin_is_what_it_was_before_there_was_one() -> None:
    """Bundles that are out keep their digest, and so do the decisions that name it."""
    assert manifest().digest() == "3777e5605368c78f75262c09f54179233d11bc7685a52d2c581f39b28ea6af53"
    assert b"both_orders_within" not in manifest().dumps()
    assert manifest(both_orders_within=0).dumps() == manifest().dumps()
    assert manifest(both_orders_within=1.5).digest() != manifest().digest()
    assert parse_manifest(manifest(both_orders_within=1.5).dumps()).both_orders_within == 1.5
    for margin in (-1, math.inf, math.nan):
        with pytest.raises(ValidationError, match="both_orders_within"):
            manifest(both_orders_within=margin)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\\b", "", "a//b", "./a", "bundle.json"])
def test_files_stay_inside_the_bundle(path: str) -> None:
    with pytest.raises(ValidationError):
        manifest(files={path: {"sha256": HASH, "size": 1}})


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "not JSON"),
        (b"[]", "the manifest"),
        (b"{}", "name"),
        (manifest().dumps().replace(b'"1.0.0"', b'"one"'), "version"),
        (orjson.dumps(orjson.loads(manifest().dumps()) | {"manifest_version": "2.0"}), "manifest_version"),
    ],
)
def test_errors_name_what_is_wrong(data: bytes, named: str) -> None:
    with pytest.raises(BundleError, match=named):
        parse_manifest(data)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        load_manifest(tmp_path)


@given(st.floats(allow_nan=False), st.floats(0.01, 100), st.floats(-50, 50))
def test_calibrated_probabilities_are_probabilities(logit: float, a: float, b: float) -> None:
    assert 0 <= Calibration(a=a, b=b).apply(logit) <= 1


def test_platt_scaling() -> None:
    assert Calibration().apply(0) == 0.5
    assert Calibration(a=2, b=-1).apply(1.5) == pytest.approx(1 / (1 + math.exp(-2)))
    with pytest.raises(ValidationError):
        Calibration(a=-1)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0.1, 10), st.floats(-10, 10))
def test_the_logit_of_a_probability(probability: float, a: float, b: float) -> None:
    calibration = Calibration(a=a, b=b)
    assert calibration.apply(calibration.logit(probability)) == pytest.approx(probability)


def test_doubt_is_nearness_to_a_threshold() -> None:
    fields: dict[str, Any] = {"calibration": {"a": 2.0, "b": -1.0}, "thresholds": {"match": 0.5}}
    one = manifest(**fields, both_orders_within=1.0)
    assert [one.in_doubt(logit) for logit in (-0.51, -0.49, 0.5, 1.49, 1.51)] == [False, True, True, True, False]
    fields["thresholds"] = {"match": 0.5, "review_low": 0.5, "review_high": 1 / (1 + math.exp(-9))}
    two = manifest(**fields, both_orders_within=1.0)
    assert [two.in_doubt(logit) for logit in (1.49, 1.51, 3.99, 4.01, 5.99, 6.01)] == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    assert not manifest(**fields).in_doubt(0.5)
    assert not manifest(thresholds={"match": 1.0}, both_orders_within=1.0).in_doubt(50.0)


def test_thresholds_are_ordered() -> None:
    assert Thresholds(match=0.4, review_low=0.3, review_high=0.6)
    with pytest.raises(ValidationError, match="review_low"):
        Thresholds(match=0.4, review_low=0.5)
