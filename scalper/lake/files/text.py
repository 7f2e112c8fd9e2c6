"""Text files of bars or ticks: each layout of `layouts` in a first pass over the stamps and a second over the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl

from scalper.errors import BadInput
from scalper.lake.files.layouts import Layout, no_stamp
from scalper.lake.files.lines import Lines
from scalper.lake.files.readers import CLOCK, DAILY, Chunk, ImportOptions, Source, day_of, need_tz, utc
from scalper.lake.files.stamps import ALL, SAMPLE, Survey, far, zone_note
from scalper.lake.files.tickfeed import bars_of_ticks
from scalper.lake.schema import COLUMNS, PRICES
from scalper.market import INSTRUMENTS, INTERVALS, expiry, parse_contract, root_of
from scalper.market.contracts import MONTHS

AFTER = timedelta(days=7)
"""How long after a contract's expiry its file may go on; what goes on longer is not the file of that contract."""
ROOTS = "|".join(sorted(INSTRUMENTS, key=len, reverse=True))
PLAIN = re.compile(rf"(?:{ROOTS})[{MONTHS}](?:\d\d?|\d{{4}})")
MONTH_YEAR = re.compile(rf"({ROOTS}) (\d\d)-(\d\d)(?!\d)")


def open_text(path: Path, *, options: ImportOptions) -> Source:
    """Open a text file, gzipped or not. Raises BadInput naming file, row and remedy.

    The layout is told by the first lines. The stamps of the whole file are read first: they tell the interval, the
    order of day and month, and whether a stamp is its bar's start or end; only then are rows given.
    """
    if options.interval == DAILY:
        raise BadInput(f"{path}: bars of whole days are read from Databento's files only; give another --interval")
    layout = Lines.of(path).layout()
    zone = "UTC" if layout.zoned else need_tz(options.tz, str(path))
    form, survey, sample = _surveyed(path, layout, options.symbol, zone)
    contract = _contract(path, layout, options.symbol, survey)
    note = f"{path.name}: {layout.name}{_unused(layout)}"
    shift = 0
    if layout.ticks:
        interval = options.interval or "1s"
        note += "; the sides are inferred by the tick rule"
    else:
        interval = survey.interval(str(path), options.interval)
        kind, why = survey.breaks.stamped(str(path), options.stamps, layout.stamped, layout.name)
        note += f"; {why}"
        shift = INTERVALS[interval] if kind == "end" else 0
    outside = survey.breaks.outside(shifted=shift > 0)
    odd = None if layout.zoned else zone_note(options.symbol, sample, zone, outside, survey.rows)
    notes = [note, f"{path.name}: {odd}"] if odd else [note]
    rows = _Rows(path, layout, form, zone, contract, shift, survey.last_row)
    chunks = bars_of_ticks(rows.trades(), options.symbol, interval, path) if layout.ticks else rows.bars()
    return Source(path, interval, chunks, checked=layout.ticks, notes=notes)


def _surveyed(path: Path, layout: Layout, symbol: str, zone: str) -> tuple[str, Survey, pl.Series]:
    """The form of the stamps, what they say, and a sample of them as written. Every form that is possible is tried on
    the whole file; a row that none can read refuses it, and so does a file that two can read."""
    surveys = {form: Survey(symbol, spaced=not layout.ticks) for form in layout.forms}
    samples: dict[str, list[pl.Series]] = {form: [] for form in layout.forms}
    for table in Lines.of(path).tables(layout, layout.stamp):
        texts = _texts(table, layout)
        for form, stamps in _readings(path, table["row"], texts, list(surveys)).items():
            if stamps is None:
                del surveys[form]
                continue
            if (at := far(stamps)) is not None:
                raise BadInput(f"{path}: row {table['row'][at]}: stamp {texts[at]} is beyond any market; mend the row")
            surveys[form].add(table["row"], _utc(stamps, zone))
            samples[form].append(stamps.gather_every(SAMPLE if surveys[form].rows > ALL else 1))
    if len(surveys) > 1:
        raise BadInput(
            f"{path}: whether its dates are month/day or day/month does not show; write them as YYYY-MM-DD, or import "
            "a longer piece of the file, with a day after the 12th"
        )
    ((form, survey),) = surveys.items()
    if not samples[form]:
        raise BadInput(f"{path}: holds no rows; fetch it again, or leave it out")
    return form, survey, pl.concat(samples[form])


def _readings(path: Path, rows: pl.Series, texts: pl.Series, forms: list[str]) -> dict[str, pl.Series | None]:
    """Each form's reading of the stamps, None where it cannot read them all. Raises BadInput if no form can."""
    read: dict[str, pl.Series | None] = {}
    worst = 0
    for form in forms:
        stamps = _parsed(texts, form)
        bad = stamps.is_null().arg_true()
        read[form] = stamps if len(bad) == 0 else None
        worst = max(worst, int(bad[0])) if len(bad) else worst
    if all(stamps is None for stamps in read.values()):
        raise no_stamp(f"{path}: row {rows[worst]}", texts[worst] or "")
    return read


def _parsed(texts: pl.Series, form: str) -> pl.Series:
    """Texts as datetimes, in UTC where the form has a zone and without one elsewhere; null where it does not fit.

    In microseconds: in nanoseconds the year 2608 would wrap into 2024.
    """
    stamps = texts.str.to_datetime(form, strict=False, time_unit="us")
    if stamps.null_count() and "%S" in form and "%.f" not in form:  # the first row was at a full second, others are not
        stamps = texts.str.to_datetime(form.replace("%S", "%S%.f"), strict=False, time_unit="us")
    return stamps


def _texts(table: pl.DataFrame, layout: Layout) -> pl.Series:
    """The stamps as one text a row."""
    if len(layout.stamp) == 2:
        return table.select(pl.concat_str(*layout.stamp, separator=" ", ignore_nulls=True)).to_series()
    text = table[layout.stamp[0]].fill_null("")
    apart = layout.forms[0].startswith("%Y%m%d %H%M%S%.f")
    return text.str.replace(r" (\d{7})$", ".$1") if apart else text


def _utc(stamps: pl.Series, zone: str) -> pl.Series:
    column = pl.col(stamps.name)
    return stamps.to_frame().select(column.dt.timestamp("ns") if zone == "UTC" else utc(column, zone)).to_series()


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a file whose layout, form of stamps, zone, contract, shift (ns) and last row are known."""

    path: Path
    layout: Layout
    form: str
    zone: str
    contract: str | None
    shift: int
    last: int

    def bars(self) -> Iterator[Chunk]:
        """Bars, stamped at their start."""
        known = [name for name in COLUMNS if name in self.layout.columns]
        for table in Lines.of(self.path).tables(self.layout, (*self.layout.stamp, *known)):
            columns = {name: pl.col(name).cast(COLUMNS[name], strict=False) for name in known}
            frame = self._stamped(table).with_columns(**columns)
            self._refuse_sides(frame, [name for name in known if name not in (*PRICES, "volume")])
            yield self._chunk(frame, [name for name in COLUMNS if name in frame.columns])

    def trades(self) -> Iterator[Chunk]:
        """Ticks, as the tick feed takes them."""
        values = {"price": pl.Float64(), "volume": pl.Int64()}
        for table in Lines.of(self.path).tables(self.layout, (*self.layout.stamp, *values)):
            columns = [pl.col(name).cast(kind, strict=False) for name, kind in values.items()]
            frame = self._stamped(table).with_columns(columns).rename({"volume": "size"})
            yield self._chunk(frame, ["ts_ns", "contract", "price", "size"])

    def _stamped(self, table: pl.DataFrame) -> pl.DataFrame:
        texts = _texts(table, self.layout)
        stamps = _parsed(texts, self.form)
        for at in stamps.is_null().arg_true().head(1):
            raise no_stamp(f"{self.path}: row {table['row'][at]}", texts[at] or "")
        contract = pl.lit(self.contract, pl.String).alias("contract")
        return table.with_columns(_utc(stamps, self.zone).alias("ts_ns") - self.shift, contract)

    def _chunk(self, frame: pl.DataFrame, columns: list[str]) -> Chunk:
        """The rows that have one UTC time; the others are dropped."""
        kept = frame.filter(pl.col("ts_ns").is_not_null())
        lost = len(frame) - len(kept)
        share = int(frame["row"][-1]) / self.last if len(frame) else None
        return Chunk(kept.select("row", *columns), len(frame), {CLOCK: lost} if lost else {}, share)

    def _refuse_sides(self, frame: pl.DataFrame, names: list[str]) -> None:
        """Prices and volume have their turn with the other checks; a side may be null in the lake, not in the file."""
        for name in names:
            for row in frame.filter(pl.col(name).is_null())["row"].head(1):
                raise BadInput(f"{self.path}: row {row}: {name} is no whole number; mend the row, or remove the column")


def _unused(layout: Layout) -> str:
    """What to say of columns that nothing here uses."""
    count = sum(name.startswith("_") for name in layout.columns)
    return f" ({count} of its columns {'is' if count == 1 else 'are'} not used)" if count else ""


def _contract(path: Path, layout: Layout, symbol: str, survey: Survey) -> str | None:
    """The contract that the file's name tells, as ESH15.txt.gz or `ES 03-15.Last.txt`; None if it tells none.

    Raises BadInput for another product, for two contracts in the name, and for rows after the contract's expiry.
    """
    if survey.first_ns is None or survey.last_ns is None:
        return None
    name = MONTH_YEAR.sub(lambda m: f"{m[1]}{MONTHS[int(m[2]) - 1]}{m[3]}" if 1 <= int(m[2]) <= 12 else m[0], path.name)
    tokens = [token.upper() for token in re.split(r"[\s._-]+", name)]
    found = {parse_contract(token, day_of(survey.first_ns)) for token in tokens if PLAIN.fullmatch(token)}
    if not found:
        if layout.named:
            raise BadInput(f"{path}: the file's name must tell its contract, as ESH15.txt.gz; rename the file")
        return None
    if len(found) > 1:
        raise BadInput(f"{path}: its name tells {' and '.join(sorted(found))}; rename it after the one that it holds")
    (contract,) = found
    if root_of(contract) != symbol:
        raise BadInput(f"{path}: the file holds {contract}, not {symbol}; use --symbol {root_of(contract)}")
    last = day_of(survey.last_ns)
    if last > expiry(contract) + AFTER:
        raise BadInput(
            f"{path}: its name tells {contract}, which expired on {expiry(contract)}, but its rows go on to {last}; "
            "rename the file after what it holds"
        )
    return contract
