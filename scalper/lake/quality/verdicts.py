"""The report of the quality rules: a verdict a session, kept in the lake and merged by session."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from scalper.files import as_json
from scalper.lake.quality.rules import VERSION, Rule, rules
from scalper.lake.store import Lake
from scalper.market import RollRule
from scalper.settings import QualitySettings


@dataclass(frozen=True, slots=True)
class SessionVerdict:
    """One session: the rules it failed with the reasons, and the figures that were judged (null: not judged)."""

    failed: dict[str, str]
    figures: dict[str, float | None]
    made_of: str
    """Digest of all that the verdict came from: the bars of the session and of its neighbours, the vendor's word."""

    @property
    def missing(self) -> bool:
        """Whether the lake has no row of the session, or none of the contract that the lane holds."""
        return bool(self.figures["missing"])


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule over the range; `checked` sessions, of which `failed_sessions` failed."""

    id: str
    passed: bool
    detail: str
    failed_sessions: list[date]
    checked: int
    rule: Rule = field(repr=False)
    reasons: dict[date, str] = field(repr=False)
    """Each failed session with its reason."""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The verdicts on a range of sessions, in order of their dates."""

    request: dict[str, Any]
    """What was judged (source, symbol, interval, roll), and by which limits and version of the rules."""
    sessions: dict[date, SessionVerdict]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with the limits of the request."""
        return rules(QualitySettings(**self.request["limits"]))

    @property
    def results(self) -> list[RuleResult]:
        """A result a rule."""
        return [self._result(rule) for rule in self.rules]

    @property
    def passed(self) -> bool:
        """Whether every rule passed in every session."""
        return not any(one.failed for one in self.sessions.values())

    @property
    def quarantined(self) -> dict[date, list[str]]:
        """Sessions that are there and must not be used, with their reasons."""
        return {day: [*one.failed.values()] for day, one in self.sessions.items() if one.failed and not one.missing}

    @property
    def missing(self) -> list[date]:
        """Sessions without a row of the lane's contract: the lane is flat in them."""
        return [day for day, one in self.sessions.items() if one.missing]

    @property
    def coverage(self) -> dict[date, float]:
        """Share of the regular hours that holds bars, by session; 0 where it is missing."""
        return {day: round(one.figures["coverage"] or 0.0, 6) for day, one in self.sessions.items()}

    def of(self, days: Iterable[date]) -> QualityReport:
        """The report on those of the sessions that it has."""
        return QualityReport(self.request, {day: self.sessions[day] for day in days if day in self.sessions})

    def merged(self, newer: QualityReport) -> QualityReport:
        """With the verdicts of another report over these; of this one nothing stays if the request is another."""
        if self.request != newer.request:
            return newer
        return QualityReport(self.request, dict(sorted((self.sessions | newer.sessions).items())))

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper check`."""
        span = [day.isoformat() for day in self.sessions]
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
            "request": self.request | ({"start": span[0], "end": span[-1]} if span else {}),
        }

    def _result(self, rule: Rule) -> RuleResult:
        reasons = {day: one.failed[rule.id] for day, one in self.sessions.items() if rule.id in one.failed}
        checked = sum(one.figures[rule.figure] is not None for one in self.sessions.values())
        share = f"{len(reasons)} of {checked} sessions fail" if reasons else f"{checked} sessions"
        first = next((f", first {day} ({why})" for day, why in reasons.items()), "")
        return RuleResult(rule.id, not reasons, f"{rule.text}: {share}{first}", list(reasons), checked, rule, reasons)


def request_of(source: str, symbol: str, interval: str, roll: RollRule, limits: QualitySettings) -> dict[str, Any]:
    """What a report is about; another request is another report."""
    about = {"source": source, "symbol": symbol, "interval": interval, "roll": roll}
    return about | {"limits": limits.model_dump(), "rules": VERSION}


def report_folder(source: str, symbol: str, interval: str, roll: RollRule) -> str:
    """The folder in the lake of the report on these bars: report.json, and index.html for people."""
    return f"quality/source={source}/symbol={symbol}/interval={interval}/roll={roll}"


def page_of(lake: Lake, source: str, symbol: str, interval: str, roll: RollRule) -> str:
    """The full address of the report's page."""
    return lake.storage.uri(f"{report_folder(source, symbol, interval, roll)}/index.html")


def save(lake: Lake, folder: str, report: QualityReport) -> None:
    """Leave the report in the lake."""
    sessions = {
        day.isoformat(): {"failed": one.failed, "figures": one.figures, "made_of": one.made_of}
        for day, one in report.sessions.items()
    }
    lake.storage.write(f"{folder}/report.json", as_json({"request": report.request, "sessions": sessions}))


def read_report(lake: Lake, source: str, symbol: str, interval: str, roll: RollRule) -> QualityReport | None:
    """The last verdicts on these bars, None if there are none yet or they are damaged."""
    name = f"{report_folder(source, symbol, interval, roll)}/report.json"
    if not lake.storage.exists(name):
        return None
    try:
        found = json.loads(lake.storage.read(name))
        sessions: Mapping[str, Any] = found["sessions"]
        verdicts = {date.fromisoformat(day): SessionVerdict(**one) for day, one in sorted(sessions.items())}
        return QualityReport(found["request"], verdicts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged: whoever asks has it made anew
