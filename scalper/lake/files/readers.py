"""What an import reads: chunks of rows in one shape, whatever file they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.errors import BadInput
from scalper.market import INSTRUMENTS, INTERVALS, RollRule, parse_contract

Stamps = Literal["start", "end"]

OUTSIDE = "outside the session calendar"
UNTRADED = "no trade (volume 0)"
OTHER = "other product"
SPREAD = "spread, not an outright contract"
CLOCK = "no single UTC time (clock change)"
KNOWN = "already in the lake"

DAY_NS = 86_400_000_000_000
DAILY = "1d-utc"
"""The interval of bars of whole UTC days, which cut sessions in two: for people, not for lanes."""

LENGTHS = INTERVALS | {DAILY: DAY_NS}
"""Every interval that bars of a file may have, to its length in nanoseconds."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a person says about files: the product, and what the files themselves do not tell.

    `tz` is the zone of stamps without one; `roll` the rule that names the contract of rows that have none; `stamps`
    whether text bars are stamped at their start or their end (None: as the format has it, or refused where unclear).
    """

    symbol: str
    interval: str | None = None
    tz: str | None = None
    roll: RollRule = "monday"
    stamps: Stamps | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a file, in file order.

    `frame` has `row` (Int64, 1-based as a person counts: text lines with the header, records elsewhere), the lake's
    required bar columns, those of the optional ones that the file tells, and perhaps `count` (Int64): how many of the
    file's rows the bar was made of (absent: one). `contract` is text, or Enum or Categorical, which are faster; null
    means that the file names none. `dropped` counts rows that the reader left out, by reason; `read` is all of them.
    `share` is how much of the file has been read by now (0 to 1), where the reader can say.
    """

    frame: pl.DataFrame
    read: int
    dropped: dict[str, int] = field(default_factory=dict[str, int])
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A file opened for import: the interval of its bars and its chunks, read once.

    `checked` says that the reader made the bars itself, from ticks that it checked: they may lie as far apart as they
    like. `notes` is what the person who imports should be told; it may grow until the last chunk.
    """

    path: Path
    interval: str
    chunks: Iterator[Chunk]
    checked: bool = False
    notes: list[str] = field(default_factory=list[str])


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


def numbered(labels: pl.Series) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The different texts of a column in order, and for each row the number of its text; -1 where it is null."""
    if not isinstance(labels.dtype, pl.Enum):
        labels = labels.cast(pl.Enum(labels.drop_nulls().unique().cast(pl.String).sort()))
    kind = labels.dtype
    assert isinstance(kind, pl.Enum)
    texts: list[str] = kind.categories.to_list()
    return texts, labels.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()


def labelled(numbers: npt.NDArray[Any], texts: Sequence[str]) -> pl.Series:
    """The other way: numbers of texts as a column of an Enum."""
    return pl.Series(numbers.astype(np.uint32)).cat.to(pl.Enum(texts))


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
    """The zone given, checked: Python and polars must both know it. Raises BadInput if it is missing or unknown."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if tz is None:
        raise BadInput(f"{where}: its stamps carry no zone; say which with --tz, for example --tz America/Chicago")
    try:
        ZoneInfo(tz)
        pl.Series([0]).cast(pl.Datetime).dt.replace_time_zone(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError, pl.exceptions.PolarsError):
        raise BadInput(f"--tz {tz!r}: no such time zone; use a name such as America/Chicago or UTC") from None
    return tz


def day_of(ts_ns: int) -> date:
    """The UTC date of a stamp."""
    return date(1970, 1, 1) + timedelta(days=ts_ns // DAY_NS)
