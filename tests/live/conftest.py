"""A tiny real lane: simulated MES minutes in a lake, a trained XGBoost model as ONNX, and a lane that trades a lot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest

from scalper.features import VERSION, catalogue
from scalper.lake import Lake, bar_keys
from scalper.learn import Dataset, Feed, Model, train
from scalper.learn.norms import medians, seen
from scalper.learn.recipe import Recipe
from scalper.learn.session import labels_of, prepare
from scalper.market import Session, from_ticks
from scalper.policy import Choice
from scalper.sandbox import SimulatedMarket
from scalper.settings import Lane

EDGE = 2.0


@dataclass(frozen=True)
class World:
    """Sessions 0 to 2 train, 3 is traded whole; `short` is a lake that holds two hours of the last two sessions."""

    lake: Lake
    short: Lake
    recipe: Recipe
    sessions: Sequence[Session]

    @property
    def day(self) -> Session:
        return self.sessions[-1]

    @property
    def before(self) -> Session:
        return self.sessions[-2]


def the_lane() -> Lane:
    """Small windows, low thresholds and a large account, so that every kind of decision comes up in a session."""
    return Lane.model_validate(
        {
            "name": "tiny",
            "symbol": "MES",
            "source": "sandbox",
            "interval": "1m",
            "start": "2025-03-03",
            "end": "2025-03-06",
            "hours": "all",
            "sandbox": {"seed": 7, "edge": EDGE},
            "features": {
                "returns": [1, 5],
                "ema": [3, 6],
                "volatility": [5, 10],
                "volume": [5, 10],
                "macd": [3, 6, 2],
                "higher": ["5m"],
                "atr": 5,
                "rsi": 5,
                "stochastic": 5,
                "bollinger": 5,
            },
            "labels": {"horizon": 8, "threshold_ticks": 2},
            "model": {"rounds": 25, "learning_rate": 0.2, "min_child_weight": 2, "threads": 1},
            "policy": {
                "confidence": 0.40,
                "reverse_confidence": 0.45,
                "move_over_cost": 0.2,
                "max_trades": 200,
                "end_of_day": {"no_entry_min": 5},
                "market": {"high_volatility": 1.2, "thin_volume": 0.6},
                "partial": 0.5,
                "stop": {"breakeven_at": 0.6, "trail_atr": 1.0, "trail_from": 0.4, "late_share": 0.5},
                "times": [{"from": "19:00", "to": "21:00", "times": 0.5}],
                "bands": [{"at": 0.0, "times": 1.0}, {"at": 0.6, "times": 2.0}],
            },
            "risk": {"capital": 20_000, "day_loss": 0.15, "day_drawdown": 0.2, "pause_min": 1, "long_pause_min": 2},
        }
    )


def dataset(lane: Lane, lake: Lake, sessions: Sequence[Session]) -> Dataset:
    """Features and labels of sessions, in memory."""
    parts = []
    for index, one in enumerate(sessions):
        ready = prepare(lake, lane, one, None)
        rows = ready.rows
        labels = labels_of(lane, ready.bars, ready.timetable, ready.block.volatility, rows)
        at = np.full(rows.sum(), index, np.int32)
        volatility = ready.block.volatility[rows].astype(np.float32)
        said = (labels[name] for name in ("label", "reason", "move_ticks", "weight"))
        parts.append((ready.block.x[rows], *said, volatility, ready.bars["ts_ns"][rows], labels["end_ns"], at))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    names = tuple(feature.name for feature in catalogue(lane.features, lane.interval_ns))
    return Dataset(*joined, dates=tuple(one.date for one in sessions), names=names)


def seen_in(lane: Lane, lake: Lake, one: Session) -> np.ndarray:
    """A session's minutes."""
    ready = prepare(lake, lane, one, None)
    return seen(ready.bars, ready.block.aux, ready.timetable)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The lane's lakes and its recipe."""
    lane = the_lane()
    market = SimulatedMarket("MES", seed=7, edge=EDGE, start=date(2025, 3, 3), end=date(2025, 3, 6))
    lake, short = (Lake(tmp_path_factory.mktemp(name)) for name in ("lake", "short"))
    for one in market.sessions:
        contract = market.front(one, "monday")
        bars = market.bars(contract, one, lane.interval_ns)
        keys = bar_keys(lane.source_key, "MES", "1m", one.date)
        lake.write("bars", keys, from_ticks(bars, lane.instrument.tick, contract))
        if one in market.sessions[-2:]:
            from_ns = one.regular_open_ns - 30 * 60_000_000_000
            part = bars[(bars["ts_ns"] >= from_ns) & (bars["ts_ns"] < from_ns + 120 * 60_000_000_000)]
            short.write("bars", keys, from_ticks(part, lane.instrument.tick, contract))
    fit, later = dataset(lane, lake, market.sessions[:2]), dataset(lane, lake, market.sessions[2:3])
    trained = train(
        Feed.of(fit, limit_ns=int(later.ts_ns[0])),
        Feed.of(later),
        lane.model,
        lane=lane.name,
        window=(fit.dates[0], fit.dates[-1]),
        data_digest="tests",
        kernel_version=VERSION,
        norms=medians([seen_in(lane, lake, one) for one in market.sessions[:3]] * 2),
    )
    return World(lake, short, Recipe(lane, Model.load(trained.onnx), Choice(0.40, 1.5, 1.5)), market.sessions)
