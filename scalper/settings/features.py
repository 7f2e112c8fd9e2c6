"""Section of the features: groups of columns and their windows."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from scalper.settings.base import MOST, NotNegative, Positive, Section, WallTime


def _increasing(windows: tuple[int, ...]) -> tuple[int, ...]:
    if not windows or list(windows) != sorted(set(windows)) or windows[0] < 1:
        raise ValueError("windows are positive, different and in rising order")
    if windows[-1] > MOST:
        raise ValueError(f"a window has at most {MOST} bars")
    return windows


def _spread(windows: tuple[int, ...]) -> tuple[int, ...]:
    if windows[0] < 2:
        raise ValueError("a window of one bar has no average and no spread; take 2 or more")
    return windows


Windows = Annotated[tuple[int, ...], AfterValidator(_increasing)]
Spreads = Annotated[Windows, AfterValidator(_spread)]
"""Windows of what a single bar has none of."""
Weight = Annotated[float, Field(ge=0, le=1000)]
Group = Literal[
    "returns", "trend", "time", "volatility", "momentum", "bar", "volume", "higher",
    "trades", "quotes", "structure", "regime", "sessions", "amd", "confluence",
]  # fmt: skip
Component = Literal["agreement", "structure", "break", "block", "gap", "sweep", "amd", "vwap", "delta"]
Condition = Literal["variance_ratio", "hurst", "order", "hours"]


class StructureSettings(Section):
    """Swings, breaks, order blocks, gaps and sweeps on bars of `features.frame`."""

    swing: Positive = 2
    """Bars on either side that a swing stands out from; it is known so many bars after its extreme."""
    memory: Positive = 20
    """Frame bars after which everything is forgotten."""
    displacement: float = Field(default=1.0, ge=0, le=1000)
    """How far a break must have travelled to leave an order block, in mean true ranges."""
    min_gap: Positive = 1
    """Least height of a fair-value gap, in ticks."""
    equal: NotNegative = 1
    """Swings within so many ticks count as equal."""
    lookback: Positive = 10
    """How far back an order block may lie, in frame bars."""


class RegimeSettings(Section):
    """Variance ratio, Hurst exponent and entropy."""

    window: int = Field(default=60, ge=32, le=510)


class AmdSettings(Section):
    """Accumulation, manipulation, distribution: when the range is built, New York wall time."""

    model_config = ConfigDict(populate_by_name=True)

    from_: WallTime = Field(default=time(20, 0), alias="from")
    to: WallTime = time(2, 0)


class ConfluenceSettings(Section):
    """Weights of the score's parts, 1 where none is given; they are normalised, and 0 for a group that is off."""

    weights: dict[Component, Weight] = Field(default={})
    regime: dict[Condition, Weight] = Field(default={})


class FeatureSettings(Section):
    """The groups of columns, and their windows in bars of the lane."""

    groups: tuple[Group, ...] = ("returns", "trend", "time", "volatility", "momentum", "bar", "volume", "higher")
    returns: Windows = (1, 5, 10, 30, 60)
    ema: Spreads = (9, 21, 50, 200)
    volatility: Spreads = (10, 30, 60, 300)
    volume: Windows = (10, 30, 60)
    atr: Positive = 14
    bollinger: int = Field(default=20, ge=2, le=MOST)
    rsi: Positive = 14
    stochastic: Positive = 14
    macd: tuple[Positive, Positive, Positive] = (12, 26, 9)
    obv: Positive = 10
    vwap_slope: Positive = 5
    higher: tuple[str, ...] = ("1m", "5m")
    """The completed bars of which trend, momentum and volatility are taken; multiples of the lane's interval."""
    flow: Windows = (10, 30, 60)
    """Windows of the order flow."""
    frame: str | None = None
    """Bars on which structure is read; None: the lane's, at least one minute."""
    structure: StructureSettings = StructureSettings()
    regime: RegimeSettings = RegimeSettings()
    amd: AmdSettings = AmdSettings()
    confluence: ConfluenceSettings = ConfluenceSettings()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.macd[0] >= self.macd[1]:
            raise ValueError("macd: the fast average is not shorter than the slow one")
        if not self.groups or len(set(self.groups)) < len(self.groups):
            raise ValueError("groups: name at least one, each once")
        if "higher" in self.groups and not self.higher:
            raise ValueError("groups: higher needs an interval; give features.higher one, such as 5m, or leave it out")
        return self
