"""Audit of decisions: they must not know the bars, the swings and the predictions that come after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scalper.features import AUX
from scalper.gate.found import Found
from scalper.gate.futures import KINDS, moments, perturb, place
from scalper.gate.subject import Array, Subject
from scalper.policy import MINUTES, NORM, PREDICTION, Choice
from scalper.simulate import SessionInput, simulate

ORDERS = 16
"""Moments of a session at which something was decided, besides those of futures.moments."""

Decide = Callable[[Subject, Array, Array, Array], Sequence[Array]]
"""Decisions (n,) for carried bars (n,), AUX (n,) and predictions (n,); one array for each account that decides."""


def simulated(choice: Choice | None) -> Decide:
    """The decisions of the simulation: of a fresh account, and of one that this same session has already used."""
    used: dict[object, SessionInput] = {}

    def decide(one: Subject, bars: Array, aux: Array, predicted: Array) -> Sequence[Array]:
        day, table = one.session.date, one.timetable
        given = SessionInput(day, one.contract, bars, aux, predicted, table, _norms(one), choice=choice)
        earlier = used.setdefault(day, given)
        fresh, carried = simulate(one.lane, [given]), simulate(one.lane, [earlier, given])
        return fresh.sessions[0].decisions, carried.sessions[1].decisions

    return decide


def decisions(one: Subject, rng: np.random.Generator, decide: Decide) -> Found:
    """Other bars, other AUX and other predictions after t: every decision up to t is the same, bit for bit.

    AUX and predictions are drawn, the latter confident and frequent, so that every gate of the policy has work to do.
    """
    aux, drawn = _aux(one.bars, rng), _drawn(one.bars.size, rng)
    base = decide(one, one.bars, aux, drawn)
    cuts = 0
    for t in sorted({*moments(one, rng), *_asked(one, base, rng)}):
        at = place(one, t)
        for kind in KINDS:
            bars = one.carried(perturb(one.traded, t, kind, rng))
            others = _aux(bars, rng), _drawn(bars.size, rng)
            for other, same in zip(others, (aux, drawn), strict=True):
                other[: at + 1] = same[: at + 1]
            for before, after in zip(base, decide(one, bars, *others), strict=True):
                if before[: at + 1].tobytes() != after[: at + 1].tobytes():
                    return Found(0, f"{_first(one, before, after, at)} changes with the bars after it ({kind})")
            cuts += 1
    orders = sum(int(_asks(found).sum()) for found in base)
    counts = {"sessions": 1, "futures changed": cuts, "decisions with an order": orders}
    return Found(int(one.kept.sum()), counts=counts)


def _asks(found: Array) -> Array:
    """Mask of the decisions that ask for an order or for another level of the stop."""
    return (found["action"] != 0) | (found["stop"] != 0)


def _asked(one: Subject, base: Sequence[Array], rng: np.random.Generator) -> list[int]:
    """Some of the traded bars at whose close something is asked of the broker: there a look ahead would pay most."""
    asked = np.logical_or.reduce([_asks(found) for found in base])
    rows = np.flatnonzero(asked & (one.bars["carried"] == 0))
    chosen = rng.choice(rows, min(ORDERS, rows.size), replace=False)
    return np.searchsorted(one.traded["ts_ns"], one.bars["ts_ns"][chosen]).tolist()


def _first(one: Subject, before: Array, after: Array, at: int) -> str:
    """The fields and the time of the first decision that differs."""
    names = before.dtype.names or ()
    differs = {name: before[name][: at + 1] != after[name][: at + 1] for name in names}
    row = int(np.logical_or.reduce(list(differs.values())).argmax())
    return f"{', '.join(name for name in names if differs[name][row])} of the decision at {one.when(row)}"


def _aux(bars: Array, rng: np.random.Generator) -> Array:
    """Random AUX (n,) for bars: mostly a few ticks of volatility, sometimes many or none; swings around the close."""
    out = np.zeros(bars.size, AUX)
    out["volatility_ticks"] = rng.uniform(2, 8, bars.size) * rng.choice([1, 1, 1, 8, np.nan], bars.size)
    out["swing_high"] = bars["close"] + rng.integers(-2, 14, bars.size)
    out["swing_low"] = bars["close"] - rng.integers(-2, 14, bars.size)
    return out


def _norms(one: Subject) -> Array:
    """Random norms (MINUTES,), by which most minutes are usual; they come from earlier sessions, so whatever the future
    of this one they are the same."""
    rng, out = np.random.default_rng(one.session.date.toordinal()), np.empty(MINUTES, NORM)
    a_minute = one.traded["volume"].mean() * max(60_000_000_000 // int(one.timetable["interval_ns"][0]), 1)
    for name, scale in (("volatility_ticks", 5.0), ("volume", a_minute)):
        out[name] = scale * rng.uniform(0.5, 2, MINUTES) * rng.choice([1, 1, 1, 1, 20, np.nan], MINUTES)
    return out


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
