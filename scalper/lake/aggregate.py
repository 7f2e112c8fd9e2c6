"""Coarser bars made of finer ones that the lake holds, and made anew when those change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from scalper.errors import BadInput
from scalper.lake.schema import FRONT_KEYS, MADE_OF_KEY
from scalper.lake.store import Lake, bar_keys, write_table
from scalper.lake.transaction import Transaction, transaction
from scalper.market import DAY, INTERVALS, Session, aggregate_frame


@dataclass(frozen=True, slots=True)
class Derived:
    """What `derive` did: sessions made; fresh already; the lake's own, imported or downloaded in this interval (or
    with nothing left that they could be made of); missing, for there is nothing to make them of."""

    interval: str
    made: list[date] = field(default_factory=list[date])
    fresh: int = 0
    own: int = 0
    missing: int = 0
    bases: dict[str, int] = field(default_factory=dict[str, int])

    def as_dict(self) -> dict[str, Any]:
        """For a stage's detail and for JSON; `made_of` counts the sessions made, by the interval they were made of."""
        return {
            "interval": self.interval,
            "made": len(self.made),
            "fresh": self.fresh,
            "own": self.own,
            "missing": self.missing,
            "made_of": self.bases,
        }


def finer(interval: str) -> list[str]:
    """The intervals that `interval` can be made of, finest first. Raises BadInput for an unknown one."""
    if interval == DAY:
        return list(INTERVALS)
    if interval not in INTERVALS:
        raise BadInput(f"{interval!r} is no interval; use one of {', '.join(INTERVALS)}, {DAY}")
    length = INTERVALS[interval]
    return [name for name, step in INTERVALS.items() if step < length and length % step == 0]


def derive(
    lake: Lake,
    source: str,
    symbol: str,
    interval: str,
    sessions: Sequence[Session],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Derived:
    """Make the sessions' bars of an interval from the fullest bars that the lake has of each; see `_fullest`.

    A file made so says of what, "1s <sha256 of that file>", and is made anew when that file is another. A file that
    was imported or downloaded in this interval stays. All files enter the lake together, or none. Raises BadInput for
    an unknown interval or a damaged file, Refused while another process writes to the lake.
    """
    judged = _judged(lake, source, symbol, interval, sessions)
    stale = [one for one, _, state in judged if state == "stale"]
    made: list[tuple[Session, str]] = []
    if stale:
        with transaction(lake, f"derive.{source}.{symbol}.{interval}") as into:
            again = _judged(lake, source, symbol, interval, stale)  # another writer may have been first
            judged = [one for one in judged if one[2] != "stale"] + again
            made = [(one, base) for one, base, state in again if state == "stale" and base is not None]
            _make(lake, into, source, symbol, interval, made, progress)
    found = Counter(state for _, _, state in judged)
    bases = dict(Counter(base for _, base in made))
    return Derived(interval, [one.date for one, _ in made], found["fresh"], found["own"], found["missing"], bases)


def _judged(
    lake: Lake, source: str, symbol: str, interval: str, sessions: Sequence[Session]
) -> list[tuple[Session, str | None, str]]:
    """For each session what it would be made of, and whether it is "own", "fresh", "stale" or "missing"."""
    held = {name: set(lake.dates("bars", _folder(source, symbol, name))) for name in (*finer(interval), interval)}
    found: list[tuple[Session, str | None, str]] = []
    for one in sessions:
        bases = [name for name in finer(interval) if one.date in held[name]]
        there = one.date in held[interval]
        made_of = _told(lake, source, symbol, interval, one) if there else None
        if not bases or (there and made_of is None):
            found.append((one, None, "own" if there else "missing"))
            continue
        base = _fullest(lake, source, symbol, one, bases)
        fresh = made_of is not None and made_of == _made_of(lake, source, symbol, base, one)
        found.append((one, base, "fresh" if fresh else "stale"))
    return found


def _fullest(lake: Lake, source: str, symbol: str, one: Session, bases: Sequence[str]) -> str:
    """The interval, of those given finest first, whose bars cover most of the session: most stretches, as long as the
    coarsest of them, in which a contract has a bar; then the largest volume; the finest of equals.

    Bars that were themselves made of others which are there tell no more than those, and may be out of date.
    """
    if len(bases) > 1:
        origins = {name: _told(lake, source, symbol, name, one) or "" for name in bases}
        bases = [name for name in bases if origins[name].split(" ")[0] not in bases]
    if len(bases) == 1:
        return bases[0]
    length = INTERVALS[bases[-1]]

    def fullness(base: str) -> tuple[int, int]:
        frame = lake.read("bars", bar_keys(source, symbol, base, one.date))
        stretches = frame.select(pl.struct(pl.col("ts_ns") // length, "contract").n_unique()).item()
        return stretches, int(frame["volume"].sum())

    return max(bases, key=fullness)


def _folder(source: str, symbol: str, interval: str) -> dict[str, str]:
    return {"source": source, "symbol": symbol, "interval": interval}


def _told(lake: Lake, source: str, symbol: str, interval: str, one: Session) -> str | None:
    """What a session's file says that it was made of; None if it was imported or downloaded."""
    return lake.metadata("bars", bar_keys(source, symbol, interval, one.date)).get(MADE_OF_KEY)


def _made_of(lake: Lake, source: str, symbol: str, base: str, one: Session) -> str:
    return f"{base} {lake.digest('bars', bar_keys(source, symbol, base, one.date))}"


def _make(
    lake: Lake,
    into: Transaction,
    source: str,
    symbol: str,
    interval: str,
    made: Sequence[tuple[Session, str]],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Make the sessions, each of its base, and commit them."""
    for done, (one, base) in enumerate(made):
        keys = bar_keys(source, symbol, base, one.date)
        kept = {key: value for key, value in lake.metadata("bars", keys).items() if key in FRONT_KEYS.values()}
        frame = aggregate_frame(lake.read("bars", keys), interval, one)
        about = kept | {MADE_OF_KEY: _made_of(lake, source, symbol, base, one)}
        target = into.stage(lake.name("bars", bar_keys(source, symbol, interval, one.date)))
        write_table(target, "bars", frame, about)
        if progress is not None:
            progress(done + 1, len(made))
    into.commit()
