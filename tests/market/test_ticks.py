"""Ticks to bars: a plain reference, chunks, the future, the tick rule, order flow."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.market.tick_kernel import BAR_FLOW, QUOTE
from scalper.market.ticks import Bars, TickBars, to_frame

STEP = 1000
FIELDS: tuple[str, ...] = tuple(BAR_FLOW.names or ())


@dataclass(frozen=True)
class Tick:
    """One tick of a test; size 0: no trade. `quote`: bid, ask, sizes; None: the tick tells none."""

    ts: int
    price: int
    size: int
    side: int
    quote: tuple[int, int, int, int] | None


quote_st = st.none() | st.tuples(st.integers(97, 103), st.integers(98, 104), st.integers(0, 9), st.integers(0, 9))
tick_st = st.builds(
    lambda gap, price, size, side, quote: (gap, price, size, side, quote),
    st.integers(0, 14).map(lambda n: 50 * n),  # often on the very edge of a bar
    st.integers(98, 103),
    st.integers(0, 5),
    st.integers(-1, 1),
    quote_st,
)


@st.composite
def feeds(draw: st.DrawFn, most: int = 60) -> list[Tick]:
    ts, ticks = 5_000, []
    for gap, *rest in draw(st.lists(tick_st, min_size=1, max_size=most)):
        ts += gap
        ticks.append(Tick(ts, *rest))
    return ticks


def push(made: TickBars, ticks: list[Tick], first: int = 1, *, quoted: bool = True) -> Bars:
    quotes = np.zeros(len(ticks), QUOTE)
    quotes["bid_size"] = -1
    for i, tick in enumerate(ticks):
        if tick.quote is not None:
            quotes[i] = tick.quote
    ts, price, size = (np.array([getattr(t, name) for t in ticks], np.int64) for name in ("ts", "price", "size"))
    side, rows = np.array([t.side for t in ticks], np.int8), np.arange(first, first + len(ticks))
    return made.push(ts, price, size, side, rows, quotes if quoted else None)


def bars_of(ticks: list[Tick], cuts: list[int] | None = None, *, quoted: bool = True) -> Bars:
    """All bars of a feed, pushed in pieces."""
    made, edges = TickBars(STEP, quotes=quoted), [0, *sorted(cuts or []), len(ticks)]
    parts = [push(made, ticks[a:b], a + 1, quoted=quoted) for a, b in pairwise(edges)]
    return np.concatenate([*parts, made.close()])


def slowly(ticks: list[Tick], *, quoted: bool = True) -> list[dict[str, int]]:
    """The definition, written out over whole lists: nothing of it is shared with the kernel."""
    sides, changes = [], 0
    trades = [t for t in ticks if t.size]
    for before, tick in zip([None, *trades], trades, strict=False):
        if before is not None and before.price != tick.price:
            changes = 1 if tick.price > before.price else -1
        sides.append((tick, tick.side or changes, tick.side == 0 and changes != 0))
    flow = []
    book: tuple[int, int, int, int] | None = None
    for tick in ticks:
        e = 0
        if quoted and tick.quote is not None:
            bid, ask, bid_size, ask_size = tick.quote
            new = tick.quote if bid_size > 0 and ask_size > 0 and ask > bid else None
            if book and new:
                e += (bid >= book[0]) * bid_size - (bid <= book[0]) * book[2]
                e += (ask >= book[1]) * book[3] - (ask <= book[1]) * ask_size
            book = new
        flow.append((tick, e, book))
    out = []
    for start in sorted({t.ts // STEP for t in trades}):
        mine = [one for one in sides if one[0].ts // STEP == start]
        seen = [one for one in flow if one[0].ts // STEP == start]
        prices, sizes = [t.price for t, _, _ in mine], [t.size for t, _, _ in mine]
        last = seen[-1][2]
        values = [start * STEP, prices[0], max(prices), min(prices), prices[-1], sum(sizes), len(mine)]
        values += [sum(t.size for t, side, _ in mine if side == want) for want in (-1, 1)]
        values += [sum(t.size for t, _, inferred in mine if inferred), max(sizes)]
        values += [last[1] - last[0], last[2], last[3]] if last else [-1, 0, 0]
        values += [sum(e for _, e, _ in seen), int(quoted), ticks.index(mine[0][0]) + 1, len(mine)]
        out.append(dict(zip(FIELDS, values, strict=True)))
    return out


def told(bars: Bars) -> list[dict[str, int]]:
    return [dict(zip(FIELDS, map(int, bar), strict=True)) for bar in bars]


@pytest.mark.kernel
@settings(max_examples=200)
@given(ticks=feeds(), quoted=st.booleans())
def test_bars_are_their_definition(ticks: list[Tick], quoted: bool) -> None:
    bars = bars_of(ticks, quoted=quoted)
    assert told(bars) == slowly(ticks, quoted=quoted)
    assert (bars["bid_volume"] + bars["ask_volume"] <= bars["volume"]).all()
    assert (bars["inferred_volume"] <= bars["bid_volume"] + bars["ask_volume"]).all()
    assert bars["volume"].sum() == sum(tick.size for tick in ticks)
    assert bars["count"].sum() == sum(tick.size > 0 for tick in ticks)


@settings(max_examples=150)
@given(data=st.data(), ticks=feeds(), quoted=st.booleans())
def test_any_chunks_give_the_same_bars(data: st.DataObject, ticks: list[Tick], quoted: bool) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(ticks)), max_size=6))
    assert np.array_equal(bars_of(ticks, cuts, quoted=quoted), bars_of(ticks, quoted=quoted))


@settings(max_examples=150)
@given(data=st.data(), ticks=feeds(), later=feeds())
def test_a_bar_knows_nothing_of_what_comes_after_it(data: st.DataObject, ticks: list[Tick], later: list[Tick]) -> None:
    end = (ticks[data.draw(st.integers(0, len(ticks) - 1))].ts // STEP + 1) * STEP
    before = [tick for tick in ticks if tick.ts < end]
    other = [Tick(end + t.ts, t.price, t.size, t.side, t.quote) for t in later]
    whole, mixed = bars_of(ticks), bars_of(before + other)
    assert np.array_equal(whole[whole["ts_ns"] < end], mixed[mixed["ts_ns"] < end])
    assert np.array_equal(whole[whole["ts_ns"] < end], bars_of(before))


def trade(ts: int, price: int, size: int = 1, side: int = 0) -> Tick:
    return Tick(ts, price, size, side, None)


def test_the_tick_rule_goes_by_the_last_change_of_price_and_carries_over_bars() -> None:
    ticks = [trade(1, 100), trade(2, 100), trade(3, 101, 2), trade(4, 101, 3), trade(1500, 101, 4), trade(1600, 99, 5)]
    first, second = told(bars_of(ticks, quoted=False))
    assert (first["volume"], first["bid_volume"], first["ask_volume"], first["inferred_volume"]) == (7, 0, 5, 5)
    assert (second["bid_volume"], second["ask_volume"], second["inferred_volume"]) == (5, 4, 9)
    (alone,) = told(bars_of(ticks[4:5], quoted=False))
    assert (alone["bid_volume"], alone["ask_volume"], alone["inferred_volume"]) == (0, 0, 0)


def test_a_tick_on_the_edge_belongs_to_the_bar_that_begins() -> None:
    bars = bars_of([trade(999, 100), trade(1000, 101), trade(1999, 102), trade(2000, 103)], quoted=False)
    assert bars["ts_ns"].tolist() == [0, 1000, 2000]
    assert bars["close"].tolist() == [100, 102, 103]


def test_told_sides_move_the_tick_rule_but_are_not_inferred() -> None:
    (bar,) = told(bars_of([trade(1, 100, 2, -1), trade(2, 101, 3, -1), trade(3, 101, 4)], quoted=False))
    assert (bar["bid_volume"], bar["ask_volume"], bar["inferred_volume"]) == (5, 4, 4)


@pytest.mark.parametrize(
    ("after", "e"),
    [
        ((100, 101, 7, 5), 2),  # two more bid for
        ((100, 101, 5, 7), -2),
        ((100, 101, 3, 5), -2),  # two bids gone
        ((101, 102, 4, 6), 4 + 5),  # both prices up: the new bid, and the old offer lifted
        ((99, 101, 9, 5), -5),  # the old bid gone
        ((100, 102, 5, 6), 5),  # the old offer gone
        ((100, 101, 5, 5), 0),
    ],
)
def test_order_flow_imbalance(after: tuple[int, int, int, int], e: int) -> None:
    ticks = [Tick(1, 0, 0, 0, (100, 101, 5, 5)), Tick(2, 0, 0, 0, after), trade(3, 100)]
    (bar,) = told(bars_of(ticks))
    assert (bar["imbalance"], bar["spread"]) == (e, after[1] - after[0])


def test_a_book_that_is_not_whole_has_no_quote() -> None:
    crossed = Tick(2, 0, 0, 0, (102, 101, 5, 5))
    (bar,) = told(bars_of([Tick(1, 0, 0, 0, (100, 101, 5, 5)), trade(1, 100), crossed]))
    assert (bar["spread"], bar["bid_size"], bar["ask_size"], bar["quoted"]) == (-1, 0, 0, 1)
    (bar,) = told(bars_of([crossed, Tick(3, 0, 0, 0, (100, 101, 5, 6)), trade(3, 100)]))
    assert (bar["spread"], bar["imbalance"], bar["ask_size"]) == (1, 0, 6)


def test_the_last_quote_stands_in_the_next_bar() -> None:
    first, second = told(bars_of([Tick(1, 100, 1, 1, (100, 102, 3, 4)), trade(1500, 101)]))
    assert (first["spread"], second["spread"], second["bid_size"], second["imbalance"]) == (2, 2, 3, 0)


def test_going_back_in_time_names_the_row() -> None:
    with pytest.raises(BadInput, match="row 3: its stamp 1970-01-01T00:00:00Z is earlier"):
        bars_of([trade(5, 100), trade(9_000_000, 100), trade(8, 100)])
    made = TickBars(STEP)
    push(made, [trade(5, 100)], quoted=False)
    with pytest.raises(BadInput, match="row 2"):
        push(made, [trade(4, 100)], 2, quoted=False)


def test_nothing_gives_nothing() -> None:
    made = TickBars(STEP)
    assert len(push(made, [], quoted=False)) == 0
    assert len(made.close()) == 0
    push(made, [trade(1, 1)], quoted=False)
    assert (len(made.close()), len(made.close())) == (1, 0)


def test_quotes_are_for_feeds_made_for_them() -> None:
    with pytest.raises(ValueError, match="quotes"):
        push(TickBars(STEP), [trade(1, 1)], quoted=True)
    with pytest.raises(ValueError, match="quotes"):
        push(TickBars(STEP, quotes=True), [trade(1, 1)], quoted=False)


def test_as_rows_of_an_import() -> None:
    whole, broken = Tick(1, 400, 2, 1, (399, 401, 3, 4)), Tick(1500, 402, 1, 0, (400, 400, 3, 4))
    rows = to_frame(bars_of([whole, broken]), Decimal("0.25"), "ESU24").to_dicts()
    first: dict[str, Any] = {"row": 1, "ts_ns": 0, "contract": "ESU24", "open": 100.0, "volume": 2, "ask_volume": 2}
    assert rows[0].items() >= (first | {"spread": 0.5, "bid_size": 3, "imbalance": 0, "count": 1}).items()
    assert rows[1].items() >= {"close": 100.5, "spread": None, "ask_size": None, "imbalance": 0, "row": 2}.items()
    alone = to_frame(bars_of([whole], quoted=False), Decimal("0.25"), None).row(0, named=True)
    assert [alone[name] for name in ("contract", "spread", "bid_size", "imbalance")] == [None] * 4
