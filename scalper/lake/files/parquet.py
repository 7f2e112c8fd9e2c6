"""Single-file Parquet: timestamp, open, high, low, close, volume, symbol and perhaps order flow; many sessions and
contracts in one file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.errors import BadInput
from scalper.lake.files.readers import (
    CLOCK,
    Chunk,
    ImportOptions,
    Source,
    classify,
    day_of,
    interval_of,
    labelled,
    need_tz,
    numbered,
    utc,
)
from scalper.lake.files.stamps import far
from scalper.lake.schema import FLOW, PRICES

ROWS = 1 << 18
"""Rows decoded at a time; a file of any length needs the memory of so many."""
BUFFER = 1 << 20
"""Bytes read at a time of each column; by default pyarrow keeps all that it has read until the file's end."""
COLUMNS = ("timestamp", *PRICES, "volume", "symbol")
YEAR_NS = 365 * 86_400_000_000_000
"""A one-digit year of a symbol is resolved near its rows: within so long it is the same."""


def open_parquet(path: Path, *, options: ImportOptions) -> Source:
    """`timestamp` is int64 nanoseconds UTC or a datetime (without a zone: in that of `tz`). Raises BadInput."""
    interval = options.interval
    with _clear(path):
        with _arrow().parquet.ParquetFile(path) as file:
            zone = _check_columns(path, pl.DataFrame(file.schema_arrow.empty_table()), options.tz)
        how = {"read_dictionary": ["symbol"], "buffer_size": BUFFER, "pre_buffer": False}
        file = _arrow().parquet.ParquetFile(path, **how)
        if file.metadata.num_rows == 0:
            raise BadInput(f"{path}: holds no rows; leave the file out, or write it again with its rows")
        if interval is None:
            rows = pl.DataFrame(next(file.iter_batches(batch_size=ROWS, columns=["timestamp", "symbol"])))
            _need_near(path, rows, 1)
            first = rows.filter(pl.col("symbol") == rows["symbol"][0])
            interval = interval_of(first.select(_stamp(first, zone).diff()).to_series(), str(path))
    return Source(path, interval, _chunks(path, file, options.symbol, zone))


def _chunks(path: Path, file: Any, symbol: str, zone: str) -> Iterator[Chunk]:
    total = file.metadata.num_rows
    wanted = [name for name in (*COLUMNS, *FLOW) if name in file.schema_arrow.names]
    batches = file.iter_batches(batch_size=ROWS, columns=wanted)
    contracts = _Contracts(path, symbol)
    row = 1
    while True:
        with _clear(path):
            batch = next(batches, None)
        if batch is None:
            return
        frame = pl.DataFrame(batch)
        yield _chunk(path, frame, row, zone, contracts, (row - 1 + len(frame)) / total)
        row += len(frame)


def _chunk(path: Path, raw: pl.DataFrame, first: int, zone: str, contracts: _Contracts, share: float) -> Chunk:
    missing = raw["timestamp"].is_null() | raw["symbol"].is_null()
    if missing.any():
        at = first + int(missing.arg_max() or 0)
        raise BadInput(f"{path}: row {at}: timestamp or symbol is empty; fill it in or remove the row")
    _need_near(path, raw, first)
    flow = {name: pl.col(name).cast(kind) for name, kind in FLOW.items() if name in raw.columns}
    frame = raw.select(
        pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias("row"),
        _stamp(raw, zone).alias("ts_ns"),
        "symbol",
        **{name: pl.col(name).cast(pl.Float64) for name in PRICES},
        volume=pl.col("volume").cast(pl.Int64, strict=False),
        **flow,
    )
    dropped = {CLOCK: lost} if (lost := frame["ts_ns"].null_count()) else {}
    frame = frame.filter(pl.col("ts_ns").is_not_null()) if lost else frame
    named, others = contracts.named(frame)
    return Chunk(named, len(raw), dropped | others, share)


class _Contracts:
    """The contracts of a file's symbols, each resolved once a year."""

    def __init__(self, path: Path, symbol: str) -> None:
        self._path, self._symbol = path, symbol
        self._known: dict[tuple[str, int], tuple[str | None, str | None]] = {}

    def named(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        """The rows of our product, with `contract` for `symbol`; and how many others were left out, by reason.

        Raises BadInput naming the first row of a symbol that is none.
        """
        if frame.is_empty():
            return frame.rename({"symbol": "contract"}), {}
        texts, numbers = numbered(frame["symbol"])
        years = frame["ts_ns"].to_numpy() // YEAR_NS
        earliest = int(years.min())
        span = int(years.max()) - earliest + 1
        groups = numbers * span + (years - earliest)
        counts = np.bincount(groups)
        found: dict[int, tuple[str | None, str | None]] = {}
        for group in sorted(np.flatnonzero(counts).tolist(), key=lambda one: int((groups == one).argmax())):
            at = int((groups == group).argmax())
            found[group] = self._classified(texts[group // span], earliest + group % span, frame, at)
        dropped: dict[str, int] = {}
        for group, (_, why) in found.items():
            if why is not None:
                dropped[why] = dropped.get(why, 0) + int(counts[group])
        return _labelled(frame, groups, {group: name for group, (name, _) in found.items()}, len(counts)), dropped

    def _classified(self, text: str, year: int, frame: pl.DataFrame, at: int) -> tuple[str | None, str | None]:
        if (text, year) not in self._known:
            try:
                found = classify(text, self._symbol, day_of(frame["ts_ns"][at]), any_product=False)
            except BadInput as error:
                raise BadInput(f"{self._path}: row {frame['row'][at]}: column symbol: {error}") from None
            self._known[text, year] = found
        return self._known[text, year]


def _labelled(
    frame: pl.DataFrame, groups: npt.NDArray[np.int64], names: dict[int, str | None], count: int
) -> pl.DataFrame:
    """The rows whose group has a name, with it as `contract`."""
    labels = sorted({name for name in names.values() if name is not None})
    codes = np.full(count, -1, np.int64)
    for group, name in names.items():
        codes[group] = -1 if name is None else labels.index(name)
    mine = codes[groups]
    frame = frame.drop("symbol")
    if (mine < 0).any():
        frame, mine = frame.filter(pl.Series(mine >= 0)), mine[mine >= 0]
    return frame.with_columns(contract=labelled(mine, labels))


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
    wrong += [] if isinstance(kinds["symbol"], pl.String | pl.Categorical | pl.Enum) else ["symbol"]
    wrong += [] if stamp == pl.Int64() or isinstance(stamp, pl.Datetime) else ["timestamp"]
    wrong += [
        name
        for name, kind in FLOW.items()
        if name in kinds and not (kinds[name].is_integer() or kinds[name] in (kind, pl.Null()))
    ]
    if wrong:
        found = ", ".join(f"{name} {kinds[name]}" for name in wrong)
        raise BadInput(
            f"{path}: wrong type: {found}; expected timestamp int64 nanoseconds or datetime, numbers for prices, "
            "whole numbers for volume and order flow, text for symbol"
        )
    naive = isinstance(stamp, pl.Datetime) and stamp.time_zone is None
    return need_tz(tz, f"{path}: column timestamp") if naive else "UTC"


def _need_near(path: Path, frame: pl.DataFrame, first: int) -> None:
    """Raise BadInput for a datetime beyond any market; `first` is the number of the first row."""
    stamps = frame["timestamp"]
    if isinstance(stamps.dtype, pl.Datetime) and (at := far(stamps)) is not None:
        what = f"timestamp {stamps.to_physical()[at]} ({stamps.dtype.time_unit} since 1970) is beyond any market"
        raise BadInput(f"{path}: row {first + at}: {what}; mend the row")


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


@contextmanager
def _clear(path: Path) -> Generator[None]:
    """pyarrow's errors as ours."""
    try:
        yield
    except (OSError, _arrow().ArrowException) as error:
        what = str(error).splitlines()[0]
        raise BadInput(f"{path}: cannot be read as Parquet ({what}); fetch or write the file again") from None
