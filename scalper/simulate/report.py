"""The report of a verdict: one HTML file that a person reads in two minutes, offline, and can print or send."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Literal, cast

import polars as pl
from plotly.offline import get_plotlyjs  # pyright: ignore[reportMissingTypeStubs]

from scalper.simulate import markup
from scalper.simulate import report_figures as figures
from scalper.simulate.markup import dollars, ratio, share
from scalper.simulate.metrics import Group, Metrics
from scalper.simulate.sketch import equity_svg

PASSED = "PASS"
MODES = {
    "realistic": "a target fills when the price trades through it by a tick; stops and market orders slip",
    "conservative": "as realistic, with one more tick of slippage",
    "optimistic": "a target fills on touch and nothing slips: an upper bound, not a forecast",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything that a report shows; it computes nothing that decides."""

    lane: str
    """Name of the lane, as in config/."""
    title: str
    """What the lane is, in a few words: `Simulated MES, one-minute bars`."""
    verdict: Literal["GO", "NO-GO"]
    stage: str
    """PAPER or LIVE."""
    simulated: bool
    """True if the market was simulated; the report then says so beside the verdict."""
    source: str
    """Source key of the lake: `sandbox-7-1`, `databento`, `import`."""
    mode: str
    """Fill mode: realistic, conservative or optimistic."""
    reasons: Sequence[str]
    """Plain sentences that decide the verdict, weightiest first; three are shown."""
    checks: Sequence[Mapping[str, Any]]
    """The gate's checks: id, stage, value, threshold, status (PASS, FAIL or CANNOT EVALUATE), detail, protects."""
    metrics: Metrics
    """Of the out-of-sample path."""
    sharpe_bound: float | None = None
    """Lower 5 % bound of the Sharpe ratio, if it was bootstrapped."""
    daily: pl.DataFrame
    """Sessions out of sample: session, fold, net, cash, trades."""
    trades: pl.DataFrame
    """Trades out of sample, all columns of the simulator."""
    equity: pl.DataFrame
    """Equity along time (ts_ns, equity); where it is empty the sessions' closes are drawn."""
    folds: pl.DataFrame
    """A row a fold, shown as it is; columns called net, pnl or like these are money."""
    refusals: pl.DataFrame
    """gate, count: entries that a gate refused."""
    example: pl.DataFrame
    """Bars of one session (ts_ns, open, high, low, close as prices) whose trades are drawn."""
    holdout: Metrics | None = None
    """Of the final hold-out; None while it is unopened."""
    notes: Sequence[str] = ()
    """What a reader should know before believing the figures."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name to digest or version: data, features, model, code, configuration, trials."""


def write_report(path: Path, data: ReportData) -> Path:
    """Write the report to `path` (folders are made, the file appears whole) and return the path."""
    drawn: dict[str, figures.Figure] = {}
    parts = (_banner, _tiles, _equity, _holdout, _checks, _folds, _example, _breakdown, _footer)
    body = "\n".join(part(data, drawn) for part in parts)
    template = Template((Path(__file__).parent / "report.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=escape(f"{data.title} ({data.lane})"),
        verdict=escape(data.verdict),
        body=body,
        figures=markup.script_safe(drawn),
        plotly=get_plotlyjs(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(page, encoding="utf-8")
    fresh.replace(path)
    return path


def _banner(data: ReportData, _: dict[str, figures.Figure]) -> str:
    go = data.verdict == "GO"
    failed = sum(one["status"] != PASSED for one in data.checks)
    count = f"All {len(data.checks)} checks passed" if not failed else f"{failed} of {len(data.checks)} checks failed"
    meaning = {
        (True, "PAPER"): "it may trade on paper; real money needs the LIVE stage",
        (True, "LIVE"): "it may trade real money, within the limits of its bundle",
    }.get((go, data.stage), "nothing here is fit to trade")
    days = data.daily["session"]
    span = f"{markup.day(days[0])} to {markup.day(days[-1])}" if data.daily.height else "no session"
    kind, tone = ("Simulated market", "sim") if data.simulated else ("Real market data", "")
    market = markup.badge(kind, data.source, tone)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in data.reasons[:3])
    return (
        f'<header class="banner {"go" if go else "no"}"><div class="verdict">'
        f'<div class="mark">{"✓" if go else "✕"} {escape(data.verdict)}</div>'
        f'<div><h1>{escape(data.title)}</h1><p class="when">Out of sample, {span}</p></div></div>'
        f'<div class="badges">{markup.badge("Stage", data.stage, "strong")}{markup.badge("Lane", data.lane)}{market}'
        f"{markup.badge('Fills', data.mode)}</div>"
        f"<p><b>{count}</b>: {meaning}. What decides it:</p>"
        f'<ol class="reasons">{reasons}</ol></header>'
    )


def _tiles(data: ReportData, _: dict[str, figures.Figure]) -> str:
    m = data.metrics
    bound = "" if data.sharpe_bound is None else f"5 % bound {ratio(data.sharpe_bound)}, "
    costs = m.commission + m.slippage
    part = f"{costs / m.gross:.0%} of the gross {dollars(m.gross)}" if m.gross > 0 else f"gross {dollars(m.gross)}"
    best = f"{share(m.consistency)} of net · " if m.net > 0 else ""
    tiles = [
        ("Net after costs", dollars(m.net), f"{share(m.net / m.capital)} of {dollars(m.capital)}"),
        ("Sharpe ratio", ratio(m.sharpe), f"{bound}active {ratio(m.sharpe_active)}"),
        (
            "Deepest drawdown",
            share(m.drawdown_share),
            f"{dollars(m.drawdown)} · {m.drawdown_sessions} sessions",
        ),
        ("Profit factor", ratio(m.profit_factor), f"expectancy {dollars(m.expectancy)} a trade"),
        ("Trades", f"{m.trades:,}", f"{m.win_rate:.0%} won · {m.active_sessions} of {m.sessions} sessions"),
        ("Costs paid", dollars(costs), part),
        ("Sortino · Calmar", f"{ratio(m.sortino)} · {ratio(m.calmar)}", "per year, on starting capital"),
        ("Best session", dollars(m.best_session), f"{best}worst {dollars(m.worst_session)}"),
    ]
    cells = "".join(
        f'<div class="tile"><span>{a}</span><strong>{b}</strong><small>{c}</small></div>' for a, b, c in tiles
    )
    return f'<section class="tiles" aria-label="Key figures">{cells}</section>'


def _equity(data: ReportData, drawn: dict[str, figures.Figure]) -> str:
    lead = (
        "Each fold's test window is traded with a model and parameters that come only from windows before it. "
        "The distance between the lines is what commission and slippage cost. Stripes are folds."
    )
    if not data.daily.height:
        return markup.card("Equity, out of sample", lead, markup.none("No session was simulated."))
    drawn["equity"] = figures.equity_figure(data.daily, data.trades, data.equity, data.metrics.capital)
    fallback = f"<noscript>{equity_svg(data.daily)}</noscript>"
    return markup.card("Equity, out of sample", lead, markup.plot("equity") + fallback)


def _holdout(data: ReportData, _: dict[str, figures.Figure]) -> str:
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


def _checks(data: ReportData, _: dict[str, figures.Figure]) -> str:
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


def _folds(data: ReportData, _: dict[str, figures.Figure]) -> str:
    lead = "Train, validate, test, and step on: every row is a test window that its model had never seen."
    if not data.folds.height:
        return markup.card("Folds", lead, markup.none("No fold."))
    columns = data.folds.columns
    numeric = {i for i, kind in enumerate(data.folds.dtypes) if kind.is_numeric()}
    rows = [
        [markup.cell(name, value) for name, value in zip(columns, row, strict=True)] for row in data.folds.iter_rows()
    ]
    heads = [name.replace("_", " ").capitalize() for name in columns]
    return markup.card("Folds", lead, markup.table(heads, rows, numeric, raw=True), long=True)


def _example(data: ReportData, drawn: dict[str, figures.Figure]) -> str:
    if not data.example.height:
        return markup.card("One session, trade by trade", "", markup.none("No session to show."))
    day = markup.day(cast(int, data.example["ts_ns"][-1]))
    lead = f"{day}, New York time. Coloured lines: stop and target of a trade while it was open."
    drawn["session"] = figures.session_figure(data.example, data.trades)
    return markup.card("One session, trade by trade", lead, markup.plot("session"))


def _breakdown(data: ReportData, drawn: dict[str, figures.Figure]) -> str:
    def groups(name: str, title: str, lead: str, of: tuple[Group, ...]) -> str:
        if not of:
            return markup.card(title, lead, markup.none("No trade."))
        drawn[name] = figures.group_figure(of)
        return markup.card(title, lead, markup.plot(name))

    m = data.metrics
    cards = [
        groups("hours", "By hour", "Net by the hour of entry, New York.", m.by_hour),
        groups("bands", "By confidence", "Net by the model's calibrated confidence at entry.", m.by_band),
        groups("reasons", "By exit", "Net by the reason of the exit.", m.by_reason),
    ]
    lead = "How many trades came to what, after costs; the outermost bars hold all beyond."
    if data.trades.height:
        drawn["distribution"] = figures.distribution_figure(data.trades["net"].to_numpy())
    spread = markup.plot("distribution") if data.trades.height else markup.none("No trade.")
    cards.append(markup.card("Distribution of trades", lead, spread))
    if data.refusals.height:
        drawn["refusals"] = figures.refusal_figure(data.refusals)
    refused = markup.plot("refusals") if data.refusals.height else markup.none("Nothing was refused.")
    lead = "Entries that the policy wanted and a gate turned down, by the first gate that said no."
    return f'<div class="pair">{"".join(cards)}</div>' + markup.card("Refusals", lead, refused)


def _footer(data: ReportData, _: dict[str, figures.Figure]) -> str:
    fills = f"Fills are {data.mode}: {MODES.get(data.mode, 'as the lane says')}."
    notes = "".join(f"<li>{escape(note)}</li>" for note in (fills, *data.notes))
    rows = "".join(f"<tr><td>{escape(k)}</td><td><code>{escape(v)}</code></td></tr>" for k, v in data.digests.items())
    return f"<footer><b>Fine print</b><ul>{notes}</ul><table>{rows}</table></footer>"
