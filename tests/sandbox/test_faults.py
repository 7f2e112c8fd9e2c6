"""Faults on request, as the databento client meets them."""

from __future__ import annotations

import base64
import json
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import zstandard
from databento import BentoClientError, BentoServerError
from databento.common.error import BentoError, BentoWarning
from databento.historical.api.metadata import MetadataHttpAPI
from databento.historical.api.timeseries import TimeseriesHttpAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.market import aggregate
from scalper.sandbox import SimulatedMarket
from scalper.sandbox.__main__ import main
from scalper.sandbox.databento import DatabentoServer
from scalper.sandbox.faults import EXPLAINED, NAMES, ONE_SHOT, STREAM, Faults

DAY: dict[str, Any] = {"dataset": "GLBX.MDP3", "start": "2025-03-12", "end": "2025-03-13", "symbols": "MESH5"}
MINUTES = DAY | {"schema": "ohlcv-1m"}
MINUTE, SECOND = 60_000_000_000, 1_000_000_000

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@contextmanager
def serving(market: SimulatedMarket, *names: str, **options: Any) -> Iterator[tuple[DatabentoServer, Any, Any]]:
    """A server with faults, and the client's calls on it."""
    with DatabentoServer(market, faults=Faults(names, **options)) as server:
        yield server, TimeseriesHttpAPI(server.key, server.url), MetadataHttpAPI(server.key, server.url)


@pytest.mark.parametrize(("name", "case"), [("401", "auth"), ("402", "account"), ("422", "data"), ("429", "rate")])
def test_a_refusal_once(roll_market: SimulatedMarket, name: str, case: str) -> None:
    with serving(roll_market, name, retry_after_s=3) as (server, api, _):
        with pytest.raises(BentoClientError) as caught:
            api.get_range(**MINUTES)
        assert caught.value.http_status == int(name)
        assert caught.value.json_body["detail"]["case"].startswith(case)
        assert caught.value.headers.get("Retry-After") == ("3" if name == "429" else None)
        assert len(api.get_range(**MINUTES).to_ndarray()) == 1380
        assert (server.requests, server.faults.served) == ({STREAM: 2}, {name: 1})


def test_a_gateway_that_timed_out(roll_market: SimulatedMarket) -> None:
    with serving(roll_market, "504") as (_, api, _), pytest.raises(BentoServerError) as caught:
        api.get_range(**MINUTES)
    assert (caught.value.http_status, caught.value.json_body) == (504, None)


def test_a_body_that_ends_early(roll_market: SimulatedMarket) -> None:
    """The HTTP answer is well formed, the zstd frame is not, and what it holds ends inside a record."""
    with serving(roll_market, "truncated") as (server, _, _):
        form = {**MINUTES, "stype_in": "raw_symbol"}
        answers = [requests.post(f"{server.url}/v0/{STREAM}", form, auth=(server.key, ""), timeout=10) for _ in "ab"]
    bodies = [answer.content for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 200]
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    begun = unpacker.decompress(bodies[0])
    whole = zstandard.ZstdDecompressor().decompressobj().decompress(bodies[1])
    assert not unpacker.eof
    assert whole.startswith(begun)
    assert 0 < len(begun) < len(whole)
    assert (len(whole) - len(begun)) % 56


def test_a_connection_that_is_cut(roll_market: SimulatedMarket, tmp_path: Path) -> None:
    with serving(roll_market, "cut") as (_, api, _):
        with pytest.raises(BentoError, match="streaming"):
            api.get_range(**MINUTES, path=tmp_path / "a.dbn.zst")
        assert (tmp_path / "a.dbn.zst").stat().st_size > 0
        assert len(api.get_range(**MINUTES).to_ndarray()) == 1380


def test_a_warning_a_partial_and_an_empty_answer(roll_market: SimulatedMarket) -> None:
    with serving(roll_market, "warning", "206", "empty") as (server, api, _):
        with pytest.warns(BentoWarning, match="told to warn"):
            assert len(api.get_range(**MINUTES).to_ndarray()) == 1380
        partial = api.get_range(**MINUTES)
        assert partial.metadata.not_found == ["NONE.0"]
        assert len(partial.to_ndarray()) == 1380
        with pytest.warns(BentoWarning, match="No data found"):
            assert len(api.get_range(**MINUTES).to_ndarray()) == 0
        assert server.faults.left == []


def test_every_third_request(roll_market: SimulatedMarket) -> None:
    with serving(roll_market, "422", "402", every=3) as (_, api, _):
        seen: list[int] = []
        for _ in range(9):
            try:
                api.get_range(**MINUTES, limit=1)
                seen.append(200)
            except BentoClientError as error:
                seen.append(error.http_status)
    assert seen == [200, 200, 422, 200, 200, 402, 200, 200, 200]


def test_more_requests_than_the_limit(roll_market: SimulatedMarket) -> None:
    with serving(roll_market, limit_per_second=2) as (server, _, api):
        statuses: list[int] = []
        for _ in range(3):
            try:
                api.list_datasets()
                statuses.append(200)
            except BentoClientError as error:
                statuses.append(error.http_status)
        assert statuses == [200, 200, 429]
        assert server.faults.served == {"limit": 1}


def test_degraded_missing_and_pending_days(roll_market: SimulatedMarket) -> None:
    days = {"degraded": [date(2025, 3, 12)], "missing": [date(2025, 3, 13)], "pending": [date(2025, 3, 14)]}
    with serving(roll_market, "missing_seconds", **days) as (_, api, metadata):
        told = metadata.get_dataset_condition("GLBX.MDP3", "2025-03-11", "2025-03-14")
        assert [line["condition"] for line in told] == ["available", "degraded", "missing", "pending"]
        request = {**DAY, "start": "2025-03-11", "end": "2025-03-15"}
        seconds = api.get_range(**request, schema="ohlcv-1s").to_ndarray()
        minutes = api.get_range(**request, schema="ohlcv-1m").to_ndarray()
        trades = api.get_range(**request, schema="trades", limit=800_000).to_ndarray()
        assert metadata.get_record_count(**request, schema="ohlcv-1s") == len(seconds)
    bars = np.concatenate([roll_market.bars("MESH25", s) for s in roll_market.sessions[:5]])
    first, second, third = (int(datetime(2025, 3, d, tzinfo=UTC).timestamp()) * SECOND for d in (11, 12, 13))
    whole, hurt = (bars[(bars["ts_ns"] >= a) & (bars["ts_ns"] < a + 86400 * SECOND)] for a in (first, second))
    stamps = seconds["ts_event"].astype(np.int64)
    np.testing.assert_array_equal(stamps[stamps < second], whole["ts_ns"])
    left = np.isin(hurt["ts_ns"], stamps)
    assert 0.88 < left.mean() < 0.92
    assert stamps.max() < third
    both = aggregate(np.concatenate([whole, hurt[left]]), MINUTE)
    np.testing.assert_array_equal(minutes["volume"].astype(np.int64), both["volume"])
    np.testing.assert_array_equal(np.unique(trades["ts_recv"].astype(np.int64) // SECOND * SECOND), stamps)


def test_every_fifth_day(roll_market: SimulatedMarket) -> None:
    with serving(roll_market, "degraded") as (_, _, metadata):
        told = metadata.get_dataset_condition("GLBX.MDP3", "2025-03-10", "2025-03-22")
    bad = [line["date"] for line in told if line["condition"] == "degraded"]
    assert bad == ["2025-03-13", "2025-03-18"]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 200_000), st.sets(st.integers(0, 3)))
def test_what_is_lost_depends_on_the_second_alone(start: int, step: int, hurt: set[int]) -> None:
    stamps = (start + np.arange(300, dtype=np.int64) * step // 100) * SECOND
    days = [date.fromordinal(date(1970, 1, 1).toordinal() + start // 86400 + one) for one in hurt]
    faults = Faults(["missing_seconds"], degraded=days)
    kept = faults.kept(stamps)
    every = np.ones(300, bool) if kept is None else kept
    for part in (slice(0, 150), slice(150, 300)):
        alone = faults.kept(stamps[part])
        np.testing.assert_array_equal(np.ones(150, bool) if alone is None else alone, every[part])
    spared = ~np.isin(stamps // (86400 * SECOND), [start // 86400 + one for one in hurt])
    assert every[spared].all()


def test_requests_are_counted_for_other_processes(roll_market: SimulatedMarket) -> None:
    with serving(roll_market, "402", "cut") as (server, api, metadata):
        metadata.list_datasets()
        with pytest.raises(BentoClientError):
            api.get_range(**MINUTES)
        with pytest.raises(BentoClientError):
            MetadataHttpAPI("db-wrong", server.url).list_datasets()
        told = requests.get(f"{server.url}/sandbox/requests", timeout=10).json()
    assert told == {
        "requests": {"metadata.list_datasets": 2, STREAM: 1},
        "faults": {"402": 1},
        "left": ["cut"],
    }


def test_a_client_that_goes_away_makes_no_noise(
    roll_market: SimulatedMarket, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    body = "dataset=GLBX.MDP3&symbols=MESH5&schema=mbp-1&start=2025-03-11&end=2025-03-14"
    with caplog.at_level(logging.INFO), serving(roll_market) as (server, api, _):
        user = base64.b64encode(f"{server.key}:".encode()).decode()
        head = f"POST /v0/{STREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {user}\r\n"
        kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as gone:
            gone.sendall((head + kind + body).encode())
            assert gone.recv(100)
        assert len(api.get_range(**MINUTES).to_ndarray()) == 1380
        api.get_range(**DAY, schema="mbp-1", limit=10)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "Traceback" not in capfd.readouterr().err


def test_what_cannot_be_asked_for() -> None:
    with pytest.raises(BadInput, match="no fault is called gremlins"):
        Faults(["gremlins"])
    with pytest.raises(BadInput, match="every"):
        Faults(["cut"], 0)
    with pytest.raises(BadInput, match="limit_per_second"):
        Faults(limit_per_second=0)
    assert set(NAMES) == set(EXPLAINED)
    assert set(ONE_SHOT) | {"degraded", "missing_seconds"} == set(NAMES)


def test_the_command_line_takes_faults(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "scalper.sandbox", "--start", "2025-03-10", "--end", "2025-03-11"]
    command += ["--faults", "429,504", "--every", "2", "--degraded", "2025-03-10,2025-03-11", "--limit", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().removeprefix("url ").strip()
            key = process.stdout.readline().removeprefix("key ").strip()
            told = MetadataHttpAPI(key, url).get_dataset_condition("GLBX.MDP3", "2025-03-10", "2025-03-11")
            assert [line["condition"] for line in told] == ["degraded", "degraded"]
            assert json.loads(requests.get(f"{url}/sandbox/requests", timeout=10).text)["left"] == ["429", "504"]
        finally:
            process.kill()
    assert main(["--start", "2025-03-10", "--end", "2025-03-11", "--faults", "gremlins"]) == 3
    assert "gremlins" in capsys.readouterr().err
