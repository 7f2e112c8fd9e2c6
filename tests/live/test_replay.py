"""The live path decides what the simulation decided, bit for bit, and the comparison can fail."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.features import AUX
from scalper.learn.recipe import session_input
from scalper.learn.session import prepare
from scalper.live import Broker, Executor, Feed, NoBroker, ReplayFeed, SimBroker, replay
from scalper.live.engine import Step, record
from scalper.live.replay import Seen
from scalper.policy import ACCOUNT, Action, Gate, rules
from scalper.simulate import simulate
from tests.live.conftest import World


def test_a_whole_session_has_no_differences_and_much_to_compare(world: World) -> None:
    report = replay(world.lake, world.recipe, world.day, world.before)
    assert (report.differences, report.rows) == (0, [])
    assert report.bars == 1380
    assert report.decisions > 40
    assert report.trades > 20
    json.dumps(report.as_dict(), allow_nan=False)
    assert report.summary() == {
        "session": "2025-03-06",
        "bars": 1380,
        "decisions": report.decisions,
        "trades": report.trades,
        "differences": 0,
    }


def test_the_session_holds_every_kind_of_decision(world: World) -> None:
    """Otherwise the test above would say little."""
    ready = prepare(world.lake, world.recipe.lane, world.day, world.before)
    result = simulate(world.recipe.lane, [session_input(world.recipe, ready)]).sessions[0]
    assert set(np.unique(result.decisions["action"])) == {action.value for action in Action}
    assert len(set(result.trades["reason"])) >= 5
    gates = {Gate(code).name for code in result.decisions["gate"].tolist()}
    assert gates >= {"BREAKEVEN", "TRAILING", "TOWARDS_CLOSE"}
    assert set(result.trades["exits"]) == {1, 2}, "some contracts are taken on the way"
    asked = result.decisions[np.isin(result.decisions["action"], (Action.ENTER, Action.REVERSE))]
    assert (asked["contracts"] < asked["n_time"]).any() and (asked["contracts"] == asked["n_time"]).any(), "norms count"
    assert len(set(result.decisions["slippage"])) > 1


@pytest.mark.parametrize(
    "change",
    [
        {"latency_bars": 2},
        {"mode": "conservative"},
        {"mode": "optimistic", "slippage_ticks": 0},
        {"volume_share": 0.005, "latency_bars": 1},
    ],
)
def test_other_fill_models_have_no_differences(world: World, change: dict[str, object]) -> None:
    lane = world.recipe.lane
    lane = lane.model_copy(update={"simulation": lane.simulation.model_copy(update=change)})
    report = replay(world.short, replace(world.recipe, lane=lane), world.day, world.before, restart_at=50)
    assert report.differences == 0
    assert report.trades > 3


def test_a_broker_that_slips_a_tick_more_is_found_out(world: World) -> None:
    report = replay(world.short, world.recipe, world.day, world.before, extra_slippage=1)
    assert report.differences >= len(report.rows) > 0
    what = {row["what"] for row in report.rows}
    assert "trade" in what
    assert "features" not in what
    assert set(report.rows[0]) == {"ts", "what", "field", "simulation", "replay"}


@pytest.mark.parametrize("name", AUX.names or ())
def test_what_the_stream_reads_otherwise_is_found_out(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Seen.watch

    def other(seen: Seen, step: Step) -> None:
        watch(seen, step)
        if len(seen.aux) == 100:
            seen.aux[-1][name] += 1

    monkeypatch.setattr(Seen, "watch", other)
    report = replay(world.short, world.recipe, world.day, world.before)
    assert (report.differences, report.rows[0]["what"], report.rows[0]["field"]) == (1, "features", name)


@settings(max_examples=100)
@given(at=st.integers(0, 119))
def test_a_restart_after_any_bar_changes_nothing(world: World, at: int) -> None:
    report = replay(world.short, world.recipe, world.day, world.before, restart_at=at)
    assert report.differences == 0
    assert report.bars == 120
    assert report.trades > 5


def test_saved_bytes_of_another_version_are_refused() -> None:
    with pytest.raises(BadInput, match="saved account: 7 bytes"):
        record(b"1234567", ACCOUNT, "account")


def test_what_exists_speaks_the_protocols(world: World) -> None:
    lane = world.recipe.lane
    feed = ReplayFeed(world.short, lane, world.day, world.before)
    table = lane.timetable(world.day)
    assert isinstance(feed, Feed)
    assert isinstance(SimBroker(lane.simulation, table, rules(lane)), Broker)
    assert isinstance(NoBroker(), Broker)
    assert [int(bar["ts_ns"][0]) for bar in feed] == [int(ts) for ts in feed.bars["ts_ns"]]
    assert len(list(feed)) == len(feed) == 120


def test_shadow_decides_on_and_on_without_a_position(world: World) -> None:
    feed = ReplayFeed(world.short, world.recipe.lane, world.day, world.before)
    report = Executor(world.recipe, NoBroker(), feed, mode="shadow").run()
    assert report.decisions > 5
    assert (report.trades, report.net) == (0, 0.0)
