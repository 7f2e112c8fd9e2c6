"""What a Monte Carlo path is made of: sessions or trades, each with its net and how far equity fell on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Elements:
    """What a path is made of: arrays (n,) in dollars, relative to the equity at each element's start."""

    net: Floats
    high: Floats
    """Highest equity on the way at a bar close; 0 or more."""
    low: Floats
    """Lowest equity on the way at a bar close; 0 or less."""
    fall: Floats
    """Largest fall below the element's own peak, at bar closes."""
    extreme_high: Floats
    """As `high`, `low` and `fall`, at the bars' extremes instead of their closes."""
    extreme_low: Floats
    extreme_fall: Floats


def sessions(daily: pl.DataFrame, trades: pl.DataFrame, equity: pl.DataFrame) -> Elements:
    """Every session as an element.

    daily: `session`, `net`, `cash` (at its end), in order. trades: `session`, `entry_ns`, `exit_ns`, `net`,
    `commission`, `mae`, `mfe`, in order. equity: `ts_ns`, `equity` at bar closes, in order; may be empty, then a
    session falls only from its start to its end. A trade's best and worst moment have no time: a winner's worst counts
    at its entry and its best at its exit, a loser's the other way round.
    """
    net = daily["net"].cast(pl.Float64).to_numpy()
    begin = daily["cash"].cast(pl.Float64).to_numpy() - net
    stamps, value = equity["ts_ns"].to_numpy(), equity["equity"].to_numpy()
    ends = np.searchsorted(stamps, closing_ns(daily["session"]), side="right")
    moments: dict[date, tuple[list[int], list[float]]] = {
        day: (when, worst)
        for day, when, worst in _moments(trades).group_by("session").agg("ts_ns", "value").iter_rows()
    }
    found = np.zeros((6, net.size))
    first = 0
    for place, (day, end) in enumerate(zip(daily["session"].to_list(), ends.tolist(), strict=True)):
        closes = np.concatenate([[0.0], value[first:end] - begin[place], [net[place]]])
        when, reached = moments.get(day, ([], []))
        at = np.searchsorted(stamps[first:end], np.array(when, np.int64)) + 1
        found[:3, place] = _reach(closes)
        found[3:, place] = _reach(np.insert(closes, at, np.array(reached)))
        first = end
    return Elements(net, *found)


def closing_ns(days: pl.Series) -> NDArray[np.int64]:
    """17:00 New York of each session's date, in UTC nanoseconds."""
    local = days.cast(pl.Datetime("ns")).dt.replace_time_zone("America/New_York").dt.offset_by("17h")
    return local.dt.convert_time_zone("UTC").dt.epoch("ns").to_numpy()


def _moments(trades: pl.DataFrame) -> pl.DataFrame:
    """Best and worst of each trade: session, ts_ns, value relative to the session's start, one commission paid."""
    entered = pl.col("net").cum_sum().over("session") - pl.col("net") - pl.col("commission") / 2
    first = pl.when(pl.col("net") < 0).then("mfe").otherwise("mae")
    last = pl.when(pl.col("net") < 0).then("mae").otherwise("mfe")
    ends = [
        trades.select("session", ts_ns="entry_ns", value=entered + first),
        trades.select("session", ts_ns="exit_ns", value=entered + last),
    ]
    return pl.concat(ends).sort("ts_ns", maintain_order=True)


def _reach(path: Floats) -> tuple[float, float, float]:
    """Highest, lowest, and the largest fall."""
    return float(path.max()), float(path.min()), float((np.maximum.accumulate(path) - path).max())


def orders(trades: pl.DataFrame) -> Elements:
    """Every trade as an element, seen where it is closed; `mae` and `mfe`, one commission paid, are its extremes."""
    columns = ("net", "mae", "mfe", "commission")
    net, mae, mfe, fees = (trades[name].cast(pl.Float64).to_numpy() for name in columns)
    low, high = np.minimum(net, 0.0), np.maximum(net, 0.0)
    worst, best = np.minimum(low, mae - fees / 2), np.maximum(high, mfe - fees / 2)
    return Elements(net, high, low, -low, best, worst, np.where(net < 0, best - worst, np.maximum(-worst, best - net)))
