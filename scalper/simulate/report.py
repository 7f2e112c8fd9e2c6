"""The report of a simulation, with the verdict if there is one: one HTML file that a person reads in two minutes.

It works offline, and can be printed or sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any, cast

from plotly.offline import get_plotlyjs  # pyright: ignore[reportMissingTypeStubs]

from scalper.files import write_bytes
from scalper.simulate import markup
from scalper.simulate import report_figures as figures
from scalper.simulate.markup import dollars, ratio, share
from scalper.simulate.metrics import Metrics
from scalper.simulate.report_data import MODES, ReportData
from scalper.simulate.report_figures import Figure
from scalper.simulate.report_parts import breakdown, costs, full_table, monte_carlo, refused, stopped
from scalper.simulate.sketch import equity_svg

PASSED = "PASS"


def write_report(path: Path, data: ReportData) -> Path:
    """Write the report to `path` (folders are made, the file appears whole) and return the path."""
    drawn: dict[str, Figure] = {}
    judged = (_holdout, _checks) if data.verdict else ()
    parts = (_banner, _tiles, _equity, *judged, _folds, _example, breakdown, monte_carlo, costs, refused, stopped)
    body = "\n".join(part(data, drawn) for part in (*parts, full_table, _footer))
    page = document(data.verdict or "Simulation", f"{data.title} ({data.lane})", body, drawn)
    write_bytes(path, page.encode())
    return path


def document(head: str, title: str, body: str, drawn: Mapping[str, Figure]) -> str:
    """A whole page that needs nothing from elsewhere: the report's look, plotly inside, and its pictures by name."""
    template = Template((Path(__file__).parent / "report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(title), verdict=escape(head), body=body, figures=markup.script_safe(drawn), plotly=get_plotlyjs()
    )


def _banner(data: ReportData, _: dict[str, Figure]) -> str:
    days = data.daily["session"]
    span = f"{markup.day(days[0])} to {markup.day(days[-1])}" if data.daily.height else "no session"
    kind, tone = ("Simulated market", "sim") if data.simulated else ("Real market data", "")
    badges = [
        *([markup.badge("Stage", data.stage, "strong")] if data.verdict else []),
        markup.badge("Lane", data.lane),
        markup.badge(kind, data.source, tone),
        markup.badge("Fills", data.mode),
    ]
    look = {"GO": "go", "NO-GO": "no"}.get(data.verdict or "", "plain")
    mark = {"GO": "✓ GO", "NO-GO": "✕ NO-GO"}.get(data.verdict or "", "Simulation")
    return (
        f'<header class="banner {look}"><div class="verdict"><div class="mark">{mark}</div>'
        f'<div><h1>{escape(data.title)}</h1><p class="when">Out of sample, {span}</p></div></div>'
        f'<div class="badges">{"".join(badges)}</div>{_judgement(data)}</header>'
    )


def _judgement(data: ReportData) -> str:
    """What the verdict means and rests on; or that there is none."""
    if data.verdict is None:
        return "<p><b>A simulation, not a verdict</b>: the gate has not judged it, and nothing may trade on it.</p>"
    failed = sum(one["status"] != PASSED for one in data.checks)
    count = f"All {len(data.checks)} checks passed" if not failed else f"{failed} of {len(data.checks)} checks failed"
    meaning = {
        ("GO", "PAPER"): "it may trade on paper; real money needs the LIVE stage",
        ("GO", "LIVE"): "it may trade real money, within the limits of its bundle",
    }.get((data.verdict, data.stage), "nothing here is fit to trade")
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in data.reasons[:3])
    return f'<p><b>{count}</b>: {meaning}. What decides it:</p><ol class="reasons">{reasons}</ol>'


def _tiles(data: ReportData, _: dict[str, Figure]) -> str:
    m = data.metrics
    bound = "" if data.sharpe_bound is None else f"5 % bound {ratio(data.sharpe_bound)}, "
    paid = m.commission + m.slippage
    part = f"{m.cost_share:.0%} of the gross {dollars(m.gross)}" if m.gross > 0 else f"gross {dollars(m.gross)}"
    best = f"{share(m.consistency)} of net · " if m.net > 0 else ""
    tiles = [
        ("Net after costs", dollars(m.net), f"{share(m.net / m.capital)} of {dollars(m.capital)}"),
        ("Sharpe ratio", ratio(m.sharpe), f"{bound}active {ratio(m.sharpe_active)}"),
        (
            "Deepest drawdown",
            share(m.drawdown_share),
            f"{dollars(m.drawdown)} · {markup.count(m.drawdown_sessions, 'session')}",
        ),
        ("Profit factor", ratio(m.profit_factor), f"expectancy {dollars(m.expectancy)} a trade"),
        ("Trades", f"{m.trades:,}", f"{m.win_rate:.0%} won · {m.active_sessions} of {m.sessions} sessions"),
        ("Costs paid", dollars(paid), part),
        ("Sortino · Calmar", f"{ratio(m.sortino)} · {ratio(m.calmar)}", "per year, on starting capital"),
        ("Best session", dollars(m.best_session), f"{best}worst {dollars(m.worst_session)}"),
    ]
    cells = "".join(
        f'<div class="tile"><span>{a}</span><strong>{b}</strong><small>{c}</small></div>' for a, b, c in tiles
    )
    return f'<section class="tiles" aria-label="Key figures">{cells}</section>'


def _equity(data: ReportData, drawn: dict[str, Figure]) -> str:
    folds = data.daily["fold"].n_unique() > 1
    lead = "Each fold's test window is traded with a model and parameters that come only from windows before it. "
    lead = lead * folds + "The distance between the lines is what commission and slippage cost."
    lead += " Stripes are folds." * folds
    if not data.daily.height:
        return markup.card("Equity, out of sample", lead, markup.none("No session was simulated."))
    drawn["equity"] = figures.equity_figure(data.daily, data.trades, data.equity, data.metrics.capital)
    fallback = f"<noscript>{equity_svg(data.daily)}</noscript>"
    return markup.card("Equity, out of sample", lead, markup.plot("equity") + fallback)


def _holdout(data: ReportData, _: dict[str, Figure]) -> str:
    lead = "The last sessions, kept aside from every choice and opened once, with the final recipe."
    held = data.holdout
    if held is None:
        return markup.card("The hold-out", lead, markup.none("Not opened."))
    rows = [(name, seen, new) for (name, seen), (_, new) in zip(_plain(data.metrics), _plain(held), strict=True)]
    return markup.card("The hold-out", lead, markup.table(["", "Walk-forward", "Hold-out"], rows, numeric={1, 2}))


def _plain(m: Metrics) -> list[tuple[str, str]]:
    """The figures by which two simulations of different length can be compared."""
    return [
        ("Net after costs", dollars(m.net)),
        ("Net a session", dollars(m.net / m.sessions if m.sessions else 0.0)),
        ("Sharpe ratio", ratio(m.sharpe)),
        ("Profit factor", ratio(m.profit_factor)),
        ("Win rate", share(m.win_rate)),
        ("Deepest drawdown", share(m.drawdown_share)),
        ("Trades", f"{m.trades:,}"),
        ("Sessions", f"{m.sessions:,}"),
    ]


def _checks(data: ReportData, _: dict[str, Figure]) -> str:
    lead = "What cannot be evaluated fails. Each check names what it protects from."
    rows = [_check(one) for one in sorted(data.checks, key=lambda one: one["status"] == PASSED)]
    heads = ["Status", "Check", "What it protects from", "Value", "Threshold"]
    table = markup.table(heads, rows, numeric={3, 4}, raw=True)
    return markup.card("The gate's checks", lead, table if rows else markup.none("No check was evaluated."), long=True)


def _check(one: Mapping[str, Any]) -> list[str]:
    """A check as the cells of its row, the failed ones with their own word for it."""
    passed = one["status"] == PASSED
    mark = "✓ pass" if passed else f"✕ {escape(str(one['status']))}"

    def small(key: str) -> str:
        return f"<small>{escape(str(one[key]))}</small>" if one.get(key) else ""

    return [
        f'<span class="status {"pass" if passed else "fail"}">{mark}</span>',
        f"<code>{escape(str(one['id']))}</code>{small('stage')}",
        escape(str(one.get("protects") or "")) + small("detail"),
        markup.shown(one.get("value")),
        markup.shown(one.get("threshold")),
    ]


def _folds(data: ReportData, _: dict[str, Figure]) -> str:
    lead = "Train, validate, test, and step on: every row is a test window that its model had never seen."
    if not data.folds.height:
        return markup.card("Folds", lead, markup.none("No fold.")) if data.verdict else ""
    columns = data.folds.columns
    numeric = {i for i, kind in enumerate(data.folds.dtypes) if kind.is_numeric()}
    rows = [
        [markup.cell(name, value) for name, value in zip(columns, row, strict=True)] for row in data.folds.iter_rows()
    ]
    heads = [name.replace("_", " ").capitalize() for name in columns]
    return markup.card("Folds", lead, markup.table(heads, rows, numeric, raw=True), long=True)


def _example(data: ReportData, drawn: dict[str, Figure]) -> str:
    if not data.example.height:
        return markup.card("One session, trade by trade", "", markup.none("No session to show."))
    day = markup.day(cast(int, data.example["ts_ns"][-1]))
    lead = f"{day}, New York time. Coloured while a trade was open: target, first stop (dotted), stop at the exit."
    drawn["session"] = figures.session_figure(data.example, data.trades)
    return markup.card("One session, trade by trade", lead, markup.plot("session"))


def _footer(data: ReportData, _: dict[str, Figure]) -> str:
    fills = f"Fills are {data.mode}: {MODES.get(data.mode, 'as the lane says')}."
    told = [] if data.conditions else [fills]
    notes = "".join(f"<li>{escape(note)}</li>" for note in (*told, *data.notes))
    given = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in data.conditions.items())
    rows = "".join(f"<tr><td>{escape(k)}</td><td><code>{escape(v)}</code></td></tr>" for k, v in data.digests.items())
    how = f"<b>How it was simulated</b><table>{given}</table>" if given else ""
    return f"<footer>{how}<b>Fine print</b><ul>{notes}</ul><table>{rows}</table></footer>"
