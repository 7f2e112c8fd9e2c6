"""A small market in rows: a signal in two of the features, noise in the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import pytest

from scalper.learn import Dataset, Feed, Trained, train
from scalper.settings import ModelSettings

MINUTE = 60_000_000_000
NAMES = tuple(f"feature_{index}" for index in range(8))
SMALL = ModelSettings(
    rounds=30, early_stopping=8, depth=3, min_child_weight=5.0, threads=1, least_rows=1, least_calibration_rows=1
)

Make = Callable[..., Dataset]


def _days(count: int, first: date = date(2026, 1, 5)) -> tuple[date, ...]:
    return tuple(first + timedelta(days=index) for index in range(count))


def _make(sessions: int = 10, rows: int = 80, seed: int = 0, first: date = date(2026, 1, 5)) -> Dataset:
    draw = np.random.default_rng(seed)
    n = sessions * rows
    x = draw.normal(size=(n, len(NAMES))).astype(np.float32)
    move = (2 * x[:, 0] + x[:, 1] + draw.normal(size=n) * 1.5).astype(np.float32)
    label = np.where(move > 1.2, 2, np.where(move < -1.2, 0, 1)).astype(np.int8)
    x[draw.random(x.shape) < 0.03] = np.nan
    session = np.repeat(np.arange(sessions, dtype=np.int32), rows)
    start = (first - date(1970, 1, 1)).days * 1440
    ts = (start + session.astype(np.int64) * 1440 + np.tile(np.arange(rows), sessions)) * MINUTE
    reason, weight, volatility = np.zeros(n, np.int8), np.full(n, 0.5, np.float32), np.full(n, 4, np.float32)
    ends = ts + 6 * MINUTE
    return Dataset(x, label, reason, move, weight, volatility, ts, ends, session, _days(sessions, first), NAMES)


@pytest.fixture(scope="session")
def make() -> Make:
    """Builds a Dataset: make(sessions, rows a session, seed, first day)."""
    return _make


@pytest.fixture(scope="session")
def fit_rows() -> Dataset:
    return _make()


@pytest.fixture(scope="session")
def later_rows() -> Dataset:
    return _make(sessions=4, seed=1, first=date(2026, 1, 20))


@pytest.fixture(scope="session")
def run() -> Callable[..., Trained]:
    """Trains with the small settings; keywords go to `train`."""

    def go(fit: Dataset, calibrate: Dataset, settings: ModelSettings = SMALL, **changes: object) -> Trained:
        known: dict[str, object] = {
            "lane": "toy",
            "window": (fit.dates[0], fit.dates[-1]),
            "data_digest": "d" * 64,
            "kernel_version": "1-abc",
        }
        limit = int(calibrate.ts_ns[0]) if len(calibrate) else None
        until = changes.pop("calibrate_until_ns", None)
        feeds = Feed.of(fit, "train window", limit), Feed.of(calibrate, "calibration window", until)  # type: ignore[arg-type]
        return train(*feeds, settings, **(known | changes))  # type: ignore[arg-type]

    return go


@pytest.fixture(scope="session")
def trained(run: Callable[..., Trained], fit_rows: Dataset, later_rows: Dataset) -> Trained:
    return run(fit_rows, later_rows)


@pytest.fixture(scope="session")
def days() -> Callable[[int], Sequence[date]]:
    return _days
