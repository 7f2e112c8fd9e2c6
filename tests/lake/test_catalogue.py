"""What people see of the lake: its tables, SQL, gaps, rolls; and what may be tidied away."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.clock import NS
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.lake import Lake, bar_keys
from scalper.lake.catalogue import ls, sql
from scalper.lake.compact import compact
from scalper.lake.databento.raw import DOWNLOADING, alone
from scalper.lake.gaps import gaps, holes
from scalper.lake.quality.check import check_lake
from scalper.lake.rolls import rolls
from scalper.lake.schema import COLUMNS, FRONT_KEYS
from scalper.lake.storage import SCRATCH
from scalper.market import Session, sessions
from tests.lake.places import Place
from tests.lake.support import a_session, digest, rows_of

HOW = {"source": "import", "symbol": "MES", "interval": "1m"}
EARLY = a_session("2026-11-27")  # closes at 13:15 New York


def _keep(lake: Lake, day: str, frame: pl.DataFrame, interval: str = "1m", **metadata: str) -> None:
    fronts = {FRONT_KEYS[letter]: contract for letter, contract in metadata.items()}
    lake.write("bars", bar_keys("import", "MES", interval, date.fromisoformat(day)), frame, fronts)


def _filled(lake: Lake) -> Lake:
    """Two sessions of minutes, one of seconds with trades, labels of two lanes."""
    for day in ("2026-11-17", "2026-11-18"):
        _keep(lake, day, rows_of(a_session(day), count=30))
    flow = rows_of(a_session(), count=10, interval="1s").with_columns(trades=pl.lit(3, pl.Int64))
    _keep(lake, "2026-11-18", flow, "1s")
    for lane in ("demo", "other"):
        lake.write("labels", {"lane": lane, "date": "2026-11-18"}, pl.DataFrame({"ts_ns": [1, 2]}))
    return lake


def test_the_list_has_a_row_a_series_and_lane(place: Place) -> None:
    lake = _filled(place.lake())
    document = json.loads(json.dumps(ls(lake).as_dict()))
    bars = [{key: row[key] for key in row if key not in ("bytes", "digest")} for row in document["tables"]]
    series = {"kind": "bars", "source": "import", "symbol": "MES", "contracts": 1, "last": "2026-11-18"}
    minutes = {"interval": "1m", "sessions": 2, "first": "2026-11-17", "rows": 60, "volume": 420, "flow": []}
    seconds = {"interval": "1s", "sessions": 1, "first": "2026-11-18", "rows": 10, "volume": 70, "flow": ["trades"]}
    lane = {"kind": "labels", "sessions": 1, "first": "2026-11-18", "last": "2026-11-18", "rows": 2}
    assert bars == [series | minutes, series | seconds, lane | {"lane": "demo"}, lane | {"lane": "other"}]
    assert document["tables"][0]["bytes"] == sum(size for name, size in lake.storage.listing() if "1m" in name)


def test_the_digest_is_over_all_bars_and_nothing_else(place: Place) -> None:
    lake = _filled(place.lake())
    first = ls(lake)
    assert ls(_filled(place.lake())).digest == first.digest
    lake.write("labels", {"lane": "third", "date": "2026-11-18"}, pl.DataFrame({"ts_ns": [1]}))
    assert ls(lake).digest == first.digest
    _keep(lake, "2026-11-18", rows_of(a_session(), count=31))
    changed = ls(lake)
    assert changed.digest != first.digest
    same = changed.tables["digest"] == first.tables["digest"].extend_constant(None, 1)
    assert same.to_list()[:2] == [False, True]


def test_an_empty_lake_has_an_empty_list(place: Place) -> None:
    assert ls(place.lake()).as_dict()["tables"] == []


def test_the_list_names_a_file_of_another_schema(tmp_path: Path) -> None:
    lake = _filled(Lake(tmp_path))
    path = lake.path("bars", bar_keys("import", "MES", "1m", date(2026, 11, 17)))
    rows_of(a_session("2026-11-17"), count=3).write_parquet(path, metadata={"scalper.schema": "bars/1"})
    with pytest.raises(BadInput, match=r"date=2026-11-17/part.parquet: schema bars/1, this program reads bars/2"):
        ls(lake)


def test_sql_over_the_views(place: Place) -> None:
    lake = _filled(place.lake())
    query = "SELECT interval, date, count(*) AS bars, max(trades) AS most FROM bars GROUP BY ALL ORDER BY ALL"
    answer = sql(lake, query, limit=2)
    assert answer.as_dict() == {
        "columns": ["interval", "date", "bars", "most"],
        "rows": [["1m", "2026-11-17", 30, None], ["1m", "2026-11-18", 30, None]],
        "more": True,
    }
    assert not sql(lake, query, limit=3).more
    assert sql(lake, "SELECT * FROM bars LIMIT 0").columns[: len(COLUMNS)] == list(COLUMNS)
    assert sql(lake, "SELECT count(DISTINCT lane) FROM LABELS").rows == [(2,)]
    assert sql(lake, "SHOW TABLES").rows == [("bars",), ("labels",)]


@pytest.mark.parametrize(
    ("query", "cells"),
    [
        ("SELECT to_timestamp(max(ts_ns) / 1e9) - to_timestamp(min(ts_ns) / 1e9) FROM bars", ["1 day 00:29:00"]),
        ("SELECT union_value(a := 1), ['x']", ["1", "[x]"]),
        ("SELECT DATE '12000-01-01', TIMESTAMP '12000-01-01'", ["12000-01-01", "12000-01-01 00:00:00"]),
        ("SELECT 'infinity'::TIMESTAMP, '-infinity'::TIMESTAMPTZ", ["infinity", "-infinity"]),
        ("SELECT sum(volume), sum(volume) * 1.00, 1.5 FROM bars", [490, 490, 1.5]),
        ("SELECT 'nan'::DOUBLE, 'infinity'::FLOAT, NULL, true", [None, None, None, True]),
        ('SELECT 1 AS "a""b", 2 AS a, 3 AS A', [1, 2, 3]),
    ],
)
def test_every_kind_of_value_has_a_json_form(tmp_path: Path, query: str, cells: list[object]) -> None:
    document = json.loads(json.dumps(sql(_filled(Lake(tmp_path)), query).as_dict(), allow_nan=False))
    assert document["rows"] == [cells]
    assert [type(one) for one in document["rows"][0]] == [type(one) for one in cells]


@pytest.mark.parametrize("content", [b"", b"not Parquet at all"])
def test_sql_names_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    lake = _filled(Lake(tmp_path))
    lake.path("bars", bar_keys("import", "MES", "1m", date(2026, 11, 17))).write_bytes(content)
    with pytest.raises(BadInput, match=r"date=2026-11-17/part.parquet: cannot be read as Parquet .*delete it"):
        sql(lake, "SELECT 1")
    with pytest.raises(BadInput, match=r"bars: .*date=2026-11-17/part.parquet.*delete the file"):
        lake.views()
    assert not list(tmp_path.glob(".catalog*"))


def test_sql_names_a_file_of_a_foreign_schema(tmp_path: Path) -> None:
    lake = _filled(Lake(tmp_path))
    pl.DataFrame({"x": [1]}).write_parquet(lake.path("bars", bar_keys("import", "MES", "1m", date(2026, 11, 17))))
    with pytest.raises(BadInput, match=r"date=2026-11-17/part.parquet: schema unknown, this program reads bars/2"):
        sql(lake, "SELECT count(*) FROM bars")


def test_sql_names_tables_that_do_not_fit_together(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for keys in ({"lane": "demo"}, {"lane": "demo", "date": "2026-11-18"}):
        lake.write("features", keys, pl.DataFrame({"ts_ns": [1]}))
    with pytest.raises(BadInput, match=r"features: .*delete the file and make it again"):
        sql(lake, "SELECT 1")


def test_sql_of_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the query is no UTF-8 text"):
        sql(Lake(tmp_path), "SELECT '\udc80'")


@pytest.mark.parametrize("text", ["nonsense", "a day", "2026-13-01", "20261118", "2026-W47-3"])
def test_a_folder_that_is_no_date_is_named(tmp_path: Path, text: str) -> None:
    lake = _filled(Lake(tmp_path))
    folder = tmp_path / "bars/source=import/symbol=MES/interval=1m"
    (folder / "date=2026-11-18").rename(folder / f"date={text}")
    for look in (
        ls,
        lambda lake: gaps(lake, **HOW),
        lambda lake: sql(lake, "SELECT 1"),
        lambda lake: check_lake(lake, **HOW),
    ):
        with pytest.raises(BadInput, match=rf"interval=1m/date={text}: '{text}' is no date such as 2026-11-18"):
            look(lake)


def test_a_file_where_no_table_belongs_is_named(tmp_path: Path) -> None:
    lake = _filled(Lake(tmp_path))
    (tmp_path / "bars/copy").mkdir()
    (tmp_path / "bars/copy/part.parquet").write_bytes(b"")
    for look in (ls, lambda lake: sql(lake, "SELECT 1")):
        with pytest.raises(BadInput, match=r"bars/copy/part.parquet: no table of bars belongs there"):
            look(lake)


def test_sql_over_an_empty_lake(place: Place) -> None:
    with pytest.raises(BadInput, match="the lake is empty: import or download first"):
        sql(place.lake(), "SELECT * FROM bars")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT nothing FROM bars", r'column "nothing" not found.*views are bars\(ts_ns, contract, open.*; labels\('),
        ("SELECT * FROM features", "name features does not exist"),
        ("SELEC", "syntax error"),
        ("", "one SELECT and nothing else"),
        ("SELECT 1; SELECT 2", "one SELECT and nothing else"),
        ("CREATE TABLE t AS SELECT 1", "one SELECT and nothing else"),
        ("COPY bars TO '{folder}/bars/out.csv'", "one SELECT and nothing else"),
        ("EXPLAIN ANALYZE COPY bars TO '{folder}/bars/out.csv'", "one SELECT and nothing else"),
        ("ATTACH '{folder}/out.db'", "one SELECT and nothing else"),
        ("SET enable_external_access = true", "one SELECT and nothing else"),
        ("INSTALL httpfs", "one SELECT and nothing else"),
        ("SELECT * FROM read_text('/etc/hostname')", "Permission Error"),
        ("SELECT * FROM lake", "name lake does not exist"),  # no variable of the program
    ],
)
def test_sql_only_reads_the_lake(tmp_path: Path, query: str, message: str) -> None:
    lake = _filled(Lake(tmp_path))
    before = digest(tmp_path)
    with pytest.raises(BadInput, match=message):
        sql(lake, query.format(folder=tmp_path))
    assert digest(tmp_path) == before


def test_gaps_are_sessions_contracts_and_holes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    whole = rows_of(a_session("2026-11-17"))
    _keep(lake, "2026-11-17", whole)
    eighteenth, start = rows_of(a_session()), a_session().ny(12, 0)
    _keep(lake, "2026-11-18", eighteenth.filter(~pl.col("ts_ns").is_between(start, start + 599 * NS)))
    _keep(lake, "2026-11-20", rows_of(a_session("2026-11-20"), "MESH27"))
    found = gaps(lake, **HOW)
    assert [(gap.session.isoformat(), gap.kind) for gap in found.found] == [
        ("2026-11-18", "hole"),
        ("2026-11-19", "missing session"),
        ("2026-11-20", "missing contract"),
    ]
    document = json.loads(json.dumps(found.as_dict()))
    assert document["gaps"][0] == {
        "session": "2026-11-18",
        "kind": "hole",
        "detail": "MESZ26",
        "start": "2026-11-18T17:00:00Z",
        "end": "2026-11-18T17:10:00Z",
        "seconds": 600,
    }
    assert document["gaps"][2]["detail"] == "the monday rule holds MESZ26, the lake has MESH27"
    assert (document["sessions"], document["counts"]["hole"]) == (4, 1)
    assert len(gaps(lake, **HOW, start=date(2026, 11, 16), end=date(2026, 11, 17)).found) == 1
    by_interest = gaps(lake, **HOW, end=date(2026, 11, 17), roll="open_interest").found
    assert by_interest[0].kind == "missing contract"
    assert "download" in by_interest[0].detail


@pytest.mark.parametrize(
    ("start", "end", "odd"),
    [
        (date(1, 1, 1), None, "0001-01-01"),
        (None, date(2300, 12, 31), "2300-12-31"),
        (None, date(9999, 12, 31), "9999-12-31"),
    ],
)
def test_gaps_of_years_without_a_calendar_are_refused(
    tmp_path: Path, start: date | None, end: date | None, odd: str
) -> None:
    lake = _filled(Lake(tmp_path))
    with pytest.raises(BadInput, match=rf"{odd} is no date of the calendars: use 1990-01-01 to 2100-12-31"):
        gaps(lake, **HOW, start=start, end=end)


def test_gaps_of_nothing_need_dates(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(DataUnavailable, match="the lake has no 1m bars of MES from import; give --start and --end"):
        gaps(lake, **HOW)
    found = gaps(lake, **HOW, start=date(2026, 11, 16), end=date(2026, 11, 22))
    assert [gap.kind for gap in found.found] == ["missing session"] * 5
    with pytest.raises(BadInput, match="gaps of '1d-utc' are not looked for"):
        gaps(lake, source="import", symbol="MES", interval="1d-utc")


NOON = ((a_session().ny(11, 0), a_session().ny(11, 45)), (a_session().ny(15, 50), a_session().ny(16, 10)))
CALENDAR = [
    *sessions("MES", date(2021, 6, 25), date(2021, 6, 25)),  # halts at 16:15
    a_session("2026-11-18"),
    replace(a_session("2026-11-18"), halts=NOON),  # no exchange's, but one inside and one across the regular close
    EARLY,
]


@settings(max_examples=200, deadline=None)
@given(one=st.sampled_from(CALENDAR), cuts=st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 400)), max_size=4))
def test_holes_are_the_minutes_that_were_cut_out(one: Session, cuts: list[tuple[int, int]]) -> None:
    """Against a slow twin that walks the regular hours minute by minute."""
    step = 60 * NS
    stamps = rows_of(one)["ts_ns"].to_numpy()
    for first, count in cuts:
        start = one.open_ns + first * step
        stamps = stamps[(stamps < start) | (stamps >= start + count * step)]
    held = set(stamps.tolist())
    wanted: list[tuple[int, int]] = []
    run = 0
    for minute in [*range(one.regular_open_ns, one.regular_close_ns, step), one.regular_close_ns]:
        halted = any(start <= minute < end for start, end in one.halts)
        if minute < one.regular_close_ns and not halted and minute not in held:
            run += 1
            continue
        if run > 2:
            wanted.append((minute - run * step, minute))
        run = 0
    assert list(holes(stamps, one, step)) == wanted


def test_whole_sessions_have_no_holes() -> None:
    for one in CALENDAR:
        assert list(holes(rows_of(one)["ts_ns"].to_numpy(), one, 60 * NS)) == []
    nothing = np.array([], np.int64)
    assert list(holes(nothing, EARLY, 60 * NS)) == [(EARLY.regular_open_ns, EARLY.regular_close_ns)]


def _around_the_roll(lake: Lake, **fronts: str) -> None:
    for day, december, march in (("2026-12-10", 60, 20), ("2026-12-11", 30, 50), ("2026-12-14", 10, 70)):
        parts = [rows_of(a_session(day), "MESZ26", count=december), rows_of(a_session(day), "MESH27", count=march)]
        frame = pl.concat(parts).sort("ts_ns", "contract")
        _keep(lake, day, frame, **({letter: fronts[letter] for letter in fronts} if day == "2026-12-14" else {}))


def test_a_roll_by_the_calendar_is_explained(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _around_the_roll(lake)
    (roll,) = rolls(lake, **HOW, rule="monday")
    assert json.loads(json.dumps(roll.as_dict())) == {
        "session": "2026-12-14",
        "before": "2026-12-11",
        "from": "MESZ26",
        "to": "MESH27",
        "why": "the monday rule: MESZ26 expires on 2026-12-18 and is left on 2026-12-14",
        "volumes": {"MESZ26": 210, "MESH27": 350},
        "present": True,
    }
    assert rolls(lake, **HOW, rule="expiry") == []
    assert [roll.session.day for roll in rolls(lake, **HOW, rule="thursday")] == []  # held from the first session on


def test_a_roll_by_the_data_is_explained(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _around_the_roll(lake)
    (roll,) = rolls(lake, **HOW, rule="volume")
    assert (roll.session, roll.before) == (date(2026, 12, 14), date(2026, 12, 11))
    assert roll.why == "MESH27 had the largest volume of the session before"
    other = Lake(tmp_path / "other")
    _around_the_roll(other, v="MESH27")
    assert rolls(other, **HOW, rule="volume")[0].why == "the vendor's MES.v.0 stands for MESH27"
    with pytest.raises(DataUnavailable, match="import or download first"):
        rolls(lake, source="databento", symbol="MES", interval="1m")


def _raw(lake: Lake, name: str, old: bool = True) -> None:
    folder = lake.root / "raw/databento/GLBX.MDP3/ohlcv-1m/MESZ6"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(json.dumps({"files": [{"name": "a.dbn.zst"}]}).encode() if name.endswith(".json") else b"1234")
    if old:
        os.utime(path, (1_700_000_000, 1_700_000_000))


def test_compact_removes_what_nobody_will_ask_for(tmp_path: Path) -> None:
    lake = _filled(Lake(tmp_path))
    bars = ls(lake).digest
    for name in ("a.dbn.zst", "a.json", "b.dbn.zst", "c.job.json", "c/1.dbn.zst"):
        _raw(lake, name)
    _raw(lake, "young.dbn.zst", old=False)
    scrap = lake.storage.scratch() / "half"
    scrap.write_bytes(b"12345")
    os.utime(scrap, (1_700_000_000, 1_700_000_000))
    (lake.storage.scratch() / "young").write_bytes(b"1")
    (tmp_path / "bars/source=gone/symbol=MES").mkdir(parents=True)
    before = digest(tmp_path)
    planned = compact(lake, dry_run=True, lanes=["demo"])
    assert digest(tmp_path) == before
    done = compact(lake, lanes=["demo"])
    assert done.scraps == planned.scraps
    reasons = {why: figures["files"] for why, figures in done.as_dict()["reasons"].items()}
    assert reasons == {
        "left by a killed writer": 1,
        "raw file without a manifest": 1,
        "of a lane that is not configured": 1,
    }
    assert done.as_dict()["bytes"] == 5 + 4 + done.scraps[-1].size
    raw = [name.rsplit("MESZ6/")[1] for name in lake.storage.names("raw")]
    assert raw == ["a.dbn.zst", "a.json", "c.job.json", "c/1.dbn.zst", "young.dbn.zst"]
    assert sorted(path.name for path in (tmp_path / SCRATCH).iterdir()) == [DOWNLOADING, "young"]
    assert not (tmp_path / "bars/source=gone").exists()
    assert not (tmp_path / "labels/lane=other").exists()
    assert lake.dates("labels", {"lane": "demo"}) == [date(2026, 11, 18)]
    assert ls(lake).digest == bars
    assert compact(lake).scraps == []


def test_compact_waits_for_writers(tmp_path: Path) -> None:
    lake = _filled(Lake(tmp_path))
    with lake.storage.lock(), pytest.raises(Refused, match="another import or download"):
        compact(lake)


def test_compact_waits_for_a_download_and_leaves_its_lock(tmp_path: Path) -> None:
    """Without the lock's file a second download would get a lock of its own, and pay too."""
    lake = _filled(Lake(tmp_path))
    lock = lake.storage.scratch() / DOWNLOADING
    with alone(lake):
        os.utime(lock, (1_700_000_000, 1_700_000_000))
        with pytest.raises(Refused, match="another download is under way"):
            compact(lake)
        with pytest.raises(Refused, match="another download is under way"), alone(lake):
            pass
    os.utime(lock, (1_700_000_000, 1_700_000_000))
    assert compact(lake).scraps == []
    assert lock.is_file()


def test_compact_tidies_a_buckets_mirror(bucket: Place) -> None:
    address = bucket.address()
    lake, other = _filled(Lake(address)), bucket.other_machine(address)
    ls(lake)
    gone = lake.name("labels", {"lane": "other", "date": "2026-11-18"})
    other.delete(gone)
    assert (lake.root / gone).is_file()
    found = compact(lake).as_dict()
    assert found["names"] == [gone]
    assert not (lake.root / "labels/lane=other").exists()
    assert found["reasons"].keys() == {"mirror of an object that is gone"}
