"""The quality rules over a lane's sessions: what is quarantined, and which sessions may be used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from scalper.errors import DataUnavailable
from scalper.lake import Lake
from scalper.lake.databento.condition import conditions, degraded_sessions
from scalper.lake.quality.check import QualityReport, check_sessions, made_of, page_of, read_report, request_of
from scalper.lane.bars import chosen, completed, keys_of, no_bars
from scalper.lane.stage import Progress, bar, calendar
from scalper.market import Session
from scalper.settings import Home, Lane


def check(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> QualityReport:
    """Run the data-quality rules over some of the lane's sessions, all if None; what fails is quarantined.

    The verdicts are merged into the lake's report, see `quality`.
    """
    lake, wanted = Lake(home.lake), chosen(calendar(lane), days)
    completed(lane, lake, wanted, progress)
    if not lake.dates("bars", keys_of(lane)):
        raise DataUnavailable(no_bars(lane))
    with bar(f"{lane.name}: quality", progress) as advance:
        return check_sessions(
            lake,
            **keys_of(lane),
            roll=lane.roll,
            sessions=wanted,
            limits=lane.quality,
            degraded=_degraded(lane, lake, wanted),
            progress=advance,
        )


def judged(lane: Lane, home: Home) -> QualityReport | None:
    """The verdicts on the lane's sessions as they lie in the lake, stale ones too; None if there are none."""
    found = read_report(Lake(home.lake), **keys_of(lane), roll=lane.roll)
    if found is None or found.request != request_of(**keys_of(lane), roll=lane.roll, limits=lane.quality):
        return None
    return found.of(one.date for one in calendar(lane))


def quality_page(lane: Lane, home: Home) -> str:
    """Where the page of the lane's quality report lies."""
    return page_of(Lake(home.lake), **keys_of(lane), roll=lane.roll)


def quality(lane: Lane, home: Home, days: Sequence[date] | None = None) -> QualityReport:
    """The verdicts on the lane's sessions, or some; those that are not there or stale, of other bars, are made now."""
    lake, every = Lake(home.lake), chosen(calendar(lane), days)
    found = judged(lane, home)
    origin = made_of(lake, **keys_of(lane), sessions=every, degraded=_degraded(lane, lake, every))
    known = {} if found is None else {day: one.made_of for day, one in found.sessions.items()}
    stale = [day for day, made in origin.items() if known.get(day) != made]
    if not stale and found is not None:
        return found
    made = check(lane, home, stale)
    return made if found is None else found.merged(made)


def unfit(lane: Lane, report: QualityReport) -> str | None:
    """Why the lane's data would fail the gate's check of it; None if it would pass."""
    need, bad = lane.gate, report.quarantined
    share = len(bad) / len(report.sessions)
    coverage = float(np.mean([held for day, held in report.coverage.items() if day not in bad] or [0.0]))
    if share > need.quarantined:
        return f"{share:.1%} of the sessions are quarantined, at most {need.quarantined:.0%} may be"
    if coverage < need.coverage:
        gone = len(report.missing)
        return f"the others hold {coverage:.1%} of their bars ({gone} are missing), {need.coverage:.0%} are needed"
    return None


def usable(lane: Lane, home: Home, days: Sequence[date] | None = None) -> list[Session]:
    """The sessions, or those of `days`, that are not quarantined, from the first to the last in the lake, in order.

    One between them that the lake lacks, or lacks in the contract that the roll rule holds, is a flat session: it has
    no rows to learn from and earns nothing, but it counts.
    """
    lake, wanted = Lake(home.lake), None if days is None else set(days)
    every = [one for one in calendar(lane) if wanted is None or one.date in wanted]
    bad = quality(lane, home, [one.date for one in every]).quarantined if every else {}
    there = lake.dates("bars", keys_of(lane))
    if not there:
        raise DataUnavailable(no_bars(lane))
    return [one for one in every if there[0] <= one.date <= there[-1] and one.date not in bad]


def _degraded(lane: Lane, lake: Lake, wanted: Sequence[Session]) -> dict[date, str] | None:
    """What the vendor says against its own days; None where there is no vendor, or it was never asked."""
    dataset = lane.databento.dataset
    if lane.source == "import" or not conditions(lake, lane.source_key, dataset):
        return None
    return degraded_sessions(lake, lane.source_key, dataset, wanted)
