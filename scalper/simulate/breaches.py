"""What a simulation's decisions tell afterwards: the limits that fired, how far beyond them it went, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from scalper.policy import Action, Gate, rules
from scalper.simulate.session import HALTS, SessionResult, Simulation

LASTING = (Gate.KILL, Gate.FIRM, Gate.REVIEW)
"""Limits that hold until a person acts: they fire once in the life of an account."""
IDLE = (Gate.PASSED, Gate.PREDICTION, Gate.STALE, Gate.FLAT, Gate.WORKING, Gate.IN_POSITION)
"""Nothing was wanted of a bar without an order whose gate is one of these."""
MOVES = (Gate.BREAKEVEN, Gate.TRAILING, Gate.TOWARDS_CLOSE)
"""Nor was anything refused where the stop was moved."""
_LIMITS = {
    "session": pl.Date, "fold": pl.Int32, "ts_ns": pl.Int64, "gate": pl.String, "limit": pl.Float64,
    "value": pl.Float64, "final": pl.Float64, "excess": pl.Float64,
}  # fmt: skip
_REFUSED = {
    "session": pl.Date, "fold": pl.Int32, "ts_ns": pl.Int64, "gate": pl.String, "value": pl.Float64,
    "bound": pl.Float64, "confidence": pl.Float64, "move_ticks": pl.Float64, "equity": pl.Float64,
}  # fmt: skip


def limits(simulation: Simulation) -> pl.DataFrame:
    """Every limit that fired, in dollars lost: session, fold, ts_ns, gate, limit, value, final, excess.

    value: the loss that the limit counts at the close at which it first held; final: the same at the session's end, all
    positions closed; excess: how far final lies beyond the limit, 0 or more. It comes from the bar in which the limit
    was passed and from the price of leaving. A lasting limit is listed in the session in which it fired. Where
    several hold at one close the decision names the weightiest, and only that one is listed.
    """
    rows: list[dict[str, Any]] = []
    fired: set[Gate] = set()
    if not simulation.sessions:
        return pl.DataFrame(schema=_LIMITS)
    account, place, fold = simulation.accounts[0], 0, simulation.sessions[0].fold
    for one in simulation.sessions:
        if one.fold != fold and simulation.lane.simulation.risk == "reset":
            place += 1
            account = simulation.accounts[place]
            fired.clear()
        fold = one.fold
        for gate in HALTS:
            where = np.flatnonzero(one.decisions["gate"] == gate)
            if where.size and gate not in fired:
                rows.append(_breach(simulation, one, one.decisions[where[0]], gate, account))
                if gate in LASTING:
                    fired.add(gate)
    return pl.DataFrame(rows, schema=_LIMITS).sort("ts_ns")


def _breach(simulation: Simulation, one: SessionResult, d: Any, gate: Gate, account: np.ndarray) -> dict[str, Any]:
    """One limit that fired at the decision d; the kernel wrote value and bound there."""
    value, limit, equity = float(d["value"]), float(d["bound"]), float(d["equity_cents"]) / 100
    cash = one.cash_after / 100
    row = rules(simulation.lane)[0]
    match gate:
        case Gate.FIRM:  # value and bound are equity and the firm's level: turned into a loss
            loss = float(row["firm_loss_cents"]) / 100
            limit, value, final = loss, loss + limit - value, loss + limit - cash
        case Gate.KILL:  # cash alone counts, not the equity
            own = account[0]
            paid = int(row["capital_cents"]) + int(own["deposits_cents"]) - int(own["forgiven_cents"])
            final = paid / 100 - cash
        case _:
            final = value + equity - cash
    found = {"session": one.date, "fold": one.fold, "ts_ns": int(d["ts_ns"]), "gate": gate.name.lower()}
    money = {"limit": limit, "value": value, "final": final, "excess": max(0.0, final - limit)}
    return found | {name: round(amount, 2) for name, amount in money.items()}


def wanted(refusals: pl.DataFrame) -> pl.DataFrame:
    """Of the counts by gate those of entries that were wanted and refused."""
    return refusals.filter(~pl.col("gate").is_in([gate.name.lower() for gate in (*IDLE, *MOVES)]))


def refused(simulation: Simulation) -> pl.DataFrame:
    """Every bar at which something was wanted and refused: session, fold, ts_ns, gate, value, bound, confidence,
    move_ticks, equity in dollars. Bars without a prediction, of class FLAT or with a position are none."""
    idle = [int(gate) for gate in (*IDLE, *MOVES)]
    frames = [pl.DataFrame(schema=_REFUSED)]
    for one in simulation.sessions:
        d = one.decisions
        d = d[(d["action"] == Action.HOLD) & (d["side"] != 0) & ~np.isin(d["gate"], idle)]
        frames.append(
            pl.DataFrame(
                {
                    "session": [one.date] * d.size,
                    "fold": np.full(d.size, one.fold, np.int32),
                    "ts_ns": d["ts_ns"],
                    "gate": [Gate(code).name.lower() for code in d["gate"]],
                    "value": d["value"],
                    "bound": d["bound"],
                    "confidence": d["confidence"],
                    "move_ticks": d["move_ticks"],
                    "equity": (d["equity_cents"] + one.gained) / 100,
                },
                schema=_REFUSED,
            )
        )
    return pl.concat(frames)
