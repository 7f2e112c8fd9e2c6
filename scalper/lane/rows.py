"""Features and labels: one file a session each, made where the inputs have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import polars as pl

from scalper import clock
from scalper import features as feature_floor
from scalper.compiled import source_digest
from scalper.errors import DataUnavailable
from scalper.lake import Lake, bar_keys
from scalper.lane.quality import usable
from scalper.lane.stage import Progress, StageReport, bar, calendar
from scalper.learn.session import bars_of, labels_of, prepare
from scalper.market import Session
from scalper.settings import Home, Lane
from scalper.simulate.sketch import columns_svg


def features(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Write the feature rows of each usable session: traded, in the lane's hours, warm."""
    names = [one.name for one in feature_floor.catalogue(lane.features, lane.interval_ns)]
    feature_floor.params(lane.features, lane.interval_ns)

    def make(lake: Lake, one: Session, before: Session | None, _: np.ndarray) -> pl.DataFrame:
        ready = prepare(lake, lane, one, before)
        rows = ready.rows
        columns = dict(zip(names, np.ascontiguousarray(ready.block.x[rows].T), strict=True))
        volatility = ready.block.volatility[rows].astype(np.float32)
        return pl.DataFrame({"ts_ns": ready.bars["ts_ns"][rows], **columns, "volatility_ticks": volatility})

    config = lane.digest("features", "interval", "hours", "roll", "symbol")
    code = source_digest("market", "lake", "features", "learn")
    floats = dict.fromkeys((*names, "volatility_ticks"), pl.Float32)
    empty = pl.DataFrame(schema={"ts_ns": pl.Int64, **floats})
    return _session_files(lane, home, "features", days, f"{config} {code}", make, empty, progress)


def labels(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Write the label of every feature row of each usable session; its features come first."""

    def make(lake: Lake, one: Session, _: Session | None, bars: np.ndarray) -> pl.DataFrame:
        label, move, end_ns = labels_of(lane, bars, lane.timetable(one))
        wanted = lake.read("features", {"lane": lane.name, "date": one.date.isoformat()})["ts_ns"]
        rows = np.isin(bars["ts_ns"], wanted.to_numpy())
        return pl.DataFrame(
            {
                "ts_ns": bars["ts_ns"][rows],
                "label": label[rows],
                "move_ticks": move[rows].astype(np.float32),
                "end_ns": end_ns[rows],
            }
        )

    config = lane.digest("features", "interval", "hours", "roll", "symbol", "labels", "policy")
    code = source_digest("market", "lake", "features", "labels", "learn")
    empty = pl.DataFrame(schema={"ts_ns": pl.Int64, "label": pl.Int8, "move_ticks": pl.Float32, "end_ns": pl.Int64})
    return _session_files(lane, home, "labels", days, f"{config} {code}", make, empty, progress)


def _session_files(
    lane: Lane,
    home: Home,
    kind: str,
    days: Sequence[date] | None,
    recipe: str,
    make: Callable[[Lake, Session, Session | None, np.ndarray], pl.DataFrame],
    empty: pl.DataFrame,
    given: Progress | None,
) -> StageReport:
    """Make one file a session from its bars, where the inputs have changed since the last time."""
    started = clock.monotonic()
    lake, every = Lake(home.lake), calendar(lane)
    before = dict(zip([one.date for one in every[1:]], every, strict=False))
    wanted = set(days) if days is not None else None
    due = [one for one in usable(lane, home) if wanted is None or one.date in wanted]
    skipped = flat = 0
    last: pl.DataFrame | None = None
    sizes: dict[date, int] = {}
    with bar(f"{lane.name}: {kind}", given) as advance:
        for index, one in enumerate(due, 1):
            keys = {"lane": lane.name, "date": one.date.isoformat()}
            stamp = _input_digest(lane, lake, one, before.get(one.date), recipe)
            if lake.exists(kind, keys) and lake.metadata(kind, keys).get("scalper.input") == stamp:
                skipped += 1
            else:
                try:
                    bars = bars_of(lake, lane, one).bars
                except DataUnavailable:  # the session is flat: it counts, without a row
                    flat += 1
                    frame = empty
                else:
                    last = frame = make(lake, one, before.get(one.date), bars)
                lake.write(kind, keys, frame, {"scalper.input": stamp})
                sizes[one.date] = frame.height
            advance(index, len(due))
    if days is None:
        _forget(lake, lane, kind, {one.date for one in due})
    detail = {"sessions": len(due), "flat, without bars of the contract": flat}
    preview = last.tail(5) if last is not None else None
    picture = columns_svg("rows a session", list(sizes), list(sizes.values())) if sizes else None
    seconds = clock.monotonic() - started
    return StageReport(kind, sum(sizes.values()), len(sizes), skipped, seconds, detail, preview, picture)


def _forget(lake: Lake, lane: Lane, kind: str, keep: set[date]) -> None:
    """Remove files of sessions that the lane no longer uses, such as newly quarantined ones."""
    for day in lake.dates(kind, {"lane": lane.name}):
        if day not in keep:
            lake.delete(kind, {"lane": lane.name, "date": day.isoformat()})


def _input_digest(lane: Lane, lake: Lake, one: Session, before: Session | None, recipe: str) -> str:
    """SHA-256 over what a session's file is made from: its bars, those of the session before, settings and code."""
    found = hashlib.sha256(recipe.encode())
    for session in (before, one):
        keys = bar_keys(lane.source_key, lane.symbol, lane.interval, session.date) if session else None
        found.update(lake.digest("bars", keys).encode() if keys and lake.exists("bars", keys) else b"none")
    return found.hexdigest()
