"""The calendar against real trades: what lies outside it is known and small."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scalper.market import locate, sessions

DATA = Path(os.environ.get("SCALPER_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
FIVE_MINUTES = DATA / "es_5m"
TICKS = DATA / "es_ticks_2013" / "tick_data.csv.gz"


def chicago_ns(text: pl.Expr, form: str) -> pl.Expr:
    return text.str.to_datetime(form, time_unit="ns").dt.replace_time_zone("America/Chicago").dt.epoch("ns")


@pytest.mark.skipif(not FIVE_MINUTES.is_dir(), reason="real ES five-minute bars are not on this machine")
def test_five_minute_bars_lie_in_their_sessions() -> None:
    stamp = chicago_ns(pl.col("Date") + " " + pl.col("Time"), "%Y/%m/%d %H:%M:%S").alias("ts_ns")
    files = sorted(FIVE_MINUTES.glob("*.txt.gz"))
    rows = pl.concat([pl.read_csv(file, columns=[0, 1], infer_schema=False) for file in files])
    rows = rows.select(pl.col(name).str.strip_chars().alias(name.strip()) for name in rows.columns)
    ts_ns = rows.select(stamp)["ts_ns"].to_numpy()
    assert len(ts_ns) == 487_457

    calendar = sessions("ES", date(2014, 12, 24), date(2021, 12, 17))
    found = locate(ts_ns, calendar)
    closes = np.array([one.close_ns for one in calendar])
    just_after_close = np.isin(ts_ns, closes)
    in_a_pause = (found < 0) & (locate(ts_ns, [replace(one, halts=()) for one in calendar]) >= 0)
    outside = (found < 0) & ~in_a_pause
    assert int(outside.sum()) == 568
    assert int(in_a_pause.sum()) == 12, "late prints during the pause"

    later = ts_ns >= calendar[[one.date for one in calendar].index(date(2015, 9, 21))].open_ns
    assert int((outside & later & ~just_after_close).sum()) == 0, "only prints stamped with the close itself"
    assert int((outside & ~later).sum()) == 554, "before 2015-09-21 the market closed at 17:15 New York"
    assert set(found[found >= 0]) == set(range(len(calendar))), "every session of the calendar was traded"

    ends = np.zeros(len(calendar), np.int64)
    np.maximum.at(ends, found[found >= 0], ts_ns[found >= 0])
    short = [one.date for one, end in zip(calendar, ends, strict=True) if end + 300_000_000_000 != one.close_ns]
    assert all(day.weekday() == 4 and 15 <= day.day <= 21 and day.month % 3 == 0 for day in short), (
        "expiry Fridays only"
    )
    after_pause = [one for one in calendar if one.date > date(2021, 6, 25) and not one.early and one.date not in short]
    at_1615 = [one.ny(16, 15) for one in after_pause]
    assert np.isin(at_1615, ts_ns).all(), "no pause after 2021-06-25"


@pytest.mark.skipif(not TICKS.is_file(), reason="real ES ticks are not on this machine")
def test_ticks_around_labor_day_2013() -> None:
    with gzip.open(TICKS) as file:
        stamp = chicago_ns(pl.col("DateTime"), "%Y-%m-%d %H:%M:%S%.3f").alias("ts_ns")
        ts_ns = pl.read_csv(file.read(), columns=["DateTime"]).select(stamp)["ts_ns"].to_numpy()
    holiday, after = sessions("ES", date(2013, 9, 2), date(2013, 9, 2) + timedelta(days=1))
    found = locate(ts_ns, [holiday, after])
    assert (found >= 0).all()
    assert ts_ns[found == 0].max() > holiday.close_ns - 1_000_000_000
    assert ts_ns[found == 1].min() < after.open_ns + 1_000_000_000
