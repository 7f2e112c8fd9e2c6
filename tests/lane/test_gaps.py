"""What a night finds to do: sessions that were never downloaded though an earlier one was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from scalper.lane import calendar, fetch, gaps, quote
from scalper.sandbox import DatabentoServer, SimulatedMarket
from scalper.settings import Home, Lane


def test_gaps_of_earlier_nights_are_found_and_filled(tmp_path: Path) -> None:
    lane = Lane(
        name="night", symbol="MES", source="sandbox", interval="1m", start=date(2026, 9, 1), end=date(2026, 9, 11)
    )
    home, every = Home(root=tmp_path), calendar(lane)
    market = SimulatedMarket("MES", lane.sandbox.seed, lane.sandbox.edge, start=lane.start, end=lane.end or lane.start)
    assert gaps(lane, home) == []  # nothing yet: that is no gap
    with DatabentoServer(market) as server:
        fetch(lane, home, [*every[1:3], *every[5:6]], gateway=server.url, key=server.key)
        assert gaps(lane, home) == [one.date for one in (*every[3:5], *every[6:])]
        cost = quote(lane, home, every, gateway=server.url, key=server.key)
        assert (cost.sessions, cost.requests) == (6, 3)
        report = fetch(lane, home, every, gateway=server.url, key=server.key)
    assert report.backfilled == [one.date.isoformat() for one in (every[0], *every[3:5])]
    assert gaps(lane, home) == []
    assert quote(lane, home, every).requests == 0
