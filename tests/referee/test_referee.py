"""NautilusTrader judges our simulator: hand-made days, random walks, real sessions; and the judge is judged."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import scalper.referee as package
from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake, import_files, read_session
from scalper.market import Session, session
from scalper.policy import Reason, open_account
from scalper.referee.compare import Bars, Cause, Compared, causes, compare
from scalper.referee.export import export_bars, export_strategy, start
from scalper.referee.ledger import Row, rows_of
from scalper.referee.plan import Plan
from scalper.referee.play import play, referee
from scalper.settings import Lane
from scalper.simulate import SessionInput, SessionResult, simulate
from tests.policy.support import DAY, MINUTE, P, auxes, bars, lane, mirrored, norms, predictions, quiet, with_cash

SECOND = 1_000_000_000
SURE = (1, 0.75)
CONTRACT = "MESU21"
Rows = Sequence[tuple[int, int, int, int]]


def an_input(
    made: np.ndarray,
    forecast: np.ndarray,
    by: Lane,
    *,
    day: Session = DAY,
    aux: np.ndarray | None = None,
    volume: float = 100.0,
) -> SessionInput:
    """A session's input; `volume` is the usual one of a minute."""
    aux = auxes(made.size) if aux is None else aux
    return SessionInput(day.date, CONTRACT, made, aux, forecast, by.timetable(day), norms(volume=volume))


def judged(by: Lane, one: SessionInput, account: np.ndarray | None = None) -> tuple[Compared, SessionResult]:
    """The referee's comparison of a session, and our side of it."""
    ours = simulate(by, [one], account=account).sessions[0]
    return referee(by, one, ours), ours


@dataclass(frozen=True)
class Day:
    """A hand-made day for a long position; the short one is its mirror."""

    rows: Rows
    signals: Mapping[int, tuple[int, float]]
    reasons: Sequence[Reason]
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    cash: int = 100_000
    missing: int | None = None
    """The minute before this bar has no bar."""
    volume: float = 100.0

    def input(self, side: int) -> tuple[Lane, SessionInput]:
        by, made = lane(**self.changes), bars(self.rows)
        if self.missing is not None:
            made["ts_ns"][self.missing :] += MINUTE
        signals = {index: (side * way, sure) for index, (way, sure) in self.signals.items()}
        made = made if side > 0 else mirrored(made)
        return by, an_input(made, predictions(made.size, signals), by, volume=self.volume)


UP, OUT, TURN = {0: SURE}, {0: SURE, 2: (-1, 0.65)}, {0: SURE, 2: (-1, 0.80)}
RISE = [*quiet(2), (P, P + 8, P - 1, P + 7)]  # in at 1, stop -5, target 13; gained 7 of the 6 at risk
EVEN = {"policy": {"stop": {"breakeven_at": 1.0}}}
LATE = EVEN | {"simulation": {"latency_bars": 1}}
STOP, TARGET, END = Reason.STOP, Reason.TARGET, Reason.SESSION_END
DAYS = {
    "target": Day([*quiet(2), (P + 3, P + 14, P + 2, P + 9)], UP, [TARGET]),
    "target touched": Day([*quiet(2), (P + 3, P + 13, P + 2, P + 9)], UP, [END]),
    "target touched, optimistic": Day(
        [*quiet(2), (P + 3, P + 12, P + 2, P + 9)], UP, [TARGET], {"simulation": {"mode": "optimistic"}}
    ),
    "target in the entry's bar": Day([*quiet(1), (P, P + 14, P - 1, P + 9)], UP, [TARGET]),
    "gap through the target": Day([*quiet(2), (P + 20, P + 21, P + 19, P + 20)], UP, [TARGET]),
    "stop": Day([*quiet(2), (P, P + 4, P - 6, P - 5)], UP, [STOP]),
    "stop, conservative": Day(
        [*quiet(2), (P, P + 4, P - 6, P - 5)], UP, [STOP], {"simulation": {"mode": "conservative"}}
    ),
    "stop touched": Day([*quiet(2), (P, P + 4, P - 5, P)], UP, [STOP]),
    "stop in the entry's bar": Day([*quiet(1), (P, P + 1, P - 10, P)], UP, [STOP]),
    "gap through the stop": Day([*quiet(2), (P - 45, P - 44, P - 46, P - 45)], UP, [STOP]),
    "time": Day(quiet(6), UP, [Reason.TIME], {"policy": {"hold_bars": 3}}),
    "opposite prediction": Day(quiet(5), OUT, [Reason.SIGNAL]),
    "exit at an open beyond the stop": Day([*quiet(3), *quiet(2, P - 45)], OUT, [Reason.SIGNAL]),
    "exit at an open beyond the target": Day([*quiet(3), *quiet(2, P + 45)], OUT, [Reason.SIGNAL]),
    "exit after a missing minute": Day([*quiet(3), *quiet(2, P + 2)], OUT, [Reason.SIGNAL], missing=3),
    "reversal": Day([*quiet(4), (P, P, P - 14, P - 6)], TURN, [Reason.REVERSAL, TARGET]),
    "reversal at an open beyond the stop": Day([*quiet(3), *quiet(2, P - 45)], TURN, [Reason.REVERSAL, Reason.LIMIT]),
    "reversal whose entry lapses": Day(quiet(6), TURN, [Reason.REVERSAL], missing=3),
    "entry that lapses": Day(quiet(6), {0: SURE, 2: SURE}, [END], missing=1),
    "open at the end": Day([*quiet(2), (P, P + 3, P - 1, P + 3)], UP, [END]),
    "entry at the end": Day(quiet(4), {0: SURE, 2: (-1, 0.65), 3: (-1, 0.80)}, [Reason.SIGNAL]),
    "latency": Day([*quiet(2), *quiet(6, P + 2)], OUT, [Reason.SIGNAL], {"simulation": {"latency_bars": 1}}),
    "stop while an exit waits": Day(
        [*quiet(3), (P, P, P - 5, P - 5), *quiet(3, P - 5)], OUT, [STOP], {"simulation": {"latency_bars": 1}}
    ),
    "stop while a reversal waits": Day(
        [*quiet(3), (P, P, P - 5, P - 5), *quiet(3, P - 5)], TURN, [STOP], {"simulation": {"latency_bars": 1}}
    ),
    "breakeven": Day([*RISE, (P + 7, P + 7, P + 1, P + 3)], UP, [STOP], EVEN),
    "gap through a moved stop": Day([*RISE, (P - 2, P + 7, P - 3, P + 3)], UP, [STOP], EVEN),
    "moved stop, a bar late": Day([*RISE, (P + 7, P + 7, P + 4, P + 4), (P + 4, P + 4, P, P)], UP, [STOP], LATE),
    "moved stop, the market is beyond it": Day(
        [*RISE, (P + 7, P + 7, P, P), (P - 1, P + 9, P - 2, P)], UP, [STOP], LATE
    ),
    "moved stop, the market comes back": Day(
        [*RISE, (P + 7, P + 7, P, P), (P + 5, P + 5, P + 4, P + 5), (P + 5, P + 5, P + 1, P + 3)], UP, [STOP], LATE
    ),
    "trailing": Day(
        [*RISE, (P + 7, P + 11, P + 6, P + 10), (P + 10, P + 10, P + 5, P + 6)],
        UP,
        [STOP],
        {"policy": {"stop": {"trail_atr": 1.0}}},
    ),
    "two contracts": Day([*quiet(2), (P, P + 4, P - 6, P - 5)], UP, [STOP], cash=150_000),
    "part of it on the way": Day(
        [*RISE, (P + 7, P + 14, P + 6, P + 9)], UP, [TARGET], {"policy": {"partial": 0.5}}, cash=150_000
    ),
    "part of it, then the stop": Day(
        [*RISE, (P + 7, P + 7, P - 6, P)], UP, [STOP], {"policy": {"partial": 0.5}}, cash=150_000
    ),
    "part of it, then a moved stop": Day(
        [*RISE, (P + 7, P + 7, P, P)], UP, [STOP], EVEN | {"policy": {"partial": 0.5} | EVEN["policy"]}, cash=150_000
    ),
    "stop beyond the market at once": Day(  # four ticks from a fill that slipped by five
        quiet(4),
        UP,
        [STOP],
        {
            "policy": {"stop": {"kind": "fixed", "fixed_ticks": 4}, "move_over_cost": 1.0},
            "simulation": {"slippage_ticks": 5, "slippage_thin": 5, "slippage_most": 5},
        },
    ),
    "thin market": Day([*quiet(2), (P, P + 4, P - 9, P - 5)], UP, [STOP], cash=150_000, volume=10_000.0),
}


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize("name", DAYS)
def test_nautilus_makes_the_same_trades(name: str, side: int) -> None:
    day = DAYS[name]
    by, one = day.input(side)
    found, ours = judged(by, one, with_cash(day.cash, by))
    assert [Reason(code) for code in ours.trades["reason"]] == list(day.reasons), "the day is not what it says"
    assert found.differences == []
    assert found.ours == found.theirs == found.equal == len(day.reasons)
    assert found.followed == 0


def test_a_thin_market_costs_two_ticks_there_too() -> None:
    by, one = DAYS["thin market"].input(1)
    ours = simulate(by, [one], account=with_cash(150_000, by)).sessions[0]
    theirs = play(by, one, ours.decisions, ours.started)
    # in at 0 + 2, stop 6 below it, out 2 below that: 8 ticks, $10.00, and 2 x $0.42
    assert theirs.rows[0].entry_value == P + 2
    assert theirs.rows[0].exit_value == P + 2 - 6 - 2
    assert (theirs.rows[0].fees_cents, theirs.rows[0].net_cents, theirs.balance_cents) == (84, -1084, -1084)


@pytest.mark.parametrize("side", [1, -1])
def test_an_early_close(side: int) -> None:
    friday = session("MES", date(2021, 11, 26))  # closes at 13:15, so flat at 12:45
    by, made = lane(hours="all", policy={"hold_bars": 99}), bars(quiet(40), day=friday)
    made["ts_ns"] = friday.ny(12, 45) + (np.arange(40) - 22) * MINUTE
    signals = predictions(40, dict.fromkeys(range(40), (side, 0.75)))
    found, ours = judged(by, an_input(made, signals, by, day=friday), with_cash(150_000, by))
    assert ours.trades["reason"].tolist() == [Reason.END_OF_DAY]
    assert ours.trades["exit_ns"][0] == friday.ny(12, 40)
    assert (found.differences, found.equal) == ([], 1)


@pytest.mark.parametrize("latency", [0, 1])
def test_carried_seconds(latency: int) -> None:
    policy, late = {"hold_bars": 20, "cooldown_s": 0}, {"latency_bars": latency}
    by, made = lane(interval="1s", policy=policy, simulation=late), bars(quiet(90), step_ns=SECOND)
    for hole in (slice(1, 3), slice(10, 30), slice(41, 44), slice(60, 66), slice(70, 78 + 5 * latency)):
        made["carried"][hole], made["volume"][hole] = 1, 0
    signals = predictions(90, {0: SURE, 40: (-1, 0.75), 69: SURE})
    found, ours = judged(by, an_input(made, signals, by), with_cash(150_000, by))
    assert ours.trades["entry_ns"].tolist() == [made["ts_ns"][3], made["ts_ns"][44]], "the third entry lapses"
    assert ours.trades["reason"].tolist() == [Reason.TIME, Reason.TIME]
    assert (found.differences, found.equal) == ([], 2)


# -------------------------------------------------------- what cannot be matched

BOTH = [(P, P + 14, P - 10, P)]


def test_stop_and_target_in_one_bar_is_listed_bounded_and_left_behind() -> None:
    # ours: in at 1, stop -5, out at -6: 8.75 and 0.84 lost; there the high comes first: 12 ticks, 15.00 - 0.84 won
    by, made = lane(), bars([*quiet(1), *BOTH, *quiet(3), (P, P, P - 14, P - 6)])
    found, ours = judged(by, an_input(made, predictions(6, {0: SURE, 3: (-1, 0.75)}), by))
    assert ours.trades["reason"].tolist() == [Reason.STOP, Reason.TARGET]
    (one,) = found.differences
    assert one.cause is Cause.BOTH_IN_BAR
    assert one.fields == {"exit_value": (P - 6, P + 13), "net_cents": (-959, 1416)}
    assert (one.cents, one.bound_cents) == (2375, (18 + 4) * 125)
    assert (found.followed, found.equal) == (1, 1), "the trade after it is equal again, from our account"


def test_a_short_position_s_stop_comes_first_there_too() -> None:
    by, made = lane(), mirrored(bars([*quiet(1), *BOTH, *quiet(3)]))
    found, ours = judged(by, an_input(made, predictions(5, {0: (-1, 0.75)}), by))
    assert ours.trades["reason"].tolist() == [Reason.STOP]
    assert found.differences == []


def test_the_part_on_the_way_and_the_stop_in_one_bar() -> None:
    by, made = lane(policy={"partial": 0.5}), bars([*quiet(1), (P, P + 8, P - 10, P), *quiet(2)])
    found, _ = judged(by, an_input(made, predictions(4, UP), by), with_cash(150_000, by))
    (one,) = found.differences
    # a contract at 7 instead of -6
    assert one.cause is Cause.BOTH_IN_BAR
    assert one.cents == 13 * 125


def test_a_gap_through_the_target_before_the_stop() -> None:
    by, made = lane(), mirrored(bars([*quiet(2), (P + 20, P + 21, P - 6, P)]))
    found, ours = judged(by, an_input(made, predictions(3, {0: (-1, 0.75)}), by))
    assert ours.trades["reason"].tolist() == [Reason.STOP]
    assert [one.cause for one in found.differences] == [Cause.BOTH_IN_BAR]


# -------------------------------------------------------------- random and real


def walk(seed: int) -> tuple[Lane, SessionInput, int]:
    """A lane with all that moves an order, 40 minutes of a random walk, predictions that know nothing, and cash."""
    random = np.random.default_rng(seed)
    n, step = 40, int(random.choice([3, 6, 9]))
    jumps = random.integers(-3, 4, n) * (random.random(n) < 0.3) * random.choice([1, 1, 5], n)
    paths = np.cumsum(np.column_stack([jumps, random.integers(-step, step + 1, (n, 3))]).ravel()).reshape(n, 4) + P
    made = bars([(int(path[0]), int(path.max()), int(path.min()), int(path[-1])) for path in paths])
    for index in np.flatnonzero(random.random(n) < random.choice([0.0, 0.05])):
        made["ts_ns"][index:] += MINUTE
    for index in 1 + np.flatnonzero(random.random(n - 1) < random.choice([0.0, 0.15])):
        made[["open", "high", "low", "close"]][index] = (made["close"][index - 1],) * 4
        made["carried"][index], made["volume"][index] = 1, 0
    signals = {
        index: (int(random.choice([-1, 1])), float(random.choice([0.62, 0.72, 0.8, 0.92])))
        for index in np.flatnonzero(random.random(n) < 0.7).tolist()
    }
    aux = auxes(n)
    aux["volatility_ticks"] = random.choice([2.0, 4.0, 8.0], n)
    slippage = int(random.choice([0, 1, 2, 5]))
    moving = {"breakeven_at": 0.5, "trail_atr": 1.0, "trail_from": 0.5, "late_share": 0.5}
    by = lane(
        policy={
            "hold_bars": int(random.choice([5, 30])),
            "cooldown_s": 0,
            "max_trades": 50,
            "move_over_cost": 1.0,
            "partial": float(random.choice([0.0, 0.5])),
            "stop": moving if random.random() < 0.5 else {},
        },
        simulation={
            "mode": str(random.choice(["realistic", "conservative", "optimistic"])),
            "latency_bars": int(random.choice([0, 0, 1, 2])),
            "slippage_ticks": slippage,
            "slippage_thin": slippage + 1,
            "slippage_most": slippage + 2,
        },
        risk={"pause_losses": 20, "long_pause_losses": 20, "day_loss": 0.19, "day_drawdown": 0.19, "per_trade": 0.09},
    )
    one = an_input(made, predictions(n, signals), by, aux=aux, volume=float(random.choice([100.0, 2000.0])))
    return by, one, int(random.choice([100_000, 150_000, 500_000]))


@settings(max_examples=100)
@given(st.integers(0, 2**31))
def test_random_walks_leave_nothing_unexplained(seed: int) -> None:
    by, one, cash = walk(seed)
    found, ours = judged(by, one, with_cash(cash, by))
    assert [each for each in found.differences if each.cause is Cause.UNEXPLAINED] == []
    assert found.ours == found.theirs == ours.trades.size == found.equal + len(found.differences)
    for each in found.differences:
        assert each.bound_cents is not None and 0 < each.cents <= each.bound_cents


def test_real_sessions(real_data: Path, tmp_path: Path) -> None:
    """Four sessions of ES five-minute bars, traded as MES by predictions that know nothing."""
    source, part = real_data / "es_5m/ESU21.txt.gz", tmp_path / "ESU21.txt.gz"
    if not source.is_file():
        pytest.skip(f"no {source}")
    days = tuple(f"2021/7/{day}," for day in range(11, 17))
    with gzip.open(source, "rt") as lines, gzip.open(part, "wt") as kept:
        kept.write(next(lines))
        kept.writelines(line for line in lines if line.startswith(days))
    lake, random = Lake(tmp_path / "lake"), np.random.default_rng(5)
    import_files(lake, [part], symbol="ES", interval="5m", tz="America/Chicago")
    by = lane(
        symbol="ES",
        execution_symbol="MES",
        interval="5m",
        labels={"horizon": 3},
        policy={"max_trades": 50, "partial": 0.5, "stop": {"breakeven_at": 1.0, "trail_atr": 1.0, "late_share": 0.5}},
        risk={"capital": 50_000, "pause_losses": 50, "long_pause_losses": 50},
    )
    inputs: list[SessionInput] = []
    for day in range(13, 17):
        one = session("ES", date(2021, 7, day))
        made = read_session(lake, source="import", symbol="ES", interval="5m", session=one, roll="monday").bars
        n, aux = made.size, auxes(made.size)
        aux["volatility_ticks"] = 2 + random.random(n) * 6
        sides, sure = random.choice([-1, 1], n), random.choice([0.5, 0.65, 0.72, 0.85], n)
        signals = {index: (int(sides[index]), float(sure[index])) for index in range(n)}
        inputs.append(an_input(made, predictions(n, signals), by, day=one, aux=aux, volume=2000.0))
    result = simulate(by, inputs)
    found = [referee(by, one, ours) for one, ours in zip(inputs, result.sessions, strict=True)]
    assert sum(one.bars for one in found) > 1000
    assert sum(one.ours for one in found) >= 40
    assert causes(found)["unexplained"]["count"] == 0
    assert sum(one.equal for one in found) >= 0.9 * sum(one.ours for one in found)


# ---------------------------------------------------------------- the comparison

SEEN = bars([*quiet(2), *BOTH, *quiet(2)])
END_NS = int(SEEN["ts_ns"][2]) + MINUTE


def one_trade(**changes: int) -> np.ndarray:
    """A long trade from the open of bar 1 that our stop closes in bar 2."""
    found = simulate(lane(), [an_input(SEEN, predictions(5, UP), lane())]).sessions[0].trades.copy()
    assert found.size == 1 and found["exit_ns"][0] == END_NS
    for name, value in changes.items():
        found[name] = value
    return found


def against(row: Row | None, trades: np.ndarray | None = None, **changes: Any) -> Compared:
    """Compare our trade with a row of Nautilus's."""
    seen = replace(Bars(SEEN, MINUTE, 1, 125, 0.0, 4), **changes.pop("seen", {}))
    given: dict[str, Any] = {"followed": [], "odd_cents": 0} | changes
    return compare(DAY.date, seen, one_trade() if trades is None else trades, [] if row is None else [row], **given)


OURS = rows_of(one_trade())[0]
WON = replace(OURS, exit_value=P + 13, net_cents=1416)


def test_equal_trades_have_no_difference() -> None:
    assert against(OURS) == Compared(DAY.date, 5, 1, 1, 1, 0, [])
    assert [one.cause for one in against(WON, followed=[END_NS]).differences] == [Cause.BOTH_IN_BAR]


@pytest.mark.parametrize(
    ("row", "more", "fields"),
    [
        (None, {}, set(Row.__slots__)),
        (replace(OURS, side=-1), {}, set(Row.__slots__)),
        (replace(WON, contracts=2), {}, {"contracts", "exit_value", "net_cents"}),
        (replace(WON, entry_value=P), {}, {"entry_value", "exit_value", "net_cents"}),
        (replace(WON, fees_cents=85), {}, {"fees_cents", "exit_value", "net_cents"}),
        (replace(WON, exit_ns=END_NS + MINUTE), {}, {"exit_ns", "exit_value", "net_cents"}),
        (replace(OURS, net_cents=-960), {}, {"net_cents"}),  # worse than ours
        (replace(WON, net_cents=9999), {}, {"exit_value", "net_cents"}),  # beyond the bound
        (WON, {"trades": one_trade(reason=Reason.TIME)}, {"exit_value", "net_cents"}),
        (WON, {"trades": one_trade(target=P + 14)}, {"exit_value", "net_cents"}),  # only touched
        (WON, {"trades": one_trade(stop=P - 11)}, {"exit_value", "net_cents"}),  # not met
        (WON, {"seen": {"through": 2}}, {"exit_value", "net_cents"}),
        (OURS, {"followed": [END_NS]}, {"decision"}),
        (OURS, {"odd_cents": 1}, {"balance"}),
    ],
)
def test_what_no_rule_explains_is_unexplained(row: Row | None, more: dict[str, Any], fields: set[str]) -> None:
    found = against(row, **more)
    assert {one.cause for one in found.differences} == {Cause.UNEXPLAINED}
    assert set(found.differences[0].fields) == fields
    assert causes([found])["unexplained"]["count"] == len(found.differences)


def test_a_part_taken_earlier_explains_nothing() -> None:
    """The bar spans the level at which a part is taken, but it was taken in the bar before."""
    trades = one_trade(target=P + 20, contracts=2, entry_value=2 * (P + 1), exit_value=2 * (P - 6))
    ours = rows_of(trades)[0]
    theirs = replace(ours, exit_value=ours.exit_value + 13, net_cents=ours.net_cents + 1625)
    early = SEEN.copy()
    early["high"][1] = P + 8
    assert against(theirs, trades, seen={"partial": 0.5}).differences[0].cause is Cause.BOTH_IN_BAR
    found = against(theirs, trades, seen={"partial": 0.5, "bars": early})
    assert found.differences[0].cause is Cause.UNEXPLAINED


def test_a_wrong_decision_is_noted_and_ours_goes_on() -> None:
    by, one = DAYS["opposite prediction"].input(1)
    ours = simulate(by, [one]).sessions[0]
    for change in (ours.decisions["contracts"], ours.decisions["stop_ticks"]):
        before = change.copy()
        change[0] += 1
        found = referee(by, one, ours)
        assert {each.cause for each in found.differences} == {Cause.UNEXPLAINED}
        assert (found.ours, found.theirs) == (1, 1)
        assert found.followed > 0
        change[:] = before
    assert referee(by, one, ours).differences == []


def test_what_the_strategy_raises_is_raised() -> None:
    by, one = DAYS["stop"].input(1)
    ours = simulate(by, [one]).sessions[0]
    with pytest.raises(ValueError, match="broadcast"):
        play(by, one, ours.decisions[:1], ours.started)


def test_a_session_without_bars() -> None:
    by = lane()
    found, _ = judged(by, an_input(bars([]), predictions(0, {}), by))
    assert found == Compared(DAY.date, 0, 0, 0, 0, 0, [])


# ------------------------------------------------------------------- the export


def two_sessions(by: Lane) -> list[SessionInput]:
    days = (DAY, session("MES", date(2021, 7, 15)))
    rows = [*quiet(4), (P, P, P - 14, P - 6)]
    return [an_input(bars(rows, day=day), predictions(5, TURN), by, day=day) for day in days]


def exported(by: Lane, inputs: Sequence[SessionInput], out: Path, more: Sequence[SessionInput] = ()) -> Path:
    sessions = [(one.contract, one.bars) for one in sorted([*inputs, *more], key=lambda one: one.date)]
    export_bars(by.execution, sessions, by.interval_ns, out)
    return export_strategy(by.execution, [Plan.of(by, one) for one in inputs], open_account(by), out)


def test_nautilus_starts_an_exported_lane_and_makes_our_trades(tmp_path: Path) -> None:
    by = lane()
    inputs = two_sessions(by)
    path = exported(by, inputs, tmp_path)
    assert set(yaml.safe_load(path.read_text())) == {"strategy_path", "config_path", "config"}
    ours = [row for one in simulate(by, inputs).sessions for row in rows_of(one.trades)]
    assert len(ours) == 4
    assert start(tmp_path) == ours


def test_an_exported_strategy_passes_over_sessions_that_are_not_its_own(tmp_path: Path) -> None:
    by = lane()
    first, second = two_sessions(by)
    exported(by, [second], tmp_path, more=[first])
    assert start(tmp_path) == rows_of(simulate(by, [second]).sessions[0].trades)


def test_a_catalogue_is_not_written_over(tmp_path: Path) -> None:
    by = lane()
    exported(by, two_sessions(by), tmp_path)
    with pytest.raises(BadInput, match="is there already"):
        exported(by, two_sessions(by), tmp_path)


def test_a_broken_off_export_leaves_no_catalogue(tmp_path: Path) -> None:
    by, left = lane(), tmp_path / ".catalog.new"
    inputs = two_sessions(by)
    late = replace(inputs[1], contract="MESZ21", bars=inputs[1].bars[::-1].copy())  # Nautilus refuses it, after MESU21
    (left / "data").mkdir(parents=True)  # of a killed one
    with pytest.raises(OSError, match="ascending order"):
        exported(by, [inputs[0], late], tmp_path)
    assert list(tmp_path.iterdir()) == []
    exported(by, inputs, tmp_path)
    assert not left.exists() and (tmp_path / "catalog").is_dir()


def damaged(path: Path) -> None:
    path.write_bytes(b"no arrays")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda out: damaged(out / "account.npy"), "no account"),
        (lambda out: np.save(out / "account.npy", np.zeros(1)), "another version"),
        (lambda out: damaged(out / "sessions" / f"{DAY.date}.npz"), "not a session's plan"),
        (lambda out: [one.unlink() for one in (out / "sessions").iterdir()], "no session to trade"),
    ],
)
def test_a_damaged_export_is_refused(harm: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    by = lane()
    exported(by, two_sessions(by), tmp_path)
    harm(tmp_path)
    with pytest.raises(BadInput, match=words):
        start(tmp_path)


def test_without_nautilus_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    package.require()
    monkeypatch.setattr(package, "VERSION", "2.0.0")
    with pytest.raises(DataUnavailable, match=r"NautilusTrader 2\.0\.0, here it is 2\.0\.0rc7; .*uv pip install"):
        package.require()
