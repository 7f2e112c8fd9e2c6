"""What an import reads: chunks of rows in one shape, whatever file they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from scalper.errors import BadInput
from scalper.market import INSTRUMENTS, INTERVALS, parse_contract

OUTSIDE = "outside the session calendar"
UNTRADED = "no trade (volume 0)"
OTHER = "other product"
SPREAD = "spread, not an outright contract"
CLOCK = "no single UTC time (clock change)"
KNOWN = "already in the lake"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a file, in file order.

    `frame` has the lake's bar columns and before them `row` (Int64, 1-based as a person counts: text lines with the
    header, records elsewhere). A null contract means the front contract of the calendar. `dropped` counts rows that the
    reader left out, by reason; `read` is all of them.
    """

    frame: pl.DataFrame
    read: int
    dropped: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Source:
    """A file opened for import: its interval, whether its rows are trades, and its chunks (read once)."""

    path: Path
    interval: str
    chunks: Iterator[Chunk]
    ticks: bool = False


def open_source(path: Path, *, symbol: str, interval: str | None, tz: str | None) -> Source:
    """Open a file by its name: .dbn(.zst), .parquet, .txt/.csv(.gz).

    `interval` may be None where the file tells it; `tz` is needed for stamps without a zone. Raises BadInput.
    """
    from scalper.lake import dbn, parquet, text

    if not path.is_file():
        raise BadInput(f"{path}: no such file; check the path (a folder is not read, name its files)")
    name = path.name.lower()
    if name.endswith((".dbn", ".dbn.zst")):
        return dbn.open_dbn(path, symbol=symbol, interval=interval)
    if name.endswith(".parquet"):
        return parquet.open_parquet(path, symbol=symbol, interval=interval, tz=tz)
    if name.removesuffix(".gz").endswith((".txt", ".csv")):
        return text.open_text(path, symbol=symbol, interval=interval, tz=tz)
    raise BadInput(f"{path}: not a kind of file that can be imported; use .dbn(.zst), .parquet, .txt(.gz) or .csv(.gz)")


def classify(text: str, symbol: str, near: date, *, any_product: bool) -> tuple[str | None, str | None]:
    """A vendor's symbol as (the lake's contract, None), or (None, the reason to drop its rows).

    With `any_product` a product that we do not know is another product (Databento's files hold anything); without, it
    is a mistake. Raises BadInput for that, and for what looks like our product but is no contract of it.
    """
    if any(mark in text for mark in "-: "):
        return None, SPREAD
    root = text.rstrip("0123456789")[:-1]
    if root != symbol and (any_product or root in INSTRUMENTS):
        return None, OTHER
    return parse_contract(text, near), None


def interval_of(steps: pl.Series, where: str) -> str:
    """The name of the most frequent positive step (ns) between rows. Raises BadInput if it is not one we know."""
    ahead = steps.filter(steps > 0)
    common = int(ahead.mode().sort()[0]) if len(ahead) else 0
    for name, length in INTERVALS.items():
        if length == common:
            return name
    names = "|".join(INTERVALS)
    raise BadInput(f"{where}: the interval of its rows is not clear ({common} ns); give --interval {names}")


def utc(stamps: pl.Expr, tz: str) -> pl.Expr:
    """Naive local stamps as UTC nanoseconds; null where a clock change leaves none or two of them."""
    aware = stamps.dt.replace_time_zone(tz, ambiguous="null", non_existent="null")
    return aware.dt.convert_time_zone("UTC").dt.timestamp("ns")


def need_tz(tz: str | None, where: str) -> str:
    """The zone given, checked. Raises BadInput if it is missing or unknown."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if tz is None:
        raise BadInput(f"{where}: its stamps carry no zone; say which with --tz, for example --tz America/Chicago")
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"--tz {tz!r}: no such time zone; use a name such as America/Chicago or UTC") from None
    return tz


def day_of(ts_ns: int) -> date:
    """The UTC date of a stamp."""
    return date(1970, 1, 1) + timedelta(days=ts_ns // 86_400_000_000_000)
