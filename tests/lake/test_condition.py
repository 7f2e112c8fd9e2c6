"""What the vendor says of its days, by what was recorded of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scalper.errors import BadInput
from scalper.files import as_json
from scalper.lake import Lake
from scalper.lake.databento.condition import (
    Condition,
    conditions,
    degraded_sessions,
    is_pending,
    revised,
    utc_days,
    worst,
)
from scalper.lake.databento.raw import Raw
from scalper.market import session, sessions

NAME = "raw/databento/GLBX.MDP3/condition.json"
WEEK = sessions("MES", date(2026, 9, 8), date(2026, 9, 14))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    told = {
        "2026-09-08": {"condition": "available", "modified": "2026-09-09"},
        "2026-09-09": {"condition": "degraded", "modified": "2026-09-12"},
        "2026-09-10": {"condition": "missing", "modified": None},
        "2026-09-13": {"condition": "pending", "modified": None},
    }
    lake.storage.write(NAME, as_json(told))
    return lake


def test_a_session_is_as_good_as_its_worst_day(lake: Lake) -> None:
    assert utc_days(WEEK[0]) == [date(2026, 9, 7), date(2026, 9, 8)]
    assert utc_days(session("MES", date(2026, 9, 14))) == [date(2026, 9, 13), date(2026, 9, 14)]
    assert degraded_sessions(lake, "databento", "GLBX.MDP3", WEEK) == {
        date(2026, 9, 9): "degraded on 2026-09-09",
        date(2026, 9, 10): "missing on 2026-09-10",
        date(2026, 9, 11): "missing on 2026-09-10",
        date(2026, 9, 14): "pending on 2026-09-13",
    }
    assert degraded_sessions(lake, "other", "GLBX.MDP3", WEEK) == {}
    assert worst(conditions(lake, "databento", "GLBX.MDP3"), WEEK[0]) == ("available", date(2026, 9, 7))


def test_a_session_waits_for_any_pending_day_whatever_its_others_are(lake: Lake) -> None:
    known = conditions(lake, "databento", "GLBX.MDP3")
    assert [one.date.day for one in WEEK if is_pending(known, one)] == [14]
    for word in ("missing", "odd"):
        both = known | {date(2026, 9, 14): Condition(word, None)}
        assert worst(both, WEEK[-1])[0] == word
        assert is_pending(both, WEEK[-1])


def test_a_word_that_we_do_not_know_is_the_worst(lake: Lake) -> None:
    lake.storage.write(NAME, as_json({"2026-09-08": {"condition": "odd", "modified": None}}))
    assert degraded_sessions(lake, "databento", "GLBX.MDP3", WEEK)[date(2026, 9, 8)] == "odd on 2026-09-08"


def test_a_day_that_was_changed_after_it_was_fetched_is_revised(lake: Lake) -> None:
    known = conditions(lake, "databento", "GLBX.MDP3")
    span = {"start_ns": WEEK[0].open_ns, "end_ns": WEEK[2].close_ns}
    assert revised(known, Raw("x", span | {"fetched": "2026-09-11T05:00:00Z"}), WEEK) == [
        date(2026, 9, 9),
        date(2026, 9, 10),
    ]
    assert revised(known, Raw("x", span | {"fetched": "2026-09-12T00:00:00Z"}), WEEK) == []


def test_a_damaged_record_names_itself(lake: Lake) -> None:
    lake.storage.write(NAME, b"{")
    with pytest.raises(BadInput, match=r"condition.json: damaged .* delete it"):
        conditions(lake, "databento", "GLBX.MDP3")
