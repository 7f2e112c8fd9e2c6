"""Files to import, made by hand, and what the lake looks like from outside."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper.lake.schema import filled
from scalper.lake.storage import SCRATCH, STAGING
from scalper.market import INTERVALS, Session, session

HEADER = "Date, Time, Open, High, Low, Last, Volume, NumberOfTrades, BidVolume, AskVolume"
CHICAGO = "America/Chicago"


def digest(root: Path) -> str:
    """SHA-256 over the names and bytes of everything in the lake but its lock."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.relative_to(root).parts[0] not in (STAGING, SCRATCH):
            total.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def bar_line(day: str, time: str, price: float = 2000.0, *, volume: int = 10) -> str:
    """A five-minute bar of two ticks around `price`."""
    cells = (day, time, price, price + 0.25, price - 0.25, price, volume, 5, volume // 2, volume - volume // 2)
    return ", ".join(map(str, cells))


def bar_file(folder: Path, lines: Sequence[str], name: str = "ESH15.txt.gz", header: str = HEADER) -> Path:
    """A text file of bars."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join([header, *lines]) + "\n"
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def morning(count: int = 24, day: str = "2015/1/6") -> list[str]:
    """Five-minute bars from 08:30 Chicago on."""
    return [
        bar_line(day, f"{8 + (30 + 5 * i) // 60:02d}:{(30 + 5 * i) % 60:02d}:00", 2000 + i / 4) for i in range(count)
    ]


def rows_of(
    one: Session, contract: str = "MESZ26", interval: str = "1m", count: int | None = None, price: float = 6000.0
) -> pl.DataFrame:
    """A bar in every interval of a session outside its halts (the first `count` of them), lake columns."""
    step = INTERVALS[interval]
    ts = np.arange(one.open_ns, one.close_ns, step)
    for start, end in one.halts:
        ts = ts[(ts < start) | (ts >= end)]
    ts = ts[:count]
    wave = np.round(np.sin(np.arange(len(ts)) / 50) * 40) * 0.25 + price
    bars = pl.DataFrame(
        {
            "ts_ns": ts,
            "contract": pl.repeat(contract, len(ts), dtype=pl.String, eager=True),
            "open": wave,
            "high": wave + 0.5,
            "low": wave - 0.5,
            "close": wave + 0.25,
            "volume": np.full(len(ts), 7),
        }
    )
    return filled(bars)


def as_parquet(frame: pl.DataFrame, path: Path, **columns: Any) -> Path:
    """Lake columns as a single-file Parquet that a person would bring."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shaped = frame.select(
        pl.col("ts_ns").alias("timestamp"), "open", "high", "low", "close", "volume", symbol="contract"
    )
    shaped.with_columns(**columns).write_parquet(path)
    return path


def a_session(day: str = "2026-11-18") -> Session:
    """A session of MES, by default a plain Wednesday."""
    import datetime

    return session("MES", datetime.date.fromisoformat(day))
