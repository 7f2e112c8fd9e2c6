"""Hand-made days: the ledger is worked out in the comments, to the cent, for every rule of fills and of risk.

MES: a tick is $1.25, a contract $0.42 a side, so 84 cents a round trip; slippage is one tick. Entry at 16,000 ticks
plus slippage, stop 6 and target 12 ticks from the fill (ATR 4). Long days are played upside down as well.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from scalper.market import session
from scalper.policy import Action, Gate, Reason
from tests.policy.support import DAY, MINUTE, P, Played, bars, lane, mirrored, play, predictions, quiet, with_cash

pytestmark = pytest.mark.kernel
SURE = (1, 0.75)
BOTH = pytest.mark.parametrize("side", [1, -1])
ALL = lane(hours="all")
SECONDS = {"interval": "1s", "policy": {"market": {"times": 1.0}}, "simulation": {"slippage_thin": 1}}
"""One-second bars whose first minute, of which nothing is known, counts as usual."""


def one(side: int, rows: list[tuple[int, int, int, int]], **simulation: Any) -> Played:
    """A signal at the close of a first quiet bar, then `rows`; the other way round for a short."""
    made = bars(quiet(1) + rows)
    made = made if side > 0 else mirrored(made)
    return play(made, predictions(made.size, {0: (side, 0.75)}), lane(simulation=simulation))


def ledger(played: Played, index: int = 0) -> tuple[int, int, int, int]:
    """Gross, slippage, commission and net of a trade in cents."""
    return played.ledger(index)


def ticks(played: Played, side: int, index: int = 0) -> tuple[float, float, int, int]:
    """Entry, exit, stop and target of a trade as ticks from 16,000 in the trade's favour."""
    return played.ticks(side, index)


@BOTH
def test_target_on_trade_through(side: int) -> None:
    # entry 0 + 1 slip = 1, stop 1 - 6 = -5, target 1 + 12 = 13. Bar 2 touches 13: nothing. Bar 3 trades 14: out at 13.
    # gross (13 - 0) x 1.25 = 16.25; slippage 1.25; commission 0.84; net 14.16
    played = one(side, [(P, P + 5, P - 4, P + 3), (P + 3, P + 13, P + 2, P + 9), (P + 9, P + 14, P + 8, P + 9)])
    assert ticks(played, side) == (1, 13, -5, 13)
    assert ledger(played) == (1625, 125, 84, 1416)
    trade = played.trades[0]
    assert (trade["side"], trade["contracts"], trade["reason"], trade["bars"]) == (side, 1, Reason.TARGET, 2)
    assert (trade["entry_ns"], trade["exit_ns"]) == (DAY.ny(9, 31), DAY.ny(9, 34))
    assert (side * (trade["best"] - P), side * (trade["worst"] - P)) == (13, -4)
    assert trade["confidence"] == 0.75
    assert played.cash == 101_416


@BOTH
def test_optimistic_takes_a_touch_and_no_slippage(side: int) -> None:
    # entry 0, stop -6, target 12; bar 2 touches 12: net 12 x 1.25 - 0.84 = 14.16
    played = one(side, [(P, P + 5, P - 4, P + 3), (P + 3, P + 12, P + 2, P + 9)], mode="optimistic")
    assert ticks(played, side) == (0, 12, -6, 12)
    assert ledger(played) == (1500, 0, 84, 1416)


@BOTH
def test_conservative_slips_a_tick_more(side: int) -> None:
    # entry 2, stop -4, target 14: bar 2 reaches only 14, bar 3 falls to -4: out at -4 - 2 = -6
    # points -8 x 1.25 = -10.00; slippage 4 ticks 5.00; gross -5.00; net -10.84
    played = one(
        side, [(P, P + 5, P - 3, P + 3), (P + 3, P + 14, P + 2, P + 9), (P + 9, P + 9, P - 4, P)], mode="conservative"
    )
    assert ticks(played, side) == (2, -6, -4, 14)
    assert ledger(played) == (-500, 500, 84, -1084)


@BOTH
def test_stop_before_target_in_one_bar(side: int) -> None:
    # the entry bar reaches both: stop -5, out at -6: points -7 x 1.25 = -8.75; slippage 2.50; gross -6.25; net -9.59
    played = one(side, [(P, P + 30, P - 5, P + 20)])
    assert ticks(played, side) == (1, -6, -5, 13)
    assert ledger(played) == (-625, 250, 84, -959)
    trade = played.trades[0]
    assert (trade["reason"], trade["bars"], trade["exit_ns"]) == (Reason.STOP, 0, DAY.ny(9, 32))
    assert (side * (trade["best"] - P), side * (trade["worst"] - P)) == (1, -6)
    assert played.cash == 99_041


@BOTH
def test_a_tick_above_the_stop_holds(side: int) -> None:
    # the low is -4, a tick short of the stop at -5; the session's last close 2 less a tick of slippage: flat at 1
    played = one(side, [(P, P + 3, P - 4, P + 2)])
    assert played.trades["reason"][0] == Reason.SESSION_END
    assert ticks(played, side)[:2] == (1, 1)
    assert ledger(played) == (250, 250, 84, -84)


@BOTH
def test_stop_gap(side: int) -> None:
    # bar 2 opens at -10, through the stop at -5: out at -11: points -12 x 1.25 = -15.00; net -15.84
    played = one(side, [(P, P + 3, P - 3, P), (P - 10, P - 8, P - 12, P - 9)])
    assert ticks(played, side)[:2] == (1, -11)
    assert ledger(played) == (-1250, 250, 84, -1584)


@BOTH
def test_gap_through_the_target_pays_the_limit_price(side: int) -> None:
    played = one(side, [(P, P + 3, P - 3, P), (P + 20, P + 22, P + 19, P + 20)])
    assert ticks(played, side)[:2] == (1, 13)
    assert played.trades["reason"][0] == Reason.TARGET


@BOTH
def test_costs_twice(side: int) -> None:
    made = bars([*quiet(1), (P, P + 5, P - 4, P + 3), (P + 3, P + 14, P + 2, P + 9)])
    made = made if side > 0 else mirrored(made)
    played = play(made, predictions(3, {0: (side, 0.75)}), lane(simulation={"cost_multiple": 2.0}))
    assert ledger(played) == (1625, 125, 168, 1332)


def test_two_contracts_pay_for_two() -> None:
    # $1,200: tier 2; floor(24.00 / 7.50) = 3 -> 2; gross 2 x 16.25, slippage 2 x 1.25, commission 4 x 0.42
    made = bars([*quiet(1), (P, P + 5, P - 4, P + 3), (P + 3, P + 14, P + 2, P + 9)])
    played = play(made, predictions(3, {0: SURE}), account=with_cash(120_000))
    assert ledger(played) == (3250, 250, 168, 2832)
    assert played.cash == 122_832


@BOTH
def test_time_exit_at_the_open_after_so_many_bars(side: int) -> None:
    # three bars held, then the next open at 2: out at 2 - 1 = 1: points 0; gross 2.50, slippage 2.50; net -0.84
    made = bars([*quiet(4), (P + 2, P + 3, P + 1, P + 2)])
    made = made if side > 0 else mirrored(made)
    played = play(made, predictions(5, {0: (side, 0.75)}), lane(policy={"hold_bars": 3}))
    assert played.when(Action.EXIT) == [3]
    assert ledger(played) == (250, 250, 84, -84)
    trade = played.trades[0]
    assert (trade["reason"], trade["bars"], trade["exit_ns"]) == (Reason.TIME, 3, DAY.ny(9, 34))
    assert trade["exit_ns"] - trade["entry_ns"] == 3 * MINUTE


def test_hold_is_the_label_s_horizon() -> None:
    played = play(bars(quiet(9)), predictions(9, {0: SURE}), lane(labels={"horizon": 4}))
    assert played.trades["bars"][0] == 4


@BOTH
def test_opposite_prediction_exits(side: int) -> None:
    made = bars(quiet(4))
    made = made if side > 0 else mirrored(made)
    played = play(made, predictions(4, {0: (side, 0.75), 2: (-side, 0.65)}))
    # entry 1, out at the open of bar 3: 0 - 1 = -1: points -2 x 1.25 = -2.50, net -3.34
    assert ledger(played) == (0, 250, 84, -334)
    assert played.trades["reason"][0] == Reason.SIGNAL
    assert played.when(Action.ENTER) == [0]


@BOTH
def test_reversal(side: int) -> None:
    # long from 1; bar 2 closes at 4, reversed at the open of bar 3 (4): out at 3: points 2: gross 5.00, net 1.66
    # short from 4 - 1 = 3, stop 9, target -9; bar 4 falls to -10: 12 ticks: gross 16.25, net 14.16
    rows = [*quiet(2), (P, P + 5, P - 1, P + 4), (P + 4, P + 5, P + 3, P + 4), (P + 4, P + 4, P - 10, P - 6)]
    made = bars(rows)
    made = made if side > 0 else mirrored(made)
    played = play(made, predictions(5, {0: (side, 0.75), 2: (-side, 0.80)}))
    assert ledger(played, 0) == (500, 250, 84, 166)
    assert ledger(played, 1) == (1625, 125, 84, 1416)
    assert played.trades["side"].tolist() == [side, -side]
    assert played.trades["reason"].tolist() == [Reason.REVERSAL, Reason.TARGET]
    assert played.trades["exit_ns"][0] == played.trades["entry_ns"][1] == DAY.ny(9, 33)
    assert ticks(played, side, 1) == (3, -9, 9, -9)
    assert played.account["trades"][0] == 2, "a reversal is a trade"
    assert played.cash == 100_000 + 166 + 1416


def test_at_most_two_reversals_inside_the_range() -> None:
    # every bar spans 16,000 +- 1, the range at the first reversal; the third only exits. Each reversal loses 3.34
    flips = {0: (1, 0.75), 2: (-1, 0.80), 4: (1, 0.80), 6: (-1, 0.80)}
    by = lane(risk={"pause_losses": 5, "long_pause_losses": 5})
    played = play(bars(quiet(9)), predictions(9, flips), by)
    assert played.when(Action.REVERSE) == [2, 4]
    assert played.when(Action.EXIT) == [6]
    assert played.gate(6) is Gate.REVERSALS
    assert played.trades["net_cents"].tolist() == [-334] * 3


def test_a_close_outside_the_range_starts_the_count_again() -> None:
    flips = {0: (1, 0.75), 2: (-1, 0.80), 4: (1, 0.80), 6: (-1, 0.80)}
    by = lane(risk={"pause_losses": 5, "long_pause_losses": 5})
    rows = quiet(9)
    rows[5] = (P, P + 2, P - 1, P + 2)
    assert play(bars(rows), predictions(9, flips), by).when(Action.REVERSE) == [2, 4, 6]


def test_the_range_is_the_one_of_the_first_reversal() -> None:
    # the first at bar 2, range 16,000 +- 1; the second at bar 4, whose range is +- 4: a close at 3 is outside the first
    flips = {0: (1, 0.75), 2: (-1, 0.80), 4: (1, 0.80), 6: (-1, 0.80)}
    by = lane(risk={"pause_losses": 5, "long_pause_losses": 5})
    rows = quiet(9)
    rows[4], rows[6] = (P, P + 4, P - 4, P), (P, P + 3, P - 1, P + 3)
    assert play(bars(rows), predictions(9, flips), by).when(Action.REVERSE) == [2, 4, 6]


def test_third_loss_by_reversal_only_exits() -> None:
    flips = {0: (1, 0.75), 2: (-1, 0.80), 4: (1, 0.80), 6: (-1, 0.80)}
    played = play(bars(quiet(9)), predictions(9, flips))
    assert played.when(Action.REVERSE) == [2, 4]
    flips = {0: (1, 0.75), 2: (-1, 0.65), 4: (1, 0.75), 6: (-1, 0.65), 8: (1, 0.75), 10: (-1, 0.80)}
    played = play(bars(quiet(13)), predictions(13, flips))
    assert (played.when(Action.REVERSE), played.gate(10)) == ([], Gate.PAUSE)


def test_thirty_seconds_of_cooldown() -> None:
    """One-second bars: out at second 3, so no entry before second 33; a reversal is no way round it."""
    by = lane(**SECONDS)
    made = bars(quiet(60), step_ns=1_000_000_000)
    signals = dict.fromkeys(range(60), SURE) | {2: (-1, 0.65)}
    played = play(made, predictions(60, signals), by)
    assert played.when(Action.ENTER)[:2] == [0, 32]
    assert {played.gate(index) for index in range(3, 32)} == {Gate.COOLDOWN}

    flips = {0: (1, 0.75), 2: (-1, 0.80), 4: (1, 0.80)}
    played = play(made, predictions(60, flips), by)
    assert played.when(Action.REVERSE) == [2]
    assert (played.when(Action.EXIT), played.gate(4)) == ([4], Gate.COOLDOWN)


def losing(n: int) -> np.ndarray:
    """Bars that all stop a long position on its entry bar."""
    return bars([(P, P + 1, P - 10, P)] * n)


def test_pauses_after_three_and_five_losses() -> None:
    # each loss 9.59. Bars 1, 3 and 5 lose (a bar of cooldown between); out at 09:36, so 15 minutes to 09:51: bar 20.
    # The fourth is out at 09:52: to 10:07, bar 36; the fifth at 10:08, 30 minutes: to 10:38, bar 67.
    # After five: 47.95 lost; a sixth would reach 57.54 > 50: look-ahead, never DAY_LOSS.
    played = play(losing(70), predictions(70, dict.fromkeys(range(70), SURE)))
    assert played.when(Action.ENTER) == [0, 2, 4, 20, 36]
    assert played.trades["net_cents"].tolist() == [-959] * 5
    assert {played.gate(index) for index in (*range(6, 20), *range(22, 36), *range(38, 67))} == {Gate.PAUSE}
    assert {played.gate(index) for index in range(67, 70)} == {Gate.LOOK_AHEAD_DAY}
    assert played.account["day_halt"][0] == 0


def test_a_win_and_a_session_reset_the_losses() -> None:
    made = losing(10)
    made["high"][5], made["low"][5] = P + 14, P  # the third trade wins
    played = play(made, predictions(10, dict.fromkeys(range(10), SURE)))
    assert played.when(Action.ENTER) == [0, 2, 4, 6, 8]
    assert (played.trades["net_cents"][2], played.account["losses"][0]) == (1416, 2)
    again = play(losing(4), predictions(4, dict.fromkeys(range(4), SURE)), account=played.account)
    assert again.when(Action.ENTER) == [0, 2], "a new session counts from zero"


def test_at_most_ten_trades() -> None:
    made = bars([(P, P + 14, P - 1, P)] * 40)  # every trade wins on its entry bar
    played = play(made, predictions(40, dict.fromkeys(range(40), SURE)), lane(risk={"capital": 1000}))
    assert played.trades.size == 10 and played.gate(39) is Gate.MAX_TRADES


def test_day_loss_by_a_gap() -> None:
    # in at 1; bar 2 opens at -45: out at -46: 47 ticks 58.75 + 0.84 = 59.59 lost: no trade until the next session
    made = bars([*quiet(2), (P - 45, P - 44, P - 46, P - 45), *quiet(40, P - 45)])
    signals = predictions(made.size, dict.fromkeys(range(made.size), SURE))
    played = play(made, signals)
    assert played.trades["net_cents"].tolist() == [-5959]
    assert {played.gate(index) for index in range(2, made.size)} == {Gate.DAY_LOSS}
    later = play(made[:2], signals[:2], account=played.account)
    assert later.when(Action.ENTER) == [0]


def test_day_drawdown_flattens() -> None:
    # limit 20.00: peak 1010.41 as above; close at -6: 17 x 1.25 = 21.25 below it: out at the next open, -6 - 1 = -7
    # points -8 x 1.25 = -10.00; net -10.84; nothing more today
    by = lane(policy={"stop": {"kind": "fixed", "fixed_ticks": 12}}, risk={"day_drawdown": 0.02, "per_trade": 0.019})
    made = bars([*quiet(1), (P, P + 11, P, P + 11), (P + 11, P + 11, P - 6, P - 6), *quiet(3, P - 6)])
    played = play(made, predictions(6, dict.fromkeys(range(6), SURE), move=40.0), by)
    assert (played.when(Action.FLATTEN), played.trades["reason"][0]) == ([2], Reason.LIMIT)
    assert ledger(played)[3] == -1084
    assert {played.gate(index) for index in range(2, 6)} == {Gate.DAY_DRAWDOWN}


def test_account_drawdown_asks_for_a_review_and_later_sessions_are_flat() -> None:
    # the account's peak was 1,190.00; a gap loses 59.59 from 1,000.00: drawdown 249.59 >= 200
    made = bars([*quiet(2), (P - 45, P - 44, P - 46, P - 45), *quiet(3, P - 45)])
    signals = predictions(made.size, dict.fromkeys(range(made.size), SURE))
    played = play(made, signals, account=with_cash(100_000, peak_cents=119_000))
    assert (played.account["review"][0], played.account["kill"][0]) == (1, 0)
    assert played.gate(2) is Gate.REVIEW
    later = play(made, signals, account=played.account)
    assert later.trades.size == 0 and later.cash == played.cash
    assert {later.gate(index) for index in range(made.size)} == {Gate.REVIEW}


def test_kill_switch() -> None:
    # 720.00 left; a gap loses 59.59: 660.41, 339.59 below the capital
    made = bars([*quiet(2), (P - 45, P - 44, P - 46, P - 45), *quiet(3, P - 45)])
    signals = predictions(made.size, dict.fromkeys(range(made.size), SURE))
    played = play(made, signals, account=with_cash(72_000))
    assert (played.account["kill"][0], played.cash) == (1, 66_041)
    assert play(made, signals, account=played.account).trades.size == 0


@pytest.mark.parametrize(
    ("day", "flat"),
    [
        (DAY.date, (16, 30)),
        (date(2021, 6, 25), (15, 45)),  # the last pause at 16:15
        (date(2021, 11, 26), (12, 45)),  # closes at 13:15
    ],
)
def test_end_of_day(day: date, flat: tuple[int, int]) -> None:
    """In 20 minutes before flat, out at the first open from five minutes before; nothing after."""
    found = session("MES", day)
    first = found.ny(*flat) - 22 * MINUTE
    made = bars(quiet(40), day=found)
    made["ts_ns"] = first + np.arange(40) * MINUTE
    by = lane(hours="all", policy={"hold_bars": 99})
    played = play(made, predictions(40, dict.fromkeys(range(40), SURE)), by, account=with_cash(150_000), day=found)
    trade = played.trades[0]
    assert played.trades.size == 1
    assert (trade["contracts"], trade["reason"]) == (1, Reason.END_OF_DAY), "half size"
    assert trade["entry_ns"] == found.ny(*flat) - 21 * MINUTE
    assert trade["exit_ns"] == found.ny(*flat) - 5 * MINUTE
    assert {played.gate(index) for index in range(17, 40)} == {Gate.END_OF_DAY}


@BOTH
def test_latency(side: int) -> None:
    # one bar late: in at the open of bar 2 (2 ticks up), out at the open of bar 5 after the exit at the close of bar 3
    made = bars([*quiet(2), *quiet(6, P + 2)])
    made = made if side > 0 else mirrored(made)
    by = lane(simulation={"latency_bars": 1}, policy={"hold_bars": 2})
    played = play(made, predictions(8, {0: (side, 0.75)}), by)
    trade = played.trades[0]
    assert (trade["entry_ns"], trade["exit_ns"], trade["bars"]) == (DAY.ny(9, 32), DAY.ny(9, 35), 3)
    assert ticks(played, side)[:2] == (3, 1)
    assert played.gate(1) is Gate.WORKING and played.gate(4) is Gate.WORKING


def test_latency_runs_in_carried_seconds_too() -> None:
    made = bars(quiet(6), step_ns=1_000_000_000)
    made["carried"][1:3] = 1
    by = lane(**SECONDS | {"simulation": {"slippage_thin": 1, "latency_bars": 1}})
    played = play(made, predictions(6, {0: SURE}), by)
    assert played.trades["entry_ns"][0] == made["ts_ns"][3], "the second of latency passed while nothing traded"


def test_a_stop_fills_while_a_reversal_is_under_way() -> None:
    # latency 1: reversal decided at bar 2, the stop at -5 is hit in bar 3: out at -6, the entry lapses
    made = bars([*quiet(3), (P, P, P - 5, P - 5), *quiet(3, P - 5)])
    by = lane(simulation={"latency_bars": 1})
    played = play(made, predictions(7, {0: SURE, 2: (-1, 0.80)}), by)
    assert played.when(Action.REVERSE) == [2]
    assert played.trades["reason"].tolist() == [Reason.STOP]
    assert played.gate(4) is not Gate.WORKING


def test_a_stop_fills_while_an_exit_is_under_way() -> None:
    made = bars([*quiet(3), (P, P, P - 5, P - 5), *quiet(3, P - 5)])
    by = lane(simulation={"latency_bars": 1})
    played = play(made, predictions(7, {0: SURE, 2: (-1, 0.65)}), by)
    assert (played.when(Action.EXIT), played.trades["reason"].tolist()) == ([2], [Reason.STOP])
    assert played.gate(4) is not Gate.WORKING


def test_an_entry_lapses_when_the_market_is_away() -> None:
    made = bars(quiet(6))
    made["ts_ns"][1:] += MINUTE  # the minute after the decision is missing
    played = play(made, predictions(6, {0: SURE, 2: SURE}))
    assert played.when(Action.ENTER) == [0, 2]
    assert played.gate(1) is not Gate.WORKING, "the first order is gone"
    assert played.trades["entry_ns"].tolist() == [made["ts_ns"][3]]


@pytest.mark.parametrize(("away", "fills"), [(4, True), (5, False)])
def test_an_entry_lapses_after_five_seconds(away: int, fills: bool) -> None:
    made = bars(quiet(20), step_ns=1_000_000_000)
    made["carried"][1 : 1 + away] = 1
    played = play(made, predictions(20, {0: SURE}), lane(**SECONDS))
    assert (played.trades.size == 1) is fills


def test_a_reversal_s_entry_lapses_but_its_exit_fills() -> None:
    made = bars(quiet(6))
    made["ts_ns"][3:] += MINUTE
    played = play(made, predictions(6, {0: SURE, 2: (-1, 0.80)}))
    assert played.trades["reason"].tolist() == [Reason.REVERSAL]
    assert played.trades["exit_ns"][0] == made["ts_ns"][3]


def test_carried_bars_fill_nothing() -> None:
    """A stop inside the range of a carried bar (which cannot be) is not touched; the open position waits."""
    made = bars(quiet(4), step_ns=1_000_000_000)
    made["carried"][2], made["low"][2] = 1, P - 50
    played = play(made, predictions(4, {0: SURE}), lane(**SECONDS))
    assert played.trades["reason"].tolist() == [Reason.SESSION_END]


@BOTH
def test_session_end_closes_what_is_open(side: int) -> None:
    # in at 1, the last close 3, less a tick: out at 2: points 1: gross 3.75, slippage 2.50, net 0.41
    made = bars([*quiet(1), (P, P + 3, P - 1, P + 3)])
    made = made if side > 0 else mirrored(made)
    played = play(made, predictions(2, {0: (side, 0.75), 1: (side, 0.75)}))
    assert ledger(played) == (375, 250, 84, 41)
    assert (played.trades["reason"][0], played.trades["exit_ns"][0]) == (Reason.SESSION_END, DAY.ny(9, 32))
    assert played.account["equity_cents"][0] == played.cash == 100_041


def test_an_entry_at_the_last_bar_lapses() -> None:
    played = play(bars(quiet(1)), predictions(1, {0: SURE}))
    assert played.when(Action.ENTER) == [0] and played.trades.size == 0
    assert played.account["working"][0] == Action.HOLD and played.cash == 100_000


def test_no_bars() -> None:
    played = play(bars([]), predictions(0, {}))
    assert played.trades.size == 0 and played.cash == 100_000
