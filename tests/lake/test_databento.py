"""Downloads by the real databento client from a server on loopback: what is asked, kept and brought into the lake."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from scalper.errors import BadInput
from scalper.lake import DownloadRequest, Lake, bar_keys, download, import_files, read_session
from scalper.lake.databento.condition import degraded_sessions
from scalper.lake.databento.definitions import status_keys
from scalper.lake.databento.download import estimate
from scalper.lake.databento.plan import Estimate
from scalper.lake.files.readers import SPREAD
from scalper.lake.schema import BARS
from scalper.market import INSTRUMENTS, sessions
from scalper.sandbox import DatabentoServer, SimulatedMarket
from scalper.sandbox.faults import Faults
from tests.lake.gateway import DATA, FIRST, HELD, KEY, Gateway
from tests.lake.places import bucket_place
from tests.lake.support import digest


def test_a_roll_is_downloaded_by_raw_symbols(
    tmp_path: Path, market: SimulatedMarket, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake, seen = Lake(tmp_path), list[tuple[int, int]]()
    report = download(lake, request_, key=SecretStr(KEY), gateway=server.url, progress=lambda *at: seen.append(at))
    figures = report.as_dict()
    assert (figures["contracts"], figures["sessions"], figures["requests"]) == (["MESU26", "MESZ26"], len(HELD), 4)
    assert figures["rows_read"] == figures["rows_kept"] + sum(figures["dropped"].values())
    assert figures["bytes"] == 56 * figures["rows_read"]
    assert figures["cost_usd"] > 0
    assert (figures["missing"], figures["not_yet"], figures["backfilled"], figures["retries"]) == ([], [], [], 0)
    assert seen[-1] == (4, 4)
    for one in HELD:
        held = read_session(lake, source=market.source, symbol="MES", interval="1m", session=one, roll="monday")
        truth = market.bars(held.contract, one, 60_000_000_000)
        assert held.contract == market.front(one, "monday")
        assert (held.bars == truth).all()


def test_the_cost_is_asked_first_and_shown(tmp_path: Path, gateway: Gateway, request_: DownloadRequest) -> None:
    lake, shown = Lake(tmp_path), list[Estimate]()
    asked = estimate(lake, request_, key=KEY, gateway=gateway.url)
    assert (gateway.count(DATA), asked.requests, asked.sessions) == (0, 4, len(HELD))
    assert "9 sessions in 4 requests" in asked.words()
    assert list(tmp_path.rglob("*.dbn.zst")) == []
    report = download(lake, request_, key=KEY, gateway=gateway.url, show=shown.append)
    assert shown == [asked]
    assert report.cost_usd == pytest.approx(asked.cost_usd)
    assert report.as_dict()["rows_read"] == asked.records
    first = next(i for i, (kind, _) in enumerate(gateway.asked) if kind == DATA)
    assert all(kind == DATA for kind, _ in gateway.asked[first:])
    assert estimate(lake, request_, key=None) == Estimate()


def test_raw_files_stay_read_only_with_a_manifest_and_are_not_asked_for_again(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    first = download(lake, request_, key=KEY, gateway=server.url)
    raw = first.raws[0]
    path, document = tmp_path / raw.files[0], raw.document
    assert json.loads((tmp_path / raw.name).read_text()) == document
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert document["request"]["symbols"] == "MESU6"
    assert document["request"]["schema"] == "ohlcv-1m"
    assert document["sessions"] == [one.date.isoformat() for one in HELD[:3]]
    assert document["records"] * 56 == document["billable_bytes"]
    assert document["client"].startswith("databento ")
    assert set(document["condition"].values()) == {"available"}
    assert document["files"][0]["sha256"] == lake.storage.digest(raw.files[0])
    before = digest(tmp_path)
    again = download(lake, request_, key=None, gateway="http://127.0.0.1:1")
    assert (again.requests, again.cost_usd, again.as_dict()["rows_read"]) == (0, 0.0, 0)
    assert digest(tmp_path) == before
    longer = replace(request_, sessions=tuple(sessions("MES", FIRST, date(2026, 9, 21))))
    assert download(lake, longer, key=KEY, gateway=server.url).requests == 1


def test_what_left_the_lake_comes_back_from_the_raw_file(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    first = download(lake, request_, key=KEY, gateway=server.url)
    gone = lake.path("bars", bar_keys(request_.source, "MES", "1m", HELD[2].date))
    kept = gone.read_bytes()
    gone.unlink()
    assert download(lake, request_, key=None).as_dict()["sessions"] == 1
    assert gone.read_bytes() == kept
    gone.unlink()
    raw = tmp_path / first.raws[0].files[0]
    raw.chmod(0o644)
    raw.write_bytes(raw.read_bytes() + b"x")
    with pytest.raises(BadInput, match=rf"{raw.name}: not as it was downloaded; delete it"):
        download(lake, request_, key=None)


def test_sessions_that_leave_the_lake_one_after_another_all_come_back(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    """The first three sessions are one raw file, whose manifest is written anew each time that it is landed."""
    lake = Lake(tmp_path)
    download(lake, request_, key=KEY, gateway=server.url)
    before = digest(tmp_path)
    for one in HELD[:3]:
        lake.delete("bars", bar_keys(request_.source, "MES", "1m", one.date))
        again = download(lake, request_, key=None)
        assert (again.missing, again.as_dict()["sessions"]) == ([], 1)
        assert digest(tmp_path) == before  # bars and manifest are what they were


def test_a_session_of_the_lake_is_not_asked_for_when_its_raw_file_is_gone(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    first = download(lake, request_, key=KEY, gateway=gateway.url)
    (tmp_path / first.raws[0].files[0]).unlink()
    assert download(lake, request_, key=None).requests == 0
    lake.delete("bars", bar_keys(request_.source, "MES", "1m", HELD[1].date))
    again = download(lake, request_, key=KEY, gateway=gateway.url)
    assert (again.requests, again.backfilled) == (1, [HELD[1].date.isoformat()])


def test_gaps_are_found_and_filled(tmp_path: Path, server: DatabentoServer, request_: DownloadRequest) -> None:
    lake = Lake(tmp_path)
    parts = replace(request_, sessions=HELD[:2] + HELD[5:7])
    assert download(lake, parts, key=KEY, gateway=server.url).backfilled == []
    night = download(lake, request_, key=KEY, gateway=server.url)
    assert night.backfilled == [one.date.isoformat() for one in HELD[2:5]]
    assert night.as_dict()["sessions"] == 5
    assert night.missing == []


def test_the_volume_rule_downloads_the_continuous_symbol(
    tmp_path: Path, market: SimulatedMarket, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    report = download(lake, replace(request_, roll="volume", chunk_sessions=30), key=KEY, gateway=server.url)
    assert report.requests == 1
    held = [
        read_session(lake, source=market.source, symbol="MES", interval="1m", session=one, roll="volume")
        for one in HELD
    ]
    assert [one.contract for one in held] == [market.front(one.session, "volume") for one in held]
    assert sorted({one.contract for one in held}) == ["MESU26", "MESZ26"]
    switched = [one for one in held if one.dropped]
    assert len(switched) == 1  # the vendor switches at UTC midnight, two hours into the session
    assert switched[0].dropped == 120
    with pytest.raises(BadInput, match="mappings go from continuous to instrument_id and name no contract"):
        import_files(lake, [tmp_path / name for raw in report.raws for name in raw.files], symbol="MES")


@pytest.mark.parametrize("letter", ["c", "v", "n"])
def test_an_explicit_continuous_symbol_leaves_its_front(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest, letter: str
) -> None:
    lake = Lake(tmp_path)
    asked = replace(request_, ask=f"MES.{letter}.0", chunk_sessions=None, sessions=HELD[-3:])
    assert download(lake, asked, key=KEY, gateway=server.url).requests == 1
    metadata = lake.metadata("bars", bar_keys(request_.source, "MES", "1m", HELD[-1].date))
    assert metadata[f"scalper.front.{letter}"] == ("MESU26" if letter == "c" else "MESZ26")
    assert download(lake, asked, key=None).requests == 0


def test_a_parent_symbol_brings_every_contract(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    report = download(lake, replace(request_, ask="MES.FUT", sessions=HELD[:2]), key=KEY, gateway=server.url)
    assert report.as_dict()["contracts"] == ["MESU26", "MESZ26"]
    assert report.as_dict()["sessions"] == 2
    assert set(report.as_dict()["dropped"]) == {SPREAD}


def test_a_parents_spreads_have_no_status_and_no_definition_in_the_lake(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    asked = replace(request_, ask="MES.FUT", sessions=HELD[:2], status=True, definitions=True)
    for key in (KEY, None):
        assert download(lake, asked, key=key, gateway=server.url).missing == []
    told = lake.read("status", status_keys(asked.source, "MES", HELD[0].date))
    assert told["contract"].unique().sort().to_list() == ["MESU26", "MESZ26"]


def test_a_raw_symbol_is_asked_for_until_it_expires(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest
) -> None:
    long = tuple(sessions("MES", date(2026, 9, 16), date(2026, 9, 22)))
    asked = replace(request_, ask="MESU6", sessions=long)
    report = download(Lake(tmp_path), asked, key=KEY, gateway=gateway.url)
    assert [form["symbols"] for kind, form in gateway.asked if kind == DATA] == ["MESU6"]
    assert report.missing == ["2026-09-21", "2026-09-22"]


@pytest.mark.parametrize("ask", ["ES.v.0", "MES.v.1", "MES", "MESX6", "NQZ6", "", "MES.FUT "])
def test_a_symbol_of_another_product_is_refused(request_: DownloadRequest, ask: str) -> None:
    with pytest.raises(BadInput, match=r"databento.symbol .* is no symbol of MES: use auto, MES.c.0"):
        replace(request_, ask=ask)


def test_requests_without_sessions_or_of_unknown_products(request_: DownloadRequest) -> None:
    with pytest.raises(BadInput, match="no sessions of MES"):
        replace(request_, sessions=())
    with pytest.raises(BadInput, match="unknown symbol 'YM'"):
        replace(request_, symbol="YM")
    with pytest.raises(BadInput, match="parallel is 101: the vendor takes 1 to 100"):
        replace(request_, parallel=101)


def test_a_session_before_the_vendors_data_is_said(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    early = replace(request_, sessions=tuple(sessions("MES", date(2026, 8, 27), FIRST)))
    with pytest.raises(BadInput, match=r"begins at 2026-08-31, session 2026-08-27 is before it: start later"):
        download(Lake(tmp_path), early, key=KEY, gateway=server.url)


def test_sessions_that_the_vendor_does_not_have_yet_wait(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    late = replace(request_, sessions=tuple(sessions("MES", date(2026, 9, 24), date(2026, 9, 29))))
    report = download(Lake(tmp_path), late, key=KEY, gateway=server.url)
    assert report.not_yet == ["2026-09-28", "2026-09-29"]
    assert (report.missing, report.as_dict()["sessions"]) == ([], 2)


def test_daily_bars_are_whole_utc_days(tmp_path: Path, server: DatabentoServer, request_: DownloadRequest) -> None:
    lake = Lake(tmp_path)
    daily = replace(request_, schema="ohlcv-1d", chunk_sessions=2)
    report = download(lake, daily, key=KEY, gateway=server.url)
    assert report.missing == []
    held = lake.dates("bars", {"source": request_.source, "symbol": "MES", "interval": "1d-utc"})
    assert held == [date(2026, 9, day) for day in (8, 9, 10, 11, 13, 14, 15, 16, 17, 18)]  # the 13th is a Sunday
    spans = [(raw.document["request"]["start"][:10], raw.document["request"]["end"][:10]) for raw in report.raws]
    assert spans == [
        ("2026-09-08", "2026-09-10"),
        ("2026-09-10", "2026-09-12"),
        ("2026-09-13", "2026-09-16"),
        ("2026-09-16", "2026-09-18"),
        ("2026-09-18", "2026-09-19"),
    ]
    assert download(lake, daily, key=None).requests == 0


def test_days_that_are_not_as_they_should_be(
    tmp_path: Path, market: SimulatedMarket, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    days = {"degraded": [HELD[1].date], "missing": [HELD[4].date], "pending": [HELD[-1].date]}
    with DatabentoServer(market, faults=Faults(**days)) as server:
        report = download(lake, request_, key=server.key, gateway=server.url)
        assert report.not_yet == [HELD[-1].date.isoformat()]
        assert report.degraded == [HELD[i].date.isoformat() for i in (1, 2, 4, 5)]  # both sessions of a UTC day
        assert (
            degraded_sessions(lake, request_.source, request_.dataset, HELD)[HELD[1].date] == "degraded on 2026-09-09"
        )
        again = download(lake, request_, key=server.key, gateway=server.url)
        assert (again.requests, again.not_yet) == (0, report.not_yet)
    with DatabentoServer(market) as server:
        last = download(lake, request_, key=server.key, gateway=server.url)
    assert (last.requests, last.not_yet, last.degraded) == (1, [], [])
    assert last.as_dict()["sessions"] == 1


def test_a_session_on_a_missing_and_a_pending_day_waits(
    tmp_path: Path, market: SimulatedMarket, request_: DownloadRequest
) -> None:
    lake, one = Lake(tmp_path), replace(request_, sessions=HELD[2:3])
    with DatabentoServer(market, faults=Faults(missing=[date(2026, 9, 9)], pending=[date(2026, 9, 10)])) as server:
        report = download(lake, one, key=server.key, gateway=server.url)
    assert (report.requests, report.not_yet, report.missing) == (0, ["2026-09-10"], [])
    with DatabentoServer(market) as server:
        assert download(lake, one, key=server.key, gateway=server.url).as_dict()["rows_kept"] == 1380


def test_a_range_without_a_record_is_kept_and_not_asked_again(
    tmp_path: Path, market: SimulatedMarket, request_: DownloadRequest
) -> None:
    lake, one = Lake(tmp_path), replace(request_, sessions=HELD[2:3])
    with DatabentoServer(market, faults=Faults(missing=[date(2026, 9, 9), date(2026, 9, 10)])) as server:
        report = download(lake, one, key=server.key, gateway=server.url)
        assert report.missing == [HELD[2].date.isoformat()]
        assert any("no records in this range" in text for text in report.warnings)
        again = download(lake, one, key=None)
        assert (again.requests, again.missing) == (0, report.missing)


def test_trades_add_the_order_flow_to_the_same_bars(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake, day = Lake(tmp_path), sessions("MES", date(2026, 9, 7), date(2026, 9, 7))  # Labor Day: short and thin
    bars = replace(request_, schema="ohlcv-1s", sessions=tuple(day))
    download(lake, bars, key=KEY, gateway=server.url)
    keys = bar_keys(request_.source, "MES", "1s", day[0].date)
    plain = lake.read("bars", keys)
    report = download(lake, replace(bars, schema="trades"), key=KEY, gateway=server.url)
    rich = lake.read("bars", keys)
    assert rich.select(*BARS).equals(plain.select(*BARS))
    assert (rich["bid_volume"] + rich["ask_volume"]).sum() == plain["volume"].sum()
    assert plain["trades"].null_count() == len(plain) == report.as_dict()["enriched"]
    (raw,) = report.raws
    (tmp_path / raw.files[0]).unlink()
    assert download(lake, replace(bars, schema="trades"), key=None).requests == 0  # its columns are in the lake
    assert estimate(lake, replace(bars, schema="mbp-1"), key=KEY, gateway=server.url).requests == 1


def test_definitions_come_first_and_a_difference_stops_it(
    tmp_path: Path,
    market: SimulatedMarket,
    gateway: Gateway,
    request_: DownloadRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake, asked = Lake(tmp_path), replace(request_, definitions=True)
    with monkeypatch.context() as patch:
        patch.setitem(INSTRUMENTS, "MES", replace(INSTRUMENTS["MES"], point_value=Decimal(6)))
        for _ in range(2):  # it does not pass the second time either
            with pytest.raises(BadInput, match=r"MESU26 is defined differently.* point_value is 5\.0, ours 6\.0"):
                download(lake, asked, key=KEY, gateway=gateway.url)
    assert [form["schema"] for kind, form in gateway.asked if kind == DATA] == ["definition"] * 2
    assert lake.storage.names("bars") == []
    report = download(lake, asked, key=KEY, gateway=gateway.url)
    assert (report.requests, report.missing) == (4, [])
    told = lake.read("definitions", {"source": request_.source, "symbol": "MES"})
    assert told["contract"].sort().to_list() == ["MESU26", "MESZ26"]
    assert download(lake, asked, key=None).requests == 0


def test_status_is_kept_by_session(tmp_path: Path, server: DatabentoServer, request_: DownloadRequest) -> None:
    lake, asked = Lake(tmp_path), replace(request_, sessions=HELD[:2], status=True)
    assert download(lake, asked, key=KEY, gateway=server.url).requests == 2
    for one in asked.sessions:
        told = lake.read("status", {"source": request_.source, "symbol": "MES", "date": one.date.isoformat()})
        assert told["action"].to_list()[0] == "trading"
        assert told["contract"].unique().to_list() == ["MESU26"]
    assert download(lake, asked, key=None).requests == 0
    for name in lake.storage.names("raw", ".dbn.zst"):
        lake.storage.delete(name)
    assert download(lake, asked, key=None).requests == 0  # what it would bring is in the lake
    lake.delete("status", status_keys(request_.source, "MES", HELD[1].date))
    assert estimate(lake, asked, key=KEY, gateway=server.url).requests == 1
    other = replace(asked, ask="MESZ6", sessions=HELD[:1])
    assert estimate(lake, other, key=KEY, gateway=server.url).requests == 2  # bars and status of another contract


def test_a_bucket_takes_downloads_too(
    tmp_path: Path, server: DatabentoServer, gateway: Gateway, request_: DownloadRequest
) -> None:
    few = replace(request_, sessions=HELD[:3], chunk_sessions=2, definitions=True)
    folder = Lake(tmp_path / "lake")
    download(folder, few, key=KEY, gateway=server.url)
    with bucket_place(tmp_path) as place:
        lake = place.lake()
        for mode in ("stream", "batch"):
            report = download(lake, replace(few, mode=mode), key=KEY, gateway=gateway.url)
            assert report.missing == []
        assert report.requests == 0
        sha = {name: folder.storage.digest(name) for name in folder.storage.names("bars")}
        assert {name: lake.storage.digest(name) for name in lake.storage.names("bars")} == sha
        assert len(lake.storage.names("raw", ".dbn.zst")) == 3
        lake.delete("bars", bar_keys(few.source, "MES", "1m", HELD[1].date))
        assert download(lake, few, key=None).as_dict()["sessions"] == 1
        assert gateway.count(DATA) == 3
