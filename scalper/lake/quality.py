"""Data-quality rules: which sessions of the lake may be learned from and traded, validated by Great Expectations.

polars counts, session by session (measures.py); Great Expectations judges the table of sessions in ONE validation over
the whole range. A session that fails a rule is quarantined with its reasons; one that is not there is missing, and the
lane is flat in it. A file whose schema is not ours stops the check with BadInput.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from scalper.errors import BadInput, ScalperError
from scalper.lake.measures import measure
from scalper.lake.store import Lake, bar_keys
from scalper.market import RollRule, Session


class Limits(Protocol):
    """Thresholds; `settings.QualitySettings` has them."""

    @property
    def coverage(self) -> float:
        """Least share of the regular hours that must hold bars."""
        ...

    @property
    def thin_volume(self) -> float:
        """Least volume as a share of the neighbouring sessions' median."""
        ...

    @property
    def jump_atr(self) -> float:
        """Largest true range of a bar, in medians of its session."""
        ...


@dataclass(frozen=True, slots=True)
class DefaultLimits:
    """The thresholds when none are given."""

    coverage: float = 0.95
    thin_volume: float = 0.10
    jump_atr: float = 60.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on one figure of the session table: it must lie in [least, most]."""

    id: str
    figure: str
    text: str
    """What it protects against."""
    least: float | None = None
    most: float | None = None

    def why(self, value: float) -> str:
        """The reason that a quarantined session carries."""
        bound = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        return f"{self.id}: {value:g}, {bound} wanted"


def rules(limits: Limits) -> tuple[Rule, ...]:
    """All rules, in the order in which they are reported."""
    return (
        Rule("present", "missing", "sessions without a row of the contract that the roll rule holds", most=0),
        Rule("complete", "nulls", "empty prices or volumes, which would become NaN features", most=0),
        Rule("stamps", "stamps", "unsorted, repeated or misaligned stamps: the future before the past", most=0),
        Rule("calendar", "calendar", "bars outside the session or inside a halt: a wrong zone or a wrong day", most=0),
        Rule("ohlc", "ohlc", "high or low that do not enclose the bar: fills at prices that never were", most=0),
        Rule("grid", "grid", "prices off the tick grid: another product, adjusted or damaged data", most=0),
        Rule("volume", "volume_bad", "volume below 1: only traded bars are stored, fills need a trade", most=0),
        Rule("coverage", "coverage", "feeds that lost part of the regular hours", least=limits.coverage),
        Rule("thin", "thin", "holidays and contracts whose volume has rolled away", least=limits.thin_volume),
        Rule("jump", "jump", "a single wild print that one could trade on paper only", most=limits.jump_atr),
    )


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule over the range; `checked` sessions, of which `failed_sessions` failed."""

    id: str
    passed: bool
    detail: str
    failed_sessions: list[date]
    checked: int


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The verdict on a range of sessions."""

    results: list[RuleResult]
    quarantined: dict[date, list[str]]
    missing: list[date]
    coverage: dict[date, float]
    request: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def passed(self) -> bool:
        """Whether every rule passed in every session."""
        return all(result.passed for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper check`, and of the report in the lake."""
        return {
            "passed": self.passed,
            "results": [
                {
                    "id": one.id,
                    "passed": one.passed,
                    "detail": one.detail,
                    "failed_sessions": [day.isoformat() for day in one.failed_sessions],
                    "checked": one.checked,
                }
                for one in self.results
            ],
            "quarantined": {day.isoformat(): why for day, why in self.quarantined.items()},
            "missing": [day.isoformat() for day in self.missing],
            "coverage": {day.isoformat(): share for day, share in self.coverage.items()},
            "request": self.request,
        }


def check_sessions(
    lake: Lake,
    *,
    source: str,
    symbol: str,
    interval: str,
    roll: RollRule,
    sessions: Sequence[Session],
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> QualityReport:
    """Judge the sessions of a lane and leave the report in the lake (quality/source=…/symbol=…/interval=…/report.json).

    The rule `thin` compares with later sessions too: it says what to learn from, not what to trade. Raises BadInput for
    a file that cannot be read or has another schema.
    """
    if not sessions:
        raise BadInput(f"no sessions of {symbol} to check: widen the dates")
    bounds = limits or DefaultLimits()
    measured = measure(
        lake, source=source, symbol=symbol, interval=interval, roll=roll, sessions=sessions, progress=progress
    )
    chosen = rules(bounds)
    failed = _validate(measured, chosen)
    report = _report(measured, chosen, failed)
    span = {"start": sessions[0].date.isoformat(), "end": sessions[-1].date.isoformat()}
    used = {"coverage": bounds.coverage, "thin_volume": bounds.thin_volume, "jump_atr": bounds.jump_atr}
    report.request["bars"] = bars_digest(lake, source, symbol, interval, sessions)
    report.request.update({"source": source, "symbol": symbol, "interval": interval, "roll": roll, **span, **used})
    _save(report_path(lake, source, symbol, interval), report)
    return report


def bars_digest(lake: Lake, source: str, symbol: str, interval: str, sessions: Sequence[Session]) -> str:
    """SHA-256 over the bars of these sessions: a report on other bars is another report."""
    found = hashlib.sha256()
    for one in sessions:
        keys = bar_keys(source, symbol, interval, one.date)
        found.update(f"{one.date} {lake.digest('bars', keys) if lake.exists('bars', keys) else 'none'}\n".encode())
    return found.hexdigest()


def report_path(lake: Lake, source: str, symbol: str, interval: str) -> Path:
    """Where the last report on these bars lies."""
    return lake.root / "quality" / f"source={source}" / f"symbol={symbol}" / f"interval={interval}" / "report.json"


def _save(path: Path, report: QualityReport) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(report.as_dict(), indent=1, sort_keys=True) + "\n")
    draft.replace(path)


def _validate(table: pl.DataFrame, chosen: Sequence[Rule]) -> dict[str, list[date]]:
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
    found: dict[str, list[date]] = {}
    for result in outcome.results:
        index: Sequence[Mapping[str, Any]] = result.result.get("unexpected_index_list") or []
        rule = result.expectation_config.meta["rule"]
        if not result.success and not index:  # a rule that could not be evaluated fails, it does not pass
            raise ScalperError(f"quality rule {rule} could not be evaluated: {result.exception_info}")
        found[rule] = sorted(date.fromisoformat(str(one["date"])) for one in index)
    return found


def _pandas(table: pl.DataFrame) -> Any:
    """The table for Great Expectations, which reads pandas only; dates as text, numbers as floats."""
    pd: Any = import_module("pandas")

    figures = [name for name in table.columns if name not in ("date", "contract")]
    columns: dict[str, Any] = {name: table[name].cast(pl.Float64).to_numpy() for name in figures}
    return pd.DataFrame({"date": [day.isoformat() for day in table["date"].to_list()], **columns})


def _report(table: pl.DataFrame, chosen: Sequence[Rule], failed: Mapping[str, list[date]]) -> QualityReport:
    rows = {row["date"]: row for row in table.iter_rows(named=True)}
    results: list[RuleResult] = []
    quarantined: dict[date, list[str]] = {}
    for rule in chosen:
        days = failed[rule.id]
        checked = len(table) - table[rule.figure].null_count()
        share = f"{len(days)} of {checked} sessions fail" if days else f"{checked} sessions"
        first = f", first {days[0]} ({rule.why(rows[days[0]][rule.figure])})" if days else ""
        results.append(RuleResult(rule.id, not days, f"{rule.text}: {share}{first}", days, checked))
        if rule.id != "present":
            for day in days:
                quarantined.setdefault(day, []).append(rule.why(rows[day][rule.figure]))
    coverage = {day: round(row["coverage"] or 0.0, 6) for day, row in rows.items()}
    return QualityReport(results, dict(sorted(quarantined.items())), failed["present"], coverage)


def read_report(lake: Lake, source: str, symbol: str, interval: str) -> QualityReport | None:
    """The last report on these bars, None if there is none yet or it is damaged."""
    path = report_path(lake, source, symbol, interval)
    if not path.is_file():
        return None
    try:
        return _as_report(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged: whoever asks has it made anew


def _as_report(found: dict[str, Any]) -> QualityReport:
    """The report in a document of QualityReport.as_dict."""
    day = date.fromisoformat
    results = [
        RuleResult(**one | {"failed_sessions": [day(d) for d in one["failed_sessions"]]}) for one in found["results"]
    ]
    return QualityReport(
        results,
        {day(key): why for key, why in found["quarantined"].items()},
        [day(one) for one in found["missing"]],
        {day(key): share for key, share in found["coverage"].items()},
        found["request"],
    )
