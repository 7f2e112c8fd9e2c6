"""A lane's features and labels in a process of its own: `python -m bench.features_alone HOME FIRST LAST ROWS`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench import tape as tape_of
from bench.measure import peak_mib, processor_s, timed
from scalper import clock
from scalper import lane as stages
from scalper.lake import Lake, bar_keys
from scalper.lane import rows as stage
from scalper.lane.making import KINDS
from scalper.settings import Home, Lane

NIGHT = 46
"""At most so many sessions of all hours."""
Tables = Mapping[str, Mapping[str, np.ndarray]]


def measured(home: Home, first: date, last: date, rows: int) -> dict[str, Any]:
    """The stage over all sessions, one session again, the floor, and all hours; quality is judged before."""
    lane = _lane(first, last)
    stages.check(lane, home)
    days = [one.date for one in stages.usable(lane, home)]
    lake = Lake(home.lake)
    _whole(lane, home, days[:2])  # compiles, or loads what was compiled
    _forget(lake, lane, days)
    busy, started = processor_s(), clock.monotonic()
    report = stages.materialise(lane, home)["features"]
    seconds, busy = clock.monotonic() - started, processor_s() - busy
    peak = peak_mib()
    one = timed(lambda: (_forget(lake, lane, days[-1:]), _whole(lane, home, days[-1:])))
    floor, floor_busy = _floor(lane, lake, days)
    found: dict[str, Any] = {"rows": rows, "seconds": round(seconds, 6), "peak_mib": peak}
    found |= {"rows_per_second": round(rows / seconds, 1), "rows_written": report.rows, "threads": stage.THREADS}
    found |= {"sessions": len(days), "one_session_seconds": round(one, 4)}
    found |= {"processor_seconds": round(busy, 3), "floor_seconds": round(floor, 6)}
    found |= {"floor_processor_seconds": round(floor_busy, 3), "times_the_floor": round(busy / floor_busy, 3)}
    found["ms_a_session"] = _steps(report.detail["seconds of the threads"], seconds, len(days))
    found["all_hours"] = _all_hours(home, days[:NIGHT], rows / len(days))
    return found


def _lane(first: date, last: date, **changes: Any) -> Lane:
    """The lane of these sessions. Tapes do not go on where the one before ended: such gaps are no sign of bad data."""
    wide = {"gap_ranges": 1e6, "roll_ranges": 1e6}
    return tape_of.lane(start=first, end=last + timedelta(days=1), quality=wide, **changes)


def _whole(lane: Lane, home: Home, days: Sequence[date]) -> None:
    stages.materialise(lane, home, days, progress=lambda done, total: None)


def _forget(lake: Lake, lane: Lane, days: Sequence[date]) -> None:
    for day in days:
        for kind in KINDS:
            lake.delete(kind, {"lane": lane.name, "date": day.isoformat()})


def _steps(spent: dict[str, float], seconds: float, sessions: int) -> dict[str, float]:
    """Milliseconds of a thread by step and session; the rest is the calendar, verdicts on quality, and waiting."""
    found = {step: 1000 * much / sessions for step, much in spent.items()}
    found["rest"] = 1000 * stage.THREADS * seconds / sessions - sum(found.values())
    return {step: round(much, 3) for step, much in found.items()}


def _floor(lane: Lane, lake: Lake, days: Sequence[date]) -> tuple[float, float]:
    """Seconds, and the processor's, of the same reads and writes on the same threads, nothing computed in between."""
    some = [_tables(lake, lane, day) for day in days[: 2 * stage.THREADS]]

    def work(part: Sequence[date]) -> None:
        for number, day in enumerate(part):
            lake.read("bars", bar_keys(lane.source_key, lane.symbol, lane.interval, day))
            for kind, table in some[number % len(some)].items():
                lake.write(kind, {"lane": lane.name, "date": day.isoformat()}, table)

    parts = [days[number :: stage.THREADS] for number in range(stage.THREADS)]
    busy, started = processor_s(), clock.monotonic()
    with ThreadPoolExecutor(stage.THREADS) as pool:
        list(pool.map(work, parts))
    return clock.monotonic() - started, processor_s() - busy


def _tables(lake: Lake, lane: Lane, day: date) -> Tables:
    """What was written for a session, in memory."""
    keys = {"lane": lane.name, "date": day.isoformat()}
    frames = {kind: lake.read(kind, keys) for kind in KINDS}
    return {kind: {name: frame[name].to_numpy() for name in frame.columns} for kind, frame in frames.items()}


def _all_hours(home: Home, days: Sequence[date], rows: float) -> dict[str, float]:
    """The same with rows of the night, of which files hold twice as many; traded rows a second."""
    lane = _lane(days[0], days[-1], name="bench_night", hours="all")
    started = clock.monotonic()
    report = stages.materialise(lane, home, days)["features"]
    seconds = clock.monotonic() - started
    return {"rows_per_second": round(rows * len(days) / seconds, 1), "rows_written": report.rows}


if __name__ == "__main__":
    place, start, end, count = sys.argv[1:]
    figures = measured(Home(root=Path(place)), date.fromisoformat(start), date.fromisoformat(end), int(count))
    print(json.dumps(figures))
