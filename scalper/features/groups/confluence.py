# pyright: basic
"""Confluence: one score of what the other groups say about direction, and how far the regime lets one trust it.

It is made of columns that the groups before it have written in the same row. Each component lies in [-1, 1], its
weight counts relative to the sum of weights, and a component whose group is off has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.features import groups
from scalper.features.core import Feature
from scalper.features.groups import volatility
from scalper.settings import FeatureSettings

NAME = "confluence"
BIT = 1 << 14
NEEDS: tuple[str, ...] = ()

COMPONENTS = {
    "agreement": ("regime", "agreement"),
    "structure": ("structure", "structure_trend"),
    "break": ("structure", "bos", "choch"),  # a break is one of the two, so their sum counts once
    "block": ("structure", "block_inside"),
    "gap": ("structure", "gap_inside"),
    "sweep": ("structure", "sweep"),
    "amd": ("amd", "amd_side"),
    "vwap": ("trend", "vwap"),
    "delta": ("trades", "delta_{flow}"),
}
"""Component to its group and its columns."""
QUALITIES = {
    "variance_ratio": ("regime", "variance_ratio_8"),
    "hurst": ("regime", "hurst"),
    "order": ("regime", "entropy"),
    "hours": ("",),  # the clock needs no group
}
"""Part of the regime to its group and its column."""
MOST = len(COMPONENTS) + 1  # columns of components
FAR = 4.0  # volatilities away from VWAP that count as wholly above or below
WORDS = {
    "vwap": f"vwap / ({FAR:g} volatility_ticks)",
    "variance_ratio": "variance_ratio_8 / 2",
    "order": "(1 - entropy)",
    "hours": "1 inside the lane's hours",
}
"""What is more than a column."""

FIELDS: list[tuple] = []
PARAMS = [
    ("co_n", "i8"),  # columns with weight
    ("co_back", "i8", MOST),  # how far before the group's own first column each is
    ("co_scaled", "i8", MOST),  # 1: in ticks, taken in units of FAR volatilities
    ("co_weight", "f8", MOST),
    ("co_total", "f8"),  # of the weights, added up in their order: rounding cannot carry the score out of [-1, 1]
    ("co_quality_back", "i8", len(QUALITIES)),
    ("co_quality", "f8", len(QUALITIES)),
    ("co_quality_total", "f8"),
]

Parts = Mapping[str, tuple[str, ...]]


def _weights(s: FeatureSettings, parts: Parts, given: Mapping[Any, float], key: str) -> dict[str, float]:
    """Weight of each part that has one: as given, else 1; none where its group is off. Raises BadInput if all are 0."""
    on = {"", *s.groups}
    found = {name: given.get(name, 1.0) for name, (group, *_) in parts.items() if group in on}
    found = {name: weight for name, weight in found.items() if weight > 0}
    if not found:
        raise BadInput(
            f"features.confluence.{key}: every weight is 0; weigh one of {', '.join(parts)}, "
            "and choose the group that makes it under features.groups"
        )
    return found


def _columns(s: FeatureSettings, parts: Parts, weights: Mapping[str, float]) -> list[tuple[str, float]]:
    """The columns with weight."""
    return [(column.format(flow=s.flow[-1]), weight) for name, weight in weights.items() for column in parts[name][1:]]


def _before(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns that stand before this group's in the row."""
    chosen = [group for group in groups.ORDER if group.NAME in s.groups and group.NAME != NAME]
    return [feature for group in chosen for feature in group.catalogue(s, bar_ns)]


def _score(s: FeatureSettings) -> dict[str, float]:
    return _weights(s, COMPONENTS, s.confluence.weights, "weights")


def _quality(s: FeatureSettings) -> dict[str, float]:
    return _weights(s, QUALITIES, s.confluence.regime, "regime")


def _mean(s: FeatureSettings, parts: Parts, weights: Mapping[str, float]) -> str:
    """The weighted mean in words."""
    terms: list[str] = []
    for name, weight in weights.items():
        said = WORDS.get(name) or " + ".join(column for column, _ in _columns(s, parts, {name: weight}))
        terms.append(said if weight == 1 else f"{weight:g} ({said})")
    return f"({' + '.join(terms)}) / {sum(weights.values()):g}"


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    before = {feature.name: feature for feature in _before(s, bar_ns)}
    score, quality = _score(s), _quality(s)
    parts = [before[column] for column, _ in _columns(s, COMPONENTS, score)]
    checks = [before[column] for column, _ in _columns(s, QUALITIES, quality)]
    ranges = volatility.warm_up(s, bar_ns) if "vwap" in score else 0

    def feature(name: str, formula: str, of: list[Feature], warm: int) -> Feature:
        kinds = {source.kind for source in of}
        return Feature(
            name,
            NAME,
            formula,
            "1",
            max([warm, *(source.warm_up for source in of)]),
            next((kind for kind in ("context", "anchored", "recursive") if kind in kinds), "finite"),
            tuple(dict.fromkeys([*(name for source in of for name in source.inputs), "ts_ns"])),
            margin=next((source.margin for source in of if source.margin), ""),
        )

    return [
        feature("confluence", _mean(s, COMPONENTS, score) + ", each in [-1, 1]", parts, ranges),
        feature("confluence_breadth", "share of the weight that has the score's sign, 0 if that is 0", parts, ranges),
        feature("regime_quality", _mean(s, QUALITIES, quality) + ", each in [0, 1]", checks, 0),
        feature("confluence_regime", "confluence x regime_quality", [*parts, *checks], ranges),
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the columns and their weights into the parameters. Raises BadInput if no weight is above 0."""
    names = [feature.name for feature in _before(s, bar_ns)]
    score, quality = _score(s), _quality(s)
    row["co_total"] = np.cumsum([*score.values()])[-1]
    columns = _columns(s, COMPONENTS, score)
    row["co_n"] = len(columns)
    for i, (column, weight) in enumerate(columns):
        row["co_back"][0, i] = len(names) - names.index(column)
        row["co_scaled"][0, i] = column == "vwap"
        row["co_weight"][0, i] = weight
    row["co_quality_total"] = np.cumsum([*quality.values()])[-1]
    for i, (name, (_, *column)) in enumerate(QUALITIES.items()):
        row["co_quality"][0, i] = quality.get(name, 0.0)
        row["co_quality_back"][0, i] = len(names) - names.index(column[0]) if column and name in quality else 0


@kernel
def update(s, p, bar, t):
    """Nothing to remember: the components are the other groups'."""


@kernel
def _trust(p, bar, t, out, c):
    """Weighted mean of the regime's parts, in [0, 1]."""
    inside = bar.ts_ns >= t.trade_from_ns and bar.ts_ns + t.interval_ns <= t.trade_to_ns
    total = p.co_quality[3] if inside else 0.0
    if p.co_quality[0] > 0:
        total += p.co_quality[0] * (min(max(float(out[c - p.co_quality_back[0]]), 0.0), 2.0) / 2.0)
    if p.co_quality[1] > 0:
        total += p.co_quality[1] * float(out[c - p.co_quality_back[1]])
    if p.co_quality[2] > 0:
        total += p.co_quality[2] * (1.0 - float(out[c - p.co_quality_back[2]]))
    return min(total / p.co_quality_total, 1.0)


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on, from those before c; returns the next."""
    score, up, down = 0.0, 0.0, 0.0
    for i in range(p.co_n):
        value, weight = float(out[c - p.co_back[i]]), p.co_weight[i]
        if p.co_scaled[i]:
            ticks = FAR * volatility.ticks(s, p)
            value = value / ticks if ticks > 0 else 0.0
        value = min(max(value, -1.0), 1.0)
        score += weight * value
        up += weight if value > 0 else 0.0
        down += weight if value < 0 else 0.0
    score /= p.co_total
    trust = _trust(p, bar, t, out, c)
    out[c] = score
    out[c + 1] = (up if score > 0 else (down if score < 0 else 0.0)) / p.co_total
    out[c + 2] = trust
    out[c + 3] = score * trust
    return c + 4
