"""A grid over the out-of-sample path: how the result hangs on the numbers of policy, risk and simulation.

It spends trials: every set is one, and whoever picks a set by its result has used the path up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import reduce
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper import clock
from scalper.compiled import source_digest
from scalper.errors import BadInput
from scalper.files import write_bytes
from scalper.lake import Lake
from scalper.lake.parquet import write_parquet
from scalper.lane.gridded_page import Gridded, page
from scalper.lane.learning import folds
from scalper.lane.stage import Progress, StageReport, bar, calendar, ledger_path, models_root, seen_path
from scalper.learn import ledger
from scalper.learn import walkforward as walking
from scalper.learn.digests import data_digest, made_of, recipe_digest
from scalper.learn.folds import Folds
from scalper.learn.holdout import note_path
from scalper.learn.session import Sessions
from scalper.learn.trials import COMPLETE, GRID
from scalper.settings import Home, Lane
from scalper.simulate.grid import Grid, around
from scalper.simulate.grid import grid as play
from scalper.simulate.rule_sets import Axes, RuleSet, rule_sets

MOST = 10_000
"""Sets of one grid: each is a trial for ever."""


def grid(lane: Lane, home: Home, axes: Axes, *, progress: Progress | None = None) -> StageReport:
    """Simulate every set of `axes` on the lane's out-of-sample path; see Gridded for what comes of it.

    Every set is appended to the trial ledger. Raises BadInput for a contradiction in a set, too many sets or too
    few sessions for a fold; DataUnavailable while the lane has no models.
    """
    started = clock.monotonic()
    if (count := prod(len(values) for values in axes.values())) > MOST:
        raise BadInput(f"{count:,} sets are more than {MOST:,}, and each would be a trial; give fewer values")
    sets, lake = rule_sets(lane, axes), Lake(home.lake)
    found, sessions = folds(lane, home), Sessions(lane, lake, calendar(lane), keep=8)
    with bar(f"{lane.name}: grid", progress) as advance:
        path = walking.walk(lane, sessions, models_root(lane, home), [(fold, fold.test) for fold in found.folds])
        played = play(lane, sets, path.inputs, threads=lane.model.threads, progress=advance)
    note_path(seen_path(lane, home), found.tested(), lane=lane.name, recipe=recipe_digest(lane))
    spent = _spend(lane, home, lake, found, played)
    done = Gridded(lane.name, _values(axes, sets), _table(axes, played), played.dates, *spent)
    folder = gridded_folder(lane, home)
    write_parquet(folder / "grid.parquet", done.table, {"scalper.lane": lane.name})
    write_bytes(folder / "index.html", page(done).encode())
    detail = done.summary() | {"page": str(folder / "index.html")}
    seconds, bars = clock.monotonic() - started, sum(one.bars.size for one in path.inputs)
    return StageReport("grid", bars * len(sets), len(sets), 0, seconds, detail, done.table)


def gridded_folder(lane: Lane, home: Home) -> Path:
    """Where the last grid lies: index.html and grid.parquet."""
    return home.state / "grids" / lane.name


def _value(lane: Lane, key: str) -> Any:
    """A key's value as the lane's file would say it: 0.6 and 0.60, or "16:30" and 990, are the same set."""
    document: Any = lane.model_dump(mode="json", by_alias=True)
    return reduce(lambda section, name: section[name], key.split("."), document)


def _values(axes: Axes, sets: Sequence[RuleSet]) -> dict[str, list[Any]]:
    """The axes with their values in that form."""
    shape, keys = [len(values) for values in axes.values()], list(axes)
    firsts = np.arange(len(sets)).reshape(shape)
    found: dict[str, list[Any]] = {}
    for axis, key in enumerate(keys):
        line: list[int] = np.moveaxis(firsts, axis, 0).reshape(shape[axis], -1)[:, 0].tolist()
        found[key] = [_value(sets[i].lane, key) for i in line]
    return found


def _table(axes: Axes, played: Grid) -> pl.DataFrame:
    """The grid's frame and `around`, the mean Sharpe ratio of a set's neighbours; best first."""
    sharpe = played.sharpe().reshape([len(values) for values in axes.values()])
    near = pl.Series("around", around(sharpe).ravel()).fill_nan(None)
    frame = played.frame()
    frame = frame.insert_column(frame.columns.index("sharpe") + 1, near)
    return frame.sort("sharpe", "set", descending=[True, False])


def _spend(lane: Lane, home: Home, lake: Lake, found: Folds, played: Grid) -> tuple[int, int]:
    """Append every set to the trial ledger; returns how many were new, and how many trials there are."""
    path, data = ledger_path(lane, home), data_digest(lake, lane, found.tested())
    models = made_of([models_root(lane, home) / fold.name for fold in found.folds])
    code = source_digest("market", "policy", "simulate", "learn")
    config = lane.digest("policy", "risk", "simulation", "execution_symbol")
    made = hashlib.sha256(f"{models} {data} {config} {code}".encode()).hexdigest()
    same = {"lane": lane.name, "fold": "path", "kind": GRID, "status": COMPLETE, "data": data, "input": made}
    same |= {"sessions": [day.isoformat() for day in played.dates]}
    sharpe, trades, net = played.sharpe(), played.trades.sum(axis=1), played.net_cents / 100
    records: list[Mapping[str, Any]] = [
        same
        | {"set": {key: _value(one.lane, key) for key in one.values}}
        | {"score": _finite(sharpe[i]), "trades": int(trades[i]), "net": net[i].sum(), "daily": net[i].tolist()}
        for i, one in enumerate(played.sets)
    ]
    return ledger.append(path, records), ledger.verify(path).records


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
