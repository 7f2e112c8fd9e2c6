"""The small lane, run once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from scalper import lane as stages
from scalper.sandbox import SimulatedMarket
from scalper.sandbox.databento import DatabentoServer
from scalper.settings import Home, load_lane
from tests.lane.support import Ran, write_lane


@pytest.fixture(scope="session")
def server() -> Iterator[DatabentoServer]:
    """The vendor of the small lanes."""
    with DatabentoServer(SimulatedMarket("MES", 7, 2.0, start=date(2025, 2, 3), end=date(2025, 3, 21))) as running:
        yield running


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, server: DatabentoServer) -> Ran:
    """The tiny lane after one run."""
    folder = tmp_path_factory.mktemp("lane")
    path = write_lane(folder)
    lane, home = load_lane(path), Home(root=folder / "home")
    return Ran(path, lane, home, stages.run(lane, home, gateway=server.url, key=server.key))
