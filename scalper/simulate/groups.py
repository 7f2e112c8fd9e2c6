"""Trades that share a key, and what they came to: by the hour of entry, by confidence, by the reason of the exit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

BANDS = (0.60, 0.70, 0.80, 0.90)
"""Where the confidence bands begin; what lies below the first is a band of its own."""


@dataclass(frozen=True, slots=True)
class Group:
    """The trades that share a key."""

    key: str
    trades: int
    net: float
    win_rate: float


def by_hour(trades: pl.DataFrame) -> tuple[Group, ...]:
    """By the hour of entry, New York."""
    return _groups(trades, hour(trades), order="key")


def by_band(trades: pl.DataFrame) -> tuple[Group, ...]:
    """By confidence at entry; a band holds its lower bound."""
    edges = [0.0, *BANDS, 1.0]
    names = np.array([f"{low:.2f}–{high:.2f}" for low, high in pairwise(edges)])
    at = np.searchsorted(BANDS, trades["confidence"].cast(pl.Float64).to_numpy(), side="right")
    return _groups(trades, pl.Series(names[at], dtype=pl.String), order="key")


def by_reason(trades: pl.DataFrame) -> tuple[Group, ...]:
    """By the reason of the exit, most frequent first."""
    return _groups(trades, trades["reason"], order="trades")


def hour(trades: pl.DataFrame) -> pl.Series:
    """The hour of entry of each trade, New York: 09:00."""
    stamp = trades["entry_ns"].cast(pl.Datetime("ns", "UTC"))
    return stamp.dt.convert_time_zone("America/New_York").dt.strftime("%H:00")


def _groups(trades: pl.DataFrame, key: pl.Series, order: str) -> tuple[Group, ...]:
    table = (
        trades.group_by(key.alias("key"))
        .agg(trades=pl.len(), net=pl.col("net").sum(), win_rate=(pl.col("net") > 0).mean())
        .sort(order, "key", descending=[order == "trades", False])
    )
    return tuple(Group(str(k), int(n), float(net), float(rate)) for k, n, net, rate in table.iter_rows())
