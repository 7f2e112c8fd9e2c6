"""`scalper bench features`: one-second bars as traded to all features and labels, in memory and Parquet to Parquet."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from bench import tape as tape_of
from bench.features_peers import with_pandas, with_polars
from bench.measure import rate, ratios, result, timed
from bench.tape import Tape
from scalper.features import catalogue
from scalper.labels import direction
from scalper.lake import Lake, bar_keys
from scalper.learn.session import labels_of, prepare
from scalper.market import from_ticks
from scalper.market.bars import PRICES
from scalper.settings import Lane

ROWS = 2_000_000
PEER_SESSIONS = 2


def run(size: int | None = None) -> dict[str, Any]:
    """`rows` are traded seconds, as the budget counts them; `with_carried` is what the kernel steps over.

    Ours: fill the carried seconds, every column of the catalogue, labels; session by session, one thread. Peers: given
    the filled seconds, and fewer columns.
    """
    lane, every = tape_of.lane(), tape_of.tapes()
    chosen = tape_of.until(every, size or ROWS)
    rows = sum(every[index].bars.size for index in chosen)
    names = [one.name for one in catalogue(lane.features, lane.interval_ns)]
    _in_memory(lane, every[:1])  # compiles, or loads what was compiled
    stepped = _in_memory(lane, [every[index] for index in chosen])
    seconds = timed(lambda: _in_memory(lane, [every[index] for index in chosen]))
    found = result("rows", rows, seconds) | {"with_carried": stepped, "columns": len(names), "threads": 1}
    with TemporaryDirectory() as folder:
        found["parquet"] = _parquet(lane, every, chosen, Path(folder))
    peers, theirs = _peers(lane, every[:PEER_SESSIONS])
    left_out = [name for name in names if name not in theirs]
    found |= {"peers": peers, "ratios": ratios(found["rows_per_second"], peers)}
    return found | {"peer_columns": len(names) - len(left_out), "peers_leave_out": ", ".join(left_out)}


def _in_memory(lane: Lane, every: list[Tape]) -> int:
    """Features and labels of sessions; returns the bars stepped over."""
    stepped = 0
    for tape, bars, block in tape_of.features(lane, every):
        _labels(lane, tape, bars)
        stepped += len(block.x)
    return stepped


def _labels(lane: Lane, tape: Tape, bars: np.ndarray) -> None:
    labels = lane.labels
    table = lane.timetable(tape.session)
    direction(bars, table, horizon=labels.horizon, threshold_ticks=labels.threshold_ticks, stale_s=lane.policy.stale_s)


def _parquet(lane: Lane, every: list[Tape], chosen: list[int], folder: Path) -> dict[str, Any]:
    """The lane's own way: read a session's file and the one before it, write its features and its labels.

    A session that comes again overwrites its files, so the disk holds a few sessions however many rows are asked for.
    """
    lake = Lake(folder)
    for tape in every:
        keys = bar_keys(lane.source_key, lane.symbol, lane.interval, tape.session.date)
        lake.write("bars", keys, from_ticks(tape.bars, lane.instrument.tick, tape.contract))
    rows = sum(every[index].bars.size for index in chosen)
    written = 0

    def work() -> None:
        nonlocal written
        written = sum(_session_files(lane, lake, every, index) for index in chosen)

    return result("rows", rows, timed(work)) | {"rows_written": written}


def _session_files(lane: Lane, lake: Lake, every: list[Tape], index: int) -> int:
    """One session as scalper.lane.rows writes it; returns its rows."""
    ready = prepare(lake, lane, every[index].session, every[index - 1].session if index else None)
    label, move, end_ns = labels_of(lane, ready.bars, ready.timetable)
    rows = ready.rows
    stamps = {"ts_ns": ready.bars["ts_ns"][rows]}
    names = [one.name for one in catalogue(lane.features, lane.interval_ns)]
    columns = {name: ready.block.x[rows, column] for column, name in enumerate(names)}
    volatility = {"volatility_ticks": ready.block.volatility[rows].astype(np.float32)}
    known = {"label": label[rows], "move_ticks": move[rows].astype(np.float32), "end_ns": end_ns[rows]}
    keys = {"lane": lane.name, "date": ready.session.date.isoformat()}
    lake.write("features", keys, pl.DataFrame(stamps | columns | volatility))
    lake.write("labels", keys, pl.DataFrame(stamps | known))
    return int(rows.sum())


def _peers(lane: Lane, every: list[Tape]) -> tuple[dict[str, float], list[str]]:
    """Traded rows a second of the peers, session by session on the same filled bars, and the columns they make."""
    rows = sum(tape.bars.size for tape in every)
    for_polars = [ohlcv(tape_of.filled(lane, tape)) for tape in every]
    for_pandas = [one.to_pandas() for one in for_polars]
    polars = f"polars, {pl.thread_pool_size()} threads"
    peers = {
        "pandas": rate(rows, lambda: [with_pandas(one, lane) for one in for_pandas]),
        polars: rate(rows, lambda: [with_polars(one, lane) for one in for_polars]),
    }
    return peers, with_polars(for_polars[0], lane).columns


def ohlcv(bars: np.ndarray) -> pl.DataFrame:
    """Bars (n,) of BAR as the peers read them."""
    return pl.DataFrame({name: bars[name].astype(np.float64) for name in (*PRICES, "volume")})
