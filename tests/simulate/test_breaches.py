"""Limits that fired and what was refused, on hand-made days worked out to the cent.

MES: a tick is $1.25, $0.42 a side, one tick of slippage; the stop lies 6 ticks from the fill. A day starts with $1,000.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalper.settings import Lane
from scalper.simulate.breaches import limits, refused, wanted
from scalper.simulate.session import SessionInput, Simulation, simulate
from tests.policy.support import DAY, P, auxes, bars, lane, norms, predictions, quiet, with_cash

Rows = list[tuple[int, int, int, int]]
SURE = (1, 0.75)


def one(by: Lane, rows: Rows, *, fold: int = 0, signals: dict[int, tuple[int, float]] | None = None) -> SessionInput:
    made = bars(rows)
    forecast = predictions(made.size, {0: SURE} if signals is None else signals)
    return SessionInput(
        DAY.date, "MESU21", made, auxes(made.size), forecast, by.timetable(DAY), norms(), fold
    )  # fmt: skip


def crash(to: int) -> Rows:
    """In at 16,001; the next bar opens at P − to, through the stop at 15,995: out a tick lower."""
    return [*quiet(2), (P - to, P - to + 1, P - to - 1, P - to), *quiet(1, P - to)]


def money(found: Simulation) -> list[dict[str, Any]]:
    return limits(found).select("gate", "limit", "value", "final", "excess").to_dicts()


def test_a_gap_through_the_stop() -> None:
    """−52 ticks are −65.00, two sides −0.84: 65.84 lost of the 50.00 that a session may lose."""
    by = lane()
    found = simulate(by, [one(by, crash(50))])
    assert money(found) == [{"gate": "day_loss", "limit": 50.0, "value": 65.84, "final": 65.84, "excess": 15.84}]
    row = limits(found).row(0, named=True)
    assert (row["session"], row["ts_ns"]) == (DAY.date, DAY.ny(9, 33))


def test_a_limit_that_fires_in_the_market() -> None:
    """Peak 999.58 + 30.00 − 1.67 = 1,027.91; back at the entry 997.91: a fall of exactly 30.00 fires.

    Out at the next open, 15,999, less a tick: −3.75 − 0.84, cash 995.41: 32.50 in the end, 2.50 beyond.
    """
    by = lane(risk={"day_drawdown": 0.03}, policy={"reward_to_risk": 10.0})
    rows = [*quiet(1), (P, P + 26, P, P + 25), (P + 25, P + 25, P + 1, P + 1), (P - 1, P, P - 2, P - 1)]
    assert money(simulate(by, [one(by, rows)])) == [
        {"gate": "day_drawdown", "limit": 30.0, "value": 30.0, "final": 32.5, "excess": 2.5}
    ]
    short = [*rows[:2], (P + 25, P + 25, P + 1, P + 2), rows[3]]
    assert money(simulate(by, [one(by, short)])) == [
        {"gate": "day_drawdown", "limit": 30.0, "value": 32.5, "final": 32.5, "excess": 2.5}
    ], "a tick higher at the close it does not fire, only once it is out"


def test_a_loss_that_ends_within_its_limit() -> None:
    """The same fall of 30.00, and a better price to leave at: 16,003 − 1: + 1.25 − 0.84, 27.50 in the end."""
    by = lane(risk={"day_drawdown": 0.03}, policy={"reward_to_risk": 10.0})
    rows = [*quiet(1), (P, P + 26, P, P + 25), (P + 25, P + 25, P + 1, P + 1), (P + 3, P + 3, P + 2, P + 3)]
    assert money(simulate(by, [one(by, rows)])) == [
        {"gate": "day_drawdown", "limit": 30.0, "value": 30.0, "final": 27.5, "excess": 0.0}
    ]


def test_the_kill_switch_fires_in_the_market() -> None:
    """A reversal from 720.00 meets a gap: −0.42 −20.00 −0.42 and −0.42 to be short: 301.26 of the 1,000 are gone.

    The short is left at its entry, another −0.42: 301.68 in the end. Its open loss at the close does not count.
    """
    by = lane()
    rows = [*quiet(2), (P - 14, P - 13, P - 15, P - 14), *quiet(1, P - 16)]
    found = simulate(by, [one(by, rows, signals={0: SURE, 1: (-1, 0.8)})], account=with_cash(72_000))
    assert found.trades()["net"].to_list() == [-20.84, -0.84]
    assert money(found) == [{"gate": "kill", "limit": 300.0, "value": 301.26, "final": 301.68, "excess": 1.68}]


def test_the_kill_switch_counts_cash_and_fires_once() -> None:
    """From 710.00: −17 ticks −21.25 − 0.84 leave 687.91: 312.09 of the 1,000 are gone; the next day is not listed."""
    by = lane()
    found = simulate(by, [one(by, crash(15)), one(by, quiet(3))], account=with_cash(71_000))
    assert found.sessions[1].trades.size == 0
    assert money(found) == [{"gate": "kill", "limit": 300.0, "value": 312.09, "final": 312.09, "excess": 12.09}]


def test_a_review_counts_from_the_accounts_peak() -> None:
    """Peak 1,190, limit 200: −42 ticks −52.50 − 0.84 leave 946.66, 243.34 below it; the session's 50 weigh less."""
    by = lane()
    found = simulate(by, [one(by, crash(40)), one(by, quiet(3))], account=with_cash(100_000, peak_cents=119_000))
    assert money(found) == [{"gate": "review", "limit": 200.0, "value": 243.34, "final": 243.34, "excess": 43.34}]


FIRM = {"firm": {"profile": "topstep", "maximum_loss": 30.0}}


@pytest.mark.parametrize(("risk", "times"), [("carry", 1), ("reset", 2)])
def test_a_firms_loss_is_told_as_a_loss(risk: str, times: int) -> None:
    """Level 970: −32 ticks −40.00 − 0.84 leave 959.16, 40.84 lost of 30; a fresh account can lose it again."""
    by = lane(risk=FIRM, simulation={"risk": risk})
    found = simulate(by, [one(by, crash(30), fold=1), one(by, crash(30), fold=2)])
    assert money(found) == [{"gate": "firm", "limit": 30.0, "value": 40.84, "final": 40.84, "excess": 10.84}] * times


def test_no_limit_no_row() -> None:
    by = lane()
    assert limits(simulate(by, [one(by, quiet(5))])).is_empty()
    assert limits(simulate(by, [])).is_empty() and refused(simulate(by, [])).is_empty()


def test_what_was_wanted_and_refused() -> None:
    """0.65 is half a contract, 0.59 too little; FLAT, a position and an order under way refuse nothing."""
    by = lane()
    signals = {0: (1, 0.65), 1: (-1, 0.59), 2: SURE, 4: SURE}
    found = simulate(by, [one(by, quiet(6), fold=3, signals=signals)])
    table = refused(found)
    assert table.select("ts_ns", "gate", "value", "bound", "confidence", "fold").rows() == [
        (DAY.ny(9, 31), "size_confidence", 0.5, 0.6, 0.65, 3),
        (DAY.ny(9, 32), "confidence", 0.59, 0.6, 0.59, 3),
    ]
    assert table["equity"].to_list() == [1000.0, 1000.0]
    assert dict(wanted(found.refusals()).iter_rows()) == {"size_confidence": 1, "confidence": 1}
    assert np.sum(found.refusals()["count"].to_numpy()) == 5, "every bar but the one of the order"
