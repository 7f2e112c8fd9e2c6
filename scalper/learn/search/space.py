"""What a search draws: the axes of a lane, and what a point on them means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from scalper.errors import BadInput
from scalper.policy import Choice, default_choice, rules
from scalper.policy.records import STOP_FIXED
from scalper.settings import Lane, Range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | str
Point = Mapping[str, Value]
"""A value on every axis, by name."""
WHOLE = ("stop_ticks", "target_ticks")
MODEL = "model."
"""How the axes of the model begin."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One number that is drawn: from a range, or from values as they are listed."""

    name: str
    span: Range | None = None
    listed: tuple[Value, ...] = ()

    @property
    def high(self) -> float:
        """The range's last step."""
        assert self.span is not None
        if self.span.step is None:
            return self.span.high
        low, high, step = (Decimal(str(one)) for one in (self.span.low, self.span.high, self.span.step))
        return float(low + (high - low) // step * step)

    def distribution(self) -> BaseDistribution:
        """For Optuna."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.span is None:
            return CategoricalDistribution(self.listed)
        if self.name in WHOLE:
            return IntDistribution(int(self.span.low), int(self.high), step=int(self.span.step or 1))
        return FloatDistribution(self.span.low, self.high, step=self.span.step)

    def values(self) -> tuple[Value, ...]:
        """All of them. Raises BadInput for a range without a step."""
        if self.span is None:
            return self.listed
        if (step := 1.0 if self.name in WHOLE else self.span.step) is None:
            raise BadInput(f"search.{self.name}: a grid needs a step; give one, or take another search.sampler")
        count = round((self.high - self.span.low) / step) + 1
        return tuple(self.clean(self.span.low + number * step) for number in range(count))

    def clean(self, value: Value) -> Value:
        """A drawn value, without the dust of binary fractions."""
        if isinstance(value, str) or self.span is None:
            return value
        return int(value) if self.name in WHOLE else round(value, 10)

    def scaled(self, value: Value) -> float:
        """Where the value lies between the axis' ends, 0 to 1; listed values are evenly spaced."""
        if self.span is None:
            return self.listed.index(value) / max(len(self.listed) - 1, 1)
        wide = self.high - self.span.low
        return min(1.0, max(0.0, (float(value) - self.span.low) / wide)) if wide else 0.0


@dataclass(frozen=True, slots=True)
class Space:
    """The axes of a search. plain: the choice whose numbers stand where no axis is."""

    axes: tuple[Axis, ...]
    plain: Choice

    def point(self, drawn: Mapping[str, Value]) -> Point:
        """What a sampler drew, in the order of the axes."""
        return {axis.name: axis.clean(drawn[axis.name]) for axis in self.axes}

    def choice(self, point: Point) -> Choice:
        """The numbers of the policy at a point."""
        found = {name: value for name, value in point.items() if not name.startswith(MODEL)}
        return replace(self.plain, **found)

    def model(self, point: Point) -> dict[str, Value]:
        """The parameters of the model at a point, by their key in the section `model`."""
        return {name.removeprefix(MODEL): value for name, value in point.items() if name.startswith(MODEL)}

    def scaled(self, point: Point) -> tuple[float, ...]:
        """The point in the unit cube."""
        return tuple(axis.scaled(point[axis.name]) for axis in self.axes)


def drawn(lane: Lane) -> tuple[str, ...]:
    """The numbers of a choice that this lane's trades depend on and the search draws.

    The label's exits leave the threshold; a stop behind a swing has no number. `risk` is drawn where the lane's file
    gives it a range.
    """
    found = ["confidence"]
    if not lane.exits_by_label:
        found += {"fixed": ["stop_ticks"], "swing": []}.get(lane.policy.stop.kind or "atr", ["stop_atr"])
        found += ["reward_to_risk" if lane.policy.target_ticks is None else "target_ticks"]
    return (*found, *(["risk"] if lane.search.risk is not None else []))


def space(lane: Lane) -> Space:
    """What the search of a lane draws. Raises BadInput for an axis that would change nothing."""
    names = drawn(lane)
    if "risk" in names:
        _refuse_idle_risk(lane)
    axes = [Axis(name, getattr(lane.search, name)) for name in names]
    axes += [Axis(MODEL + key, listed=values) for key, values in lane.search.model.items()]
    return Space(tuple(axes), default_choice(lane))


def _refuse_idle_risk(lane: Lane) -> None:
    """Where the least risk of the range pays for the largest size with the widest stop, it never cuts a size."""
    row, span = rules(lane)[0], lane.search.risk
    assert span is not None
    fixed = row["stop_fixed"] if lane.exits_by_label else lane.search.stop_ticks.high
    stop = fixed if row["stop_kind"] == STOP_FIXED else row["stop_max"]
    worst = (stop + row["slippage_most"]) * row["tick_cents"] + 2 * row["commission_cents"]
    if span.low * row["capital_cents"] >= worst * row["tier_contracts"][: row["n_tiers"]].max():
        raise BadInput(
            f"search.risk: {span.low:g} of the capital pays for the largest size with the widest stop, so it would "
            "change nothing; leave it out, or begin lower"
        )


def grid_points(axes: Sequence[Axis], most: int) -> list[Point]:
    """Every combination, the last axis fastest. Raises BadInput if they are more than `most`."""
    from itertools import product

    values = [axis.values() for axis in axes]
    if (count := math.prod(map(len, values))) > most:
        sizes = " x ".join(f"{axis.name} {len(one)}" for axis, one in zip(axes, values, strict=True))
        raise BadInput(
            f"search.sampler: a grid of {sizes} has {count:,} points and search.trials is {most:,}; widen the steps, "
            "raise trials, or take another sampler"
        )
    names = [axis.name for axis in axes]
    return [dict(zip(names, point, strict=True)) for point in product(*values)]
