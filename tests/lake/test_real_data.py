"""Real exchange data: the figures that the import must reach."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys, check_sessions, import_files, read_session
from scalper.lake.readers import KNOWN, OTHER, OUTSIDE
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
    with pytest.raises(BadInput, match="schema trades is not imported; ask Databento for ohlcv-1s"):
        import_files(lake, [real_data / "dbn_real" / "esu4_2024-07-01.trades.dbn.zst"], symbol="ES")


@pytest.mark.parametrize("version", ["dbn", "v1.dbn.zst", "v2.dbn.zst", "v3.dbn.zst"])
@pytest.mark.parametrize("interval", ["1s", "1m"])
def test_every_version_of_dbn(real_data: Path, tmp_path: Path, version: str, interval: str) -> None:
    lake = Lake(tmp_path)
    path = real_data / "dbn_edge_cases" / f"test_data.ohlcv-{interval}.{version}"
    report = import_files(lake, [path], symbol="ES")
    assert (report.rows_read, report.bars, report.contracts, report.interval) == (2, 2, ["ESH21"], interval)
    assert import_files(lake, [path], symbol="ES", interval=interval).dropped == {KNOWN: 2}


def test_dbn_that_cannot_be_imported(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    cases = real_data / "dbn_edge_cases"
    whole = (cases / "test_data.ohlcv-1s.v3.dbn.zst").read_bytes()
    plain = (cases / "test_data.ohlcv-1s.dbn").read_bytes()
    for name, raw in (
        ("empty.dbn", b""),
        ("garbage.dbn", b"not a market"),
        ("header.dbn", plain[:60]),
        ("record.dbn", plain[:-30]),
        ("stream.dbn.zst", whole[:-20]),
    ):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(BadInput, match=f"{name}: (cannot be read as DBN|the file was cut off)"):
            import_files(lake, [tmp_path / name], symbol="ES")
    with pytest.raises(BadInput, match="schema ohlcv-1d is not imported"):
        import_files(lake, [cases / "test_data.ohlcv-1d.v3.dbn.zst"], symbol="ES")
    with pytest.raises(BadInput, match="holds 1s bars, not 1m"):
        import_files(lake, [cases / "test_data.ohlcv-1s.v3.dbn.zst"], symbol="ES", interval="1m")
    assert not (lake.root / "bars").exists()
