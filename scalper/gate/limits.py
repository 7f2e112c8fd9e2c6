"""Checks of the account's limits along the path: the day's loss, the drawdown, flat at the end of the day."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from scalper.clock import iso
from scalper.gate.case import Case
from scalper.gate.check import CannotEvaluate, Finding, Rule, number
from scalper.market import session
from scalper.simulate import market

CENT = 0.005


def gaps(case: Case) -> pl.DataFrame:
    """Stop trades that a gap filled worse than stop and slippage: session, entry_ns, stop, exit, excess in dollars.

    The slippage is the largest that the fill model takes, so that no more than the gap is excused.
    """
    product, model = case.lane.execution, market(case.lane.simulation)[0]
    slip = int(model["slips"] * case.lane.simulation.slippage_most + model["extra"]) * float(product.tick)
    side = pl.when(pl.col("side") == "long").then(1.0).otherwise(-1.0)
    beyond = side * (pl.col("stop") - pl.col("exit")) - slip
    excess = (beyond * pl.col("contracts") * float(product.point_value)).alias("excess")
    stopped = case.evidence.trades.filter(pl.col("reason") == "stop")
    return stopped.filter(beyond > float(product.tick) / 2).select("session", "entry_ns", "stop", "exit", excess)


def _day(case: Case) -> Finding:
    limit = case.lane.risk.day_loss * case.capital
    case.trades  # noqa: B018  without a trade no limit was ever tested
    past = gaps(case)
    by_day = past.group_by("session").agg(excess=pl.col("excess").sum())
    table = case.daily.join(by_day, on="session", how="left").with_columns(pl.col("excess").fill_null(0.0))
    broken = table.filter(pl.col("net") < -limit - CENT)
    excepted = broken.filter(pl.col("net") + pl.col("excess") >= -limit - CENT)
    guilty = broken.filter(pl.col("net") + pl.col("excess") < -limit - CENT)
    worst = float(case.daily["net"].to_numpy().min())
    detail = f"The worst of {case.daily.height} sessions lost {-min(worst, 0.0):.2f} dollars (limit: {limit:.2f})."
    if guilty.height:
        listed = ", ".join(f"{day} ({net:.2f})" for day, net in guilty.select("session", "net").rows())
        detail += f" Beyond the limit without a gap that explains it: {listed}."
    listed_gaps: list[dict[str, Any]] = []
    for day, entry_ns, stop, price, dollars in past.join(excepted.select("session"), on="session").rows():
        listed_gaps.append(
            {"session": str(day), "entry": iso(entry_ns), "stop": stop, "exit": price, "excess": dollars}
        )
    if listed_gaps:
        listed = "; ".join(f"{one['session']} stop {one['stop']:g} filled at {one['exit']:g}" for one in listed_gaps)
        detail += f" Excepted, as a gap went through the stop: {listed}."
    return Finding(worst / case.capital, guilty.is_empty(), detail, {"gaps": listed_gaps})


def _drawdown(case: Case) -> Finding:
    need = case.thresholds.drawdown
    stops = {key: number(case.evidence.account, key) for key in ("review", "kill", "firm", "blocked")}
    review, kill, firm, blocked = stops.values()
    value = case.metrics.drawdown_share
    detail = (
        f"The deepest fall below the account's peak, open positions included, was {value:.1%} (needed: below "
        f"{need:.0%}); the review stop fired {'never' if not review else 'on the way'}, the kill switch "
        f"{'never' if not kill else 'on the way'}, the firm's maximum loss was {'never ' * (not firm)}reached."
    )
    if blocked:
        detail += " In the end it was so near a limit that nothing could be entered any more."
    passed = value < need and not any(stops.values())
    return Finding(value, passed, detail, stops | {"dollars": case.metrics.drawdown})


def _flat(case: Case) -> Finding:
    late, sessions = (int(number(case.evidence.account, key)) for key in ("late", "sessions"))
    if sessions < case.daily.height:
        raise CannotEvaluate(f"only {sessions} of {case.daily.height} sessions were watched for the flat time")
    last = case.trades.group_by("session").agg(pl.col("exit_ns").max(), left=(pl.col("reason") == "session_end").any())
    after: list[date] = [
        day
        for day, exit_ns, left in last.sort("session").rows()
        if left or exit_ns > case.lane.timetable(session(case.lane.symbol, day))["flat_ns"][0]
    ]
    value = 1 - len(after) / case.daily.height
    detail = f"{case.daily.height - len(after)} of {case.daily.height} sessions had nothing open at the flat time."
    if after:
        detail += f" Not flat in time: {', '.join(str(day) for day in after[:5])}."
    elif late:
        detail += f" Yet the simulation counted {late} trades that closed after it, the hold-out included."
    return Finding(value, not after and not late, detail, {"late": late})


DAY = Rule(
    "risk.day",
    "From a single day that hurts more than the day's limit allows.",
    lambda case: f"≥ −{case.lane.risk.day_loss:.0%} of capital",
    _day,
)
DRAWDOWN = Rule(
    "risk.drawdown",
    "From a fall that a person would not sit through, and from a path that only survived because a limit stopped it.",
    lambda case: f"< {case.thresholds.drawdown:.0%}, no review, no kill, no firm's loss",
    _drawdown,
)
END_OF_DAY = Rule(
    "eod",
    "From a position that is carried overnight, on margin that the account does not have.",
    lambda _: "100% of sessions",
    _flat,
)
