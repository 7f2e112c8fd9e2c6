"""Audit of decisions: they must not know the bars and the predictions that come after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scalper.gate.found import Found
from scalper.gate.futures import KINDS, moments, perturb, place
from scalper.gate.subject import Array, Subject
from scalper.policy import PREDICTION, Choice
from scalper.simulate import SessionInput, simulate

Decide = Callable[[Subject, Array, Array], Sequence[Array]]
"""Decisions (n,) for carried bars (n,) and predictions (n,) of a subject; one array for each account that decides."""


def simulated(choice: Choice | None) -> Decide:
    """The decisions of the simulation: of a fresh account, and of one that this same session has already used."""
    used: dict[object, SessionInput] = {}

    def decide(one: Subject, bars: Array, predicted: Array) -> Sequence[Array]:
        given = SessionInput(one.session.date, one.contract, bars, predicted, one.timetable, choice=choice)
        earlier = used.setdefault(one.session.date, given)
        fresh, carried = simulate(one.lane, [given]), simulate(one.lane, [earlier, given])
        return fresh.sessions[0].decisions, carried.sessions[1].decisions

    return decide


def decisions(one: Subject, rng: np.random.Generator, decide: Decide) -> Found:
    """Other bars and other predictions after t: every decision up to t is the same, bit for bit.

    The predictions are drawn, confident and frequent, so that every gate of the policy has work to do.
    """
    drawn = _drawn(one.bars.size, rng)
    base = decide(one, one.bars, drawn)
    cuts = 0
    for t in moments(one, rng):
        at = place(one, t)
        for kind in KINDS:
            bars = one.carried(perturb(one.traded, t, kind, rng))
            other = _drawn(bars.size, rng)
            other[: at + 1] = drawn[: at + 1]
            for before, after in zip(base, decide(one, bars, other), strict=True):
                if before[: at + 1].tobytes() != after[: at + 1].tobytes():
                    return Found(0, f"{_first(one, before, after, at)} changes with the bars after it ({kind})")
            cuts += 1
    orders = sum(int((found["action"] != 0).sum()) for found in base)
    counts = {"sessions": 1, "futures changed": cuts, "decisions with an order": orders}
    return Found(int(one.kept.sum()), counts=counts)


def _first(one: Subject, before: Array, after: Array, at: int) -> str:
    """The fields and the time of the first decision that differs."""
    names = before.dtype.names or ()
    differs = {name: before[name][: at + 1] != after[name][: at + 1] for name in names}
    row = int(np.logical_or.reduce(list(differs.values())).argmax())
    return f"{', '.join(name for name in names if differs[name][row])} of the decision at {one.when(row)}"


def _drawn(n: int, rng: np.random.Generator) -> Array:
    """Random predictions (n,) of PREDICTION: a third of them confident enough to trade."""
    out = np.zeros(n, PREDICTION)
    side, top = rng.choice([-1, 1], n), rng.uniform(0.4, 0.95, n)
    out["up"], out["down"] = np.where(side > 0, top, (1 - top) / 2), np.where(side > 0, (1 - top) / 2, top)
    out["flat"] = 1 - out["up"] - out["down"]
    out["move_ticks"] = side * rng.uniform(5, 30, n)
    out["volatility_ticks"] = rng.uniform(2, 8, n)
    out["valid"] = rng.uniform(0, 1, n) < 0.4
    return out
