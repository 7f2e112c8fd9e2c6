"""The server, asked by the real databento client over HTTP on loopback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import databento_dbn
import numpy as np
import pytest
import requests
from databento import BentoClientError
from databento.common.error import BentoWarning
from databento.historical.api.metadata import MetadataHttpAPI
from databento.historical.api.symbology import SymbologyHttpAPI
from databento.historical.api.timeseries import TimeseriesHttpAPI

from scalper.errors import BadInput
from scalper.market import aggregate
from scalper.sandbox import SimulatedMarket
from scalper.sandbox.databento import DatabentoServer
from scalper.sandbox.dbn import OHLCV
from scalper.sandbox.symbology import instrument_id

MINUTE = 60_000_000_000
ROLL = {"dataset": "GLBX.MDP3", "start": "2025-03-16", "end": "2025-03-20"}
DAY = {"dataset": "GLBX.MDP3", "start": "2025-03-12", "end": "2025-03-13"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def client(server: DatabentoServer, key: str = "db-test") -> SimpleNamespace:
    """The client's API classes, which take the gateway verbatim (`Historical` insists on https)."""
    return SimpleNamespace(
        timeseries=TimeseriesHttpAPI(key, server.url),
        metadata=MetadataHttpAPI(key, server.url),
        symbology=SymbologyHttpAPI(key, server.url),
    )


def refusal(caught: pytest.ExceptionInfo[BentoClientError]) -> tuple[int, str]:
    return caught.value.http_status, caught.value.json_body["detail"]["case"]


def expected(market: SimulatedMarket, contract: str, start: str, end: str, step: int) -> np.ndarray:
    """The market's own bars in [start, end)."""
    bars = [market.bars(contract, s, step) for s in market.sessions if contract in market.contracts(s)]
    every = np.concatenate(bars)
    low, high = (np.datetime64(t, "ns").astype(np.int64) for t in (start, end))
    return every[(every["ts_ns"] >= low) & (every["ts_ns"] < high)]


def assert_same(got: np.ndarray, bars: np.ndarray) -> None:
    np.testing.assert_array_equal(got["ts_event"].astype(np.int64), bars["ts_ns"])
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(got[name], bars[name] * 250_000_000)
    np.testing.assert_array_equal(got["volume"].astype(np.int64), bars["volume"])


def test_the_record_is_laid_out_as_databento_does() -> None:
    message = databento_dbn.OHLCVMsg(
        rtype=databento_dbn.RType.OHLCV_1S,
        publisher_id=1,
        instrument_id=2,
        ts_event=3,
        open=4,
        high=5,
        low=6,
        close=7,
        volume=8,
    )
    (record,) = np.frombuffer(bytes(message), OHLCV)
    assert record.tolist() == (14, 0x20, 1, 2, 3, 4, 5, 6, 7, 8)


@pytest.mark.parametrize(
    ("schema", "step"), [("ohlcv-1s", 1_000_000_000), ("ohlcv-1m", MINUTE), ("ohlcv-1h", 60 * MINUTE)]
)
def test_a_raw_symbol(server: DatabentoServer, roll_market: SimulatedMarket, schema: str, step: int) -> None:
    store = client(server).timeseries.get_range(**DAY, symbols="MESH5", schema=schema)
    bars = expected(roll_market, "MESH25", DAY["start"], DAY["end"], step)
    assert len(bars) > 0
    assert_same(store.to_ndarray(), bars)
    frame = store.to_df()
    np.testing.assert_array_equal(frame["close"].to_numpy(), bars["close"] * 0.25)
    assert set(frame["symbol"]) == {"MESH5"}
    assert set(frame["instrument_id"]) == {instrument_id("MESH25")}
    assert list(store.mappings) == ["MESH5"]
    assert str(store.schema) == schema


def test_days_are_whole_utc_days(server: DatabentoServer, roll_market: SimulatedMarket) -> None:
    store = client(server).timeseries.get_range(**ROLL, symbols="MESM5", schema="ohlcv-1d")
    seconds = np.concatenate([roll_market.bars("MESM25", s) for s in roll_market.sessions])
    days = aggregate(seconds, 24 * 60 * MINUTE)
    low, high = (np.datetime64(ROLL[k], "ns").astype(np.int64) for k in ("start", "end"))
    assert_same(store.to_ndarray(), days[(days["ts_ns"] >= low) & (days["ts_ns"] < high)])


def test_a_continuous_symbol_rolls_at_utc_midnight(server: DatabentoServer, roll_market: SimulatedMarket) -> None:
    store = client(server).timeseries.get_range(**ROLL, symbols="MES.v.0", schema="ohlcv-1m", stype_in="continuous")
    (intervals,) = store.mappings.values()
    assert [(str(i["start_date"]), str(i["end_date"]), i["symbol"]) for i in intervals] == [
        ("2025-03-16", "2025-03-18", str(instrument_id("MESH25"))),
        ("2025-03-18", "2025-03-20", str(instrument_id("MESM25"))),
    ]
    before = expected(roll_market, "MESH25", "2025-03-16", "2025-03-18", MINUTE)
    after = expected(roll_market, "MESM25", "2025-03-18", "2025-03-20", MINUTE)
    got = store.to_ndarray()
    assert_same(got, np.concatenate([before, after]))
    assert (np.diff(got["instrument_id"].astype(np.int64)) != 0).sum() == 1
    assert set(store.to_df()["symbol"]) == {"MES.v.0"}


def test_the_calendar_symbol_rolls_after_the_expiry(server: DatabentoServer) -> None:
    answer = client(server).symbology.resolve(
        "GLBX.MDP3", ["MES.c.0", "MES.c.1"], "continuous", "raw_symbol", "2025-03-20", "2025-03-25"
    )
    assert answer["result"] == {
        "MES.c.0": [
            {"d0": "2025-03-20", "d1": "2025-03-22", "s": "MESH5"},
            {"d0": "2025-03-22", "d1": "2025-03-25", "s": "MESM5"},
        ],
        "MES.c.1": [
            {"d0": "2025-03-20", "d1": "2025-03-22", "s": "MESM5"},
            {"d0": "2025-03-22", "d1": "2025-03-25", "s": "MESU5"},
        ],
    }
    assert (answer["status"], answer["not_found"], answer["partial"]) == (0, [], [])


@pytest.mark.parametrize(("letter", "last"), [("c", "2025-03-22"), ("v", "2025-03-18"), ("n", "2025-03-18")])
def test_ticks_roll_inside_a_range(
    server: DatabentoServer, roll_market: SimulatedMarket, letter: str, last: str
) -> None:
    """`last`: the UTC date from which the next contract stands for the symbol."""
    day = np.datetime64(last)
    request = {"dataset": "GLBX.MDP3", "start": str(day - 1), "end": str(day + (2 if letter == "c" else 1))}
    rest = {"symbols": f"MES.{letter}.0", "stype_in": "continuous", **request}
    store = client(server).timeseries.get_range(**rest, schema="trades")
    (intervals,) = store.mappings.values()
    assert (intervals[0]["symbol"], str(intervals[0]["end_date"])) == (str(instrument_id("MESH25")), last)
    got = store.to_ndarray()
    assert (np.diff(got["ts_recv"].astype(np.int64)) > 0).all()
    near = got["ts_recv"] < day.astype("datetime64[ns]").astype(np.uint64)
    assert set(got["instrument_id"][near]) == {instrument_id("MESH25")}
    assert set(got["instrument_id"][~near]) == {instrument_id("MESM25")}
    before = expected(roll_market, "MESH25", request["start"], last, 1_000_000_000)
    after = expected(roll_market, "MESM25", last, request["end"], 1_000_000_000)
    assert got["size"].sum() == before["volume"].sum() + after["volume"].sum()
    api = client(server).metadata
    assert api.get_record_count(**rest, schema="trades") == len(got)
    assert api.get_billable_size(**rest, schema="tbbo") == 80 * len(got)


def test_a_parent_has_the_ticks_of_all_its_contracts(server: DatabentoServer) -> None:
    rest = {"dataset": "GLBX.MDP3", "start": "2025-03-17T13:30", "end": "2025-03-17T13:40", "schema": "mbp-1"}
    got = client(server).timeseries.get_range(**rest, symbols="MES.FUT", stype_in="parent").to_ndarray()
    assert (np.diff(got["ts_recv"].astype(np.int64)) >= 0).all()
    for contract in ("MESH5", "MESM5"):
        own = client(server).timeseries.get_range(**rest, symbols=contract).to_ndarray()
        assert len(own) > 100
        np.testing.assert_array_equal(got[got["instrument_id"] == own["instrument_id"][0]], own)


def test_ids_lead_back_to_raw_symbols(server: DatabentoServer) -> None:
    answer = client(server).symbology.resolve(
        "GLBX.MDP3", [instrument_id("MESH25"), 12], "instrument_id", "raw_symbol", "2025-03-12", "2025-03-14"
    )
    assert answer["result"] == {str(instrument_id("MESH25")): [{"d0": "2025-03-12", "d1": "2025-03-14", "s": "MESH5"}]}
    assert (answer["status"], answer["not_found"]) == (1, ["12"])


def test_a_parent_is_all_its_contracts_in_order_of_time(server: DatabentoServer) -> None:
    store = client(server).timeseries.get_range(**ROLL, symbols="MES.FUT", schema="ohlcv-1m", stype_in="parent")
    got = store.to_ndarray()
    assert set(store.to_df()["symbol"]) == {"MESH5", "MESM5", "MESH5-MESM5"}
    assert (np.diff(got["ts_event"].astype(np.int64)) >= 0).all()


def test_a_spread_trades_at_the_distance_of_its_contracts(
    server: DatabentoServer, roll_market: SimulatedMarket
) -> None:
    session = roll_market.sessions[2]
    near, far = (roll_market.bars(name, session) for name in ("MESH25", "MESM25"))
    at, i, j = np.intersect1d(near["ts_ns"], far["ts_ns"], return_indices=True)
    distance = set((far["open"][j] - near["open"][i]).tolist())
    spread = roll_market.bars("MESH25-MESM25", session)
    assert len(at) > 10
    assert set(spread["open"].tolist()) == set(spread["close"].tolist()) == distance
    assert 10 < len(spread) < 200
    rest = {"dataset": "GLBX.MDP3", "start": DAY["start"], "end": DAY["end"], "schema": "trades"}
    got = client(server).timeseries.get_range(**rest, symbols="MES.FUT", stype_in="parent").to_ndarray()
    mine = got[got["instrument_id"] == instrument_id("MESH25-MESM25")]
    assert set(mine["price"].tolist()) == {distance.pop() * 250_000_000}
    with pytest.raises(BadInput, match="MESM25-MESU25 does not trade in session"):
        roll_market.bars("MESM25-MESU25", session)


def test_a_file_and_a_limit(server: DatabentoServer, tmp_path: Path) -> None:
    path = tmp_path / "a.dbn.zst"
    store = client(server).timeseries.get_range(**DAY, symbols="MESH5", schema="ohlcv-1s", limit=100, path=path)
    assert len(store.to_ndarray()) == 100
    assert path.stat().st_size < 100 * 56


def test_asynchronous(server: DatabentoServer) -> None:
    api = client(server).timeseries
    store = asyncio.run(api.get_range_async(**DAY, symbols="MESH5", schema="ohlcv-1m"))
    assert len(store.to_ndarray()) == 1380


def test_counts_sizes_and_costs_agree(server: DatabentoServer, roll_market: SimulatedMarket) -> None:
    api = client(server).metadata
    bars = expected(roll_market, "MESH25", DAY["start"], DAY["end"], 1_000_000_000)
    assert api.get_record_count(**DAY, symbols="MESH5", schema="ohlcv-1s") == len(bars)
    assert api.get_billable_size(**DAY, symbols="MESH5", schema="ohlcv-1s") == 56 * len(bars)
    cost = api.get_cost(**DAY, symbols="MESH5", schema="ohlcv-1s")
    assert cost == pytest.approx(56 * len(bars) / 2**30 * 20)


def test_the_dataset_describes_itself(server: DatabentoServer) -> None:
    api = client(server).metadata
    assert api.list_datasets() == ["GLBX.MDP3"]
    bars, ticks = ["ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"], ["trades", "tbbo", "mbp-1"]
    assert api.list_schemas("GLBX.MDP3") == [*bars, *ticks, "definition", "status"]
    assert [p["dataset"] for p in api.list_publishers()] == ["GLBX.MDP3"]
    span = api.get_dataset_range("GLBX.MDP3")
    assert (span["start"], span["end"]) == ("2025-03-09T00:00:00.000000000Z", "2025-03-26T00:00:00.000000000Z")
    assert span["schema"]["ohlcv-1s"] == {"start": span["start"], "end": span["end"]}
    days = api.get_dataset_condition("GLBX.MDP3", "2025-03-14", "2025-03-16")
    assert [(d["date"], d["condition"]) for d in days] == [("2025-03-14", "available"), ("2025-03-16", "available")]


def test_an_end_left_out_is_filled_forward(server: DatabentoServer) -> None:
    api = client(server).timeseries
    rest = {"dataset": "GLBX.MDP3", "symbols": "MESH5", "schema": "ohlcv-1m"}
    assert len(api.get_range(**rest, start="2025-03-12").to_ndarray()) == 1380
    assert len(api.get_range(**rest, start="2025-03-12T14:30").to_ndarray()) == 1


def test_a_range_without_trades_is_empty_with_a_warning(server: DatabentoServer) -> None:
    with pytest.warns(BentoWarning, match="No data found"):
        store = client(server).timeseries.get_range(
            dataset="GLBX.MDP3", symbols="MESH5", schema="ohlcv-1m", start="2025-03-15", end="2025-03-16"
        )
    assert len(store.to_ndarray()) == 0


def test_a_wrong_key(server: DatabentoServer) -> None:
    with pytest.raises(BentoClientError) as caught:
        client(server, key="db-wrong").timeseries.get_range(**DAY, symbols="MESH5", schema="ohlcv-1m")
    assert refusal(caught) == (401, "auth_authentication_failed")
    with pytest.raises(urllib.error.HTTPError) as bare:
        urllib.request.urlopen(f"{server.url}/v0/metadata.list_datasets")
    assert bare.value.code == 401


@pytest.mark.parametrize(
    ("change", "case"),
    [
        ({"symbols": "XYZ9"}, "symbology_invalid_request"),
        ({"symbols": "MES.v.0"}, "symbology_invalid_request"),
        ({"symbols": "NQ.v.0", "stype_in": "continuous"}, "symbology_invalid_request"),
        ({"schema": "mbo"}, "data_schema_not_available"),
        ({"dataset": "XNAS.ITCH"}, "data_invalid_dataset"),
        ({"start": "2024-01-01"}, "data_start_before_available_start"),
        ({"end": "2026-01-01"}, "data_end_after_available_end"),
        ({"start": "2025-03-13"}, "data_time_range_start_on_or_after_end"),
        ({"start": "yesterday"}, "validation_failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_what_cannot_be_answered(server: DatabentoServer, change: dict[str, str], case: str) -> None:
    request = {**DAY, "symbols": "MESH5", "schema": "ohlcv-1m", **change}
    for call in (client(server).timeseries.get_range, client(server).metadata.get_cost):
        with pytest.raises(BentoClientError) as caught:
            call(**request)
        assert refusal(caught) == (422, case)


def test_symbols_found_in_part(server: DatabentoServer) -> None:
    store = client(server).timeseries.get_range(**DAY, symbols=["MESH5", "NQH5"], schema="ohlcv-1m")
    assert store.metadata.not_found == ["NQH5"]
    assert len(store.to_ndarray()) == 1380


def test_an_unknown_path(server: DatabentoServer) -> None:
    answer = requests.get(f"{server.url}/v0/metadata.list_secrets", auth=("db-test", ""), timeout=10)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_two_products_on_one_server(roll_market: SimulatedMarket) -> None:
    nasdaq = SimulatedMarket("MNQ", seed=4, start=date(2025, 3, 10), end=date(2025, 3, 14))
    with DatabentoServer([roll_market, nasdaq]) as both:
        store = client(both, "db-sandbox").timeseries.get_range(**DAY, symbols=["MESH5", "MNQH5"], schema="ohlcv-1m")
    assert set(store.to_df()["symbol"]) == {"MESH5", "MNQH5"}


def test_the_command_line_serves_until_interrupted() -> None:
    command = [sys.executable, "-m", "scalper.sandbox", "--start", "2025-03-10", "--end", "2025-03-11", "--edge", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        try:
            url, key, what = (process.stdout.readline().strip() for _ in range(3))
            api = MetadataHttpAPI(key.removeprefix("key "), url.removeprefix("url "))
            assert api.list_datasets() == ["GLBX.MDP3"]
            assert what == "2 sessions of MES, sandbox-7-0"
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_bad_servers(server: DatabentoServer, roll_market: SimulatedMarket) -> None:
    with pytest.raises(BadInput, match="product"):
        DatabentoServer([roll_market, roll_market])
    taken = int(server.url.rpartition(":")[2])
    with pytest.raises(BadInput, match="another port"), DatabentoServer(roll_market, port=taken):
        pass
