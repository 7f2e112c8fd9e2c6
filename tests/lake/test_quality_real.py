"""The quality rules on real data: what must fail fails, and good sessions are left alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scalper.lake import Lake, check_lake, import_files
from tests.lake.support import CHICAGO

HALF_EMPTY = [date(2013, 10, day) for day in (7, 8, 9, 10, 11)]
WHOLE = [date(2013, month, day) for month, day in ((10, 14), (10, 29), (10, 30), (11, 18), (12, 2), (12, 3))]
EVENINGS = [date(2013, month, day) for month, day in ((10, 15), (10, 31), (11, 19), (12, 4))]
"""The first hours of a session, which a file of the UTC day before holds."""


def test_half_empty_days_are_caught_and_the_others_pass(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    import_files(lake, sorted((real_data / "es_minutes_2013").glob("*.zip")), symbol="ES", interval="1m", tz="UTC")
    report, gaps = check_lake(lake, source="import", symbol="ES", interval="1m")
    failed = {day: set(one.failed) for day, one in report.sessions.items() if one.failed}
    assert {day: failed[day] for day in HALF_EMPTY} == {day: {"neighbours"} for day in HALF_EMPTY}
    assert all("coverage" in failed[day] and "hours" in failed[day] for day in EVENINGS)
    assert sorted(failed) == sorted(HALF_EMPTY + EVENINGS)
    assert [day for day in report.sessions if day not in failed] == WHOLE
    assert len(gaps) == 28 and not set(gaps) & set(report.sessions)


@pytest.mark.long
def test_seven_years_of_es_lose_few_sessions(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    paths = sorted((real_data / "es_5m").glob("*.gz"))
    import_files(lake, paths, symbol="ES", interval="5m", tz=CHICAGO)
    report, _ = check_lake(lake, source="import", symbol="ES", interval="5m")
    failed = {one.id: len(one.failed_sessions) for one in report.results if one.failed_sessions}
    assert failed == {"present": 140, "neighbours": 8, "thin": 25}
    assert len(report.quarantined) == 33
    holidays = [day for day, one in report.sessions.items() if "thin" in one.failed]
    assert date(2015, 5, 25) in holidays and date(2021, 11, 25) in holidays
    wild = [date(2018, 2, 5), date(2018, 12, 26), date(2020, 3, 2), date(2020, 3, 9), date(2020, 3, 12)]
    assert not set(wild) & set(report.quarantined)  # wild days are what a strategy must live through
