"""Sections of the trading: policy, limits of the account, simulation."""

from __future__ import annotations

from datetime import time
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from scalper.market.timetable import DAY_MIN, since_open
from scalper.settings.base import Fraction, NotNegative, Positive, Section, Seed, WallTime

Share = Annotated[float, Field(ge=0, le=1)]
Multiple = Annotated[float, Field(gt=0, le=100)]


class Band(Section):
    """Confidence from `at` upwards multiplies the size by `times`."""

    at: float = Field(ge=0, le=1)
    times: float = Field(ge=0, le=20)


class Tier(Section):
    """Up to this much cash (upper bound included) so many contracts at this share of risk."""

    to: float | None = Field(gt=0)
    contracts: int = Field(gt=0, le=1000)
    risk: Fraction


class StopSettings(Section):
    """Distance of the stop from the fill, in ticks, and what moves it nearer afterwards."""

    kind: Literal["label", "atr", "fixed", "swing"] | None = None
    """By the label's barriers, by ATR, fixed, or a tick beyond the last confirmed swing; None: label in a lane of
    barriers, else atr."""
    atr_multiple: float = Field(default=1.5, gt=0, le=100)
    fixed_ticks: Positive = 8
    min_ticks: Positive = 4
    max_ticks: int = Field(default=16, gt=0, le=100_000)
    breakeven_at: Multiple | None = None
    """Gain, in stops of the entry, from which the stop lies `breakeven_ticks` beyond the entry."""
    breakeven_ticks: NotNegative = 1
    trail_atr: Multiple | None = None
    """The stop follows the best price at so many ATR, within min_ticks and max_ticks."""
    trail_from: float = Field(default=1.0, ge=0, le=100)
    """Gain, in stops of the entry, from which it follows."""
    late_share: Fraction | None = None
    """From the half-size time on the stop is no farther from the close than this share of the entry's stop."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_ticks > self.max_ticks:
            raise ValueError("min_ticks is above max_ticks")
        if self.kind == "fixed" and not self.min_ticks <= self.fixed_ticks <= self.max_ticks:
            raise ValueError(f"fixed_ticks: {self.fixed_ticks} is outside {self.min_ticks} to {self.max_ticks}")
        if self.trail_atr is None and self.trail_from != 1.0:
            raise ValueError("trail_from without trail_atr: give the distance at which the stop follows")
        if self.breakeven_at is None and self.breakeven_ticks != 1:
            raise ValueError("breakeven_ticks without breakeven_at: say from which gain on")
        return self


class EndOfDay(Section):
    """Minutes before the flat time from which each rule holds; the flat time itself in New York wall time."""

    flat: WallTime = time(16, 30)
    before_stop_min: Positive = 30
    """Flat at the latest so long before the next scheduled halt or close."""
    half_size_min: Positive = 30
    half_times: Share = 0.5
    no_entry_min: Positive = 15
    exit_min: Positive = 5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.half_size_min >= self.no_entry_min >= self.exit_min:
            raise ValueError("half size comes first, then no entry, then the exits")
        return self


class TimeSize(Section):
    """From one New York wall time to another the size is multiplied; where several hold, the smallest does."""

    model_config = ConfigDict(populate_by_name=True)

    from_: WallTime = Field(alias="from")
    to: WallTime
    times: Share

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("from and to are the same: the window is empty")
        return self

    @property
    def minutes(self) -> tuple[int, int]:
        """Begin and end in minutes since 18:00 New York, when sessions open."""
        return since_open(self.from_), since_open(self.to) or DAY_MIN


class MarketSettings(Section):
    """What is unusual, against the training median of the same minute of the session, and what follows."""

    high_volatility: float = Field(default=3.0, gt=1, le=100)
    thin_volume: Fraction = 0.10
    times: Share = 0.5
    """Size at high volatility or thin volume; also where no median is known."""
    max_spread: Positive = 2
    """Ticks; no entry for spread_pause_s after a wider one, where quotes are in the lake."""
    spread_pause_s: NotNegative = 60


class PolicySettings(Section):
    """From a prediction to an order."""

    confidence: Fraction = 0.60
    reverse_confidence: Fraction = 0.75
    move_over_cost: float = Field(default=2.0, ge=0, le=1000)
    """Least expected move, in round trips of commission and expected slippage."""
    reward_to_risk: float = Field(default=2.0, gt=0, le=1000)
    target_ticks: Positive | None = None
    """A target so many ticks from the fill, in place of reward to risk."""
    stop: StopSettings = StopSettings()
    partial: float = Field(default=0.0, ge=0, lt=1)
    """Share of the contracts that is taken at a gain of one stop, rounded down."""
    hold_bars: Positive | None = None
    """Time exit after so many bars; None: the label's horizon."""
    cooldown_s: NotNegative = 30
    max_trades: Positive = 10
    max_reversals: NotNegative = 2
    bands: Annotated[tuple[Band, ...], Field(min_length=1, max_length=8)] = (
        Band(at=0.60, times=0.5),
        Band(at=0.70, times=1.0),
        Band(at=0.80, times=1.5),
        Band(at=0.90, times=2.0),
    )
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=8)] = (
        Tier(to=1000, contracts=1, risk=0.02),
        Tier(to=1500, contracts=2, risk=0.02),
        Tier(to=2000, contracts=3, risk=0.02),
        Tier(to=3000, contracts=4, risk=0.02),
        Tier(to=None, contracts=5, risk=0.015),
    )
    times: Annotated[tuple[TimeSize, ...], Field(max_length=4)] = ()
    """Multipliers of the size by time of day."""
    market: MarketSettings = MarketSettings()
    stale_s: Positive = 60
    """No label reaches across so long a stretch without a trade."""
    end_of_day: EndOfDay = EndOfDay()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        starts = [band.at for band in self.bands]
        if starts != sorted(set(starts)):
            raise ValueError("bands overlap: their `at` must rise")
        ends = [float("inf") if tier.to is None else tier.to for tier in self.tiers]
        if ends != sorted(set(ends)) or ends[-1] != float("inf"):
            raise ValueError("tiers overlap or stop short: their `to` must rise and the last be null")
        if self.reverse_confidence < self.confidence:
            raise ValueError("reverse_confidence is below confidence")
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        windows = sorted(one.minutes for one in self.times)
        if any(begin >= end for begin, end in windows):
            raise ValueError("times: a window goes over 18:00 New York, where sessions begin; make two of it")
        if any(one[1] > two[0] for one, two in pairwise(windows)):
            raise ValueError("times: windows overlap")
        most = max(tier.contracts for tier in self.tiers)
        if self.partial and int(most * self.partial + 1e-9) == 0:
            raise ValueError(f"partial: {self.partial:g} of at most {most} contracts is less than one")
        return self


class FirmSettings(Section):
    """The rules of a firm whose account is traded; `own` has none."""

    profile: Literal["own", "topstep", "apex"] = "own"
    """topstep: its maximum loss trails the highest cash at a session's end and stops at the starting capital; flat by
    15:10 Chicago. apex: it trails the highest open equity and stops at the starting capital + 100; flat by 16:59."""
    maximum_loss: float | None = Field(default=None, gt=0, le=1e9)
    """Dollars from the peak that the firm allows."""
    lock: float = Field(default=100.0, ge=0, le=1e6)
    """apex: dollars above the starting capital at which the level stops to rise."""
    contracts: Positive | None = None
    """Most contracts at a time."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.profile == "own") != (self.maximum_loss is None):
            raise ValueError("maximum_loss: a firm's profile needs it, an own account has none")
        return self


class RiskSettings(Section):
    """Limits of the account, as shares of the starting capital."""

    capital: float = Field(default=1000.0, gt=0, le=1e12)
    account: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    """Name of an account that several lanes trade; None: one of the lane's own."""
    share: float = Field(default=1.0, gt=0, le=1)
    """The part of the account's capital that this lane trades as an account of its own; the shares of all lanes of an
    account are at most 1, so that what they may lose is at most what the account may lose."""
    per_trade: Fraction = 0.025
    day_loss: Fraction = 0.05
    day_drawdown: Fraction = 0.075
    account_drawdown: Fraction = 0.20
    kill: Fraction = 0.30
    floor: Fraction = 0.70
    """No entry while min(session-start cash, cash) is below this share."""
    pause_losses: Positive = 3
    pause_min: Positive = 15
    long_pause_losses: Positive = 5
    long_pause_min: Positive = 30
    firm: FirmSettings = FirmSettings()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.pause_losses > self.long_pause_losses:
            raise ValueError("pause_losses is above long_pause_losses")
        for name in ("day_loss", "day_drawdown", "account_drawdown", "kill"):
            if self.per_trade >= getattr(self, name):
                raise ValueError(f"per_trade: {self.per_trade:g} is not below {name}, which would refuse every trade")
        if self.day_loss > self.kill:
            raise ValueError("day_loss: above kill, so it never ends a session first")
        if self.share < 1 and self.account is None:
            raise ValueError("share: a part of which account? name it by `account`")
        loss = self.firm.maximum_loss
        if loss is not None and loss >= self.capital:
            raise ValueError(f"firm.maximum_loss: {loss:g} is not below the capital of {self.capital:g}")
        return self


class MonteCarloSettings(Section):
    """Resampled paths of a simulation."""

    draws: Positive = 2000
    block_sessions: Positive = 5
    """Neighbouring sessions that are drawn together."""
    seed: Seed = 1


class SimulationSettings(Section):
    """How orders fill; the mode stands in every report."""

    mode: Literal["realistic", "conservative", "optimistic"] = "realistic"
    latency_bars: NotNegative = 0
    slippage_ticks: int = Field(default=1, ge=0, le=1000)
    """Of a market or stop order in a usual market,"""
    slippage_thin: int = Field(default=2, ge=0, le=1000)
    """in a thin or unknown one, or at unusual volatility,"""
    slippage_most: int = Field(default=4, ge=0, le=1000)
    """and at most: one tick for each multiple of market.high_volatility on top of one."""
    cost_multiple: float = Field(default=1.0, ge=0, le=1000)
    volume_share: float | None = Field(default=None, gt=0, le=1)
    """Largest share of a bar's volume that our orders take; the rest fills later. None: no limit."""
    risk: Literal["carry", "reset"] = "carry"
    """One account through all folds, or a fresh one for each."""
    monte_carlo: MonteCarloSettings = MonteCarloSettings()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.slippage_ticks <= self.slippage_thin <= self.slippage_most:
            raise ValueError("slippage_ticks, slippage_thin and slippage_most must not fall")
        return self
