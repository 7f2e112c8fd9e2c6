"""A lane whose interval the lake has only in finer bars: they are aggregated, and the stage says so."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scalper.errors import DataUnavailable
from scalper.lake import Lake, bar_keys
from scalper.lane.bars import bars
from scalper.lane.quality import check
from scalper.market import sessions
from scalper.sandbox.databento import DatabentoServer
from scalper.settings import Home, Lane
from tests.lake.support import rows_of

DAYS = sessions("MES", date(2025, 2, 4), date(2025, 2, 6))


def a_lane(interval: str, source: str = "import") -> Lane:
    settings = {"name": "d", "symbol": "MES", "source": source, "interval": interval}
    return Lane(**settings, start=DAYS[0].date, end=DAYS[-1].date, features={"groups": ("returns",)})  # type: ignore[arg-type]


def test_imported_minutes_make_quarters_of_an_hour(tmp_path: Path) -> None:
    lane, home = a_lane("15m"), Home(root=tmp_path)
    lake = Lake(home.lake)
    with pytest.raises(DataUnavailable, match="no 15m bars of MES, nor finer ones; run scalper import"):
        bars(lane, home)
    for one in DAYS:
        lake.write("bars", bar_keys("import", "MES", "1m", one.date), rows_of(one, "MESH25"))
    done = bars(lane, home)
    assert done.detail["derived"] == {
        "interval": "15m",
        "made": 3,
        "fresh": 0,
        "own": 0,
        "missing": 0,
        "made_of": {"1m": 3},
    }
    assert (done.rows, done.detail["sessions"]) == (3 * 92, 3)
    assert bars(lane, home).detail["derived"]["fresh"] == 3
    lake.write("bars", bar_keys("import", "MES", "1m", DAYS[1].date), rows_of(DAYS[1], "MESH25", price=6100.0))
    check(lane, home)
    assert bars(lane, home).detail["derived"] == done.detail["derived"] | {"made": 0, "fresh": 3, "made_of": {}}
    assert lake.read("bars", bar_keys("import", "MES", "15m", DAYS[1].date))["low"].min() > 6080
    assert "derived" not in bars(a_lane("1m"), home).detail


def test_a_vendors_finer_bars_are_asked_for(tmp_path: Path, server: DatabentoServer) -> None:
    lane, home = a_lane("5m", "sandbox"), Home(root=tmp_path)
    lane = lane.model_copy(update={"sandbox": lane.sandbox.model_copy(update={"seed": 7, "edge": 2.0})})
    done = bars(lane, home, gateway=server.url, key=server.key)
    assert done.detail["derived"]["made_of"] == {"1m": 3}
    held = Lake(home.lake).read("bars", bar_keys(lane.source_key, "MES", "5m", DAYS[0].date))
    minutes = Lake(home.lake).read("bars", bar_keys(lane.source_key, "MES", "1m", DAYS[0].date))
    assert held["volume"].sum() == minutes["volume"].sum() > 0
