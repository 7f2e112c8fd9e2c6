"""When a series changes its contract, and why: for a person who wants to see the roll explained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from scalper.errors import DataUnavailable
from scalper.lake.schema import FRONT_KEYS
from scalper.lake.series import contract_of
from scalper.lake.store import Lake, bar_keys
from scalper.market import RollRule, expiry, roll_date, session


@dataclass(frozen=True, slots=True)
class Roll:
    """`new` is held from `session` on, `old` until the session before. `volumes` are those of both in that session
    before (of the lake), None where a contract has no bars in it; `present` says that `new` has bars in `session`."""

    session: date
    old: str
    new: str
    why: str
    before: date
    volumes: dict[str, int | None]
    present: bool

    def as_dict(self) -> dict[str, Any]:
        """A row of the JSON document."""
        days = {"session": self.session.isoformat(), "before": self.before.isoformat()}
        return days | {
            "from": self.old,
            "to": self.new,
            "why": self.why,
            "volumes": self.volumes,
            "present": self.present,
        }


def rolls(lake: Lake, *, source: str, symbol: str, interval: str, rule: RollRule = "monday") -> list[Roll]:
    """Every change of contract among the sessions in the lake, in order.

    A session whose contract the rule cannot tell (by volume the first one) is passed over. Raises DataUnavailable if
    the lake has nothing of the series.
    """
    keys = {"source": source, "symbol": symbol, "interval": interval}
    held = lake.dates("bars", keys)
    if not held:
        raise DataUnavailable(f"the lake has no {interval} bars of {symbol} from {source}; import or download first")
    found: list[Roll] = []
    old: str | None = None
    before = held[0]
    for day in held:
        try:
            new = contract_of(lake, **keys, session=session(symbol, day), roll=rule)
        except DataUnavailable:
            before = day
            continue
        if old is not None and new != old:
            volumes = _volumes(lake, keys, before)
            told = {name: volumes.get(name) for name in (old, new)}
            why = _why(lake, keys, day, rule, old, new)
            found.append(Roll(day, old, new, why, before, told, new in _volumes(lake, keys, day)))
        old, before = new, day
    return found


def _volumes(lake: Lake, keys: dict[str, str], day: date) -> dict[str, int]:
    """Contracts a contract traded in a session."""
    bars = lake.read("bars", keys | {"date": day.isoformat()})
    return dict(bars.group_by("contract").agg(pl.col("volume").sum()).iter_rows())


def _why(lake: Lake, keys: dict[str, str], day: date, rule: RollRule, old: str, new: str) -> str:
    """The rule's reason in words."""
    if rule not in ("volume", "open_interest"):
        return f"the {rule} rule: {old} expires on {expiry(old)} and is left on {roll_date(old, rule)}"
    letter = "v" if rule == "volume" else "n"
    metadata = lake.metadata("bars", bar_keys(keys["source"], keys["symbol"], keys["interval"], day))
    if metadata.get(FRONT_KEYS[letter]) == new:
        return f"the vendor's {keys['symbol']}.{letter}.0 stands for {new}"
    return f"{new} had the largest volume of the session before"
