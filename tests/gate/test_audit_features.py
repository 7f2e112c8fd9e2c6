"""The audits of features let the lane's own code through and catch every look ahead that is planted."""

from __future__ import annotations

import numpy as np
import pytest

from scalper import features
from scalper.features import Block, Stream
from scalper.features.kernel import STATE
from scalper.gate import audit_features
from scalper.gate.audit_features import future, start, stream
from scalper.gate.audit_sessions import Prepare, crossing, prepared
from scalper.gate.found import Found
from scalper.gate.futures import KINDS, Kind, moments, perturb
from scalper.gate.subject import Array, Subject, batch
from scalper.lake import Lake
from scalper.learn.session import traded_bars
from scalper.market import FLOW, Session, session
from scalper.settings import Lane
from tests.gate.leaks import (
    DAY,
    FEATURES,
    MEMORIES,
    Column,
    lane_of,
    leaking,
    next_trade_carried,
    on_other_bars,
    out_of_hours,
    subject_of,
)

OUTSIDE = "out of hours only"


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def minutes() -> Subject:
    """A whole session of one-minute bars, all groups."""
    return subject_of(lane_of("1m", hours="all"))


@pytest.fixture(scope="module")
def seconds() -> Subject:
    """Half an hour of one-second bars around a pause, four of ten seconds without a trade."""
    return subject_of(lane_of("1s", hours="all"), first=session("MES", DAY).ny(16, 5), size=2400)


def caught(found: Found, column: str, one: Subject) -> None:
    """The finding names this column and a time of the session."""
    assert found.wrong is not None
    assert f"column {column}" in found.wrong
    day = str(one.bars["ts_ns"][0].astype("datetime64[ns]").astype("datetime64[D]"))[:8]
    assert f" at {day}" in found.wrong


def test_the_lane_itself_does_not_look_ahead(minutes: Subject, seconds: Subject) -> None:
    for one in (minutes, seconds):
        rows = int(one.kept.sum())
        assert rows > 600
        for look in (future, stream, start):
            found = look(one, rng())
            assert found.wrong is None
            assert rows - 5 <= found.rows <= rows
            assert all(found.counts.values())


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_that_looks_ahead_is_caught_with_its_column_and_time(name: str, minutes: Subject) -> None:
    leak, column = FEATURES[name]
    one = subject_of(lane_of("1m")) if name == OUTSIDE else minutes
    caught(future(one, rng(), leak), column, one)
    caught(stream(one, rng(), leak), column, one)


def test_the_time_is_that_of_the_first_row_that_looks_ahead(minutes: Subject) -> None:
    wrong = stream(minutes, rng(), FEATURES["every 997th row"][0]).wrong
    assert wrong is not None
    assert wrong.startswith(f"column rsi at {minutes.when(996)} ")


def test_rows_out_of_hours_are_looked_at_though_no_model_sees_them() -> None:
    one = subject_of(lane_of("1m"))
    assert not one.kept[: int(np.searchsorted(one.bars["ts_ns"], one.timetable["trade_from_ns"][0]))].any()
    assert stream(one, rng(), leaking(out_of_hours)).wrong is not None


def test_a_second_that_carries_the_next_trade_is_caught(seconds: Subject) -> None:
    leak = on_other_bars(next_trade_carried)
    caught(future(seconds, rng(), leak), "", seconds)
    caught(stream(seconds, rng(), leak), "", seconds)


@pytest.mark.parametrize("name", MEMORIES)
def test_a_memory_longer_than_its_own_warm_up_is_caught(name: str, minutes: Subject) -> None:
    leak, column = MEMORIES[name]
    caught(start(minutes, rng(), leak), column, minutes)
    assert stream(minutes, rng(), batch).wrong is None


def test_a_short_column_is_not_covered_by_the_long_warm_up_of_another(minutes: Subject) -> None:
    """What return_3 remembers for five bars lies far inside the warm-up of the whole row, and is caught."""

    def five_bars(one: Subject, traded: Array, bars: Array, column: Column) -> None:
        if traded.size != minutes.traded.size:
            column("return_3")[3:5] += 1

    assert minutes.windows["warm_up"][0] > 50
    caught(start(minutes, rng(), leaking(five_bars)), "return_3", minutes)


@pytest.mark.parametrize("tiny", [True, False])
def test_a_jump_is_forgiven_only_where_its_margin_is_tiny(tiny: bool, minutes: Subject) -> None:
    def flips(one: Subject, traded: Array, bars: Array, column: Column) -> None:
        at = bars["ts_ns"] // 60_000_000_000 % 50 == 0
        if tiny:
            column("ema_3_5")[at] = 0.0
        if traded.size != minutes.traded.size:
            column("cross_3_5")[at] = 1.0

    found = start(minutes, rng(), leaking(flips))
    assert (found.wrong is None) == tiny
    if not tiny:
        caught(found, "cross_3_5", minutes)


class Restarted(Stream):
    """A stream that looks odd at every 997th bar it has seen, if it was restarted."""

    def push(self, bar: Array) -> tuple[Array, float]:
        row, volatility = super().push(bar)
        if self.state["n"][0] % 997 == 0:
            row[0, 0] += 1
        return row, volatility


def test_a_restarted_stream_that_differs_at_every_997th_row_is_caught(
    minutes: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restored(one: Subject, saved: bytes) -> Stream:
        return Restarted(features.restore(saved, one.windows), one.windows, one.timetable, len(one.columns))

    monkeypatch.setattr(Subject, "restored", restored)
    found = stream(minutes, rng())
    caught(found, "return_1", minutes)
    assert minutes.when(996) in str(found.wrong)


REFUSED = {"version", "params"}
"""Fields by which restoring knows another state."""
SCRATCH = {"volume", "true_range", "fr_done", "ema_before", "st_break_from"}
"""Written anew by every bar before anything reads them."""
DRAWN = {"st_from", "st_sweep_from", "st_sweep_level"}
"""Read by pictures only."""


def test_every_field_of_the_state_that_is_lost_when_saved_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = lane_of("1m", hours="all")
    slow = lane.features.model_copy(update={"frame": "3m"})  # so that a restart falls inside a frame bar
    one = subject_of(lane.model_copy(update={"features": slow}))
    monkeypatch.setattr(audit_features, "RESTARTS", 30)
    quiet: set[str] = set()
    for field in sorted(set(STATE.names or ()) - REFUSED):

        def restored(one: Subject, saved: bytes, field: str = field) -> Stream:
            state = features.restore(saved, one.windows)
            state[field] = np.zeros_like(state[field])
            return one.stream(state)

        monkeypatch.setattr(Subject, "restored", restored)
        if stream(one, rng()).wrong is None:
            quiet.add(field)
    assert quiet <= SCRATCH | DRAWN


@pytest.mark.parametrize("kind", KINDS)
def test_perturbed_bars_keep_their_past_and_stay_bars(kind: Kind, minutes: Subject) -> None:
    bars = minutes.traded
    changed = perturb(bars, 200, kind, rng())
    assert changed[:201].tobytes() == bars[:201].tobytes()
    assert changed.tobytes() != bars.tobytes()
    assert (np.diff(changed["ts_ns"]) > 0).all()
    assert (changed["high"] >= np.maximum(changed["open"], changed["close"])).all()
    assert (changed["low"] <= np.minimum(changed["open"], changed["close"])).all()
    for name, bit in FLOW.items():
        assert not changed[name][(changed["known"] & bit) == 0].any(), name
    if kind == "noise":
        assert all((changed[name][201:] != bars[name][201:]).any() for name in (*FLOW, "known", "volume"))


def test_futures_change_inside_coarse_bars_and_around_halts_and_gaps(seconds: Subject) -> None:
    ts, cuts = seconds.traded["ts_ns"], moments(seconds, rng())
    begin, end = seconds.session.halts[0]
    assert {int(np.searchsorted(ts, begin)) - 1, int(np.searchsorted(ts, end))} <= set(cuts)
    assert int(np.diff(ts).argmax()) in cuts
    ends = (ts[cuts] + seconds.lane.interval_ns) % 60_000_000_000
    assert (ends != 0).any()


def test_a_session_too_short_to_start_later_has_no_row_there() -> None:
    short = subject_of(lane_of("1m"), size=60)
    assert start(short, rng()) == Found(counts={"later starts": 0, "numbers compared": 0})


# What crosses from one session to the next.


def own(lake: Lake, lane: Lane, one: Session, before: Session | None) -> Block:
    found = traded_bars(lake, lane, one)
    return _compute(
        lane, one, found.contract, features.context(found.contract, found.bars, lane.interval_ns), found.bars
    )


def unrolled(lake: Lake, lane: Lane, one: Session, before: Session | None) -> Block:
    found = traded_bars(lake, lane, one)
    left = None
    keys = {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
    if before is not None and before.date in lake.dates("bars", keys):
        left = features.context(found.contract, traded_bars(lake, lane, before).bars, lane.interval_ns)
    return _compute(lane, one, found.contract, left, found.bars)


def lasting(lake: Lake, lane: Lane, one: Session, before: Session | None) -> Block:
    block = prepared(lake, lane, one, before)
    assert before is not None
    keys = {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
    if before.date in lake.dates("bars", keys):
        block.x[:, 1] += np.float32(traded_bars(lake, lane, before).bars["close"][-1] % 7)
    return block


def awaiting(lake: Lake, lane: Lane, one: Session, before: Session | None) -> Block:
    block = prepared(lake, lane, one, before)
    keys = {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
    block.x[:, 0] += len([day for day in lake.dates("bars", keys) if day > one.date])
    return block


def _compute(lane: Lane, one: Session, contract: str, left: Array | None, bars: Array) -> Block:
    windows, columns = (
        features.params(lane.features, lane.interval_ns),
        features.catalogue(lane.features, lane.interval_ns),
    )
    return features.compute(features.fresh(contract, left, windows), windows, bars, lane.timetable(one), len(columns))


CROSSING: dict[Prepare, str] = {
    own: "no column of the session 2021-06-24 changes with the session before it",
    unrolled: "although the contract rolled",
    lasting: "column log_return_1 at 2021-06-23T23:51:00Z changes with the session before, and is not of kind context",
    awaiting: "column return_1 at 2021-06-23T23:51:00Z changes when the session after it appears",
}


def test_only_context_crosses_from_one_session_to_the_next(minutes: Subject, seconds: Subject) -> None:
    for one in (minutes, seconds):
        found = crossing(one, rng())
        assert found.wrong is None
        assert found.rows == one.kept.sum()


@pytest.mark.parametrize("make", CROSSING, ids=lambda make: make.__name__)
def test_whatever_else_crosses_is_caught(make: Prepare, minutes: Subject) -> None:
    found = crossing(minutes, rng(), make)
    assert found.wrong is not None
    assert CROSSING[make] in found.wrong
