"""Days on which a limit is met: the account's, the firm's and those of an unusual market; to the cent, both sides.

Entry at 16,000 + 1 of slippage = 1. With a cost multiple of 0 there is no commission, so that $50.00 is 40 ticks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalper.policy import Action, Gate, Reason, rules
from scalper.policy.account import clear_review, deposit, reset_kill
from scalper.settings import Lane
from tests.policy.support import P, Played, auxes, bars, lane, mirrored, norms, play, predictions, quiet, with_cash

pytestmark = pytest.mark.kernel
BOTH = pytest.mark.parametrize("side", [1, -1])
FREE = {"cost_multiple": 0.0}


def day(
    side: int, rows: list[tuple[int, int, int, int]], by: Lane, *, account: np.ndarray | None = None,
    every: bool = True, **given: Any,
) -> Played:  # fmt: skip
    """Bars in ticks from 16,000 in the position's favour; a signal at every close, or at the first one only."""
    made = bars([tuple(P + tick for tick in row) for row in [(0, 1, -1, 0), *rows]])
    made = made if side > 0 else mirrored(made)
    signals = dict.fromkeys(range(made.size) if every else [0], (side, 0.75))
    return play(made, predictions(made.size, signals, move=90.0), by, account=account, **given)


# ---------------------------------------------------------------------- the day


@BOTH
@pytest.mark.parametrize(("opens", "net", "halted"), [(-37, -4_875, False), (-38, -5_000, True)])
def test_the_losing_trade_that_makes_fifty_dollars(side: int, opens: int, net: int, halted: bool) -> None:
    # in at 1; bar 2 opens through the stop at -38: out at -39: 40 ticks, exactly 50.00 lost: no trade until tomorrow.
    # A tick less is 48.75: the next entry would risk 7.50 + 1.25 = 8.75, 57.50 in all, so it is refused, not halted.
    by = lane(simulation=FREE)
    rows = [(0, 1, -1, 0), (opens, opens + 1, opens - 1, opens), *[(opens, opens + 1, opens - 1, opens)] * 3]
    played = day(side, rows, by)
    assert played.ledger() == (net + 250, 250, 0, net)
    gates = [played.gate(index) for index in range(2, 6)]
    expected = [Gate.DAY_LOSS] * 4 if halted else [Gate.COOLDOWN, *[Gate.LOOK_AHEAD_DAY] * 3]
    assert gates[1:] == expected[1:] and (gates[0] is Gate.DAY_LOSS) is halted
    assert (played.account["day_halt"][0] == Gate.DAY_LOSS) is np.bool_(halted)
    tomorrow = day(side, [(0, 1, -1, 0)] * 2, by, account=played.account)
    assert tomorrow.when(Action.ENTER) == [0]


@BOTH
@pytest.mark.parametrize(("close", "cash"), [(-14, 97_625), (-15, 97_500)])
def test_an_open_loss_counts_with_the_cost_of_exiting(side: int, close: int, cash: int) -> None:
    # limit 25.00. In at 1 with a stop at -17: W is 18 + 1 ticks, 23.75. At the close of bar 2 the volatility is nine
    # times its norm: four ticks to get out. A close of -15 is 16 + 4 = 20 ticks, exactly 25.00 below the start: out at
    # the next open -15 - 4 = -19: 20 ticks lost. A close of -14 is a tick short: held to the end, out at -14 - 4 = -18
    by = lane(policy={"stop": {"kind": "fixed", "fixed_ticks": 18, "max_ticks": 20}, "market": {"times": 1.0}},
              simulation=FREE, risk={"per_trade": 0.024, "day_loss": 0.025})  # fmt: skip
    aux = auxes(4)
    aux["volatility_ticks"][2:] = 36.0
    rows = [(0, 1, -1, 0), (0, 1, close, close), (close, close, close, close)]
    played = day(side, rows, by, every=False, aux=aux)
    assert played.cash == cash
    assert played.decisions["equity_cents"][2] == cash
    if close == -15:
        assert (played.when(Action.FLATTEN), played.gate(2), played.gate(3)) == ([2], Gate.DAY_LOSS, Gate.DAY_LOSS)
        assert (played.decisions["value"][2], played.decisions["bound"][2]) == (25.0, 25.0)
    else:
        assert played.when(Action.FLATTEN) == []


@BOTH
def test_a_trade_of_nothing_is_neither_a_loss_nor_a_win(side: int) -> None:
    # the first is stopped at -6: 8.75 lost; the second is in at 1 and, a bar later, out at 2 - 1 = 1: nothing
    made = bars([tuple(P + tick for tick in row) for row in
                 [(0, 1, -1, 0), (0, 1, -9, 0), (0, 1, -1, 0), (0, 1, -1, 0), (2, 2, 1, 2)]])  # fmt: skip
    made = made if side > 0 else mirrored(made)
    by = lane(simulation=FREE, policy={"hold_bars": 1})
    played = play(made, predictions(5, {0: (side, 0.75), 2: (side, 0.75)}), by)
    assert played.trades["net_cents"].tolist() == [-875, 0]
    assert played.account["losses"][0] == 1


# -------------------------------------------------------- what a person may change


def crash(by: Lane, account: np.ndarray) -> Played:
    """In at 1, out at -46: 47 ticks 58.75 and 0.84."""
    return day(1, [(0, 1, -1, 0), (-45, -44, -46, -45), *[(-45, -44, -46, -45)] * 3], by, account=account)


def test_a_kill_ends_all_sessions_until_it_is_reset() -> None:
    # 720.00 - 59.59 = 660.41: 339.59 lost, which the reset forgives
    by = lane(risk={"floor": 0.1})
    killed = crash(by, with_cash(72_000))
    assert (killed.account["kill"][0], killed.cash) == (1, 66_041)
    assert day(1, [(0, 1, -1, 0)] * 2, by, account=killed.account).trades.size == 0
    again = day(1, [(0, 1, -1, 0)] * 2, by, account=reset_kill(killed.account, rules(by)))
    assert again.when(Action.ENTER) == [0] and again.account["kill"][0] == 0
    assert again.account["forgiven_cents"][0] == 33_959


def test_a_review_ends_all_sessions_until_it_is_cleared() -> None:
    by = lane()
    reviewed = crash(by, with_cash(100_000, peak_cents=119_000))
    assert (reviewed.account["review"][0], reviewed.cash) == (1, 94_041)
    assert day(1, [(0, 1, -1, 0)] * 2, by, account=reviewed.account).trades.size == 0
    again = day(1, [(0, 1, -1, 0)] * 2, by, account=clear_review(reviewed.account))
    assert again.when(Action.ENTER) == [0] and again.account["peak_cents"][0] == 94_041


def test_a_deposit_buys_no_second_chance_of_the_day() -> None:
    # 59.59 lost of 1,000.00; 500.00 are paid in: the next session starts at 1,440.41 and its limit is still 50.00
    by = lane()
    paid = deposit(crash(by, with_cash(100_000)).account, rules(by), 50_000)
    assert (paid["cash_cents"][0], paid["deposits_cents"][0]) == (144_041, 50_000)
    later = crash(by, paid)  # two contracts: 119.18
    assert later.cash == 144_041 - 2 * 5_959
    assert later.gate(3) is Gate.DAY_LOSS and later.account["kill"][0] == 0


# ---------------------------------------------------------------------- the firm


def firm(profile: str, loss: float, **risk: float) -> Lane:
    return lane(risk={"firm": {"profile": profile, "maximum_loss": loss}} | risk, simulation=FREE)


@BOTH
@pytest.mark.parametrize("profile", ["topstep", "apex"])
@pytest.mark.parametrize(("opens", "fires"), [(-37, 0), (-38, 1)])
def test_a_gap_to_the_firm_s_level_ends_the_account(side: int, profile: str, opens: int, fires: int) -> None:
    # 50.00 may be lost. In at 1, bar 2 opens through the stop: out a tick below: 40 ticks from -38, 39 from -37
    by = firm(profile, 50, day_loss=0.2, day_drawdown=0.2)
    played = day(side, [(0, 1, -1, 0), (opens, opens, opens, opens)], by, every=False)
    assert (played.cash, played.account["firm"][0]) == (100_000 + (opens - 2) * 125, fires)
    later = day(side, [(0, 1, -1, 0)], by, account=played.account)
    assert (later.trades.size, later.gate(0)) == (0, Gate.FIRM if fires else Gate.LOOK_AHEAD_FIRM)


@BOTH
@pytest.mark.parametrize(("worst", "fires"), [(0, 0), (-1, 1)])
def test_the_firm_ends_a_position_at_the_next_open(side: int, worst: int, fires: int) -> None:
    # apex, 10.00 may be lost (W is 8.75). In at 1; bar 1 reaches 7: 6 ticks, a peak of 1,007.50 and a level of 997.50,
    # which a low of -1 touches: out at the open of bar 2: 2 - 1 = 1: points 0: gross 2.50, slippage 2.50, net 0
    by = firm("apex", 10, per_trade=0.009)
    played = day(side, [(0, 7, worst, 3), (2, 3, 2, 3), (3, 3, 3, 3)], by)
    assert played.account["firm"][0] == fires
    assert played.account["firm_peak_cents"][0] == 100_750
    assert played.trades["reason"].tolist() == [Reason.LIMIT if fires else Reason.SESSION_END]
    if fires:
        assert (played.gate(1), played.ledger()) == (Gate.FIRM, (250, 250, 0, 0))
        assert {played.gate(index) for index in (2, 3)} == {Gate.FIRM}
        assert day(side, [(0, 1, -1, 0)] * 2, by, account=played.account).trades.size == 0


@BOTH
def test_the_level_trails_from_one_session_to_the_next(side: int) -> None:
    # a winner of 12 ticks: in at 1, target 13, through 14: 15.00. Topstep: the peak is the cash at the session's end
    by = firm("topstep", 26)
    won = day(side, [(0, 5, -1, 4), (4, 14, 4, 12)], by, every=False)
    assert (won.cash, won.account["firm_peak_cents"][0]) == (101_500, 101_500)
    lost = day(side, [(0, 1, -5, 0), (0, 1, -1, 0)], by, account=won.account, every=False)
    assert lost.cash < 101_500 and lost.account["firm_peak_cents"][0] == 101_500, "it never falls"
    held = day(side, [(0, 11, -1, 4), (4, 5, 3, 4)], firm("apex", 26), every=False)
    assert held.account["firm_peak_cents"][0] == 101_250, "10 ticks open at best"


@BOTH
def test_the_better_extreme_of_the_bar_that_stops(side: int) -> None:
    # apex, 10.00 may be lost. Bar 2 rises to 12 (11 ticks: a peak of 1,013.75 and a level of 1,003.75) and falls
    # through the stop at -5: out at -6, 991.25 left: below the level
    played = day(side, [(0, 1, -1, 0), (0, 12, -5, 0)], firm("apex", 10, per_trade=0.009), every=False)
    assert (played.trades["reason"].tolist(), played.cash) == ([Reason.STOP], 99_125)
    assert played.account["firm"][0] == 1


@BOTH
@pytest.mark.parametrize(("worst", "fires"), [(3, 1), (4, 0)])
def test_the_worse_extreme_of_the_bar_that_pays(side: int, worst: int, fires: int) -> None:
    # apex, 12.00 may be lost. Out at the target 13: 1,015.00, a level of 1,003.00. Before that the same bar was as high
    # as at 13 and then, the position still open, at 3: 10 ticks lower, 1,002.50; at 4 it is 1,003.75
    by = firm("apex", 12, per_trade=0.009)
    played = day(side, [(0, 8, 0, 7), (7, 14, worst, 12)], by, every=False)
    assert (played.trades["reason"].tolist(), played.cash) == ([Reason.TARGET], 101_500)
    assert played.account["firm"][0] == fires


# ------------------------------------------------------------- an unusual market


@BOTH
def test_slippage_is_what_was_expected_at_the_close_before(side: int) -> None:
    # volatility 24 at bar 0 is six times its norm: three ticks in (0 + 3), the stop 16 below at -13; at bar 1 it is
    # usual again, so the time exit decided at bar 2 slips one: out at 0 - 1 = -1: points -4; slippage 4; gross 0
    by = lane(policy={"market": {"times": 1.0}, "hold_bars": 2})
    aux = auxes(5)
    aux["volatility_ticks"][0] = 24.0
    played = day(side, [(0, 1, -1, 0)] * 4, by, every=False, aux=aux)
    assert played.ticks(side) == (3, -1, -13, 35)
    assert played.ledger() == (0, 500, 84, -584)
    assert played.decisions["slippage"].tolist() == [3, 1, 1, 1, 1]


@BOTH
def test_a_thin_market_slips_two(side: int) -> None:
    # in at 2, stop -4; bar 1 falls to -4: out at -4 - 2 = -6: points -8: -10.00; slippage 5.00; gross -5.00
    by = lane(policy={"market": {"times": 1.0}})
    played = day(side, [(0, 1, -4, 0)], by, every=False, usual=norms(4.0, 1_001.0))
    assert played.ticks(side)[:3] == (2, -6, -4)
    assert played.ledger() == (-500, 500, 84, -1084)


@BOTH
@pytest.mark.parametrize(("mode", "entry"), [("realistic", 3), ("conservative", 4), ("optimistic", 0)])
def test_the_mode_is_on_top_of_what_is_expected(side: int, mode: str, entry: int) -> None:
    by = lane(policy={"market": {"times": 1.0}}, simulation={"mode": mode})
    played = day(side, [(0, 1, -1, 0)], by, every=False, aux=auxes(2, atr=24.0))
    assert played.ticks(side)[0] == entry
    assert played.decisions["slippage"][0] == 3, "the policy expects the same"


def test_nothing_is_known_nothing_is_traded_by_one_contract() -> None:
    made = bars(quiet(5))
    played = play(made, predictions(5, dict.fromkeys(range(5), (1, 0.75))), usual=norms(np.nan, np.nan))
    assert {played.gate(index) for index in range(5)} == {Gate.SIZE_MARKET}
