"""The page of a description: its pictures and tables in words, one static HTML file without a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

import numpy as np
import polars as pl

from scalper.lake.quality.datadocs import STYLE
from scalper.lane.sketches import Cell, cells_svg, heat_svg, stacked_svg
from scalper.learn.describe import DRIFT, LARGE, MODERATE, SHIFT, drifted
from scalper.simulate.markup import card, none, share, table

TABLES = ("distributions", "histograms", "correlations", "drift", "information", "balance")
REFERENCE = "reference"
"""What stands in `month` for the rows of the reference window."""
FEW = 5
"""Sessions that a month needs to be compared: one day's rows are too alike to speak for a month."""
WORST = 10
ALIKE = 0.95
"""Spearman correlation from which two features say nearly the same."""
EXTRA = """
h2 + p { max-width: 100ch; } svg { display: block; max-width: 100%; height: auto; margin-top: 8px; }
.n { padding-left: 18px; }
.pair { display: flex; flex-wrap: wrap; gap: 0 36px; align-items: flex-start; } .pair > div { flex: 1 1 300px; }
"""
BANDS = ("p05", "p25", "p50", "p75", "p95")


@dataclass(frozen=True, slots=True)
class Described:
    """What about.json says, and the tables by name."""

    about: dict[str, Any]
    tables: Mapping[str, pl.DataFrame]

    @property
    def groups(self) -> dict[str, str]:
        """Each feature's group, in the order of the columns."""
        features = cast(dict[str, dict[str, Any]], self.about["features"])
        return {name: str(one["group"]) for name, one in features.items()}

    @property
    def months(self) -> list[str]:
        """All months, oldest first."""
        return list(self.about["months"])

    @property
    def newest(self) -> str:
        """The newest month with enough sessions to be compared, or the newest."""
        enough = [month for month, count in self.about["months"].items() if count >= FEW]
        return (enough or self.months)[-1]

    def worst(self) -> pl.DataFrame:
        """The features of the newest month, those first that moved most: feature, what `drift` tells, drifted."""
        found = self.tables["drift"].filter(pl.col("month") == self.newest).drop("month").fill_nan(None)
        found = found.with_columns(drifted=drifted(self.about["drift"]))
        return found.sort(pl.col("psi") - pl.col("chance"), descending=True, nulls_last=True, maintain_order=True)

    def constant(self) -> list[str]:
        """Features that never change."""
        every = self.tables["distributions"].group_by("feature", maintain_order=True)
        spread = every.agg(low=pl.col("min").fill_nan(None).min(), high=pl.col("max").fill_nan(None).max())
        return spread.filter((pl.col("low") == pl.col("high")) | pl.col("low").is_null())["feature"].to_list()

    def alike(self) -> pl.DataFrame:
        """Pairs of different features that rise and fall together: a, b, spearman."""
        found = self.tables["correlations"].filter(pl.col("a") < pl.col("b")).fill_nan(None)
        found = found.filter(pl.col("spearman").abs() >= ALIKE).drop("pearson")
        return found.sort(pl.col("spearman").abs(), "a", "b", descending=[True, False, False])

    def informed(self) -> pl.DataFrame:
        """Features by the mean of their monthly correlation with the move: feature, mean, same (months of that sign),
        months, alike (correlation of neighbouring rows)."""
        known = self.tables["information"].fill_nan(None).drop_nulls("spearman")
        mean = pl.col("spearman").mean()
        same = (pl.col("spearman").sign() == mean.sign()).sum()
        found = known.group_by("feature", maintain_order=True).agg(
            mean=mean, same=same, months=pl.len(), alike=pl.col("autocorrelation").mean()
        )
        return found.sort(pl.col("mean").abs(), descending=True, maintain_order=True)

    def summary(self) -> dict[str, Any]:
        """What a stage's report and the command line say."""
        worst, words = self.worst(), self.about["reference"]
        counts = self.tables["balance"].drop("session").sum().row(0, named=True)
        return {
            "sessions": self.tables["balance"].height,
            "features": len(self.groups),
            "reference": f"{words[1]} to {words[2]}, {words[0]}",
            "newest month": self.newest,
            "drifted": worst.filter("drifted")["feature"].to_list(),
            "worst drift": worst.head(WORST),
            "constant": self.constant(),
            "nearly equal pairs": self.alike().height,
            "balance": counts,
        }


def pictures(found: Described) -> dict[str, str]:
    """Every picture, an SVG each, by name."""
    groups, months = found.groups, found.months
    names, parts = list(groups), list(groups.values())

    def by_month(kind: str, column: str) -> np.ndarray:
        wide = found.tables[kind].pivot("month", index="feature", values=column)
        order = pl.DataFrame({"feature": names}).join(wide, on="feature", how="left", maintain_order="left")
        return order.select(months).to_numpy()

    balance = found.tables["balance"]
    counts = balance.drop("session").to_dict(as_series=False)
    square = found.tables["correlations"]["spearman"].to_numpy().reshape(len(names), len(names))
    drift = np.minimum(by_month("drift", "chance") - by_month("drift", "psi"), 0)  # below 0: red
    told = by_month("information", "spearman")
    full = round(max(float(np.nanquantile(np.abs(told), 0.98)) if np.isfinite(told).any() else 0.0, 0.02), 2)
    return {
        "balance": stacked_svg("Labels, shares of the rows", balance["session"].to_list(), counts, 1096),
        "drift": heat_svg(
            f"PSI above chance, full at {2 * LARGE}", names, months, drift, limit=2 * LARGE, groups=parts
        ),
        "information": heat_svg(f"Correlation, full at ±{full}", names, months, told, limit=full, groups=parts),
        "correlations": heat_svg("Spearman correlation of features", names, names, square, limit=1.0, groups=parts),
    } | {f"features_{group}": svg for group, svg in _features(found).items()}


def _features(found: Described) -> dict[str, str]:
    """A picture a group: each feature's histogram and its quantiles by month."""
    moved = {one["feature"]: one for one in found.worst().to_dicts()}
    shapes, bands = found.tables["histograms"], found.tables["distributions"].filter(pl.col("month") != REFERENCE)
    shape = dict(shapes.group_by("feature", "month", maintain_order=True))
    band = {key[0]: part for key, part in bands.group_by("feature", maintain_order=True)}

    def cell(name: str) -> Cell:
        before, now = shape[name, REFERENCE], shape[name, found.newest]
        first, last = ((one["count"] / max(one["count"].sum(), 1)).to_list() for one in (before, now))
        edges = [*before["low"].to_list(), before["high"][-1]]
        value = moved[name]["psi"]
        unit = str(found.about["features"][name]["unit"])
        said = "no PSI" if value is None else f"PSI {value:.2f}"
        note = said if unit == "1" else f"{unit}, {said}"
        lines = {quantile: band[name][quantile].to_list() for quantile in BANDS}
        return Cell(name, note, moved[name]["drifted"], edges, first, last, lines)

    return {
        group: cells_svg(group, [cell(name) for name in names])
        for group, names in groupby(found.groups, lambda name: found.groups[name])
    }


def page(found: Described, drawn: Mapping[str, str]) -> str:
    """The whole document, with its pictures inside."""
    about = found.about
    title = f"{about['lane']}: what its rows are like"
    days = found.tables["balance"]["session"]
    words, first, last, count = about["reference"]
    lead = (
        f"{about['market']}, sessions of {days[0]} to {days[-1]}. Compared with {words}, {first} to {last} "
        f"({count} sessions). Months and quantiles look at {about['rows_looked_at']:,} evenly spread rows."
    )
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}{EXTRA}</style>'
    sections = (_balance(found, drawn), _drift(found, drawn), _shapes(drawn), _told(found, drawn), _pairs(found, drawn))
    body = f"<h1>{title}</h1><p>{lead}</p>{_counts(found)}{''.join(sections)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def _counts(found: Described) -> str:
    balance = found.summary()["balance"]
    labelled = sum(balance[name] for name in ("down", "flat", "up"))
    cells = (
        ("sessions", f"{found.tables['balance'].height:,}"),
        ("rows", f"{found.about['rows']:,}"),
        ("features", f"{len(found.groups)}"),
        ("labelled", share(labelled / max(sum(balance.values()), 1))),
        (f"drifted in {found.newest}", f"{len(found.summary()['drifted'])}"),
        ("constant", f"{len(found.constant())}"),
    )
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{count}</dd></div>' for name, count in cells)}</dl>"


def _balance(found: Described, drawn: Mapping[str, str]) -> str:
    lead = "What each row is taught, session by session; rows without a label say why, and no model learns from them."
    return card("Labels", lead, drawn["balance"])


def _drift(found: Described, drawn: Mapping[str, str]) -> str:
    lead = (
        "PSI compares how a month's rows fall into ten bins of the reference: 0 is the same. It is usual to call a "
        f"shift moderate from {MODERATE:.2f} and large from {LARGE:.2f}: conventions, no tests. KS is the largest gap "
        "between the two distribution functions. Rows of one session are alike: by chance is the PSI to expect, and "
        f"the KS to stay below, if nothing moved. What exceeds the first by {found.about['drift']:g} and the second by "
        f"{SHIFT:g} is called drifted and printed red below."
    )
    worst = found.worst().head(WORST).to_dicts()
    rows = [[str(one["feature"]), *(_number(one[key]) for key in DRIFT)] for one in worst]
    heads = (f"most moved in {found.newest}", "PSI", "by chance", "KS", "by chance")
    constant = found.constant()
    note = none(f"Constant, so of no use to a model: {', '.join(constant)}.") if constant else ""
    return card("Drift", lead, _pair(drawn["drift"], table(heads, rows, {1, 2, 3, 4}) + note))


def _shapes(drawn: Mapping[str, str]) -> str:
    lead = (
        "Left: how the values are spread, grey in the reference, blue in the newest month. Right: month by month the "
        "median, the middle half and the middle nine tenths."
    )
    return card("Features", lead, "".join(svg for name, svg in drawn.items() if name.startswith("features_")))


def _told(found: Described, drawn: Mapping[str, str]) -> str:
    lead = (
        "Spearman's correlation of each feature with the move of its row's label: blue rises with it, red falls. "
        "What flips its sign from month to month tells nothing. The last column is the correlation of "
        "neighbouring rows: near 1, a thousand rows say little more than ten."
    )
    heads = ("feature", "mean correlation", "months of that sign", "neighbouring rows")
    rows = [
        [str(one["feature"]), _number(one["mean"]), f"{one['same']} of {one['months']}", _number(one["alike"])]
        for one in found.informed().head(WORST).to_dicts()
    ]
    return card("What the features say of the move", lead, _pair(drawn["information"], table(heads, rows, {1, 2, 3})))


def _pairs(found: Described, drawn: Mapping[str, str]) -> str:
    pairs = found.alike()
    lead = f"Over all months. {pairs.height} pairs correlate by {ALIKE:.2f} or more: one of the two would do."
    rows = [[str(one["a"]), str(one["b"]), _number(one["spearman"])] for one in pairs.head(2 * WORST).to_dicts()]
    listed = table(("feature", "and", "correlation"), rows, {2}) if rows else ""
    return card("Features with one another", lead, drawn["correlations"] + listed)


def _pair(picture: str, beside: str) -> str:
    """A picture and what stands beside it, or below where there is no room."""
    return f'<div class="pair">{picture}<div>{beside}</div></div>'


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}".replace("-", "\u2212")
