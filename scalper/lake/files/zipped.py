"""Zipped days: one zip a UTC day, one CSV an expiry inside, with the minutes' trades or quotes, or with ticks.

A member's name tells the date, product, kind and expiry: `20131202_es_minute_trade_201403.csv`. Its stamps are
milliseconds since UTC midnight of that date, bars at their start. Columns, without a header: `ms, open, high, low,
close, volume` of minute trades; `ms, bid OHLC, bid size, ask OHLC, ask size` of minute quotes; `ms, price, size,
exchange, condition, suspicious` of ticks.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO

import polars as pl

from scalper.errors import BadInput
from scalper.lake.files.checks import FIRST_NS, LAST_NS
from scalper.lake.files.layouts import Layout
from scalper.lake.files.lines import Lines
from scalper.lake.files.readers import DAILY, UNTRADED, Chunk, ImportOptions, Source, day_of, need_tz
from scalper.lake.files.stamps import Breaks
from scalper.lake.files.text import AFTER
from scalper.lake.files.tickfeed import bars_of_ticks
from scalper.lake.schema import BARS, PRICES
from scalper.market import INSTRUMENTS, INTERVALS, expiry, instrument, parse_contract
from scalper.market.contracts import MONTHS

QUIET = "quote of a minute without a trade"
CROSSED = "crossed quote (bid above ask)"
PLACES = 6
"""Decimals of a difference of prices; floats of a grid of 0.10 leave noise behind them."""
SUSPICIOUS = "suspicious trade (marked by its source)"

NAME = re.compile(r"(\d{8})_([a-z]+)_(minute|tick)_(trade|quote)_(\d{4})(\d\d)\.csv", re.IGNORECASE)
DAY_MS, MS = 86_400_000, 1_000_000
TRADES = ("ms", *PRICES, "volume")
QUOTES = ("ms", "_1", "_2", "_3", "bid", "bid_size", "_6", "_7", "_8", "ask", "ask_size")
TICKS = ("ms", "price", "size", "_exchange", "_condition", "suspicious")
WHOLE = ("ms", "volume", "size", "bid_size", "ask_size", "suspicious")


@dataclass(frozen=True, slots=True)
class Member:
    """A CSV inside a zip."""

    zip: Path
    name: str
    day: date
    ticks: bool
    quotes: bool
    contract: str

    @property
    def path(self) -> Path:
        """What messages call it: the zip, then the member."""
        return self.zip / self.name

    @property
    def key(self) -> tuple[date, str]:
        """What its trades and its quotes have in common."""
        return self.day, self.contract

    def tables(self, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        """`row`, `ts_ns` and the used columns as numbers. Raises BadInput naming the row that has none."""
        layout = Layout("zipped days", ",", columns, 0, ())
        used = [name for name in columns if not name.startswith("_")]
        midnight = int(datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
        empty = True
        for table in Lines(str(self.path), self._opened).tables(layout, used):
            empty = empty and table.is_empty()
            kinds = {name: pl.Int64() if name in WHOLE else pl.Float64() for name in used}
            frame = table.select("row", *[pl.col(name).cast(kind, strict=False) for name, kind in kinds.items()])
            lost = [frame[name].is_null() & table[name].is_not_null() for name in used]
            for name, wrong in zip(used, lost, strict=True):
                self.refuse(frame, wrong, f"{name} is no {'whole ' if name in WHOLE else ''}number")
            self.refuse(frame, ~frame["ms"].is_between(0, DAY_MS - 1).fill_null(False), "ms is no millisecond of a day")
            yield frame.with_columns(ts_ns=pl.col("ms") * MS + midnight)
        if empty:
            raise BadInput(f"{self.path}: is empty; fetch the zip again")

    def refuse(self, frame: pl.DataFrame, wrong: pl.Series, what: str) -> None:
        """Raise BadInput naming the first row that is wrong."""
        for row in frame.filter(wrong)["row"].head(1):
            raise BadInput(f"{self.path}: row {row}: {what}; mend the row, or fetch the zip again")

    def _opened(self) -> IO[bytes]:
        return zipfile.ZipFile(self.zip).open(self.name)


def open_zips(paths: Sequence[Path], *, options: ImportOptions) -> list[Source]:
    """Open zipped days together, a source an expiry and day; quotes go to the minutes of the trades beside them.

    Raises BadInput naming zip and member: damaged, a name that does not tell date, product, kind and expiry, another
    product, quotes without their trades.
    """
    if options.interval == DAILY:
        raise BadInput(f"{paths[0]}: zipped days hold minutes or ticks; give another --interval, or none")
    if options.stamps == "end":
        raise BadInput(f"{paths[0]}: --stamps end, but zipped minutes are stamped at their start; leave the option out")
    if options.tz is not None:  # zips need none; a wrong one is a mistake all the same
        need_tz(options.tz, str(paths[0]))
    members = [member for path in paths for member in _members(path, options.symbol)]
    trades = [member for member in members if not member.quotes]
    quotes = _quotes(members, {member.day for member in trades if not member.ticks})
    breaks = Breaks(options.symbol)
    notes: list[str] = []
    parts: list[tuple[Member, Iterator[Chunk]]] = []
    for member in trades:
        if not member.ticks:
            parts.append((member, _of_minutes(member, quotes.pop(member.key, None), breaks, options.symbol)))
    parts += [(member, _alone(member)) for member in quotes.values()]
    if parts:
        member, chunks = parts.pop()
        parts.append((member, _concluded(chunks, member, breaks, notes)))
    minutes = [Source(member.path, _minute(member, options), chunks, True, notes) for member, chunks in parts]
    ticks = [Source(one.path, options.interval or "1s", _of_ticks(one, options), True) for one in trades if one.ticks]
    if ticks:
        ticks[0].notes.append("zipped ticks: the sides are inferred by the tick rule")
    return minutes + ticks


def _concluded(chunks: Iterator[Chunk], last: Member, breaks: Breaks, notes: list[str]) -> Iterator[Chunk]:
    """The last chunks of all minutes, and then what their stamps said. Raises BadInput if they were no bar starts."""
    yield from chunks
    _, why = breaks.stamped(str(last.zip.parent), None, "start", "zipped minutes")
    notes.append(f"zipped minutes: {why}")


def _members(path: Path, symbol: str) -> list[Member]:
    """The CSVs of a zip. Raises BadInput."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path}: cannot be read ({error}); the zip is damaged or incomplete, fetch it again") from None
    if not infos:
        raise BadInput(f"{path}: holds no files; fetch it again, or leave it out")
    for info in infos:
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(f"{path}: {info.filename} is encrypted or packed in a rare way; unzip it and zip it plainly")
    return [_member(path, info.filename, symbol) for info in infos]


def _member(path: Path, name: str, symbol: str) -> Member:
    """What a member's name tells. Raises BadInput."""
    match = NAME.fullmatch(name.rsplit("/", 1)[-1])
    if match is None:
        raise BadInput(
            f"{path}: its member {name!r} does not tell date, product, kind and expiry, as "
            "20131202_es_minute_trade_201403.csv does; if it is a text file of another layout, unzip it and import that"
        )
    told, product, step, kind, year, month = match.groups()
    if product.upper() != symbol:
        remedy = f"use --symbol {product.upper()}" if product.upper() in INSTRUMENTS else "leave it out"
        raise BadInput(f"{path}: its member {name} holds {product.upper()}, not {symbol}; {remedy}")
    if step == "tick" and kind == "quote":
        raise BadInput(f"{path}: its member {name} holds quotes by tick, which are not read; leave it out")
    try:
        day = datetime.strptime(told, "%Y%m%d").replace(tzinfo=UTC).date()
        if not day_of(FIRST_NS) <= day < day_of(LAST_NS):
            raise BadInput(f"{told} is beyond any market; rename the member")
        contract = parse_contract(f"{symbol}{MONTHS[int(month) - 1] if 1 <= int(month) <= 12 else '?'}{year}", day)
    except (ValueError, BadInput) as error:
        raise BadInput(f"{path}: the name of its member {name} tells no date or expiry: {error}") from None
    if day > expiry(contract) + AFTER:
        raise BadInput(
            f"{path}: its member {name} tells {contract}, which expired on {expiry(contract)}, before its date; rename "
            "the member after what it holds, or leave it out"
        )
    if path.name[:8].isdecimal() and path.name[:8] != told:
        raise BadInput(
            f"{path}: its member {name} is of another date than the zip's name; rename the one that is wrong"
        )
    return Member(path, name, day, step == "tick", kind == "quote", contract)


def _quotes(members: list[Member], traded: set[date]) -> dict[tuple[date, str], Member]:
    """The quotes by date and contract. Raises BadInput for quotes given twice, or without any trades of their date."""
    quotes: dict[tuple[date, str], Member] = {}
    for member in members:
        if not member.quotes:
            continue
        if member.day not in traded:
            raise BadInput(f"{member.zip}: holds quotes of {member.day}, but no trades: name its trade zip as well")
        if member.key in quotes:
            raise BadInput(
                f"{member.zip}: the quotes of {member.contract}, {member.day}, are given twice; name it once"
            )
        quotes[member.key] = member
    return quotes


def _minute(member: Member, options: ImportOptions) -> str:
    if options.interval not in (None, "1m"):
        raise BadInput(f"{member.zip}: holds 1m bars, not {options.interval}; leave --interval out")
    return "1m"


def _of_minutes(trade: Member, quote: Member | None, breaks: Breaks, symbol: str) -> Iterator[Chunk]:
    """An expiry's minutes of a day with the closing quote of each; a bar counts for its rows in both files."""
    bars = pl.concat(trade.tables(TRADES)).with_columns(contract=pl.lit(trade.contract, pl.String))
    traded = bars.filter(pl.col("volume").fill_null(1) != 0)  # what is no volume is refused with the other checks
    breaks.add(traded["ts_ns"])
    dropped = {UNTRADED: len(bars) - len(traded)}
    if quote is None:
        yield Chunk(traded.select("row", *BARS), len(bars), dropped)
        return
    told = _checked_quotes(quote, symbol)
    whole = told.filter((pl.col("ask") >= pl.col("bid")).fill_null(True))
    beside = whole.select(
        "ts_ns", "bid_size", "ask_size", spread=(pl.col("ask") - pl.col("bid")).round(PLACES), quoted=1
    )
    joined = traded.join(beside, "ts_ns", "left", maintain_order="left")
    joined = joined.with_columns(count=1 + pl.col("quoted").fill_null(0).cast(pl.Int64))
    dropped |= {CROSSED: len(told) - len(whole), QUIET: len(whole) - int(joined["quoted"].fill_null(0).sum())}
    columns = ("row", *BARS, "spread", "bid_size", "ask_size", "count")
    yield Chunk(joined.select(columns), len(bars) + len(told), dropped)


def _checked_quotes(quote: Member, symbol: str) -> pl.DataFrame:
    """A day's quotes: `ts_ns`, bid, bid_size, ask, ask_size; null where the minute did not tell that side."""
    frame = pl.concat(quote.tables(QUOTES))
    quote.refuse(frame, frame["ms"] % (INTERVALS["1m"] // MS) != 0, "ms does not start a minute")
    quote.refuse(frame, (frame["ms"].diff() <= 0).fill_null(False), "the minute is there twice, or goes back")
    tick = float(instrument(symbol).tick)
    for side in ("bid", "ask"):
        price, size = frame[side], frame[f"{side}_size"]
        off = ((price / tick).round() * tick - price).abs() > tick * 1e-6
        quote.refuse(frame, (off | (price <= 0)).fill_null(False), f"the {side} is off the grid of {tick}, or below it")
        quote.refuse(frame, size.is_null() | (size < 0), f"the size of the {side} is empty or negative")
    sizes = [pl.when(pl.col(side).is_not_null()).then(pl.col(f"{side}_size")) for side in ("bid", "ask")]
    return frame.with_columns(bid_size=sizes[0], ask_size=sizes[1])


def _alone(quote: Member) -> Iterator[Chunk]:
    """The quotes of an expiry that did not trade that day."""
    for table in quote.tables(QUOTES):
        yield Chunk(pl.DataFrame(schema={"row": pl.Int64(), **BARS}), len(table), {QUIET: len(table)})


def _of_ticks(member: Member, options: ImportOptions) -> Iterator[Chunk]:
    """An expiry's ticks of a day as bars."""

    def ticks() -> Iterator[Chunk]:
        for table in member.tables(TICKS):
            kept = table.filter(pl.col("suspicious").fill_null(0) == 0)
            columns = ("row", "ts_ns", "price", "size", pl.lit(member.contract, pl.String).alias("contract"))
            yield Chunk(kept.select(columns), len(table), {SUSPICIOUS: len(table) - len(kept)})

    return bars_of_ticks(ticks(), options.symbol, options.interval or "1s", member.path)
