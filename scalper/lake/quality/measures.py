"""What the quality rules look at: the figures of one session, counted by polars and numpy from its bars alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.errors import DataUnavailable
from scalper.lake.schema import BARS, PRICES
from scalper.lake.series import contract_of
from scalper.lake.store import Lake, bar_keys
from scalper.market import INTERVALS, RollRule, Session, instrument

MINUTE_NS = INTERVALS["1m"]
MOVE_NS = INTERVALS["5m"]
"""Movement is summed over pieces of this length: shorter ones shrink themselves when trades are missing."""

FIGURES: dict[str, pl.DataType] = {
    "contract": pl.String(),  # that the roll rule holds
    "rows": pl.Int64(),
    "volume": pl.Int64(),
    "nulls": pl.Int64(),  # counts of bad rows, from here
    "stamps": pl.Int64(),
    "calendar": pl.Int64(),
    "ohlc": pl.Int64(),
    "grid": pl.Int64(),
    "volume_bad": pl.Int64(),
    "sides": pl.Int64(),  # null without order-flow columns; to here
    "spread": pl.Float64(),  # share of the bars with quotes whose last one crosses or locks; null without quotes
    "coverage": pl.Float64(),  # share of the regular hours' minutes (or longer bars) that hold a bar
    "filled": pl.Float64(),  # the same over the whole session
    "jump": pl.Float64(),  # largest reach of a bar beyond both the bars beside it, in median true ranges
    "stale": pl.Float64(),  # longest time in regular hours without a bar that moves, minutes
    "traded": pl.Int64(),  # regular hours: contracts; null on early closes
    "moved": pl.Float64(),  # regular hours: sum of the ranges of five minutes, ticks; null on early closes
    "open": pl.Float64(),  # first price of the session, points
    "close": pl.Float64(),  # last one
    "range": pl.Float64(),  # high - low of the session, points
}

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def session_figures(
    lake: Lake, *, source: str, symbol: str, interval: str, roll: RollRule, one: Session
) -> dict[str, float | str | None] | None:
    """The figures of one session in the contract that the lane holds, keys as FIGURES; None without a row of it.

    Raises BadInput for a file that cannot be read or has another schema.
    """
    keys = bar_keys(source, symbol, interval, one.date)
    if not lake.exists("bars", keys):
        return None
    frame = lake.read("bars", keys)
    try:
        contract = contract_of(lake, source=source, symbol=symbol, interval=interval, session=one, roll=roll)
    except DataUnavailable:
        return None
    mine = frame.filter(pl.col("contract") == contract)
    if mine.is_empty():
        return None
    found = dict.fromkeys(FIGURES) | {"contract": contract, "rows": len(mine), "volume": int(mine["volume"].sum())}
    return found | _figures(mine, one, float(instrument(symbol).tick), INTERVALS[interval])


def _figures(frame: pl.DataFrame, one: Session, tick: float, length: int) -> dict[str, float | str | None]:
    whole = frame.with_columns(pl.col(PRICES).fill_nan(None)).drop_nulls(list(BARS))
    found: dict[str, float | str | None] = {"nulls": len(frame) - len(whole), **_flow(whole)}
    if whole.is_empty():
        return found
    ts = whole["ts_ns"].to_numpy()
    ahead = np.diff(ts)
    late = np.append(False, ahead <= 0)
    found["stamps"] = int(np.count_nonzero(late | (ts % length != 0)))
    if late.any():
        whole = whole.sort("ts_ns", maintain_order=True)
        ts = whole["ts_ns"].to_numpy()
    bars = whole.select(PRICES).to_numpy(order="fortran")
    volume = whole["volume"].to_numpy()
    return found | _rows(bars, volume, tick) | _times(ts, one, length) | _regular(ts, bars, volume, one, tick, length)


def _flow(frame: pl.DataFrame) -> dict[str, float | str | None]:
    """Bars whose order flow contradicts their volume, and whose quotes cross; None where nothing is told."""
    sides = pl.col("bid_volume") + pl.col("ask_volume")
    wrong = [
        sides > pl.col("volume"),
        pl.col("inferred_volume") > sides,
        pl.col("trades") > pl.col("volume"),
        pl.col("largest") > pl.col("volume"),
    ]
    told = pl.any_horizontal(pl.col("bid_volume", "trades", "largest").is_not_null().any())
    bad = pl.any_horizontal(one.fill_null(False) for one in wrong).sum().cast(pl.Int64)
    crossed = (pl.col("spread") <= 0).mean()  # of those that are not null
    return frame.select(sides=pl.when(told).then(bad), spread=crossed).row(0, named=True)


def _rows(bars: Floats, volume: Ints, tick: float) -> dict[str, float | str | None]:
    first, high, low, last = bars.T
    bad = (high < np.maximum(np.maximum(first, low), last)) | (low > np.minimum(first, last))
    off = np.zeros(len(bars), np.bool_)
    for price in bars.T:
        off |= np.abs(np.rint(price / tick) * tick - price) > tick * 1e-6
    reach = high - low
    reach[1:] = np.maximum(high[1:], last[:-1]) - np.minimum(low[1:], last[:-1])
    return {
        "ohlc": int(np.count_nonzero(bad)),
        "grid": int(np.count_nonzero(off)),
        "volume_bad": int(np.count_nonzero(volume < 1)),
        "jump": stands_out(high, low) / max(float(np.median(reach)), tick),
        "open": float(first[0]),
        "close": float(last[-1]),
        "range": float(high.max() - low.min()),
    }


def stands_out(high: Floats, low: Floats) -> float:
    """How far one bar reaches beyond both the bar before and the bar after, points: a wild print, no news."""
    if len(high) < 2:
        return 0.0
    over, under = np.append(high[1:], high[-2]), np.append(low[1:], low[-2])
    over[1:-1] = np.maximum(high[:-2], high[2:])
    under[1:-1] = np.minimum(low[:-2], low[2:])
    return max(0.0, float((high - over).max()), float((under - low).max()))


def _times(ts: Ints, one: Session, length: int) -> dict[str, float | str | None]:
    outside = (ts < one.open_ns) | (ts >= one.close_ns)
    for start, end in one.halts:
        outside |= (ts >= start) & (ts < end)
    step = max(length, MINUTE_NS)
    expected = (one.close_ns - one.open_ns - sum(end - start for start, end in one.halts)) / step
    return {"calendar": int(np.count_nonzero(outside)), "filled": _pieces(ts[~outside], step) / expected}


def _regular(
    ts: Ints, bars: Floats, volume: Ints, one: Session, tick: float, length: int
) -> dict[str, float | str | None]:
    """Figures of the regular hours, of bars in the order of their stamps."""
    if one.regular_close_ns == one.regular_open_ns:
        return {"coverage": 1.0}
    start, end = np.searchsorted(ts, [one.regular_open_ns, one.regular_close_ns])
    step = max(length, MINUTE_NS)
    expected = -(-one.regular_close_ns // step) + -one.regular_open_ns // step  # starts of pieces in regular hours
    found: dict[str, float | str | None] = {
        "coverage": _pieces(ts[start:end], step) / expected if expected else 1.0,
        "stale": longest_still(ts[start:end][moves(bars)[start:end]], one, length),
    }
    if one.early or start == end:
        return found
    piece = ts[start:end] // max(length, MOVE_NS)
    first = np.append(0, np.flatnonzero(np.diff(piece)) + 1)
    tops, bottoms = (edge.reduceat(bars[start:end, i], first) for edge, i in ((np.maximum, 1), (np.minimum, 2)))
    return found | {"traded": int(volume[start:end].sum()), "moved": float((tops - bottoms).sum() / tick)}


def moves(bars: Floats) -> npt.NDArray[np.bool_]:
    """Bars that neither repeat the one before nor stand still at its close."""
    found = np.ones(len(bars), np.bool_)
    repeated = (bars[1:] == bars[:-1]).all(axis=1)
    still = (bars[1:, 1] == bars[1:, 2]) & (bars[1:, 1] == bars[:-1, 3])
    found[1:] = ~(repeated | still)
    return found


def longest_still(moving: Ints, one: Session, length: int) -> float:
    """The longest time in regular hours, in minutes, between bars that move (which start at `moving`)."""
    starts = np.append(moving, one.regular_close_ns)
    ends = np.append(one.regular_open_ns, moving + length)
    return float((starts - ends).max() / MINUTE_NS)


def _pieces(ts: Ints, step: int) -> int:
    """How many pieces of time hold a stamp, of stamps in order."""
    return int(np.count_nonzero(np.diff(ts // step))) + 1 if len(ts) else 0


def as_table(dates: Sequence[object], rows: Sequence[dict[str, float | str | None] | None]) -> pl.DataFrame:
    """Sessions as a table: date, missing (1 without a row), and the figures."""
    nothing: dict[str, float | str | None] = dict.fromkeys(FIGURES)
    table = pl.DataFrame([row or nothing for row in rows], schema=FIGURES)
    held = [row is not None for row in rows]
    return table.with_columns(
        date=pl.Series(dates, dtype=pl.Date),
        missing=pl.Series([int(not one) for one in held], dtype=pl.Int64),
        schema=pl.Series([0 if one else None for one in held], dtype=pl.Int64),
    )
