"""Definitions and status, from real files and from altered ones, against our own table."""

from __future__ import annotations

import struct
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from scalper.errors import BadInput
from scalper.lake import Lake
from scalper.lake.databento.definitions import (
    are_definitions,
    compare,
    definition_keys,
    import_definitions,
    keep_status,
    open_definitions,
    open_status,
)
from scalper.lake.files.dbn import header
from scalper.market import session, sessions
from tests.lake.support import digest

GOOD: dict[str, Any] = {
    "ts_ns": 1_700_000_000_000_000_000,
    "contract": "MESZ26",
    "raw_symbol": "MESZ6",
    "instrument_id": 7,
    "tick": 0.25,
    "point_value": 5.0,
    "tick_value": 1.25,
    "currency": "USD",
    "expiration_ns": 1_797_604_200_000_000_000,  # 2026-12-18 09:30 New York
}
UNDEFINED = np.iinfo(np.int64).max


def altered(real_data: Path, folder: Path, **fields: Any) -> Path:
    """The real definitions of ESM3 with some fields changed."""
    source = real_data / "dbn_real" / "es_fut.definition.dbn.zst"
    raw = zstandard.ZstdDecompressor().stream_reader(source.read_bytes()).read()
    at = 8 + struct.unpack("<I", raw[4:8])[0]
    records = np.frombuffer(raw[at:], header(source).kind).copy()
    for name, value in fields.items():
        records[name] = value
    path = folder / "altered.definition.dbn"
    path.write_bytes(raw[:at] + records.tobytes())
    return path


@pytest.mark.parametrize(
    ("name", "symbol", "contract", "rows"),
    [("es_fut", "ES", "ESM23", 2), ("esu4_nqu4", "ES", "ESU24", 1), ("esu4_nqu4", "NQ", "NQU24", 1)],
)
def test_real_definitions_agree_with_our_table(
    real_data: Path, tmp_path: Path, name: str, symbol: str, contract: str, rows: int
) -> None:
    lake, path = Lake(tmp_path), real_data / "dbn_real" / f"{name}.definition.dbn.zst"
    report = import_definitions(lake, [path], symbol=symbol)
    assert (report.contracts, report.rows_kept, report.notes) == ([contract], rows, [])
    assert report.rows_read == report.rows_kept + sum(report.dropped.values())
    held = lake.read("definitions", definition_keys("import", symbol))
    assert held["contract"].to_list() == [contract]  # the first that was told
    assert held["tick_value"][0] == {"ES": 12.5, "NQ": 5.0}[symbol]
    before = digest(tmp_path)
    import_definitions(lake, [path, path], symbol=symbol)
    assert digest(tmp_path) == before


@pytest.mark.parametrize("version", ["dbn", "v1.dbn.zst", "v2.dbn.zst", "v3.dbn.zst"])
def test_every_version_is_read_and_a_share_is_another_product(real_data: Path, tmp_path: Path, version: str) -> None:
    path = real_data / "dbn_edge_cases" / f"test_data.definition.{version}"
    report = import_definitions(Lake(tmp_path), [path], symbol="ES")
    assert (report.rows_read, report.rows_kept, report.dropped) == (2, 0, {"other product": 2})
    assert not (tmp_path / "definitions").exists()


def test_bars_are_no_definitions(real_data: Path) -> None:
    told = real_data / "dbn_real" / "es_fut.definition.dbn.zst"
    path = real_data / "dbn_edge_cases" / "test_data.ohlcv-1s.dbn"
    with pytest.raises(BadInput, match=r"holds ohlcv-1s, not definition; import it as what it is"):
        open_definitions(path, symbol="ES")
    assert are_definitions([told])
    assert not are_definitions([path])
    with pytest.raises(BadInput, match=r"es_fut.definition.dbn.zst holds definitions, .*ohlcv-1s.dbn does not"):
        are_definitions([path, told])


def test_what_agrees_is_silent() -> None:
    compare(GOOD, "here")
    compare(GOOD | dict.fromkeys(("tick", "point_value", "tick_value", "currency", "expiration_ns")), "here")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tick", 0.5, r"tick is 0\.5, ours 0\.25"),
        ("point_value", 50.0, r"point_value is 50\.0, ours 5\.0"),
        ("tick_value", 12.5, r"tick_value is 12\.5, ours 1\.25"),
        ("currency", "EUR", r"currency is EUR, ours USD"),
        ("expiration_ns", GOOD["expiration_ns"] - 86_400_000_000_000, r"expiration is 2026-12-17, ours 2026-12-18"),
    ],
)
def test_every_difference_is_named_with_both_values(field: str, value: object, words: str) -> None:
    with pytest.raises(BadInput, match=rf"here: MESZ26 is defined differently.*: {words}; see the exchange's"):
        compare(GOOD | {field: value}, "here")


def test_a_difference_leaves_the_lake_as_it_was(real_data: Path, tmp_path: Path) -> None:
    path = altered(real_data, tmp_path, unit_of_measure_qty=5_000_000_000)
    with pytest.raises(BadInput, match=r"altered.definition.dbn: ESM23 .* point_value is 5\.0, ours 50\.0"):
        import_definitions(Lake(tmp_path / "lake"), [path], symbol="ES")
    assert not (tmp_path / "lake" / "definitions").exists()


def test_a_month_that_is_not_the_names(real_data: Path, tmp_path: Path) -> None:
    path = altered(real_data, tmp_path, maturity_month=9)
    with pytest.raises(BadInput, match=r"ESM3 is defined with maturity 2023-09, its name says 2023-06"):
        open_definitions(path, symbol="ES")


def test_what_an_old_record_does_not_tell_is_said(real_data: Path, tmp_path: Path) -> None:
    path = altered(real_data, tmp_path, unit_of_measure_qty=UNDEFINED, maturity_month=255)
    report = import_definitions(Lake(tmp_path / "a"), [path], symbol="ES")
    assert report.notes == []  # the amount of a tick tells the point's value
    gone = {"min_price_increment_amount": UNDEFINED, "expiration": np.iinfo(np.uint64).max, "currency": b""}
    path = altered(real_data, tmp_path, unit_of_measure_qty=UNDEFINED, **gone)
    report = import_definitions(Lake(tmp_path / "b"), [path], symbol="ES")
    assert report.notes == ["ESM23 agrees with our table, except that point_value, currency, expiration_ns is not told"]
    assert report.as_dict()["rows_read"] == 2


@pytest.mark.parametrize("version", ["dbn", "v2.dbn.zst", "v3.dbn.zst"])
def test_real_status_lies_in_its_sessions(real_data: Path, tmp_path: Path, version: str) -> None:
    path, lake = real_data / "dbn_edge_cases" / f"test_data.status.{version}", Lake(tmp_path)
    told = open_status(path, contracts={5482: "ESH21"})
    assert told["action"].to_list() == ["trading", "pre_open", "pre_open", "new_price_indication"]
    assert told["is_trading"].to_list() == [True, False, False, True]
    assert open_status(path, contracts={}).is_empty()
    keys = {"source": "import", "symbol": "ES", "date": "2020-12-28"}
    for _ in range(2):  # twice changes nothing
        keep_status(lake, "import", "ES", told, sessions("ES", date(2020, 12, 24), date(2020, 12, 29)))
        assert lake.read("status", keys).equals(told)
    assert len(list((tmp_path / "status").rglob("*.parquet"))) == 1
    halted = told.filter(~told["is_trading"])["ts_ns"]
    assert all(start <= at < end for at in halted for start, end in session("ES", date(2020, 12, 28)).halts)
