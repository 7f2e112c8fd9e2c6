"""What a check looks at: the saved evidence, and what was measured on the lake for this verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from scalper.errors import ScalperError
from scalper.gate.evidence import Evidence
from scalper.settings import GateSettings, Lane
from scalper.simulate.metrics import Metrics, sharpe_bound, summarise


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a recipe on a few sessions of the lake; an empty part says in `missing` why it is empty."""

    stream: Mapping[str, Any] | None = None
    """{"sessions", "rows", "cells", "restarts", "differences", "first"}"""
    latency: Mapping[str, Any] | None = None
    """{"rows", "p50_ms", "p99_ms", "worst_ms"}"""
    audit: tuple[Mapping[str, Any], ...] = ()
    """{"id", "passed", "detail", "coverage"} each"""
    missing: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Case:
    """The evidence of one lane, with what several checks compute from it."""

    evidence: Evidence
    measured: Measured

    @property
    def lane(self) -> Lane:
        """The lane's configuration."""
        return self.evidence.lane

    @property
    def thresholds(self) -> GateSettings:
        """The gate's thresholds, from the lane."""
        return self.evidence.lane.gate

    @property
    def capital(self) -> float:
        """Starting capital in dollars."""
        return self.evidence.lane.capital

    @cached_property
    def daily(self) -> pl.DataFrame:
        """The out-of-sample sessions. Raises ScalperError unless each is there once, in order, with a number."""
        daily = self.evidence.daily
        if daily.is_empty():
            raise ScalperError("there is no out-of-sample session")
        ordered = daily["session"].to_numpy()
        if daily["session"].null_count() or bool((ordered[1:] <= ordered[:-1]).any()):
            raise ScalperError("the out-of-sample sessions are out of order, or one is there twice")
        if not bool(np.isfinite(daily["net"].fill_null(float("nan")).to_numpy()).all()):
            raise ScalperError("the net of a session is not a number")
        return daily

    @cached_property
    def trades(self) -> pl.DataFrame:
        """The out-of-sample trades. Raises ScalperError if there are none, or one's net is not a number."""
        trades = self.evidence.trades
        if trades.is_empty():
            raise ScalperError("there is no trade")
        if not bool(np.isfinite(trades["net"].fill_null(float("nan")).to_numpy()).all()):
            raise ScalperError("the net of a trade is not a number")
        return trades

    @cached_property
    def metrics(self) -> Metrics:
        """Figures of the out-of-sample path. Raises ScalperError without trades or if the books do not balance."""
        return summarise(self.daily, self.trades, self.evidence.equity, self.capital)

    @cached_property
    def sharpe_bound(self) -> float:
        """The 5 % bound of the path's Sharpe ratio, by a bootstrap of sessions."""
        settings = self.thresholds
        return sharpe_bound(self.daily["net"].to_numpy(), self.capital, settings.bootstrap, settings.seed)
