"""Which contract a session is read in, and what a reader is told when it is not there."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from scalper.errors import DataUnavailable
from scalper.lake import Lake, bar_keys, contract_of, read_session
from scalper.lake.schema import FRONT_KEYS
from scalper.market import RollRule
from tests.lake.support import a_session, rows_of

HOW = {"source": "import", "symbol": "MES", "interval": "1m"}
FRIDAY, MONDAY = a_session("2026-12-11"), a_session("2026-12-14")  # December expires on Friday the 18th


def _both(lake: Lake, day: str, december: int, march: int, metadata: dict[str, str] | None = None) -> None:
    one = a_session(day)
    parts = [rows_of(one, "MESZ26", count=december), rows_of(one, "MESH27", count=march, price=6050)]
    lake.write("bars", bar_keys("import", "MES", "1m", one.date), pl.concat(parts).sort("ts_ns", "contract"), metadata)


@pytest.mark.parametrize(
    ("roll", "friday", "monday"),
    [
        ("monday", "MESZ26", "MESH27"),
        ("thursday", "MESH27", "MESH27"),
        ("volume", "MESZ26", "MESZ26"),
        ("expiry", "MESZ26", "MESZ26"),
    ],
)
def test_the_roll_rule_chooses_the_contract(tmp_path: Path, roll: RollRule, friday: str, monday: str) -> None:
    lake = Lake(tmp_path)
    _both(lake, "2026-12-10", 60, 20)
    _both(lake, "2026-12-11", 50, 30)
    _both(lake, "2026-12-14", 10, 70)
    for one, contract in ((FRIDAY, friday), (MONDAY, monday)):
        held = read_session(lake, **HOW, session=one, roll=roll)
        assert held.contract == contract
        assert len(held.bars) + held.dropped == 80
        assert held.bars["open"][0] == (24000 if contract == "MESZ26" else 24200)  # ticks
        assert not held.bars["carried"].any()


def test_the_volume_rule_never_looks_at_the_session_itself(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _both(lake, "2026-12-11", 50, 30)
    _both(lake, "2026-12-14", 10, 70)
    assert read_session(lake, **HOW, session=MONDAY, roll="volume").contract == "MESZ26"
    with pytest.raises(DataUnavailable, match="volume rule needs the session before it"):
        read_session(lake, **HOW, session=FRIDAY, roll="volume")


def test_a_continuous_download_says_the_contract_itself(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _both(lake, "2026-12-11", 60, 0)
    _both(lake, "2026-12-14", 10, 70, {FRONT_KEYS["v"]: "MESH27"})
    held = read_session(lake, **HOW, session=MONDAY, roll="volume")
    assert (held.contract, len(held.bars), held.dropped) == ("MESH27", 70, 10)
    assert contract_of(lake, **HOW, session=a_session("2026-12-15"), roll="volume") == "MESH27"


def test_open_interest_is_the_vendors_to_tell(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _both(lake, "2026-12-11", 60, 0, {FRONT_KEYS["v"]: "MESZ26"})
    _both(lake, "2026-12-14", 10, 70, {FRONT_KEYS["n"]: "MESZ26", FRONT_KEYS["v"]: "MESH27"})
    assert contract_of(lake, **HOW, session=MONDAY, roll="open_interest") == "MESZ26"
    assert contract_of(lake, **HOW, session=MONDAY, roll="volume") == "MESH27"
    for missing in (FRIDAY, a_session("2026-12-15")):
        with pytest.raises(DataUnavailable, match=r"only where MES\.n\.0 was downloaded.* or use roll: volume"):
            contract_of(lake, **HOW, session=missing, roll="open_interest")


def test_a_contract_that_is_not_there_leaves_the_session_flat(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _both(lake, "2026-12-14", 60, 0)
    with pytest.raises(DataUnavailable, match="the monday rule holds MESH27, the lake has MESZ26"):
        read_session(lake, **HOW, session=MONDAY, roll="monday")
    with pytest.raises(DataUnavailable, match="the lake has no bars for"):
        read_session(lake, **HOW, session=FRIDAY, roll="monday")
