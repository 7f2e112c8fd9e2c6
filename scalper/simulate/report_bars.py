"""The bars of a report: trades by a key, their distribution, counts and costs; plotly specifications as mappings."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scalper.simulate.groups import Group, hour

type Figure = dict[str, Any]
SESSIONS = 130
"""Most bars of costs along time; beyond it a bar is a week, and beyond as many weeks a month."""


def group_figure(groups: tuple[Group, ...]) -> Figure:
    """Net by key as bars, with the number of trades in the hover."""
    nets = [round(group.net, 2) for group in groups]
    notes = [f"{group.trades} trades<br>{group.win_rate:.0%} won" for group in groups]
    return _bars([group.key for group in groups], nets, _signs(np.array(nets)), notes, money=True)


def distribution_figure(nets: NDArray[np.float64]) -> Figure:
    """How many trades came to what; no bar holds both winners and losers."""
    if not nets.size:
        return _bars([], [], [], [], money=False)
    spread = max(float(np.quantile(np.abs(nets), 0.98)), 0.01)
    width = _nice(spread / 15)
    numbers = np.floor(np.clip(nets, -1.2 * spread, 1.2 * spread) / width).astype(int)
    bins, counts = np.unique(numbers, return_counts=True)
    centres = (bins + 0.5) * width
    notes = [f"${low * width:,.2f} to ${(low + 1) * width:,.2f}" for low in bins.tolist()]
    figure = _bars(centres.round(4).tolist(), counts.tolist(), _signs(centres), notes, money=False)
    figure["data"][0]["width"] = width * 0.92
    figure["layout"]["xaxis"] = {"tickformat": "$,.4~f"}
    return figure


def count_figure(counts: pl.DataFrame, name: str) -> Figure:
    """How often each thing named in a column was counted; the dozen most frequent."""
    table = counts.sort("count", name).tail(12)
    names = [escape(str(one)) for one in table[name]]
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": table["count"].to_list(),
        "marker": {"color": "--faint"},
    }
    layout = {"height": 90 + 22 * len(names), "yaxis": {"type": "category", "automargin": True, "showgrid": False}}
    return {"data": [trace | {"hovertemplate": "%{y}: %{x}<extra></extra>"}], "layout": layout}


def costs_by_hour(trades: pl.DataFrame) -> Figure:
    """Commission and slippage by the hour of entry, New York."""
    table = trades.group_by(hour(trades).alias("key")).agg(pl.col("commission", "slippage").sum()).sort("key")
    return _stacked(table)


def costs_by_session(trades: pl.DataFrame) -> Figure:
    """Commission and slippage along time: by session, by week or by month, whichever leaves few enough bars."""
    day = pl.col("session")
    for key in (day, day.dt.truncate("1w"), day.dt.truncate("1mo")):
        table = trades.group_by(key.alias("key")).agg(pl.col("commission", "slippage").sum()).sort("key")
        if table.height <= SESSIONS:
            break
    figure = _stacked(table.with_columns(pl.col("key").dt.strftime("%Y-%m-%d")))
    figure["layout"]["xaxis"] = {"type": "date"}
    return figure


def _stacked(costs: pl.DataFrame) -> Figure:
    def part(name: str, colour: str) -> Figure:
        hover = {"hovertemplate": name + " %{y:$,.2f}<extra></extra>", "marker": {"color": colour}}
        return {"type": "bar", "x": costs["key"].to_list(), "y": costs[name].round(2).to_list(), "name": name} | hover

    layout: Figure = {"height": 240, "barmode": "stack", "bargap": 0.25, "hovermode": "x"}
    layout |= {"yaxis": {"tickformat": "$,.0f"}, "xaxis": {"type": "category"}}
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.2}
    return {"data": [part("commission", "--faint"), part("slippage", "--loss")], "layout": layout}


def _bars(keys: list[Any], values: list[float], colours: list[str], notes: list[str], *, money: bool) -> Figure:
    value = "%{y:$,.2f}" if money else "%{y} trades"
    trace = {"type": "bar", "x": keys, "y": values, "marker": {"color": colours}, "customdata": notes}
    axis = {"tickformat": "$,.0f"} if money else {}
    layout: Figure = {"height": 240, "bargap": 0.25, "yaxis": axis, "xaxis": {"type": "category"}}
    return {"data": [trace | {"hovertemplate": f"{value}<br>%{{customdata}}<extra></extra>"}], "layout": layout}


def _signs(values: NDArray[np.float64]) -> list[str]:
    return ["--gain" if value >= 0 else "--loss" for value in values.tolist()]


def _nice(step: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(step))
    return float(next(power * one for one in (1, 2, 2.5, 5, 10) if power * one >= step * 0.999))
