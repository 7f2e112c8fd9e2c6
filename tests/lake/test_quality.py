"""The quality rules: each catches what it is for, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from scalper.errors import BadInput
from scalper.lake import Lake, QualityReport, bar_keys, check_sessions
from scalper.lake.measures import measure
from scalper.lake.quality import report_path, rules
from scalper.lake.schema import SCHEMA_KEY
from scalper.market import sessions
from tests.lake.support import a_session, rows_of

HELD = sessions("MES", date(2026, 10, 5), date(2026, 10, 30))
HOW = {"source": "import", "symbol": "MES", "interval": "1m", "roll": "monday"}

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def _tenth(column: str, value: pl.Expr | float | None) -> Spoil:
    """Another value in the tenth row."""
    tenth = pl.int_range(pl.len()) == 9
    return lambda frame: frame.with_columns(pl.when(tenth).then(value).otherwise(column).alias(column))


SPOILED: dict[str, Spoil] = {
    "ohlc": _tenth("high", pl.col("low") - 1),
    "grid": _tenth("close", pl.col("low") + 0.1),
    "volume": _tenth("volume", 0),
    "complete": _tenth("open", None),
    "stamps": lambda frame: pl.concat([frame[:100], frame[99:]]),
    "calendar": lambda frame: frame.with_columns(ts_ns=pl.col("ts_ns") + 90 * 60_000_000_000),
    "coverage": lambda frame: pl.concat([frame[:1000], frame[1100:]]),
    "thin": lambda frame: frame.with_columns(volume=pl.lit(1, pl.Int64)),
    "jump": _tenth("high", pl.col("high") + 100),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, QualityReport]:
    """A month of sessions: one spoiled by each rule, one missing, the rest clean. One validation for all of it."""
    lake = Lake(tmp_path_factory.mktemp("quality"))
    for one, spoil in zip(HELD, [*SPOILED.values(), *[None] * 99], strict=False):
        frame = rows_of(one).with_columns(volume=pl.lit(20, pl.Int64))
        if one is not HELD[-1]:
            lake.write("bars", bar_keys("import", "MES", "1m", one.date), spoil(frame) if spoil else frame)
    return lake, check_sessions(lake, **HOW, sessions=HELD)


@pytest.mark.parametrize("rule", SPOILED)
def test_each_rule_catches_what_it_is_for(judged: tuple[Lake, QualityReport], rule: str) -> None:
    _, report = judged
    day = HELD[list(SPOILED).index(rule)].date
    result = next(one for one in report.results if one.id == rule)
    assert day in result.failed_sessions
    assert not result.passed
    assert str(result.failed_sessions[0]) in result.detail
    assert any(why.startswith(f"{rule}: ") for why in report.quarantined[day])


def test_clean_sessions_are_not_quarantined(judged: tuple[Lake, QualityReport]) -> None:
    _, report = judged
    assert list(report.quarantined) == [one.date for one in HELD[: len(SPOILED)]]
    assert report.coverage[HELD[-2].date] == 1.0
    assert report.passed is False


def test_a_missing_session_is_missing_and_not_quarantined(judged: tuple[Lake, QualityReport]) -> None:
    _, report = judged
    assert report.missing == [HELD[-1].date]
    assert HELD[-1].date not in report.quarantined
    present = report.results[0]
    assert (present.id, present.failed_sessions, present.checked) == ("present", report.missing, len(HELD))


def test_the_report_lies_in_the_lake(judged: tuple[Lake, QualityReport]) -> None:
    lake, report = judged
    path = report_path(lake, "import", "MES", "1m")
    assert path.relative_to(lake.root).as_posix() == "quality/source=import/symbol=MES/interval=1m/report.json"
    assert json.loads(path.read_text()) == report.as_dict()
    assert report.request["roll"] == "monday"
    assert report.request["end"] == "2026-10-30"


def test_coverage_counts_minutes_of_the_regular_hours(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    frame = rows_of(one, interval="1s")
    half = one.regular_open_ns + (one.regular_close_ns - one.regular_open_ns) // 2
    kept = frame.filter((pl.col("ts_ns") < one.regular_open_ns) | (pl.col("ts_ns") >= half)).gather_every(3)
    lake.write("bars", bar_keys("import", "MES", "1s", one.date), kept)
    how = {**HOW, "interval": "1s"}
    table = measure(lake, **how, sessions=[one])
    assert table["coverage"].to_list() == [0.5]
    assert table["rows"].to_list() == [len(kept)]
    assert table["thin"].to_list() == [None]  # nothing to compare with


def test_rows_of_other_contracts_do_not_count(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    lake.write("bars", bar_keys("import", "MES", "1m", one.date), rows_of(one, "MESH27"))
    table = measure(lake, **HOW, sessions=[one])
    assert table.select("missing", "rows", "coverage").row(0) == (1, 0, None)


def test_a_broken_schema_stops_the_check(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    path = lake.path("bars", bar_keys("import", "MES", "1m", one.date))
    path.parent.mkdir(parents=True)
    rows_of(one).drop("volume").write_parquet(path, metadata={SCHEMA_KEY: "bars/1"})
    with pytest.raises(BadInput, match=r"part.parquet: not the schema bars/1: volume is missing"):
        check_sessions(lake, **HOW, sessions=[one])
    with pytest.raises(BadInput, match="no sessions of MES to check"):
        check_sessions(lake, **HOW, sessions=[])


def test_every_rule_says_what_it_protects_against(judged: tuple[Lake, QualityReport]) -> None:
    _, report = judged

    class Loose:
        coverage, thin_volume, jump_atr = 0.0, 0.0, 1e9

    assert [one.id for one in rules(Loose())] == [one.id for one in report.results]
    assert all(len(one.text) > 20 for one in rules(Loose()))
