"""A market without an edge: a random strategy loses what it pays, no less and no more."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from scalper.policy import Reason
from scalper.sandbox import SimulatedMarket
from scalper.settings import Lane
from tests.policy.support import MINUTE, lane, play, predictions, with_cash

STRATEGIES = 30
RICH = 10_000_000_00
FREE = {"capital": 10_000_000, "per_trade": 1e-5, "pause_losses": 9_999, "long_pause_losses": 9_999}
MANY = {"cooldown_s": 0, "max_trades": 9_999, "tiers": [{"to": None, "contracts": 1, "risk": 0.02}]}


@pytest.fixture(scope="module")
def tape() -> list[tuple[object, np.ndarray]]:
    """Twenty regular days of the null market in minutes."""
    market = SimulatedMarket("MES", 5, 0.0, start=date(2021, 7, 5), end=date(2021, 8, 3))
    days = [day for day in market.sessions if not day.early]
    return [(day, market.bars(market.front(day, "monday"), day, MINUTE)) for day in days]


def trades(by: Lane, tape: list[tuple[object, np.ndarray]]) -> np.ndarray:
    """All trades of some strategies that toss a coin at every bar, one after the other over the whole tape."""
    rng = np.random.default_rng(17)
    found = []
    for _ in range(STRATEGIES):
        for day, bars in tape:
            found.append(play(bars, coins(rng, bars.size), by, account=with_cash(RICH, by), day=day).trades)
    return np.concatenate(found)


def coins(rng: np.random.Generator, n: int) -> np.ndarray:
    """A sure prediction for every bar, up or down by a coin."""
    made = predictions(n, {})
    up = rng.random(n) < 0.5
    made["flat"] = 0.125
    made["up"], made["down"] = np.where(up, 0.75, 0.125), np.where(up, 0.125, 0.75)
    made["move_ticks"] = np.where(up, 20.0, -20.0)
    return made


def mean_and_error(cents: np.ndarray) -> tuple[float, float]:
    return float(cents.mean()), float(cents.std() / np.sqrt(cents.size))


def test_exits_by_time_lose_exactly_the_costs(tape: list[tuple[object, np.ndarray]]) -> None:
    """Stop and target out of reach: each trade pays 0.84 and two ticks, and its gross is a fair coin's."""
    far = {"kind": "fixed", "fixed_ticks": 400, "max_ticks": 400}
    plain = {"reward_to_risk": 1.0, "hold_bars": 5, "confidence": 0.7, "reverse_confidence": 0.9, "move_over_cost": 0}
    by = lane(policy=MANY | plain | {"stop": far}, risk=FREE | {"per_trade": 1e-4})
    rows = trades(by, tape)
    cost = rows["slippage_cents"] + rows["commission_cents"]
    assert rows.size > 5_000 and not np.isin(rows["reason"], (Reason.STOP, Reason.TARGET)).any()
    assert (cost == 2 * 125 + 84).all()
    mean, error = mean_and_error(rows["net_cents"])
    assert error < 5, "narrow enough to notice an eighth of a tick"
    assert mean - 3 * error < -334 < mean + 3 * error


def test_with_every_rule_on_it_loses_its_costs(tape: list[tuple[object, np.ndarray]]) -> None:
    """Stops, targets and reversals: never better than the costs, and worse by at most the tick a target gives away."""
    by = lane(policy=MANY | {"hold_bars": 30}, risk=FREE)
    rows = trades(by, tape)
    assert rows.size > 5_000
    assert {Reason.STOP, Reason.TARGET} <= {Reason(code) for code in np.unique(rows["reason"])}
    mean, error = mean_and_error(rows["net_cents"])
    cost = float((rows["slippage_cents"] + rows["commission_cents"]).mean())
    given = 125 * float((rows["reason"] == Reason.TARGET).mean())
    assert mean < 0
    assert -cost - given - 3 * error < mean < -cost + 3 * error
