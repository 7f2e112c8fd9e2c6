"""Audits of what stands above the features: decisions must not know the future, and folds must lie in order of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from scalper.clock import iso
from scalper.gate.audit_features import CUTS, Outcome
from scalper.gate.subject import KINDS, Array, Subject, perturb
from scalper.lake import Lake
from scalper.learn.folds import Folds
from scalper.market import session
from scalper.policy import PREDICTION, Choice
from scalper.settings import Lane
from scalper.simulate import SessionInput, simulate

Decide = Callable[[Subject, Array, Array], Array]
"""Decisions (n,) for bars (n,) and predictions (n,) of a subject."""


def simulated(choice: Choice | None) -> Decide:
    """The decisions of the simulation, for a fresh account."""

    def decide(one: Subject, bars: Array, predicted: Array) -> Array:
        given = SessionInput(one.session.date, one.contract, bars, predicted, one.timetable, choice=choice)
        return simulate(one.lane, [given]).sessions[0].decisions

    return decide


def decisions(subjects: Sequence[Subject], decide: Decide, rng: np.random.Generator) -> Outcome:
    """Other bars and other predictions after t: every decision up to t is the same, bit for bit.

    The predictions are drawn, confident and frequent, so that every gate of the policy has work to do.
    """
    rows = actions = cuts = 0
    for one in subjects:
        drawn = _drawn(one.bars.size, rng)
        base = decide(one, one.bars, drawn)
        for t in rng.choice(one.bars.size, min(CUTS, one.bars.size), replace=False).tolist():
            for kind in KINDS:
                bars = perturb(one.bars, t, kind, rng)
                other = _drawn(bars.size, rng)
                other[: t + 1] = drawn[: t + 1]
                again = decide(one, bars, other)[: t + 1]
                wrong = np.array([a.tobytes() != b.tobytes() for a, b in zip(again, base, strict=False)])
                if wrong.any():
                    first = int(wrong.argmax())
                    names = [name for name in base.dtype.names or () if again[name][first] != base[name][first]]
                    when = iso(int(base["ts_ns"][first]))
                    return f"{', '.join(names)} of the decision at {when} changes with the bars after it ({kind})", ""
                cuts, rows = cuts + 1, rows + t + 1
                actions += int((again["action"] != 0).sum())
    if actions == 0:
        return "not one order came of confident predictions, so nothing was audited", ""
    return (
        None,
        f"{cuts} futures changed in {len(subjects)} sessions, {rows} decisions compared, {actions} with an order",
    )


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


def folds(lake: Lake, lane: Lane, windows: Folds, daily: pl.DataFrame) -> Outcome:
    """Windows in order of time, labels known before the next window opens, every session of the path tested once."""
    behind = windows.holdout[0] if windows.holdout else None
    for fold in windows.all():
        parts = list(fold.windows().items())
        spans = parts + ([("hold-out", windows.holdout)] if windows.holdout else [])
        for name, days in spans:
            if any(a >= b for a, b in pairwise(days)):
                return f"{fold.name}: the {name} window is out of order, or has a session twice", ""
        for (name, days), (next_name, next_days) in pairwise(spans):
            if days[-1] >= next_days[0]:
                return f"{fold.name}: {name} ends {days[-1]}, not before {next_name} begins {next_days[0]}", ""
            opens = session(lane.symbol, next_days[0]).open_ns
            if _known(lake, lane, days) > opens:
                return f"{fold.name}: a label of {days[-1]} is known only after {next_name} has begun", ""
    tested = {day: fold.number for fold in windows.folds for day in fold.test}
    if len(tested) != len(windows.tested()):
        return "a session is tested by two folds", ""
    for day, number in daily.select("session", "fold").rows():
        if tested.get(day) != number:
            return (
                f"session {day} of the path was traded by fold {number}, but it is a test of fold {tested.get(day)}",
                "",
            )
        if behind is not None and day >= behind:
            return f"session {day} of the path lies in the hold-out", ""
    return None, f"{len(windows.all())} folds and {len(tested)} tested sessions"


def _known(lake: Lake, lane: Lane, days: Sequence[object]) -> int:
    """When the last label of the window is known; without labels in the lake, when its last session closes."""
    keys = {"lane": lane.name, "date": str(days[-1])}
    if lake.exists("labels", keys):
        ends = lake.read("labels", keys).filter(pl.col("label") >= 0)["end_ns"]
        if len(ends):
            return int(ends.to_numpy().max())
    return 0
