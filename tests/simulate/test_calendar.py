"""Ten years of the exchange's calendar: early closes, halts and holidays, and nothing open after the flat time."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pandas_market_calendars as calendars
import pytest

from scalper.market import Session, sessions
from scalper.policy import Action, Gate, Reason
from tests.policy.support import bars, lane, play, predictions, quiet, with_cash

FIRST, LAST = date(2015, 1, 1), date(2024, 12, 31)
PROFILES: dict[str, tuple[dict[str, Any], str]] = {
    "own": ({}, "16:30"),
    "topstep": ({"risk": {"firm": {"profile": "topstep", "maximum_loss": 900}}}, "16:10"),  # 15:10 Chicago
    "apex": ({"risk": {"firm": {"profile": "apex", "maximum_loss": 900}}}, "16:30"),  # 16:59 New York comes later
}
MOURNING = date(2018, 12, 5)
"""Closed at 09:30, which the library's schedule does not have."""


def flat_times(at: str) -> dict[date, int]:
    """The flat time of every session, from the exchange's schedule and not from ours, in UTC nanoseconds."""
    table = calendars.get_calendar("CME Globex Equity").schedule(FIRST, LAST, tz="America/New_York")
    found: dict[date, int] = {}
    for stamp, close in table["market_close"].items():
        day = pd.Timestamp(str(stamp)).date()
        midnight = pd.Timestamp(day, tz="America/New_York")
        wall = [midnight + pd.Timedelta(f"{at}:00"), close - pd.Timedelta(minutes=30)]
        if day == MOURNING:
            wall.append(midnight + pd.Timedelta("09:00:00"))
        if day <= date(2021, 6, 25) and close > midnight + pd.Timedelta("16:30:00"):
            wall.append(midnight + pd.Timedelta("15:45:00"))  # the pause from 16:15 to 16:30
        found[day] = min(wall).value
    return found


def stamps(day: Session, step_ns: int) -> np.ndarray:
    """Every bar in which the exchange is open."""
    found = np.arange(day.open_ns, day.close_ns, step_ns)
    for start, end in day.halts:
        found = found[(found < start) | (found >= end)]
    return found


@pytest.mark.parametrize(("profile", "interval", "latency"), [
    ("own", "1m", 0), ("topstep", "1m", 0), ("apex", "1m", 0), ("own", "5m", 2),
])  # fmt: skip
def test_nothing_is_open_after_the_flat_time(profile: str, interval: str, latency: int) -> None:
    """In at the first bar, out by an opposite signal at the tenth, in again at the last moment, and held."""
    settings, at = PROFILES[profile]
    by = lane(interval=interval, hours="all", simulation={"latency_bars": latency}, **settings,
              policy={"hold_bars": 1_000_000})  # fmt: skip
    flat = flat_times(at)
    days = sessions("MES", FIRST, LAST)
    assert [day.date for day in days] == list(flat) and len(days) > 2_500
    account = with_cash(150_000, by)
    calm, sure, against = bars(quiet(1440)), predictions(1, {0: (1, 0.75)})[0], predictions(1, {0: (-1, 0.65)})[0]
    for day in days:
        table = by.timetable(day)
        assert table["flat_ns"][0] == flat[day.date], day.date
        starts = stamps(day, by.interval_ns)
        made, forecast = calm[: starts.size].copy(), predictions(starts.size, {})
        made["ts_ns"] = starts
        late = int(np.searchsorted(starts + by.interval_ns, table["no_entry_ns"][0])) - 1
        forecast[0], forecast[10], forecast[late:] = sure, against, sure
        found = play(made, forecast, by, account=account, day=day)
        assert found.trades.size == 2, day.date
        assert found.trades["reason"].tolist() == [Reason.SIGNAL, Reason.END_OF_DAY], day.date
        assert found.trades["exit_ns"][1] <= flat[day.date], day.date
        half = starts[late] + by.interval_ns >= table["half_ns"][0]
        assert found.trades["contracts"].tolist() == [2, 1 if half else 2], "half size in the last half hour"
        assert max(found.when(Action.ENTER)) == late
        assert found.gate(starts.size - 1) is Gate.END_OF_DAY, day.date
