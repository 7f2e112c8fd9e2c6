"""Sections of a report: where it came from, what else it could have been, what it cost, and what was refused."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from scalper.simulate import markup
from scalper.simulate import report_bars as bars
from scalper.simulate.breaches import MOVES, wanted
from scalper.simulate.groups import Group
from scalper.simulate.markup import dollars, ratio, share
from scalper.simulate.metrics import Metrics
from scalper.simulate.montecarlo import MonteCarlo
from scalper.simulate.report_data import ReportData
from scalper.simulate.report_figures import Figure, fan_figure

WORDS = {
    "day_loss": "Loss of the session",
    "day_drawdown": "Fall below the session's peak",
    "review": "Fall below the account's peak",
    "kill": "Kill switch",
    "firm": "Firm's maximum loss",
}
"""The limits as a person calls them."""
BREACHES = 25
"""Most limits that are listed, the worst first."""


def breakdown(data: ReportData, drawn: dict[str, Figure]) -> str:
    """Net by hour, confidence and exit, and the distribution of trades."""

    def groups(name: str, title: str, lead: str, of: tuple[Group, ...]) -> str:
        if not of:
            return markup.card(title, lead, markup.none("No trade."))
        drawn[name] = bars.group_figure(of)
        return markup.card(title, lead, markup.plot(name))

    m = data.metrics
    cards = [
        groups("hours", "By hour", "Net by the hour of entry, New York.", m.by_hour),
        groups("bands", "By confidence", "Net by the model's calibrated confidence at entry.", m.by_band),
        groups("reasons", "By exit", "Net by the reason of the exit.", m.by_reason),
    ]
    lead = "How many trades came to what, after costs; the outermost bars hold all beyond."
    if data.trades.height:
        drawn["distribution"] = bars.distribution_figure(data.trades["net"].to_numpy())
    spread = markup.plot("distribution") if data.trades.height else markup.none("No trade.")
    cards.append(markup.card("Distribution of trades", lead, spread))
    return f'<div class="pair">{"".join(cards)}</div>'


def monte_carlo(data: ReportData, drawn: dict[str, Figure]) -> str:
    """What else the account could have lived through: bands, quantiles, and the chance of reaching its limits."""
    found = [one for one in data.monte_carlo if one.draws]
    title = "What else could have happened"
    if not found:
        return markup.card(title, "", markup.none("Nothing was drawn.")) if data.monte_carlo else ""
    leads = {
        "sessions": "Sessions drawn anew, {block} neighbours at a time: other futures of the same kind.",
        "trades": "The same trades in another order: the same net, other drawdowns.",
    }
    cards: list[str] = []
    for one in found:
        drawn[f"fan_{one.kind}"] = fan_figure(one, data.daily, data.metrics.capital)
        lead = f"{one.draws:,} draws. {leads[one.kind].format(block=one.block)}"
        cards.append(markup.card(f"Monte Carlo: {one.kind}", lead, markup.plot(f"fan_{one.kind}")))
    rows = [row for one in found for row in _quantiles(one, data.metrics)]
    heads = ["Drawn from", "Figure", "5 %", "25 %", "Median", "75 %", "95 %", "As it was"]
    chances = [
        (name, *(share(one.reached[name]) if name in one.reached else "—" for one in found))
        for name in dict.fromkeys(name for one in found for name in one.reached)
    ]
    lead = "Where the draws ended, how deep they fell on the way (inside sessions too), and how many met a limit."
    tables = markup.table(heads, rows, numeric={2, 3, 4, 5, 6, 7})
    if chances:
        heads = ["Reached before the end", *(f"of the drawn {one.kind}" for one in found)]
        tables += markup.table(heads, chances, numeric=set(range(1, len(heads))))
    return f'<div class="pair">{"".join(cards)}</div>' + markup.card(title, lead, tables)


def _quantiles(one: MonteCarlo, m: Metrics) -> list[list[str]]:
    forms = {"net": ("Net", dollars, m.net), "drawdown": ("Deepest drawdown", dollars, m.drawdown)}
    forms |= {"sharpe": ("Sharpe ratio", ratio, m.sharpe)}
    rows: list[list[str]] = []
    for figure, *levels in one.table().iter_rows():
        name, form, was = forms[figure]
        rows.append([one.kind, name, *(form(level) for level in levels), form(was)])
    return rows


def costs(data: ReportData, drawn: dict[str, Figure]) -> str:
    """Commission and slippage along time and by hour."""
    m = data.metrics
    if not data.trades.height:
        return markup.card("Costs", "", markup.none("No trade, no costs."))
    drawn["costs_sessions"] = bars.costs_by_session(data.trades)
    drawn["costs_hours"] = bars.costs_by_hour(data.trades)
    each = f"{dollars((m.commission + m.slippage) / m.trades)} a trade"
    total = f"Commission {dollars(m.commission)} and slippage {dollars(m.slippage)}: {each}."
    first = markup.card("Costs along time", total, markup.plot("costs_sessions"))
    second = markup.card("Costs by hour", "By the hour of entry, New York.", markup.plot("costs_hours"))
    return f'<div class="pair">{first}{second}</div>'


def refused(data: ReportData, drawn: dict[str, Figure]) -> str:
    """Entries that a gate refused, and those that a factor made smaller; stops that were moved."""
    moves = [gate.name.lower() for gate in MOVES]
    counts = dict(data.refusals.select("gate", "count").iter_rows())
    moved = data.refusals.filter(pl.col("gate").is_in(moves)).select(pl.col("gate").alias("factor"), "count")
    changed = pl.concat([data.changed.select("factor", "count"), moved]).filter(pl.col("count") > 0)
    waits = {"prediction": "no prediction", "flat": "class FLAT", "stale": "no trade in the bar"}
    waits |= {"in_position": "in a position", "working": "an order under way"}
    told = ", ".join(f"{counts[name]:,} {words}" for name, words in waits.items() if counts.get(name))
    lead = "Entries that the policy wanted and a gate turned down, by the first gate that said no."
    lead += f" Bars at which nothing was wanted: {told}." if told else ""
    cards = [_counted(wanted(data.refusals), "gate", "refusals", "Refused", lead, "Nothing was refused.", drawn)]
    lead = "Entries whose size a factor changed, and bars at which the stop was moved."
    cards.append(_counted(changed, "factor", "changes", "Changed", lead, "Nothing was changed.", drawn))
    return f'<div class="pair">{"".join(cards)}</div>'


def _counted(
    table: pl.DataFrame, key: str, name: str, title: str, lead: str, none: str, drawn: dict[str, Figure]
) -> str:
    if table.height:
        drawn[name] = bars.count_figure(table, key)
    return markup.card(title, lead, markup.plot(name) if table.height else markup.none(none))


def stopped(data: ReportData, _: dict[str, Figure]) -> str:
    """The limits that fired, and how far beyond them the loss was in the end."""
    lead = (
        "A limit is looked at when a bar closes, and the position is left at the next price: a loss can end beyond it "
        "by what the bar and the exit cost."
    )
    if not data.limits.height:
        return markup.card("Limits that fired", lead, markup.none("None."))
    worst = data.limits.sort("excess", "session", descending=[True, False])
    money = ("limit", "value", "final", "excess")
    rows = [
        [markup.shown(one["session"]), WORDS.get(one["gate"], str(one["gate"])), *(dollars(one[key]) for key in money)]
        for one in worst.head(BREACHES).iter_rows(named=True)
    ]
    beyond = worst.filter(pl.col("excess") > 0)
    lead += f" {worst.height} fired, {beyond.height} ended beyond: by {dollars(worst['excess'][0])} at most."
    lead += f" The {BREACHES} farthest are listed." if worst.height > BREACHES else ""
    heads = ["Session", "Limit", "Allowed", "When it fired", "In the end", "Beyond"]
    return markup.card("Limits that fired", lead, markup.table(heads, rows, numeric={2, 3, 4, 5}), long=True)


def full_table(data: ReportData, _: dict[str, Figure]) -> str:
    """Every figure with what it means, beside the hold-out's if that was opened."""
    every = [data.metrics, *([data.holdout] if data.holdout else [])]
    rows = [[name, *(value(one) for one in every), meaning] for name, value, meaning in _FIGURES]
    heads = ["Figure", *(["Walk-forward", "Hold-out"] if len(every) > 1 else ["Value"]), "What it is"]
    numeric = set(range(1, len(every) + 1))
    lead = "After costs unless it says gross; returns are on the starting capital and are not compounded."
    return markup.card("Every figure", lead, markup.table(heads, rows, numeric), long=True)


_FIGURES: tuple[tuple[str, Callable[[Metrics], str], str], ...] = (
    ("Net", lambda m: dollars(m.net), "gross − slippage − commission"),
    ("Gross", lambda m: dollars(m.gross), "before costs, at the prices of the bars"),
    ("Commission", lambda m: dollars(m.commission), "both sides, fees included"),
    ("Slippage", lambda m: dollars(m.slippage), "between the bars' prices and the fills"),
    ("Share of costs", lambda m: share(m.cost_share), "commission and slippage over gross"),
    ("Yearly return", lambda m: share(m.yearly), "mean daily net × 252 over capital"),
    ("Volatility", lambda m: share(m.volatility), "standard deviation of daily net over capital × √252"),
    ("Sharpe ratio", lambda m: ratio(m.sharpe), "mean over standard deviation of daily net × √252, flat sessions too"),
    ("Sharpe, active", lambda m: ratio(m.sharpe_active), "the same over sessions with a trade"),
    ("Sortino ratio", lambda m: ratio(m.sortino), "mean over root mean square of the losing sessions × √252"),
    ("Calmar ratio", lambda m: ratio(m.calmar), "yearly return over the deepest drawdown"),
    (
        "Deepest drawdown",
        lambda m: f"{dollars(m.drawdown)} ({share(m.drawdown_share)})",
        "below the peak, bar by bar",
    ),
    ("Longest drawdown", lambda m: markup.count(m.drawdown_sessions, "session"), "closed below an earlier close"),
    ("Trades", lambda m: f"{m.trades:,}", "closed positions"),
    ("Win rate", lambda m: share(m.win_rate), "trades with net > 0"),
    ("Profit factor", lambda m: ratio(m.profit_factor), "what winners made over what losers lost"),
    ("Expectancy", lambda m: dollars(m.expectancy), "mean net of a trade"),
    ("Average win, loss", lambda m: f"{dollars(m.average_win)}, {dollars(m.average_loss)}", "mean net of either"),
    ("Best, worst trade", lambda m: f"{dollars(m.best_trade)}, {dollars(m.worst_trade)}", "by net"),
    ("Longest losing streak", lambda m: markup.count(m.longest_losses, "trade"), "with net < 0, across sessions"),
    ("Holding time", lambda m: markup.span(m.holding_s), "mean, from first fill to last"),
    ("Exposure", lambda m: share(m.exposure), "time in a position over all 23 hours of every session"),
    ("Turnover", lambda m: f"{ratio(m.turnover)} a session", "contracts bought and sold"),
    (
        "Adverse excursion",
        lambda m: f"{dollars(m.mae)}, winners {dollars(m.mae_winners)}",
        "mean worst open P&L",
    ),
    ("Favourable excursion", lambda m: dollars(m.mfe), "mean best open P&L"),
    ("Sessions", lambda m: f"{m.sessions:,}, {m.active_sessions:,} active", "active: with a trade"),
    ("Best, worst session", lambda m: f"{dollars(m.best_session)}, {dollars(m.worst_session)}", "by net"),
    ("Consistency", lambda m: share(m.consistency), "the best session's share of net"),
)
