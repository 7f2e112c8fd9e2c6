"""What the reports and pictures of a lane show: of its evidence, with the gate's verdict or without, or of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from scalper.gate.evidence import Evidence
from scalper.gate.verdict import Verdict
from scalper.lake import Lake
from scalper.lane.stage import calendar, evidence_folder
from scalper.learn.session import prepare, tradable
from scalper.settings import Home, Lane
from scalper.simulate import Simulation
from scalper.simulate.breaches import limits, wanted
from scalper.simulate.groups import by_band, by_hour
from scalper.simulate.metrics import sharpe_bound, summarise
from scalper.simulate.montecarlo import drawn
from scalper.simulate.report_data import NO_BARS, ReportData, conditions
from scalper.simulate.sketch import columns_svg, equity_svg, fan_svg, ranks_svg

WORDS = {
    "1s": "one-second",
    "5s": "five-second",
    "15s": "fifteen-second",
    "1m": "one-minute",
    "5m": "five-minute",
    "15m": "fifteen-minute",
    "1h": "one-hour",
}
"""An interval as the report's title says it."""
SHOWN = ("daily", "trades", "equity", "refusals", "changed", "limits")
"""The frames that a report is made of; evidence has them by these names."""


def frames(found: Simulation) -> dict[str, pl.DataFrame]:
    """The frames of a simulation that a report shows."""
    made = (found.daily(), found.trades(), found.equity(), found.refusals(), found.changed(), limits(found))
    return dict(zip(SHOWN, made, strict=True))


def report_data(
    lane: Lane, home: Home, shown: Mapping[str, pl.DataFrame], *, notes: Sequence[str] = (), **more: Any
) -> ReportData:
    """A report of these frames (SHOWN); `more` are other fields of ReportData."""
    daily, trades, equity = (shown[name] for name in ("daily", "trades", "equity"))
    capital = lane.capital
    simulated = lane.source == "sandbox"
    traded = "" if lane.execution.symbol == lane.symbol else f", trading {lane.execution.symbol}"
    return ReportData(
        lane=lane.name,
        title=f"{'Simulated' if simulated else 'Real'} {lane.symbol}, {WORDS[lane.interval]} bars{traded}",
        simulated=simulated,
        source=lane.source_key,
        mode=lane.simulation.mode,
        metrics=summarise(daily, trades, equity, capital),
        sharpe_bound=sharpe_bound(daily["net"].to_numpy(), capital, lane.gate.bootstrap, lane.gate.seed),
        example=_example(lane, home, daily, trades),
        monte_carlo=drawn(lane, daily, trades, equity),
        conditions=conditions(lane),
        notes=[*notes, _edge_note(lane) if simulated else "Past bars cannot prove that a strategy will earn money."],
        **{name: shown[name] for name in SHOWN},
        **more,
    )


def evidence_report(lane: Lane, home: Home, evidence: Evidence, verdict: Verdict | None = None) -> ReportData:
    """The report of a lane's evidence, with the verdict on it if there is one."""
    shown = {name: getattr(evidence, name) for name in SHOWN}
    more: dict[str, Any] = {"folds": evidence.folds, "digests": evidence.digests}
    if verdict is not None:
        checks = [one.as_dict() for one in verdict.checks]
        more |= {"verdict": verdict.verdict, "stage": verdict.stage, "reasons": verdict.reasons, "checks": checks}
    if verdict is not None and evidence.holdout_daily.height:
        nothing = evidence.equity.clear()
        more["holdout"] = summarise(evidence.holdout_daily, evidence.holdout_trades, nothing, lane.capital)
    return report_data(lane, home, shown, **more)


def pictures(lane: Lane, home: Home) -> dict[str, str]:
    """SVGs of the last simulation's evidence, by name: equity and drawdown, Monte Carlo, hour, confidence, refusals."""
    evidence = Evidence.load(evidence_folder(lane, home), lane)
    daily, trades = evidence.daily, evidence.trades
    found = {"equity": equity_svg(daily, lane.capital)}
    for one in drawn(lane, daily, trades, evidence.equity):
        found[f"monte carlo, {one.kind}"] = fan_svg(one, daily, lane.capital)
    for name, groups in (("hour", by_hour(trades)), ("confidence", by_band(trades))):
        title = f"net by {name}, dollars"
        found[f"by {name}"] = columns_svg(title, [one.key for one in groups], [one.net for one in groups])
    refused = wanted(evidence.refusals).sort("count", descending=True).head(12)
    found["refusals"] = ranks_svg("entries refused, by gate", refused["gate"].to_list(), refused["count"].to_list())
    return found


def _edge_note(lane: Lane) -> str:
    """A sentence on what a simulated market proves."""
    if lane.sandbox.edge == 0:
        return "This market is a martingale: nothing can beat it, and the gate must say NO."
    return (
        "The edge of this market was planted; it shows that the machine finds what is there, not that markets have it."
    )


def _example(lane: Lane, home: Home, daily: pl.DataFrame, trades: pl.DataFrame) -> pl.DataFrame:
    """Bars of the lane's hours of the session with the most trades."""
    if trades.is_empty():
        return NO_BARS
    day: date = daily.sort("trades", "session", descending=[True, False])["session"][0]
    at = {one.date: one for one in calendar(lane)}
    ready = prepare(Lake(home.lake), lane, at[day], None)
    rows = ready.bars[tradable(ready.bars, ready.timetable)]
    tick = float(lane.instrument.tick)
    prices = {name: rows[name] * tick for name in ("open", "high", "low", "close")}
    return pl.DataFrame({"ts_ns": rows["ts_ns"], **prices}, schema=NO_BARS.schema)
