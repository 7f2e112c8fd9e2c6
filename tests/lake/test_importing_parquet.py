"""Single-file Parquet: any length, many sessions and contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys, import_files
from scalper.lake.files import parquet as reader
from scalper.lake.files.readers import CLOCK, KNOWN, OTHER, SPREAD, ImportOptions
from scalper.market import sessions
from tests.lake.support import a_session, as_parquet, digest, rows_of

WEEK = sessions("MES", a_session("2026-11-16").date, a_session("2026-11-20").date)
ROWS = pl.concat([rows_of(one, count=200) for one in WEEK])
KEYS = bar_keys("import", "MES", "1m", WEEK[1].date)


def test_a_file_of_many_sessions(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [as_parquet(ROWS, tmp_path / "mes.parquet")], symbol="MES")
    assert (report.rows_kept, len(report.sessions), report.interval) == (1000, 5, "1m")
    assert lake.read("bars", KEYS).equals(ROWS[200:400])


def test_chunks_cut_sessions_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_parquet(ROWS, tmp_path / "mes.parquet")
    whole, cut = Lake(tmp_path / "whole"), Lake(tmp_path / "cut")
    import_files(whole, [path], symbol="MES")
    monkeypatch.setattr(reader, "ROWS", 70)
    monkeypatch.setattr("scalper.lake.files.intake.FLUSH", 150)
    report = import_files(cut, [path], symbol="MES")
    assert report.rows_kept == 1000
    assert digest(cut.root) == digest(whole.root)


@pytest.mark.parametrize(
    "stamp",
    [
        pl.col("timestamp").cast(pl.Datetime("ns", "UTC")),
        pl.col("timestamp").cast(pl.Datetime("ns", "UTC")).dt.cast_time_unit("us"),
        pl.col("timestamp").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("America/Chicago"),
        pl.col("timestamp")
        .cast(pl.Datetime("ns", "UTC"))
        .dt.convert_time_zone("America/Chicago")
        .dt.replace_time_zone(None),
    ],
)
def test_stamps_of_every_kind(tmp_path: Path, stamp: pl.Expr) -> None:
    lake = Lake(tmp_path / "lake")
    path = as_parquet(ROWS, tmp_path / "mes.parquet", timestamp=stamp)
    import_files(lake, [path], symbol="MES", tz="America/Chicago")
    assert lake.read("bars", KEYS).equals(ROWS[200:400])


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize(
    ("unit", "value"),
    [("us", 2**62), ("ms", 2**62), ("ms", -(2**62)), ("ms", 253_402_300_800_000), ("us", 20_155_743_283_000_000)],
)
def test_stamps_beyond_nanoseconds_are_named(
    tmp_path: Path, unit: Literal["us", "ms"], value: int, zone: str | None
) -> None:
    """Polars refuses or panics at the step to nanoseconds; the check comes before it."""
    known = [one.open_ns // (1000 if unit == "us" else 10**6) for one in WEEK[:2]]
    stamps = pl.Series([*known, value]).cast(pl.Datetime(unit, zone))
    path = as_parquet(ROWS[:3], tmp_path / "mes.parquet", timestamp=stamps)
    for interval in (None, "1m"):
        with pytest.raises(BadInput, match=rf"mes.parquet: row 3: timestamp {value} .{unit} since 1970. is beyond any"):
            import_files(Lake(tmp_path / "lake"), [path], symbol="MES", interval=interval, tz="America/Chicago")


def test_naive_stamps_need_a_zone_and_lose_the_hour_of_a_clock_change(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    naive = pl.Series(["2026-11-01 01:30:00", "2026-11-01 17:00:00"]).str.to_datetime(time_unit="us")
    path = as_parquet(ROWS[:2], tmp_path / "mes.parquet", timestamp=naive)
    with pytest.raises(BadInput, match="column timestamp: its stamps carry no zone; say which with --tz"):
        import_files(lake, [path], symbol="MES", interval="1m")
    report = import_files(lake, [path], symbol="MES", interval="1m", tz="America/Chicago")
    assert report.dropped == {CLOCK: 1}
    assert report.sessions == ["2026-11-02"]


def test_other_products_and_spreads_are_dropped(tmp_path: Path) -> None:
    symbols = pl.Series((["MESZ6"] * 3 + ["MNQZ6", "MESZ6-MESH7"]) * 200)
    path = as_parquet(ROWS, tmp_path / "mes.parquet", symbol=symbols)
    report = import_files(Lake(tmp_path / "lake"), [path], symbol="MES", interval="1m")
    assert report.dropped == {OTHER: 200, SPREAD: 200}
    assert (report.rows_read, report.rows_kept, report.contracts) == (1000, 600, ["MESZ26"])


def test_contracts_may_be_mixed_or_follow_each_other(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    both = pl.concat([ROWS, ROWS.with_columns(contract=pl.lit("MESH27"))])
    import_files(lake, [as_parquet(both, tmp_path / "blocks.parquet")], symbol="MES")
    mixed = as_parquet(both.sort("ts_ns", "contract"), tmp_path / "mixed.parquet")
    report = import_files(lake, [mixed], symbol="MES")
    assert report.dropped == {KNOWN: 2000}
    assert len(lake.read("bars", KEYS)) == 400


def test_a_one_digit_year_is_the_one_near_its_rows(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    old = rows_of(a_session("2019-06-05"), "MESM9", count=30)
    new = rows_of(a_session("2029-06-05"), "MESM9", count=30)
    report = import_files(lake, [as_parquet(pl.concat([old, new]), tmp_path / "mes.parquet")], symbol="MES")
    assert report.contracts == ["MESM19", "MESM29"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"symbol": pl.lit("XYZZ6")}, r"row 1: column symbol: 'XYZZ6' is no contract we know"),
        ({"symbol": pl.lit("MES")}, r"row 1: column symbol: 'MES' is no contract"),
        ({"symbol": pl.lit(None, pl.String)}, r"row 1: timestamp or symbol is empty"),
        ({"open": pl.lit(6000.1)}, r"row 1: a price is off the grid of 0.25"),
        ({"open": pl.lit(None, pl.Float64)}, r"row 1: a price is empty"),
        ({"volume": pl.lit(-1, pl.Int64)}, r"row 1: a volume or count is negative"),
        ({"volume": pl.lit(1.5)}, r"wrong type: volume Float64"),
        ({"timestamp": pl.col("timestamp").cast(pl.String)}, r"wrong type: timestamp String"),
        ({"timestamp": pl.col("timestamp").reverse()}, r"row 2: stamp .* is earlier than the row before"),
        ({"timestamp": pl.col("timestamp").first()}, r"row 2: stamp .* is there twice"),
        ({"timestamp": pl.col("timestamp") // 1_000_000_000}, r"row 1: stamp 1970-.*does not start a 1m bar"),
    ],
)
def test_bad_parquet_is_refused_by_row_or_column(tmp_path: Path, columns: dict[str, pl.Expr], message: str) -> None:
    lake = Lake(tmp_path / "lake")
    import_files(lake, [as_parquet(ROWS[:100], tmp_path / "good.parquet")], symbol="MES", interval="1m")
    before = digest(lake.root)
    path = as_parquet(ROWS, tmp_path / "bad.parquet", **columns)
    with pytest.raises(BadInput, match=rf"bad.parquet: {message}"):
        import_files(lake, [path], symbol="MES", interval="1m")
    assert digest(lake.root) == before


def test_order_flow_comes_along(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    half = pl.when(pl.int_range(pl.len()) % 2 == 0)
    flow = {"trades": half.then(3), "spread": half.then(0.25), "imbalance": pl.lit(-4, pl.Int32)}
    report = import_files(lake, [as_parquet(ROWS, tmp_path / "mes.parquet", **flow)], symbol="MES")
    assert report.rows_kept == 1000
    stored = lake.read("bars", KEYS)
    assert stored["trades"].to_list() == [3, None] * 100
    assert stored["spread"].to_list() == [0.25, None] * 100
    assert stored["imbalance"].to_list() == [-4] * 200
    assert stored["largest"].null_count() == 200
    wrong = as_parquet(ROWS, tmp_path / "wrong.parquet", trades=pl.lit("3"))
    with pytest.raises(BadInput, match=r"wrong.parquet: wrong type: trades String"):
        import_files(lake, [wrong], symbol="MES")
    below = as_parquet(
        ROWS, tmp_path / "below.parquet", bid_size=pl.int_range(pl.len()) - 4 * (pl.int_range(pl.len()) == 2)
    )
    with pytest.raises(BadInput, match=r"below.parquet: row 3: a volume or count is negative \(-2\)"):
        import_files(lake, [below], symbol="MES")


@pytest.mark.parametrize("kind", [pl.Categorical(), pl.Enum(["MESZ26", "MNQZ26"])])
def test_symbols_as_text_and_as_categories_are_the_same(tmp_path: Path, kind: pl.DataType) -> None:
    lake = Lake(tmp_path / "lake")
    import_files(lake, [as_parquet(ROWS, tmp_path / "text.parquet")], symbol="MES")
    path = as_parquet(ROWS, tmp_path / "mes.parquet", symbol=pl.col("symbol").cast(kind))
    assert import_files(lake, [path], symbol="MES").dropped == {KNOWN: 1000}


def test_a_large_row_group_is_not_held_whole(tmp_path: Path) -> None:
    """One row group of 96 MB that does not compress: pyarrow holds a few chunks of it at a time."""
    import pyarrow

    rows = 2_000_000
    noise = np.random.default_rng(1).random((4, rows))
    prices = dict(zip(("open", "high", "low", "close"), noise, strict=True))
    stamps = WEEK[0].open_ns + np.arange(rows) * 60_000_000_000
    path = tmp_path / "mes.parquet"
    frame = pl.DataFrame({"timestamp": stamps, **prices}).with_columns(volume=1, symbol=pl.lit("MESZ26"))
    frame.write_parquet(path, row_group_size=rows, compression="uncompressed")
    before, most = pyarrow.total_allocated_bytes(), 0
    for chunk in reader.open_parquet(path, options=ImportOptions("MES", "1m")).chunks:
        most = max(most, pyarrow.total_allocated_bytes() - before)
        assert len(chunk.frame) == chunk.read
    assert most < 48e6


def test_unsorted_across_chunks_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ROWS", 70)
    path = as_parquet(pl.concat([ROWS[:140], ROWS[139:]]), tmp_path / "mes.parquet")
    with pytest.raises(BadInput, match=r"row 141: stamp .* is there twice"):
        import_files(Lake(tmp_path / "lake"), [path], symbol="MES", interval="1m")


def test_files_that_are_not_such_parquet(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing more")
    missing = tmp_path / "missing.parquet"
    ROWS.write_parquet(missing)
    empty = as_parquet(ROWS.clear(), tmp_path / "empty.parquet")
    unclear = as_parquet(ROWS[::7], tmp_path / "unclear.parquet")
    for path, message in (
        (broken, "cannot be read as Parquet"),
        (missing, "no column timestamp, symbol"),
        (empty, "holds no rows"),
        (unclear, "the interval of its rows is not clear"),
    ):
        with pytest.raises(BadInput, match=f"{path.name}: {message}"):
            import_files(lake, [path], symbol="MES")
