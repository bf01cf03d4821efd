"""The difference of two JSON values, and its application. Pure.

A difference is `{"=": value}` (another value altogether) or `{"+": {key: difference}, "-": [keys]}` (of an object: what
is new or changed, what is missing). It is what a table's columns cannot say of an event: unknown fields, and known
ones that an older writer left out.
"""

from __future__ import annotations

from typing import Any


def difference(base: Any, wanted: Any) -> dict[str, Any] | None:
    """What turns `base` into `wanted`; None if they are equal, types included (1, 1.0 and true differ)."""
    if not isinstance(base, dict) or not isinstance(wanted, dict):
        return None if _same(base, wanted) else {"=": wanted}
    more: dict[str, Any] = {}
    for key, value in wanted.items():
        inner = difference(base[key], value) if key in base else {"=": value}
        if inner is not None:
            more[key] = inner
    less = sorted(base.keys() - wanted.keys())
    found = {**({"+": more} if more else {}), **({"-": less} if less else {})}
    return found or None


def apply(base: Any, change: dict[str, Any] | None) -> Any:
    """`base` with the difference applied; `base` stays as it is."""
    if change is None:
        return base
    if "=" in change:
        return change["="]
    made = {key: value for key, value in base.items() if key not in change.get("-", ())}
    for key, inner in change.get("+", {}).items():
        made[key] = apply(made.get(key), inner)
    return made


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    # -0.0 equals 0.0 and is written otherwise.
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
