"""Sessions: the exchange's calendar in New York time, across DST changes, holidays, early closes and halts."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.market import Session, locate, session, sessions

NY = ZoneInfo("America/New_York")
MINUTE = 60_000_000_000


def ns(text: str, zone: ZoneInfo = NY) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1_000_000_000


def utc(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("day", "opens", "closes", "hours"),
    [
        (date(2026, 3, 6), "03-05 23:00", "03-06 22:00", ("03-06 14:30", "03-06 21:00")),  # standard time
        (
            date(2026, 3, 9),
            "03-08 22:00",
            "03-09 21:00",
            ("03-09 13:30", "03-09 20:00"),
        ),  # clocks went forward on 03-08
        (date(2026, 10, 30), "10-29 22:00", "10-30 21:00", ("10-30 13:30", "10-30 20:00")),
        (date(2026, 11, 2), "11-01 23:00", "11-02 22:00", ("11-02 14:30", "11-02 21:00")),  # and back on 11-01
    ],
)
def test_daylight_saving(day: date, opens: str, closes: str, hours: tuple[str, str]) -> None:
    one = session("MES", day)
    assert (utc(one.open_ns), utc(one.close_ns)) == (opens, closes)
    assert (utc(one.regular_open_ns), utc(one.regular_close_ns)) == hours
    assert one.ny(9, 30) == one.regular_open_ns
    assert not one.early


def test_monday_opens_on_sunday_evening() -> None:
    one = session("MES", date(2026, 11, 16))
    assert one.open_ns == ns("2026-11-15T18:00")
    assert one.close_ns == ns("2026-11-16T17:00")


@pytest.mark.parametrize("day", [date(2026, 11, 14), date(2026, 11, 15), date(2025, 12, 25), date(2026, 1, 1)])
def test_no_session(day: date) -> None:
    with pytest.raises(BadInput, match=rf"MES has no session on .*{day}"):
        session("MES", day)


@pytest.mark.parametrize(
    ("symbol", "day", "close", "regular_close"),
    [
        ("MES", date(2026, 11, 27), "2026-11-27T13:15", "2026-11-27T13:15"),  # the day after Thanksgiving
        ("MES", date(2026, 11, 26), "2026-11-26T13:00", "2026-11-26T13:00"),
        ("GC", date(2026, 11, 27), "2026-11-27T14:45", "2026-11-27T14:45"),
        ("ES", date(2021, 4, 2), "2021-04-02T09:15", "2021-04-02T09:15"),  # Good Friday, before the regular open
        ("ES", date(2018, 12, 5), "2018-12-05T09:30", "2018-12-05T09:30"),  # mourning; real bars end there
        ("MES", date(2025, 1, 9), "2025-01-09T09:30", "2025-01-09T09:30"),  # mourning, as CME announced
    ],
)
def test_early_close(symbol: str, day: date, close: str, regular_close: str) -> None:
    one = session(symbol, day)
    assert one.early
    assert one.close_ns == ns(close)
    assert one.regular_close_ns == ns(regular_close)
    assert one.regular_open_ns <= one.regular_close_ns
    assert one.halts == ()
    assert one.next_stop_ns == one.close_ns


def test_historic_pause_ends_on_2021_06_25() -> None:
    last, first_without = session("ES", date(2021, 6, 25)), session("ES", date(2021, 6, 28))
    assert last.halts == ((ns("2021-06-25T16:15"), ns("2021-06-25T16:30")),)
    assert last.next_stop_ns == ns("2021-06-25T16:15")
    assert first_without.halts == ()
    assert first_without.next_stop_ns == ns("2021-06-28T17:00")
    assert session("GC", date(2021, 6, 25)).halts == ()


def test_labor_day_2013() -> None:
    """The holiday is a session of its own until 10:30 Chicago; what trades from 17:00 belongs to the next date."""
    chicago = ZoneInfo("America/Chicago")
    holiday, after = sessions("ES", date(2013, 9, 2), date(2013, 9, 3))
    assert (holiday.date, after.date) == (date(2013, 9, 2), date(2013, 9, 3))
    assert holiday.open_ns == ns("2013-09-01T17:00", chicago)
    assert holiday.close_ns == ns("2013-09-02T10:30", chicago)
    assert after.open_ns == ns("2013-09-02T17:00", chicago)
    stamps = np.array([ns("2013-09-02T10:29:59", chicago), ns("2013-09-02T10:30", chicago), after.open_ns])
    assert locate(stamps, [holiday, after]).tolist() == [0, -1, 1]


def test_sessions_are_ordered_disjoint_and_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sessions("MES", date(2014, 12, 29), date(2016, 1, 5))
    assert found[0].date == date(2014, 12, 29)
    assert found[-1].date == date(2016, 1, 5)
    assert all(a.close_ns <= b.open_ns and a.date < b.date for a, b in pairwise(found))
    assert sessions("MES", date(2026, 11, 14), date(2026, 11, 15)) == []
    assert {one.date.year for one in sessions("GC", date(2009, 12, 1), date(2010, 2, 1))} == {2009, 2010}


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1989, 12, 31), date(2101, 1, 1), date(9999, 12, 31)])
def test_years_without_a_calendar(day: date) -> None:
    for first, last in ((min(day, date(2026, 1, 2)), max(day, date(2026, 1, 2))), (day, day)):
        with pytest.raises(BadInput, match=rf"{day} is no date of the calendars: use 1990-01-01 to 2100-12-31"):
            sessions("ES", first, last)
    with pytest.raises(BadInput, match="is no date of the calendars"):
        session("ES", day)


def test_the_first_and_the_last_year_have_sessions() -> None:
    assert sessions("ES", date(1990, 1, 1), date(1990, 1, 8))
    assert sessions("ES", date(2100, 12, 24), date(2100, 12, 31))


def test_dates_in_the_wrong_order() -> None:
    with pytest.raises(BadInput, match="exchange them"):
        sessions("MES", date(2026, 2, 1), date(2026, 1, 1))


SPAN = sessions("ES", date(2021, 6, 14), date(2021, 7, 9))


def slow_locate(ts_ns: int, among: list[Session]) -> int:
    """The definition, read aloud."""
    for i, one in enumerate(among):
        halted = any(start <= ts_ns < end for start, end in one.halts)
        if one.open_ns <= ts_ns < one.close_ns and not halted:
            return i
    return -1


EDGES = sorted({edge for one in SPAN for edge in (one.open_ns, one.close_ns, *(e for halt in one.halts for e in halt))})
STAMPS = st.one_of(
    st.integers(SPAN[0].open_ns - 600 * MINUTE, SPAN[-1].close_ns + 600 * MINUTE),
    st.tuples(st.sampled_from(EDGES), st.integers(-1, 1)).map(sum),
)


@settings(max_examples=200, deadline=None)
@given(stamps=st.lists(STAMPS, max_size=30), keep=st.sets(st.integers(0, len(SPAN) - 1)))
def test_locate_is_its_definition(stamps: list[int], keep: set[int]) -> None:
    among = [SPAN[i] for i in sorted(keep)]
    found = locate(np.array(stamps, np.int64), among)
    assert found.dtype == np.int32
    assert found.tolist() == [slow_locate(ts, among) for ts in stamps]


def test_locate_of_nothing() -> None:
    assert locate(np.array([], np.int64), SPAN).tolist() == []
    assert locate(np.array([SPAN[0].open_ns]), []).tolist() == [-1]
