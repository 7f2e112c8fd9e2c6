"""One market with the edge and one without, and a server, for the whole folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from scalper.sandbox import SimulatedMarket
from scalper.sandbox.databento import DatabentoServer


@pytest.fixture(scope="package")
def null_market() -> SimulatedMarket:
    return SimulatedMarket(seed=11, edge=0.0, start=date(2025, 1, 2), end=date(2025, 9, 30))


@pytest.fixture(scope="package")
def edge_market() -> SimulatedMarket:
    return SimulatedMarket(seed=11, edge=1.0, start=date(2025, 1, 2), end=date(2025, 9, 30))


@pytest.fixture(scope="package")
def roll_market() -> SimulatedMarket:
    """Two weeks around the March 2025 roll (Monday the 17th, expiry Friday the 21st)."""
    return SimulatedMarket(seed=3, edge=1.0, start=date(2025, 3, 10), end=date(2025, 3, 25))


@pytest.fixture(scope="package")
def server(roll_market: SimulatedMarket) -> Iterator[DatabentoServer]:
    with DatabentoServer(roll_market, key="db-test") as running:
        yield running
