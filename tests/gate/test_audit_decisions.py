"""The audit of decisions lets the simulation through and catches a policy that sees what comes next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from scalper.features import AUX
from scalper.gate.audit_decisions import Decide, decisions, simulated
from scalper.gate.subject import Array, Subject
from scalper.market import session
from scalper.policy import Choice
from tests.gate.leaks import DAY, lane_of, subject_of

CHOICE = Choice(0.7, 1.5, 2.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    """A session of one-minute bars, and the last hours of one of one-second bars; with every stop that moves."""
    moving = {"breakeven_at": 0.5, "trail_atr": 1.0, "late_share": 0.5}
    policy = {"partial": 0.5, "max_trades": 100, "market": {"max_spread": 90, "spread_pause_s": 5}}
    known = {"risk": {"capital": 50_000}, "policy": policy | {"stop": moving}}
    swing = known | {"policy": policy | {"stop": moving | {"kind": "swing"}}}
    seconds = subject_of(lane_of("1s", hours="all", **known), first=session("MES", DAY).ny(14, 50), size=3600)
    return [subject_of(lane_of("1m", **swing)), seconds]


def test_the_simulation_decides_without_the_future(subjects: list[Subject]) -> None:
    for one in subjects:
        found = decisions(one, rng(), simulated(CHOICE))
        assert found.wrong is None
        assert found.rows == one.kept.sum()
        assert found.counts["decisions with an order"] > 20


def test_stops_move_in_it(subjects: list[Subject]) -> None:
    """Otherwise the tests here would say nothing of them."""
    seen, decide = [], simulated(CHOICE)

    def noted(*given: Any) -> Sequence[Array]:
        found = decide(*given)
        seen.append(int((found[0]["stop"] != 0).sum()))
        return found

    for one in subjects:
        decisions(one, rng(), noted)
    assert sum(seen) > 200


def _next_close(honest: Decide, one: Subject, bars: Array, aux: Array, predicted: Array) -> Sequence[Array]:
    fresh, used = honest(one, bars, aux, predicted)
    fresh["contracts"][:-1] += bars["close"][1:] > bars["close"][:-1]
    return fresh, used


def _next_prediction(honest: Decide, one: Subject, bars: Array, aux: Array, predicted: Array) -> Sequence[Array]:
    moved = predicted.copy()
    moved[:-1] = predicted[1:]
    return honest(one, bars, aux, moved)


def _next_aux(name: str, honest: Decide, one: Subject, bars: Array, aux: Array, predicted: Array) -> Sequence[Array]:
    moved = aux.copy()
    moved[name][:-1] = aux[name][1:]
    return honest(one, bars, moved, predicted)


def _used_account_only(honest: Decide, one: Subject, bars: Array, aux: Array, predicted: Array) -> Sequence[Array]:
    fresh, used = honest(one, bars, aux, predicted)
    used["equity_cents"] += bars["close"][-1]
    return fresh, used


def _next_spread(honest: Decide, one: Subject, bars: Array, aux: Array, predicted: Array) -> Sequence[Array]:
    fresh, used = honest(one, bars, aux, predicted)
    fresh["gate"][:-1] = np.where(bars["spread"][1:] > 2, 99, fresh["gate"][:-1])
    return fresh, used


LEAKS: dict[Callable[..., Sequence[Array]], str] = {
    _next_close: "contracts of the decision at ",
    _next_prediction: " of the decision at ",
    _used_account_only: "equity_cents of the decision at ",
    _next_spread: "gate of the decision at ",
}


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_a_policy_that_sees_what_comes_next_is_caught(
    leak: Callable[..., Sequence[Array]], subjects: list[Subject]
) -> None:
    for one in subjects:
        wrong = decisions(one, rng(), partial(leak, simulated(CHOICE))).wrong
        assert wrong is not None
        assert LEAKS[leak] in wrong
        assert "at 2021-06-2" in wrong


@pytest.mark.parametrize("name", AUX.names or ())
def test_a_policy_that_sees_the_next_swing_or_volatility_is_caught(name: str, subjects: list[Subject]) -> None:
    one = subjects[0 if name.startswith("swing") else 1]
    wrong = decisions(one, rng(), partial(_next_aux, name, simulated(CHOICE))).wrong
    assert wrong is not None and " of the decision at " in wrong
    assert wrong.endswith(("(shuffle)", "(noise)")), "where no bar is missing only the numbers themselves tell"


def test_decisions_without_an_order_are_no_evidence(subjects: list[Subject]) -> None:
    found = decisions(subjects[0], rng(), simulated(Choice(0.999, 1.5, 2.0)))
    assert found.counts["decisions with an order"] == 0
