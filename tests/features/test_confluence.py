"""Confluence: the score from the other groups' own columns, its bounds, its mirror image, and refused weights."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.features import catalogue, params
from scalper.features.groups.confluence import COMPONENTS, QUALITIES
from scalper.market import BAR, session
from scalper.settings import AmdSettings, ConfluenceSettings, FeatureSettings, RegimeSettings, StructureSettings
from tests.features.exact import VOLATILITY, columns
from tests.features.reference_regime import mirrored
from tests.features.support import Case, cases

MANY = settings(max_examples=100)
MINUTE = 60_000_000_000
GROUPS = ("trend", "trades", "structure", "regime", "amd", "confluence")
MEMBERS = {
    "regime": ("agreement",),
    "structure": ("structure", "break", "block", "gap", "sweep"),
    "amd": ("amd",),
    "trend": ("vwap",),
    "trades": ("delta",),
}
TURNED = {
    "agreement": -1,
    "amd_side": -1,
    "confluence": -1,
    "confluence_breadth": 1,
    "regime_quality": 1,
    "confluence_regime": -1,
}
"""What becomes of a column when up becomes down."""
SHORT = {"ema": (3, 5), "higher": ("5m",), "atr": 2}
BASE = {
    "regime": RegimeSettings(window=32),
    "amd": AmdSettings(from_=time(9, 0), to=time(9, 45)),
    "structure": StructureSettings(memory=13, lookback=5),
    "flow": (3, 7),
}


@st.composite
def scored(draw: st.DrawFn, least: int = 60) -> Case:
    """A session with some of the groups chosen, and weights."""
    case = draw(cases(least=least))
    some = draw(st.sets(st.sampled_from(GROUPS[:-1]), min_size=1))
    names = [name for group in sorted(some) for name in MEMBERS[group]]
    weight = st.one_of(st.just(0.0), st.floats(0.001, 1000))
    given_weights = draw(st.dictionaries(st.sampled_from(sorted(COMPONENTS)), weight, max_size=5))
    given_weights[draw(st.sampled_from(names))] = 1.0
    parts = draw(st.dictionaries(st.sampled_from(sorted(QUALITIES)), weight, max_size=2))
    chosen = case.settings.model_copy(
        update=BASE
        | {
            "groups": (*(group for group in GROUPS[:-1] if group in some), "confluence"),
            "confluence": ConfluenceSettings(weights=given_weights, regime=parts | {"hours": 1.0}),
        }
    )
    return replace(case, settings=chosen)


def components(case: Case, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The components of the groups that are on, from the columns and the volatility of the row."""
    on = case.settings.groups
    out: dict[str, np.ndarray] = {}
    if "regime" in on:
        out["agreement"] = found["agreement"]
    if "structure" in on:
        out |= {"structure": found["structure_trend"], "break": found["bos"] + found["choch"]}
        out |= {"block": found["block_inside"], "gap": found["gap_inside"], "sweep": found["sweep"]}
    if "amd" in on:
        out["amd"] = found["amd_side"]
    if "trend" in on:
        still = found[VOLATILITY] == 0
        ticks = np.where(still, 1, 4 * found[VOLATILITY])
        out["vwap"] = np.where(still, 0, np.clip(found["vwap"] / ticks, -1, 1))
    if "trades" in on:
        out["delta"] = np.clip(found[f"delta_{case.settings.flow[-1]}"], -1, 1)
    return out


def qualities(case: Case, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parts of the regime that are on."""
    table, bars = case.table[0], case.bars
    after, end = bars["ts_ns"] >= table["trade_from_ns"], bars["ts_ns"] + case.bar_ns
    out = {"hours": (after & (end <= table["trade_to_ns"])).astype(float)}
    if "regime" in case.settings.groups:
        out["variance_ratio"] = np.clip(found["variance_ratio_8"], 0, 2) / 2
        out |= {"hurst": found["hurst"], "order": 1 - found["entropy"]}
    return out


def mean(values: dict[str, np.ndarray], weights: dict[str, float], n: int) -> tuple[np.ndarray, dict[str, float]]:
    """The weighted mean, and the weights as shares of 1."""
    total = sum(weights.get(name, 1.0) for name in values)
    shares = {name: weights.get(name, 1.0) / total for name in values}
    return sum((shares[name] * values[name] for name in values), np.zeros(n)), shares


@MANY
@given(scored())
def test_score_is_the_weighted_mean_of_the_other_groups_columns(case: Case) -> None:
    found = columns(case)
    parts = components(case, found)
    score, shares = mean(parts, case.settings.confluence.weights, case.bars.size)
    quality, _ = mean(qualities(case, found), case.settings.confluence.regime, case.bars.size)
    assert np.allclose(found["confluence"], score, rtol=0, atol=1e-9)
    assert np.allclose(found["regime_quality"], quality, rtol=0, atol=1e-9)
    assert np.allclose(found["confluence_regime"], score * quality, rtol=0, atol=1e-9)
    sure = np.abs(score) > 1e-9
    same = sum(shares[name] * (np.sign(value) == np.sign(score)) for name, value in parts.items())
    assert np.allclose(found["confluence_breadth"][sure], np.asarray(same)[sure], rtol=0, atol=1e-9)
    assert (np.abs(found["confluence"]) <= 1).all() and (np.abs(found["confluence_regime"]) <= 1).all()
    for name in ("confluence_breadth", "regime_quality"):
        assert (found[name] >= 0).all() and (found[name] <= 1).all(), name
    assert (found["confluence_breadth"][found["confluence"] == 0] == 0).all()


@MANY
@given(scored())
def test_score_of_prices_turned_over(case: Case) -> None:
    """Up is down and bought is sold: the score changes its sign, the regime stays (entropy orders equals by time)."""
    chosen = case.settings.confluence.model_copy(update={"regime": {"order": 0.0}})
    case = replace(case, settings=case.settings.model_copy(update={"confluence": chosen}))
    found, other = columns(case), columns(replace(case, bars=mirrored(case.bars)))
    warm = {one.name: one.warm_up for one in catalogue(case.settings, case.bar_ns)}
    # a VWAP may lie on the close but for the last bit, and then its side is a matter of rounding
    sure = np.abs(found["confluence"]) > 1e-9
    if "vwap" in found:
        sure &= np.abs(found["vwap"]) > 1e-9
    for name, turns in TURNED.items():
        if name in found:
            rows = np.arange(case.bars.size) >= warm[name]
            rows &= sure if name == "confluence_breadth" else True
            assert np.allclose(found[name][rows], turns * other[name][rows], rtol=0, atol=1e-9), name


@MANY
@given(scored(least=120), st.data())
def test_score_of_finite_components_forgets_a_late_start(case: Case, data: st.DataObject) -> None:
    late = data.draw(st.integers(1, case.bars.size - 1))
    whole, part = columns(case), columns(case, late)
    for one in catalogue(case.settings, case.bar_ns):
        if one.group == "confluence" and one.kind == "finite":
            a, b = whole[one.name][late + one.warm_up :], part[one.name][one.warm_up :]
            assert a.tobytes() == b.tobytes(), one.name


@pytest.mark.kernel
@pytest.mark.parametrize("hours", [0, 10])
def test_score_by_hand(hours: int) -> None:
    """Two bars make a range, the third breaks it upwards, the fourth falls back through its middle: down."""
    day = session("MES", date(2021, 7, 14))
    bars = np.zeros(4, BAR)
    bars["ts_ns"] = day.ny(hours, 0) + np.arange(4) * MINUTE
    bars["high"], bars["low"] = [109, 105, 110, 108], [100, 102, 106, 101]
    bars["close"] = bars["open"] = [104, 104, 107, 102]
    given = SHORT | {"amd": {"from": time(hours), "to": time(hours, 2)}, "confluence": {"weights": {"amd": 3.0}}}
    found = columns(Case(day, "1m", score(groups=("trend", "amd", "confluence"), **given), bars))
    assert found["amd_side"].tolist() == [0, 0, -0.5, -1] and not found["vwap"].any(), "no volume: the close"
    assert found["confluence"].tolist() == [0, 0, -0.375, -0.75]
    assert found["confluence_breadth"].tolist() == [0, 0, 0.75, 0.75]
    assert (found["regime_quality"] == (hours > 0)).all(), "the lane trades by day"
    assert found["confluence_regime"].tolist() == ([0, 0, -0.375, -0.75] if hours else [0, 0, 0, 0])
    bars["volume"] = [0, 0, 0, 1]
    bars["close"][3] = 104
    found = columns(Case(day, "1m", score(groups=("trend", "amd", "confluence"), **given), bars))
    assert found["volatility_ticks"][3] == (6 + 7) / 2
    vwap = 104 - (108 + 101 + 104) / 3
    assert found["confluence"][3] == pytest.approx((-3 + vwap / 26) / 4, abs=1e-12)


def score(**given: object) -> FeatureSettings:
    """Settings with a score of structure and regime."""
    return FeatureSettings.model_validate({"groups": ("structure", "regime", "confluence")} | given)


def test_kind_warm_up_and_inputs_are_those_of_what_has_weight() -> None:
    second = 1_000_000_000

    def told(**given: object) -> tuple[str, int]:
        found = {one.name: one for one in catalogue(score(**given), second)}
        return found["confluence"].kind, found["confluence"].warm_up

    off = dict.fromkeys(("structure", "break", "block", "gap", "sweep"), 0.0)
    assert told(confluence={"weights": off}) == ("finite", 7 * 300)  # agreement alone: the five-minute trend
    assert told(confluence={"weights": off}, higher=("1m",)) == ("finite", 7 * 60)
    groups = ("trend", "regime", "confluence")
    assert told(groups=groups, confluence={"weights": {"agreement": 0.0}}) == ("anchored", 16 * 60)
    assert told(groups=("amd", "confluence")) == ("anchored", 0)
    inputs = {one.name: one.inputs for one in catalogue(score(groups=("amd", "confluence")), second)}
    assert inputs["confluence"] == ("high", "low", "close", "ts_ns")


def test_a_component_of_a_group_that_is_off_has_no_weight() -> None:
    off = score(groups=("amd", "sessions", "confluence"), confluence={"weights": {"amd": 5.0, "vwap": 3.0}})
    found = params(off, 60 * 10**9)
    assert found["co_n"][0] == 1 and found["co_total"][0] == 5 and found["co_weight"][0].tolist() == [5.0] + 9 * [0.0]
    assert found["co_quality"][0].tolist() == [0, 0, 0, 1] and found["co_quality_total"][0] == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"groups": ("returns", "confluence")}, "features.confluence.weights: every weight is 0"),
        ({"groups": ("amd", "confluence"), "confluence": {"weights": {"amd": 0.0}}}, "weights: every weight is 0"),
        ({"groups": ("amd", "confluence"), "confluence": {"regime": {"hours": 0.0}}}, "regime: every weight is 0"),
    ],
)
def test_a_score_of_nothing_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        params(score(**given), 60 * 10**9)


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_a_weight_is_finite_and_not_negative(value: float) -> None:
    with pytest.raises(ValueError, match="weights"):
        score(confluence={"weights": {"amd": value}})
    with pytest.raises(ValueError, match="regime"):
        score(confluence={"regime": {"hurst": value}})
    with pytest.raises(ValueError, match="weights"):
        score(confluence={"weights": {"nobody": 1.0}})
