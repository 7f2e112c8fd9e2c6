"""Real exchange data: the figures that the import must reach."""

from __future__ import annotations

import gzip
import zipfile
from datetime import date
from pathlib import Path

import databento
import polars as pl
import pytest

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys, check_sessions, import_files, read_session
from scalper.lake.files.readers import OTHER, OUTSIDE
from scalper.lake.schema import BARS
from scalper.market import session, sessions
from tests.lake.support import CHICAGO


@pytest.fixture(scope="module")
def es(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake after the five-minute contracts, imported once."""
    lake = Lake(tmp_path_factory.mktemp("es"))
    paths = sorted((real_data / "es_5m").glob("*.gz"))
    report = import_files(lake, paths, symbol="ES", interval="5m", tz=CHICAGO)
    assert len(report.contracts) == 28
    assert report.rows_read == 487_457 == report.rows_kept + sum(report.dropped.values())
    assert set(report.dropped) == {OUTSIDE}
    assert 500 < report.dropped[OUTSIDE] < 620
    assert report.bars == report.rows_kept
    assert len(report.sessions) == 1804
    return lake


def test_es_five_minute_bars(es: Lake) -> None:
    day = session("ES", date(2020, 2, 5))
    held = read_session(es, source="import", symbol="ES", interval="5m", session=day, roll="monday")
    assert (held.contract, len(held.bars), held.dropped) == ("ESH20", 273, 0)  # 276 less the halt's three
    assert held.bars["ts_ns"][0] == day.open_ns


def test_es_quality_by_year(es: Lake) -> None:
    held = sessions("ES", date(2015, 1, 2), date(2016, 12, 30))
    report = check_sessions(es, source="import", symbol="ES", interval="5m", roll="monday", sessions=held)
    results = {result.id: result for result in report.results}
    assert all(results[name].passed for name in ("complete", "stamps", "calendar", "ohlc", "grid", "volume"))
    assert len(report.missing) == 8 * 5  # a contract's file begins after the expiry of the one before
    assert date(2015, 5, 25) in report.quarantined  # Memorial Day
    assert 5 < len(report.quarantined) < 0.03 * len(held)


def test_es_ticks(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    path = real_data / "es_ticks_2013" / "tick_data.csv.gz"
    report = import_files(lake, [path], symbol="ES", tz=CHICAGO)
    assert (report.rows_read, report.rows_kept, report.bars, report.volume) == (500_000, 500_000, 34_171, 1_844_058)
    assert (report.contracts, report.sessions, report.interval) == (["ESU13"], ["2013-09-02", "2013-09-03"], "1s")
    trades = lake.read("bars", bar_keys("import", "ES", "1s", date(2013, 9, 2)))["trades"].sum()
    trades += lake.read("bars", bar_keys("import", "ES", "1s", date(2013, 9, 3)))["trades"].sum()
    assert trades == 500_000


def test_real_dbn(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    paths = sorted((real_data / "dbn_real").glob("*ohlcv-1m*"))
    report = import_files(lake, paths, symbol="ES")
    assert (report.rows_read, report.rows_kept, report.dropped) == (80, 40, {OTHER: 40})
    assert (report.contracts, report.interval) == (["ESM24", "ESU24"], "1m")
    first = lake.read("bars", bar_keys("import", "ES", "1m", date(2024, 7, 2))).row(0, named=True)
    assert (first["open"], first["high"], first["low"], first["close"]) == (5527.25, 5527.5, 5527.0, 5527.5)
    assert import_files(lake, paths, symbol="NQ").contracts == ["NQM24", "NQU24"]


def test_real_trades_enrich_the_real_minutes(real_data: Path, tmp_path: Path) -> None:
    """Minutes from Databento first, then its trades of the same minutes: not one value of them contradicts."""
    lake, folder = Lake(tmp_path), real_data / "dbn_real"
    import_files(lake, [folder / "esu4_nqu4_2024-07-01.ohlcv-1m.dbn.zst"], symbol="ES")
    keys = bar_keys("import", "ES", "1m", date(2024, 7, 2))
    before = lake.read("bars", keys)
    trades = folder / "esu4_2024-07-01.trades.dbn.zst"
    added = import_files(lake, [trades], symbol="ES", interval="1m")
    assert (added.rows_read, added.rows_kept, added.bars, added.enriched) == (120, 120, 0, 4)
    after = lake.read("bars", keys)
    assert after.select(BARS.keys()).equals(before.select(BARS.keys()))
    told = after.filter(pl.col("trades").is_not_null())
    assert (told["trades"].sum(), told["bid_volume"].sum() + told["ask_volume"].sum()) == (120, told["volume"].sum())


ZONES = {"es_5m": ("ES", CHICAGO), "es_ticks_2013": ("ES", CHICAGO), "gc_ticks_2013": ("GC", None)}


@pytest.mark.long
def test_every_file_is_imported_with_every_row_accounted_for(real_data: Path, tmp_path: Path) -> None:
    """Each by itself into an empty lake; the rows are counted by other means."""
    seen = 0
    for path in sorted(path for path in real_data.rglob("*") if path.suffix in (".gz", ".zip", ".dbn", ".zst")):
        if path.parent.name == "es_5m" and not path.name.startswith("ESH1"):
            continue  # the fixture above imports all of them
        if path.name.endswith("_quote.zip"):
            continue  # goes with its trades
        symbol, tz = ZONES.get(path.parent.name, ("ES", None))
        lake = Lake(tmp_path / path.name)
        if any(kind in path.name for kind in (".definition.", ".status.")):
            with pytest.raises(BadInput, match=r"schema (definition|status) is not imported"):
                import_files(lake, [path], symbol=symbol)
            continue
        quotes = path.with_name(path.name.replace("_trade", "_quote"))
        paths = [path, quotes] if quotes != path and quotes.is_file() else [path]
        report = import_files(lake, paths, symbol=symbol, tz=tz)
        assert report.rows_read == report.rows_kept + sum(report.dropped.values()), path.name
        assert report.rows_read == sum(map(_rows, paths)), path.name
        stored = [
            lake.read("bars", bar_keys("import", symbol, report.interval, date.fromisoformat(day)))
            for day in report.sessions
        ]
        assert sum(map(len, stored)) == report.bars, path.name
        assert sum(int(frame["volume"].sum()) for frame in stored) == report.volume, path.name
        seen += 1
    assert seen == 50


def _rows(path: Path) -> int:
    """The rows of a file: lines below a heading, lines of zipped files, records as the vendor's client counts them."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as file:
            return sum(len(file.read(name).splitlines()) for name in file.namelist())
    if path.suffix == ".gz":
        return len([line for line in gzip.decompress(path.read_bytes()).splitlines() if line.strip()]) - 1
    store = databento.DBNStore.from_file(path)
    count = len(store.to_ndarray())
    store.reader.close()
    return count
