"""What the quality rules look at: one row of figures a session, counted by polars."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from scalper.errors import DataUnavailable
from scalper.lake.schema import PRICES
from scalper.lake.series import contract_of
from scalper.lake.store import Lake, bar_keys
from scalper.market import INTERVALS, RollRule, Session, instrument, locate

MINUTE_NS = INTERVALS["1m"]
BLOCK_ROWS = 2_000_000
"""Rows looked at together; bounds the memory of a check over years of seconds."""
NEIGHBOURS = 20


def measure(
    lake: Lake,
    *,
    source: str,
    symbol: str,
    interval: str,
    roll: RollRule,
    sessions: Sequence[Session],
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """One row a session, in order: date, contract, missing (1 or 0), rows, volume, and the figures of the rules.

    Counts of bad rows: nulls, stamps, calendar, ohlc, grid, volume_bad. Shares: coverage (minutes of the regular hours,
    or bars if those are longer, that hold a bar), thin (volume over the median of the neighbouring sessions), jump
    (largest true range over the median one). Null where a session is missing. Raises BadInput for a broken schema.
    """
    rows: list[pl.DataFrame] = []
    block: list[pl.DataFrame] = []
    pending: list[Session] = []
    for done, one in enumerate(sessions):
        frame = _held(lake, source, symbol, interval, roll, one)
        if frame is not None:
            block.append(frame)
            pending.append(one)
        if pending and (done + 1 == len(sessions) or sum(map(len, block)) >= BLOCK_ROWS):
            rows.append(_figures(pl.concat(block), pending, symbol, INTERVALS[interval]))
            block, pending = [], []
        if progress is not None:
            progress(done + 1, len(sessions))
    dates = pl.DataFrame({"date": [one.date for one in sessions]}, schema={"date": pl.Date})
    if not rows:
        return _empty(dates)
    table = dates.join(pl.concat(rows), "date", "left", maintain_order="left")
    table = table.with_columns(missing=pl.col("rows").is_null().cast(pl.Int64), rows=pl.col("rows").fill_null(0))
    return table.with_columns(thin=_thin(table["volume"]))


def _held(lake: Lake, source: str, symbol: str, interval: str, roll: RollRule, one: Session) -> pl.DataFrame | None:
    """The rows of the contract that the lane holds, with the session's date; None if there are none."""
    keys = bar_keys(source, symbol, interval, one.date)
    if not lake.exists("bars", keys):
        return None
    frame = lake.read("bars", keys)
    try:
        contract = contract_of(lake, source=source, symbol=symbol, interval=interval, session=one, roll=roll)
    except DataUnavailable:
        return None
    mine = frame.filter(pl.col("contract") == contract)
    return None if mine.is_empty() else mine.with_columns(date=pl.lit(one.date))


def _figures(frame: pl.DataFrame, held: Sequence[Session], symbol: str, length: int) -> pl.DataFrame:
    tick = float(instrument(symbol).tick)
    step = max(length, MINUTE_NS)
    bounds = pl.DataFrame(
        {
            "date": [one.date for one in held],
            "from_ns": [one.regular_open_ns for one in held],
            "to_ns": [one.regular_close_ns for one in held],
        }
    )
    place = locate(frame["ts_ns"].to_numpy(), held)
    days = np.array([one.date for one in held], "datetime64[D]")[place]
    before = pl.col("close").shift(1).over("date")
    true_range = pl.max_horizontal("high", before) - pl.min_horizontal("low", before)
    regular = (pl.col("ts_ns") >= pl.col("from_ns")) & (pl.col("ts_ns") < pl.col("to_ns"))
    ahead = pl.col("ts_ns").diff().over("date")
    marked = frame.join(bounds, "date", "left", maintain_order="left").with_columns(
        range=true_range,
        outside=pl.Series(place < 0) | (pl.Series(days) != pl.col("date")),
        back=(ahead <= 0).fill_null(False) | (pl.col("ts_ns") % length != 0),
        off=pl.any_horizontal(((pl.col(p) / tick).round() * tick - pl.col(p)).abs() > tick * 1e-6 for p in PRICES),
    )
    high, low = pl.max_horizontal("open", "low", "close"), pl.min_horizontal("open", "close")
    expected = (pl.col("to_ns").first() - pl.col("from_ns").first()) / step
    filled = (pl.col("ts_ns").filter(regular) // step).n_unique()
    return marked.group_by("date", maintain_order=True).agg(
        contract=pl.col("contract").first(),
        rows=pl.len().cast(pl.Int64),
        volume=pl.col("volume").sum(),
        nulls=pl.sum_horizontal(pl.col(c).is_null() for c in (*PRICES, "volume")).sum().cast(pl.Int64),
        stamps=pl.col("back").sum().cast(pl.Int64),
        calendar=pl.col("outside").sum().cast(pl.Int64),
        ohlc=((pl.col("high") < high) | (pl.col("low") > low)).sum().cast(pl.Int64),
        grid=pl.col("off").sum().cast(pl.Int64),
        volume_bad=(pl.col("volume") < 1).sum().cast(pl.Int64),
        coverage=pl.when(expected > 0).then(filled / expected).otherwise(1.0),
        jump=pl.col("range").max() / pl.max_horizontal(pl.col("range").median(), pl.lit(tick)),
    )


def _thin(volume: pl.Series) -> pl.Series:
    """Volume over the median of the present sessions among the ten before and the ten after; null without any."""
    values = volume.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    reach = NEIGHBOURS // 2
    shares: list[float | None] = []
    for i, own in enumerate(values):
        around = np.concatenate([values[max(0, i - reach) : i], values[i + 1 : i + 1 + reach]])
        around = around[~np.isnan(around)]
        shares.append(None if np.isnan(own) or not len(around) else float(own / max(np.median(around), 1.0)))
    return pl.Series(shares, dtype=pl.Float64)


def _empty(dates: pl.DataFrame) -> pl.DataFrame:
    counts = ("volume", "nulls", "stamps", "calendar", "ohlc", "grid", "volume_bad")
    nothing = {name: pl.lit(None, pl.Int64) for name in counts}
    shares = {name: pl.lit(None, pl.Float64) for name in ("coverage", "jump", "thin")}
    return dates.with_columns(
        contract=pl.lit(None, pl.String), rows=pl.lit(0, pl.Int64), missing=pl.lit(1, pl.Int64), **nothing, **shares
    )
