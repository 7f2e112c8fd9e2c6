"""The lines of a report, along time: equity, a session's prices, Monte Carlo bands; plotly specifications as mappings.

A colour is the name of a CSS variable (`--gain`); the page fills it in, so a picture follows light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import polars as pl

from scalper.simulate.elements import closing_ns
from scalper.simulate.markup import ZONE, dollars
from scalper.simulate.montecarlo import MonteCarlo

type Figure = dict[str, Any]
POINTS = 3000
"""Most points of a line; thinning keeps the lowest and the highest of each stretch."""


def equity_figure(daily: pl.DataFrame, trades: pl.DataFrame, equity: pl.DataFrame, capital: float) -> Figure:
    """Account along time after costs, the same before costs, and the fall below the peak underneath."""
    closes = _closes(daily, trades)
    path = thin(equity) if equity.height else closes.select("ts_ns", equity=capital + pl.col("net").cum_sum())
    value = np.concatenate([[capital], path["equity"].to_numpy()])
    peak = np.maximum.accumulate(value)
    when = _wall(path["ts_ns"])
    fall = ((value - peak) / peak * 100)[1:]
    gross = (capital + closes["gross"].cum_sum()).round(2).to_list()
    return {
        "data": [
            _line(_wall(closes["ts_ns"]), gross, "before costs", "--faint", dash="dot"),
            _line(when, path["equity"].round(2).to_list(), "after costs", "--ink-blue", width=2),
            _line(when, fall.round(3).tolist(), "below the peak", "--loss", width=1)
            | {
                "yaxis": "y2",
                "fill": "tozeroy",
                "fillcolor": "--loss-soft",
                "hovertemplate": "%{y:.2f} %<extra></extra>",
            },
        ],
        "layout": {
            "height": 430,
            "hovermode": "x",
            "legend": {"orientation": "h", "x": 0, "y": 1.09},
            "yaxis": {"domain": [0.34, 1], "tickformat": "$,.0f"},
            "yaxis2": {"domain": [0, 0.26], "ticksuffix": " %", "nticks": 4},
            "xaxis": {"anchor": "y2"},
            "shapes": [_across(capital), *_fold_bands(closes)],
        },
    }


def session_figure(bars: pl.DataFrame, trades: pl.DataFrame) -> Figure:
    """One session's prices around its trades: entry, exit, first stop, last stop and target while each was open."""
    first, last = bars["ts_ns"].min(), bars["ts_ns"].max()
    inside = trades.filter(pl.col("entry_ns").is_between(first, last)).sort("entry_ns")
    bars = _candles(_around(bars, inside))
    data: list[Figure] = [
        {
            "type": "candlestick",
            "x": _wall(bars["ts_ns"]),
            **{name: bars[name].to_list() for name in ("open", "high", "low", "close")},
            "name": "price",
            "increasing": {"line": {"color": "--ink-blue", "width": 1}, "fillcolor": "--ink-blue"},
            "decreasing": {"line": {"color": "--faint", "width": 1}, "fillcolor": "--faint"},
        },
        _segments(inside, "target", "target", "target", "--gain", "solid"),
        _segments(inside, "first_stop", "first_stop", "first stop", "--loss", "dot"),
        _segments(inside, "stop", "stop", "last stop", "--loss", "solid"),
        _segments(inside, "entry", "exit", "held", "--ink", "dot"),
        *(_entries(inside, side, symbol) for side, symbol in (("long", "triangle-up"), ("short", "triangle-down"))),
        _exits(inside),
    ]
    layout = {
        "height": 420,
        "xaxis": {"rangeslider": {"visible": False}, "tickformat": "%H:%M"},
        "yaxis": {"tickformat": ",.2f"},
        "legend": {"orientation": "h", "x": 0, "y": 1.1},
    }
    return {"data": data, "layout": layout}


def fan_figure(found: MonteCarlo, daily: pl.DataFrame, capital: float) -> Figure:
    """Bands of equity over the draws along the sessions, and the path that was."""
    x = found.bands["session"].to_list()
    bands = {name: found.bands[name].round(2).to_list() for name in ("p5", "p25", "p50", "p75", "p95")}
    edges = {"p5": "5 %", "p25": "25 %", "p75": "75 %", "p95": "95 %"}
    was = [capital, *(capital + daily["net"].cum_sum()).round(2).to_list()][: x[-1] + 1 if x else 0]

    def edge(name: str, label: str = "", fill: str | None = None) -> Figure:
        shown = {"fill": "tonexty", "fillcolor": fill} if fill else {"showlegend": False}
        return (
            _line(x, bands[name], label, "rgba(0,0,0,0)", width=0)
            | shown
            | {"hovertemplate": edges[name] + " %{y:$,.2f}"}
        )

    return {
        "data": [
            edge("p5"),
            edge("p95", "90 %", "--band-soft"),
            edge("p25"),
            edge("p75", "50 %", "--band"),
            _line(x, bands["p50"], "median", "--soft", width=1.2, dash="dot"),
            _line(list(range(len(was))), was, "as it was", "--ink-blue", width=2),
        ],
        "layout": {
            "height": 300,
            "hovermode": "x",
            "legend": {"orientation": "h", "x": 0, "y": 1.14},
            "yaxis": {"tickformat": "$,.0f"},
            "xaxis": {"title": {"text": "sessions", "font": {"size": 12}}, "hoverformat": ",d"},
            "shapes": [_across(capital)],
        },
    }


def thin(equity: pl.DataFrame, points: int = POINTS) -> pl.DataFrame:
    """At most `points` rows of (`ts_ns`, `equity`): the lowest and the highest of each stretch, and both ends."""
    if equity.height <= points:
        return equity
    value = equity["equity"].to_numpy()
    edges = np.linspace(0, equity.height, points // 2).astype(int)
    keep = {0, equity.height - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        keep |= {start + int(value[start:end].argmin()), start + int(value[start:end].argmax())}
    return equity[sorted(keep)]


def _closes(daily: pl.DataFrame, trades: pl.DataFrame) -> pl.DataFrame:
    """A row a session: `ts_ns` of its 17:00 New York, `fold`, `net`, `gross`."""
    gross = trades.group_by("session").agg(gross=pl.col("gross").sum())
    table = daily.join(gross, on="session", how="left", maintain_order="left")
    return table.select(pl.Series("ts_ns", closing_ns(daily["session"])), "fold", "net", pl.col("gross").fill_null(0.0))


def _fold_bands(closes: pl.DataFrame) -> list[Figure]:
    """A pale stripe behind every second fold."""
    spans = closes.group_by("fold", maintain_order=True).agg(start=pl.col("ts_ns").min(), end=pl.col("ts_ns").max())
    starts, ends = _wall(spans["start"]), _wall(spans["end"])
    stripe = {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": "--stripe",
        "line": {"width": 0},
        "layer": "below",
    }
    return [stripe | {"x0": a, "x1": b} for a, b in list(zip(starts, ends, strict=True))[1::2]]


def _across(level: float) -> Figure:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": level,
        "y1": level,
        "line": {"color": "--line", "width": 1},
    }


def _line(
    x: Sequence[Any], y: Sequence[float], name: str, colour: str, width: float = 1.4, dash: str = "solid"
) -> Figure:
    line = {"color": colour, "width": width, "dash": dash}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "name": name,
        "line": line,
        "hovertemplate": "%{y:$,.2f}",
    }


def _around(bars: pl.DataFrame, trades: pl.DataFrame, margin: int = 45) -> pl.DataFrame:
    """The bars from shortly before the first entry to shortly after the last exit; all of them without a trade."""
    if not trades.height:
        return bars
    start = bars["ts_ns"].search_sorted(trades["entry_ns"])[0] - margin
    end = max(bars["ts_ns"].search_sorted(trades["exit_ns"])) + margin
    return bars[max(start, 0) : end]


def _candles(bars: pl.DataFrame, most: int = 450) -> pl.DataFrame:
    """At most `most` candles, each of equally many neighbouring bars."""
    step = -(-bars.height // most) or 1
    number = pl.int_range(pl.len()) // step
    return (
        bars.group_by(number.alias("number"), maintain_order=True)
        .agg(pl.col("ts_ns", "open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last())
        .drop("number")
    )


def _segments(trades: pl.DataFrame, start: str, end: str, name: str, colour: str, dash: str) -> Figure:
    """A segment a trade, from entry to exit, between the prices in two columns; None breaks the line between two."""
    times = zip(_wall(trades["entry_ns"]), _wall(trades["exit_ns"]), strict=True)
    x = [stamp for pair in times for stamp in (*pair, None)]
    y = [level for pair in trades.select(a=start, b=end).iter_rows() for level in (*pair, None)]
    line = {"color": colour, "width": 2 if dash == "solid" else 1.3, "dash": dash}
    hover: Figure = {"hoverinfo": "skip"} if name == "held" else {"hovertemplate": name + " %{y:,.2f}<extra></extra>"}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": line} | hover


def _entries(trades: pl.DataFrame, side: str, symbol: str) -> Figure:
    chosen = trades.filter(pl.col("side") == side)
    notes = [
        f"{side} {n} at {price:,.2f}<br>confidence {c:.2f}"
        for n, price, c in chosen.select("contracts", "entry", "confidence").rows()
    ]
    return _marks(_wall(chosen["entry_ns"]), chosen["entry"].to_list(), notes, side, symbol, "--ink")


def _exits(trades: pl.DataFrame) -> Figure:
    notes = [
        f"{escape(str(reason))} at {price:,.2f}<br>net {dollars(net)}"
        for reason, price, net in trades.select("reason", "exit", "net").rows()
    ]
    return _marks(_wall(trades["exit_ns"]), trades["exit"].to_list(), notes, "exit", "circle-open", "--ink")


def _marks(x: list[str], y: list[float], notes: list[str], name: str, symbol: str, colour: str) -> Figure:
    marker = {
        "symbol": symbol,
        "size": 11,
        "color": colour,
        "line": {"width": 1.5, "color": "--card" if symbol.startswith("tri") else colour},
    }
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "name": name,
        "marker": marker,
        "text": notes,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _wall(stamps: pl.Series) -> list[str]:
    """UTC nanoseconds as New York wall time, in the form that plotly reads."""
    local = stamps.cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(ZONE)
    return local.dt.strftime("%Y-%m-%d %H:%M:%S").to_list()
