"""A trial: a point that was tried, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scalper.learn.search.space import Point

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"


@dataclass(frozen=True, slots=True)
class Found:
    """What a trial came to.

    status: complete, pruned, or "failed: why". scores: one for each objective; of a pruned trial as far as it got, of a
    failed one none. steps: the first score after each window. told: what is kept of it beside, as JSON takes it.
    """

    status: str
    scores: tuple[float, ...] = ()
    steps: tuple[float, ...] = ()
    told: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def failed(cls, why: object) -> Found:
        """A trial that could not be scored."""
        return cls(f"{FAILED}: {why}")

    @property
    def complete(self) -> bool:
        """Whether it was scored on every window."""
        return self.status == COMPLETE

    def document(self) -> dict[str, Any]:
        """As a storage keeps it."""
        return {"status": self.status, "scores": list(self.scores), "steps": list(self.steps), "told": self.told}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Found:
        """From a storage."""
        return cls(document["status"], tuple(document["scores"]), tuple(document["steps"]), document["told"])


@dataclass(frozen=True, slots=True)
class Trial:
    """A point and what it came to. number: its place among the different points, in the order drawn, from 0."""

    number: int
    point: Point
    found: Found

    @property
    def score(self) -> float:
        """The first objective."""
        return self.found.scores[0]


def medians(before: Sequence[Trial], step: int, least: int) -> float | None:
    """The median of the first score after a window, over those that got so far; None for fewer than `least`."""
    from statistics import median

    steps = [one.found.steps[step] for one in before if len(one.found.steps) > step]
    return median(steps) if len(steps) >= least else None
