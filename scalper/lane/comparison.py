"""Two recipes on the same sessions: what each gives, and whether their difference is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from scalper.lane.report import frames
from scalper.learn.recipe import Recipe
from scalper.learn.scores import expected_calibration_error, log_loss
from scalper.learn.session import Sessions
from scalper.learn.walkforward import follow
from scalper.settings import Lane
from scalper.simulate import simulate
from scalper.simulate.metrics import summarise
from scalper.simulate.resample import blocks
from scalper.simulate.sketch import columns_svg

LEVELS = (0.05, 0.95)
"""Quantiles of the bootstrap that an interval spans."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a recipe gives in some sessions. daily: net dollars of each; log-loss and calibration error need rows."""

    name: str
    net: float
    sharpe: float
    drawdown: float
    trades: int
    logloss: float | None
    calibration_error: float | None
    rows: int
    """Labelled rows that it was asked about."""
    daily: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate and what it is compared with, on the same sessions, each with a fresh account."""

    sessions: tuple[date, ...]
    candidate: Shown
    rival: Shown
    low: float | None
    high: float | None
    """Interval (LEVELS) of the mean of `by_day`, by a bootstrap of sessions; None for fewer than two."""

    @classmethod
    def of(cls, lane: Lane, days: Sequence[date], candidate: Shown, rival: Shown) -> Comparison:
        """With the interval of their difference."""
        by_day, bounds = np.array(candidate.daily) - np.array(rival.daily), (None, None)
        if by_day.size > 1:
            drawn = [by_day[rows].mean(axis=1) for rows in blocks(by_day.size, lane.gate.bootstrap, lane.gate.seed)]
            bounds = np.quantile(np.concatenate(drawn), LEVELS).tolist()
        return cls(tuple(days), candidate, rival, *bounds)

    @classmethod
    def read(cls, document: dict[str, Any]) -> Comparison:
        """From `as_dict`, which may have been JSON."""
        candidate, rival = (
            Shown(**one | {"daily": tuple(one["daily"])}) for one in (document["candidate"], document["rival"])
        )
        days = tuple(date.fromisoformat(str(day)) for day in document["sessions"])
        return cls(days, candidate, rival, document["low"], document["high"])

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @property
    def by_day(self) -> list[float]:
        """Candidate less rival, dollars a session."""
        return [a - b for a, b in zip(self.candidate.daily, self.rival.daily, strict=True)]

    def judged(self) -> str:
        """The difference in words."""
        mean = sum(self.by_day) / len(self.by_day)
        said = f"{mean:+,.2f} dollars a session against {self.rival.name}"
        if self.low is None or self.high is None:
            return f"{said}: one session says nothing"
        verdict = (
            "better beyond chance" if self.low > 0 else "worse beyond chance" if self.high < 0 else "may be chance"
        )
        return f"{said} ({self.low:+,.2f} to {self.high:+,.2f} in 90 % of the draws): {verdict}"

    def table(self) -> pl.DataFrame:
        """A row a recipe."""
        rows = [
            {key: one for key, one in asdict(row).items() if key != "daily"} for row in (self.candidate, self.rival)
        ]
        floats = pl.col("logloss", "calibration_error").cast(pl.Float64)  # which are unknown without rows
        return pl.DataFrame(rows).with_columns(floats).rename({"name": "model"})

    def picture(self) -> str:
        """A column a session."""
        return columns_svg("candidate less the other, dollars a session", self.sessions, self.by_day)


def shown(name: str, lane: Lane, sessions: Sessions, recipe: Recipe, days: Sequence[date]) -> Shown:
    """Simulate a recipe on sessions, flat ones too, with a fresh account."""
    path = follow(sessions, recipe, days)
    made = frames(simulate(lane, path.inputs))
    metrics = summarise(made["daily"], made["trades"], made["equity"], lane.capital)
    chance, label = path.scored.select("down", "flat", "up").to_numpy(), path.scored["label"].cast(pl.Int64).to_numpy()
    return Shown(
        name,
        metrics.net,
        metrics.sharpe,
        metrics.drawdown,
        metrics.trades,
        float(log_loss(chance, label).mean()) if label.size else None,
        expected_calibration_error(chance, label) if label.size else None,
        label.size,
        tuple(made["daily"]["net"].to_list()),
    )
