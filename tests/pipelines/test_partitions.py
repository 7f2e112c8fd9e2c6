"""The keys of the partitions come from configuration and calendar, and from nothing else."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from pipelines.partitions import closed_keys, fold_partitions, next_weekday, session_partitions, span
from scalper.market import sessions
from scalper.settings import Lane

NEW_YORK = ZoneInfo("America/New_York")


def keys_at(lane: Lane, *moment: int) -> list[str]:
    return list(session_partitions(lane).get_partition_keys(current_time=datetime(*moment, tzinfo=NEW_YORK)))  # type: ignore[arg-type]


def test_a_key_a_session(tiny: Lane) -> None:
    assert tiny.end is not None
    expected = [one.date.isoformat() for one in sessions("MES", tiny.start, tiny.end)]
    assert list(session_partitions(tiny).get_partition_keys()) == expected == closed_keys(tiny)


@pytest.mark.parametrize(
    "end", [date(2025, 4, 17), date(2025, 4, 21), date(2025, 7, 3), date(2025, 7, 4), date(2025, 12, 26)]
)
def test_holidays_and_a_last_friday(tiny: Lane, end: date) -> None:
    lane = tiny.model_copy(update={"end": end})
    expected = [one.date.isoformat() for one in sessions("MES", lane.start, end)]
    assert list(session_partitions(lane).get_partition_keys()) == expected


def test_todays_key_is_there_when_todays_session_closes(tiny: Lane) -> None:
    open_ended = tiny.model_copy(update={"end": None})
    assert keys_at(open_ended, 2025, 11, 14, 18, 30)[-1] == "2025-11-14"
    assert keys_at(open_ended, 2025, 11, 15, 12, 0)[-1] == "2025-11-14"
    assert keys_at(open_ended, 2025, 11, 17, 0, 1)[-1] == "2025-11-17"


def test_folds_are_counted_over_the_calendar(tiny: Lane) -> None:
    assert list(fold_partitions(tiny).get_partition_keys()) == ["fold_01", "fold_02", "fold_03", "final"]


def test_too_few_sessions_leave_the_final_recipe_only(tiny: Lane) -> None:
    short = tiny.model_copy(update={"end": date(2025, 3, 7)})
    assert list(fold_partitions(short).get_partition_keys()) == ["final"]


def test_span_and_weekdays() -> None:
    assert span(["a", "b", "c"]) == {
        "dagster/asset_partition_range_start": "a",
        "dagster/asset_partition_range_end": "c",
    }
    assert next_weekday(date(2025, 4, 4)) == date(2025, 4, 7)
    assert next_weekday(date(2025, 4, 7)) == date(2025, 4, 8)
