"""The times of a session that the compiled core needs, as one record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

import numpy as np

from scalper.market.sessions import Session

MINUTE_NS = 60_000_000_000
DAY_MIN = 1440
OPENS_MIN = 18 * 60
"""A session begins at 18:00 New York, on the evening before its date."""
MAX_HALTS, MAX_PARTS = 4, 4

TIMETABLE = np.dtype(
    [
        ("open_ns", "i8"),
        ("close_ns", "i8"),
        ("regular_open_ns", "i8"),
        ("regular_close_ns", "i8"),
        ("trade_from_ns", "i8"),  # first bar start that may lead to an entry (the lane's hours)
        ("trade_to_ns", "i8"),  # last bar close that may lead to an entry
        ("half_ns", "i8"),  # half size from the bar whose close is at or after
        ("no_entry_ns", "i8"),
        ("exit_ns", "i8"),  # market exits from here
        ("flat_ns", "i8"),  # nothing open at this time
        ("interval_ns", "i8"),
        ("weekday", "i8"),  # Monday 0
        ("halts", "i8", (MAX_HALTS, 2)),  # [start, end) of each scheduled halt, 0 where there is none
        ("part_from", "i8", MAX_PARTS),  # parts [from, to) of the session in which sizes are multiplied; 0: none
        ("part_to", "i8", MAX_PARTS),
        ("part_times", "f8", MAX_PARTS),
    ]
)
"""Times of one session in UTC nanoseconds."""


def since_open(at: time) -> int:
    """Minutes from 18:00 New York, where a session begins, to a wall time of it: 02:00 comes after 19:00."""
    return (at.hour * 60 + at.minute - OPENS_MIN) % DAY_MIN


def timetable(
    session: Session,
    *,
    interval_ns: int,
    flat: time,
    before_stop_min: int,
    half_size_min: int,
    no_entry_min: int,
    exit_min: int,
    latency_bars: int = 0,
    regular_only: bool = True,
    parts: Sequence[tuple[time, time, float]] = (),
) -> np.ndarray:
    """Times of `session` as a one-element array of TIMETABLE (SPEC 2, end of day).

    `flat = min(flat wall time, next scheduled halt or close - before_stop_min)`; exits start at
    flat - max(exit_min, (1 + latency) bars). `parts`: at most 4 of (from, to, multiplier of the size), New York wall
    times in the order of a session, so that one over midnight begins on the evening before the session's date.
    """
    row = np.zeros(1, TIMETABLE)
    end = min(session.ny(flat.hour, flat.minute), session.next_stop_ns - before_stop_min * MINUTE_NS)
    row["open_ns"], row["close_ns"] = session.open_ns, session.close_ns
    row["regular_open_ns"] = session.ny(9, 30)  # not clipped to an early close: the features read the clock off it
    row["regular_close_ns"] = session.regular_close_ns
    row["trade_from_ns"] = session.regular_open_ns if regular_only else session.open_ns
    row["trade_to_ns"] = session.regular_close_ns if regular_only else session.close_ns
    row["flat_ns"] = end
    row["half_ns"] = end - half_size_min * MINUTE_NS
    way = (1 + latency_bars) * interval_ns  # what an order needs to meet an open
    row["exit_ns"] = end - max(exit_min * MINUTE_NS, way)
    row["no_entry_ns"] = min(end - no_entry_min * MINUTE_NS, int(row["exit_ns"][0]) - way)
    row["interval_ns"] = interval_ns
    row["weekday"] = session.date.weekday()
    for index, halt in enumerate(session.halts[:MAX_HALTS]):
        row["halts"][0, index] = halt
    for index, (start, stop, times) in enumerate(parts):  # no clock is changed while a session is open
        row["part_from"][0, index] = session.open_ns + since_open(start) * MINUTE_NS
        row["part_to"][0, index] = session.open_ns + (since_open(stop) or DAY_MIN) * MINUTE_NS
        row["part_times"][0, index] = times
    return row
