"""Sessions: 18:00 to 17:00 New York, dated by their scheduled close; holidays, early closes and scheduled halts."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput
from scalper.market.instruments import EQUITY, instrument

NEW_YORK = ZoneInfo("America/New_York")
FIRST_YEAR, LAST_YEAR = 1990, 2100
"""The calendars are asked for no other year."""
PAUSE = (time(16, 15), time(16, 30))
PAUSE_LAST_DATE = date(2021, 6, 25)
"""Equity index futures paused at 16:15 New York for the last time on Friday 2021-06-25 (CME; seen in real bars)."""

EARLY_CLOSES: dict[tuple[str, date], time] = {
    (EQUITY, date(2018, 12, 5)): time(9, 30),  # national day of mourning, G. H. W. Bush
    (EQUITY, date(2025, 1, 9)): time(9, 30),  # national day of mourning, J. Carter
}
"""New York closes that the exchange announced and pandas-market-calendars' schedule does not have.

Until 2015-09-18 the exchange itself closed at 17:15. A session here ends at 17:00 throughout, so that a day has one
length; the last quarter of an hour of those years lies outside.
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session. Times are UTC nanoseconds; intervals are [start, end).

    Regular hours (09:30 to 16:00 New York) are clipped to an early close; where that comes first they are empty.
    `halts` are the scheduled ones inside the session; `early` says that it closes before 17:00 New York.
    """

    date: date
    open_ns: int
    close_ns: int
    regular_open_ns: int
    regular_close_ns: int
    halts: tuple[tuple[int, int], ...]
    early: bool

    @property
    def next_stop_ns(self) -> int:
        """When trading first stops by schedule after the regular open: the earliest halt's start, or the close."""
        return min((start for start, _ in self.halts if start >= self.regular_open_ns), default=self.close_ns)

    def ny(self, hour: int, minute: int) -> int:
        """UTC nanoseconds of a New York wall time on the session's date."""
        return _ny_ns(self.date, time(hour, minute))


def sessions(symbol: str, start: date, end: date) -> list[Session]:
    """The sessions of `symbol` whose dates lie in start..end, both included, in order. Raises BadInput."""
    if start > end:
        raise BadInput(f"the first session date {start} is after the last, {end}: exchange them")
    _known(start)
    _known(end)
    calendar = instrument(symbol).calendar
    years = range(start.year, end.year + 1)
    return [s for year in years for s in _year(calendar, year).values() if start <= s.date <= end]


def session(symbol: str, day: date) -> Session:
    """The session of `symbol` dated `day`. Raises BadInput if the exchange is closed that day."""
    _known(day)
    found = _year(instrument(symbol).calendar, day.year).get(day)
    if found is None:
        raise BadInput(f"{symbol} has no session on {day:%A} {day}: choose a date on which the exchange opens")
    return found


def locate(ts_ns: npt.NDArray[np.int64], sessions: Sequence[Session]) -> npt.NDArray[np.int32]:
    """Index into `sessions` of each stamp, int32; -1 outside every session and inside a scheduled halt.

    Stamps need no order. O(n log m), no Python loop over stamps.
    """
    pieces = sorted((start, end, i) for i, one in enumerate(sessions) for start, end in _open_pieces(one))
    if not pieces:
        return np.full(len(ts_ns), -1, np.int32)
    starts, ends, index = np.array(pieces, np.int64).T
    piece = np.searchsorted(starts, ts_ns, side="right") - 1  # -1 reads the last piece, whose start is later: refused
    inside = (piece >= 0) & (ts_ns < ends[piece])
    return np.where(inside, index[piece], -1).astype(np.int32)


@lru_cache(maxsize=256)
def business_days(year: int) -> tuple[date, ...]:
    """The exchange's business days: those on which New York's stock market opens.

    A Globex holiday session (Memorial Day, say) is traded but is no business day, which expiry and notice count by.
    """
    table = _schedule("NYSE", year)
    return tuple(table.index.to_numpy("datetime64[D]").astype(object).tolist())


def _known(day: date) -> None:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadInput(f"{day} is no date of the calendars: use {FIRST_YEAR}-01-01 to {LAST_YEAR}-12-31")


def _open_pieces(one: Session) -> list[tuple[int, int]]:
    """The session without its halts, as [start, end) intervals."""
    edges = [one.open_ns, *(edge for halt in one.halts for edge in halt), one.close_ns]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _ny_ns(day: date, at: time) -> int:
    return int(datetime.combine(day, at, NEW_YORK).timestamp()) * 1_000_000_000


@lru_cache(maxsize=256)
def _year(calendar: str, year: int) -> dict[date, Session]:
    """The sessions of one calendar and year by date, in order."""
    table = _schedule(calendar, year)
    days: list[date] = table.index.to_numpy("datetime64[D]").astype(object).tolist()
    opens: list[int] = table["market_open"].to_numpy("datetime64[ns]").astype(np.int64).tolist()
    closes: list[int] = table["market_close"].to_numpy("datetime64[ns]").astype(np.int64).tolist()
    rows = zip(days, opens, closes, strict=True)
    return {day: _session(calendar, day, open_ns, close_ns) for day, open_ns, close_ns in rows}


def _session(calendar: str, day: date, open_ns: int, close_ns: int) -> Session:
    moved = EARLY_CLOSES.get((calendar, day))
    close_ns = close_ns if moved is None else _ny_ns(day, moved)
    halts: tuple[tuple[int, int], ...] = ()
    if calendar == EQUITY and day <= PAUSE_LAST_DATE:
        start, end = (_ny_ns(day, at) for at in PAUSE)
        halts = ((start, end),) if end < close_ns else ()
    return Session(
        date=day,
        open_ns=open_ns,
        close_ns=close_ns,
        regular_open_ns=min(_ny_ns(day, time(9, 30)), close_ns),
        regular_close_ns=min(_ny_ns(day, time(16)), close_ns),
        halts=halts,
        early=close_ns < _ny_ns(day, time(17)),
    )


def _schedule(calendar: str, year: int) -> Any:
    """A year of one of pandas-market-calendars' schedules, a pandas frame in UTC."""
    return _decade(calendar, year // 10 * 10).loc[str(year)]


_FILTERS = threading.Lock()
"""The filters of warnings belong to the process; an import reads in one thread and locates in another."""


@lru_cache(maxsize=32)
def _decade(calendar: str, first: int) -> Any:
    """Ten years of a schedule: they cost the library no more than one. Imported here, as pandas is slow to load."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pandas' own, hundreds a call
        import pandas_market_calendars as calendars  # pyright: ignore[reportMissingTypeStubs]

        return calendars.get_calendar(calendar).schedule(f"{first}-01-01", f"{first + 9}-12-31", tz="UTC")
