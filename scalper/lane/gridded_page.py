"""The page of a grid: a picture of the Sharpe ratio over the varied keys, and the sets, best first.

It needs nothing from elsewhere: the report's look and its plotly (simulate/report.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

import numpy as np
import polars as pl

from scalper.learn.search.plateau import LONELY
from scalper.simulate.markup import card, dollars, plot, ratio, table
from scalper.simulate.report import document
from scalper.simulate.report_figures import Figure

SHOWN = 100
"""Sets in the page's table; grid.parquet has all."""
FIGURES = ("sharpe", "net", "trades", "drawdown", "halts", "stopped")


@dataclass(frozen=True, slots=True)
class Gridded:
    """What a grid came to. table: Grid.frame() and `around`, best first; axes: the varied keys and their values."""

    lane: str
    axes: Mapping[str, Sequence[Any]]
    table: pl.DataFrame
    dates: Sequence[date]
    added: int
    """Trials that this grid added to the ledger,"""
    trials: int
    """and how many it holds now."""

    @property
    def best(self) -> dict[str, Any]:
        """The set with the highest Sharpe ratio."""
        return self.table.row(0, named=True)

    @property
    def lonely(self) -> bool:
        """Whether the best set stands alone: its neighbours are much worse, or it has none."""
        best = self.best
        return best["around"] is None or (not self.same and best["around"] < LONELY * best["sharpe"])

    @property
    def same(self) -> bool:
        """Whether the best set's neighbours have its figures to the cent: then the keys did nothing there."""
        shape = [len(values) for values in self.axes.values()]
        places = np.array(np.unravel_index(self.table["set"].to_numpy() - 1, shape)).T  # (sets, keys), best first
        near = self.table.filter(pl.Series((np.abs(places - places[0]) <= 1).all(axis=1)))
        return near.height > 1 and near.select(FIGURES).n_unique() == 1

    def summary(self) -> dict[str, Any]:
        """What a stage's report and the command line say."""
        return {
            "sets": self.table.to_dicts(),
            "best": self.best,
            "lonely": self.lonely,
            "judged": self.judged(),
            "sessions": len(self.dates),
            "trials_added": self.added,
            "trials": self.trials,
            "spent": self.spent(),
        }

    def spent(self) -> str:
        """What it cost, in words."""
        new = f"{self.added:,} of {self.table.height:,} sets were new"
        return (
            f"Every set is a trial: {new} and are in the ledger now, which counts {self.trials:,}. The more was tried, "
            "the less a high Sharpe ratio says. Whoever picks a set by these figures has used the out-of-sample path "
            "up: only sessions that nobody has seen can judge it."
        )

    def judged(self) -> str:
        """The best set and the sets around it, in words."""
        best = self.best
        if best["around"] is None:
            return f"The best set has a Sharpe ratio of {ratio(best['sharpe'])} and no neighbours to compare it with."
        if self.same:
            return (
                f"The sets do not differ: the best and those a step away from it have the same {best['trades']:,} "
                f"trades, net and Sharpe ratio of {ratio(best['sharpe'])}, so the values tried decide nothing there."
            )
        verdict = "a lonely peak is luck until shown otherwise" if self.lonely else "it stands on a plateau"
        return (
            f"The best set has a Sharpe ratio of {ratio(best['sharpe'])}, the sets a step away from it "
            f"{ratio(best['around'])} on average: {verdict}."
        )

    def cube(self) -> np.ndarray:
        """Sharpe ratios with an axis a varied key."""
        return self.table.sort("set")["sharpe"].to_numpy().reshape([len(values) for values in self.axes.values()])


def page(found: Gridded) -> str:
    """The whole document."""
    words = f"{found.dates[0]} to {found.dates[-1]}, {len(found.dates)} sessions out of sample" if found.dates else ""
    lead = f"{found.table.height:,} sets, {words}. {found.judged()} {found.spent()}"
    drawn: dict[str, Figure] = {}
    body = f'<section class="card"><h1>Grid of {escape(found.lane)}</h1><p class="lead">{escape(lead)}</p></section>'
    if found.axes:
        drawn["sharpe"] = _heat(found) if len(found.axes) > 1 else _line(found)
        body += card("Sharpe ratio by set", _axes_words(found), plot("sharpe"))
    body += card(f"The {min(SHOWN, found.table.height)} best sets", _columns_words(), _best(found), long=True)
    return document("Grid", f"Grid of {found.lane}", body, drawn)


def _axes_words(found: Gridded) -> str:
    others = ", ".join(list(found.axes)[2:])
    mean = f"Each cell is the mean over {others}. " if others else ""
    return mean + ("" if found.same else "A plateau of one colour is worth more than a single bright cell.")


def _columns_words() -> str:
    return (
        "Around is the mean Sharpe ratio of the sets that are at most a step away along every key. Halts are sessions "
        "whose trading a limit ended; stopped names what ended the account's trading for good."
    )


def _heat(found: Gridded) -> Figure:
    """The first key downwards, the second across, any others averaged."""
    down, across = list(found.axes)[:2]
    cube = found.cube()
    values = cube.mean(axis=tuple(range(2, cube.ndim))).round(3)
    told = f"{across} %{{x}}<br>{down} %{{y}}<br>Sharpe %{{z}}<extra></extra>"
    return {
        "data": [
            {
                "type": "heatmap",
                "z": values.tolist(),
                "x": [str(one) for one in found.axes[across]],
                "y": [str(one) for one in found.axes[down]],
                "zmid": 0,
                "colorscale": [[0, "--loss"], [0.5, "--card"], [1, "--gain"]],
                "texttemplate": "%{z}" if values.size <= 400 else "",
                "hovertemplate": told,
                "colorbar": {"title": {"text": "Sharpe"}},
            }
        ],
        "layout": {
            "height": 150 + 34 * min(len(found.axes[down]), 24),
            "xaxis": {"type": "category", "title": {"text": across}},
            "yaxis": {"type": "category", "title": {"text": down}},
        },
    }


def _line(found: Gridded) -> Figure:
    """One key across."""
    (key,) = found.axes
    x, y = [str(one) for one in found.axes[key]], found.cube().round(3).tolist()
    told = f"{key} %{{x}}<br>Sharpe %{{y}}<extra></extra>"
    line = {"type": "scatter", "mode": "lines+markers", "x": x, "y": y, "line": {"color": "--ink-blue"}}
    axes = {"xaxis": {"type": "category", "title": {"text": key}}, "yaxis": {"title": {"text": "Sharpe"}}}
    return {"data": [line | {"hovertemplate": told}], "layout": {"height": 360} | axes}


def _best(found: Gridded) -> str:
    keys = list(found.axes)
    heads = ["set", *keys, "Sharpe", "around", "net", "trades", "drawdown", "halts", "stopped"]
    rows = [
        [
            str(one["set"]),
            *(str(one[key]) for key in keys),
            ratio(one["sharpe"]),
            "—" if one["around"] is None else ratio(one["around"]),
            dollars(one["net"]),
            f"{one['trades']:,}",
            dollars(one["drawdown"]),
            str(one["halts"]),
            one["stopped"],
        ]
        for one in found.table.head(SHOWN).to_dicts()
    ]
    return table(heads, rows, set(range(len(heads) - 1)))
