"""The lake's files: round trip, versions, atomicity, views."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake, bar_keys
from scalper.lake.schema import SCHEMA_KEY, stamp
from tests.lake.support import a_session, digest, rows_of

DAY = date(2026, 11, 18)
KEYS = bar_keys("import", "MES", "1m", DAY)


def test_round_trip_with_metadata(tmp_path: Path) -> None:
    lake, frame = Lake(tmp_path), rows_of(a_session(), count=30)
    name = lake.write("bars", KEYS, frame, {"note": "by hand"})
    assert name == "bars/source=import/symbol=MES/interval=1m/date=2026-11-18/part.parquet"
    assert lake.read("bars", KEYS).equals(frame)
    assert lake.metadata("bars", KEYS) == {SCHEMA_KEY: "bars/2", "note": "by hand"}
    assert lake.exists("bars", KEYS)


def test_the_same_frame_gives_the_same_bytes(tmp_path: Path) -> None:
    lake, frame = Lake(tmp_path), rows_of(a_session(), count=30)
    lake.write("bars", KEYS, frame)
    first = lake.digest("bars", KEYS)
    lake.write("bars", KEYS, frame)
    assert lake.digest("bars", KEYS) == first
    assert len(first) == 64


def test_features_keep_their_columns_and_types(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    frame = pl.DataFrame({"ts_ns": [1, 2], "rsi_14": np.array([0.5, np.nan], np.float32)})
    keys = {"lane": "demo", "date": "2026-11-18"}
    lake.write("features", keys, frame)
    assert lake.read("features", keys).equals(frame)


def test_dates_are_those_below_the_keys(tmp_path: Path) -> None:
    lake, frame = Lake(tmp_path), pl.DataFrame({"ts_ns": [1]})
    for day in ("2026-11-18", "2026-11-17"):
        lake.write("labels", {"lane": "demo", "date": day}, frame)
    lake.write("labels", {"lane": "other", "date": "2026-11-16"}, frame)
    assert lake.dates("labels", {"lane": "demo"}) == [date(2026, 11, 17), date(2026, 11, 18)]
    assert lake.dates("labels", {"lane": "nobody"}) == []


def test_what_is_missing_is_unavailable_and_says_what_to_do(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for read in (lake.read, lake.metadata, lake.digest):
        with pytest.raises(DataUnavailable, match=r"no bars for source import, symbol MES.*import or download"):
            read("bars", KEYS)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    path = lake.path("bars", KEYS)
    path.parent.mkdir(parents=True)
    rows_of(a_session(), count=3).write_parquet(path, metadata={SCHEMA_KEY: "bars/1"})
    with pytest.raises(BadInput, match=r"part.parquet: schema bars/1, this program reads bars/2"):
        lake.read("bars", KEYS)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    path = lake.path("bars", KEYS)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not Parquet at all")
    with pytest.raises(BadInput, match=r"part.parquet: cannot be read as Parquet"):
        lake.read("bars", KEYS)


def test_columns_that_are_not_the_schema_are_refused_with_the_difference(tmp_path: Path) -> None:
    wrong = rows_of(a_session(), count=3).drop("high").with_columns(volume=pl.lit(1.0), vwap=pl.lit(1.0))
    with pytest.raises(BadInput, match=r"volume is Float64, not Int64; high is missing; vwap does not belong"):
        Lake(tmp_path).write("bars", KEYS, wrong)
    with pytest.raises(BadInput, match="features need a column ts_ns"):
        Lake(tmp_path).write("features", {"lane": "demo"}, pl.DataFrame({"a": [1]}))
    assert not (tmp_path / "bars").exists()


@pytest.mark.parametrize("value", ["../elsewhere", "a/b", "", ".hidden"])
def test_keys_stay_inside_the_lake(tmp_path: Path, value: str) -> None:
    with pytest.raises(BadInput, match="lane="):
        Lake(tmp_path).path("features", {"lane": value})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadInput, match="keeps no 'ticks'; it keeps bars"):
        stamp("ticks")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    lake.write("bars", KEYS, rows_of(a_session(), count=3))
    before = digest(tmp_path)

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        lake.write("bars", KEYS, rows_of(a_session(), count=9))
    assert digest(tmp_path) == before


def test_views_show_the_session_files(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.views()  # an empty lake has no views
    lake.write("bars", KEYS, rows_of(a_session(), count=30))
    lake.views()
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as catalog:
        found = catalog.sql(
            "SELECT symbol, contract, count(*), CAST(min(date) AS VARCHAR) FROM bars GROUP BY ALL"
        ).fetchall()
        tables = catalog.sql("SELECT count(*) FROM duckdb_tables()").fetchall()
    assert found == [("MES", "MESZ26", 30, "2026-11-18")]
    assert tables == [(0,)]
