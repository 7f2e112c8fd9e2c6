"""Every gate of the policy at its bound: one account, one bar, one prediction, one decision."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from scalper.market import session
from scalper.policy import Action, Gate, Reason, changes, rules, trace
from tests.policy.support import DAY, P, auxes, decide, holding, lane, opened, with_cash

pytestmark = pytest.mark.kernel
LONG = (1, 0.75)
ALL = lane(hours="all")


def gate(decision: np.ndarray) -> Gate:
    return Gate(int(decision["gate"]))


def entered(decision: np.ndarray) -> int:
    """Contracts of an entry, 0 if it was refused; a refusal carries no order."""
    if decision["action"] != Action.ENTER:
        assert decision["contracts"] == decision["stop_ticks"] == decision["target_ticks"] == 0
        return 0
    assert gate(decision) is Gate.PASSED and decision["reason"] == Reason.SIGNAL
    return int(decision["contracts"])


@pytest.mark.parametrize("side", [1, -1])
def test_an_entry_says_everything_that_the_broker_needs(side: int) -> None:
    account = with_cash(100_000)
    found = decide(account, (side, 0.75))
    assert entered(found) == 1
    assert (found["side"], found["stop_ticks"], found["target_ticks"]) == (side, 6, 12)
    assert found["ts_ns"] == DAY.ny(10, 31), "decided at the bar's close"
    assert (found["confidence"], found["move_ticks"], found["equity_cents"]) == (0.75, side * 20.0, 100_000)
    assert account["working"][0] == Action.ENTER


@pytest.mark.parametrize(
    ("atr", "stop"),
    [(0.5, 4), (2.6, 4), (2.67, 5), (4.0, 6), (4.01, 7), (10.6, 16), (99.0, 16)],
)
def test_stop_is_the_clipped_multiple_of_volatility(atr: float, stop: int) -> None:
    found = decide(with_cash(100_000), LONG, volatility_ticks=atr, move_ticks=99.0)
    assert (found["stop_ticks"], found["target_ticks"]) == (stop, 2 * stop)


def test_regressors_place_the_stop_by_the_volatility_to_come() -> None:
    """Present volatility 4 ticks, foreseen 8: only a lane whose model foresees it goes by that, and sizes by it."""
    now = auxes(1, atr=4.0)
    plain, foreseeing = lane(), lane(model={"moves": "regressors"})
    for by, stop in ((plain, 6), (foreseeing, 12)):
        found = decide(with_cash(100_000), LONG, by=by, aux=now, volatility_ticks=8.0, move_ticks=99.0)
        assert (found["stop_ticks"], found["target_ticks"]) == (stop, 2 * stop)


def test_fixed_stop() -> None:
    by = lane(policy={"stop": {"kind": "fixed", "fixed_ticks": 9}, "reward_to_risk": 1.5})
    found = decide(with_cash(100_000), LONG, by=by)
    assert (found["stop_ticks"], found["target_ticks"]) == (9, 14)  # 13.5 rounds up


@pytest.mark.parametrize(
    ("cash", "confidence", "atr", "contracts"),
    [
        (100_000, 0.75, 4.0, 1),  # exactly $1,000: one contract
        (100_001, 0.75, 4.0, 2),  # a cent more: the next tier; floor(2000.02 / 750) = 2
        (100_000, 0.95, 2.0, 1),  # the tier caps the multiplier of 2
        (150_000, 0.75, 4.0, 2),
        (150_001, 0.75, 2.0, 3),  # 4-tick stop: W = 5.00 + 1.25 + 0.84 = 7.09, three fit into $25
        (200_000, 0.75, 2.0, 3),
        (200_001, 0.75, 2.0, 3),  # tier 4, but four contracts would risk 28.36 > 25
        (300_001, 0.75, 10.0, 1),  # 15 ticks: floor(4500.01 / 1875) = 2, two contracts risk 41.68: cut to one
        (150_000, 0.80, 4.0, 2),  # 1.5 x 2 = 3, capped by the tier
        (100_001, 0.70, 4.0, 2),  # the band's lower bound is inside
        (100_001, 0.6999, 4.0, 1),  # floor(2 x 0.5)
        (100_001, 0.60, 4.0, 1),
        (150_000, 0.80, 9.0, 1),  # 14 ticks: floor(3000 / 1750) = 1; 1.5 -> 1
        (150_000, 0.90, 7.0, 1),  # 11 ticks: floor(3000 / 1375) = 2 -> 4 -> tier 2; W = 15.84: one fits into $25
    ],
)
def test_size(cash: int, confidence: float, atr: float, contracts: int) -> None:
    found = decide(with_cash(cash), (1, confidence), volatility_ticks=atr, move_ticks=99.0)
    assert entered(found) == contracts


def test_the_trace_names_every_factor_of_the_size() -> None:
    """Tier 4: 4, x 1.5 is 6, cut to 4, to 3 by the risk of a trade, x 0.5 in the last half hour is 1."""
    found = decide(with_cash(250_000), (1, 0.85), by=ALL, volatility_ticks=2.0, at="16:00")
    assert entered(found) == 1
    assert trace(found) == [
        ("size_confidence", 4.0, 6.0), ("size_tier", 6.0, 4.0), ("size_risk", 4.0, 3.0), ("size_time", 3.0, 1.0),
    ]  # fmt: skip
    refused = decide(with_cash(100_000), (1, 0.65))
    assert trace(refused) == [("size_confidence", 0.5, 0.6)]
    assert trace(decide(with_cash(100_000), LONG)) == []
    assert trace(decide(with_cash(100_000), LONG, up=np.nan)) == [("prediction", 0.0, 0.6)]
    assert changes(np.array([found, refused])) == {
        "size_confidence": 1, "size_tier": 1, "size_risk": 1, "size_time": 1, "size_market": 0,
    }  # fmt: skip


def test_tier_reads_the_lower_of_session_start_and_cash() -> None:
    assert entered(decide(with_cash(150_000, start_cents=100_000), LONG)) == 1
    account = with_cash(100_000, start_cents=102_000, session_peak_cents=102_000)
    assert entered(decide(account, LONG)) == 1


@pytest.mark.parametrize("confidence", [0.60, 0.65, 0.6999])
def test_one_contract_trades_nothing_below_070(confidence: float) -> None:
    found = decide(with_cash(100_000), (1, confidence))
    assert entered(found) == 0
    assert gate(found) is Gate.SIZE_CONFIDENCE
    assert (found["value"], found["bound"]) == (0.5, 0.6)


def test_confidence_bound() -> None:
    found = decide(with_cash(150_000), (1, 0.5999))
    assert (gate(found), found["value"], found["bound"]) == (Gate.CONFIDENCE, 0.5999, 0.60)
    assert entered(decide(with_cash(150_000), (1, 0.60))) == 1


def test_expected_move_is_twice_the_round_trip_cost() -> None:
    """Cost: 2 x (1 tick + 0.42 / 1.25 ticks) = 2.672 ticks; twice that is 5.344."""
    bound = decide(with_cash(100_000), LONG, move_ticks=5.343)["bound"]
    assert bound == pytest.approx(5.344, rel=1e-12)
    assert gate(decide(with_cash(100_000), LONG, move_ticks=5.343)) is Gate.EXPECTED_MOVE
    assert entered(decide(with_cash(100_000), LONG, move_ticks=float(bound))) == 1
    assert gate(decide(with_cash(100_000), (-1, 0.75), move_ticks=5.4)) is Gate.EXPECTED_MOVE, "the wrong way"


def test_risk_of_a_trade_can_forbid_every_contract() -> None:
    """20 ticks: W = 25.00 + 1.25 + 0.84 = 27.09 > 25.00; with 18 ticks 24.59 fits."""
    wide = lane(policy={"stop": {"kind": "fixed", "fixed_ticks": 20, "max_ticks": 20}})
    found = decide(with_cash(100_000), LONG, by=wide)
    assert (gate(found), found["value"], found["bound"]) == (Gate.SIZE_RISK, 27.09, 25.0)
    fits = lane(policy={"stop": {"kind": "fixed", "fixed_ticks": 18, "max_ticks": 20}})
    assert entered(decide(with_cash(100_000), LONG, by=fits)) == 1


def test_half_size_from_half_an_hour_before_flat() -> None:
    assert entered(decide(with_cash(100_000), LONG, by=ALL, at="15:58")) == 1
    found = decide(with_cash(100_000), LONG, by=ALL, at="15:59")  # closes at 16:00 = flat - 30 min
    assert (gate(found), found["value"], found["bound"]) == (Gate.SIZE_TIME, 0.5, 1.0)
    assert entered(decide(with_cash(150_000), LONG, by=ALL, at="15:59")) == 1
    assert entered(decide(with_cash(200_000), LONG, by=ALL, at="15:59", volatility_ticks=2.0)) == 1  # floor(3 / 2)


def test_no_entry_from_a_quarter_before_flat() -> None:
    assert entered(decide(with_cash(150_000), LONG, by=ALL, at="16:13")) == 1
    assert gate(decide(with_cash(150_000), LONG, by=ALL, at="16:14")) is Gate.END_OF_DAY


def test_regular_hours() -> None:
    assert gate(decide(with_cash(150_000), LONG, at="09:29")) is Gate.HOURS
    assert entered(decide(with_cash(150_000), LONG, at="09:30")) == 2
    assert entered(decide(with_cash(150_000), LONG, at="15:59")) == 1
    assert gate(decide(with_cash(150_000), LONG, at="16:00")) is Gate.HOURS
    assert entered(decide(with_cash(150_000), LONG, at="09:29", by=ALL)) == 2


@pytest.mark.parametrize(
    ("day", "at", "allowed"),
    [
        (date(2021, 6, 25), "15:28", True),  # a halt at 16:15: flat 15:45, no entry from 15:30
        (date(2021, 6, 25), "15:29", False),
        (date(2021, 6, 28), "15:29", True),  # the first session without it
        (date(2021, 11, 26), "12:28", True),  # closes at 13:15: flat 12:45
        (date(2021, 11, 26), "12:29", False),
    ],
)
def test_no_entry_before_halts_and_early_closes(day: date, at: str, allowed: bool) -> None:
    found = decide(with_cash(150_000), LONG, at=at, day=session("MES", day))
    assert entered(found) == (1 if allowed and day.month == 11 else 1 if allowed and day.day == 25 else 2 * allowed)
    assert allowed or gate(found) is Gate.END_OF_DAY


def test_carried_bar_is_no_entry() -> None:
    assert gate(decide(with_cash(100_000), LONG, bar={"carried": 1})) is Gate.STALE


@pytest.mark.parametrize(
    "fields",
    [
        {"valid": 0},
        {"up": np.nan},
        {"down": np.nan},
        {"flat": np.nan},
        {"move_ticks": np.nan},
        {"move_ticks": np.inf},
        {"volatility_ticks": np.nan},
    ],
)
def test_no_prediction_no_trade(fields: dict[str, float]) -> None:
    assert gate(decide(with_cash(100_000), LONG, **fields)) is Gate.PREDICTION


def test_flat_never_enters() -> None:
    assert gate(decide(with_cash(100_000), (0, 0.0))) is Gate.FLAT
    assert gate(decide(with_cash(100_000), LONG, up=0.45, flat=0.45, down=0.1)) is Gate.FLAT, "a tie"
    assert gate(decide(with_cash(100_000), LONG, up=0.4, flat=0.2, down=0.4)) is Gate.FLAT, "a tie"


@pytest.mark.parametrize(
    ("fields", "gate_", "last"),
    [
        # W of one contract: 6 ticks 7.50 + slippage 1.25 + commission 0.84 = $9.59
        ({"cash_cents": 95_959}, Gate.LOOK_AHEAD_DAY, {"cash_cents": 95_960}),
        ({"session_peak_cents": 106_541}, Gate.LOOK_AHEAD_DRAWDOWN, {"session_peak_cents": 106_540}),
        ({"peak_cents": 119_041}, Gate.LOOK_AHEAD_ACCOUNT, {"peak_cents": 119_040}),
        ({"deposits_cents": 29_041}, Gate.LOOK_AHEAD_KILL, {"deposits_cents": 29_040}),
        ({"trades": 10}, Gate.MAX_TRADES, {"trades": 9}),
        ({"pause_until_ns": DAY.ny(10, 31) + 1}, Gate.PAUSE, {"pause_until_ns": DAY.ny(10, 31)}),
        ({"cooldown_until_ns": DAY.ny(10, 31) + 1}, Gate.COOLDOWN, {"cooldown_until_ns": DAY.ny(10, 31)}),
        # limits that fire at this very close: at the bound, not a cent before
        ({"cash_cents": 95_000}, Gate.DAY_LOSS, {}),
        ({"session_peak_cents": 107_500}, Gate.DAY_DRAWDOWN, {}),
        ({"peak_cents": 120_000}, Gate.REVIEW, {}),
        ({"deposits_cents": 30_000}, Gate.KILL, {}),
        ({"kill": 1}, Gate.KILL, {}),
        ({"review": 1}, Gate.REVIEW, {}),
        ({"day_halt": int(Gate.DAY_LOSS)}, Gate.DAY_LOSS, {}),
        ({"day_halt": int(Gate.DAY_DRAWDOWN)}, Gate.DAY_DRAWDOWN, {}),
    ],
)
def test_limits_at_their_bounds(fields: dict[str, int], gate_: Gate, last: dict[str, int]) -> None:
    found = decide(with_cash(100_000, **fields), LONG)
    assert entered(found) == 0 and gate(found) is gate_
    if last:
        assert entered(decide(with_cash(100_000, **last), LONG)) == 1


@pytest.mark.parametrize(
    ("fields", "flag", "value"),
    [
        ({"cash_cents": 95_001}, "day_halt", 0),
        ({"cash_cents": 95_000}, "day_halt", int(Gate.DAY_LOSS)),
        ({"session_peak_cents": 107_499}, "day_halt", 0),
        ({"session_peak_cents": 107_500}, "day_halt", int(Gate.DAY_DRAWDOWN)),
        ({"peak_cents": 119_999}, "review", 0),
        ({"peak_cents": 120_000}, "review", 1),
        ({"deposits_cents": 29_999}, "kill", 0),
        ({"deposits_cents": 30_000}, "kill", 1),
        ({"deposits_cents": -10_000, "cash_cents": 70_000}, "kill", 0),  # a withdrawal is no loss
    ],
)
def test_limits_fire_at_their_bounds(fields: dict[str, int], flag: str, value: int) -> None:
    account = with_cash(100_000, **fields)
    decide(account, (0, 0.0))
    assert account[flag][0] == value


def test_floor() -> None:
    """Below 70 % of the starting capital, by session start or by cash. Money was withdrawn, so the kill is far."""
    for fields in ({"start_cents": 69_999}, {"cash_cents": 69_999}):
        account = with_cash(80_000, deposits_cents=-20_000, **fields)
        account["start_cents"] = min(account["start_cents"][0], account["cash_cents"][0])
        account["peak_cents"] = account["session_peak_cents"] = 80_000
        account["session_peak_cents"] = account["cash_cents"]
        found = decide(account, LONG)
        assert (gate(found), found["value"], found["bound"]) == (Gate.FLOOR, 699.99, 700.0)
    assert entered(decide(with_cash(70_000, deposits_cents=-20_000), LONG)) == 1


SESSION_COUNTERS = (
    "day_halt", "losses", "pause_until_ns", "cooldown_until_ns", "spread_until_ns", "trades", "reversals", "traded_ns",
    "working", "working_contracts", "last_high", "last_low", "last_volume",
)  # fmt: skip


def test_session_counters_reset_and_nothing_else() -> None:
    account = with_cash(90_000, peak_cents=100_000, review=1, kill=1, deposits_cents=5)
    for name in SESSION_COUNTERS:
        account[name] = 7
    account["start_cents"] = account["session_peak_cents"] = account["equity_cents"] = 1
    opened(account)
    for name in SESSION_COUNTERS:
        assert account[name][0] == 0
    for name in ("start_cents", "session_peak_cents", "equity_cents"):
        assert account[name][0] == 90_000
    for name, kept in (("peak_cents", 100_000), ("review", 1), ("kill", 1), ("deposits_cents", 5)):
        assert account[name][0] == kept


@pytest.mark.parametrize("side", [1, -1])
def test_equity_counts_the_cost_of_exiting(side: int) -> None:
    """Four ticks in favour, two contracts: 2 x (5.00 - 1.25 - 0.42) = 6.66."""
    account = holding(side, contracts=2)
    found = decide(account, (0, 0.0), price=P + 4 * side)
    assert found["equity_cents"] == 100_666
    assert (account["peak_cents"][0], account["session_peak_cents"][0]) == (100_666, 100_666)
    decide(account, (0, 0.0), price=P)
    assert (account["equity_cents"][0], account["peak_cents"][0]) == (100_000 - 334, 100_666)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("confidence", "action", "gate_"),
    [
        (0.5999, Action.HOLD, Gate.IN_POSITION),
        (0.60, Action.EXIT, Gate.SIGNAL_EXIT),
        (0.75, Action.EXIT, Gate.SIGNAL_EXIT),
        (0.7501, Action.REVERSE, Gate.PASSED),
    ],
)
def test_opposite_prediction(side: int, confidence: float, action: Action, gate_: Gate) -> None:
    account = holding(side)
    found = decide(account, (-side, confidence), price=P + 4 * side)
    assert (found["action"], gate(found)) == (action, gate_)
    if action is Action.REVERSE:
        assert (found["side"], found["contracts"], found["reason"]) == (-side, 1, Reason.REVERSAL)
        assert (found["stop_ticks"], found["target_ticks"]) == (6, 12)
    if action is Action.EXIT:
        assert (found["side"], found["contracts"], found["reason"]) == (side, 1, Reason.SIGNAL)
    assert account["working"][0] == action


def test_same_prediction_holds() -> None:
    assert gate(decide(holding(), (1, 0.99))) is Gate.IN_POSITION


@pytest.mark.parametrize(
    ("fields", "prediction", "gate_"),
    [
        ({}, {"move_ticks": -5.0}, Gate.EXPECTED_MOVE),
        ({"trades": 10}, {}, Gate.MAX_TRADES),
        ({"losses": 2}, {}, Gate.PAUSE),  # the loss of this position is the third
        ({"pause_until_ns": DAY.ny(16, 0)}, {}, Gate.PAUSE),
        ({"cooldown_until_ns": DAY.ny(10, 31) + 1}, {}, Gate.COOLDOWN),
        ({"cash_cents": 96_500}, {}, Gate.LOOK_AHEAD_DAY),  # 35.00 lost, 6.67 with this position, 9.59 at risk
        ({"reversals": 2, "reversal_low": P - 9, "reversal_high": P + 9}, {}, Gate.REVERSALS),
    ],
)
def test_refused_reversal_only_exits(fields: dict[str, int], prediction: dict[str, float], gate_: Gate) -> None:
    found = decide(holding(**fields), (-1, 0.80), price=P - 4, **prediction)
    assert (found["action"], found["reason"], gate(found)) == (Action.EXIT, Reason.SIGNAL, gate_)
    assert (found["side"], found["contracts"], found["stop_ticks"]) == (1, 1, 0)


def test_reversal_of_a_winner_is_no_third_loss() -> None:
    """Two ticks in favour: 2.50 - 1.25 - 0.42 leaves 0.83, more than the entry's 0.42: a win. One tick is a loss."""
    assert decide(holding(losses=2), (-1, 0.80), price=P + 2)["action"] == Action.REVERSE
    assert gate(decide(holding(losses=2), (-1, 0.80), price=P + 1)) is Gate.PAUSE


def test_reversal_sizes_with_the_loss_booked() -> None:
    """$1,000.01 would be two contracts; with the position's loss it is below $1,000: one."""
    assert decide(holding(cash=100_001), (-1, 0.80), price=P - 1)["contracts"] == 1
    assert decide(holding(cash=100_500), (-1, 0.80), price=P + 2)["contracts"] == 2


@pytest.mark.parametrize(("last", "low", "high"), [(-1, P, P), (0, P - 7, P + 7)])
def test_the_range_of_reversals_before_a_minute_is_complete_is_the_one_under_way(
    last: int, low: int, high: int
) -> None:
    """A second of a minute that has just begun: 16,000 is all there is of it."""
    account = holding(last_minute=last, last_low=P - 7, last_high=P + 7)
    found = decide(account, (-1, 0.80), by=lane(interval="1s"))
    assert found["action"] == Action.REVERSE
    assert (account["reversal_low"][0], account["reversal_high"][0]) == (low, high)


def test_reversals_count_inside_the_range_only() -> None:
    inside = {"reversals": 1, "reversal_low": P - 9, "reversal_high": P + 9}
    account = holding(**inside)
    assert decide(account, (-1, 0.80), price=P + 4)["action"] == Action.REVERSE
    assert account["reversals"][0] == 2
    for edge, of in ((9, {"stop": P - 30}), (-9, {"stop": P - 30})):
        account = holding(**(inside | {"reversals": 2} | of))
        found = decide(account, (-1, 0.80), price=P + edge)
        assert (found["action"], gate(found)) == (Action.EXIT, Gate.REVERSALS), "its edges are inside"
    account = holding(**(inside | {"reversals": 2}))
    assert decide(account, (-1, 0.80), price=P + 10)["action"] == Action.REVERSE, "outside: counted anew"
    assert account["reversals"][0] == 1
    account = holding(**(inside | {"reversals": 2}))
    decide(account, (0, 0.0), price=P + 10)
    assert account["reversals"][0] == 0, "once left, the range no longer holds"


def test_time_exit() -> None:
    by = lane(labels={"horizon": 10})
    assert gate(decide(holding(bars_held=8), (1, 0.9), by=by)) is Gate.IN_POSITION
    found = decide(holding(bars_held=9), (1, 0.9), by=by)
    assert (found["action"], found["reason"], gate(found)) == (Action.EXIT, Reason.TIME, Gate.TIME_EXIT)


@pytest.mark.parametrize(
    ("at", "latency", "exits"), [("16:23", 0, False), ("16:24", 0, True), ("16:22", 5, False), ("16:23", 5, True)]
)
def test_exits_from_five_minutes_or_a_bar_and_its_latency_before_flat(at: str, latency: int, exits: bool) -> None:
    by = lane(hours="all", simulation={"latency_bars": latency}, policy={"hold_bars": 99})
    found = decide(holding(), (1, 0.9), by=by, at=at)
    assert bool(found["action"] == Action.FLATTEN) is exits
    assert not exits or (found["reason"], gate(found)) == (Reason.END_OF_DAY, Gate.END_OF_DAY)


@pytest.mark.parametrize(
    ("fields", "gate_"),
    [
        ({"start_cents": 104_832}, None),
        ({"start_cents": 104_833}, Gate.DAY_LOSS),  # equity is 100,000 - 167: exactly $50 below the start
        ({"session_peak_cents": 107_333}, Gate.DAY_DRAWDOWN),
        ({"peak_cents": 119_833}, Gate.REVIEW),
        ({"deposits_cents": 30_000}, Gate.KILL),
    ],
)
def test_a_limit_flattens(fields: dict[str, int], gate_: Gate | None) -> None:
    found = decide(holding(**fields), (1, 0.9))
    if gate_ is None:
        assert found["action"] == Action.HOLD
    else:
        assert (found["action"], found["reason"], gate(found)) == (Action.FLATTEN, Reason.LIMIT, gate_)


@pytest.mark.parametrize(
    ("working", "side"), [(Action.EXIT, 1), (Action.REVERSE, 1), (Action.ENTER, 0), (Action.REVERSE, 0)]
)
def test_nothing_new_while_an_order_works(working: Action, side: int) -> None:
    account = with_cash(100_000) if side == 0 else holding(side)
    account["working"] = working
    found = decide(account, (-1, 0.9))
    assert (found["action"], gate(found)) == (Action.HOLD, Gate.WORKING)


def test_rules_in_the_core_s_units() -> None:
    made = rules(lane())
    expected = {
        "tick_cents": 125, "commission_cents": 42, "per_trade_cents": 2_500,
        "day_loss_cents": 5_000,
        "day_drawdown_cents": 7_500, "account_drawdown_cents": 20_000, "kill_cents": 30_000, "floor_cents": 70_000,
        "capital_cents": 100_000, "max_trades": 10, "max_reversals": 2, "hold_bars": 30, "stop_min": 4, "stop_max": 16,
        "cooldown_ns": 30_000_000_000, "lapse_ns": 60_000_000_000, "pause_losses": 3, "pause_ns": 900_000_000_000,
        "long_pause_losses": 5, "long_pause_ns": 1_800_000_000_000, "stop_kind": 0, "n_bands": 4, "n_tiers": 5,
        "slippage": 1, "slippage_thin": 2, "slippage_most": 4, "max_spread": 2, "spread_pause_ns": 60_000_000_000,
        "breakeven_at": 0, "trail_atr": 0, "late_share": 0, "partial": 0, "target_fixed": 0, "target_atr": 0,
        "firm": 0, "firm_loss_cents": 0, "firm_lock_cents": 100_000,
    }  # fmt: skip
    assert {name: int(made[name][0]) for name in expected} == expected
    assert rules(lane(interval="1s"))["lapse_ns"][0] == 5_000_000_000
    assert rules(lane(simulation={"cost_multiple": 2.0}))["commission_cents"][0] == 84
