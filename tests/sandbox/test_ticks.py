"""Ticks: what they add up to, the book around them, the same every time, and that they tell nothing of what follows."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import databento_dbn as dbn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.market import BAR
from scalper.market.ticks import TickBars
from scalper.sandbox import SimulatedMarket, tick_kernel
from scalper.sandbox.dbn import KINDS, MBP1, TRADE, Records
from scalper.sandbox.tick_kernel import BOOK, MOST_RECORDS
from scalper.sandbox.ticks import quotes_and_trades, trades, with_quotes

SECOND, MINUTE = 1_000_000_000, 60_000_000_000
TICK = 250_000_000

kernel = cast(Any, tick_kernel)


@pytest.fixture(scope="module")
def made(roll_market: SimulatedMarket) -> SimpleNamespace:
    """A session of the leading contract and one of a thin one."""
    session = roll_market.sessions[2]
    names = roll_market.contracts(session)
    both = {name: (roll_market.bars(name, session), quotes_and_trades(roll_market, name, session)) for name in names}
    return SimpleNamespace(session=session, names=names, both=both)


def summed(records: Records) -> dict[str, np.ndarray]:
    """Trades to one-second bars by plain numpy, by the stamp of receipt."""
    at = records["ts_recv"].astype(np.int64) // SECOND * SECOND
    ts, first = np.unique(at, return_index=True)
    price = records["price"] // TICK
    return {
        "ts_ns": ts,
        "open": price[first],
        "high": np.maximum.reduceat(price, first),
        "low": np.minimum.reduceat(price, first),
        "close": price[np.append(first[1:], len(price)) - 1],
        "volume": np.add.reduceat(records["size"].astype(np.int64), first),
    }


def check_bars(records: Records, bars: np.ndarray) -> None:
    for name, values in summed(records).items():
        np.testing.assert_array_equal(values, bars[name], err_msg=name)


def check_book(records: Records, tick: int = TICK) -> None:
    """Stamps and numbers ascend; the book is whole; a trade is at the touch and takes from what stands there."""
    event, receipt = records["ts_event"].astype(np.int64), records["ts_recv"].astype(np.int64)
    assert (np.diff(event) >= 0).all()
    assert (np.diff(receipt) > 0).all()
    assert (np.diff(records["sequence"].astype(np.int64)) == 1).all()
    assert (receipt > event).all()
    assert (receipt // SECOND == event // SECOND).all()
    assert (records["ask_px_00"] - records["bid_px_00"] >= tick).all()
    for name in ("bid_sz_00", "ask_sz_00", "bid_ct_00", "ask_ct_00", "size"):
        assert records[name].min() > 0, name
    assert (records["bid_ct_00"] <= records["bid_sz_00"]).all()
    traded = np.flatnonzero(records["action"] == b"T")
    told, after = records[traded], records[traded + 1]
    buys = told["side"] == b"B"
    assert (told["price"] == np.where(buys, told["ask_px_00"], told["bid_px_00"])).all()
    touched = np.where(buys, told["ask_sz_00"], told["bid_sz_00"]).astype(np.int64)
    left = np.where(buys, after["ask_sz_00"], after["bid_sz_00"]).astype(np.int64)
    assert (left == touched - told["size"]).all()
    assert (after["action"] == b"C").all()
    assert (after["ts_event"] == told["ts_event"]).all()
    assert set(told["flags"]) == {0}
    assert set(records["flags"][records["action"] != b"T"]) == {130}


def test_the_records_are_laid_out_as_databento_does() -> None:
    common = {
        "publisher_id": 1,
        "instrument_id": 2,
        "ts_event": 3,
        "price": 4,
        "size": 5,
        "action": dbn.Action.TRADE,
        "side": dbn.Side.BID,
        "depth": 6,
        "ts_recv": 7,
        "flags": 8,
        "ts_in_delta": 9,
        "sequence": 10,
    }
    (trade,) = np.frombuffer(bytes(dbn.TradeMsg(**common)), TRADE)
    assert trade.tolist() == (12, 0, 1, 2, 3, 4, 5, b"T", b"B", 8, 6, 7, 9, 10)
    level = dbn.BidAskPair(bid_px=11, ask_px=12, bid_sz=13, ask_sz=14, bid_ct=15, ask_ct=16)
    (quote,) = np.frombuffer(bytes(dbn.MBP1Msg(**common, levels=level)), MBP1)
    assert quote.tolist() == (20, 1, *trade.tolist()[2:], 11, 12, 13, 14, 15, 16)
    assert {name: kind.itemsize for name, kind in KINDS.items()} == {
        **dict.fromkeys(("ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"), 56),
        "trades": 48,
        "tbbo": 80,
        "mbp-1": 80,
        "definition": 520,
        "status": 40,
    }


def test_the_trades_of_a_second_are_its_bar(made: SimpleNamespace) -> None:
    for bars, records in made.both.values():
        check_bars(trades(records), bars)
        check_book(records)


def test_our_own_bars_of_these_ticks_agree(made: SimpleNamespace) -> None:
    bars, records = made.both[made.names[0]]
    told = trades(records)
    side = np.where(told["side"] == b"B", 1, -1).astype(np.int8)
    feed = TickBars(SECOND)
    rows = np.arange(len(told), dtype=np.int64)
    given = (told["ts_recv"].astype(np.int64), told["price"] // TICK, told["size"].astype(np.int64), side, rows)
    got = np.concatenate([feed.push(*given), feed.close()])
    for name in ("ts_ns", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(got[name], bars[name], err_msg=name)
    assert (got["bid_volume"] + got["ask_volume"] == got["volume"]).all()
    assert got["inferred_volume"].sum() == 0


def test_tbbo_and_trades_are_parts_of_mbp1(made: SimpleNamespace) -> None:
    _, records = made.both[made.names[0]]
    told, bare = with_quotes(records), trades(records)
    np.testing.assert_array_equal(told, records[records["action"] == b"T"])
    for name in (TRADE.names or ())[2:]:
        np.testing.assert_array_equal(bare[name], told[name])
    assert set(bare["length"]) == {12}
    assert set(bare["rtype"]) == {0}


def test_realistic_quotes(made: SimpleNamespace) -> None:
    bars, records = made.both[made.names[0]]
    spread = (records["ask_px_00"] - records["bid_px_00"]) // TICK
    assert 0.8 < (spread == 1).mean() < 1.0
    assert spread.max() < 10
    assert 2.0 < len(trades(records)) / len(bars) < 10.0
    assert 3.0 < len(records) / len(trades(records)) < 5.0
    assert abs((records["side"][records["action"] == b"T"] == b"B").mean() - 0.5) < 0.02
    assert 10 < records["bid_sz_00"].mean() < 40


def test_the_order_of_calls_changes_nothing(made: SimpleNamespace) -> None:
    span = {"start": date(2025, 3, 10), "end": date(2025, 3, 14)}
    market = SimulatedMarket(seed=3, edge=1.0, **span)
    for name in reversed(made.names):
        records = quotes_and_trades(market, name, market.sessions[2])
        assert records.tobytes() == made.both[name][1].tobytes()
    other = SimulatedMarket(seed=4, edge=1.0, **span)
    assert quotes_and_trades(other, made.names[0], other.sessions[2]).tobytes() != made.both[made.names[0]][1].tobytes()


def test_quotes_tell_nothing_of_what_follows(null_market: SimulatedMarket) -> None:
    """At edge 0, over a week: no figure of a second's end goes with the move of the seconds after it."""
    moves: dict[int, list[np.ndarray]] = {1: [], 10: []}
    signs: dict[int, list[np.ndarray]] = {1: [], 10: []}
    for session in null_market.sessions[20:25]:
        contract = null_market.front(session, "monday")
        records, close = quotes_and_trades(null_market, contract, session), null_market.bars(contract, session)["close"]
        at = records["ts_recv"].astype(np.int64) // SECOND
        first = np.flatnonzero(np.append(True, np.diff(at) > 0))
        last = records[np.append(first[1:], len(records)) - 1]
        flow = np.where(records["action"] == b"T", np.where(records["side"] == b"B", 1.0, -1.0) * records["size"], 0.0)
        sizes = last["bid_sz_00"].astype(float) - last["ask_sz_00"]
        middle = (last["bid_px_00"] + last["ask_px_00"]) / 2 / TICK - close
        seen = np.stack([np.sign(sizes), np.sign(np.add.reduceat(flow, first)), middle])
        for ahead in moves:
            moves[ahead].append((close[ahead:] - close[:-ahead])[::ahead])
            signs[ahead].append(seen[:, :-ahead][:, ::ahead])
    for ahead in moves:
        move, seen = np.concatenate(moves[ahead]), np.concatenate(signs[ahead], axis=1)
        z = [np.corrcoef(one, move)[0, 1] * len(move) ** 0.5 for one in seen]
        assert np.abs(z).max() < 4.0, (ahead, z)


@st.composite
def seconds(draw: st.DrawFn) -> np.ndarray:
    """A few bars within two minutes, of any shape, with any volume above 0."""
    n = draw(st.integers(1, 12))
    at = sorted(draw(st.sets(st.integers(0, 119), min_size=n, max_size=n)))
    bars = np.zeros(n, BAR)
    for i, second in enumerate(at):
        four = sorted(draw(st.lists(st.integers(1000, 1009), min_size=4, max_size=4)))
        o, c = draw(st.permutations(four[1:3]))
        bars[i]["ts_ns"], bars[i]["volume"] = second * SECOND, draw(st.integers(1, 40))
        bars[i]["open"], bars[i]["high"], bars[i]["low"], bars[i]["close"] = o, four[3], four[0], c
    return bars


@settings(max_examples=200, deadline=None)
@given(seconds(), st.integers(0, 2**32))
def test_any_bars_come_back(bars: np.ndarray, seed: int) -> None:
    before = bars.copy()
    kernel.settle(bars)
    need = 1 + (bars["high"] != bars["low"]).astype(int)
    need += bars["high"] > np.maximum(bars["open"], bars["close"])
    need += bars["low"] < np.minimum(bars["open"], bars["close"])
    assert (bars["volume"] >= need).all()
    for minute in (0, 1):
        part = bars["ts_ns"] // MINUTE == minute
        assert bars["volume"][part].sum() == max(before["volume"][part].sum(), need[part].sum())
    for name in ("ts_ns", "open", "high", "low", "close"):
        np.testing.assert_array_equal(bars[name], before[name])
    rng = np.random.default_rng(seed)
    number = kernel.counts(rng, bars, 4.0, 50)
    plain = np.dtype([(name, "u1" if kind == "|S1" else kind) for name, kind in MBP1.descr])
    out, state = np.zeros(number.sum() * MOST_RECORDS, plain), np.zeros(1, BOOK)
    state["bid"], state["ask"], state["bid_size"], state["ask_size"] = 1000, 1002, 5, 5
    wrote = kernel.ticks(rng, bars, number, TICK, (0.8, 0.7), (0.2, 9.0, 0.5), state, out)
    records = out[:wrote].view(MBP1)
    check_bars(trades(records), bars)
    check_book(records)
