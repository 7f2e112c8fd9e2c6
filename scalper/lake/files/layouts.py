"""Layouts of text files, recognised by what the first line holds: separator, columns, spelling of the stamps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scalper.errors import BadInput
from scalper.lake.files.readers import Stamps

HEADS = {
    "date": "date",
    "time": "time",
    "datetime": "stamp",
    "timestamp": "stamp",
    "open": "open",
    "high": "high",
    "low": "low",
    "last": "close",
    "close": "close",
    "price": "price",
    "volume": "volume",
    "numberoftrades": "trades",
    "bidvolume": "bid_volume",
    "askvolume": "ask_volume",
}
"""A heading in lower case, without spaces and underscores, to the column it means."""

BARS = ("open", "high", "low", "close", "volume")
TICKS = ("price", "volume")
EXPECTED = (
    "expected Date, Time, Open, High, Low, Last, Volume [, NumberOfTrades, BidVolume, AskVolume] or DateTime, Open, "
    "High, Low, Close, Volume for bars (the latter also without a header), DateTime, Price, Volume for ticks, or "
    "NinjaTrader's YYYYMMDD HHMMSS;open;high;low;close;volume"
)

_DATES: dict[str, tuple[str, ...]] = {
    r"\d{4}-\d{1,2}-\d{1,2}": ("%Y-%m-%d",),
    r"\d{4}/\d{1,2}/\d{1,2}": ("%Y/%m/%d",),
    r"\d{4}\.\d{1,2}\.\d{1,2}": ("%Y.%m.%d",),
    r"\d{8}": ("%Y%m%d",),
    r"\d{1,2}/\d{1,2}/\d{4}": ("%m/%d/%Y", "%d/%m/%Y"),
    r"\d{1,2}-\d{1,2}-\d{4}": ("%m-%d-%Y", "%d-%m-%Y"),
    r"\d{1,2}\.\d{1,2}\.\d{4}": ("%m.%d.%Y", "%d.%m.%Y"),
}
_TIMES = {
    r"\d{1,2}:\d\d": "%H:%M",
    r"\d{1,2}:\d\d:\d\d": "%H:%M:%S",
    r"\d{1,2}:\d\d:\d\d\.\d+": "%H:%M:%S%.f",
    r"\d{1,2}:\d\d [AP]M": "%I:%M %p",
    r"\d{1,2}:\d\d:\d\d [AP]M": "%I:%M:%S %p",
    r"\d{6}": "%H%M%S",
    r"\d{6} \d{7}": "%H%M%S%.f",  # NinjaTrader's ticks; the reader joins the two by a point
}
_ZONES = {"": "", "Z": "Z", r"[+-]\d\d:?\d\d": "%z"}
_SPELLINGS = [
    (re.compile(day + gap + time + zone), tuple(form + gap + _TIMES[time] + _ZONES[zone] for form in _DATES[day]))
    for day in _DATES
    for gap in (" ", "T")
    for time in _TIMES
    for zone in _ZONES
]
_NINJA = re.compile(r"\d{8} \d{6}")
_NINJA_TICK = re.compile(r"\d{8} \d{6} \d{7}")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text file is to be read.

    `columns` names each cell of a line (what is not used is `_0`, `_1`, …); `header` is the row of the headings, 0 for
    none; `forms` are the strptime forms that the stamps may have, several only where day and month are not told apart;
    `named` says that a file of this layout holds one contract, which its name must tell; `stamped` is the layout's
    convention, None where there is none.
    """

    name: str
    separator: str
    columns: tuple[str, ...]
    header: int
    forms: tuple[str, ...]
    named: bool = False
    stamped: Stamps | None = None

    @property
    def ticks(self) -> bool:
        """Whether its rows are trades."""
        return "price" in self.columns

    @property
    def zoned(self) -> bool:
        """Whether the stamps carry their zone."""
        return all(form.endswith(("Z", "%z")) for form in self.forms)

    @property
    def stamp(self) -> tuple[str, ...]:
        """The columns that together are the stamp."""
        return ("date", "time") if "date" in self.columns else ("stamp",)


def recognise(where: str, lines: list[tuple[int, str]]) -> Layout:
    """The layout of a file whose first lines (row, text) are these, blank ones left out. Raises BadInput."""
    if not lines:
        raise BadInput(f"{where}: is empty; fetch it again, or leave it out")
    row, first = lines[0]
    separator = max(";\t,", key=first.count)
    cells = [cell.strip() for cell in first.split(separator)]
    columns = [HEADS.get(re.sub(r"[\s_\"<>]", "", cell).lower(), f"_{i}") for i, cell in enumerate(cells)]
    if all(name.startswith("_") for name in columns):
        return _headless(where, row, separator, cells)
    if len(lines) == 1:
        raise BadInput(f"{where}: holds a header and no rows; fetch it again, or leave it out")
    return _headed(where, row, separator, cells, columns, lines[1])


def _headed(
    where: str, row: int, separator: str, cells: list[str], columns: list[str], second: tuple[int, str]
) -> Layout:
    """The layout that the headings tell; the row after them shows how stamps are spelled."""
    for name in {name for name in columns if columns.count(name) > 1}:
        twice = " and ".join(cell for cell, column in zip(cells, columns, strict=True) if column == name)
        raise BadInput(f"{where}: row {row}: two columns for the {name} ({twice}); remove one of them")
    apart = "date" in columns and "time" in columns
    if not apart:  # one column that holds both, whatever it is called
        columns = ["stamp" if name in ("date", "time") else name for name in columns]
    ticks = "price" in columns
    missing = [name for name in (TICKS if ticks else BARS) if name not in columns]
    missing += [] if apart or columns.count("stamp") == 1 else ["datetime"]
    if missing:
        lacks = ", ".join("last" if name == "close" else name for name in missing)
        found = ", ".join(cell.lower() for cell in cells)
        raise BadInput(f"{where}: row {row}: no column {lacks} (found {found}); {EXPECTED}")
    values = [cell.strip() for cell in second[1].split(separator)]
    stamps = ("date", "time") if apart else ("stamp",)
    text = " ".join(values[columns.index(name)] for name in stamps if columns.index(name) < len(values))
    forms = spelled(f"{where}: row {second[0]}", text)
    if apart and not ticks and any(cell.lower() == "last" for cell in cells):
        return Layout("bars as Sierra Chart writes them", separator, tuple(columns), row, forms, True, "start")
    return Layout(f"{'ticks' if ticks else 'bars'} with a header", separator, tuple(columns), row, forms)


def _headless(where: str, row: int, separator: str, cells: list[str]) -> Layout:
    """The layout that the first row's cells tell by their number and stamp."""
    stamp = cells[0]
    if separator == ";" and len(cells) == 6 and _NINJA.fullmatch(stamp):
        columns = ("stamp", *BARS)
        return Layout("NinjaTrader bars", separator, columns, 0, spelled(where, stamp), stamped="end")
    if separator == ";" and len(cells) == 5 and _NINJA_TICK.fullmatch(stamp):
        columns = ("stamp", "price", "_bid", "_ask", "volume")
        return Layout("NinjaTrader ticks", separator, columns, 0, spelled(where, stamp))
    if len(cells) == 6:
        return Layout("bars without a header", separator, ("stamp", *BARS), 0, spelled(f"{where}: row {row}", stamp))
    if len(cells) == 7:
        forms = spelled(f"{where}: row {row}", f"{cells[0]} {cells[1]}")
        return Layout("bars without a header", separator, ("date", "time", *BARS), 0, forms)
    raise BadInput(f"{where}: row {row}: neither the headings nor a row of a layout that is known; {EXPECTED}")


def spelled(where: str, text: str) -> tuple[str, ...]:
    """The strptime forms that a stamp can be read by: two where day and month may change places. Raises BadInput."""
    for pattern, forms in _SPELLINGS:
        if pattern.fullmatch(text):
            return forms
    raise no_stamp(where, text)


def no_stamp(where: str, text: str) -> BadInput:
    """The error for a text that should be a stamp."""
    return BadInput(f"{where}: {text!r} is no stamp; expected such as 2024-03-18 09:30:00 or 2024/3/18, 09:30:00")
