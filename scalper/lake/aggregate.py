"""Coarser bars made of finer ones that the lake holds, and made anew when those change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from scalper.errors import BadInput
from scalper.lake.schema import FRONT_KEYS, MADE_OF_KEY
from scalper.lake.store import Lake, bar_keys, write_table
from scalper.lake.transaction import transaction
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
    """Make the sessions' bars of an interval from the finest bars that the lake has of each.

    A file made so says of what, "1s <sha256 of that file>", and is made anew when that file is another. A file that
    was imported or downloaded in this interval stays. All files enter the lake together, or none. Raises BadInput for
    an unknown interval, Refused while another process writes to the lake.
    """
    held = {name: set(lake.dates("bars", _folder(source, symbol, name))) for name in (*finer(interval), interval)}
    found: Counter[str] = Counter()
    stale: list[tuple[Session, str]] = []
    for one in sessions:
        base = next((name for name in finer(interval) if one.date in held[name]), None)
        state = _state(lake, source, symbol, interval, one, base, one.date in held[interval])
        found[state] += 1
        if base is not None and state == "stale":
            stale.append((one, base))
    if stale:
        _make(lake, source, symbol, interval, stale, progress)
    made = [one.date for one, _ in stale]
    bases = dict(Counter(base for _, base in stale))
    return Derived(interval, made, found["fresh"], found["own"], found["missing"], bases)


def _folder(source: str, symbol: str, interval: str) -> dict[str, str]:
    return {"source": source, "symbol": symbol, "interval": interval}


def _state(lake: Lake, source: str, symbol: str, interval: str, one: Session, base: str | None, there: bool) -> str:
    """ "own", "fresh", "stale" or "missing"."""
    if base is None or not there:
        return "own" if there else "missing" if base is None else "stale"
    made_of = lake.metadata("bars", bar_keys(source, symbol, interval, one.date)).get(MADE_OF_KEY)
    if made_of is None:
        return "own"
    return "fresh" if made_of == _made_of(lake, source, symbol, base, one) else "stale"


def _made_of(lake: Lake, source: str, symbol: str, base: str, one: Session) -> str:
    return f"{base} {lake.digest('bars', bar_keys(source, symbol, base, one.date))}"


def _make(
    lake: Lake,
    source: str,
    symbol: str,
    interval: str,
    stale: Sequence[tuple[Session, str]],
    progress: Callable[[int, int], None] | None,
) -> None:
    with transaction(lake, f"derive.{source}.{symbol}.{interval}") as into:
        for done, (one, base) in enumerate(stale):
            keys = bar_keys(source, symbol, base, one.date)
            kept = {key: value for key, value in lake.metadata("bars", keys).items() if key in FRONT_KEYS.values()}
            frame = aggregate_frame(lake.read("bars", keys), interval, one)
            about = kept | {MADE_OF_KEY: _made_of(lake, source, symbol, base, one)}
            target = into.stage(lake.name("bars", bar_keys(source, symbol, interval, one.date)))
            write_table(target, "bars", frame, about)
            if progress is not None:
                progress(done + 1, len(stale))
        into.commit()
