"""The quality rules: each catches what it is for and nothing else; the report forgets nothing, and knows its age."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake, QualityReport, bar_keys, check_lake, check_sessions
from scalper.lake.quality.check import made_of
from scalper.lake.quality.measures import session_figures
from scalper.lake.quality.neighbours import measure
from scalper.lake.quality.rules import rules
from scalper.lake.quality.verdicts import page_of, read_report, report_folder
from scalper.lake.schema import PRICES, SCHEMA_KEY
from scalper.market import Session, front_contract, sessions
from scalper.settings import QualitySettings
from tests.lake.support import a_session, rows_of

HELD = sessions("MES", date(2026, 9, 21), date(2026, 10, 30))
DAYS = [one.date for one in HELD]
BARS = {"source": "import", "symbol": "MES", "interval": "1m"}
HOW = {**BARS, "roll": "monday"}
WHERE = {**BARS, "roll": "monday"}

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def _tenth(column: str, value: pl.Expr | float | None) -> Spoil:
    """Another value in the tenth row."""
    tenth = pl.int_range(pl.len()) == 9
    return lambda frame: frame.with_columns(pl.when(tenth).then(value).otherwise(column).alias(column))


def _hours(start: int, end: int) -> pl.Expr:
    """Rows of these hours in New York."""
    return pl.from_epoch("ts_ns", "ns").dt.convert_time_zone("America/New_York").dt.hour().is_between(start, end - 1)


def _standing(frame: pl.DataFrame) -> pl.DataFrame:
    """From 12 to 13 o'clock one price."""
    price = frame.filter(_hours(12, 13))["open"][0]
    still = [
        pl.when(_hours(12, 13)).then(price).otherwise(name).alias(name) for name in ("open", "high", "low", "close")
    ]
    return frame.with_columns(still)


def _crossed(frame: pl.DataFrame) -> pl.DataFrame:
    """Every hundredth quote crosses."""
    return frame.with_columns(spread=pl.when(pl.int_range(pl.len()) % 100 == 7).then(-0.25).otherwise(0.25))


SPOILED: dict[str, Spoil] = {
    "ohlc": _tenth("high", pl.col("low") - 1),
    "grid": _tenth("close", pl.col("low") + 0.1),
    "volume": _tenth("volume", 0),
    "complete": _tenth("open", None),
    "sides": _tenth("ask_volume", pl.col("volume") + 1),
    "spread": _crossed,
    "stamps": lambda frame: pl.concat([frame[:100], frame[99:]]),
    "calendar": lambda frame: frame.with_columns(ts_ns=pl.col("ts_ns") + 90 * 60_000_000_000),
    "coverage": lambda frame: pl.concat([frame[:1000], frame[1100:]]),
    "hours": lambda frame: frame.filter(~_hours(0, 6)),
    "stale": _standing,
    "neighbours": lambda frame: frame.with_columns(volume=pl.col("volume") // 2),
    "thin": lambda frame: frame.with_columns(volume=pl.lit(1, pl.Int64)),
    "jump": _tenth("high", pl.col("high") + 100),
}
DEGRADED = DAYS[-3]


def bars_of(lake: Lake, day: date, spoil: Spoil | None = None, price: float = 6000.0, contract: str = "MESZ26") -> None:
    """A session of minutes with quotes and order flow."""
    frame = rows_of(a_session(day.isoformat()), contract, price=price)
    told = {"trades": 10, "bid_volume": 9, "ask_volume": 11, "inferred_volume": 0, "largest": 5}
    frame = frame.with_columns(pl.lit(20, pl.Int64).alias("volume"), spread=pl.lit(0.25))
    frame = frame.with_columns(pl.lit(value, pl.Int64).alias(name) for name, value in told.items())
    frame = spoil(frame) if spoil else frame
    if spoil in (SPOILED["neighbours"], SPOILED["thin"], SPOILED["volume"]):
        frame = frame.with_columns(pl.lit(None, pl.Int64).alias(name) for name in told)
    lake.write("bars", bar_keys("import", "MES", "1m", day), frame)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, QualityReport]:
    """Six weeks of sessions: one spoiled by each rule, one degraded, one missing. One validation for all of it."""
    lake = Lake(tmp_path_factory.mktemp("quality"))
    for one, spoil in zip(HELD, [*SPOILED.values(), *[None] * 99], strict=False):
        if one is not HELD[-1]:
            bars_of(lake, one.date, spoil)
    return lake, check_sessions(lake, **HOW, sessions=HELD, degraded={DEGRADED: "degraded on 2026-10-27"})


@pytest.mark.parametrize("rule", SPOILED)
def test_each_rule_catches_what_it_is_for(judged: tuple[Lake, QualityReport], rule: str) -> None:
    _, report = judged
    day = DAYS[list(SPOILED).index(rule)]
    result = next(one for one in report.results if one.id == rule)
    assert day in result.failed_sessions
    assert not result.passed
    assert str(result.failed_sessions[0]) in result.detail
    assert any(why.startswith(f"{rule}: ") for why in report.quarantined[day])


def test_a_spoiled_session_harms_no_other(judged: tuple[Lake, QualityReport]) -> None:
    _, report = judged
    assert list(report.quarantined) == [*DAYS[: len(SPOILED)], DEGRADED]
    alone = {"ohlc", "grid", "sides", "spread", "complete", "hours", "neighbours", "stale", "jump"}
    for rule in alone:
        found = report.sessions[DAYS[list(SPOILED).index(rule)]].failed
        assert set(found) <= {rule, "jump"}, rule  # a high below the low stands out too
    assert report.coverage[DAYS[-2]] == 1.0
    assert report.passed is False


def test_what_the_vendor_says_against_a_day(judged: tuple[Lake, QualityReport]) -> None:
    _, report = judged
    assert report.quarantined[DEGRADED] == ["condition: the vendor marks the day: degraded on 2026-10-27"]
    allowed = {one.id: one for one in rules(QualitySettings(use_degraded=True))}
    assert allowed["condition"].most == 1


def test_a_missing_session_is_missing_and_not_quarantined(judged: tuple[Lake, QualityReport]) -> None:
    _, report = judged
    assert report.missing == [DAYS[-1]]
    assert DAYS[-1] not in report.quarantined
    present = next(one for one in report.results if one.id == "present")
    assert (present.failed_sessions, present.checked) == (report.missing, len(HELD))


def test_the_report_lies_in_the_lake(judged: tuple[Lake, QualityReport]) -> None:
    lake, report = judged
    folder = report_folder(**WHERE)
    assert folder == "quality/source=import/symbol=MES/interval=1m/roll=monday"
    assert read_report(lake, **WHERE) == report
    assert json.loads(lake.storage.read(f"{folder}/report.json"))["request"] == report.request
    found = report.as_dict()
    assert (found["request"]["roll"], found["request"]["start"], found["request"]["end"]) == (
        "monday",
        "2026-09-21",
        "2026-10-30",
    )
    assert len(found["results"]) == len(rules(QualitySettings()))
    lake.storage.write(f"{folder}/report.json", b'{"sessions": {"2026')
    assert read_report(lake, **WHERE) is None


def test_the_page_shows_rules_and_reasons_and_fetches_nothing(judged: tuple[Lake, QualityReport]) -> None:
    lake, report = judged
    page = Path(page_of(lake, **WHERE)).read_text()
    for one in report.results:
        assert f"<b>{one.id}</b>" in page
    for day, why in report.quarantined.items():
        assert f"<b>{day}</b>" in page
        assert why[0].replace("'", "&#x27;") in page
    assert "http" not in page and "<script" not in page and "src=" not in page


def test_every_rule_says_what_it_protects_against(judged: tuple[Lake, QualityReport]) -> None:
    _, report = judged
    loose = QualitySettings(coverage=0.01, thin_volume=0.01, neighbours=0.01, hours=0.01, jump_atr=1e9)
    assert [one.id for one in rules(loose)] == [one.id for one in report.results]
    assert all(len(one.text) > 20 for one in rules(loose))
    assert len({one.id for one in rules(loose)}) == len(rules(loose))


def five(one: Session, contract: str = "MESZ26", price: float = 6000.0) -> pl.DataFrame:
    """A session of five minutes that never stands still."""
    step = pl.int_range(pl.len()) % 2 * 0.25
    return rows_of(one, contract, "5m", price=price).with_columns(pl.col(PRICES) + step)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Thirty clean sessions of five minutes."""
    lake = Lake(tmp_path)
    for one in HELD:
        lake.write("bars", bar_keys("import", "MES", "5m", one.date), five(one))
    return lake


FIVE = {**BARS, "interval": "5m"}


def test_a_narrower_check_keeps_the_other_verdicts(lake: Lake) -> None:
    whole = check_sessions(lake, **FIVE, roll="monday", sessions=HELD)
    assert whole.passed
    lake.write("bars", bar_keys("import", "MES", "5m", DAYS[22]), five(HELD[22])[::2])
    part = check_sessions(lake, **FIVE, roll="monday", sessions=HELD[20:25])
    assert list(part.sessions) == DAYS[20:25]
    assert list(part.quarantined) == [DAYS[22]]
    kept = read_report(lake, **FIVE, roll="monday")
    assert kept is not None and list(kept.sessions) == DAYS
    assert list(kept.quarantined) == [DAYS[22]]
    assert kept.sessions[DAYS[3]] == whole.sessions[DAYS[3]]
    strict = QualitySettings(coverage=0.99)
    check_sessions(lake, **FIVE, roll="monday", sessions=HELD[:2], limits=strict)
    kept = read_report(lake, **FIVE, roll="monday")
    assert kept is not None and list(kept.sessions) == DAYS[:2]  # by other limits: the old verdicts answer nothing


def test_verdicts_do_not_depend_on_the_range(lake: Lake) -> None:
    whole = measure(lake, **FIVE, roll="monday", sessions=HELD)
    for start, end in ((0, 3), (7, 9), (24, 30), (29, 30)):
        assert measure(lake, **FIVE, roll="monday", sessions=HELD[start:end]).equals(whole[start:end])


def test_a_verdict_knows_what_it_was_made_of(lake: Lake) -> None:
    before = made_of(lake, **FIVE, sessions=HELD)
    lake.write("bars", bar_keys("import", "MES", "5m", DAYS[5]), five(HELD[5], price=6100))
    after = made_of(lake, **FIVE, sessions=HELD)
    assert [day for day in DAYS if before[day] != after[day]] == DAYS[:26]  # itself, and whom it is a neighbour of
    told = made_of(lake, **FIVE, sessions=HELD, degraded={DAYS[9]: "missing on 2026-10-02"})
    nothing = made_of(lake, **FIVE, sessions=HELD, degraded={})
    assert [day for day in DAYS if told[day] != nothing[day]] == [DAYS[9]]


def test_the_lake_without_a_lane(lake: Lake) -> None:
    lake.delete("bars", bar_keys("import", "MES", "5m", DAYS[7]))
    report, gaps = check_lake(lake, **FIVE)
    assert gaps == [DAYS[7]]
    assert report.passed and DAYS[7] not in report.sessions
    report, gaps = check_lake(lake, **FIVE, start=DAYS[8], end=DAYS[12])
    assert (list(report.sessions), gaps) == (DAYS[8:13], [])
    with pytest.raises(DataUnavailable, match="no 5m bars of MES from import in these dates; it has 2026-09-21 to"):
        check_lake(lake, **FIVE, start=date(2027, 1, 1))
    with pytest.raises(DataUnavailable, match="no 1m bars of MES from import in these dates; import or download"):
        check_lake(lake, **BARS)


def test_steps_between_sessions(tmp_path: Path) -> None:
    """Prices that leap without a roll, and prices that leap too far at one."""
    lake = Lake(tmp_path)
    around = sessions("MES", date(2026, 11, 20), date(2026, 12, 18))
    rolled = next(i for i, one in enumerate(around) if front_contract("MES", one.date, "monday") == "MESH27")
    for i, one in enumerate(around):
        price = 6000.0 + (80 if i == 8 else 0) + (120 if i >= rolled else 0)
        frame = five(one, front_contract("MES", one.date, "monday"), price)
        lake.write("bars", bar_keys("import", "MES", "5m", one.date), frame)
    table = measure(lake, **FIVE, roll="monday", sessions=around)
    reach = 21.0  # points between the high and the low of rows_of
    gaps, rolls = table["gap"].to_list(), table["roll"].to_list()
    assert [i for i, gap in enumerate(gaps) if gap is not None and gap > 3] == [8, 9]
    assert [i for i, roll in enumerate(rolls) if roll is not None] == [rolled]
    assert gaps[8] == pytest.approx(80 / reach, abs=0.5)
    assert rolls[rolled] == pytest.approx(120 / reach, abs=0.5)
    report = check_sessions(lake, **FIVE, roll="monday", sessions=around)
    assert set(report.sessions[around[rolled].date].failed) == {"roll"}


def test_coverage_counts_minutes_of_the_regular_hours(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    frame = rows_of(one, interval="1s")
    half = one.regular_open_ns + (one.regular_close_ns - one.regular_open_ns) // 2
    kept = frame.filter((pl.col("ts_ns") < one.regular_open_ns) | (pl.col("ts_ns") >= half)).gather_every(3)
    lake.write("bars", bar_keys("import", "MES", "1s", one.date), kept)
    how = {**HOW, "interval": "1s"}
    table = measure(lake, **how, sessions=[one])
    assert table["coverage"].to_list() == [0.5]
    assert table["stale"].to_list() == [pytest.approx(195, abs=0.1)]
    assert table["rows"].to_list() == [len(kept)]
    assert table.select("thin", "hours", "neighbours", "gap", "roll").row(0) == (None,) * 5  # nothing to compare with


def test_an_hours_bars_cover_regular_hours_that_begin_at_half_past(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    whole = rows_of(one, interval="1h")
    for kept, covered in ((whole, 1.0), (whole.filter(~_hours(12, 13)), 5 / 6)):
        lake.write("bars", bar_keys("import", "MES", "1h", one.date), kept)
        table = measure(lake, **{**HOW, "interval": "1h"}, sessions=[one])
        assert table["coverage"].to_list() == [pytest.approx(covered)]


def test_rows_of_other_contracts_do_not_count(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    lake.write("bars", bar_keys("import", "MES", "1m", one.date), rows_of(one, "MESH27"))
    table = measure(lake, **HOW, sessions=[one])
    assert table.select("missing", "rows", "coverage").row(0) == (1, None, None)
    assert session_figures(lake, **HOW, one=one) is None


def test_a_session_of_nothing_but_empty_values(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    empty = rows_of(one).with_columns(close=pl.lit(float("nan")))
    lake.write("bars", bar_keys("import", "MES", "1m", one.date), empty)
    report = check_sessions(lake, **HOW, sessions=[one])
    assert set(report.sessions[one.date].failed) == {"complete"}  # what cannot be measured is not judged


def test_a_broken_schema_stops_the_check(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), a_session()
    path = lake.path("bars", bar_keys("import", "MES", "1m", one.date))
    path.parent.mkdir(parents=True)
    rows_of(one).drop("volume").write_parquet(path, metadata={SCHEMA_KEY: "bars/2"})
    with pytest.raises(BadInput, match=r"part.parquet: not the schema bars/2: volume is missing"):
        check_sessions(lake, **HOW, sessions=[one])
    path.write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"part.parquet: cannot be read as Parquet"):
        check_sessions(lake, **HOW, sessions=[one])
    with pytest.raises(BadInput, match="no sessions of MES to check"):
        check_sessions(lake, **HOW, sessions=[])
    with pytest.raises(BadInput, match="bars of 1d are not judged"):
        check_sessions(lake, **{**HOW, "interval": "1d"}, sessions=[one])
