"""The times of a session by the end-of-day rules, in New York wall time, on ordinary and odd days."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.market import Session, session, sessions
from scalper.market.timetable import MINUTE_NS, TIMETABLE, since_open, timetable

RULES: dict[str, Any] = {
    "interval_ns": MINUTE_NS, "flat": time(16, 30), "before_stop_min": 30, "half_size_min": 30, "no_entry_min": 15,
    "exit_min": 5,
}  # fmt: skip
ALL = [one for symbol in ("MES", "MGC") for one in sessions(symbol, date(2018, 1, 2), date(2026, 6, 30))]


def row(day: Session, **changes: Any) -> np.ndarray:
    made = timetable(day, **(RULES | changes))
    assert made.dtype == TIMETABLE and made.shape == (1,)
    return made[0]


@pytest.mark.parametrize(
    ("symbol", "day", "flat"),
    [
        ("MES", date(2021, 7, 14), (16, 30)),
        ("MES", date(2021, 6, 25), (15, 45)),  # pause at 16:15
        ("MES", date(2021, 6, 28), (16, 30)),  # no more pauses
        ("MES", date(2021, 11, 26), (12, 45)),  # closes at 13:15
        ("MES", date(2021, 4, 2), (8, 45)),  # Good Friday: closes at 09:15
        ("MES", date(2021, 3, 15), (15, 45)),  # summer time began the night before; pause at 16:15
        ("MES", date(2026, 3, 9), (16, 30)),
        ("MES", date(2021, 11, 8), (16, 30)),  # winter time did
        ("MGC", date(2021, 6, 25), (16, 30)),  # metals do not pause
    ],
)
def test_flat_time(symbol: str, day: date, flat: tuple[int, int]) -> None:
    one = session(symbol, day)
    made = row(one)
    assert made["flat_ns"] == one.ny(*flat)
    assert [int(made["flat_ns"] - made[name]) // MINUTE_NS for name in ("half_ns", "no_entry_ns", "exit_ns")] == [
        30,
        15,
        5,
    ]


@pytest.mark.parametrize(("flat", "ends"), [(time(15, 10), (15, 10)), (time(16, 59), (16, 30))])
def test_the_earlier_of_wall_time_and_close_counts(flat: time, ends: tuple[int, int]) -> None:
    one = session("MES", date(2021, 7, 14))
    assert row(one, flat=flat)["flat_ns"] == one.ny(*ends)


@pytest.mark.parametrize(
    ("interval_min", "latency", "minutes"), [(1, 0, 5), (1, 4, 5), (1, 5, 6), (5, 0, 5), (5, 1, 10), (5, 2, 15)]
)
def test_exits_leave_time_for_a_bar_and_its_latency(interval_min: int, latency: int, minutes: int) -> None:
    made = row(session("MES", date(2021, 7, 14)), interval_ns=interval_min * MINUTE_NS, latency_bars=latency)
    assert made["flat_ns"] - made["exit_ns"] == minutes * MINUTE_NS
    assert made["interval_ns"] == interval_min * MINUTE_NS


def test_hours() -> None:
    one = session("MES", date(2021, 7, 14))
    regular, whole = row(one), row(one, regular_only=False)
    assert (regular["trade_from_ns"], regular["trade_to_ns"]) == (one.ny(9, 30), one.ny(16, 0))
    assert (whole["trade_from_ns"], whole["trade_to_ns"]) == (one.open_ns, one.close_ns)
    assert regular["weekday"] == 2


def test_the_clock_is_read_off_half_past_nine_even_when_the_day_closes_before() -> None:
    one = session("MES", date(2021, 4, 2))
    made = row(one)
    assert one.regular_open_ns == one.close_ns == one.ny(9, 15)
    assert made["regular_open_ns"] == one.ny(9, 30)
    assert made["trade_from_ns"] == made["trade_to_ns"] == one.close_ns, "no regular hours"


def test_halts_are_listed() -> None:
    one = session("MES", date(2021, 6, 25))
    assert row(one)["halts"].tolist() == [[one.ny(16, 15), one.ny(16, 30)], [0, 0], [0, 0], [0, 0]]
    assert not row(session("MES", date(2021, 6, 28)))["halts"].any()


def wall(day: date, at: time) -> int:
    return int(datetime.combine(day, at, ZoneInfo("America/New_York")).timestamp()) * 10**9


def test_parts_of_a_session_and_one_over_midnight() -> None:
    parts = [(time(18), time(2), 0.25), (time(9, 30), time(10), 0.5), (time(16), time(18), 0.0)]
    one = session("MES", date(2021, 3, 15))  # a Monday; clocks were changed on the Sunday that it begins on
    made = row(one, parts=parts)
    assert made["part_from"].tolist() == [one.open_ns, one.ny(9, 30), one.ny(16, 0), 0]
    assert made["part_to"].tolist() == [one.ny(2, 0), one.ny(10, 0), one.ny(17, 0) + 60 * MINUTE_NS, 0]
    assert made["part_times"].tolist() == [0.25, 0.5, 0.0, 0.0]
    assert not row(one)["part_to"].any(), "none: no time lies in [0, 0)"


@settings(max_examples=200)
@given(st.sampled_from(ALL), st.times(), st.times())
def test_parts_lie_in_wall_time_on_every_day(one: Session, start: time, stop: time) -> None:
    start, stop = (at.replace(second=0, microsecond=0) for at in (start, stop))
    made = row(one, parts=[(start, stop, 0.5)])
    evening = one.date - timedelta(days=1)
    assert made["part_from"][0] == wall(evening if start >= time(18) else one.date, start)
    assert made["part_to"][0] == wall(evening if stop > time(18) else one.date, stop)
    assert since_open(start) == (int(made["part_from"][0]) - one.open_ns) // MINUTE_NS


@settings(max_examples=200)
@given(st.sampled_from(ALL), st.sampled_from([1, 60, 300]), st.integers(0, 3))
def test_times_are_in_order_on_every_day(one: Session, seconds: int, latency: int) -> None:
    made = row(one, interval_ns=seconds * 10**9, latency_bars=latency)
    assert one.open_ns < made["half_ns"]
    way = (1 + latency) * seconds * 10**9
    assert made["no_entry_ns"] <= min(made["flat_ns"] - 15 * MINUTE_NS, made["exit_ns"] - way)
    assert made["half_ns"] < made["exit_ns"] < made["flat_ns"]
    assert made["flat_ns"] <= one.next_stop_ns - 30 * MINUTE_NS
    assert made["flat_ns"] <= one.ny(16, 30)
