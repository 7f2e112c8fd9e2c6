"""The files that `bench import` brings in: a random walk on the tick grid, as traded, session after session."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from scalper.clock import NS
from scalper.errors import BadInput
from scalper.market import BAR, Session, front_contract, instrument, locate, sessions
from scalper.sandbox.dbn import metadata, records
from scalper.sandbox.symbology import Interval

SECOND_NS, MINUTE_NS = NS, 60 * NS
TRADED = {SECOND_NS: 0.53, MINUTE_NS: 1.0}
"""Share of the intervals in which something is traded."""
ZONE = "America/Chicago"
GROUP = 1_000_000
"""Rows of a row group."""


def seconds_to_dbn(rows: int, path: Path) -> int:
    """Databento's ohlcv-1s, zstd; returns the number of sessions."""
    found = list(days(rows, SECOND_NS))
    tick_nano = int(instrument("ES").tick * NS)
    spans: dict[str, list[Interval]] = {}
    for one, contract, _ in found:
        start = spans[contract][0].start if contract in spans else one.date - timedelta(days=1)
        spans[contract] = [Interval(contract, start, one.date + timedelta(days=1))]
    names = {f"{contract[:-2]}{contract[-1]}": span for contract, span in spans.items()}
    head = metadata(
        dataset="GLBX.MDP3",
        schema="ohlcv-1s",
        stype_in="raw_symbol",
        stype_out="instrument_id",
        start_ns=found[0][0].open_ns,
        end_ns=found[-1][0].close_ns,
        limit=None,
        symbols=list(names),
        not_found=[],
        mappings=names,
    )
    with path.open("wb") as file, zstandard.ZstdCompressor(1).stream_writer(file) as out:
        out.write(head)
        for one, contract, walk in found:
            out.write(records(_bars(one, SECOND_NS, walk), contract, "ohlcv-1s", tick_nano).tobytes())
    return len(found)


def to_parquet(rows: int, step_ns: int, path: Path) -> int:
    """One Parquet file as pyarrow writes it by default; returns the number of sessions."""
    held: list[pl.DataFrame] = []
    count = 0
    writer: Any = None
    for one, contract, walk in days(rows, step_ns):
        held.append(_frame(_bars(one, step_ns, walk), contract))
        count += 1
        if sum(map(len, held)) >= GROUP:
            writer = _group(writer, held, path)
            held = []
    writer = _group(writer, held, path) if held else writer
    writer.close()
    return count


def to_texts(rows: int, place: Path) -> tuple[list[Path], int]:
    """Minutes, one gzipped file a contract, written as the real five-minute files are; and the number of sessions."""
    local = pl.from_epoch("timestamp", "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
    price = [pl.format("{}", pl.col(name)) for name in ("open", "high", "low", "close")]
    flow = {"trades": pl.col("volume") // 2 + 1, "bid_volume": pl.col("volume") // 2}
    flow["ask_volume"] = pl.col("volume") - flow["bid_volume"]
    whole = [pl.col("volume").cast(pl.String), *(one.cast(pl.String) for one in flow.values())]
    line = pl.concat_str(local.dt.strftime("%Y/%m/%d"), local.dt.strftime("%H:%M:%S"), *price, *whole, separator=", ")
    head = "Date, Time, Open, High, Low, Last, Volume, NumberOfTrades, BidVolume, AskVolume"
    lines: dict[str, list[str]] = {}
    count = 0
    for one, contract, walk in days(rows, MINUTE_NS):
        made = _frame(_bars(one, MINUTE_NS, walk), contract)
        lines.setdefault(contract, [head]).extend(made.select(line).to_series().to_list())
        count += 1
    paths = [place / f"{contract}.txt.gz" for contract in lines]
    for path, text in zip(paths, lines.values(), strict=True):
        path.write_bytes(gzip.compress("\n".join([*text, ""]).encode(), compresslevel=1))
    return paths, count


def days(rows: int, step_ns: int) -> Iterator[tuple[Session, str, tuple[int, int, int]]]:
    """Sessions, the contract of each, and of its walk (seed, rows, rows kept): as many as needed, the last one cut."""
    every = sessions("ES", date(2020, 1, 2), date(2025, 12, 19))
    full = [int((one.close_ns - one.open_ns) // step_ns * TRADED[step_ns] * 0.98) for one in every]
    if rows > sum(full):
        raise BadInput(f"--rows {rows}: the calendar from 2020 to 2025 has about {sum(full):,}; ask for fewer")
    first = len(every) - 1
    while sum(full[first:]) < rows:
        first -= 1
    left = rows
    for number in range(first, len(every)):
        take = min(left, full[number])
        left -= take
        if take:
            yield every[number], front_contract("ES", every[number].date, "monday"), (number, full[number], take)


def _bars(one: Session, step_ns: int, walk: tuple[int, int, int]) -> Any:
    """Bars (BAR, ticks) of one session, ascending, in so many of its intervals."""
    number, rows, kept = walk
    random = np.random.default_rng(number)
    stamps = np.arange(one.open_ns, one.close_ns, step_ns)
    stamps = stamps[locate(stamps, [one]) >= 0]
    bars = np.zeros(rows, BAR)
    bars["ts_ns"] = stamps[np.sort(random.permutation(len(stamps))[:rows])]
    bars["close"] = 20_000 + np.cumsum(random.integers(-3, 4, rows))
    bars["open"] = np.append(20_000, bars["close"][:-1])
    bars["high"] = np.maximum(bars["open"], bars["close"]) + random.integers(0, 3, rows)
    bars["low"] = np.minimum(bars["open"], bars["close"]) - random.integers(0, 3, rows)
    bars["volume"] = random.integers(2, 300, rows)
    return bars[:kept]


def _frame(bars: Any, contract: str) -> pl.DataFrame:
    """As a person would bring it."""
    prices = {name: bars[name] / 4 for name in ("open", "high", "low", "close")}
    names = pl.repeat(contract, len(bars), dtype=pl.String, eager=True)
    return pl.DataFrame({"timestamp": bars["ts_ns"], **prices, "volume": bars["volume"], "symbol": names})


def _group(writer: Any, held: list[pl.DataFrame], path: Path) -> Any:
    table = pl.concat(held).to_arrow().cast(pa.schema(_SCHEMA))
    writer = writer or pq.ParquetWriter(path, table.schema)
    writer.write_table(table)
    return writer


_SCHEMA = [
    ("timestamp", pa.int64()),
    *((name, pa.float64()) for name in ("open", "high", "low", "close")),
    ("volume", pa.int64()),
    ("symbol", pa.string()),
]
