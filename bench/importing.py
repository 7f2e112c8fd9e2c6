"""`scalper bench import`: text files of bars and one Parquet file into the lake, every row checked."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import date
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from bench.measure import rate, ratios, result, timed
from scalper.errors import BadInput
from scalper.lake import Lake, import_files
from scalper.market import front_contract, locate, sessions

ROWS = 200_000
MINUTE_NS = 60_000_000_000
ZONE = "America/Chicago"


def run(size: int | None = None) -> dict[str, Any]:
    """`rows` one-minute ES bars: as gzipped text, one contract a file, stamps in Chicago time; and as one Parquet file.

    The text is the document's own figure, the Parquet file stands under `parquet`. Peers read, take the session from
    the clock and write a file a session; they check nothing, merge nothing, and a kill leaves half of it.
    """
    with TemporaryDirectory() as folder:
        place = Path(folder)
        made = bars(size or ROWS)
        text_files, parquet_file = texts(made, place), parquet(made, place)
        new = count()
        with_texts = _figures(len(made), place, new, text_files, pandas_texts, tz=ZONE)
        with_parquet = _figures(len(made), place, new, [parquet_file], pandas_parquet, tz=None)
    return with_texts | {"files": len(text_files), "sessions": made["session"].n_unique(), "parquet": with_parquet}


def _figures(
    rows: int,
    place: Path,
    new: Iterator[int],
    paths: list[Path],
    peer: Callable[[list[Path], Path], int],
    *,
    tz: str | None,
) -> dict[str, Any]:
    """Import into an empty lake, and let the peer write into an empty folder, as often as is timed."""
    kept = 0

    def work() -> None:
        nonlocal kept
        report = import_files(Lake(place / f"lake{next(new)}"), paths, symbol="ES", tz=tz)
        assert report.rows_read == report.rows_kept + sum(report.dropped.values())
        kept = report.rows_kept

    found = result("rows", rows, timed(work)) | {"rows_kept": kept}
    peers = {"pandas": rate(rows, lambda: peer(paths, place / f"peer{next(new)}"))}
    return found | {"peers": peers, "ratios": ratios(found["rows_per_second"], peers)}


# ----------------------------------------------------------------- the files


def bars(rows: int) -> pl.DataFrame:
    """A random walk on the tick grid over whole sessions, minute by minute, with contract and session."""
    every = sessions("ES", date(2010, 1, 4), date(2025, 12, 19))
    most = len(every) * 1380
    if rows > most:
        raise BadInput(f"--rows {rows}: the calendar from 2010 to 2025 has about {most:,} minutes; ask for fewer")
    every = every[-(-rows // 1380 + 1) :]
    stamps = np.concatenate([np.arange(one.open_ns, one.close_ns, MINUTE_NS) for one in every])
    index = locate(stamps, every)
    stamps, index = stamps[index >= 0][-rows:], index[index >= 0][-rows:]
    random = np.random.default_rng(1)
    close = 20_000 + np.cumsum(random.integers(-3, 4, stamps.size))
    opened = np.concatenate([[20_000], close[:-1]])
    high = np.maximum(opened, close) + random.integers(0, 3, stamps.size)
    low = np.minimum(opened, close) - random.integers(0, 3, stamps.size)
    bid, ask = random.integers(1, 300, (2, stamps.size))
    contracts = [front_contract("ES", one.date, "monday") for one in every]
    prices = {"open": opened / 4, "high": high / 4, "low": low / 4, "close": close / 4}
    sides = {"volume": bid + ask, "trades": (bid + ask) // 2 + 1, "bid_volume": bid, "ask_volume": ask}
    names = pl.Series(contracts).gather(index)
    return pl.DataFrame({"ts_ns": stamps, **prices, **sides, "contract": names, "session": index})


def texts(made: pl.DataFrame, place: Path) -> list[Path]:
    """One gzipped file a contract, written as the real five-minute files are."""
    local = pl.from_epoch("ts_ns", "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
    price = [pl.format("{}", pl.col(name)) for name in ("open", "high", "low", "close")]
    whole = [pl.col(name).cast(pl.String) for name in ("volume", "trades", "bid_volume", "ask_volume")]
    line = pl.concat_str(local.dt.strftime("%Y/%m/%d"), local.dt.strftime("%H:%M:%S"), *price, *whole, separator=", ")
    head = "Date, Time, Open, High, Low, Last, Volume, NumberOfTrades, BidVolume, AskVolume"
    paths: list[Path] = []
    for part in made.partition_by("contract", maintain_order=True):
        path = place / f"{part['contract'][0]}.txt.gz"
        text = "\n".join([head, *part.select(line).to_series().to_list(), ""])
        path.write_bytes(gzip.compress(text.encode(), compresslevel=1))
        paths.append(path)
    return paths


def parquet(made: pl.DataFrame, place: Path) -> Path:
    path = place / "es.parquet"
    columns = ["open", "high", "low", "close", "volume"]
    made.select(pl.col("ts_ns").alias("timestamp"), *columns, pl.col("contract").alias("symbol")).write_parquet(path)
    return path


# --------------------------------------------------------------------- peers


def pandas_texts(paths: list[Path], folder: Path) -> int:
    """read_csv, stamps to UTC, one Parquet file a session; returns the rows written."""
    parts: list[pd.DataFrame] = []
    for path in paths:
        part = pd.read_csv(path, skipinitialspace=True)
        naive = pd.to_datetime(part["Date"] + " " + part["Time"], format="%Y/%m/%d %H:%M:%S")
        stamps = naive.dt.tz_localize(ZONE, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
        parts.append(part.drop(columns=["Date", "Time"]).assign(stamp=stamps, contract=path.name.split(".")[0]))
    return _write(pd.concat(parts), folder)


def pandas_parquet(paths: list[Path], folder: Path) -> int:
    """read_parquet, one Parquet file a session; returns the rows written."""
    bars = pd.concat([pd.read_parquet(path) for path in paths])
    return _write(bars.assign(stamp=pd.to_datetime(bars["timestamp"], unit="ns", utc=True)), folder)


def _write(bars: pd.DataFrame, folder: Path) -> int:
    """A session runs from 18:00 to 17:00 New York and has the date of its end."""
    kept = bars.dropna(subset=["stamp"])
    day = (kept["stamp"].dt.tz_convert("America/New_York").dt.tz_localize(None) + pd.Timedelta(hours=6)).dt.date
    for one, part in kept.groupby(day):
        path = folder / f"date={one}" / "part.parquet"
        path.parent.mkdir(parents=True)
        part.to_parquet(path, compression="lz4", index=False)
    return len(kept)
