"""Databento's ticks: real files against each other, books, several instruments, what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.lake.files import dbn_ticks
from scalper.lake.files.dbn import pieces, records
from scalper.lake.files.dbn_ticks import NO_TRADE
from scalper.lake.files.readers import OTHER, OUTSIDE, SPREAD
from tests.lake.tick_files import DOUBTED, ESZ4, NQU4, OPEN, QUARTER, bars, quoted, record, write
from tests.lake.tick_files import SPREAD as SPREAD_ID

OHLCV = ("ts_ns", "open", "high", "low", "close", "volume")
FLOW = ("trades", "bid_volume", "ask_volume", "inferred_volume", "largest")
S = 1_000_000_000


# ---------------------------------------------------------------- real files


def test_real_trades_agree_with_the_real_minutes(real_data: Path) -> None:
    """Volume for volume; Databento documents that its bars go by ts_recv."""
    folder = real_data / "dbn_real"
    made, dropped = bars(folder / "esu4_2024-07-01.trades.dbn.zst", "1m")
    (told,) = records(folder / "esu4_nqu4_2024-07-01.ohlcv-1m.dbn.zst")
    told = told[(told["instrument_id"] == 118) & np.isin(told["ts_event"], made["ts_ns"].to_numpy().astype(np.uint64))]
    assert (len(told), made["volume"].sum(), dropped) == (4, 253, {})
    assert told["ts_event"].tolist() == made["ts_ns"].to_list()
    assert told["volume"].tolist() == made["volume"].to_list()
    for name in ("open", "high", "low", "close"):
        assert (told[name] / 1e9).tolist() == made[name].to_list()


@pytest.mark.parametrize("interval", ["1s", "15s", "1m"])
def test_real_quotes_hold_the_same_trades(real_data: Path, interval: str) -> None:
    folder = real_data / "dbn_real"
    trades, _ = bars(folder / "esu4_2024-07-01.trades.dbn.zst", interval)
    quotes, dropped = bars(folder / "esu4_2024-07-01.mbp-1.dbn.zst", interval)
    assert quotes.select(*OHLCV, *FLOW).equals(trades.select(*OHLCV, *FLOW))
    assert dropped == {NO_TRADE: 2288 - 120}
    assert (quotes["bid_volume"] + quotes["ask_volume"]).equals(quotes["volume"])
    assert quotes["inferred_volume"].sum() == 0
    assert (quotes["spread"] > 0).all()
    assert quotes.select("bid_size", "ask_size", "imbalance").null_count().sum_horizontal().sum() == 0
    assert trades.select("spread", "bid_size", "ask_size", "imbalance").null_count().row(0) == (len(trades),) * 4


def test_real_orders(real_data: Path) -> None:
    """The book of a whole session, rebuilt from a snapshot of the day before and 60,000 orders, is never crossed."""
    path = real_data / "dbn_real" / "esh4_2023-12-25.mbo.dbn.zst"
    (raw,) = records(path)
    trades = raw[raw["action"] == b"T"]
    made, dropped = bars(path)
    assert (len(raw), dropped) == (68_792, {NO_TRADE: 68_792 - 2_973})
    assert (made["count"].sum(), made["volume"].sum()) == (2_973, int(trades["size"].sum()))
    assert made["contract"].unique().to_list() == ["ESH24"]
    assert made["ask_volume"].sum() == int(trades["size"][trades["side"] == b"B"].sum())
    assert (made["volume"] - made["bid_volume"] - made["ask_volume"]).to_list() == [44, *[0] * (len(made) - 1)], (
        "of the opening auction nobody is the aggressor, and no price was there before it"
    )
    assert made["spread"].null_count() == 0
    assert set(made["spread"].unique()) == {0.25, 0.5, 0.75}
    inside = (made["close"] >= made["low"]) & (made["bid_size"] > 0) & (made["ask_size"] > 0)
    assert inside.all()


@pytest.mark.parametrize("schema", ["trades", "tbbo", "mbp-1"])
def test_every_version(real_data: Path, schema: str) -> None:
    folder = real_data / "dbn_edge_cases"
    found = [bars(folder / f"test_data.{schema}.{end}") for end in ("dbn", "v1.dbn.zst", "v2.dbn.zst", "v3.dbn.zst")]
    frame, dropped = found[0]
    assert all(one.equals(frame) and why == dropped for one, why in found)
    if schema == "mbp-1":
        assert (len(frame), dropped) == (0, {NO_TRADE: 2})
        return
    bar = frame.row(0, named=True)
    assert (bar["contract"], bar["volume"], bar["bid_volume"], bar["largest"]) == ("ESH21", 26, 26, 21)
    assert (bar["spread"], bar["imbalance"]) == ((0.25 if schema == "tbbo" else None), None)


# ------------------------------------------------------------------ accounts


@pytest.mark.kernel
def test_instruments_side_by_side(tmp_path: Path) -> None:
    rows = [
        record(100, "T", "B", 22_000, 3),
        record(200, "T", "A", 22_100, 5, instrument_id=ESZ4),
        record(300, "T", "B", 80_000, 7, instrument_id=NQU4),
        record(400, "T", "B", 40, 9, instrument_id=SPREAD_ID),
        record(500, "T", "N", 22_001, 2),
        record(600, "C", "A", 0, 1, instrument_id=NQU4),
        record(-200, "T", "B", 22_000, 1),
    ]
    rows.sort(key=lambda row: row["at"])
    made, dropped = bars(write(tmp_path / "t.dbn.zst", "trades", rows))
    assert dropped == {OTHER: 2, SPREAD: 1, OUTSIDE: 1}
    assert made["contract"].to_list() == ["ESU24", "ESZ24"]
    assert made["volume"].to_list() == [5, 5]
    assert made["inferred_volume"].to_list() == [2, 0]
    assert made["bid_volume"].to_list() == [0, 5]
    assert made["row"].to_list() == [2, 3]


def test_bars_go_by_the_stamp_of_receipt(tmp_path: Path) -> None:
    """ts_recv, as Databento documents of its own bars; by ts_event the first would lie before the session."""
    rows = [record(0, "T", "B", 22_000, 3, ts_event=OPEN - 1), record(1000, "T", "B", 22_000, 4, ts_event=OPEN + S - 1)]
    made, dropped = bars(write(tmp_path / "t.dbn.zst", "trades", rows))
    assert (made["ts_ns"].to_list(), made["volume"].to_list(), dropped) == ([OPEN, OPEN + S], [3, 4], {})


def test_a_session_is_made_of_its_own_ticks(tmp_path: Path) -> None:
    """A file of two sessions gives the second one the bars that a file of that one gives: no state is carried over."""
    day = 24 * 3600 * 1000
    first = [quoted(record(t, "T", "N", 22_000 + t % 3, 1), 21_999, 22_001, 5, 5) for t in range(0, 4000, 500)]
    second = [quoted(one, 22_010, 22_012, 2, 3) | {"at": one["at"] + day} for one in first]
    both, _ = bars(write(tmp_path / "both.dbn.zst", "mbp-1", first + second))
    alone, _ = bars(write(tmp_path / "alone.dbn.zst", "mbp-1", second))
    assert both.filter(pl.col("ts_ns") >= OPEN + day * 1_000_000).drop("row").equals(alone.drop("row"))


@pytest.mark.kernel
def test_bars_of_quotes(tmp_path: Path) -> None:
    """A trade's book is the one before it, any other record's the one after it; inside an event none counts."""
    rows = [
        quoted(record(0, "A", "B"), 100, 102, 5, 6),
        quoted(record(10, "T", "B", 102, 4, flags=0), 100, 102, 5, 6),
        quoted(record(20, "C", "A", flags=0), 100, 101, 9, 9),
        quoted(record(30, "C", "A"), 100, 102, 5, 2),
        quoted(record(1000, "M", "A"), 101, 103, 1, 7),
        quoted(record(1010, "T", "A", 101, 1, flags=0), 101, 103, 1, 7),
        quoted(record(2000, "T", "A", 101, 1), 101, 103, 1, 7) | {"flags": DOUBTED},
    ]
    made, dropped = bars(write(tmp_path / "q.dbn.zst", "mbp-1", rows))
    assert dropped == {NO_TRADE: 4}
    assert made["spread"].to_list() == [0.5, 0.5, None]
    assert made["bid_size"].to_list() == [5, 1, None]
    assert made["ask_size"].to_list() == [2, 7, None]
    assert made["imbalance"].to_list() == [4, 1 + 2, 0]
    ten, _ = bars(write(tmp_path / "q10.dbn.zst", "mbp-10", rows))
    assert ten.equals(made)


@pytest.mark.kernel
def test_bars_of_orders(tmp_path: Path) -> None:
    rows = [
        record(-9000, "R", flags=40),
        record(-9000, "A", "B", 100, 5, order_id=1, flags=40),
        record(-9000, "A", "A", 102, 6, order_id=2, flags=40),
        record(0, "A", "B", 101, 2, order_id=3),
        record(5, "A", "N", 101, 7, order_id=4),
        record(10, "T", "A", 101, 2, flags=0),
        record(10, "F", "B", 101, 2, order_id=3, flags=0),
        record(10, "C", "B", 101, 2, order_id=3),
        record(20, "C", "A", 102, 6, order_id=2, flags=0),  # no offer for a moment inside an event: nobody saw that
        record(20, "A", "A", 102, 4, order_id=5),
        record(1000, "T", "B", 102, 1, flags=0),
        record(1000, "F", "A", 102, 1, order_id=5, flags=0),
        record(1000, "M", "A", 102, 3, order_id=5),
        record(2000, "C", "A", 102, 3, order_id=5),
        record(2010, "T", "B", 102, 1),
    ]
    made, dropped = bars(write(tmp_path / "o.dbn.zst", "mbo", rows))
    assert dropped == {NO_TRADE: 12}
    assert made["volume"].to_list() == [2, 1, 1]
    assert made["spread"].to_list() == [0.5, 0.5, None]
    assert made["bid_size"].to_list() == [5, 5, None]
    assert made["ask_size"].to_list() == [4, 3, None]
    assert made["imbalance"].to_list() == [-2 + 2, 1, 0], "the snapshot is no order flow: it lies before the session"


@settings(max_examples=60)
@given(data=st.data())
def test_any_pieces_of_a_file_give_the_same_bars(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    size = data.draw(st.integers(1, 40))
    rows, at = [], 0
    for number in range(size):
        at += int(random.integers(0, 600))
        action, side = str(random.choice(list("AACMTTFR"))), str(random.choice(list("ABN")))
        more = {"order_id": number // 2, "instrument_id": int(random.choice([1, 1, 2, 3, 4]))}
        rows.append(record(at, action, side, int(random.integers(95, 105)), int(random.integers(1, 9)), **more))
    path = write(tmp_path_factory.mktemp("pieces") / "m.dbn.zst", "mbo", rows)
    whole = bars(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbn_ticks, "pieces", partial(pieces, rows=data.draw(st.integers(1, 12))))
        parts = bars(path)
    assert parts[0].sort("ts_ns", "contract").equals(whole[0])
    assert parts[1] == whole[1]


# ------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": 22_000 * QUARTER + 1}, r"row 2: its price \(5500\) does not lie on the tick grid of 0.25"),
        ({"price": 2**63 - 1}, r"row 2: its price \(none\) does not lie"),
        ({"size": 2**32 - 1}, r"row 2: its size is beyond any market \(4294967295\)"),
        ({"at": -5}, "row 2: its stamp 2024-07-01T21:59:59Z is earlier than that of the tick before it"),
        ({"instrument_id": 99}, "row 2: instrument id 99 is not in the file's symbol mappings"),
    ],
)
@pytest.mark.parametrize("schema", ["trades", "mbo"])
def test_what_is_refused(tmp_path: Path, schema: str, change: dict[str, Any], message: str) -> None:
    rows = [record(0, "T", "B", 22_000, 1), record(10, "T", "B", 22_000, 1) | change]
    with pytest.raises(BadInput, match=f"t.dbn.zst: {message}"):
        bars(write(tmp_path / "t.dbn.zst", schema, rows))


def test_orders_off_the_grid_or_too_far_apart(tmp_path: Path) -> None:
    far = [record(0, "A", "B", 100, 1, order_id=1), record(1, "A", "A", 2**23, 1, order_id=2)]
    with pytest.raises(BadInput, match=r"o.dbn.zst: an order at 8388608 ticks lies .* the file is damaged"):
        bars(write(tmp_path / "o.dbn.zst", "mbo", far))
    with pytest.raises(BadInput, match="row 1: its price"):
        bars(write(tmp_path / "p.dbn.zst", "mbo", [record(0, "A", "B", 100, 1) | {"price": 3}]))
