"""Trades of text files to bars: contracts, sessions, what is dropped and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.lake.files.readers import CLOCK, OUTSIDE, UNTRADED, Chunk
from scalper.lake.files.tickfeed import bars_of_ticks
from scalper.market import INTERVALS, session
from tests.lake.support import a_session

NEAR, NEXT = a_session("2026-11-18"), a_session("2026-11-19")
MS = 1_000_000
SCHEMA = {"row": pl.Int64, "ts_ns": pl.Int64, "price": pl.Float64, "size": pl.Int64, "contract": pl.String}


def trades(rows: Sequence[tuple[Any, ...]], **columns: Any) -> Chunk:
    """Rows (ts_ns, price, size, contract), numbered from 2 on as those of a file with a heading."""
    frame = pl.DataFrame([(2 + i, *row) for i, row in enumerate(rows)], SCHEMA, orient="row")
    return Chunk(frame.with_columns(**columns), len(rows))


def fed(chunks: Sequence[Chunk], interval: str = "1s") -> tuple[pl.DataFrame, Counter[str]]:
    """Bars and dropped ticks; together all that was read."""
    out = list(bars_of_ticks(chunks, "MES", interval, Path("t.csv")))
    frame = pl.concat([chunk.frame for chunk in out])
    dropped = sum((Counter[str](chunk.dropped) for chunk in out), Counter[str]())
    assert sum(chunk.read for chunk in chunks) == frame["count"].sum() + dropped.total()
    return frame, dropped


def at(ms: int) -> int:
    return NEAR.open_ns + ms * MS


def test_every_tick_is_accounted_for() -> None:
    rows = [
        (NEAR.open_ns - 1, 6000.0, 1, "MESZ26"),
        (at(0), 6000.0, 2, "MESZ26"),
        (at(1), 6000.25, 0, "MESZ26"),
        (at(1), 6050.0, 3, "MESH27"),
        (at(999), 6000.25, 4, "MESZ26"),
        (at(2000), 6000.25, 5, "MESZ26"),
        (NEAR.close_ns, 6000.25, 1, "MESZ26"),
    ]
    chunk = trades(rows)
    frame, dropped = fed([Chunk(chunk.frame, chunk.read + 3, {CLOCK: 3})])
    assert dropped == {OUTSIDE: 2, UNTRADED: 1, CLOCK: 3}
    assert frame.select("row", "contract", "volume", "ask_volume", "count").rows() == [
        (3, "MESZ26", 6, 4, 2),
        (5, "MESH27", 3, 0, 1),
        (7, "MESZ26", 5, 5, 1),
    ]
    assert frame["inferred_volume"].sum() == 9


def test_ticks_inside_a_halt_are_outside() -> None:
    day = session("ES", date(2021, 6, 25))
    ((start, end),) = day.halts
    rows = [(start - 1, 4270.0, 1, "ESU21"), (start, 4270.0, 2, "ESU21"), (end, 4270.0, 4, "ESU21")]
    frame, dropped = fed([trades(rows)])
    assert (frame["volume"].to_list(), dropped) == ([1, 4], {OUTSIDE: 1})


def test_sides_that_are_told() -> None:
    rows = [(at(0), 6000.0, 2, None), (at(1), 6000.25, 3, None), (at(2), 6000.25, 4, None)]
    frame, _ = fed([trades(rows, side=pl.Series([1, -1, None]))])
    (bar,) = frame.to_dicts()
    assert (bar["contract"], bar["ask_volume"], bar["bid_volume"], bar["inferred_volume"]) == (None, 6, 3, 4)


def test_each_session_begins_anew() -> None:
    """The first trades of a session have no side by the tick rule, whatever the session before ended with."""
    rows = [(at(0), 6000.0, 1, None), (at(1), 6000.25, 1, None), (NEXT.open_ns, 6000.5, 7, None)]
    frame, _ = fed([trades(rows)], "1h")
    assert frame["ask_volume"].to_list() == [1, 0]
    assert frame["ts_ns"].to_list() == [NEAR.open_ns, NEXT.open_ns]


tick_st = st.tuples(st.integers(0, 900), st.integers(-4, 4), st.integers(0, 5), st.sampled_from(["MESZ26", "MESH27"]))
ticks_st = st.lists(tick_st, min_size=1, max_size=40)


@settings(max_examples=100)
@given(data=st.data(), ticks=ticks_st, interval=st.sampled_from(["1s", "5s", "1m"]))
def test_any_chunks_give_the_same_bars(
    data: st.DataObject, ticks: list[tuple[int, int, int, str]], interval: str
) -> None:
    stamp, rows = NEAR.open_ns - 500 * MS, []
    for gap, price, size, contract in ticks:
        stamp += gap * MS
        rows.append((stamp, 6000 + price / 4, size, contract))
    whole = trades(rows)
    cut = data.draw(st.integers(0, len(rows)))
    parts = [Chunk(whole.frame[:cut], cut), Chunk(whole.frame[cut:], len(rows) - cut)]
    one, dropped = fed([whole], interval)
    two, again = fed(parts, interval)
    assert two.sort("ts_ns", "contract").equals(one.sort("ts_ns", "contract"))
    assert dropped == again
    inside = [row for row in rows if row[0] >= NEAR.open_ns]
    assert one["volume"].sum() == sum(row[2] for row in inside)
    assert (one["ts_ns"] % INTERVALS[interval] == 0).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((at(1), 6000.1, 1, None), r"t.csv: row 3: its price does not lie on the tick grid of 0.25.* \(6000.1, 1\)"),
        ((at(1), None, 1, None), "t.csv: row 3: its price does not lie"),
        ((at(1), float("nan"), 1, None), "t.csv: row 3: its price does not lie"),
        ((at(1), 6000.0, -1, None), "t.csv: row 3: its size is empty or negative"),
        ((at(1), 6000.0, None, None), "t.csv: row 3: its size is empty or negative"),
        ((None, 6000.0, 1, None), "t.csv: row 3: its stamp is empty"),
        ((at(1), 6000.0, 10**9 + 1, None), r"t.csv: row 3: its size is beyond any market \(1000000001\)"),
        ((at(1), 6000.0, 2**63 - 1, None), "t.csv: row 3: its size is beyond any market"),
        ((at(-1), 6000.0, 1, None), "t.csv: row 3: its stamp .* is earlier than that of the tick before it"),
    ],
)
def test_what_is_refused(row: tuple[Any, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        fed([trades([(at(0), 6000.0, 1, None), row])])


def test_a_later_chunk_may_not_go_back() -> None:
    with pytest.raises(BadInput, match="row 2: its stamp"):
        fed([trades([(at(5), 6000.0, 1, None)]), trades([(at(4), 6000.0, 1, None)])])


def test_an_interval_that_is_none() -> None:
    with pytest.raises(BadInput, match=r"t.csv: ticks become bars of 1s, .* 1h, not of 1d"):
        fed([trades([])], "1d")
