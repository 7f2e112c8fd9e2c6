"""A person's halt, at any bar: what is open or under way goes off, nothing gets in, and afterwards trading goes on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.learn.recipe import Recipe
from scalper.live import ReplayFeed, SimBroker
from scalper.live.engine import HALTED, Engine, Step
from scalper.policy import Action, Gate, Role, rules
from tests.live.conftest import World

LATENCY = 2


class Run:
    """The short session through an engine, with orders that take two bars more to arrive."""

    def __init__(self, world: World) -> None:
        lane = world.recipe.lane
        slow = lane.model_copy(update={"simulation": lane.simulation.model_copy(update={"latency_bars": LATENCY})})
        recipe = Recipe(slow, world.recipe.model, world.recipe.choice)
        self.feed = ReplayFeed(world.short, slow, world.day, world.before)
        table, limits = slow.timetable(world.day), rules(slow, recipe.choice)
        broker = SimBroker(slow.simulation, table, limits)
        self.engine = Engine(recipe, world.day, self.feed.contract, broker, context=self.feed.context)
        self.engine.open()
        self.steps: list[Step] = []

    def go(self, halted: Callable[[int, Engine], bool]) -> list[Step]:
        for index, bar in enumerate(self.feed):
            step = self.engine.on_bar(bar, halted=halted(index, self.engine))
            self.engine.submit(step)
            self.steps.append(step)
        return self.steps

    def idle(self) -> bool:
        """Nothing open and nothing under way, for the account and for the broker."""
        account, book = self.engine.account[0], self.engine.broker.memory()
        assert book is not None
        keys = ("order", "dropped", "stop_order", "side", "contracts")
        return account["side"] == 0 == account["working"] and not any(book[key][0] for key in keys)


def actions(steps: list[Step]) -> list[int]:
    return [int(step.decision["action"][0]) for step in steps]


def test_an_entry_that_a_halt_overrules_is_never_sent(world: World) -> None:
    first = actions(Run(world).go(lambda *_: False)).index(Action.ENTER)
    run = Run(world)
    steps = run.go(lambda index, _: index == first)
    decision = steps[first].decision[0]
    assert (decision["action"], decision["gate"], decision["contracts"], decision["stop_ticks"]) == (0, HALTED, 0, 0)
    assert not any(step.fills.size for step in steps[: first + 1 + LATENCY])
    assert Action.ENTER in actions(steps[first + 1 :]), "and the lane goes on"


def test_an_entry_under_way_is_called_off(world: World) -> None:
    first = actions(Run(world).go(lambda *_: False)).index(Action.ENTER)
    run = Run(world)
    steps = run.go(lambda index, _: first < index < first + 6)
    decision = steps[first + 1].decision[0]
    assert (decision["action"], decision["gate"], decision["side"], decision["contracts"]) == (4, HALTED, 0, 0)
    assert steps[first + 2].fills["role"].tolist() == [Role.LAPSE]
    assert actions(steps[first + 2 : first + 6]) == [0] * 4
    assert all(step.decision["gate"][0] == HALTED for step in steps[first + 2 : first + 6])
    assert Action.ENTER in actions(steps[first + 6 :])


def test_an_exit_under_way_is_waited_for(world: World) -> None:
    free = Run(world).go(lambda *_: False)
    first = next(i for i, one in enumerate(actions(free)) if one == Action.EXIT and free[i + 1].fills.size == 0)
    steps = Run(world).go(lambda index, _: index in (first, first + 1))
    for index in (first, first + 1):
        assert steps[index].decision.tobytes() == free[index].decision.tobytes()
    assert steps[first + 1].decision["gate"][0] == Gate.WORKING


@settings(max_examples=100)
@given(stretches=st.lists(st.tuples(st.integers(1, 25), st.integers(1, 12)), min_size=1, max_size=8))
def test_a_halt_at_any_bar_leaves_nothing_open(world: World, stretches: list[tuple[int, int]]) -> None:
    halted: list[bool] = []
    for free, held in stretches:
        halted += [False] * free + [True] * held
    run, since = Run(world), 0

    def now(index: int, engine: Engine) -> bool:
        nonlocal since
        if since > LATENCY + 1:
            assert run.idle(), index
        since = since + 1 if index < len(halted) and halted[index] else 0
        return since > 0

    steps = run.go(now)
    for index, step in enumerate(steps):
        decision = step.decision[0]
        if index < len(halted) and halted[index]:
            assert decision["action"] not in (Action.ENTER, Action.REVERSE)
    before = 2_000_000
    booked = sum(int(step.trades["net_cents"].sum()) for step in steps)
    if run.engine.account["side"][0] == 0 and run.engine.account["working_contracts"][0] == 0:
        assert run.engine.account["cash_cents"][0] == before + booked


def test_the_free_session_has_what_a_halt_can_meet(world: World) -> None:
    """Otherwise the tests above would say little."""
    steps = Run(world).go(lambda *_: False)
    assert {Action.ENTER, Action.EXIT} <= set(actions(steps))
    assert any(step.decision["stop"][0] for step in steps)
    assert np.concatenate([step.trades for step in steps]).size > 5
