"""The keys of a lane's partitions, from its configuration and the exchange's calendar only.

Nothing in the lake, and no run, adds or removes a key. Sessions partition bars, features and labels; folds partition
models and search. The folds are counted over the calendar's sessions. A quarantined or missing session can only make
the real folds fewer: then the highest numbers fall away, and their partitions are recorded as empty, not failed.
"""

from datetime import date, datetime, timedelta

import dagster as dg

from scalper import clock
from scalper.errors import BadInput
from scalper.lane import calendar
from scalper.learn.folds import walk_forward
from scalper.market import sessions as market_sessions
from scalper.settings import Lane

FORMAT = "%Y-%m-%d"
NEW_YORK = "America/New_York"
WEEKDAYS = "0 0 * * 1-5"
SATURDAY = 5
AHEAD = timedelta(days=400)
"""A lane without an end knows the exchange's holidays so far ahead; reloading the definitions moves it on."""


def session_partitions(lane: Lane) -> dg.TimeWindowPartitionsDefinition:
    """A key a session date; the newest is today's, from midnight New York on.

    A weekday on which the exchange is closed is excluded. The lane's end is the last session, so the definition ends at
    the next weekday's midnight: a Friday's window runs until then.
    """
    last = lane.end or clock.now().date() + AHEAD
    trading = {one.date for one in market_sessions(lane.symbol, lane.start, last)}
    closed = [datetime(day.year, day.month, day.day) for day in weekdays(lane.start, last) if day not in trading]  # noqa: DTZ001
    return dg.TimeWindowPartitionsDefinition(
        start=lane.start.isoformat(),
        end=None if lane.end is None else next_weekday(lane.end).isoformat(),
        fmt=FORMAT,
        cron_schedule=WEEKDAYS,
        timezone=NEW_YORK,
        exclusions=closed or None,
        end_offset=1,
    )


def fold_partitions(lane: Lane) -> dg.StaticPartitionsDefinition:
    """fold_01 to the last fold of the calendar's closed sessions, then final; only final while there are too few."""
    try:
        found = walk_forward([one.date for one in calendar(lane)], lane.folds).all()
    except BadInput:
        return dg.StaticPartitionsDefinition(["final"])
    return dg.StaticPartitionsDefinition([fold.name for fold in found])


def closed_keys(lane: Lane) -> list[str]:
    """The keys of the sessions that have closed, in order."""
    return [one.date.isoformat() for one in calendar(lane)]


def span(keys: list[str]) -> dict[str, str]:
    """Run tags that make one run of all partitions from the first key to the last."""
    return {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}


def weekdays(first: date, last: date) -> list[date]:
    """Monday to Friday, both ends included."""
    every = (first + timedelta(days=i) for i in range((last - first).days + 1))
    return [day for day in every if day.weekday() < SATURDAY]


def next_weekday(day: date) -> date:
    """The first of Monday to Friday after `day`."""
    return weekdays(day + timedelta(days=1), day + timedelta(days=3))[0]
