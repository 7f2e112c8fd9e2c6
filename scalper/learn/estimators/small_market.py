"""The rows of the conformance suite: a small market, poor windows of it, and rows as no market makes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from scalper.learn.dataset import Dataset
from scalper.learn.estimators.base import Matrix
from scalper.learn.feed import Feed

SESSIONS, ROWS, FEATURES = 8, 40, 5


def market(sessions: int = SESSIONS, rows: int = ROWS, seed: int = 0) -> Dataset:
    """Rows with a signal in the first two features, noise in the rest, and some values missing."""
    draw = np.random.default_rng(seed)
    n = sessions * rows
    x = draw.normal(size=(n, FEATURES)).astype(np.float32)
    move = (2 * x[:, 0] - x[:, 1] + draw.normal(size=n)).astype(np.float32)
    x[draw.random(x.shape) < 0.05] = np.nan
    ts = np.arange(n, dtype=np.int64) * 60_000_000_000
    first = date(2026, 1, 5)
    return Dataset(
        x=x,
        label=np.digitize(move, [-1.0, 1.0]).astype(np.int8),
        reason=np.zeros(n, np.int8),
        move_ticks=move,
        weight=draw.uniform(0.2, 1.0, n).astype(np.float32),
        volatility_ticks=np.full(n, 2.0, np.float32),
        ts_ns=ts,
        end_ns=ts + 1,
        session=np.repeat(np.arange(sessions, dtype=np.int32), rows),
        dates=tuple(first + timedelta(days=at) for at in range(sessions)),
        names=tuple(f"feature_{at}" for at in range(FEATURES)),
    )


def poor() -> dict[str, Dataset]:
    """Windows with little in them, by what is wrong with them."""
    rows = market(3)
    still = rows.x.copy()
    still[:, 0], still[:, 1] = 1.0, np.nan
    return {
        "rows without a class": rows.rows(rows.label != 0),
        "rows of one class": rows.rows(rows.label == 1),
        "a constant and an unknown feature": replace(rows, x=still),
        "constant features only": replace(rows, x=np.zeros_like(still)),
        "nothing known": replace(rows, x=np.full_like(still, np.nan)),
        "a single row": rows.rows(slice(5, 6)),
    }


def odd(x: Matrix) -> Matrix:
    """Rows x, and such as no market makes: missing values, zeros of either sign, the ends of float32."""
    odd = np.repeat(x[:1], 8, axis=0)
    for at, value in enumerate((np.nan, 0.0, -0.0, 3e38, -3e38, 1e-45)):
        odd[at] = value
    odd[6, ..., ::2], odd[7, ..., 1::2] = np.nan, 3e38
    return np.concatenate([x, odd])


def inputs(data: Dataset, span: int) -> Matrix:
    """What a model with a memory of `span` rows reads of them, one after another."""
    return np.concatenate([x for x, _ in Feed.of(data).sequences(span)])
