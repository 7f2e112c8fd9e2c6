"""Rows of features and labels of some sessions, side by side, as training and evaluation want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.errors import BadInput
from scalper.labels import label_rows
from scalper.lake import Lake
from scalper.learn.session import traded_bars
from scalper.market import session
from scalper.settings import Lane

NOT_FEATURES = ("ts_ns", "volatility_ticks")
UNLABELLED = -1
COLUMNS = ("x", "label", "reason", "move_ticks", "weight", "volatility_ticks", "ts_ns", "end_ns", "session")
"""What has a value a row."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """n rows, ascending in time.

    x (n, f) float32, NaN where unknown; label int8 (0 DOWN, 1 FLAT, 2 UP, -1 unlabelled) and reason int8 (why, an index
    into labels.REASONS); move_ticks, weight (average uniqueness, 0 unlabelled) and volatility_ticks float32; ts_ns (bar
    start) and end_ns (when the label is known) int64; session int32, an index into `dates`; `names` the features of x
    in order.
    """

    x: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int8]
    move_ticks: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    volatility_ticks: npt.NDArray[np.float32]
    ts_ns: npt.NDArray[np.int64]
    end_ns: npt.NDArray[np.int64]
    session: npt.NDArray[np.int32]
    dates: tuple[date, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, chosen: npt.NDArray[Any] | slice) -> Dataset:
        """The rows of a mask, an index or a slice; dates and names stay."""
        columns = {name: getattr(self, name)[chosen] for name in COLUMNS}
        return Dataset(**columns, dates=self.dates, names=self.names)

    def between(self, first: int, last: int) -> Dataset:
        """The rows of the sessions first ≤ index < last; dates and names stay."""
        low, high = np.searchsorted(self.session, [first, last])
        return self.rows(slice(int(low), int(high)))

    def labelled(self) -> npt.NDArray[np.bool_]:
        """Mask of the rows that have a label."""
        return self.label != UNLABELLED


def load(lake: Lake, lane_name: str, dates: Sequence[date]) -> Dataset:
    """Features and labels of a lane's sessions, joined row by row.

    A session without rows (flat, or nothing warm) is fine. Raises DataUnavailable if a file is missing, BadInput if
    features and labels have different rows or the sessions different features (stale files: build them again).
    """
    parts: list[tuple[pl.DataFrame, pl.DataFrame]] = []
    for day in dates:
        keys = {"lane": lane_name, "date": day.isoformat()}
        features, labels = lake.read("features", keys), lake.read("labels", keys)
        if not features["ts_ns"].equals(labels["ts_ns"]):
            raise BadInput(
                f"lane {lane_name}, {day}: {len(features)} rows of features and {len(labels)} of labels are not the "
                "same bars; build features and labels of that session again"
            )
        if parts and features.columns != parts[0][0].columns:
            odd = sorted(set(features.columns) ^ set(parts[0][0].columns)) or ["their order"]
            raise BadInput(
                f"lane {lane_name}: the features of {day} differ from those of {dates[0]} in {', '.join(odd)}; "
                "build the features of all sessions again"
            )
        parts.append((features, labels))
    if not parts:
        raise BadInput(f"lane {lane_name}: no sessions were asked for; give at least one")
    sizes = [len(features) for features, _ in parts]
    features = pl.concat([features for features, _ in parts])
    labels = pl.concat([labels for _, labels in parts])
    names = tuple(name for name in features.columns if name not in NOT_FEATURES)
    return Dataset(
        x=np.ascontiguousarray(features.select(names).to_numpy(), dtype=np.float32),
        label=labels["label"].to_numpy().astype(np.int8, copy=False),
        reason=labels["reason"].to_numpy().astype(np.int8, copy=False),
        move_ticks=labels["move_ticks"].fill_null(float("nan")).to_numpy().astype(np.float32, copy=False),
        weight=labels["weight"].to_numpy().astype(np.float32, copy=False),
        volatility_ticks=features["volatility_ticks"].to_numpy().astype(np.float32, copy=False),
        ts_ns=features["ts_ns"].to_numpy(),
        end_ns=labels["end_ns"].fill_null(0).to_numpy(),
        session=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        dates=tuple(dates),
        names=names,
    )


def load_horizon(lake: Lake, lane: Lane, horizon: int, day: date) -> Dataset:
    """One session's rows, labelled by the lane's labels at `horizon`: those of the lake, or made of its bars."""
    found = load(lake, lane.name, [day])
    if horizon == lane.labels.horizon or len(found) == 0:
        return found
    at = session(lane.symbol, day)
    bars = traded_bars(lake, lane, at).bars
    index = np.searchsorted(bars["ts_ns"], found.ts_ns)
    if not np.array_equal(bars["ts_ns"][np.minimum(index, bars.size - 1)], found.ts_ns):
        raise BadInput(f"lane {lane.name}, {day}: the features stand on other bars; build them again")
    settings = lane.labels.model_copy(update={"horizon": horizon})
    volatility, table = found.volatility_ticks.astype(np.float64), lane.timetable(at)
    rows = label_rows(bars, index, volatility, table, settings, stale_s=lane.policy.stale_s)
    made = {name: np.ascontiguousarray(rows[name]) for name in ("label", "reason", "move_ticks", "weight", "end_ns")}
    return replace(found, **made)
