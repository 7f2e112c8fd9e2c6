"""Sections of the data: the simulated market, Databento, and when a session is quarantined."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scalper.market import INTERVALS
from scalper.settings.base import Fraction, Positive, Section, Seed


class SandboxSettings(Section):
    """The simulated market of a sandbox lane."""

    seed: Seed = 7
    edge: float = Field(default=1.0, ge=0)
    """Strength of the planted edge; 0 is a martingale."""


class DatabentoSettings(Section):
    """What is asked of Databento, how, and what it may cost."""

    dataset: str = "GLBX.MDP3"
    data_schema: Literal["ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "trades", "tbbo", "mbp-1"] | None = Field(
        default=None, alias="schema"
    )
    """None: bars of the lane's interval. trades, tbbo and mbp-1 become one-second bars with order flow."""
    symbol: str = "auto"
    """By the roll rule, or one of the vendor's: continuous (MES.c.0, .v.0, .n.0), parent (MES.FUT), raw (MESZ6)."""
    mode: Literal["stream", "batch"] = "stream"
    cap_usd: float = Field(default=25.0, ge=0)
    """What one download may cost; beyond it nothing is downloaded."""
    chunk_sessions: Positive | None = None
    """Sessions a request; None: 30 of bars, 1 of ticks. A batch job holds all neighbouring sessions."""
    parallel: int = Field(default=4, ge=1, le=100)
    """Requests at a time; the vendor takes 100 connections."""
    definitions: bool = True
    """Whether each contract's definition is fetched too and compared with our table."""
    status: bool = False
    """Whether the exchange's changes of trading status are fetched too."""

    def schema_for(self, interval: str) -> Literal["ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "trades", "tbbo", "mbp-1"]:
        """The schema of a lane of this interval. Raises ValueError for one whose bars are coarser."""
        length = INTERVALS.get(interval, INTERVALS["1h"])
        if self.data_schema is None:
            return "ohlcv-1s" if length < INTERVALS["1m"] else "ohlcv-1m" if length < INTERVALS["1h"] else "ohlcv-1h"
        if INTERVALS.get(self.data_schema.removeprefix("ohlcv-"), INTERVALS["1s"]) > length:
            raise ValueError(f"databento.schema: {self.data_schema} is coarser than the lane's interval {interval}")
        return self.data_schema


class QualitySettings(Section):
    """When a session is quarantined. Figures of 1,664 real sessions of ES, 2015 to 2021, stand behind the defaults."""

    coverage: Fraction = 0.95
    """Least share of the regular hours' bars that a session must have."""
    hours: Fraction = 0.80
    """Least share of the whole session's minutes that hold a bar, in shares of the neighbouring sessions (ES: 0.87)."""
    thin_volume: Fraction = 0.10
    """Least volume as a share of the median of the neighbouring sessions: holidays of ES have 0.03 to 0.13."""
    neighbours: Fraction = 0.75
    """Least volume for the distance that prices went, in medians of the neighbouring sessions (real feeds that lost
    half of the trades: 0.55 to 0.74; whole ones beside them: 1.2 and more)."""
    jump_atr: float = Field(default=60.0, gt=1)
    """Largest reach of a bar beyond both the bars beside it, in median ranges of its session: a wild print (ES: 12 in
    five minutes, 43 in one). News is none: prices stay, or come back in steps."""
    stale_minutes: float = Field(default=30.0, gt=0)
    """Longest time in regular hours without a bar that moves (ES: 10, and 15 on a holiday)."""
    gap_ranges: float = Field(default=3.0, gt=0)
    """Largest step from a close to the next open, in median ranges of a session (ES: 2.0, the Sunday of 2020-03-01)."""
    roll_ranges: float = Field(default=5.0, gt=0)
    """The same where the contract changes: the difference between two expiries comes on top."""
    crossed_quotes: float = Field(default=0.001, ge=0, lt=1)
    """Largest share of bars whose last quote crosses or locks (ES minutes: none on whole days)."""
    use_degraded: bool = False
    """Whether sessions that the vendor marks degraded are used all the same."""
