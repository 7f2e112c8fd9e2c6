"""Part of the position taken at one stop's distance, and orders that a bar's volume fills in parts; to the cent.

With $1,200.00 two contracts are traded. Entry at 16,000 + 1 of slippage = 1, stop -5, first part at 7, target 13.
"""

from __future__ import annotations

from typing import Any

import pytest

from scalper.policy import Action, Gate, Reason
from tests.policy.support import DAY, MINUTE, P, Played, bars, lane, mirrored, norms, play, predictions, with_cash

pytestmark = pytest.mark.kernel
BOTH = pytest.mark.parametrize("side", [1, -1])
SECOND = 1_000_000_000
HALF = {"policy": {"partial": 0.5, "hold_bars": 99}}
USUAL_SECONDS = {"interval": "1s", "policy": {"market": {"times": 1.0}, "hold_bars": 99}}


def day(
    side: int, rows: list[tuple[int, int, int, int]], *, cash: int = 120_000, volume: int = 100,
    signals: dict[int, tuple[int, float]] | None = None, **changes: Any,
) -> Played:  # fmt: skip
    """Bars in ticks from 16,000 in the position's favour, a signal at the first close; upside down for a short."""
    by = lane(**changes)
    made = bars([tuple(P + tick for tick in row) for row in [(0, 1, -1, 0), *rows]], step_ns=by.interval_ns)
    made["volume"] = volume
    made = made if side > 0 else mirrored(made)
    given = {0: (1, 0.75)} if signals is None else signals
    forecast = predictions(made.size, {at: (side * way, sure) for at, (way, sure) in given.items()})
    return play(made, forecast, by, account=with_cash(cash))


@BOTH
def test_part_at_one_to_one_and_the_rest_at_the_target(side: int) -> None:
    # bar 2 trades 8, through 7: one contract out at 7; bar 3 trades 14: the other at 13
    # gross (7 + 13) x 1.25 = 25.00; slippage 2 x 1.25; commission 4 x 0.42 = 1.68; net 20.82
    played = day(side, [(0, 5, -1, 4), (4, 8, 4, 7), (7, 14, 6, 12)], **HALF)
    assert played.ledger() == (2500, 250, 168, 2082)
    row = played.trades[0]
    assert (played.trades.size, row["contracts"], row["exits"], row["reason"]) == (1, 2, 2, Reason.TARGET)
    assert played.ticks(side) == (1, 10, -5, 13), "the exit is the average of 7 and 13"
    assert (row["entry_ns"], row["exit_ns"]) == (DAY.ny(9, 31), DAY.ny(9, 34))
    assert played.cash == 122_082 and played.account["trades"][0] == 1
    first = played.decisions[0]
    assert (first["contracts"], first["partial_contracts"], first["partial_ticks"]) == (2, 1, 6)
    # after bar 2: 1,200.00 - 0.84 + 7.50 - 0.42 in cash; open 6 ticks 7.50 - 1.25 - 0.42
    assert played.decisions["equity_cents"][2] == 120_000 - 84 + 750 - 42 + 750 - 167


@BOTH
def test_a_touch_takes_nothing(side: int) -> None:
    # bar 2 touches 7; the last close is 0: two contracts out at -1: points -2 x 2: gross 0, net -5.00 - 1.68
    played = day(side, [(0, 5, -1, 4), (4, 7, 0, 0)], **HALF)
    assert (played.trades["exits"][0], played.ledger()) == (1, (0, 500, 168, -668))
    touched = day(side, [(0, 5, -1, 4), (4, 6, 0, 0)], simulation={"mode": "optimistic"}, **HALF)
    # optimistic: in at 0, part at 6 on the touch, the rest at 0: gross 7.50
    assert (touched.trades["exits"][0], touched.ledger()) == (2, (750, 0, 168, 582))


@BOTH
def test_both_in_one_bar(side: int) -> None:
    played = day(side, [(0, 14, -1, 4)], **HALF)
    assert (played.trades["exits"][0], played.ledger()) == (2, (2500, 250, 168, 2082))


@BOTH
def test_part_and_then_the_stop(side: int) -> None:
    # part at 7, the other stopped at -5 - 1 = -6: points (7 - 1) + (-6 - 1) = -1: -1.25; slippage 3.75; gross 2.50
    played = day(side, [(0, 8, -1, 4), (4, 4, -5, -5)], **HALF)
    assert played.ledger() == (250, 375, 168, -293)
    assert (played.trades["exits"][0], played.trades["reason"][0]) == (2, Reason.STOP)
    assert played.account["losses"][0] == 1, "one position, one loss"


@BOTH
def test_the_stop_comes_before_the_part(side: int) -> None:
    # both out at -6: points -14: -17.50; slippage 4 x 1.25; gross -12.50; net -19.18
    played = day(side, [(0, 8, -5, 4)], **HALF)
    assert (played.trades["exits"][0], played.ledger()) == (1, (-1250, 500, 168, -1918))


@pytest.mark.parametrize(
    ("cash", "partial", "contracts", "part"),
    [(100_000, 0.5, 1, 0), (120_000, 0.5, 2, 1), (120_000, 0.4, 2, 0), (120_000, 0.99, 2, 1), (160_000, 0.67, 3, 2),
     (160_000, 0.34, 3, 1), (160_000, 0.66, 3, 1)],
)  # fmt: skip
def test_the_part_is_rounded_down_and_leaves_one(cash: int, partial: float, contracts: int, part: int) -> None:
    policy = {"partial": partial, "stop": {"kind": "fixed", "fixed_ticks": 4}}
    first = day(1, [], cash=cash, policy=policy).decisions[0]
    assert (first["contracts"], first["partial_contracts"]) == (contracts, part)
    assert first["partial_ticks"] == (4 if part else 0)


def test_no_part_at_or_beyond_the_target() -> None:
    # 1.1 x 4 ticks is 4 as well
    policy = {"partial": 0.5, "reward_to_risk": 1.1, "stop": {"kind": "fixed", "fixed_ticks": 4}}
    first = day(1, [], policy=policy).decisions[0]
    assert (first["contracts"], first["target_ticks"], first["partial_contracts"]) == (2, 4, 0)


def test_a_part_is_no_exit_that_cools_down_or_counts() -> None:
    played = day(1, [(0, 8, -1, 7), (7, 7, 6, 7), (7, 7, 6, 7)], **HALF)
    assert {played.gate(index) for index in (1, 2)} == {Gate.IN_POSITION}


# ------------------------------------------------------- a share of the bar's volume


@BOTH
def test_an_entry_fills_at_several_opens_and_what_is_late_lapses(side: int) -> None:
    # a hundredth of 100: a contract a bar. In minutes the second open is a minute later: too late. One contract.
    # the last close is 0: out at -1: points -2: gross 0, slippage 2.50, commission 0.84
    played = day(side, [(0, 1, -1, 0), (2, 2, 1, 2), (0, 1, -1, 0)], simulation={"volume_share": 0.01})
    assert (played.trades["contracts"][0], played.ledger()) == (1, (0, 250, 84, -334))
    assert played.gate(2) is Gate.IN_POSITION


@BOTH
def test_seconds_fill_one_after_the_other_and_keep_the_first_stop(side: int) -> None:
    # in at 0 + 2 (the first minute is unknown: two ticks) and a second later at 2 + 2; stop 2 - 6 = -4 of both.
    # bar 3 falls to -4: at most one contract a bar: one out at -4 - 2 = -6, the other at the next open 1 - 2 = -1
    # points (-6 - 1) - (2 + 4) = -13: -16.25; slippage 8 x 1.25 = 10.00; gross -6.25; commission 1.68; net -17.93
    rows = [(0, 1, -1, 0), (2, 2, 1, 2), (0, 1, -4, 0), (1, 1, 0, 1), (1, 1, 1, 1)]
    played = day(side, rows, simulation={"volume_share": 0.01}, **USUAL_SECONDS)
    assert played.ledger() == (-625, 1000, 168, -1793)
    row = played.trades[0]
    assert (row["contracts"], row["exits"], row["reason"]) == (2, 2, Reason.STOP)
    assert side * (int(row["stop"]) - P) == -4
    assert (row["entry_ns"], row["exit_ns"]) == (DAY.ny(9, 30) + SECOND, DAY.ny(9, 30) + 4 * SECOND)


@BOTH
def test_an_exit_goes_out_bar_by_bar(side: int) -> None:
    # 150 a bar, a hundredth: one contract. In at 2 and 2 (opens 0 and 0), an opposite signal at bar 3:
    # out at the opens of bars 4 and 5: 1 - 2 = -1 and 3 - 2 = 1: points -3 - 1 = -4: -5.00; slippage 10.00
    rows = [(0, 1, -1, 0), (0, 1, -1, 0), (0, 1, -1, 0), (1, 1, 0, 1), (3, 3, 2, 3), (3, 3, 3, 3)]
    signals = {0: (1, 0.75), 3: (-1, 0.65)}
    played = day(side, rows, volume=150, signals=signals, simulation={"volume_share": 0.01}, **USUAL_SECONDS)
    assert played.when(Action.EXIT) == [3] and played.gate(4) is Gate.WORKING
    assert played.ledger() == (500, 1000, 168, -668)
    assert (played.trades["exits"][0], played.trades["reason"][0]) == (2, Reason.SIGNAL)


@pytest.mark.parametrize(("volume", "share", "contracts"), [(1, 0.01, 1), (199, 0.01, 1), (200, 0.01, 2), (20, 0.1, 2)])
def test_a_bar_fills_its_share_and_at_least_one(volume: int, share: float, contracts: int) -> None:
    by = lane(simulation={"volume_share": share})
    made = bars([(P, P + 1, P - 1, P)] * 4)
    made["volume"] = volume
    played = play(made, predictions(4, {0: (1, 0.75)}), by, account=with_cash(120_000), usual=norms(4.0, volume))
    assert played.trades["contracts"].tolist() == [contracts]


@BOTH
def test_a_target_fills_its_share_too(side: int) -> None:
    # two contracts in one bar (volume 200); bar 2 trades 14 on a volume of 100: one at 13; bar 3 trades 13 only:
    # nothing; bar 4 trades 15: the other at 13. gross 26 x 1.25 = 32.50
    made = bars([tuple(P + tick for tick in row) for row in
                 [(0, 1, -1, 0), (0, 1, -1, 0), (0, 14, 0, 9), (9, 13, 9, 9), (9, 15, 9, 9)]])  # fmt: skip
    made["volume"] = [200, 200, 100, 100, 100]
    made = made if side > 0 else mirrored(made)
    by = lane(simulation={"volume_share": 0.01})
    played = play(made, predictions(5, {0: (side, 0.75)}), by, account=with_cash(120_000))
    assert played.ledger() == (3250, 250, 168, 2832)
    assert (played.trades["exits"][0], played.trades["exit_ns"][0]) == (2, DAY.ny(9, 35))


def test_an_opposite_signal_calls_off_what_is_left_of_an_entry() -> None:
    # a contract a second; one is in when the opposite signal of bar 1 comes: the other is called off
    rows = [(0, 1, -1, 0), (0, 1, -1, 0), (0, 1, -1, 0)]
    signals = {0: (1, 0.75), 1: (-1, 0.99)}
    played = day(1, rows, signals=signals, simulation={"volume_share": 0.01}, **USUAL_SECONDS)
    assert played.when(Action.EXIT) == [1], "no reversal while an entry fills"
    assert (played.trades["contracts"].tolist(), played.trades["exits"].tolist()) == ([1], [1])
    assert played.account["working_contracts"][0] == 0, "the broker says so"


def test_a_stop_ends_what_is_left_of_an_entry() -> None:
    rows = [(0, 1, -9, 0), (0, 1, -1, 0), (0, 1, -1, 0)]
    played = day(1, rows, simulation={"volume_share": 0.01}, **USUAL_SECONDS)
    assert (played.trades["contracts"].tolist(), played.trades["reason"].tolist()) == ([1], [Reason.STOP])
    assert played.account["working"][0] == Action.HOLD


def test_what_is_taken_on_the_way_leaves_a_contract_open() -> None:
    # a contract a bar: one is in at 1, the other lapses; bar 3 trades 9, through the first part's 7: the one that is
    # left stays, to the last close 6 - 1 = 5: points 4: gross 7.50, slippage 2.50, commission 0.84
    rows = [(0, 1, -1, 0), (0, 1, -1, 0), (0, 9, -1, 6)]
    played = day(1, rows, simulation={"volume_share": 0.01}, **HALF)
    assert (played.trades["contracts"].tolist(), played.trades["exits"].tolist()) == ([1], [1])
    assert played.ledger() == (750, 250, 84, 416)


def test_nothing_is_added_beyond_the_stop() -> None:
    # the first contract is in at 2, its stop at -4; bar 2 opens at -10: it is out at -12, the second never comes
    rows = [(0, 1, -1, 0), (-10, -9, -11, -10), (-10, -9, -11, -10)]
    played = day(1, rows, simulation={"volume_share": 0.01}, **USUAL_SECONDS)
    assert (played.trades["contracts"].tolist(), played.trades["exit_value"].tolist()) == ([1], [P - 12])


def test_a_reversal_by_volume_goes_out_before_it_goes_in() -> None:
    # two in at 9:30:01 and 9:30:02; reversed at bar 3: out at bars 4 and 5; in the other way at bars 6 and 7
    rows = [(0, 1, -1, 0)] * 12
    by = {"policy": {"market": {"times": 1.0}, "hold_bars": 99, "cooldown_s": 0}, "interval": "1s"}
    played = day(1, rows, signals={0: (1, 0.75), 3: (-1, 0.8)}, simulation={"volume_share": 0.01}, **by)
    assert played.when(Action.REVERSE) == [3]
    assert [played.gate(index) for index in (4, 5)] == [Gate.WORKING] * 2
    assert played.trades["side"].tolist() == [1, -1]
    assert played.trades["exit_ns"][0] == DAY.ny(9, 30) + 5 * SECOND
    assert played.trades["entry_ns"][1] == DAY.ny(9, 30) + 6 * SECOND
    assert played.trades["contracts"].tolist() == [2, 2]


@BOTH
def test_a_stop_fills_a_contract_also_where_the_entry_has_used_up_the_bar(side: int) -> None:
    # a contract a bar: in at 1 in the bar that falls to the stop at -5: out at -6: points -7: -8.75; slippage 2.50
    played = day(side, [(0, 1, -5, 0), (0, 1, -1, 0)], simulation={"volume_share": 0.01})
    assert played.ledger() == (-625, 250, 84, -959)
    row = played.trades[0]
    assert (row["contracts"], row["exits"], row["reason"]) == (1, 1, Reason.STOP)
    assert row["exit_ns"] == row["entry_ns"] + MINUTE


@BOTH
def test_the_rest_of_a_stop_knows_neither_stop_nor_target(side: int) -> None:
    # three in at 0 + 2, a contract a second; stop -4, target 14. Bar 4 falls to the stop: one out at -6. Bar 5 opens at
    # -4: one out at -6; its high of 30 and its low of -6 move nothing. Bar 6 opens at 1: the last out at -1
    rows = [(0, 1, -1, 0)] * 3 + [(0, 1, -4, 0), (-4, 30, -6, -4), (1, 1, 1, 1)]
    more = {"risk": {"capital": 2000}, "simulation": {"volume_share": 0.01}}
    played = day(side, rows, cash=200_000, **more, **USUAL_SECONDS)
    row = played.trades[0]
    assert (row["contracts"], row["exits"], row["reason"]) == (3, 3, Reason.STOP)
    assert side * (int(row["exit_value"]) - 3 * P) == -6 - 6 - 1


@BOTH
def test_what_left_at_the_open_was_not_there_for_the_high(side: int) -> None:
    # apex, two contracts: bar 3 falls to the stop at -4: one out; bar 4 opens at -4: the other out, then it rises to 30
    rows = [(0, 1, -1, 0)] * 2 + [(0, 1, -4, 0), (-4, 30, -6, -4)]
    risk = {"capital": 1200, "firm": {"profile": "apex", "maximum_loss": 500}}
    played = day(side, rows, risk=risk, simulation={"volume_share": 0.01}, **USUAL_SECONDS)
    assert (played.trades["contracts"][0], played.trades["exits"][0]) == (2, 2)
    assert played.account["firm_peak_cents"][0] == 120_000


def test_the_rest_of_a_stop_does_not_wait_for_a_reversal() -> None:
    # a second of latency, a contract a second: in at bars 2 and 3; bar 4 falls to the stop: one out, the other at the
    # next open, whatever the prediction of bar 4 says
    rows = [(0, 1, -1, 0), (0, 1, -1, 0), (0, 1, -1, 0), (0, 1, -9, 0), *[(0, 1, -1, 0)] * 5]
    by = {"policy": {"market": {"times": 1.0}, "hold_bars": 99, "cooldown_s": 0}, "interval": "1s"}
    simulation = {"volume_share": 0.01, "latency_bars": 1}
    played = day(1, rows, signals={0: (1, 0.75), 4: (-1, 0.9)}, simulation=simulation, **by)
    assert played.trades["contracts"][0] == 2
    assert played.trades["exit_ns"][0] == DAY.ny(9, 30) + 5 * SECOND
