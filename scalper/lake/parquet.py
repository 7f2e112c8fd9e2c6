"""Single-file Parquet: timestamp, open, high, low, close, volume, symbol; many sessions and contracts in one file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from scalper.errors import BadInput
from scalper.lake.readers import CLOCK, Chunk, Source, classify, day_of, interval_of, need_tz, utc
from scalper.lake.schema import BARS, PRICES

ROWS = 500_000
"""Rows decoded at a time; a file of any length needs the memory of so many."""
COLUMNS = ("timestamp", *PRICES, "volume", "symbol")


def open_parquet(path: Path, *, symbol: str, interval: str | None, tz: str | None) -> Source:
    """`timestamp` is int64 nanoseconds UTC or a datetime (without a zone: in that of `tz`). Raises BadInput."""
    arrow = _arrow()
    try:
        file = arrow.parquet.ParquetFile(path)
        zone = _check_columns(path, pl.DataFrame(file.schema_arrow.empty_table()), tz)
        if interval is None:
            head = next(file.iter_batches(batch_size=ROWS, columns=["timestamp", "symbol"]), None)
            rows = pl.DataFrame() if head is None else pl.DataFrame(head)
            if rows.is_empty():
                raise BadInput(f"{path}: holds no rows; give --interval, or leave the file out")
            first = rows.filter(pl.col("symbol") == rows["symbol"][0])
            interval = interval_of(first.select(_stamp(first, zone).diff()).to_series(), str(path))
    except (OSError, arrow.ArrowException) as error:
        raise _damaged(path, error) from None
    return Source(path, interval, _chunks(path, file, symbol, zone))


def _chunks(path: Path, file: Any, symbol: str, zone: str) -> Iterator[Chunk]:
    arrow = _arrow()
    row = 1
    batches = file.iter_batches(batch_size=ROWS, columns=list(COLUMNS))
    while True:
        try:
            batch = next(batches, None)
        except (OSError, arrow.ArrowException) as error:
            raise _damaged(path, error) from None
        if batch is None:
            return
        frame = pl.DataFrame(batch).with_row_index("row", offset=row)
        row += len(frame)
        yield _chunk(path, frame, symbol, zone)


def _chunk(path: Path, frame: pl.DataFrame, symbol: str, zone: str) -> Chunk:
    values = {name: pl.col(name).cast(pl.Float64) for name in PRICES}
    unknown = {name: pl.lit(None, pl.Int64) for name in ("trades", "bid_volume", "ask_volume")}
    shaped = frame.select(
        pl.col("row").cast(pl.Int64),
        "symbol",
        _stamp(frame, zone).alias("ts_ns"),
        pl.col("timestamp").is_null().alias("missing"),
        **values,
        volume=pl.col("volume").cast(pl.Int64, strict=False),
        **unknown,
    )
    gaps = shaped.filter(pl.col("missing") | pl.col("symbol").is_null())["row"]
    if len(gaps):
        raise BadInput(f"{path}: row {gaps[0]}: timestamp or symbol is empty; fill it in or remove the row")
    stamped = shaped.filter(pl.col("ts_ns").is_not_null())
    dropped = {CLOCK: len(shaped) - len(stamped)} if len(shaped) > len(stamped) else {}
    named, others = _contracts(path, stamped, symbol)
    return Chunk(named.select("row", *BARS), len(frame), dropped | others)


def _contracts(path: Path, frame: pl.DataFrame, symbol: str) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows of our product with their contract, and how many others were left out, by reason."""
    year = pl.col("ts_ns") // (365 * 86_400_000_000_000)  # a one-digit year is resolved near its rows
    groups = frame.group_by("symbol", year.alias("year")).agg(pl.col("ts_ns").min(), pl.col("row").min(), pl.len())
    names: list[str | None] = []
    dropped: dict[str, int] = {}
    for text, ts_ns, row, count in groups.select("symbol", "ts_ns", "row", "len").iter_rows():
        try:
            contract, why = classify(text, symbol, day_of(ts_ns), any_product=False)
        except BadInput as error:
            raise BadInput(f"{path}: row {row}: column symbol: {error}") from None
        names.append(contract)
        if why:
            dropped[why] = dropped.get(why, 0) + count
    table = groups.select("symbol", "year").with_columns(contract=pl.Series(names, dtype=pl.String))
    if len(table) == 1:
        named = frame.with_columns(contract=pl.lit(names[0], pl.String))
    else:
        named = frame.with_columns(year.alias("year")).join(table, ["symbol", "year"], "left", maintain_order="left")
    return named.filter(pl.col("contract").is_not_null()), dropped


def _check_columns(path: Path, empty: pl.DataFrame, tz: str | None) -> str:
    """The zone of naive stamps ('UTC' where they need none). Raises BadInput for a missing column or a wrong type."""
    missing = [name for name in COLUMNS if name not in empty.columns]
    if missing:
        found = ", ".join(empty.columns)
        raise BadInput(f"{path}: no column {', '.join(missing)} (found {found}); expected {', '.join(COLUMNS)}")
    kinds = empty.schema
    stamp = kinds["timestamp"]
    wrong = [name for name in PRICES if not kinds[name].is_numeric()]
    wrong += [] if kinds["volume"].is_integer() else ["volume"]
    wrong += [] if kinds["symbol"] == pl.String() or isinstance(kinds["symbol"], pl.Categorical) else ["symbol"]
    wrong += [] if stamp == pl.Int64() or isinstance(stamp, pl.Datetime) else ["timestamp"]
    if wrong:
        found = ", ".join(f"{name} {kinds[name]}" for name in wrong)
        raise BadInput(
            f"{path}: wrong type: {found}; expected timestamp int64 nanoseconds or datetime, numbers for prices, "
            "whole numbers for volume, text for symbol"
        )
    naive = isinstance(stamp, pl.Datetime) and stamp.time_zone is None
    return need_tz(tz, f"{path}: column timestamp") if naive else "UTC"


def _stamp(frame: pl.DataFrame, zone: str) -> pl.Expr:
    kind = frame.schema["timestamp"]
    column = pl.col("timestamp")
    if not isinstance(kind, pl.Datetime):
        return column
    column = column.dt.cast_time_unit("ns")
    return utc(column, zone) if kind.time_zone is None else column.dt.timestamp("ns")


def _arrow() -> Any:
    """pyarrow, which has no types, loaded when it is needed."""
    import_module("pyarrow.parquet")
    return import_module("pyarrow")


def _damaged(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}); fetch or write the file again")
