"""What is unusual, against the norm of the same minute: size, expected slippage, spread; each at its bound.

With a cash of $1,500 two contracts are traded in a usual market; half of them is one. Norms: volatility 1 tick, volume
100, so that the ratio to the norm is what a bar says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalper.policy import Action, Gate
from scalper.settings import Lane
from tests.policy.support import (
    DAY,
    P,
    auxes,
    bars,
    decide,
    holding,
    lane,
    norms,
    play,
    predictions,
    quiet,
    with_cash,
)

pytestmark = pytest.mark.kernel
USUAL = norms(volatility=1.0, volume=100.0)
LEAST = {"stop": {"kind": "fixed", "fixed_ticks": 4}}


def entry(
    *, volatility: float = 1.0, volume: int = 100, cash: int = 150_000, usual: np.ndarray = USUAL, **policy: Any
) -> np.ndarray:
    by = lane(policy=LEAST | policy)
    aux = auxes(1, atr=volatility)
    return decide(
        with_cash(cash, by), (1, 0.75), by=by, aux=aux, usual=usual, bar={"volume": volume}, move_ticks=99.0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("volatility", "volume", "contracts", "slippage"),
    [
        (1.0, 100, 2, 1),
        (3.0, 100, 2, 1),  # more than three times, not three times
        (3.001, 100, 1, 2),
        (5.999, 100, 1, 2),
        (6.0, 100, 1, 3),
        (8.999, 100, 1, 3),
        (9.0, 100, 1, 4),
        (999.0, 100, 1, 4),
        (1.0, 10, 2, 1),  # less than a tenth, not a tenth
        (1.0, 9, 1, 2),
        (1.0, 1, 1, 2),
        (6.0, 9, 1, 3),  # both: the worse
        (4.0, 9, 1, 2),
    ],
)
def test_unusual_halves_the_size_and_slips_more(volatility: float, volume: int, contracts: int, slippage: int) -> None:
    found = entry(volatility=volatility, volume=volume)
    assert (found["action"], found["contracts"], found["slippage"]) == (Action.ENTER, contracts, slippage)
    assert (found["n_risk"], found["n_time"]) == (2, 2)


@pytest.mark.parametrize(
    ("norm", "aux"), [((np.nan, 100.0), 1.0), ((1.0, np.nan), 1.0), ((np.nan, np.nan), 1.0), ((1.0, 100.0), np.nan)]
)
def test_what_is_unknown_is_unusual(norm: tuple[float, float], aux: float) -> None:
    found = entry(volatility=aux, usual=norms(*norm))
    assert (found["action"], found["contracts"], found["slippage"]) == (Action.ENTER, 1, 2)


def test_a_norm_of_nothing_is_unusual() -> None:
    assert entry(usual=norms(0.0, 0.0))["contracts"] == 1


@pytest.mark.parametrize(
    ("volatility", "volume", "value", "bound"),
    [(3.5, 100, 3.5, 3.0), (1.0, 9, 0.09, 0.10), (np.nan, 100, np.nan, 3.0)],
)
def test_a_single_contract_is_not_halved_but_refused(
    volatility: float, volume: int, value: float, bound: float
) -> None:
    found = entry(volatility=volatility, volume=volume, cash=100_000)
    assert (found["action"], Gate(found["gate"]), found["bound"]) == (Action.HOLD, Gate.SIZE_MARKET, bound)
    assert np.array_equal(found["value"], value, equal_nan=True) and found["n_time"] == 1


def test_time_and_market_multiply() -> None:
    """Four contracts: x 0.5 is 2, x 0.5 x 0.5 is 1; three: floor(0.75) is none, and the market made it so."""
    by = lane(policy=LEAST | {"times": [{"from": "10:00", "to": "11:00", "times": 0.5}]}, risk={"per_trade": 0.049})
    for cash, market, expected in ((250_000, 1.0, 2), (250_000, 4.0, 1), (160_000, 4.0, 0)):
        aux = auxes(1, atr=market)
        found = decide(with_cash(cash), (1, 0.75), by=by, aux=aux, usual=USUAL, move_ticks=99.0)
        assert found["n_risk"] == (4 if cash == 250_000 else 3)
        assert (found["contracts"], Gate(found["gate"])) == (expected, Gate.PASSED if expected else Gate.SIZE_MARKET)


def test_expected_slippage_raises_the_least_move_and_the_risk() -> None:
    """Two ticks: 2 x 2 x (2 + 0.42 / 1.25) = 9.344 ticks. W of 18 ticks: 22.50 + 1.25 + 0.84 = 24.59, then 25.84."""
    by = lane(policy={"stop": {"kind": "fixed", "fixed_ticks": 18, "max_ticks": 20}, "market": {"times": 1.0}})
    for volatility, move, gate in (
        (1.0, 5.344, Gate.PASSED),
        (4.0, 9.343, Gate.EXPECTED_MOVE),
        (4.0, 9.345, Gate.SIZE_RISK),
    ):
        aux = auxes(1, atr=volatility)
        found = decide(with_cash(100_000), (1, 0.75), by=by, aux=aux, usual=USUAL, move_ticks=move)
        assert Gate(found["gate"]) is gate
    assert (found["value"], found["bound"]) == (25.84, 25.0)


def test_expected_slippage_is_a_cost_of_exiting() -> None:
    """Two contracts at the entry's price: 2 x (1.25 + 0.42) = 3.34, at three ticks 2 x (3.75 + 0.42) = 8.34."""
    for volatility, cost in ((1.0, 334), (6.0, 834)):
        found = decide(holding(contracts=2), (0, 0.0), aux=auxes(1, atr=volatility), usual=USUAL)
        assert found["equity_cents"] == 100_000 - cost


@pytest.mark.parametrize(("spread", "known", "enters"), [(2, 4, True), (3, 4, False), (3, 0, True), (3, 3, True)])
def test_a_wide_spread_is_no_entry(spread: int, known: int, enters: bool) -> None:
    account = with_cash(100_000)
    found = decide(account, (1, 0.75), bar={"spread": spread, "known": known})
    assert found["action"] == (Action.ENTER if enters else Action.HOLD)
    if not enters:
        assert (Gate(found["gate"]), found["value"], found["bound"]) == (Gate.SPREAD, 3, 2)
        assert account["spread_until_ns"][0] == DAY.ny(10, 32), "for 60 seconds"


@pytest.mark.parametrize(("until", "enters"), [(0, True), (1, False)])
def test_a_wide_spread_is_no_entry_for_sixty_seconds(until: int, enters: bool) -> None:
    found = decide(with_cash(100_000, spread_until_ns=DAY.ny(10, 31) + until), (1, 0.75))
    assert found["action"] == (Action.ENTER if enters else Action.HOLD)
    assert enters or Gate(found["gate"]) is Gate.SPREAD


def test_a_wide_spread_holds_up_no_exit_but_a_reversal() -> None:
    wide = {"spread": 9}
    assert decide(holding(), (-1, 0.65), bar=wide)["action"] == Action.EXIT
    found = decide(holding(), (-1, 0.80), bar=wide, price=P + 4)
    assert (found["action"], Gate(found["gate"])) == (Action.EXIT, Gate.SPREAD)


# ------------------------------------------------------------------- minutes


CAPITAL = 100_000
RICH = {"tiers": [{"to": None, "contracts": 2, "risk": 0.02}]} | LEAST


def seconds() -> tuple[np.ndarray, Lane]:
    """Three minutes of seconds from 09:30, and a lane that enters and leaves at every bar."""
    risk = {"capital": CAPITAL, "per_trade": 0.0005, "pause_losses": 999, "long_pause_losses": 999}
    by = lane(interval="1s", policy=RICH | {"hold_bars": 1, "cooldown_s": 0, "max_trades": 999}, risk=risk)
    return bars(quiet(180), step_ns=1_000_000_000), by


def sizes(made: np.ndarray, by: Lane, usual: np.ndarray) -> dict[int, int]:
    """Contracts of each entry, by its bar."""
    signals = dict.fromkeys(range(made.size), (1, 0.75))
    found = play(made, predictions(made.size, signals, move=99.0), by, account=with_cash(CAPITAL * 100), usual=usual)
    return {index: int(found.decisions["contracts"][index]) for index in found.when(Action.ENTER)}


def test_seconds_are_held_against_the_last_completed_minute() -> None:
    """The first minute is unknown: half. From 09:31:00 on (bar 59 closes there) it is 6,000 of a norm of 6,000."""
    made, by = seconds()
    found = sizes(made, by, norms(4.0, 6_000.0))
    assert {found[index] for index in found if index < 59} == {1}
    assert {found[index] for index in found if index >= 59} == {2}
    thin = sizes(made, by, norms(4.0, 60_001.0))
    assert set(thin.values()) == {1}


def test_a_minute_has_its_own_norm() -> None:
    """09:30 to 09:31 is minute 930 of a session that opens at 18:00; the others are unknown."""
    made, by = seconds()
    usual = norms(np.nan, np.nan)
    usual[930] = (4.0, 6_000.0)
    found = sizes(made, by, usual)
    assert {found[index] for index in found if 59 <= index < 119} == {2}
    assert {found[index] for index in found if not 59 <= index < 119} == {1}


@pytest.mark.parametrize("interval", ["1m", "5m"])
def test_in_minute_lanes_the_minute_is_the_bar(interval: str) -> None:
    """The bar that ends at 09:35 is read at minute 934."""
    by = lane(interval=interval, policy=RICH, risk={"capital": CAPITAL, "per_trade": 0.0005})
    step = by.interval_ns
    made = bars(quiet(2), at="09:35", step_ns=step)
    made["ts_ns"] -= step
    usual = norms(np.nan, np.nan)
    usual[934] = (4.0, 100.0)
    assert sizes(made, by, usual) == {0: 2}
    assert sizes(made[:1], by, norms(np.nan, np.nan)) == {0: 1}


def test_a_minute_without_a_trade_is_thin() -> None:
    """The whole minute from 09:31 is carried; at its end volume is 0 of 6,000."""
    made, by = seconds()
    made["volume"][60:120], made["carried"][60:120] = 0, 1
    found = sizes(made, by, norms(4.0, 6_000.0))
    assert {found[index] for index in found if 120 <= index < 179} == {1}


def test_a_minute_that_a_gap_ends_is_complete() -> None:
    """No bar ends at 09:31: the first bar after it completes the minute before."""
    made, by = seconds()
    made = made[np.r_[0:50, 61:180]]
    found = sizes(made, by, norms(4.0, 5_000.0))
    assert {found[index] for index in found if index < 50} == {1}
    assert found[min(index for index in found if index >= 50)] == 2
