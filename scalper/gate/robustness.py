"""Checks of luck: sessions nobody had seen, worse conditions, and the path without its best moments."""

from __future__ import annotations

import math

import numpy as np

from scalper.gate.case import Case
from scalper.gate.check import CannotEvaluate, Finding, Rule, number
from scalper.learn.digests import recipe_digest

BEST_TRADES, BEST_SESSIONS = 0.01, 0.02
STRESS = {"costs": "double costs", "slippage": "a tick more slippage", "latency": "a bar more latency"}


def _holdout(case: Case) -> Finding:
    record, daily, planned = case.evidence.holdout, case.evidence.holdout_daily, case.lane.folds.holdout_sessions
    if refused := record.get("refused"):
        detail = f"The hold-out stays shut: {refused}."
        return Finding(None, False, detail, {"refused": str(refused)})
    if record.get("recipe") != recipe_digest(case.lane):
        raise CannotEvaluate(
            "the hold-out was not opened by this recipe: configuration or code changed since, run the lane"
        )
    sessions = int(number(record, "sessions", "the number of hold-out sessions"))
    if planned == 0 or daily.is_empty() or daily["session"].n_unique() != daily.height:
        raise CannotEvaluate("there is no hold-out, or a session is in it twice")
    if sessions != planned or daily.height != sessions:
        raise CannotEvaluate(f"the hold-out has {daily.height} of {sessions} opened and {planned} planned sessions")
    path = case.daily["session"]
    if bool(daily["session"].to_numpy().min() <= path.to_numpy().max()):
        raise CannotEvaluate("the hold-out does not lie behind the walk-forward path")
    if case.evidence.holdout_trades.is_empty():
        raise CannotEvaluate(f"there is no trade in the {sessions} sessions of the hold-out")
    net = float(daily["net"].sum())
    if abs(net - float(case.evidence.holdout_trades["net"].sum())) > 0.01:
        raise CannotEvaluate("the hold-out's trades do not add up to its sessions")
    detail = (
        f"On {sessions} sessions that nothing had seen before, opened once by this recipe, it made {net:+.2f} dollars "
        f"net in {case.evidence.holdout_trades.height} trades (needed: above 0)."
    )
    return Finding(net, net > 0, detail, {"sessions": sessions, "trades": case.evidence.holdout_trades.height})


def _stress(case: Case) -> Finding:
    settings = case.lane.simulation
    if settings.mode == "optimistic" or settings.cost_multiple < 1 or settings.slippage_ticks < 1:
        raise CannotEvaluate(
            "the simulation is softer than the market: its mode is optimistic, or it pays less than a tick of slippage "
            "or the whole commission"
        )
    case.trades  # noqa: B018  a path without trades survives anything
    net = {key: number(case.evidence.stress, key, f"the net with {name}") for key, name in STRESS.items()}
    parts = ", ".join(f"{net[key]:+.2f} dollars with {name}" for key, name in STRESS.items())
    return Finding(net, all(one > 0 for one in net.values()), f"The same path makes {parts} (needed: each above 0).")


def without_best(values: np.ndarray, share: float) -> float:
    """Sum without the best `share` of the values, at least one of them."""
    ordered = np.sort(values)
    return float(ordered[: len(ordered) - max(1, math.ceil(share * len(ordered)))].sum())


def _concentration(case: Case) -> Finding:
    trades = without_best(case.trades["net"].to_numpy(), BEST_TRADES)
    sessions = without_best(case.daily["net"].to_numpy(), BEST_SESSIONS)
    detail = (
        f"Without its best {BEST_TRADES:.0%} of trades the path makes {trades:+.2f} dollars, without its best "
        f"{BEST_SESSIONS:.0%} of sessions {sessions:+.2f} (needed: both above 0)."
    )
    return Finding({"trades": trades, "sessions": sessions}, trades > 0 and sessions > 0, detail)


HOLDOUT = Rule(
    "holdout",
    "From choices that fitted the past by trying often enough: these sessions were looked at once, at the end.",
    lambda case: f"{case.lane.folds.holdout_sessions} sessions, opened once, net > 0",
    _holdout,
)
STRESSED = Rule(
    "stress",
    "From an edge that lives on fills, costs or a speed that the market will not give.",
    lambda _: dict.fromkeys(STRESS, "> 0"),
    _stress,
)
CONCENTRATION = Rule(
    "concentration",
    "From a result that a handful of trades or days made.",
    lambda _: {"trades": "> 0", "sessions": "> 0"},
    _concentration,
)
