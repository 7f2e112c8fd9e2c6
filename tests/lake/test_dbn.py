"""DBN files: every version and schema, whole, cut off, damaged and empty; instrument ids to contracts."""

from __future__ import annotations

import struct
from datetime import date, timedelta
from pathlib import Path

import databento
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys, import_files
from scalper.lake.files.dbn import (
    OTHER_CODE,
    SPREAD_CODE,
    Contracts,
    Header,
    count_records,
    header,
    names_of,
    records,
)
from scalper.lake.files.readers import DAILY, KNOWN, OTHER, OUTSIDE, SPREAD
from scalper.market import BAR, sessions
from scalper.sandbox.dbn import OHLCV, metadata
from scalper.sandbox.dbn import records as ohlcv
from scalper.sandbox.symbology import Interval
from tests.lake.support import digest

DAY = date(2026, 11, 16)
ONE = sessions("ES", DAY, DAY)[0]
NANO = 250_000_000
EDGE = ["dbn", "v1.dbn.zst", "v2.dbn.zst", "v3.dbn.zst"]


def dbn(body: bytes, schema: str = "ohlcv-1s", symbols: dict[str, list[Interval]] | None = None) -> bytes:
    """A DBN stream of ES contracts in November 2026."""
    spans = symbols or {"ESZ6": [Interval("ESZ26", date(2026, 11, 1), date(2026, 12, 1))]}
    known = {"dataset": "GLBX.MDP3", "stype_in": "raw_symbol", "stype_out": "instrument_id", "limit": None}
    stamps = {"start_ns": ONE.open_ns, "end_ns": ONE.close_ns}
    head = metadata(schema=schema, symbols=list(spans), not_found=[], mappings=spans, **known, **stamps)
    return head + body


def seconds(count: int, contract: str = "ESZ26", *, step_ns: int = 10**9, start_ns: int = ONE.open_ns) -> bytes:
    """So many OHLCV records of a contract, one a second."""
    bars = np.zeros(count, BAR)
    bars["ts_ns"] = start_ns + np.arange(count) * step_ns
    for name in ("open", "high", "low", "close"):
        bars[name] = 24_000 + np.arange(count) % 7
    bars["volume"] = 1 + np.arange(count) % 5
    return ohlcv(bars, contract, "ohlcv-1s", NANO).tobytes()


# --------------------------------------------------------------- real files


def test_every_real_file_is_read_as_the_client_reads_it(real_data: Path) -> None:
    for path in [*(real_data / "dbn_edge_cases").glob("*.dbn*"), *(real_data / "dbn_real").glob("*.dbn*")]:
        head = header(path)
        theirs = databento.DBNStore.from_file(path)
        assert (head.schema, head.stype_in, head.stype_out) == (theirs.schema, theirs.stype_in, theirs.stype_out)
        arrays = list(records(path, rows=1000))
        assert count_records(path) == sum(map(len, arrays))
        expected = theirs.to_ndarray()
        theirs.reader.close()
        if len(arrays):
            assert head.kind == expected.dtype, path.name
            assert b"".join(one.tobytes() for one in arrays) == expected.tobytes(), path.name


@pytest.mark.parametrize("version", EDGE)
@pytest.mark.parametrize("schema", ["ohlcv-1s", "ohlcv-1m", "trades", "tbbo", "mbp-1"])
def test_every_version_gives_bars(real_data: Path, tmp_path: Path, version: str, schema: str) -> None:
    lake = Lake(tmp_path)
    path = real_data / "dbn_edge_cases" / f"test_data.{schema}.{version}"
    report = import_files(lake, [path], symbol="ES")
    assert report.rows_read == 2 == report.rows_kept + sum(report.dropped.values())
    contracts = [] if schema == "mbp-1" else ["ESH21"]  # two quotes without a trade
    assert (report.contracts, report.interval) == (contracts, schema[6:] if schema.startswith("ohlcv") else "1s")
    again = import_files(lake, [path], symbol="ES")
    assert (again.rows_kept, again.dropped.get(KNOWN, 0)) == (0, report.rows_kept)


@pytest.mark.parametrize("version", EDGE)
def test_an_empty_file_imports_nothing_and_says_so(real_data: Path, tmp_path: Path, version: str) -> None:
    lake = Lake(tmp_path)
    path = real_data / "dbn_edge_cases" / f"test_data.ohlcv-1d.{version}"
    report = import_files(lake, [path], symbol="ES")
    assert (report.rows_read, report.bars, report.interval) == (0, 0, DAILY)
    assert report.notes == [f"{path.name}: no records, nothing to import"]
    assert count_records(path) == 0
    assert not (lake.root / "bars").exists()


@pytest.mark.parametrize(("schema", "versions"), [("status", ["dbn", *EDGE[2:]]), ("definition", EDGE)])
def test_what_holds_no_bars_is_refused_clearly(
    real_data: Path, tmp_path: Path, schema: str, versions: list[str]
) -> None:
    for version in versions:
        path = real_data / "dbn_edge_cases" / f"test_data.{schema}.{version}"
        with pytest.raises(BadInput, match=rf"{path.name}: schema {schema} is not imported"):
            import_files(Lake(tmp_path), [path], symbol="ES")


# ------------------------------------------------------- cut off and damaged


def test_a_file_cut_anywhere_is_refused(real_data: Path, tmp_path: Path) -> None:
    cases = real_data / "dbn_edge_cases"
    lake = Lake(tmp_path / "lake")
    for name in ("test_data.ohlcv-1s.dbn", "test_data.ohlcv-1s.v3.dbn.zst"):
        whole = (cases / name).read_bytes()
        path = tmp_path / name
        plain = name.endswith(".dbn")  # which has no end but that of a record
        ends = {len(whole) - 56, len(whole) - 112} if plain else set[int]()
        for length in set(range(len(whole))) - ends:
            path.write_bytes(whole[:length])
            with pytest.raises(BadInput, match=rf"{name}: (cannot be read as DBN|the file was cut off|holds no)"):
                count_records(path)
        with pytest.raises(BadInput, match=name):
            import_files(lake, [path], symbol="ES")
    assert not (lake.root / "bars").exists()


def test_damage_is_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.dbn.zst"
    good = dbn(seconds(50))
    wrong = bytearray(good)
    wrong[len(good) - 50 * 56 + 20 * 56] = 99  # the length of the 21st record
    for raw, message in (
        (bytes(wrong), "row 21: no record of ohlcv-1s"),
        (good[:-1], "the file was cut off .record 50 is not whole"),
        (b"DBM" + good[3:], "does not begin as one"),
        (good[:4] + struct.pack("<I", 30) + good[8:], "a.dbn.zst: "),
    ):
        path.write_bytes(zstandard.compress(raw))
        with pytest.raises(BadInput, match=message):
            count_records(path)
    path.write_bytes(zstandard.compress(good) + b"not zstd")
    with pytest.raises(BadInput, match="cannot be read as DBN"):
        count_records(path)
    path.write_bytes(zstandard.compress(good)[:-10])
    with pytest.raises(BadInput, match=r"cut off \(its compressed stream does not end\)"):
        count_records(path)


def test_frames_may_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.dbn.zst"
    raw = dbn(seconds(1000))
    path.write_bytes(zstandard.compress(raw[:700]) + zstandard.compress(raw[700:5000]) + zstandard.compress(raw[5000:]))
    assert count_records(path) == 1000
    assert [len(one) for one in records(path, rows=300)] == [300, 300, 300, 100]
    assert np.concatenate(list(records(path, rows=7))).tobytes() == seconds(1000)


# --------------------------------------------------------------------- bars


def test_bars_of_several_contracts_products_and_spreads(tmp_path: Path) -> None:
    span = date(2026, 11, 1), date(2026, 12, 1)
    names = {"ESZ6": "ESZ26", "ESH7": "ESH27", "NQZ6": "NQZ26", "ESZ6-ESH7": "ESZ26-X"}
    arrays = np.concatenate([np.frombuffer(seconds(30, one), OHLCV) for one in names.values()])
    body = arrays[np.argsort(arrays["ts_event"], kind="stable")].tobytes()
    path = tmp_path / "a.dbn.zst"
    spans = {name: [Interval(contract, *span)] for name, contract in names.items()}
    path.write_bytes(zstandard.compress(dbn(body, symbols=spans)))
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [path], symbol="ES")
    assert (report.rows_read, report.rows_kept, report.dropped) == (120, 60, {OTHER: 30, SPREAD: 30})
    stored = lake.read("bars", bar_keys("import", "ES", "1s", DAY))
    assert stored["contract"].to_list() == ["ESH27", "ESZ26"] * 30
    assert stored["close"].to_list()[:4] == [6000.0, 6000.0, 6000.25, 6000.25]
    plain = tmp_path / "b.dbn"
    plain.write_bytes(dbn(body, symbols=spans))
    assert import_files(lake, [plain], symbol="ES").dropped == {KNOWN: 60, OTHER: 30, SPREAD: 30}


def test_chunks_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.dbn.zst"
    week = [one for day in range(3) for one in sessions("ES", DAY + timedelta(day), DAY + timedelta(day))]
    path.write_bytes(zstandard.compress(dbn(b"".join(seconds(500, start_ns=one.open_ns) for one in week))))
    whole, cut = Lake(tmp_path / "whole"), Lake(tmp_path / "cut")
    import_files(whole, [path], symbol="ES")
    monkeypatch.setattr("scalper.lake.files.dbn.pieces.__defaults__", (64,))
    monkeypatch.setattr("scalper.lake.files.intake.FLUSH", 300)
    assert import_files(cut, [path], symbol="ES").bars == 1500
    assert digest(cut.root) == digest(whole.root)


def test_days_are_utc_days(tmp_path: Path) -> None:
    path = tmp_path / "a.dbn"
    day_ns = 24 * 60 * 60 * 10**9
    midnight = ONE.open_ns // day_ns * day_ns
    body = seconds(5, step_ns=day_ns, start_ns=midnight)
    path.write_bytes(dbn(body, "ohlcv-1d"))
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [path], symbol="ES")
    assert (report.bars, report.interval, report.sessions[0]) == (5, DAILY, "2026-11-15")  # a Sunday
    assert len(lake.read("bars", bar_keys("import", "ES", DAILY, date(2026, 11, 15)))) == 1
    with pytest.raises(BadInput, match="holds 1d-utc bars, not 1m"):
        import_files(lake, [path], symbol="ES", interval="1m")


def test_an_undefined_price_is_no_price(tmp_path: Path) -> None:
    rows = np.frombuffer(seconds(10), OHLCV).copy()
    rows["high"][6] = np.iinfo(np.int64).max
    path = tmp_path / "a.dbn"
    path.write_bytes(dbn(rows.tobytes()))
    with pytest.raises(BadInput, match=r"a.dbn: row 7: a price is empty or no number .*high nan"):
        import_files(Lake(tmp_path / "lake"), [path], symbol="ES")
    rows["high"][6], rows["volume"][6] = rows["high"][5] + NANO, np.iinfo(np.uint64).max
    path.write_bytes(dbn(rows.tobytes()))
    with pytest.raises(BadInput, match=r"row 7: a volume is beyond any market"):
        import_files(Lake(tmp_path / "lake"), [path], symbol="ES")


def test_records_outside_the_session_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.dbn"
    path.write_bytes(dbn(seconds(20, start_ns=ONE.open_ns - 5 * 10**9)))
    report = import_files(Lake(tmp_path / "lake"), [path], symbol="ES")
    assert (report.rows_kept, report.dropped) == (15, {OUTSIDE: 5})


def test_a_symbol_that_is_no_contract_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dbn"
    path.write_bytes(dbn(seconds(3), symbols={"ESX6": [Interval("ESZ26", date(2026, 11, 1), date(2026, 12, 1))]}))
    with pytest.raises(BadInput, match="ES has no X contract"):
        import_files(Lake(tmp_path / "lake"), [path], symbol="ES")


# ---------------------------------------------------------------------- ids

KINDS = st.sampled_from(["ESZ6", "NQZ6", "ESZ6-ESH7"])
SPANS = st.tuples(st.integers(1, 4), st.integers(0, 10), st.integers(1, 6), KINDS)


@pytest.mark.kernel
@given(
    st.lists(SPANS, min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 16)), min_size=1, max_size=30),
)
def test_codes_are_those_of_the_span_that_holds_the_date(
    spans: list[tuple[int, int, int, str]], asked: list[tuple[int, int]]
) -> None:
    """Spans of one id that overlap are left out: a vendor's mapping has one symbol a day."""
    first = date(2026, 11, 1)
    names = []
    taken: set[tuple[int, int]] = set()
    for number, start, length, text in spans:
        days = {(number, day) for day in range(start, start + length)}
        if not days & taken:
            taken |= days
            names.append((number, first + timedelta(start), first + timedelta(start + length), text))
    contracts = Contracts(Path("a.dbn"), "ES", names)
    midnight = np.array([np.datetime64(first + timedelta(day), "ns").astype(np.int64) for _, day in asked])
    stamps = midnight + [number % 2 * 43_200 * 10**9 for number, _ in asked]
    codes = {"ESZ6": 0, "NQZ6": OTHER_CODE, "ESZ6-ESH7": SPREAD_CODE}
    expected = [
        next((codes[text] for one, a, b, text in names if one == number and a <= first + timedelta(day) < b), None)
        for number, day in asked
    ]
    ids = np.array([number for number, _ in asked], np.uint32)
    if None in expected:
        with pytest.raises(BadInput, match=f"row {10 + expected.index(None)}: instrument id .* is not in the file's"):
            contracts.codes(ids, stamps, 10)
        return
    found = contracts.codes(ids, stamps, 10)
    assert found.tolist() == expected
    counts = {OTHER: expected.count(OTHER_CODE), SPREAD: expected.count(SPREAD_CODE)}
    assert contracts.dropped(found) == {why: count for why, count in counts.items() if count}


@pytest.mark.kernel
def test_a_symbol_changes_at_midnight() -> None:
    names = [(7, date(2026, 12, 1), date(2026, 12, 14), "ESZ6"), (7, date(2026, 12, 14), date(2026, 12, 20), "ESH7")]
    midnight = int(np.datetime64("2026-12-14", "ns").astype(np.int64))
    contracts = Contracts(Path("a.dbn"), "ES", names)
    found = contracts.codes(np.full(3, 7, np.uint32), np.array([midnight - 1, midnight, midnight - 1]), 1)
    assert [contracts.names[code] for code in found] == ["ESZ26", "ESH27", "ESZ26"]


@pytest.mark.kernel
def test_a_file_that_explains_nothing_is_refused_at_its_first_record() -> None:
    with pytest.raises(BadInput, match="row 1: instrument id 5"):
        Contracts(Path("a.dbn"), "ES", []).codes(np.array([5], np.uint32), np.array([0]), 1)


@pytest.mark.parametrize("wrong", [b"\0\0x", b"x", b"9999999999"])
def test_mappings_that_are_damaged_are_refused(tmp_path: Path, wrong: bytes) -> None:
    raw = bytearray(dbn(seconds(3)))
    number = names_of(*_written(tmp_path, raw))[0][0]
    at = raw.index(str(number).encode()) + len(str(number))
    raw[at : at + len(wrong)] = wrong
    with pytest.raises(BadInput, match=rf"a.dbn: '{number}.* in its mappings is no instrument id; the file is damaged"):
        names_of(*_written(tmp_path, raw))


def _written(folder: Path, raw: bytearray) -> tuple[Path, Header]:
    path = folder / "a.dbn"
    path.write_bytes(raw)
    return path, header(path)


@pytest.mark.kernel
def test_a_mapping_may_have_no_end() -> None:
    contracts = Contracts(Path("a.dbn"), "ES", [(7, date(2026, 12, 1), date.max, "ESZ6")])
    assert contracts.codes(np.array([7], np.uint32), np.array([ONE.open_ns + 30 * 86_400 * 10**9]), 1).tolist() == [0]


def test_mappings_that_name_no_contract_are_refused(real_data: Path) -> None:
    path = real_data / "dbn_edge_cases" / "test_data.ohlcv-1s.v3.dbn.zst"
    head = header(path)
    assert names_of(path, head) == [(5482, date(2020, 12, 28), date(2020, 12, 29), "ESH1")]
    continuous = type(head)(**{name: getattr(head, name) for name in head.__slots__} | {"stype_in": "continuous"})
    with pytest.raises(BadInput, match="go from continuous to instrument_id and name no contract"):
        names_of(path, continuous)
