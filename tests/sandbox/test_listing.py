"""Definitions and changes of status, as the databento client reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import databento_dbn as dbn
import numpy as np
import pytest
from databento.historical.api.timeseries import TimeseriesHttpAPI

from scalper.market import instrument
from scalper.sandbox import SimulatedMarket
from scalper.sandbox.databento import DatabentoServer
from scalper.sandbox.dbn import STATUS
from scalper.sandbox.listing import CLOSE, EXPIRED, HALT, PRE_OPEN, SCHEDULED, TRADING, statuses

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def api(roll_market: SimulatedMarket) -> Iterator[TimeseriesHttpAPI]:
    gold = SimulatedMarket("GC", seed=4, start=date(2025, 3, 10), end=date(2025, 3, 14))
    with DatabentoServer([roll_market, gold]) as server:
        yield TimeseriesHttpAPI(server.key, server.url)


def told(api: TimeseriesHttpAPI, **request: object) -> np.ndarray:
    return api.get_range(**{"dataset": "GLBX.MDP3", **request}).to_ndarray()  # pyright: ignore[reportArgumentType]


def test_a_status_is_laid_out_as_databento_does() -> None:
    message = dbn.StatusMsg(
        publisher_id=1,
        instrument_id=2,
        ts_event=3,
        ts_recv=4,
        action=dbn.StatusAction.HALT,
        reason=dbn.StatusReason.SCHEDULED,
        is_trading=dbn.TriState.NO,
        is_quoting=dbn.TriState.YES,
    )
    (record,) = np.frombuffer(bytes(message), STATUS)
    assert record.tolist()[:12] == (10, 18, 1, 2, 3, 4, HALT, SCHEDULED, 0, b"N", b"Y", b"~")
    names = dbn.StatusAction
    assert [one.value for one in (names.PRE_OPEN, names.TRADING, names.HALT, names.CLOSE)] == [1, 7, 8, 12]
    assert (1, 7, 12, dbn.StatusReason.INSTRUMENT_EXPIRATION.value) == (PRE_OPEN, TRADING, CLOSE, EXPIRED)


@pytest.mark.parametrize(("symbol", "near"), [("MES", "MESH5"), ("GC", "GCJ5")])
def test_a_definition_says_what_our_table_says(api: TimeseriesHttpAPI, symbol: str, near: str) -> None:
    rows = told(api, symbols=near, schema="definition", start="2025-03-12", end="2025-03-13")
    (row,) = rows
    product, nano = instrument(symbol), Decimal(10) ** 9
    assert row["ts_recv"] == datetime(2025, 3, 12, tzinfo=UTC).timestamp() * 1e9
    assert Decimal(int(row["min_price_increment"])) / nano == product.tick
    assert Decimal(int(row["unit_of_measure_qty"])) / nano == product.point_value
    amount = Decimal(int(row["min_price_increment_amount"])) / Decimal(int(row["display_factor"]))
    assert amount == product.tick_value
    assert (row["raw_symbol"], row["asset"], row["security_type"]) == (near.encode(), symbol.encode(), b"FUT")
    assert (row["currency"], row["instrument_class"]) == (b"USD", b"F")


def test_a_definition_a_day_and_one_at_the_sunday_open(api: TimeseriesHttpAPI, roll_market: SimulatedMarket) -> None:
    rows = told(api, symbols="MES.FUT", stype_in="parent", schema="definition", start="2025-03-16", end="2025-03-22")
    near = rows[rows["raw_symbol"] == b"MESH5"]
    sunday = next(s for s in roll_market.sessions if s.date == date(2025, 3, 17)).open_ns
    midnights = [int(datetime(2025, 3, day, tzinfo=UTC).timestamp()) * 10**9 for day in range(17, 22)]
    assert near["ts_recv"].tolist() == [sunday, *midnights]
    expires = datetime(2025, 3, 21, 13, 30, tzinfo=UTC)
    assert set(near["expiration"]) == {int(expires.timestamp()) * 10**9}
    assert set(rows["raw_symbol"]) == {b"MESH5", b"MESM5", b"MESH5-MESM5"}
    spread = rows[rows["raw_symbol"] == b"MESH5-MESM5"]
    assert set(spread["instrument_class"]) == {b"S"}
    assert set(spread["expiration"]) == set(near["expiration"])


def test_status_tells_open_and_close(api: TimeseriesHttpAPI, roll_market: SimulatedMarket) -> None:
    session = next(s for s in roll_market.sessions if s.date == date(2025, 3, 12))
    rows = told(api, symbols="MESH5", schema="status", start="2025-03-11T21:30", end="2025-03-12T21:30")
    assert rows["action"].tolist() == [PRE_OPEN, TRADING, CLOSE]
    assert rows["ts_event"].tolist()[1:] == [session.open_ns, session.close_ns]
    assert rows["is_trading"].tolist() == [b"N", b"Y", b"N"]


def test_status_tells_halts_and_the_end_of_a_contract(roll_market: SimulatedMarket) -> None:
    halted = SimulatedMarket(seed=1, start=date(2021, 6, 14), end=date(2021, 6, 15))
    (start, end) = halted.sessions[0].halts[0]
    rows = statuses(halted, halted.contracts(halted.sessions[0])[0], halted.sessions[0])
    assert rows["action"].tolist() == [PRE_OPEN, TRADING, HALT, TRADING, CLOSE]
    assert rows["ts_event"].tolist()[2:4] == [start, end]
    last = next(s for s in roll_market.sessions if s.date == date(2025, 3, 21))
    ended = statuses(roll_market, "MESH25", last)[-1]
    assert (ended["ts_event"], ended["action"], ended["reason"]) == (last.regular_open_ns, CLOSE, EXPIRED)
