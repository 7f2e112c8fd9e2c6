"""Text files: five-minute (or any) bars with one contract a file, and trades of the front contract."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from scalper.errors import BadInput
from scalper.lake.readers import CLOCK, Chunk, Source, day_of, interval_of, need_tz, utc
from scalper.lake.schema import BARS, PRICES, SIDES
from scalper.market import parse_contract, root_of

BAR_COLUMNS = {
    "open": "open",
    "high": "high",
    "low": "low",
    "last": "close",
    "close": "close",
    "volume": "volume",
    "numberoftrades": "trades",
    "bidvolume": "bid_volume",
    "askvolume": "ask_volume",
}
"""Heading, in lower case, to the lake's column."""

DATES = ("%Y/%m/%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")


def open_text(path: Path, *, symbol: str, interval: str | None, tz: str | None) -> Source:
    """Bars `Date, Time, Open, High, Low, Last, Volume[, NumberOfTrades, BidVolume, AskVolume]` with the contract in the
    file's name, or ticks `DateTime, Price, Volume` of the front contract. Both may be gzipped. Raises BadInput."""
    table = _table(path)
    heads = set(table.columns)
    zone = need_tz(tz, str(path))
    if {"datetime", "price"} <= heads:
        _need(path, heads, ("datetime", "price", "volume"))
        price = pl.col("price").cast(pl.Float64, strict=False)
        values = dict.fromkeys(PRICES, price) | {"volume": _whole("volume"), "trades": pl.lit(1, pl.Int64)}
        frame = _shape(path, table, pl.col("datetime"), zone, values)
        contract = _named(path, symbol, frame, required=False)
        return Source(path, interval or "1s", _chunks(frame, contract), ticks=True)
    _need(path, heads, ("date", "time", "open", "high", "low", "last", "volume"))
    stamps = pl.concat_str("date", "time", separator=" ")
    known = {column: _number(head) for head, column in BAR_COLUMNS.items() if head in heads}
    frame = _shape(path, table, stamps, zone, known)
    contract = _named(path, symbol, frame, required=True)
    interval = interval or interval_of(frame["ts_ns"].drop_nulls().diff(), str(path))
    return Source(path, interval, _chunks(frame, contract))


def _chunks(frame: pl.DataFrame, contract: str | None) -> Iterator[Chunk]:
    kept = frame.filter(pl.col("ts_ns").is_not_null()).with_columns(contract=pl.lit(contract, pl.String))
    lost = len(frame) - len(kept)
    yield Chunk(kept.select("row", *BARS), len(frame), {CLOCK: lost} if lost else {})


def _table(path: Path) -> pl.DataFrame:
    """All cells as stripped strings, headings in lower case, and `row`, the line of the file; blank lines left out."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read ({error}); the file is damaged or incomplete, fetch it again") from None
    try:
        table = pl.read_csv(io.BytesIO(raw), infer_schema=False, quote_char=None)
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0]
        raise BadInput(f"{path}: not comma-separated values ({what}); mend the file or leave it out") from None
    table.columns = [name.strip().lower() for name in table.columns]
    cells = pl.all().str.strip_chars()
    blank = pl.all_horizontal(pl.exclude("row").is_null())
    return table.with_columns(cells).with_row_index("row", offset=2).filter(~blank)


def _need(path: Path, heads: set[str], wanted: tuple[str, ...]) -> None:
    missing = [name for name in wanted if name not in heads and not (name == "last" and "close" in heads)]
    if missing:
        found = ", ".join(sorted(heads))
        raise BadInput(
            f"{path}: row 1: no column {', '.join(missing)} (found {found}); expected Date, Time, Open, High, Low, "
            "Last, Volume [, NumberOfTrades, BidVolume, AskVolume] for bars, or DateTime, Price, Volume for ticks"
        )


def _number(head: str) -> pl.Expr:
    return _whole(head) if BARS[BAR_COLUMNS[head]] == pl.Int64() else pl.col(head).cast(pl.Float64, strict=False)


def _whole(head: str) -> pl.Expr:
    return pl.col(head).cast(pl.Int64, strict=False)


def _shape(path: Path, table: pl.DataFrame, stamps: pl.Expr, tz: str, values: dict[str, pl.Expr]) -> pl.DataFrame:
    """`row`, `ts_ns` (null at a clock change) and the values. Raises BadInput for a stamp that is none, or a side that
    is no number (the prices' turn comes with the other checks)."""
    naive = pl.coalesce(stamps.str.to_datetime(form, strict=False, time_unit="ns") for form in DATES)
    unknown = {name: pl.lit(None, dtype) for name, dtype in BARS.items() if name not in values}
    frame = table.select(
        pl.col("row").cast(pl.Int64), naive.alias("naive"), **{**unknown, **values}, text=stamps
    ).with_columns(ts_ns=utc(pl.col("naive"), tz))
    bad = frame.filter(pl.col("naive").is_null()).head(1)
    for row, text in bad.select("row", "text").iter_rows():
        raise BadInput(f"{path}: row {row}: {text!r} is no stamp; expected such as 2024/3/18 09:30:00")
    for name in [name for name in SIDES if name in values]:
        for row in frame.filter(pl.col(name).is_null())["row"].head(1):
            raise BadInput(f"{path}: row {row}: {name} is no whole number; mend the row, or remove the column")
    return frame.drop("naive", "text")


def _named(path: Path, symbol: str, frame: pl.DataFrame, *, required: bool) -> str | None:
    """The contract that the file's name tells, such as ESH15.txt.gz; None if it tells none and need not."""
    first = frame["ts_ns"].drop_nulls()
    if first.is_empty():
        return None
    stem = path.name.split(".", 1)[0]
    try:
        contract = parse_contract(stem, day_of(int(first[0])))
    except BadInput as error:
        if not required:
            return None
        raise BadInput(f"{path}: the file's name must begin with its contract, as ESH15.txt.gz: {error}") from None
    if root_of(contract) != symbol:
        raise BadInput(f"{path}: the file holds {contract}, not {symbol}; use --symbol {root_of(contract)}")
    return contract
