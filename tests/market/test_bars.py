"""Bars: ticks and points, carried seconds, coarser intervals."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.market import BAR, INTERVALS, Bars, aggregate, carry, from_ticks, instrument, session, to_ticks

S = INTERVALS["1s"]
M = INTERVALS["1m"]
DAY = session("ES", date(2021, 6, 25))
PAUSE_START, PAUSE_END = DAY.halts[0]


def bars_at(starts: list[int], closes: list[int] | None = None) -> Bars:
    """Traded bars with distinct highs, lows and volumes."""
    bars = np.zeros(len(starts), BAR)
    close = np.array(closes or range(100, 100 + len(starts)), np.int64)
    bars["ts_ns"], bars["close"], bars["open"] = starts, close, close - 1
    bars["high"], bars["low"], bars["volume"] = close + 2, close - 3, np.arange(1, len(starts) + 1)
    return bars


SECONDS = st.lists(st.integers(0, 3000), min_size=1, max_size=60, unique=True).map(sorted)


@settings(max_examples=100, deadline=None)
@given(symbol=st.sampled_from(["MES", "GC"]), ticks=st.lists(st.integers(-500, 100_000), min_size=1, max_size=30))
def test_ticks_round_trip(symbol: str, ticks: list[int]) -> None:
    tick = instrument(symbol).tick
    bars = bars_at([DAY.open_ns + i * S for i in range(len(ticks))], ticks)
    frame = from_ticks(bars, tick, f"{symbol}Z26")
    assert frame.schema == {
        "ts_ns": pl.Int64,
        "contract": pl.String,
        **dict.fromkeys(("open", "high", "low", "close"), pl.Float64),
        **dict.fromkeys(("volume", "trades", "bid_volume", "ask_volume"), pl.Int64),
    }
    assert frame["close"].to_list() == [float(n * tick) for n in ticks], "the nearest float to the exact price"
    assert np.array_equal(to_ticks(frame, tick), bars)


def test_carried_bars_are_not_stored() -> None:
    bars = carry(bars_at([DAY.open_ns, DAY.open_ns + 5 * S]), DAY, S)
    assert len(bars) == 6
    assert len(from_ticks(bars, Decimal("0.25"), "ESU21")) == 2


@pytest.mark.parametrize("price", [100.30, None, float("nan"), float("inf")])
def test_off_the_grid_names_the_row(price: float | None) -> None:
    frame = from_ticks(bars_at([DAY.open_ns + i * S for i in range(4)]), Decimal("0.25"), "ESU21")
    low = frame["low"].to_list()
    low[2] = price
    with pytest.raises(BadInput, match=r"row 3 \(2021-06-24T22:00:02Z, ESU21\).*tick grid of 0.25"):
        to_ticks(frame.with_columns(low=pl.Series(low, dtype=pl.Float64)), Decimal("0.25"))


def test_float_noise_is_on_the_grid() -> None:
    frame = from_ticks(bars_at([0]), Decimal("0.10"), "GCZ13").with_columns(high=pl.lit(0.1 + 0.2))
    assert to_ticks(frame, Decimal("0.10"))["high"].tolist() == [3]


def slow_carry(bars: Bars) -> dict[int, tuple[int, ...]]:
    """The rule of the contract, one second at a time."""
    rows = {int(bar["ts_ns"]): tuple(int(bar[name]) for name in BAR.names or ()) for bar in bars}
    out: dict[int, tuple[int, ...]] = {}
    last: int | None = None
    for ts in range(min(rows), max(rows) + S, S):
        if any(start <= ts < end for start, end in DAY.halts):
            last = None
        if ts in rows:
            out[ts] = rows[ts]
            last = rows[ts][4]
        elif last is not None:
            out[ts] = (ts, last, last, last, last, 0, 1)
    return out


@settings(max_examples=100, deadline=None)
@given(offsets=SECONDS)
def test_carry_is_its_definition_and_idempotent(offsets: list[int]) -> None:
    """Offsets run from before the pause of 16:15 to after it; none trades inside."""
    starts = [PAUSE_START - 1200 * S + i * S for i in offsets]
    starts = [ts for ts in starts if not PAUSE_START <= ts < PAUSE_END] or [PAUSE_END]
    traded = bars_at(starts)
    full = carry(traded, DAY, S)
    assert {int(bar["ts_ns"]): tuple(bar.tolist()) for bar in full} == slow_carry(traded)
    assert np.array_equal(full[full["carried"] == 0], traded)
    assert full["volume"].sum() == traded["volume"].sum()
    assert not ((full["ts_ns"] >= PAUSE_START) & (full["ts_ns"] < PAUSE_END)).any()
    assert np.array_equal(carry(full, DAY, S), full)


def test_carry_starts_anew_after_a_halt() -> None:
    full = carry(bars_at([PAUSE_START - 3 * S, PAUSE_END + 4 * S, PAUSE_END + 6 * S]), DAY, S)
    expected = [PAUSE_START - 3 * S, PAUSE_START - 2 * S, PAUSE_START - S, *(PAUSE_END + i * S for i in (4, 5, 6))]
    assert full["ts_ns"].tolist() == expected
    assert full["carried"].tolist() == [0, 1, 1, 0, 1, 0]


def test_carry_of_nothing() -> None:
    assert len(carry(np.zeros(0, BAR), DAY, S)) == 0


@pytest.mark.parametrize("starts", [[0, 0], [5 * S, 3 * S], [0, S // 2]])
def test_carry_refuses_what_is_off_its_grid(starts: list[int]) -> None:
    with pytest.raises(BadInput, match=r"row 2 .*2021-06-25.*sort the rows"):
        carry(bars_at([DAY.open_ns + ts for ts in starts]), DAY, S)


@settings(max_examples=100, deadline=None)
@given(offsets=SECONDS, interval=st.sampled_from(["1s", "1m", "5m", "1h"]))
def test_aggregate_keeps_what_it_sums(offsets: list[int], interval: str) -> None:
    step = INTERVALS[interval]
    traded = bars_at([DAY.open_ns + i * S for i in offsets])
    coarse = aggregate(traded, step)
    assert (coarse["ts_ns"] % step == 0).all()
    assert (np.diff(coarse["ts_ns"]) > 0).all()
    assert coarse["volume"].sum() == traded["volume"].sum()
    for bar in coarse:
        rows = traded[(traded["ts_ns"] >= bar["ts_ns"]) & (traded["ts_ns"] < bar["ts_ns"] + step)]
        assert (bar["open"], bar["close"]) == (rows["open"][0], rows["close"][-1])
        assert (bar["high"], bar["low"]) == (rows["high"].max(), rows["low"].min())
        assert bar["carried"] == 0
    assert np.array_equal(aggregate(carry(traded, DAY, S), step), coarse), "carried rows count for nothing"


@settings(max_examples=100, deadline=None)
@given(offsets=SECONDS, cut=st.integers(0, 50))
def test_aggregate_never_looks_past_a_bucket(offsets: list[int], cut: int) -> None:
    end = DAY.open_ns + cut * M
    traded = bars_at([DAY.open_ns + i * S for i in offsets])
    early = aggregate(traded[traded["ts_ns"] < end], M)
    whole = aggregate(traded, M)
    assert np.array_equal(whole[whole["ts_ns"] < end], early)


def test_aggregate_by_steps_is_aggregate_at_once() -> None:
    traded = bars_at([DAY.open_ns + i * 7 * S for i in range(4000)])
    assert np.array_equal(aggregate(aggregate(traded, M), INTERVALS["5m"]), aggregate(traded, INTERVALS["5m"]))


def test_aggregate_of_nothing_and_of_disorder() -> None:
    assert len(aggregate(np.zeros(0, BAR), M)) == 0
    with pytest.raises(BadInput, match="traded row 2 "):
        aggregate(bars_at([S, S]), M)
