"""A simulated vendor on loopback, a request for nine sessions with a roll inside, a lake in a folder and a bucket."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import date

import pytest

from scalper import clock
from scalper.lake import DownloadRequest
from scalper.sandbox import DatabentoServer, SimulatedMarket
from tests.lake.gateway import HELD, KEY, Gateway, gateway_before
from tests.lake.places import Place, bucket_place


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket("MES", 5, 1.0, start=date(2026, 9, 1), end=date(2026, 9, 25))


@pytest.fixture(scope="module")
def server(market: SimulatedMarket) -> Iterator[DatabentoServer]:
    with DatabentoServer(market, key=KEY) as running:
        yield running


@pytest.fixture
def gateway(server: DatabentoServer) -> Iterator[Gateway]:
    with gateway_before(server.url, KEY) as running:
        yield running


@pytest.fixture
def request_(market: SimulatedMarket) -> DownloadRequest:
    return DownloadRequest("MES", "ohlcv-1m", HELD, "monday", market.source, chunk_sessions=3)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a retry would have waited; none is."""
    waited: list[float] = []
    monkeypatch.setattr(clock, "sleep", waited.append)
    return waited


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    with bucket_place(tmp_path_factory.mktemp("buckets")) as found:
        yield found


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)
