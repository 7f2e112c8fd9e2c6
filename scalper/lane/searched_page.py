"""The page of a search: its folds, what mattered, how scores rose, where the chosen point stands, the front.

It needs nothing from elsewhere: the report's look and its plotly (simulate/report.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Any

import numpy as np
import polars as pl

from scalper.learn.search.trial import COMPLETE, FAILED, PRUNED
from scalper.settings import Lane
from scalper.simulate.markup import card, count, none, plot, ratio, share, table
from scalper.simulate.report import document
from scalper.simulate.report_figures import Figure

OPEN = 6
"""Folds whose lines are shown at first; the others wait in the legend."""
RULES = {
    "best_sharpe": "the highest score",
    "one_error": "the smallest drawdown within one standard error of the highest score",
    "knee": "the bend of the front, farthest from the line between its ends",
}


@dataclass(frozen=True, slots=True)
class Searched:
    """What the searches of a lane's folds came to: their records (choice.json) in order, each with its fold."""

    lane: Lane
    records: Sequence[Mapping[str, Any]]

    @property
    def chosen(self) -> list[Mapping[str, Any]]:
        """Those that found a choice."""
        return [one for one in self.records if "choice" in one]

    @property
    def lonely(self) -> list[str]:
        """The folds whose chosen point stands alone."""
        return [one["fold"] for one in self.chosen if one["plateau"]["lonely"]]

    def counts(self) -> dict[str, int]:
        """Trials by how they ended."""
        ends = [row["status"].partition(":")[0] for one in self.records for row in one.get("trials", ())]
        return {name: ends.count(name) for name in (COMPLETE, PRUNED, FAILED)}

    def importance(self) -> dict[str, float]:
        """The mean importance of each axis over the folds that tell it."""
        told = [one["importance"] for one in self.chosen if one["importance"]]
        return {name: float(np.mean([one[name] for one in told])) for name in (told[0] if told else ())}

    def verdict(self) -> str:
        """The chosen points and what surrounds them, in words."""
        if not self.chosen:
            return "No fold has a choice."
        if not self.lonely:
            return f"The choice of every fold stands on a plateau ({count(len(self.chosen), 'fold')})."
        some = ", ".join(self.lonely[:8]) + (" and more" if len(self.lonely) > 8 else "")
        return (
            f"{len(self.lonely)} of {count(len(self.chosen), 'fold')} chose a lonely peak ({some}): the tried points "
            "nearest to it scored less than half; that is luck until shown otherwise."
        )

    def table(self) -> pl.DataFrame:
        """A row a fold."""
        return pl.DataFrame([_row(one) for one in self.records], infer_schema_length=None)


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    trials = one.get("trials", ())
    ends = [row["status"].partition(":")[0] for row in trials]
    found: dict[str, Any] = {"fold": one["fold"]}
    if "choice" in one:
        best, near = trials[one["number"]], one["plateau"]
        found |= {"score": one["score"], "around": near["around"], "lonely": near["lonely"], **one["choice"]}
        found |= {f"model.{key}": value for key, value in best.get("model", {}).items()}
        found |= {"drawdown": best["drawdown"], "traded": best["trades"]}
    found |= {"trials": len(trials), PRUNED: ends.count(PRUNED), FAILED: ends.count(FAILED)}
    return found | {"outcome": one.get("outcome")}


def page(found: Searched) -> str:
    """The whole document."""
    drawn: dict[str, Figure] = {}
    title = f"Search of {found.lane.name}"
    lead = f"{_how(found.lane)} {found.verdict()}"
    body = f'<section class="card"><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p></section>'
    if found.chosen:
        drawn |= {"importance": _importance(found), "history": _history(found), "plateau": _plateau(found)}
        words = "How much each number decides whether a trial is among the best (PED-ANOVA): the mean, and each fold."
        body += card("What mattered", words, plot("importance") if found.importance() else none("Too few trials."))
        words = "The highest score so far, trial by trial. Pruned and failed trials do not count."
        body += card("How the scores rose", words, plot("history"))
        words = "Each trial of a fold by the value of each number; the star was chosen. A plateau is worth more."
        body += card("Where the choice stands", words, plot("plateau"))
        if len(found.lane.search.objectives) > 1:
            drawn["front"] = _fronts(found)
            words = f"No trial on the line is beaten in both. The star was chosen by {found.lane.search.rule}."
            body += card("Sharpe ratio against drawdown", words, plot("front"))
    body += card("Folds", _columns(), _folds(found), long=True)
    return document("Search", title, body, drawn)


def _how(lane: Lane) -> str:
    by = lane.search
    windows = "its own search window" if by.windows == 1 else f"its own search window and {by.windows - 1} before it"
    return (
        f"{by.trials} draws a fold by {by.sampler}, scored by simulation on {windows}, all before the fold's test "
        f"begins; {by.rule} picks {RULES[by.rule]}. Every trial stands in the ledger for ever."
    )


def _columns() -> str:
    return (
        "Score is the Sharpe ratio on the search windows, less where there are too few trades to judge. Around is the "
        "mean score of the tried points nearest to the choice. Out of sample neither is a promise."
    )


def _folds(found: Searched) -> str:
    frame = found.table()
    heads = [name for name in frame.columns if name != "lonely"]
    rows: list[list[str]] = []
    for one in frame.to_dicts():
        cells = [_cell(name, one[name]) for name in heads]
        if one.get("lonely"):
            cells[heads.index("around")] += " (lonely)"
        rows.append(cells)
    return table(heads, rows, set(range(1, len(heads) - 1)))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "—"
    if name == "drawdown":
        return share(value)
    return ratio(value) if isinstance(value, float) else str(value)


def _importance(found: Searched) -> Figure:
    names = list(found.importance())
    mean = {"type": "bar", "name": "mean", "x": names, "y": list(found.importance().values())}
    told = [one for one in found.chosen if one["importance"]]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "folds",
        "x": [name for _ in told for name in names],
        "y": [one["importance"][name] for one in told for name in names],
        "text": [one["fold"] for one in told for _ in names],
        "marker": {"color": "--soft", "size": 5},
        "hovertemplate": "%{text}: %{x} %{y:.0%}<extra></extra>",
    }
    axes = {"yaxis": {"tickformat": ".0%", "rangemode": "tozero"}, "xaxis": {"type": "category"}}
    return {"data": [mean | {"marker": {"color": "--ink-blue"}}, dots], "layout": {"height": 320} | axes}


def _history(found: Searched) -> Figure:
    data: list[dict[str, Any]] = []
    for index, one in enumerate(found.chosen):
        scores = [row["score"] if row["status"] == COMPLETE else None for row in one["trials"]]
        best = list(accumulate((-np.inf if value is None else value for value in scores), max))
        y = [None if value == -np.inf else value for value in best]
        line = {"type": "scatter", "mode": "lines", "line": {"shape": "hv"}, "name": one["fold"]}
        line |= {"x": list(range(1, len(y) + 1)), "y": y}
        data.append(line | ({} if index >= len(found.chosen) - OPEN else {"visible": "legendonly"}))
    axes = {"xaxis": {"title": {"text": "trial"}}, "yaxis": {"title": {"text": "best score so far"}}}
    return {"data": data, "layout": {"height": 380, "showlegend": True} | axes}


def _plateau(found: Searched) -> Figure:
    """A panel an axis for the fold that is picked from the list, the newest at first."""
    names = list(dict.fromkeys(name for one in found.chosen for name in one["axes"]))
    groups = [[trace for name in names for trace in _panel(one, name, names.index(name))] for one in found.chosen]
    layout: dict[str, Any] = {"height": 380, "showlegend": False}
    layout["grid"] = {"rows": 1, "columns": len(names), "pattern": "independent"}
    for number, name in enumerate(names):
        tail = "" if number == 0 else str(number + 1)
        layout[f"xaxis{tail}"] = {"title": {"text": name}, "automargin": True}
        layout[f"yaxis{tail}"] = (
            {"matches": "y", "title": {"text": "score" if number == 0 else ""}}
            if tail
            else {"title": {"text": "score"}}
        )
    return _listed(found, groups, layout)


def _panel(one: Mapping[str, Any], name: str, number: int) -> list[dict[str, Any]]:
    """Scores by the value of one axis: all trials, and the chosen one."""
    tail = "" if number == 0 else str(number + 1)
    rows = [row for row in one["trials"] if row["score"] is not None]
    places = {"xaxis": f"x{tail}", "yaxis": f"y{tail}", "type": "scatter", "mode": "markers"}
    whole = [row for row in rows if row["status"] == COMPLETE]
    cut = [row for row in rows if row["status"] == PRUNED]
    star = [row for row in rows if row["number"] == one["number"]]
    looks = (
        (whole, "trial", {"color": "--ink-blue", "opacity": 0.6, "size": 7}),
        (cut, "pruned", {"color": "--soft", "opacity": 0.6, "size": 6, "symbol": "x"}),
        (star, "chosen", {"color": "--loss" if one["plateau"]["lonely"] else "--gain", "size": 14, "symbol": "star"}),
    )
    return [
        places
        | {"name": words, "x": [_at(row, name) for row in some], "y": [row["score"] for row in some], "marker": look}
        | {"text": [_words(row) for row in some], "hovertemplate": "%{text}<extra></extra>"}
        for some, words, look in looks
    ]


def _at(row: Mapping[str, Any], name: str) -> Any:
    return row.get("model", {}).get(name.removeprefix("model.")) if name.startswith("model.") else row.get(name)


def _words(row: Mapping[str, Any]) -> str:
    dull = ("number", "score", "steps", "status", "net", "drawdown", "error", "model")
    numbers = {key: value for key, value in row.items() if key not in dull} | row.get("model", {})
    told = [f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in numbers.items()]
    return f"trial {row['number'] + 1}, {row['status']}: score {row['score']:.2f}<br>{', '.join(told)}"


def _fronts(found: Searched) -> Figure:
    """Drawdown across, score upwards, for the fold that is picked from the list."""
    groups: list[list[dict[str, Any]]] = []
    for one in found.chosen:
        rows = [row for row in one["trials"] if row["status"] == COMPLETE]
        line = sorted((row for row in rows if row["number"] in one["front"]), key=lambda row: row["drawdown"])
        star = [row for row in rows if row["number"] == one["number"]]
        looks: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
            (rows, {"mode": "markers", "marker": {"color": "--soft", "size": 6}}),
            (line, {"mode": "lines+markers", "line": {"color": "--ink-blue", "shape": "hv"}}),
            (star, {"mode": "markers", "marker": {"color": "--gain", "size": 15, "symbol": "star"}}),
        ]
        groups.append(
            [
                {"type": "scatter", "x": [row["drawdown"] for row in some], "y": [row["score"] for row in some], **look}
                | {"text": [_words(row) for row in some], "hovertemplate": "%{text}<extra></extra>"}
                for some, look in looks
            ]
        )
    axes = {"xaxis": {"title": {"text": "drawdown, share of the capital"}, "tickformat": ".1%"}}
    return _listed(found, groups, {"height": 400, "showlegend": False, "yaxis": {"title": {"text": "score"}}} | axes)


def _listed(found: Searched, groups: Sequence[list[dict[str, Any]]], layout: dict[str, Any]) -> Figure:
    """Traces of one fold at a time, with a list to pick it from."""
    size, last = len(groups[0]), len(groups) - 1
    data = [trace | {"visible": index == last} for index, group in enumerate(groups) for trace in group]
    buttons = [
        {"label": one["fold"], "method": "restyle", "args": [{"visible": [i // size == at for i in range(len(data))]}]}
        for at, one in enumerate(found.chosen)
    ]
    picker = {"buttons": buttons, "active": last, "x": 0, "xanchor": "left", "y": 1.2, "yanchor": "top"}
    return {"data": data, "layout": layout | {"updatemenus": [picker], "margin": {"t": 70, "l": 8, "r": 8, "b": 8}}}
