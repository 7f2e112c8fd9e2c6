"""`scalper bench features`: the lake's one-second bars to all features and labels in the lake, and what that costs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from bench import tape as tape_of
from bench.features_peers import with_pandas, with_polars
from bench.measure import rate, ratios, timed
from bench.tape import Tape
from scalper.errors import DataUnavailable
from scalper.features import Stream, catalogue, fresh, params
from scalper.features.groups import ORDER
from scalper.lake import Lake, bar_keys
from scalper.learn.session import labels_of, tradable
from scalper.market import from_ticks
from scalper.market.bars import PRICES
from scalper.settings import REPOSITORY, Home, Lane

ROWS = 2_000_000
TAPES = 20
PEER_SESSIONS = 2
STEPS = 20_000
DISK = 100
"""Bytes a row on disk: bars, features, labels."""


def run(size: int | None = None) -> dict[str, Any]:
    """`rows` are traded seconds, as the budget counts them; the kernel steps over the carried ones too.

    Ours: the stage of a lane, in a process of its own (bench/features_alone.py): bars read from the lake, every column
    of the catalogue and the labels written to it. Peers: given the carried seconds in memory, fewer columns, no files.
    """
    rows = size or ROWS
    every = tape_of.tapes(min(TAPES, rows // 40_000 + 1))
    with TemporaryDirectory() as folder:
        free = shutil.disk_usage(folder).free
        if free < rows * DISK:
            raise DataUnavailable(f"{folder}: {free >> 20} MiB are free, {rows * DISK >> 20} are needed; set TMPDIR")
        found = _lane_alone(every, rows, Path(folder))
    lane = tape_of.lane()
    names = [one.name for one in catalogue(lane.features, lane.interval_ns)]
    found["columns"] = len(names)
    found["in_memory"] = _in_memory(lane, every[:PEER_SESSIONS])
    every_group = [one.NAME for one in ORDER]
    found["stream_step_us"] = {"base": _stream_step(every[0], None), "all": _stream_step(every[0], every_group)}
    peers, theirs = _peers(lane, every[:PEER_SESSIONS])
    left_out = [name for name in names if name not in theirs]
    found |= {"peers": peers, "ratios": ratios(found["rows_per_second"], peers)}
    return found | {"peer_columns": len(names) - len(left_out), "peers_leave_out": ", ".join(left_out)}


def _lane_alone(every: list[Tape], rows: int, folder: Path) -> dict[str, Any]:
    """The bars on disk, then the lane's stage in a process that does nothing else."""
    lake, lane = Lake(Home(root=folder).lake), tape_of.lane()
    held = 0
    days: list[str] = []
    for tape in tape_of.spread(every, rows):
        keys = bar_keys(lane.source_key, lane.symbol, lane.interval, tape.session.date)
        lake.write("bars", keys, from_ticks(tape.bars, lane.instrument.tick, tape.contract))
        held += tape.bars.size
        days.append(tape.session.date.isoformat())
    command = [sys.executable, "-W", "ignore", "-m", "bench.features_alone", str(folder), days[0], days[-1], str(held)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def _in_memory(lane: Lane, every: list[Tape]) -> dict[str, float]:
    """Rows a second of carrying, stepping and labelling alone, on one thread, as the peers do it."""
    rows = sum(tape.bars.size for tape in every)

    def work() -> None:
        for tape, bars, block in tape_of.features(lane, every):
            table = lane.timetable(tape.session)
            labels_of(lane, bars, table, block.volatility, tradable(bars, table) & block.warm)

    return {"rows_per_second": rate(rows, work), "threads": 1}


def _stream_step(tape: Tape, groups: list[str] | None) -> float:
    """Microseconds of a step from Python."""
    lane = tape_of.lane(features={"groups": groups} if groups else {})
    windows, width = params(lane.features, lane.interval_ns), len(catalogue(lane.features, lane.interval_ns))
    newest = tape_of.filled(lane, tape)[-STEPS:]
    bars = [newest[index : index + 1] for index in range(newest.size)]

    def work() -> None:
        stream = Stream(fresh(tape.contract, None, windows), windows, lane.timetable(tape.session), width)
        for one in bars:
            stream.push(one)

    return round(1e6 * timed(work) / len(bars), 3)


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
