"""Days on which the stop moves; the ledger is worked out in the comments, to the cent, both sides.

The signal is at the close of bar 0. Entry at 16,000 + 1 of slippage = 1, stop 1 - 6 = -5, target 1 + 12 = 13.
"""

from __future__ import annotations

from typing import Any

import pytest

from scalper.policy import Action, Gate, Reason
from tests.policy.support import DAY, P, Played, auxes, bars, lane, mirrored, play, predictions, quiet, with_cash

pytestmark = pytest.mark.kernel
BOTH = pytest.mark.parametrize("side", [1, -1])


def day(side: int, rows: list[tuple[int, int, int, int]], at: str = "09:30", **changes: Any) -> Played:
    """Bars in ticks from 16,000 in the position's favour; long, or upside down for a short."""
    made = bars([tuple(P + tick for tick in row) for row in [(0, 1, -1, 0), *rows]], at=at)
    made = made if side > 0 else mirrored(made)
    by = lane(**{"policy": {"hold_bars": 99}, "hours": "all"} | changes)
    return play(made, predictions(made.size, {0: (side, 0.75)}), by)


def stops(**stop: Any) -> dict[str, Any]:
    return {"policy": {"hold_bars": 99, "stop": stop}}


def came(played: Played, side: int) -> tuple[float, float, int, int, Reason]:
    """Exit, last stop, first stop in ticks from 16,000 in the trade's favour, bars held, and the reason."""
    assert played.trades.size == 1
    row = played.trades[0]
    _, exit_, stop, _ = played.ticks(side)
    return exit_, stop, side * (int(row["first_stop"]) - P), int(row["bars"]), Reason(int(row["reason"]))


@BOTH
def test_breakeven_acts_from_the_next_bar(side: int) -> None:
    # bar 1 reaches 7, a gain of 6 = one stop, after a low of -1: the stop goes to 1 + 1 = 2, not in this bar.
    # bar 2 falls to 2: out at 2 - 1 = 1: points 0; gross 2.50, slippage 2.50, commission 0.84: net -0.84
    played = day(side, [(0, 7, -1, 5), (5, 5, 2, 3)], **stops(breakeven_at=1.0))
    assert came(played, side) == (1, 2, -5, 1, Reason.STOP)
    assert played.ledger() == (250, 250, 84, -84)
    assert played.gate(1) is Gate.BREAKEVEN
    assert (played.decisions["stop"][1], played.decisions["value"][1], played.decisions["bound"][1]) == (
        P + 2 * side, P + 2 * side, P - 5 * side,
    )  # fmt: skip
    assert played.cash == 100_000 - 84


@BOTH
def test_without_it_the_same_day_is_held(side: int) -> None:
    # the last close is 3: out at 3 - 1 = 2: points 1: gross 3.75
    played = day(side, [(0, 7, -1, 5), (5, 5, 2, 3)])
    assert came(played, side) == (2, -5, -5, 2, Reason.SESSION_END)
    assert played.ledger() == (375, 250, 84, 41)


@BOTH
def test_a_gain_a_tick_short_moves_nothing(side: int) -> None:
    played = day(side, [(0, 6, -1, 5), (5, 5, 2, 3)], **stops(breakeven_at=1.0))
    assert came(played, side)[4] is Reason.SESSION_END


@BOTH
def test_a_gap_through_a_moved_stop(side: int) -> None:
    # bar 2 opens at -2, below the stop at 2: out at -2 - 1 = -3: points -4 x 1.25 = -5.00: gross -2.50, net -5.84
    played = day(side, [(0, 7, -1, 5), (-2, 0, -3, -1)], **stops(breakeven_at=1.0))
    assert came(played, side) == (-3, 2, -5, 1, Reason.STOP)
    assert played.ledger() == (-250, 250, 84, -584)


@BOTH
def test_the_moved_stop_comes_with_the_latency_of_orders(side: int) -> None:
    # one bar late: in at the open of bar 2; the gain of bar 2 moves the stop from bar 4 on, so bar 3's low of 2 is
    # nothing and bar 4's is the exit
    rows = [(0, 1, -1, 0), (0, 7, -1, 5), (5, 5, 2, 4), (4, 4, 2, 3), (3, 3, 3, 3)]
    played = day(side, rows, simulation={"latency_bars": 1}, **stops(breakeven_at=1.0))
    assert came(played, side) == (1, 2, -5, 2, Reason.STOP)
    assert played.trades["exit_ns"][0] == DAY.ny(9, 35)
    assert [played.gate(index) for index in (2, 3)] == [Gate.BREAKEVEN, Gate.IN_POSITION], "asked once"


@BOTH
def test_trailing_follows_the_best_price_and_never_back(side: int) -> None:
    # 4 ticks (ATR 4) behind the best from a gain of 6 on: best 8 -> 4, best 10 -> 6, then the best stays: 6 holds.
    # bar 4 falls to 6: out at 5: points 4 x 1.25 = 5.00; gross 7.50; net 5.00 - 0.84 = 4.16
    rows = [(0, 8, -1, 7), (7, 10, 6, 9), (9, 9, 7, 8), (8, 8, 6, 7)]
    played = day(side, rows, **stops(trail_atr=1.0))
    assert came(played, side) == (5, 6, -5, 3, Reason.STOP)
    assert played.ledger() == (750, 250, 84, 416)
    assert [side * (stop - P) for stop in played.decisions["stop"][1:3]] == [4, 6]
    assert played.decisions["stop"][3] == 0


@BOTH
def test_the_stop_is_tightened_towards_the_close(side: int) -> None:
    # the bar from 15:59 closes at 16:00:00, half an hour before flat. Half of 6 is 3 ticks from the close:
    # closes 1, 0, 2 -> stops -2, (-3: not looser), -1; bar 4 falls to -1: out at -2: points -3: gross -1.25, net -4.59
    rows = [(0, 2, -1, 1), (1, 1, -1, 0), (0, 2, 0, 2), (2, 2, -1, 0)]
    played = day(side, rows, at="15:58", **stops(late_share=0.5))
    assert came(played, side) == (-2, -1, -5, 3, Reason.STOP)
    assert played.ledger() == (-125, 250, 84, -459)
    assert [side * (stop - P) if stop else 0 for stop in played.decisions["stop"][1:4]] == [-2, 0, -1]
    assert {played.gate(index) for index in (1, 3)} == {Gate.TOWARDS_CLOSE}


@BOTH
def test_not_a_minute_too_early(side: int) -> None:
    rows = [(0, 2, -1, 1), (1, 1, -4, 0)]
    played = day(side, rows, at="15:57", **stops(late_share=0.5))
    assert came(played, side)[4] is Reason.SESSION_END


@BOTH
def test_barriers_of_the_label_are_the_exits(side: int) -> None:
    # stop 5 and target 7 ticks from the fill at 1: 8 is reached by a trade at 9: gross 8 x 1.25, net 10 - 1.25 - 0.84
    by = {"labels": {"kind": "barrier", "stop": {"ticks": 5}, "target": {"ticks": 7}, "horizon": 3}, "policy": {}}
    played = day(side, [(0, 1, -3, 0), (0, 9, 0, 5)], **by)
    assert came(played, side) == (8, -4, -4, 1, Reason.TARGET)
    assert played.ledger() == (1000, 125, 84, 791)
    held = day(side, [(0, 1, -3, 0)] * 6, **by)
    assert held.trades["bars"][0] == 3 and held.trades["reason"][0] == Reason.TIME, "the third barrier is the time"


@BOTH
def test_a_touch_of_the_swing_does_not_stop(side: int) -> None:
    # the last confirmed swing is at -5; bar 1 touches it and comes back: the stop lies beyond
    made = bars([*quiet(1), (P, P + 1, P - 5, P), (P, P + 1, P - 1, P)])
    made = made if side > 0 else mirrored(made)
    by = lane(policy={"stop": {"kind": "swing"}}, features={"groups": ["structure"]})
    swing = auxes(3, low=P - 5) if side > 0 else auxes(3, high=P + 5)
    played = play(made, predictions(3, {0: (side, 0.75)}), by, aux=swing)
    assert played.trades["reason"].tolist() == [Reason.SESSION_END]


@BOTH
def test_a_lower_low_does(side: int) -> None:
    made = bars([*quiet(1), (P, P + 1, P - 7, P), (P, P + 1, P - 1, P)])
    made = made if side > 0 else mirrored(made)
    by = lane(policy={"stop": {"kind": "swing"}}, features={"groups": ["structure"]})
    swing = auxes(3, low=P - 5) if side > 0 else auxes(3, high=P + 5)
    played = play(made, predictions(3, {0: (side, 0.75)}), by, aux=swing)
    assert played.trades["reason"].tolist() == [Reason.STOP]


def test_a_swing_too_far_is_no_trade() -> None:
    by = lane(policy={"stop": {"kind": "swing"}}, features={"groups": ["structure"]})
    played = play(bars(quiet(3)), predictions(3, {0: (1, 0.75)}), by, aux=auxes(3, low=P - 40))
    assert (played.trades.size, played.gate(0)) == (0, Gate.STOP_DISTANCE)


@BOTH
def test_a_pending_reversal_keeps_the_stop_where_it_is(side: int) -> None:
    # latency 1: the reversal is decided at bar 3 (close 5, best 7: breakeven wants 2, in force from bar 4)
    rows = [(0, 1, -1, 0), (0, 7, -1, 5), (5, 6, 4, 5), (5, 6, 4, 5), (5, 5, 4, 5), (5, 5, 5, 5)]
    made = bars([tuple(P + tick for tick in row) for row in [(0, 1, -1, 0), *rows]])
    made = made if side > 0 else mirrored(made)
    by = lane(hours="all", simulation={"latency_bars": 1}, **stops(breakeven_at=1.0))
    played = play(made, predictions(made.size, {0: (side, 0.75), 3: (-side, 0.9)}), by, account=with_cash(100_000))
    assert played.when(Action.REVERSE) == [3] and played.gate(4) is Gate.WORKING
    assert played.trades["reason"].tolist() == [Reason.REVERSAL, Reason.SESSION_END]
    assert side * (int(played.trades["stop"][0]) - P) == 2, "the change of bar 2 is in force"
