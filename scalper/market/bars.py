"""The bar: what the compiled core reads, in integer ticks and UTC nanoseconds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.clock import iso
from scalper.errors import BadInput
from scalper.market.sessions import Session

BAR = np.dtype(
    [
        ("ts_ns", "i8"),  # the bar's START
        ("open", "i8"),  # ticks
        ("high", "i8"),
        ("low", "i8"),
        ("close", "i8"),
        ("volume", "i8"),  # contracts
        ("carried", "i8"),  # 1: no trade in this second, prices are the last close
        ("trades", "i4"),  # order flow, as the lake has it; 0 where `known` says that the source does not tell
        ("bid_volume", "i4"),
        ("ask_volume", "i4"),
        ("inferred_volume", "i4"),
        ("largest", "i4"),
        ("spread", "i4"),  # ticks
        ("bid_size", "i4"),
        ("ask_size", "i4"),
        ("imbalance", "i8"),
        ("known", "i8"),  # bits TRADES, SIDES, QUOTES, IMBALANCE
    ]
)
"""One bar. Prices are whole ticks of the instrument, times are the bar's start."""

TRADES, SIDES, QUOTES, IMBALANCE = 1, 2, 4, 8
FLOW: dict[str, int] = {
    "trades": TRADES,
    "bid_volume": SIDES,
    "ask_volume": SIDES,
    "inferred_volume": SIDES,
    "largest": TRADES,
    "spread": QUOTES,
    "bid_size": QUOTES,
    "ask_size": QUOTES,
    "imbalance": IMBALANCE,
}
"""Field of the order flow to the bit of `known` that speaks of it; a carried bar tells nothing."""

TOLD_BY = ("trades", "bid_volume", "ask_volume", "spread", "imbalance")
"""A bit is set where the source tells these of its fields; what it leaves out of the others is 0."""

INTERVALS: dict[str, int] = {
    "1s": 1_000_000_000,
    "5s": 5_000_000_000,
    "15s": 15_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
    "15m": 900_000_000_000,
    "1h": 3_600_000_000_000,
}
"""Interval name to its length in nanoseconds, from fine to coarse; each divides the hour and those after it."""

DAY = "1d"
"""The interval of one bar a session, stamped with the session's open; not a length, so not among INTERVALS."""

REDUCE: dict[str, Literal["first", "max", "min", "last", "sum"]] = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "trades": "sum",
    "bid_volume": "sum",
    "ask_volume": "sum",
    "inferred_volume": "sum",
    "largest": "max",
    "spread": "last",
    "bid_size": "last",
    "ask_size": "last",
    "imbalance": "sum",  # of the finer bars, which are those with a trade
}
"""Column of a bar to how the bars of a coarser interval are made of it."""

PRICES = ("open", "high", "low", "close")
LARGEST = np.iinfo(np.int32).max
"""The largest number of ticks, contracts or trades in a bar."""

GRID_SLACK = 1e-6
"""How far from a whole tick, in ticks, a float price may lie and still be meant."""

IN_CACHE = 2048
"""Bars that a core's cache holds beside what they are filled from."""

Bars = npt.NDArray[Any]
"""A one-dimensional array of BAR, ascending in ts_ns."""


def to_ticks(frame: pl.DataFrame, tick: Decimal) -> Bars:
    """Lake columns (prices in points) as bars in whole ticks; none is carried. Order flow may be absent, or null.

    Raises BadInput naming the first row (counted from 1) with a price or a spread that is missing or off the grid of
    `tick`, or with a number too large for a bar.
    """
    over, under = tick.as_integer_ratio()
    bars = np.zeros(len(frame), BAR)
    bad = np.zeros(len(frame), np.bool_)
    found: dict[str, npt.NDArray[Any]] = {}
    for name in PRICES:
        exact = frame[name].cast(pl.Float64).to_numpy() * under / over  # a null is NaN
        exact[~np.isfinite(exact)] = 0.5  # no price: off every grid
        found[name] = np.rint(exact)
        bad |= np.abs(exact - found[name]) > GRID_SLACK
    if bad.any():
        raise _off_grid(frame, int(bad.argmax()), tick)
    found["volume"] = frame["volume"].to_numpy()
    for name, values in found.items():
        _refuse_large(frame, name, values)
    found["ts_ns"] = frame["ts_ns"].to_numpy()
    for first in range(0, len(bars), IN_CACHE):  # each bar is fetched once, not once a field
        for name, values in found.items():
            bars[name][first : first + IN_CACHE] = values[first : first + IN_CACHE]
    _take_flow(bars, frame, tick)
    return bars


def _take_flow(bars: Bars, frame: pl.DataFrame, tick: Decimal) -> None:
    """Fill the order flow of `bars`, and the bits that say which of it is told."""
    over, under = tick.as_integer_ratio()
    present = {name: frame[name] for name in FLOW if name in frame.columns}
    present = {name: values for name, values in present.items() if values.null_count() < len(frame)}
    if not present:
        return
    told = np.full(len(frame), TRADES | SIDES | QUOTES | IMBALANCE)
    for name in TOLD_BY:
        silent = present[name].is_null().to_numpy() if name in present else slice(None)
        told[silent] &= ~FLOW[name]
    bars["known"] = told
    for name, column in present.items():
        known = (told & FLOW[name]) != 0
        values = column.fill_null(0).to_numpy()
        if name == "spread":
            exact = np.where(known, values * under / over, 0.0)
            values = np.rint(exact)
            off = ~(np.abs(exact - values) <= GRID_SLACK)
            if off.any():
                raise _off_grid(frame, int(off.argmax()), tick, (name,))
        if name != "imbalance":
            _refuse_large(frame, name, values)
        bars[name] = np.where(known, values, 0)


def _refuse_large(frame: pl.DataFrame, name: str, values: npt.NDArray[Any]) -> None:
    """Raise BadInput naming the first value that 32 bits do not hold; the rings of the features have so many."""
    if values.max(initial=0) <= LARGEST and values.min(initial=0) >= -LARGEST:
        return
    row = int(((values > LARGEST) | (values < -LARGEST)).argmax())
    raise BadInput(
        f"{_row(frame, row)}: {name} is {frame[name][row]}, which no bar of a future has: correct or remove the row"
    )


def _row(frame: pl.DataFrame, row: int) -> str:
    found = frame.row(row, named=True)
    return f"row {row + 1} ({iso(found['ts_ns'])}, {found.get('contract', 'no contract')})"


def _off_grid(frame: pl.DataFrame, row: int, tick: Decimal, names: tuple[str, ...] = PRICES) -> BadInput:
    found = frame.row(row, named=True)
    prices = ", ".join(f"{name} {found[name]}" for name in names)
    return BadInput(
        f"{_row(frame, row)}: {prices} do not all lie on the tick grid of {tick}: "
        "correct or remove the row, or import it under the symbol it belongs to"
    )


def from_ticks(bars: Bars, tick: Decimal, contract: str, *, flow: bool = False) -> pl.DataFrame:
    """Bars as the lake stores them: prices in points, traded rows only.

    `flow` adds the columns of the order flow, null where `known` says that the source does not tell.
    """
    over, under = tick.as_integer_ratio()
    traded = bars[bars["carried"] == 0]
    frame = pl.DataFrame(
        {
            "ts_ns": traded["ts_ns"],
            "contract": pl.repeat(contract, len(traded), dtype=pl.String, eager=True),
            **{name: traded[name] * over / under for name in PRICES},
            "volume": traded["volume"],
        }
    )
    if not flow:
        return frame
    columns: list[pl.Series] = []
    for name, bit in FLOW.items():
        values = traded[name] * over / under if name == "spread" else traded[name].astype(np.int64)
        columns.append(pl.Series(name, values).set(pl.Series((traded["known"] & bit) == 0), None))
    return frame.with_columns(columns)


def carry(bars: Bars, session: Session, interval_ns: int) -> Bars:
    """Fill every interval without a trade with the last close (volume 0, carried 1), up to the last bar.

    Nothing is carried before the first trade, nor inside a scheduled halt and from there to the next trade. Carrying
    twice changes nothing. Raises BadInput if the bars are not ascending in steps of `interval_ns`.
    """
    if len(bars) == 0:
        return bars.copy()
    in_steps(bars, session, interval_ns)
    ts: npt.NDArray[np.int64] = bars["ts_ns"]
    until = ts[1:].copy()
    for start, end in session.halts:
        stopped = (ts[1:] > start) & (ts[:-1] < end)
        until[stopped] = np.minimum(until[stopped], start)
    fills = np.maximum(-(-(until - ts[:-1]) // interval_ns) - 1, 0)
    return _filled(bars, np.append(fills, 0), interval_ns)


def in_steps(bars: Bars, session: Session, interval_ns: int) -> None:
    """Raise BadInput, naming the first wrong row, if the bars do not ascend in steps of `interval_ns`."""
    ts: npt.NDArray[np.int64] = bars["ts_ns"]
    steps = np.diff(ts)
    wrong = (steps <= 0) | (steps % interval_ns != 0)
    if wrong.any():
        row = int(wrong.argmax()) + 1
        raise BadInput(
            f"row {row + 1} ({iso(int(ts[row]))}) of session {session.date} does not follow the row before it "
            f"in steps of {interval_ns} ns: sort the rows, remove repeated stamps and use the interval of the data"
        )


def _filled(bars: Bars, fills: npt.NDArray[np.int64], interval_ns: int) -> Bars:
    """Each bar followed by as many carried bars as `fills` says. Whole rows are copied: fields apart cost thrice."""
    at = np.cumsum(fills + 1) - fills - 1  # where each bar lands in the output
    carried = bars.copy()
    carried["ts_ns"] -= at * interval_ns
    for name in PRICES:
        carried[name] = bars["close"]
    for name in ("volume", *FLOW, "known"):
        carried[name] = 0
    carried["carried"] = 1
    out = np.repeat(carried.view(np.int64).reshape(-1, BAR.itemsize // 8), fills + 1, axis=0).view(BAR).reshape(-1)
    out["ts_ns"] += np.arange(len(out)) * interval_ns
    out[at] = bars
    return out


def aggregate(bars: Bars, interval_ns: int) -> Bars:
    """Traded bars of one contract as bars of a coarser interval, whose starts are UTC multiples of it.

    A bucket uses only rows that start in it; carried rows count for nothing. What is summed is known where every row
    tells it, the quote where the last row does. Raises BadInput if the bars are not ascending.
    """
    traded = bars[bars["carried"] == 0]
    ts: npt.NDArray[np.int64] = traded["ts_ns"]
    if len(ts) == 0:
        return traded
    if (np.diff(ts) <= 0).any():
        row = int((np.diff(ts) <= 0).argmax()) + 1
        raise BadInput(
            f"traded row {row + 1} ({iso(int(ts[row]))}) does not ascend: sort the rows, remove repeated stamps"
        )
    bucket = ts // interval_ns
    first = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    last = np.append(first[1:], len(traded)) - 1
    out = np.zeros(len(first), BAR)
    out["ts_ns"] = bucket[first] * interval_ns
    out["known"] = np.bitwise_and.reduceat(traded["known"], first) & ~QUOTES | traded["known"][last] & QUOTES
    for name in (*PRICES, "volume", *FLOW):
        values = traded[name]
        match REDUCE[name]:
            case "first":
                out[name] = values[first]
            case "last":
                out[name] = values[last]
            case "max":
                out[name] = np.maximum.reduceat(values, first)
            case "min":
                out[name] = np.minimum.reduceat(values, first)
            case "sum":
                out[name] = np.add.reduceat(values, first)
    for name, bit in FLOW.items():
        out[name][(out["known"] & bit) == 0] = 0
    return out


def aggregate_frame(frame: pl.DataFrame, interval: str, session: Session) -> pl.DataFrame:
    """A session's bars (lake columns, any contracts) as bars of a coarser interval, or of "1d", contract by contract.

    A bar uses only rows that start in it. A sum or a maximum is null where one of its rows is: a part of the volume is
    not told as the whole. Raises BadInput for an unknown interval.
    """
    if interval == DAY:
        start = pl.lit(session.open_ns, pl.Int64)
    elif interval in INTERVALS:
        start = pl.col("ts_ns") // INTERVALS[interval] * INTERVALS[interval]
    else:
        raise BadInput(f"{interval!r} is no interval; use one of {', '.join(INTERVALS)}, {DAY}")

    def reduced(name: str) -> pl.Expr:
        one = pl.col(name)
        match REDUCE[name]:
            case "first":
                return one.first()
            case "last":
                return one.last()
            case "min":
                return one.min()
            case "max":
                return pl.when(one.null_count() == 0).then(one.max())
            case "sum":
                return pl.when(one.null_count() == 0).then(one.sum())

    held = frame.sort("ts_ns", "contract").with_columns(ts_ns=start)
    out = held.group_by("ts_ns", "contract", maintain_order=True).agg(
        reduced(name).alias(name) for name in frame.columns if name in REDUCE
    )
    return out.sort("ts_ns", "contract").select(frame.columns)
