"""Checks of the walk-forward path: is what it earned out of sample large, steady, recent and spread over the folds."""

from __future__ import annotations

import polars as pl

from scalper.gate.case import Case
from scalper.gate.check import CannotEvaluate, Finding, Rule
from scalper.simulate.metrics import SESSIONS_A_YEAR, sharpe

QUARTER = SESSIONS_A_YEAR // 4
"""Sessions of a quarter of a year."""


SHOWN = 8
"""Folds that a message names."""


def _sharpe(case: Case) -> Finding:
    value, bound, need = case.metrics.sharpe, case.sharpe_bound, case.thresholds.sharpe
    detail = (
        f"Over {case.metrics.sessions} out-of-sample sessions the Sharpe ratio is {value:.2f} (needed: above "
        f"{need:g}); with the sessions drawn anew it stays above {bound:.2f} in 19 of 20 draws (needed: above 0)."
    )
    passed = value > need and bound > 0
    return Finding({"sharpe": value, "bound": bound}, passed, detail, {"sessions": case.metrics.sessions})


def _calmar(case: Case) -> Finding:
    value, need = case.metrics.calmar, case.thresholds.calmar
    detail = (
        f"A year of profit is {value:.2f} times the deepest fall of {case.metrics.drawdown_share:.1%} "
        f"(needed: above {need:g})."
    )
    return Finding(value, value > need, detail, {"drawdown": case.metrics.drawdown})


def _profit_factor(case: Case) -> Finding:
    value, need = case.metrics.profit_factor, case.thresholds.profit_factor
    detail = (
        f"Winners earned ${value:.2f} for each dollar that losers lost, costs included, over {case.metrics.trades} "
        f"trades (needed: at least ${need:.2f})."
    )
    return Finding(value, value >= need, detail, {"trades": case.metrics.trades, "win_rate": case.metrics.win_rate})


def _folds(case: Case) -> Finding:
    need = case.thresholds
    table = (
        case.daily.group_by("fold")
        .agg(trades=pl.col("trades").sum(), net=pl.col("net").sum(), first=pl.col("session").min())
        .sort("fold")
    )
    closed = case.trades.group_by("fold").agg(closed=pl.len()).join(table, on="fold", how="full", coalesce=True)
    if not bool((closed["closed"].fill_null(0) == closed["trades"].fill_null(-1)).all()):
        raise CannotEvaluate("the trades of a fold are not those of its sessions")
    count, least = table.height, int(table["trades"].to_numpy().min())
    share = float((table["net"] > 0).to_numpy().mean())
    thin = [f"{fold} ({n})" for fold, n in table.select("fold", "trades").rows() if n < need.trades_per_fold]
    detail = (
        f"{count} folds (needed: {need.folds}), the thinnest with {least} trades (needed: {need.trades_per_fold}), "
        f"{share:.0%} of them profitable (needed: {need.profitable_folds:.0%})."
    )
    if thin:
        more = f" and {len(thin) - SHOWN} more" if len(thin) > SHOWN else ""
        detail += f" Too few trades in fold {', '.join(thin[:SHOWN])}{more}."
    passed = count >= need.folds and not thin and share >= need.profitable_folds
    figures = {"net": {str(fold): net for fold, net in table.select("fold", "net").rows()}}
    return Finding({"folds": count, "trades": least, "profitable": share}, passed, detail, figures)


def _recent(case: Case) -> Finding:
    if case.daily.height < QUARTER:
        raise CannotEvaluate(f"{case.daily.height} out-of-sample sessions are less than a quarter ({QUARTER})")
    last = case.daily.tail(QUARTER)
    if int(last["trades"].sum()) == 0:
        raise CannotEvaluate(f"there is no trade in the last {QUARTER} sessions")
    value = sharpe(last["net"].to_numpy() / case.capital)
    detail = (
        f"Over the last {QUARTER} sessions, from {last['session'][0]}, the Sharpe ratio is {value:.2f} "
        f"with {last['net'].sum():+.2f} dollars net (needed: above 0)."
    )
    return Finding(value, value > 0, detail, {"from": str(last["session"][0]), "net": float(last["net"].sum())})


RULES = (
    Rule(
        "wf.sharpe",
        "From profit that is small beside its own swings, or that a lucky draw of days explains.",
        lambda case: {"sharpe": f"> {case.thresholds.sharpe:g}", "bound": "> 0"},
        _sharpe,
    ),
    Rule(
        "wf.calmar",
        "From a path whose falls are too deep for what it earns.",
        lambda case: f"> {case.thresholds.calmar:g}",
        _calmar,
    ),
    Rule(
        "wf.profit_factor",
        "From an edge so thin that slightly worse fills would eat it.",
        lambda case: f"≥ {case.thresholds.profit_factor:g}",
        _profit_factor,
    ),
    Rule(
        "wf.folds",
        "From a result that rests on one good stretch, or on too few trades to mean anything.",
        lambda case: {
            "folds": f"≥ {case.thresholds.folds}",
            "trades": f"≥ {case.thresholds.trades_per_fold} in each",
            "profitable": f"≥ {case.thresholds.profitable_folds:.0%}",
        },
        _folds,
    ),
    Rule("wf.recent", "From an edge that has already died.", lambda _: "> 0", _recent),
)
