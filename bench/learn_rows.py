"""Rows to learn from, written to a lake session by session, and read as a fold's training reads them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from scalper.lake import Lake
from scalper.learn.dataset import Dataset, load
from scalper.learn.feed import KEPT, Feed, Reader

LANE = "bench"
FIRST = date(2020, 1, 1)
SESSION = 23_400
"""Rows of a session: the seconds of regular hours."""
NS = 1_000_000_000


def days_of(rows: int) -> list[date]:
    """As many days in a row as hold so many rows."""
    return [FIRST + timedelta(days=number) for number in range(-(-rows // SESSION))]


def write(lake: Lake, rows: int, features: int, missing: float = 0.0) -> None:
    """A weak signal in three features, noise in the rest, each session at other levels; `missing` is a share."""
    base = np.random.default_rng(0).normal(size=(SESSION, features)).astype(np.float32)
    for number, day in enumerate(days_of(rows)):
        n = min(SESSION, rows - number * SESSION)
        x, table = _session(base[:n], np.random.default_rng((1, number)), missing)
        start = (day - date(1970, 1, 1)).days * 86_400 * NS
        ts = start + np.arange(n, dtype=np.int64) * NS
        keys = {"lane": LANE, "date": day.isoformat()}
        columns = {f"feature_{index}": np.ascontiguousarray(x[:, index]) for index in range(features)}
        volatility = np.full(n, 2.0)
        lake.write("features", keys, {"ts_ns": ts, "volatility_ticks": volatility, **columns})
        lake.write("labels", keys, {"ts_ns": ts, **table, "end_ns": ts + 10 * NS})


def _session(base: np.ndarray, draw: np.random.Generator, missing: float) -> tuple[np.ndarray, dict[str, Any]]:
    n, features = base.shape
    x = base * draw.uniform(0.5, 1.5, features).astype(np.float32)
    x += 0.1 * draw.normal(size=features).astype(np.float32)
    move = x[:, 0] + 0.5 * x[:, 1] * x[:, 2 % features] + 2 * draw.normal(size=n).astype(np.float32)
    if missing:
        x[draw.random(x.shape, np.float32) < missing] = np.nan
    label = np.digitize(move, [-1.0, 1.0]).astype(np.int8)
    weight = draw.uniform(0.1, 1.0, n).astype(np.float32)
    return x, {"label": label, "reason": np.zeros(n, np.int8), "move_ticks": move.astype(np.float32), "weight": weight}


def feed(lake: Lake, days: list[date], features: int, keep: int = KEPT) -> Feed:
    """The rows of some days; a Reader keeps up to so many bytes of them."""

    def read(day: date) -> Dataset:
        return load(lake, LANE, [day])

    names = tuple(f"feature_{index}" for index in range(features))
    return Feed(Reader(read, lambda _: None, keep), tuple(days), names, where="bench")
