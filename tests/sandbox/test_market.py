"""The market: bars that hold together, realistic sizes, rolls, halts, and the same path whatever the order of calls."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from scalper.errors import BadInput
from scalper.market import BAR, Session, aggregate, locate
from scalper.sandbox import MarketShape, SimulatedMarket

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def regular(session: Session, bars: np.ndarray) -> np.ndarray:
    return (bars["ts_ns"] >= session.regular_open_ns) & (bars["ts_ns"] < session.regular_close_ns)


def one(market: SimulatedMarket, day: date) -> Session:
    return next(s for s in market.sessions if s.date == day)


def test_bars_hold_together(roll_market: SimulatedMarket) -> None:
    for session in roll_market.sessions:
        for contract in roll_market.contracts(session):
            bars = roll_market.bars(contract, session)
            assert bars.dtype == BAR
            assert (np.diff(bars["ts_ns"]) > 0).all()
            assert (locate(bars["ts_ns"].copy(), [session]) == 0).all()
            assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()
            assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()
            assert (bars["low"] > 0).all()
            assert (bars["volume"] > 0).all()
            assert not bars["carried"].any()


def test_minutes_are_the_aggregate_of_seconds(roll_market: SimulatedMarket) -> None:
    session = roll_market.sessions[2]
    contract = roll_market.front(session, "monday")
    np.testing.assert_array_equal(
        roll_market.bars(contract, session, MINUTE), aggregate(roll_market.bars(contract, session), MINUTE)
    )


def test_the_order_of_calls_changes_nothing() -> None:
    span = {"start": date(2025, 3, 3), "end": date(2025, 3, 21)}
    forwards, backwards = SimulatedMarket(seed=5, **span), SimulatedMarket(seed=5, **span)
    there = {s.date: forwards.bars("MESH25", s) for s in forwards.sessions}
    for session in reversed(backwards.sessions):
        np.testing.assert_array_equal(backwards.bars("MESH25", session), there[session.date])
    longer = SimulatedMarket(seed=5, start=span["start"], end=date(2025, 6, 30))
    np.testing.assert_array_equal(longer.bars("MESH25", longer.sessions[3]), there[longer.sessions[3].date])


def test_another_seed_is_another_market() -> None:
    span = {"start": date(2025, 3, 3), "end": date(2025, 3, 3)}
    a, b = (SimulatedMarket(seed=s, **span) for s in (1, 2))
    assert a.bars("MESH25", a.sessions[0])["close"].sum() != b.bars("MESH25", b.sessions[0])["close"].sum()
    assert a.source == "sandbox-1-1"


def test_night_and_day(null_market: SimulatedMarket) -> None:
    day, night, day_volume, night_volume = [], [], 0, 0
    for session in null_market.sessions[:30]:
        if session.early:
            continue
        bars = null_market.bars(null_market.front(session, "monday"), session)
        inside = regular(session, bars)
        day.append(inside.sum() / 23_400)
        night.append((~inside).sum() / (82_800 - 23_400))
        day_volume += bars["volume"][inside].sum()
        night_volume += bars["volume"][~inside].sum()
    assert 0.92 < np.mean(day) < 0.98
    assert 0.32 < np.mean(night) < 0.40
    assert 5 < day_volume / night_volume < 15


def test_volatility_through_the_day(null_market: SimulatedMarket) -> None:
    """Standard deviation of one-minute changes by minutes since the regular open."""
    periods = {
        "night": (-500, -60, 1.1, 2.0),
        "open": (0, 15, 4.5, 6.5),
        "midday": (120, 240, 3.0, 4.2),
        "close": (375, 389, 4.5, 6.5),
        "after": (395, 450, 1.0, 1.8),
    }
    changes: dict[str, list[np.ndarray]] = {name: [] for name in periods}
    for session in null_market.sessions[:100]:
        if session.early:
            continue
        bars = null_market.bars(null_market.front(session, "monday"), session, MINUTE)
        at = (bars["ts_ns"] - session.regular_open_ns) // MINUTE
        for name, (first, last, _, _) in periods.items():
            changes[name].append(np.diff(bars["close"][(at >= first) & (at <= last)]))
    for name, (_, _, low, high) in periods.items():
        assert low < np.concatenate(changes[name]).std() < high, name


def test_volume_crosses_on_the_monday_of_expiry_week(roll_market: SimulatedMarket) -> None:
    def volumes(day: date) -> list[int]:
        session = one(roll_market, day)
        return [int(roll_market.bars(c, session)["volume"].sum()) for c in ("MESH25", "MESM25")]

    friday, monday, tuesday = (volumes(date(2025, 3, d)) for d in (14, 17, 18))
    assert friday[0] > friday[1]
    assert monday[0] < monday[1]
    assert tuesday[1] > 2 * tuesday[0]
    fronts = [
        [roll_market.front(one(roll_market, date(2025, 3, d)), rule) for d in (12, 13, 14, 17, 18)]
        for rule in ("thursday", "monday", "volume")
    ]
    assert fronts == [
        ["MESH25", "MESM25", "MESM25", "MESM25", "MESM25"],
        ["MESH25", "MESH25", "MESH25", "MESM25", "MESM25"],
        ["MESH25", "MESH25", "MESH25", "MESH25", "MESM25"],
    ]


def test_an_expiring_contract_ends_at_the_regular_open(roll_market: SimulatedMarket) -> None:
    session = one(roll_market, date(2025, 3, 21))
    bars = roll_market.bars("MESH25", session)
    assert len(bars) > 0
    assert bars["ts_ns"].max() < session.regular_open_ns
    assert roll_market.contracts(one(roll_market, date(2025, 3, 24))) == ["MESM25", "MESU25"]
    with pytest.raises(BadInput, match="MESH25"):
        roll_market.bars("MESH25", one(roll_market, date(2025, 3, 24)))


def test_contracts_differ_by_the_carry(roll_market: SimulatedMarket) -> None:
    session = one(roll_market, date(2025, 3, 17))
    near, far = (roll_market.bars(c, session) for c in ("MESH25", "MESM25"))
    gap = far["close"][np.isin(far["ts_ns"], near["ts_ns"])] - near["close"][np.isin(near["ts_ns"], far["ts_ns"])]
    assert len(set(gap.tolist())) == 1
    assert 30 < gap[0] < 70


def test_nothing_trades_in_a_halt_or_after_an_early_close() -> None:
    old = SimulatedMarket(start=date(2020, 11, 23), end=date(2020, 11, 27))
    full, early = old.sessions[0], old.sessions[-1]
    (halt,) = full.halts
    ts = old.bars("MESZ20", full)["ts_ns"]
    assert not ((ts >= halt[0]) & (ts < halt[1])).any()
    assert (ts >= halt[1]).any()
    assert early.early
    assert old.bars("MESZ20", early)["ts_ns"].max() < early.close_ns


def test_metals_have_their_own_months() -> None:
    gold = SimulatedMarket("MGC", start=date(2025, 5, 20), end=date(2025, 5, 30))
    assert gold.contracts(gold.sessions[0]) == ["MGCM25", "MGCQ25"]
    for session in gold.sessions:
        assert gold.front(session, "monday") in gold.contracts(session)
        assert gold.front(session, "volume") in gold.contracts(session)


def test_a_price_at_the_floor_stands_still() -> None:
    shape = MarketShape(start_ticks=1_003, floor_ticks=1_000)
    market = SimulatedMarket(start=date(2025, 3, 3), end=date(2025, 3, 4), shape=shape)
    assert all(market.bars("MESH25", s)["low"].min() >= 1_000 - shape.impulse_ticks_high for s in market.sessions)


def test_bad_arguments() -> None:
    with pytest.raises(BadInput, match="XYZ"):
        SimulatedMarket("XYZ", start=date(2025, 3, 3), end=date(2025, 3, 4))
    with pytest.raises(BadInput, match="edge"):
        SimulatedMarket(edge=-1.0, start=date(2025, 3, 3), end=date(2025, 3, 4))
    with pytest.raises(BadInput, match="no session"):
        SimulatedMarket(start=date(2025, 3, 1), end=date(2025, 3, 1))
    market, other = (SimulatedMarket(start=date(2025, m, 3), end=date(2025, m, 3)) for m in (2, 3))
    with pytest.raises(BadInput, match="2025-03-03"):
        market.bars("MESH25", other.sessions[0])
