"""What a file's stamps say before a row of it enters: interval, bar start or bar end, and whether the zone fits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from math import gcd

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.clock import NS
from scalper.errors import BadInput
from scalper.lake.files.checks import FIRST_NS, LAST_NS
from scalper.lake.files.readers import DAY_NS, Stamps, day_of, interval_of, utc
from scalper.market import INTERVALS, locate, sessions

ENOUGH = 3
"""Breaks that must speak before they decide. One may be a stray row; three that agree are a file's habit."""
AGREED = 0.95
"""Share of the breaks that must agree: the calendar misses an early close now and then."""
ODD = 0.02
"""Share of rows outside all sessions from which on the zone is doubted. An hour's error puts 4.3 % there (one hour of
23); closes at 17:15, as until September 2015, put 1.1 % there with the right zone."""
MENDED = 0.25
"""Another zone is named if it leaves at most this part of those rows outside."""
ZONES = ("America/Chicago", "America/New_York", "UTC", "Europe/London", "Europe/Berlin")
SAMPLE, ALL = 97, 10_000
"""Every so manieth stamp is kept for the question of zone (prime, so that it falls on every minute of the hour), of a
file of more rows than the second number."""
FEW = 20
"""Rows of a day from which on a spacing that is wider than the interval cannot be chance."""

CLOSE_NS = 3_600 * NS
"""How close to a break a row must lie to show that the file covers that side of it: the longest interval."""

Int64s = npt.NDArray[np.int64]


@dataclass(slots=True)
class Breaks:
    """What stamps say at the breaks of trading of `symbol`: from a stop (a close, a halt's start) to the next start.

    A row stamped at the stop can only be a bar's end, one at the start only a bar's start. A break speaks if it has one
    of the two and the file holds rows close to the other side, where that side's row would have been. One with rows in
    between does not: there the calendar or the zone is wrong, or the market traded longer in that year.
    """

    symbol: str
    stops: set[int] = field(default_factory=set[int])  # breaks, by their stop, with a row at the stop
    starts: set[int] = field(default_factory=set[int])  # with a row at the start
    between: set[int] = field(default_factory=set[int])  # with a row in between
    before: set[int] = field(default_factory=set[int])  # with a row close before the stop
    after: set[int] = field(default_factory=set[int])  # with a row close after the start
    rows: tuple[int, int, int] = (0, 0, 0)
    """Rows at a stop, in between, at a start."""

    def add(self, stamps: pl.Series) -> None:
        """Take stamps (UTC nanoseconds, none null), in any order."""
        if stamps.is_empty():
            return
        ts = stamps.to_numpy()
        stop, start = _gaps(self.symbol, int(ts.min()), int(ts.max()))
        at = np.searchsorted(stop, ts, side="right") - 1
        self.before.update(np.unique(stop[at[ts >= stop[at + 1] - CLOSE_NS] + 1]).tolist())
        self.after.update(np.unique(stop[at[(ts > start[at]) & (ts <= start[at] + CLOSE_NS)]]).tolist())
        out = ts <= start[at]
        ts, at = ts[out], at[out]
        at_stop, at_start = ts == stop[at], ts == start[at]
        between = ~at_stop & ~at_start
        self.stops.update(stop[at[at_stop]].tolist())
        self.starts.update(stop[at[at_start]].tolist())
        self.between.update(np.unique(stop[at[between]]).tolist())
        before, inside, after = self.rows
        self.rows = before + int(at_stop.sum()), inside + int(between.sum()), after + int(at_start.sum())

    def outside(self, *, shifted: bool) -> int:
        """Rows outside all sessions, as they are or, being bar ends, shifted by an interval."""
        at_stop, between, at_start = self.rows
        return between + (at_start if shifted else at_stop)

    def stamped(self, where: str, given: Stamps | None, usual: Stamps | None, layout: str) -> tuple[Stamps, str]:
        """Whether the stamps are bar starts or ends, and the sentence that says why.

        `given` is what the person says (--stamps), `usual` the layout's convention. The breaks decide where neither
        speaks. Raises BadInput if nothing decides, or if the breaks contradict.
        """
        start = len((self.starts & self.before) - self.stops - self.between)
        end = len((self.stops & self.after) - self.starts - self.between)
        counts = f"{start} times a row right where trading starts and none where it stopped, {end} times the reverse"
        seen: Stamps = "start" if start >= end else "end"
        agreed = max(start, end) >= AGREED * (start + end) > 0
        clear = agreed and max(start, end) >= ENOUGH
        if given is not None and agreed and seen != given:
            raise BadInput(
                f"{where}: --stamps {given}, but the stamps are bar {seen}s: {counts}; say --stamps {seen}, or check "
                "--tz and the rows at those stamps"
            )
        if given is None and usual is not None and clear and seen != usual:
            raise BadInput(
                f"{where}: {layout} have the bar's {usual} as stamp, but these are bar {seen}s: {counts}; say --stamps "
                f"{seen}, or check --tz"
            )
        if given is not None:
            return given, f"stamps are bar {given}s, as --stamps says ({counts})"
        if usual is not None:
            return usual, f"stamps are bar {usual}s, as is usual there ({counts})"
        if clear:
            return seen, f"stamps are bar {seen}s ({counts})"
        raise BadInput(
            f"{where}: whether a stamp is its bar's start or its end does not show ({counts}); say --stamps start if "
            "the session's first bar is stamped at its open (18:00 New York), --stamps end if one interval later"
        )


@dataclass(slots=True)
class Survey:
    """The stamps of one file of `symbol`, fed in file order: its breaks, its interval, its first and last stamp."""

    symbol: str
    spaced: bool = True  # bars, which lie an interval apart; ticks do not
    rows: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    last_row: int = 0
    steps: Counter[int] = field(default_factory=Counter[int])
    days: dict[int, tuple[int, int, int]] = field(default_factory=dict[int, tuple[int, int, int]])
    """UTC day to its first row, the rows after it, and the greatest common divisor of their steps in seconds."""
    breaks: Breaks = field(init=False)

    def __post_init__(self) -> None:
        self.breaks = Breaks(self.symbol)

    def add(self, rows: pl.Series, stamps: pl.Series) -> None:
        """Take the rows (their numbers) and stamps of a piece; none is `far`."""
        if rows.is_empty():
            return
        self.last_row = int(rows[-1])
        known = stamps.is_not_null()
        ts, row = stamps.filter(known).to_numpy(), rows.filter(known).to_numpy()
        if len(ts) == 0:
            return
        self.breaks.add(stamps.filter(known))
        if self.spaced:
            self._spacing(ts, row)
        self.rows += len(ts)
        self.first_ns = int(ts[0]) if self.first_ns is None else self.first_ns
        self.last_ns = int(ts[-1])

    def interval(self, where: str, given: str | None) -> str:
        """The interval given, or the most frequent step. Raises BadInput if it is not clear, or if the file goes over
        to a wider one."""
        ahead = {step: count for step, count in self.steps.items() if step > 0}
        common = min(ahead, key=lambda step: (-ahead[step], step)) if ahead else 0
        name = given or interval_of(pl.Series([common]), where)
        wider = [length for length in INTERVALS.values() if length > INTERVALS[name]]
        for row, rows, divisor in self.days.values():
            if common == INTERVALS[name] and rows >= FEW and wider and divisor * NS % min(wider) == 0:
                raise BadInput(
                    f"{where}: row {row} and after: rows {divisor} s apart, in a file of {name} bars; a file holds one "
                    "interval: split it and import the parts separately"
                )
        return name

    def _spacing(self, ts: Int64s, rows: Int64s) -> None:
        """Count the steps, and take the common divisor of those of each day."""
        steps = np.diff(ts, prepend=ts[0] if self.last_ns is None else self.last_ns)
        counts = pl.Series("step", steps).value_counts()
        self.steps.update(dict(zip(counts["step"].to_list(), counts["count"].to_list(), strict=True)))
        day = ts // DAY_NS
        edges = np.flatnonzero(np.diff(day, prepend=-1))
        seconds = steps // NS
        known = {int(name) for name in day[edges]} & self.days.keys()
        seconds[[edge for edge in edges.tolist() if int(day[edge]) not in known]] = 0  # a step into a day is not of it
        shared = np.gcd.reduceat(seconds, edges).tolist()
        counts = np.diff(np.append(edges, len(ts))).tolist()
        for name, row, count, divisor in zip(day[edges].tolist(), rows[edges].tolist(), counts, shared, strict=True):
            first, before, other = self.days.get(name, (row, -1, 0))
            self.days[name] = (first, before + count, gcd(other, divisor))


def far(stamps: pl.Series) -> int | None:
    """Where the first of datetimes lies that is beyond any market; None if there is none.

    They are compared in their own unit: as nanoseconds, far years wrap into near ones.
    """
    kind = stamps.dtype
    assert isinstance(kind, pl.Datetime)
    unit = NS // {"ms": 10**3, "us": 10**6, "ns": 10**9}[kind.time_unit]
    found = (~stamps.to_physical().is_between(FIRST_NS // unit, LAST_NS // unit - 1)).arg_true()
    return int(found[0]) if len(found) else None


def _gaps(symbol: str, first_ns: int, last_ns: int) -> tuple[Int64s, Int64s]:
    """The breaks around two stamps: when trading stops, and when it starts again; there are some after the last."""
    around = sessions(symbol, day_of(first_ns) - timedelta(days=8), day_of(last_ns) + timedelta(days=8))
    opens = [(one.open_ns, *(end for _, end in one.halts)) for one in around]
    ends = [(*(start for start, _ in one.halts), one.close_ns) for one in around]
    starts = np.array([at for piece in opens for at in piece], np.int64)
    stops = np.array([at for piece in ends for at in piece], np.int64)
    return stops[:-1], starts[1:]


def zone_note(symbol: str, naive: pl.Series, tz: str, outside: int, rows: int) -> str | None:
    """A sentence on the zone if more than ODD of the rows lie outside all sessions: how many, and whether another zone
    would mend it. `naive` is a sample of the stamps as they are written."""
    if rows == 0 or outside <= ODD * rows:
        return None
    said = f"{outside:,} of {rows:,} rows ({outside / rows:.1%}) lie outside all sessions with --tz {tz}"
    here = _outside(symbol, naive, tz)
    shares = {zone: _outside(symbol, naive, zone) for zone in ZONES if zone != tz}
    best = min(shares, key=lambda zone: shares[zone])
    if shares[best] > MENDED * here:
        return f"{said}; no other zone of {', '.join(ZONES)} would mend that"
    return (
        f"{said}, with --tz {best} about {shares[best]:.1%}: check the zone, and delete these sessions if it is wrong"
    )


def _outside(symbol: str, naive: pl.Series, tz: str) -> float:
    """The share of stamps outside all sessions if they are read in a zone."""
    ts = naive.to_frame("at").select(utc(pl.col("at"), tz).drop_nulls())["at"].to_numpy()
    if len(ts) == 0:
        return 1.0
    around = sessions(symbol, day_of(int(ts.min())) - timedelta(days=4), day_of(int(ts.max())) + timedelta(days=4))
    return float((locate(ts, around) < 0).mean())
