"""Where stops and targets lie, and every rule that moves a stop: at its bound, both sides.

An open position has its entry at 16,000 (P), a stop of 6 ticks and a target of 12; the ATR is 4 ticks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalper.policy import Action, Gate
from scalper.settings import Lane
from tests.policy.support import P, auxes, decide, holding, lane, norms, with_cash

pytestmark = pytest.mark.kernel
BOTH = pytest.mark.parametrize("side", [1, -1])
GROUPS = ["trend", "volatility", "structure"]
FORGIVING = {"market": {"times": 1.0}}
"""An unknown volatility is unusual; here it does not cost the size."""


def stopping(**stop: Any) -> Lane:
    """A lane of all hours with these keys of policy.stop."""
    return lane(hours="all", policy={"stop": stop, "hold_bars": 99})


def gate(decision: np.ndarray) -> Gate:
    return Gate(int(decision["gate"]))


def placed(side: int, by: Lane, **aux: float) -> tuple[int, int]:
    """Stop and target of an entry at 10:31, (0, 0) if there is none."""
    found = decide(with_cash(100_000), (side, 0.75), by=by, aux=auxes(1, **aux), usual=norms(), move_ticks=99.0 * side)  # type: ignore[arg-type]
    assert (found["action"] == Action.ENTER) == (found["stop_ticks"] > 0)
    return int(found["stop_ticks"]), int(found["target_ticks"])


# ------------------------------------------------------------------- distances


SWING = lane(policy={"stop": {"kind": "swing"}}, features={"groups": GROUPS})


@BOTH
@pytest.mark.parametrize(("gap", "stop"), [(3, 5), (4, 6), (14, 16)])
def test_a_stop_lies_a_tick_beyond_the_swing_after_slippage(side: int, gap: int, stop: int) -> None:
    """The fill is expected a tick beyond the close, so the distance is gap + 1 tick + 1 of slippage; at least 4."""
    swing = {"low": P - gap} if side > 0 else {"high": P + gap}
    assert placed(side, SWING, **swing) == (stop, 2 * stop)


@BOTH
def test_a_stop_behind_a_swing_is_at_least_the_least(side: int) -> None:
    assert placed(side, SWING, **({"low": P - 1} if side > 0 else {"high": P + 1})) == (4, 8)


@BOTH
def test_a_stop_behind_a_swing_is_at_most_the_most(side: int) -> None:
    """The farthest swing that is traded on gives 16 ticks, the nearest that is not would give 17."""
    traded, refused = [], []
    for gap in range(1, 30):
        aux = auxes(1, low=P - gap) if side > 0 else auxes(1, high=P + gap)
        found = decide(with_cash(100_000), (side, 0.75), by=SWING, aux=aux, move_ticks=99.0 * side)
        (traded if found["action"] == Action.ENTER else refused).append(found["stop_ticks"] or found["value"])
    assert (max(traded), min(refused)) == (16, 17.0)


@BOTH
@pytest.mark.parametrize("gap", range(4, 15))
def test_a_stop_is_not_in_front_of_the_swing(side: int, gap: int) -> None:
    """With the fill a tick of slippage beyond the close."""
    stop, _ = placed(side, SWING, **({"low": P - gap} if side > 0 else {"high": P + gap}))
    assert 1 - stop <= -gap


@BOTH
@pytest.mark.parametrize(("gap", "value"), [(15, 17.0), (400, 402.0), (0, np.nan), (-3, np.nan), (P, np.nan)])
def test_no_entry_without_a_swing_on_the_right_side_and_near(side: int, gap: int, value: float) -> None:
    """Beyond 16 ticks it is too far; at the close or behind it, and with none (0), there is no place for a stop."""
    aux = auxes(1, low=P - gap) if side > 0 else auxes(1, high=P + gap if gap < P else 0)
    found = decide(with_cash(100_000), (side, 0.75), by=SWING, aux=aux, move_ticks=99.0 * side)
    assert (found["action"], gate(found), found["bound"]) == (Action.HOLD, Gate.STOP_DISTANCE, 16)
    assert np.array_equal(found["value"], value, equal_nan=True)


def barrier(**labels: Any) -> Lane:
    return lane(labels={"kind": "barrier"} | labels)


@BOTH
@pytest.mark.parametrize(
    ("labels", "atr", "expected"),
    [
        ({"stop": {"ticks": 5}, "target": {"ticks": 9}}, 4.0, (5, 9)),
        ({"stop": {"ticks": 3}, "target": {"reward_to_risk": 1.5}}, 4.0, (3, 5)),  # 4.5 rounds up
        ({"stop": {"atr": 2.0, "min": 3, "max": 10}, "target": {"ticks": 9}}, 4.0, (8, 9)),
        ({"stop": {"atr": 2.0, "min": 3, "max": 10}, "target": {"ticks": 9}}, 5.1, (10, 9)),
        ({"stop": {"atr": 2.0, "min": 3, "max": 10}, "target": {"ticks": 9}}, 1.0, (3, 9)),
        ({"stop": {"ticks": 5}, "target": {"atr": 3.0, "min": 6, "max": 11}}, 3.0, (5, 9)),
        ({"stop": {"ticks": 5}, "target": {"atr": 3.0, "min": 6, "max": 11}}, 4.0, (5, 11)),
        ({"stop": {"ticks": 5}, "target": {"atr": 3.0, "min": 6, "max": 11}}, 1.0, (5, 6)),
    ],
)
def test_what_is_labelled_is_what_is_traded(
    side: int, labels: dict[str, Any], atr: float, expected: tuple[int, int]
) -> None:
    assert placed(side, barrier(**labels), atr=atr) == expected


def test_a_lane_of_barriers_may_have_stops_of_its_own() -> None:
    by = lane(labels={"kind": "barrier", "stop": {"ticks": 5}}, policy={"stop": {"kind": "atr"}})
    assert placed(1, by) == (6, 12)


@pytest.mark.parametrize(
    ("by", "gate_"),
    [
        (lane(policy=FORGIVING), Gate.VOLATILITY),
        (lane(policy=FORGIVING, labels={"kind": "barrier", "stop": {"ticks": 4}, "target": {"atr": 2.0}}),
         Gate.VOLATILITY),
        (lane(policy=FORGIVING | {"stop": {"kind": "fixed", "fixed_ticks": 6}}), Gate.PASSED),
        (lane(policy=FORGIVING, labels={"kind": "barrier", "stop": {"ticks": 4}, "target": {"ticks": 8}}), Gate.PASSED),
    ],
)  # fmt: skip
def test_unknown_volatility_places_no_stop(by: Lane, gate_: Gate) -> None:
    aux = auxes(1, atr=np.nan)
    found = decide(with_cash(100_000), (1, 0.75), by=by, aux=aux, usual=norms(), move_ticks=99.0)
    assert gate(found) is gate_
    assert found["action"] == (Action.ENTER if gate_ is Gate.PASSED else Action.HOLD)


# ---------------------------------------------------------------- moving a stop


def moved(side: int, by: Lane, *, close: int, at: str = "10:30", atr: float = 4.0, **fields: int) -> tuple[int, Gate]:
    """The new stop in ticks from the entry in the position's favour (0: as it is), and the gate.

    `close` and the fields best, stop and first_stop are in ticks from the entry in the position's favour as well.
    """
    account = holding(side, **{name: P + side * ticks for name, ticks in fields.items()})
    before = int(account["stop"][0])
    aux = auxes(1, atr=atr)
    found = decide(account, (0, 0.0), by=by, price=P + side * close, at=at, aux=aux, usual=norms())
    assert found["action"] == Action.HOLD
    if found["stop"] == 0:
        assert account["stop_asked"][0] == 0
        return 0, gate(found)
    assert account["stop_asked"][0] == found["stop"] == found["value"] and found["bound"] == before
    assert account["stop"][0] == before, "until the broker says so"
    assert side * (found["stop"] - before) > 0, "only tighter"
    assert side * (P + side * close - found["stop"]) >= 1, "never at or beyond the close"
    return side * (int(found["stop"]) - P), gate(found)


@BOTH
@pytest.mark.parametrize(
    ("best", "close", "stop"),
    [
        (5, 5, None),  # a tick short of one stop's gain
        (6, 4, 1),
        (6, 2, 1),
        (6, 1, 0),  # a tick in front of the close
        (6, -4, -5),
        (6, -5, None),  # the close is a tick from the stop
    ],
)
def test_breakeven(side: int, best: int, close: int, stop: int | None) -> None:
    expected = (0, Gate.IN_POSITION) if stop is None else (stop, Gate.BREAKEVEN)
    assert moved(side, stopping(breakeven_at=1.0), close=close, best=best) == expected


@BOTH
def test_breakeven_by_its_settings(side: int) -> None:
    assert moved(side, stopping(breakeven_at=0.5, breakeven_ticks=0), close=3, best=3) == (0, Gate.BREAKEVEN)
    assert moved(side, stopping(breakeven_at=0.5, breakeven_ticks=2), close=3, best=3) == (2, Gate.BREAKEVEN)
    assert moved(side, stopping(breakeven_at=0.5), close=2, best=2) == (0, Gate.IN_POSITION)
    assert moved(side, stopping(breakeven_at=1.0), close=8, best=9, stop=2) == (0, Gate.IN_POSITION), "never back"
    assert moved(side, stopping(breakeven_at=1.0), close=8, best=9, stop=1) == (0, Gate.IN_POSITION), "there already"


@BOTH
@pytest.mark.parametrize(
    ("stop", "best", "atr", "expected"),
    [
        ({"trail_atr": 1.5}, 5, 4.0, None),
        ({"trail_atr": 1.25}, 6, 4.0, 1),  # 5 ticks behind the best
        ({"trail_atr": 1.25}, 9, 4.0, 4),
        ({"trail_atr": 1.25}, 6, 4.1, 0),  # 5.125: 6 ticks
        ({"trail_atr": 1.25, "trail_from": 0.0}, 0, 4.0, -5),
        ({"trail_atr": 1.5, "trail_from": 0.0}, 0, 4.0, None),  # 6 ticks: where it is
        ({"trail_atr": 1.0}, 6, 1.0, 2),  # at least 4
        ({"trail_atr": 1.0}, 20, 99.0, 4),  # at most 16
        ({"trail_atr": 1.0}, 20, np.nan, None),
    ],
)
def test_trailing(side: int, stop: dict[str, float], best: int, atr: float, expected: int | None) -> None:
    found = moved(side, stopping(**stop), close=max(best - 1, 0), best=best, atr=atr)
    assert found == ((0, Gate.IN_POSITION) if expected is None else (expected, Gate.TRAILING))


@BOTH
@pytest.mark.parametrize(
    ("ticks", "expected"), [(1, (2, Gate.TRAILING)), (2, (2, Gate.BREAKEVEN)), (3, (3, Gate.BREAKEVEN))]
)
def test_the_tightest_rule_has_the_word(side: int, ticks: int, expected: tuple[int, Gate]) -> None:
    """Best 6: trailing wants 6 - 4 = 2, breakeven `ticks`."""
    by = stopping(trail_atr=1.0, breakeven_at=1.0, breakeven_ticks=ticks)
    assert moved(side, by, close=6, best=6) == expected


@BOTH
@pytest.mark.parametrize(
    ("share", "at", "close", "expected"),
    [
        (0.5, "15:58", 0, None),  # closes at 15:59
        (0.5, "15:59", 0, -3),  # closes at 16:00:00, half an hour before flat
        (0.5, "15:59", 2, -1),
        (0.4, "15:59", 0, -2),  # 2.4 ticks: 2, no farther
        (0.01, "15:59", 0, -1),
        (0.99, "15:59", 0, -5),  # 5.94 ticks: 5
        (0.5, "15:59", -3, None),  # it would be where it is
        (0.5, "15:59", -2, -5),
    ],
)
def test_towards_the_close(side: int, share: float, at: str, close: int, expected: int | None) -> None:
    found = moved(side, stopping(late_share=share), close=close, at=at)
    assert found == ((0, Gate.IN_POSITION) if expected is None else (expected, Gate.TOWARDS_CLOSE))


@BOTH
def test_one_change_of_the_stop_at_a_time(side: int) -> None:
    by = stopping(trail_atr=1.0)
    account = holding(side, best=P + 6 * side)
    assert decide(account, (0, 0.0), by=by, price=P + 6 * side)["stop"] == P + 2 * side
    later = decide(account, (0, 0.0), by=by, price=P + 9 * side)
    assert (later["stop"], gate(later)) == (0, Gate.IN_POSITION)
    account["stop"], account["stop_asked"] = account["stop_asked"][0], 0
    assert decide(account, (0, 0.0), by=by, price=P + 9 * side)["stop"] == P + 5 * side


@BOTH
def test_an_exit_moves_no_stop(side: int) -> None:
    by = lane(policy={"stop": {"trail_atr": 1.0}, "hold_bars": 10})
    assert decide(holding(side, best=P + 6 * side, bars_held=8), (0, 0.0), by=by, price=P + 6 * side)["stop"] != 0
    found = decide(holding(side, best=P + 6 * side, bars_held=9), (0, 0.0), by=by, price=P + 6 * side)
    assert (found["action"], found["stop"]) == (Action.EXIT, 0)
