"""A check of the gate: what it protects against, what it found, and whether that is enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from scalper.errors import ScalperError
from scalper.gate.case import Case

Stage = Literal["PAPER", "LIVE"]
Status = Literal["PASS", "FAIL", "CANNOT EVALUATE"]
Figure = float | int | str | dict[str, float] | None
"""One number, or a few with their names."""
Threshold = float | int | str | dict[str, str]


class CannotEvaluate(ScalperError):
    """A check has not what it needs; it fails, and this says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: its figure, whether that is enough, and a sentence for a trader."""

    value: Figure
    passed: bool
    detail: str
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The evidence beside the value; JSON."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check with its outcome. PASS is the only status that lets a lane through."""

    id: str
    stage: Stage
    value: Figure
    threshold: Threshold
    status: Status
    detail: str
    protects: str
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def passed(self) -> bool:
        """Whether it lets the lane through."""
        return self.status == "PASS"

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        keys = ("id", "stage", "value", "threshold", "status", "detail", "protects")
        return {key: getattr(self, key) for key in keys} | {"figures": dict(self.figures)}


@dataclass(frozen=True, slots=True)
class Rule:
    """A check before it is made. `measured`: its figures are this machine's, so they stay out of a bundle's digest."""

    id: str
    protects: str
    threshold: Callable[[Case], Threshold]
    find: Callable[[Case], Finding]
    stage: Stage = "PAPER"
    measured: bool = False

    def judge(self, case: Case) -> Check:
        """Make the check. What is missing, not a number or infinite is CANNOT EVALUATE, and that fails."""
        try:
            found = self.find(case)
            _finite(found.value)
        except (ScalperError, KeyError, pl.exceptions.PolarsError) as error:
            why = f"the evidence lacks {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
            return self._check(case, None, "CANNOT EVALUATE", f"Cannot be evaluated, so it fails: {why}.", {})
        return self._check(case, found.value, "PASS" if found.passed else "FAIL", found.detail, found.figures)

    def _check(self, case: Case, value: Figure, status: Status, detail: str, figures: Mapping[str, Any]) -> Check:
        return Check(self.id, self.stage, value, self.threshold(case), status, detail, self.protects, figures)


def number(document: Mapping[str, Any], key: str, name: str = "") -> float:
    """A finite number of the evidence. Raises CannotEvaluate if it is missing or none."""
    found: object = document.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise CannotEvaluate(f"{name or key} is {'missing' if found is None else found}")
    return float(found)


def _finite(value: Figure) -> None:
    parts = value if isinstance(value, dict) else {"its figure": value}
    for name, part in parts.items():
        if isinstance(part, float) and not math.isfinite(part):
            raise CannotEvaluate(f"{name} is {'not a number' if math.isnan(part) else 'infinite'}")
