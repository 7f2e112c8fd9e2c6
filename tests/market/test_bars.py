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
from scalper.lake.schema import COLUMNS
from scalper.market import (
    BAR,
    DAY,
    FLOW,
    IMBALANCE,
    INTERVALS,
    QUOTES,
    SIDES,
    TRADES,
    Bars,
    aggregate,
    aggregate_frame,
    carry,
    from_ticks,
    instrument,
    session,
    to_ticks,
)

S = INTERVALS["1s"]
M = INTERVALS["1m"]
FRIDAY = session("ES", date(2021, 6, 25))
PAUSE_START, PAUSE_END = FRIDAY.halts[0]


def bars_at(starts: list[int], closes: list[int] | None = None) -> Bars:
    """Traded bars with distinct highs, lows and volumes, and a different part of the order flow known in each."""
    bars = np.zeros(len(starts), BAR)
    close = np.array(closes or range(100, 100 + len(starts)), np.int64)
    bars["ts_ns"], bars["close"], bars["open"] = starts, close, close - 1
    bars["high"], bars["low"], bars["volume"] = close + 2, close - 3, np.arange(1, len(starts) + 1)
    bars["known"] = np.arange(len(starts)) * 7 % 16
    for at, (name, bit) in enumerate(FLOW.items()):
        bars[name] = np.where(bars["known"] & bit, np.arange(len(starts)) * 3 + at - (name == "imbalance") * 90, 0)
    return bars


SECONDS = st.lists(st.integers(0, 3000), min_size=1, max_size=60, unique=True).map(sorted)


@settings(max_examples=100, deadline=None)
@given(symbol=st.sampled_from(["MES", "GC"]), ticks=st.lists(st.integers(-500, 100_000), min_size=1, max_size=30))
def test_ticks_round_trip(symbol: str, ticks: list[int]) -> None:
    tick = instrument(symbol).tick
    bars = bars_at([FRIDAY.open_ns + i * S for i in range(len(ticks))], ticks)
    frame = from_ticks(bars, tick, f"{symbol}Z26")
    assert frame.schema == {
        "ts_ns": pl.Int64,
        "contract": pl.String,
        **dict.fromkeys(("open", "high", "low", "close"), pl.Float64),
        "volume": pl.Int64,
    }
    assert frame["close"].to_list() == [float(n * tick) for n in ticks], "the nearest float to the exact price"
    whole = from_ticks(bars, tick, f"{symbol}Z26", flow=True)
    assert whole.columns == list(COLUMNS) and whole.select(frame.columns).equals(frame)
    assert np.array_equal(to_ticks(whole, tick), bars), "the order flow too"
    silent = to_ticks(frame, tick)
    assert not any(silent[name].any() for name in (*FLOW, "known"))
    names = [name for name in BAR.names or () if name not in (*FLOW, "known")]
    assert all(np.array_equal(silent[name], bars[name]) for name in names)


@pytest.mark.parametrize(
    ("absent", "gone"),
    [
        ("trades", {"trades", "largest"}),
        ("largest", {"largest"}),
        ("ask_volume", {"bid_volume", "ask_volume", "inferred_volume"}),
        ("inferred_volume", {"inferred_volume"}),
        ("spread", {"spread", "bid_size", "ask_size"}),
        ("bid_size", {"bid_size"}),
        ("imbalance", {"imbalance"}),
    ],
)
@pytest.mark.parametrize("how", ["column", "null"])
def test_what_the_source_leaves_out_is_not_known(absent: str, gone: set[str], how: str) -> None:
    bars = bars_at([0])
    bars["known"] = TRADES | SIDES | QUOTES | IMBALANCE
    for value, name in enumerate(FLOW, 5):
        bars[name] = value
    frame = from_ticks(bars, Decimal("0.25"), "ESU21", flow=True)
    lost = frame.drop(absent) if how == "column" else frame.with_columns(pl.lit(None, pl.Int64).alias(absent))
    found = to_ticks(lost, Decimal("0.25"))
    assert {name for name in FLOW if found[name][0] == 0} == gone
    assert all(found[name][0] == bars[name][0] for name in set(FLOW) - gone)
    whole = {bit for bit in (TRADES, SIDES, QUOTES, IMBALANCE) if found["known"][0] & bit}
    assert whole == {1, 2, 4, 8} - ({FLOW[absent]} if len(gone) > 1 or absent == "imbalance" else set())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("volume", 2**31, "volume is 2147483648"),
        ("trades", 2**31, "trades is 2147483648"),
        ("ask_size", -(2**31), "ask_size is -2147483648"),
        ("high", 2**29 * 1.0, "high is 536870912.0"),
        ("spread", 0.3, "spread 0.3 do not all lie on the tick grid"),
        ("spread", float("nan"), "spread nan"),
    ],
)
def test_numbers_that_no_bar_holds_name_the_row(name: str, value: float, says: str) -> None:
    bars = bars_at([0, S])
    bars["known"] = 15
    frame = from_ticks(bars, Decimal("0.25"), "ESU21", flow=True)
    column = pl.Series(name, [frame[name][0], value], dtype=frame[name].dtype)
    with pytest.raises(BadInput, match=r"row 2 \(1970-01-01T00:00:01Z, ESU21\)") as caught:
        to_ticks(frame.with_columns(column), Decimal("0.25"))
    assert says in str(caught.value)


def test_a_sum_of_the_order_flow_may_be_large() -> None:
    bars = bars_at([0])
    bars["known"], bars["imbalance"] = 15, -(2**40)
    assert to_ticks(from_ticks(bars, Decimal("0.25"), "ESU21", flow=True), Decimal("0.25"))["imbalance"] == -(2**40)


def test_carried_bars_are_not_stored() -> None:
    bars = carry(bars_at([FRIDAY.open_ns, FRIDAY.open_ns + 5 * S]), FRIDAY, S)
    assert len(bars) == 6
    assert len(from_ticks(bars, Decimal("0.25"), "ESU21")) == 2


@pytest.mark.parametrize("price", [100.30, None, float("nan"), float("inf")])
def test_off_the_grid_names_the_row(price: float | None) -> None:
    frame = from_ticks(bars_at([FRIDAY.open_ns + i * S for i in range(4)]), Decimal("0.25"), "ESU21")
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
        if any(start <= ts < end for start, end in FRIDAY.halts):
            last = None
        if ts in rows:
            out[ts] = rows[ts]
            last = rows[ts][4]
        elif last is not None:
            out[ts] = (ts, last, last, last, last, 0, 1, *[0] * (len(FLOW) + 1))
    return out


@settings(max_examples=100, deadline=None)
@given(offsets=SECONDS)
def test_carry_is_its_definition_and_idempotent(offsets: list[int]) -> None:
    """Offsets run from before the pause of 16:15 to after it; none trades inside."""
    starts = [PAUSE_START - 1200 * S + i * S for i in offsets]
    starts = [ts for ts in starts if not PAUSE_START <= ts < PAUSE_END] or [PAUSE_END]
    traded = bars_at(starts)
    full = carry(traded, FRIDAY, S)
    assert {int(bar["ts_ns"]): tuple(bar.tolist()) for bar in full} == slow_carry(traded)
    assert np.array_equal(full[full["carried"] == 0], traded)
    assert full["volume"].sum() == traded["volume"].sum()
    assert not ((full["ts_ns"] >= PAUSE_START) & (full["ts_ns"] < PAUSE_END)).any()
    assert np.array_equal(carry(full, FRIDAY, S), full)


def test_carry_starts_anew_after_a_halt() -> None:
    full = carry(bars_at([PAUSE_START - 3 * S, PAUSE_END + 4 * S, PAUSE_END + 6 * S]), FRIDAY, S)
    expected = [PAUSE_START - 3 * S, PAUSE_START - 2 * S, PAUSE_START - S, *(PAUSE_END + i * S for i in (4, 5, 6))]
    assert full["ts_ns"].tolist() == expected
    assert full["carried"].tolist() == [0, 1, 1, 0, 1, 0]


def test_carry_of_nothing() -> None:
    assert len(carry(np.zeros(0, BAR), FRIDAY, S)) == 0


@pytest.mark.parametrize("starts", [[0, 0], [5 * S, 3 * S], [0, S // 2]])
def test_carry_refuses_what_is_off_its_grid(starts: list[int]) -> None:
    with pytest.raises(BadInput, match=r"row 2 .*2021-06-25.*sort the rows"):
        carry(bars_at([FRIDAY.open_ns + ts for ts in starts]), FRIDAY, S)


@settings(max_examples=100, deadline=None)
@given(offsets=SECONDS, interval=st.sampled_from(list(INTERVALS)))
def test_aggregate_keeps_what_it_sums(offsets: list[int], interval: str) -> None:
    step = INTERVALS[interval]
    traded = bars_at([FRIDAY.open_ns + i * S for i in offsets])
    coarse = aggregate(traded, step)
    assert (coarse["ts_ns"] % step == 0).all()
    assert (np.diff(coarse["ts_ns"]) > 0).all()
    assert coarse["volume"].sum() == traded["volume"].sum()
    for bar in coarse:
        rows = traded[(traded["ts_ns"] >= bar["ts_ns"]) & (traded["ts_ns"] < bar["ts_ns"] + step)]
        assert (bar["open"], bar["close"]) == (rows["open"][0], rows["close"][-1])
        assert (bar["high"], bar["low"]) == (rows["high"].max(), rows["low"].min())
        assert bar["carried"] == 0
    assert np.array_equal(aggregate(carry(traded, FRIDAY, S), step), coarse), "carried rows count for nothing"


@settings(max_examples=100, deadline=None)
@given(offsets=SECONDS, cut=st.integers(0, 50))
def test_aggregate_never_looks_past_a_bucket(offsets: list[int], cut: int) -> None:
    end = FRIDAY.open_ns + cut * M
    traded = bars_at([FRIDAY.open_ns + i * S for i in offsets])
    early = aggregate(traded[traded["ts_ns"] < end], M)
    whole = aggregate(traded, M)
    assert np.array_equal(whole[whole["ts_ns"] < end], early)


def test_aggregate_by_steps_is_aggregate_at_once() -> None:
    traded = bars_at([FRIDAY.open_ns + i * 7 * S for i in range(4000)])
    assert np.array_equal(aggregate(aggregate(traded, M), INTERVALS["5m"]), aggregate(traded, INTERVALS["5m"]))


def test_aggregate_of_nothing_and_of_disorder() -> None:
    assert len(aggregate(np.zeros(0, BAR), M)) == 0
    with pytest.raises(BadInput, match="traded row 2 "):
        aggregate(bars_at([S, S]), M)


def test_intervals_go_from_fine_to_coarse_and_divide_the_hour() -> None:
    assert list(INTERVALS) == ["1s", "5s", "15s", "1m", "5m", "15m", "1h"]
    lengths = list(INTERVALS.values())
    assert lengths == sorted(lengths)
    assert all(INTERVALS["1h"] % length == 0 for length in lengths)
    assert DAY not in INTERVALS


FLOWS = ("trades", "bid_volume", "ask_volume", "inferred_volume", "largest", "bid_size", "ask_size", "imbalance")
maybe = st.none() | st.integers(0, 50)
row_st = st.tuples(
    st.integers(0, 400),
    st.sampled_from(["ESU21", "ESZ21"]),
    st.tuples(*[st.integers(90, 110)] * 4),
    st.tuples(*[maybe] * 9),
)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Bars of two contracts in the first minutes of a session, with holes in the order flow."""
    found = draw(st.lists(row_st, max_size=20, unique_by=lambda row: row[:2]))
    rows = []
    for second, contract, prices, flow in sorted(found, key=lambda row: row[:2]):
        opened, closed, *other = prices
        row = {"ts_ns": FRIDAY.open_ns + second * S, "contract": contract, "open": opened, "high": max(prices)}
        row |= {"low": min(prices), "close": closed, "volume": other[0]}
        row |= dict(zip((*FLOWS, "spread"), flow, strict=True))
        rows.append(row)
    schema = {"ts_ns": pl.Int64, "contract": pl.String} | dict.fromkeys(("open", "high", "low", "close"), pl.Float64)
    schema |= {"volume": pl.Int64} | dict.fromkeys(FLOWS, pl.Int64) | {"spread": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row")


def total(values: list[int | None]) -> int | None:
    """A sum that is not told where a part of it is not."""
    return None if None in values else sum(value for value in values if value is not None)


@settings(max_examples=150, deadline=None)
@given(frame=frames(), interval=st.sampled_from([*INTERVALS, DAY]))
def test_aggregate_frame_is_its_definition(frame: pl.DataFrame, interval: str) -> None:
    def start(ts: int) -> int:
        return FRIDAY.open_ns if interval == DAY else ts // INTERVALS[interval] * INTERVALS[interval]

    expected = []
    rows = frame.to_dicts()
    for ts, contract in sorted({(start(row["ts_ns"]), row["contract"]) for row in rows}):
        mine = [row for row in rows if (start(row["ts_ns"]), row["contract"]) == (ts, contract)]
        every = {name: [row[name] for row in mine] for name in frame.columns}
        bar = {"ts_ns": ts, "contract": contract, "open": every["open"][0], "close": every["close"][-1]}
        bar |= {"high": max(every["high"]), "low": min(every["low"])}
        bar |= {name: total(every[name]) for name in ("volume", *FLOWS[:4], "imbalance")}
        bar |= {"largest": None if None in every["largest"] else max(every["largest"])}
        bar |= {name: every[name][-1] for name in ("spread", "bid_size", "ask_size")}
        expected.append(bar)
    found = aggregate_frame(frame, interval, FRIDAY)
    assert found.schema == frame.schema
    assert aggregate_frame(frame.reverse(), interval, FRIDAY).equals(found), "whatever the order of the rows"
    assert found.to_dicts() == [{name: bar[name] for name in frame.columns} for bar in expected]


@settings(max_examples=100, deadline=None)
@given(frame=frames(), later=frames(), cut=st.integers(0, 7), interval=st.sampled_from(["5s", "15s", "1m"]))
def test_aggregate_frame_never_looks_past_a_bar(
    frame: pl.DataFrame, later: pl.DataFrame, cut: int, interval: str
) -> None:
    """Whatever comes after a bar's end, the bars up to there stay."""
    end = FRIDAY.open_ns + cut * M
    early = frame.filter(pl.col("ts_ns") < end)
    mixed = pl.concat([early, later.with_columns(pl.col("ts_ns") + cut * M)])
    until = aggregate_frame(early, interval, FRIDAY)
    for other in (frame, mixed):
        assert aggregate_frame(other, interval, FRIDAY).filter(pl.col("ts_ns") < end).equals(until)


def told_together() -> list[pl.Expr]:
    """Null wherever another field of the same bit is: bars of ticks know all of them or none."""
    every = {bit: [name for name in FLOW if FLOW[name] == bit] for bit in FLOW.values()}
    nothing = {bit: pl.any_horizontal(pl.col(name).is_null() for name in names) for bit, names in every.items()}
    return [pl.when(~nothing[bit]).then(pl.col(name)).alias(name) for name, bit in FLOW.items()]


@settings(max_examples=100, deadline=None)
@given(frame=frames())
def test_aggregate_frame_agrees_with_aggregate_and_with_steps_between(frame: pl.DataFrame) -> None:
    tick = instrument("ES").tick
    one = frame.filter(pl.col("contract") == "ESU21").filter(pl.col("volume") > 0)
    one = one.with_columns(pl.col("spread") * float(tick)).with_columns(told_together())
    bars = aggregate(to_ticks(one, tick), M)
    assert from_ticks(bars, tick, "ESU21", flow=True).equals(aggregate_frame(one, "1m", FRIDAY).select(*COLUMNS))
    by_steps = aggregate_frame(aggregate_frame(aggregate_frame(frame, "15s", FRIDAY), "1m", FRIDAY), DAY, FRIDAY)
    assert by_steps.equals(aggregate_frame(frame, DAY, FRIDAY))


def test_aggregate_frame_refuses_an_unknown_interval() -> None:
    with pytest.raises(BadInput, match="'2m' is no interval; use one of 1s, 5s"):
        aggregate_frame(from_ticks(bars_at([0]), Decimal("0.25"), "ESU21"), "2m", FRIDAY)
