"""What a paper account's files say, taken only in the types and ranges that were written; nothing is converted."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypedDict

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter

from scalper.policy.records import Action

CODES: dict[tuple[int, int], tuple[str, ...]] = {
    (0, 1): ("kill", "review", "firm", "out_stop"),
    (-1, 1): ("side", "out_side", "order_side"),
    (min(Action), max(Action)): ("working", "order"),
}
RANGES = {name: code for code, names in CODES.items() for name in names}
"""Lowest and highest of the fields of an account or a book that are codes; the others take what 64 bits hold."""
WIDE = (-(2**63), 2**63 - 1)


class _Change(TypedDict):
    """What a person changed."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # pyright: ignore[reportGeneralTypeIssues]
    what: str
    who: str
    why: str
    at: str
    moved: dict[str, Annotated[list[int], Field(min_length=2, max_length=2)]]
    """The fields before and after."""


_ONE, _MANY = TypeAdapter[_Change | None](_Change | None), TypeAdapter(list[_Change])


def change(found: Any) -> None:
    """Raises ValidationError unless it is a person's change, or none."""
    _ONE.validate_python(found)


def moves(changes: list[dict[str, Any]]) -> list[dict[str, list[int]]]:
    """What each change moved: field -> before and after. Raises ValidationError."""
    return [one["moved"] for one in _MANY.validate_python(changes)]


def row(found: dict[str, Any], dtype: np.dtype[Any]) -> np.ndarray:
    """(1,) of `dtype` from its names and values. Raises ValueError naming what is wrong."""
    names = dtype.names or ()
    if set(found) != set(names):
        raise ValueError(f"fields {sorted(set(found) ^ set(names))}")
    made = np.zeros(1, dtype)
    for name in names:
        made[name] = whole(name, found[name]) if dtype[name].kind == "i" else _real(name, found[name])
    return made


def whole(name: str, value: Any) -> int:
    """A whole number that the field of this name may have. Raises ValueError."""
    low, high = RANGES.get(name, WIDE)
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} {value!r}")
    return value


def _real(name: str, value: Any) -> float:
    """A number, or null for what is none."""
    if value is not None and not (type(value) is float and math.isfinite(value)):
        raise ValueError(f"{name} {value!r}")
    return math.nan if value is None else value
