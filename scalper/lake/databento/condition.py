"""What Databento says of its UTC days: available, degraded, pending or missing, and when each was changed last.

Kept in `raw/<source>/<dataset>/condition.json`, day by day, as it was last told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from scalper.clock import NS, from_ns
from scalper.files import as_json
from scalper.lake.databento.raw import Raw, load
from scalper.lake.databento.vendor import Vendor
from scalper.lake.store import Lake
from scalper.market import Session

RANKS = ("available", "degraded", "pending", "missing")
"""From good to bad."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Of one UTC day: one of RANKS, and the date on which the vendor changed the day's data last."""

    condition: str
    modified: date | None


Conditions = dict[date, Condition]


def ask_conditions(lake: Lake, source: str, dataset: str, vendor: Vendor, sessions: Sequence[Session]) -> Conditions:
    """Ask for the days that the sessions touch, keep the answer beside what was told before, and give it all."""
    days = [day for one in (sessions[0], sessions[-1]) for day in utc_days(one)]
    told = vendor.condition(dataset, min(days), max(days))
    known = conditions(lake, source, dataset) | {
        one["date"]: Condition(one["condition"], one.get("last_modified_date")) for one in told
    }
    text = {day.isoformat(): {"condition": c.condition, "modified": c.modified} for day, c in sorted(known.items())}
    lake.storage.write(_name(source, dataset), as_json(text))
    return known


def conditions(lake: Lake, source: str, dataset: str) -> Conditions:
    """What was told of each day; empty if nothing was ever asked."""
    name = _name(source, dataset)
    if not lake.storage.exists(name):
        return {}
    return {
        date.fromisoformat(day): Condition(one["condition"], _day(one["modified"]))
        for day, one in load(lake, name).items()
    }


def utc_days(one: Session) -> list[date]:
    """The UTC days that a session touches: most open on the evening before."""
    first, last = from_ns(one.open_ns).date(), from_ns(one.close_ns - NS).date()
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def worst(known: Conditions, one: Session) -> tuple[str, date]:
    """The worst condition among a session's days, and the first day that has it; `available` where nothing was told."""
    found = [(known[day].condition if day in known else "available", day) for day in utc_days(one)]
    return max(found, key=lambda pair: (_rank(pair[0]), -pair[1].toordinal()))


def is_pending(known: Conditions, one: Session) -> bool:
    """Whether any of a session's days is still to come, whatever the others are: an answer now would be a part."""
    return any(known[day].condition == "pending" for day in utc_days(one) if day in known)


def degraded_sessions(lake: Lake, source: str, dataset: str, sessions: Iterable[Session]) -> dict[date, str]:
    """Sessions that touch a day which is not available, and why, such as `degraded on 2026-09-08`."""
    known = conditions(lake, source, dataset)
    found = {one.date: worst(known, one) for one in sessions}
    return {day: f"{what} on {when}" for day, (what, when) in found.items() if what != "available"}


def revised(known: Conditions, raw: Raw, sessions: Iterable[Session]) -> list[date]:
    """Sessions of a raw file of which the vendor changed a day after it was fetched."""
    fetched = date.fromisoformat(raw.document["fetched"][:10])

    def changed(day: date) -> bool:
        modified = known[day].modified if day in known else None
        return modified is not None and modified > fetched

    return [one.date for one in sessions if raw.covers(one) and any(changed(day) for day in utc_days(one))]


def _rank(condition: str) -> int:
    return RANKS.index(condition) if condition in RANKS else len(RANKS)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text[:10])


def _name(source: str, dataset: str) -> str:
    return f"raw/{source}/{dataset}/condition.json"
