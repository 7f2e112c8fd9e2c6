"""Section of the labels: what is foreseen, and how far the barriers lie."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from scalper.settings.base import Positive, Section


class Distance(Section):
    """How far a barrier lies from the entry: whole ticks, or the mean true range (of completed minutes) times `atr`."""

    ticks: int | None = Field(default=None, gt=0, le=1000)
    atr: float | None = Field(default=None, gt=0, le=100)
    min: int = Field(default=4, gt=0, le=1000)
    """Bounds of a distance by ATR, in ticks."""
    max: int = Field(default=16, gt=0, le=1000)

    @model_validator(mode="after")
    def _one(self) -> Self:
        ways = [name for name in ("ticks", "atr", "reward_to_risk") if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in ways) != 1:
            raise ValueError(f"give exactly one of {', '.join(ways)}")
        if self.min > self.max:
            raise ValueError("min is above max")
        fields = type(self).model_fields
        if self.atr is None and any(getattr(self, name) != fields[name].default for name in ("min", "max")):
            raise ValueError("min and max bound a distance by atr only; leave them out")
        return self


class TargetDistance(Distance):
    """The same for a target, which may also be the stop times `reward_to_risk`."""

    reward_to_risk: float | None = Field(default=None, ge=0.1, le=20)


class LabelSettings(Section):
    """What is foreseen within the horizon: the direction of the close, or which of three barriers is met first."""

    kind: Literal["direction", "barrier"] = "direction"
    horizon: Positive = 30
    """Bars of the lane (seconds in a one-second lane)."""
    threshold_ticks: float = Field(default=3.0, gt=0, le=1000)
    """Direction: UP or DOWN if the close moves by more."""
    stop: Distance = Distance(atr=1.5)
    """Barrier: UP if a long, DOWN if a short meets its target before its stop within the horizon."""
    target: TargetDistance = TargetDistance(reward_to_risk=2.0)
    through: int = Field(default=1, ge=0, le=100)
    """Barrier: ticks by which price has to trade through a target."""

    @model_validator(mode="after")
    def _read(self) -> Self:
        # a bundle's lane names every key, so what counts is whether one differs from its default
        given = [key for key in ("stop", "target") if getattr(self, key) != type(self).model_fields[key].default]
        if self.kind == "direction" and given:
            raise ValueError(f"{' and '.join(given)}: of kind barrier only; write kind: barrier, or leave it out")
        return self
