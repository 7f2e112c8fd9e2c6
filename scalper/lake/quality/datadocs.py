"""The quality report as one static HTML page: no script, and nothing that is fetched from elsewhere.

Great Expectations' own data docs take style sheets and scripts from public hosts, so they are not used.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import date
from html import escape
from itertools import groupby

from scalper.lake.quality.verdicts import QualityReport, RuleResult, SessionVerdict

EXAMPLES = 4
SQUARE = 10
"""Side of a session in the calendar, pixels, with its margin."""
ROW, MARGIN = 131, 44
"""Sessions in a line of the calendar (half a year), and the room for the year's number."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667085; --line: #e3e7ee; --paper: #fff; --wash: #f5f7fa;
  --ok: #2f9e68; --bad: #d1493f; --none: #c3cad5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf2; --soft: #98a3b5; --line: #2b3442; --paper: #161c25;
  --wash: #10151c; --ok: #46b981; --bad: #ec6a5e; --none: #465164; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--wash); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 0 0 10px; }
p { margin: 0 0 10px; color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px;
  margin-top: 18px; overflow-x: auto; }
dl { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 0; }
dl div { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 10px 18px; }
dt { color: var(--soft); font-size: 13px; } dd { margin: 0; font-size: 22px; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 500; padding: 4px 12px 6px 0;
  border-bottom: 1px solid var(--line); }
td { vertical-align: top; border-bottom: 1px solid var(--line); padding: 7px 12px 7px 0; }
.n { text-align: right; font-variant-numeric: tabular-nums; } .keep { white-space: nowrap; }
.soft { color: var(--soft); } .ok { color: var(--ok); } .bad { color: var(--bad); font-weight: 600; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
rect.ok { fill: var(--ok); opacity: .55; } rect.bad { fill: var(--bad); } rect.none { fill: var(--none); }
"""


def page(report: QualityReport) -> str:
    """The report as a whole HTML document."""
    about = report.request
    title = f"Data quality: {about['symbol']} {about['interval']} from {about['source']}, roll {about['roll']}"
    days = list(report.sessions)
    span = f"Sessions of {days[0]} to {days[-1]}." if days else "No sessions yet."
    parts = [
        f"<h1>{escape(title)}</h1><p>{span} Judged by Great Expectations, a row a session; "
        "a session that fails a rule is quarantined: neither learned from nor traded.</p>",
        _counts(report),
        _section("Sessions", "A square is a session; point at one for its reasons.", _calendar(report)),
        _section("Rules", "What each protects against, and the first sessions that fail.", _rules(report.results)),
        _section("Quarantined sessions", "", _quarantined(report)),
        _section("Missing sessions", "The lane is flat in them.", _missing(report.missing)),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{"".join(parts)}</main></body></html>\n'


def _section(title: str, lead: str, body: str) -> str:
    text = f"<p>{escape(lead)}</p>" if lead else ""
    return f"<section><h2>{escape(title)}</h2>{text}{body}</section>"


def _counts(report: QualityReport) -> str:
    bad, gone, every = len(report.quarantined), len(report.missing), len(report.sessions)
    cells = (("sessions", every), ("usable", every - bad - gone), ("quarantined", bad), ("missing", gone))
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{count:,}</dd></div>' for name, count in cells)}</dl>"


def _calendar(report: QualityReport) -> str:
    """A year below the other, a square a session."""
    lines: list[str] = []
    y = 0
    for year, found in groupby(report.sessions.items(), lambda one: one[0].year):
        days = list(found)
        lines.append(f'<text x="0" y="{y + SQUARE - 1}">{year}</text>')
        for i, (day, one) in enumerate(days):
            lines.append(_square(MARGIN + i % ROW * SQUARE, y + i // ROW * SQUARE, day, one))
        y += (1 + (len(days) - 1) // ROW) * SQUARE + SQUARE // 2
    return f'<svg viewBox="0 0 {MARGIN + ROW * SQUARE} {y}" width="100%" role="img">{"".join(lines)}</svg>'


def _square(x: int, y: int, day: date, one: SessionVerdict) -> str:
    kind = "none" if one.missing else "bad" if one.failed else "ok"
    said = "; ".join(one.failed.values()) or "passes"
    return (
        f'<rect class="{kind}" x="{x}" y="{y}" width="{SQUARE - 2}" height="{SQUARE - 2}" rx="1.5">'
        f"<title>{day} {escape(said)}</title></rect>"
    )


def _rules(results: Sequence[RuleResult]) -> str:
    rows: list[str] = []
    for one in results:
        kind, count = ("ok" if one.passed else "bad", str(len(one.failed_sessions))) if one.checked else ("soft", "–")
        mark = f'<td class="n {kind}">{count}</td>'
        shown = [f"{day}: {why.removeprefix(one.id + ': ')}" for day, why in list(one.reasons.items())[:EXAMPLES]]
        left = len(one.reasons) - len(shown)
        more = f'<br><span class="soft">and {left} more</span>' if left > 0 else ""
        rows.append(
            f"<tr><td class=keep><b>{escape(one.id)}</b></td><td>{escape(one.rule.text)}</td>"
            f"<td class=keep>{escape(one.rule.bound())}</td><td class=n>{one.checked:,}</td>{mark}"
            f"<td>{'<br>'.join(map(escape, shown))}{more}</td></tr>"
        )
    return _table(("rule", "protects against", "wanted", "judged", "failed", "examples"), rows, numeric={3, 4})


def _quarantined(report: QualityReport) -> str:
    rows = [
        f"<tr><td class=keep><b>{day}</b> {day:%a}</td><td>{'<br>'.join(map(escape, why))}</td></tr>"
        for day, why in report.quarantined.items()
    ]
    return _table(("session", "reasons"), rows) if rows else "<p>None.</p>"


def _missing(days: Sequence[date]) -> str:
    months = [f"<b>{month}</b> {', '.join(f'{day.day}' for day in found)}" for month, found in _by_month(days)]
    return f"<div>{'<br>'.join(months)}</div>" if months else "<p>None.</p>"


def _by_month(days: Iterable[date]) -> list[tuple[str, list[date]]]:
    return [(month, list(found)) for month, found in groupby(days, lambda day: f"{day:%Y-%m}")]


def _table(heads: Sequence[str], rows: Sequence[str], numeric: Container[int] = ()) -> str:
    cells = "".join(f"<th{' class=n' if i in numeric else ''}>{name}</th>" for i, name in enumerate(heads))
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
