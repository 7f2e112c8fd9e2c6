"""Data quality: which sessions of the lake may be learned from and traded, judged by Great Expectations.

polars and numpy count, session by session (measures.py, neighbours.py); Great Expectations judges the table of sessions
by the rules (rules.py) in ONE validation over the range. A session that fails a rule is quarantined with its reasons
and harms no other; one that is not there is missing, and the lane is flat in it. A file that cannot be read, or whose
schema is not ours, stops the check with BadInput: nobody knows what else is wrong with it.

The report (verdicts.py) lies in the lake, with a page for people beside it (datadocs.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib import import_module
from typing import Any

import polars as pl

from scalper.errors import BadInput, DataUnavailable, ScalperError
from scalper.lake.quality.datadocs import page
from scalper.lake.quality.neighbours import measure, neighbours
from scalper.lake.quality.rules import Rule, rules
from scalper.lake.quality.verdicts import (
    QualityReport,
    RuleResult,
    SessionVerdict,
    page_of,
    read_report,
    report_folder,
    request_of,
    save,
)
from scalper.lake.store import Lake, bar_keys
from scalper.market import RollRule, Session
from scalper.market import sessions as exchange_sessions
from scalper.settings import QualitySettings

__all__ = [
    "QualityReport",
    "Rule",
    "RuleResult",
    "SessionVerdict",
    "check_lake",
    "check_sessions",
    "made_of",
    "page_of",
    "read_report",
    "report_folder",
    "request_of",
    "rules",
]

Advance = Callable[[int, int], None]


def check_sessions(
    lake: Lake,
    *,
    source: str,
    symbol: str,
    interval: str,
    roll: RollRule,
    sessions: Sequence[Session],
    limits: QualitySettings | None = None,
    degraded: Mapping[date, str] | None = None,
    progress: Advance | None = None,
) -> QualityReport:
    """Judge sessions of the lake and merge the verdicts into its report; returns those of these sessions.

    `degraded` is what the vendor says of its own days, None if it says nothing. Raises BadInput for a file that cannot
    be read or has another schema.
    """
    if not sessions:
        raise BadInput(f"no sessions of {symbol} to check: widen the dates")
    used = limits or QualitySettings()
    how = {"source": source, "symbol": symbol, "interval": interval}
    origin = made_of(lake, **how, sessions=sessions, degraded=degraded)
    table = measure(lake, **how, roll=roll, sessions=sessions, progress=progress)
    table = table.with_columns(condition=_conditions(table, degraded))
    chosen = rules(used)
    failed = _validate(table, chosen)
    reasons = _reasons(table, chosen, failed, degraded or {})
    figures = [rule.figure for rule in chosen]
    verdicts = {
        row["date"]: SessionVerdict(
            reasons[row["date"]], {name: _short(row[name]) for name in figures}, origin[row["date"]]
        )
        for row in table.iter_rows(named=True)
    }
    report = QualityReport(request_of(source, symbol, interval, roll, used), verdicts)
    _publish(lake, report_folder(source, symbol, interval, roll), report)
    return report


def check_lake(
    lake: Lake,
    *,
    source: str,
    symbol: str,
    interval: str,
    roll: RollRule = "monday",
    start: date | None = None,
    end: date | None = None,
    limits: QualitySettings | None = None,
    degraded: Mapping[date, str] | None = None,
    progress: Advance | None = None,
) -> tuple[QualityReport, list[date]]:
    """Judge the sessions that the lake holds between two dates, without a lane.

    Also returns the gaps: sessions of the exchange between the first and the last that the lake lacks; they are no
    failure of those that it has. Raises DataUnavailable if it holds none.
    """
    there = lake.dates("bars", {"source": source, "symbol": symbol, "interval": interval})
    held = [day for day in there if (start is None or start <= day) and (end is None or day <= end)]
    if not held:
        other = f"it has {there[0]} to {there[-1]}" if there else "import or download them first"
        raise DataUnavailable(f"the lake has no {interval} bars of {symbol} from {source} in these dates; {other}")
    every = exchange_sessions(symbol, held[0], held[-1])
    mine = [one for one in every if one.date in set(held)]
    report = check_sessions(
        lake,
        source=source,
        symbol=symbol,
        interval=interval,
        roll=roll,
        sessions=mine,
        limits=limits,
        degraded=degraded,
        progress=progress,
    )
    return report, sorted({one.date for one in every} - set(held))


def made_of(
    lake: Lake,
    *,
    source: str,
    symbol: str,
    interval: str,
    sessions: Sequence[Session],
    degraded: Mapping[date, str] | None = None,
) -> dict[date, str]:
    """Digest, by session, of all that its verdict comes from: its bars, its neighbours' bars, the vendor's word.

    A verdict with another digest is stale.
    """
    held = lake.dates("bars", {"source": source, "symbol": symbol, "interval": interval})
    around = {one.date: [one.date, *neighbours(held, one.date)] for one in sessions}
    wanted = {day for days in around.values() for day in days} & set(held)
    digests = {day: lake.digest("bars", bar_keys(source, symbol, interval, day)) for day in wanted}
    found: dict[date, str] = {}
    for day, days in around.items():
        parts = [f"{one} {digests.get(one, 'none')}" for one in days]
        said = "" if degraded is None else degraded.get(day, "fine")
        found[day] = hashlib.sha256("\n".join([*parts, said]).encode()).hexdigest()
    return found


def _publish(lake: Lake, folder: str, report: QualityReport) -> None:
    """Merge into the report that lies in the lake, and write its page anew."""
    about = report.request
    before = read_report(lake, about["source"], about["symbol"], about["interval"], about["roll"])
    whole = report if before is None else before.merged(report)
    save(lake, folder, whole)
    lake.storage.write(f"{folder}/index.html", page(whole).encode())


def _conditions(table: pl.DataFrame, degraded: Mapping[date, str] | None) -> pl.Series:
    """1 where the vendor has a word against the day, 0 where it has none, null where no vendor speaks."""
    days: list[date] = table["date"].to_list()
    values = [None if degraded is None else int(day in degraded) for day in days]
    return pl.Series(values, dtype=pl.Int64)


def _reasons(
    table: pl.DataFrame, chosen: Sequence[Rule], failed: Mapping[str, set[date]], degraded: Mapping[date, str]
) -> dict[date, dict[str, str]]:
    """By session the rules that it fails, with what a person is told."""
    found: dict[date, dict[str, str]] = {}
    for row in table.iter_rows(named=True):
        day: date = row["date"]
        found[day] = {one.id: one.why(row[one.figure]) for one in chosen if day in failed[one.id]}
        if "condition" in found[day]:
            found[day]["condition"] = f"condition: the vendor marks the day: {degraded[day]}"
    return found


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _validate(table: pl.DataFrame, chosen: Sequence[Rule]) -> dict[str, set[date]]:
    """One Great Expectations validation of the session table: rule id to the dates that fail it."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    gx: Any = import_module("great_expectations")  # 3 to 9 s, so not before it is needed
    bars = import_module("great_expectations.data_context.types.base").ProgressBarsConfig
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = bars(globally=False, metric_calculations=False)
    between = gx.expectations.ExpectColumnValuesToBeBetween
    expectations = [
        between(column=rule.figure, min_value=rule.least, max_value=rule.most, meta={"rule": rule.id}, notes=rule.text)
        for rule in chosen
    ]
    suite = gx.ExpectationSuite(name="sessions", expectations=expectations)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("sessions")
    batch = asset.add_batch_definition_whole_dataframe("range").get_batch({"dataframe": _pandas(table)})
    complete = {"result_format": "COMPLETE", "unexpected_index_column_names": ["date"]}
    outcome = batch.validate(suite, result_format=complete)
    found: dict[str, set[date]] = {}
    for result in outcome.results:
        index: Sequence[Mapping[str, Any]] = result.result.get("unexpected_index_list") or []
        rule = result.expectation_config.meta["rule"]
        if not result.success and not index:  # a rule that could not be evaluated fails, it does not pass
            raise ScalperError(f"quality rule {rule} could not be evaluated: {result.exception_info}")
        found[rule] = {date.fromisoformat(str(one["date"])) for one in index}
    return found


def _pandas(table: pl.DataFrame) -> Any:
    """The table for Great Expectations, which reads pandas only; dates as text, numbers as floats."""
    pd: Any = import_module("pandas")

    figures = [name for name in table.columns if name not in ("date", "contract")]
    columns: dict[str, Any] = {name: table[name].cast(pl.Float64).to_numpy() for name in figures}
    return pd.DataFrame({"date": [day.isoformat() for day in table["date"].to_list()], **columns})
