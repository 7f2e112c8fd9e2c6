"""The order flow columns: every formula against a plain reference, what is not told, and how long a quote stands."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.features import catalogue
from scalper.features.core import Feature
from scalper.features.groups import quotes, trades
from scalper.market import BAR, FLOW, IMBALANCE, QUOTES, SIDES, TRADES, session
from scalper.settings import FeatureSettings
from tests.features import exact, reference_flow
from tests.features.support import Case

MANY = settings(max_examples=120)
GROUPS = (trades.NAME, quotes.NAME)
SHORT = FeatureSettings(groups=GROUPS, flow=(2, 5, 9))
DAY = session("MES", date(2021, 7, 14))
MINUTE = 60 * 10**9


def columns(s: FeatureSettings = SHORT) -> tuple[Feature, ...]:
    """The catalogue of both groups."""
    return catalogue(s, MINUTE)


def rows(bars: np.ndarray, s: FeatureSettings = SHORT) -> dict[str, np.ndarray]:
    """Each column over `bars` as float64 from a fresh state, warm or not."""
    found = exact.columns(Case(DAY, "1m", s, bars))
    return {feature.name: found[feature.name] for feature in columns(s)}


def tape(rng: np.random.Generator, n: int, carried: float, quiet: float) -> np.ndarray:
    """Bars around the regular open: a share of them carried, a share of the others telling this or that not."""
    bars = np.zeros(n, BAR)
    bars["ts_ns"] = DAY.ny(9, 30) + (np.arange(n) - n * 2 // 3) * MINUTE
    for name in ("open", "high", "low", "close"):
        bars[name] = 16_000
    bars["volume"] = rng.integers(1, 60, n)
    sided = np.minimum(bars["volume"], rng.integers(0, 70, n))  # a trade without a side counts in the volume only
    bars["ask_volume"] = rng.integers(0, sided + 1)
    bars["bid_volume"] = sided - bars["ask_volume"]
    bars["inferred_volume"] = rng.integers(0, sided + 1)
    bars["trades"] = rng.integers(1, bars["volume"] + 1)
    bars["largest"] = rng.integers(1, bars["volume"] + 1)
    bars["spread"] = np.maximum(rng.integers(-1, 4, n), 0)  # a source may tell a quote without a spread or a size
    bars["bid_size"], bars["ask_size"] = (np.maximum(rng.integers(-9, 300, n), 0) for _ in range(2))
    bars["imbalance"] = rng.integers(-900, 900, n)
    bars["carried"] = rng.random(n) < carried
    bars["volume"][bars["carried"] == 1] = 0
    for bit in (TRADES, SIDES, QUOTES, IMBALANCE):
        bars["known"][(rng.random(n) >= quiet) & (bars["carried"] == 0)] |= bit
    for name, bit in FLOW.items():
        bars[name][bars["known"] & bit == 0] = 0
    return bars


@st.composite
def tapes(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = st.sampled_from([0.0, 0.3, 0.9, 0.99])
    return tape(rng, draw(st.integers(1, 190)), draw(share), draw(share))


def test_names_and_windows() -> None:
    assert [len(group.catalogue(FeatureSettings(), MINUTE)) for group in (trades, quotes)] == [13, 11]
    warm = {feature.name: feature.warm_up for feature in columns()}
    assert (warm["delta_5"], warm["trade_size_9"], warm["spread"], warm["ofi_5"]) == (5, 9, 60, 65)
    assert {feature.name for feature in columns() if feature.kind != "finite"} == {"delta_day"}


@MANY
@given(tapes())
def test_formulas(bars: np.ndarray) -> None:
    found = rows(bars)
    expected = reference_flow.trades(bars, DAY.ny(9, 30), SHORT.flow) | reference_flow.quotes(bars, SHORT.flow)
    assert list(found) == list(expected), "the catalogue's order is the reference's"
    for name, ours in found.items():
        assert np.allclose(ours, expected[name], rtol=1e-12, atol=1e-9), name


@MANY
@given(tapes(), st.data())
def test_batch_is_stream_is_restarted_stream(bars: np.ndarray, data: st.DataObject) -> None:
    case = Case(DAY, "1m", SHORT, bars, masked=False)
    batch = case.compute()
    for other in (case.stream(), case.stream(data.draw(st.integers(0, bars.size - 1)))):
        assert batch.x.tobytes() == other.x.tobytes()


@MANY
@given(tapes(), st.data())
def test_no_row_depends_on_the_future(bars: np.ndarray, data: st.DataObject) -> None:
    cut, other = data.draw(st.integers(0, bars.size)), bars.copy()
    other[cut:] = tape(np.random.default_rng(1), bars.size, 0.0, 0.0)[cut:]
    changed = rows(other)
    for name, value in rows(bars).items():
        assert value[:cut].tobytes() == changed[name][:cut].tobytes(), name


@MANY
@given(tapes(), st.data())
def test_late_start_is_forgotten_to_the_bit_after_each_column_s_own_warm_up(
    bars: np.ndarray, data: st.DataObject
) -> None:
    late = data.draw(st.integers(0, bars.size - 1))
    whole, part = rows(bars), rows(bars[late:])
    for feature in columns():
        if feature.kind == "finite":
            a, b = whole[feature.name][late + feature.warm_up :], part[feature.name][feature.warm_up :]
            assert a.tobytes() == b.tobytes(), feature.name


def test_late_start_with_the_demo_s_windows() -> None:
    """Long windows, on a tape so thin that quotes lapse within them."""
    wide = SHORT.model_copy(update={"flow": (10, 30, 240)})
    bars = tape(np.random.default_rng(3), 1000, 0.95, 0.5)
    whole = rows(bars, wide)
    assert (whole["quote_age"] == 60).any() and (whole["quote_age"] < 60).any()
    for late in (1, 59, 61, 450):
        part = rows(bars[late:], wide)
        for feature in columns(wide):
            if feature.kind == "finite":
                a, b = whole[feature.name][late + feature.warm_up :], part[feature.name][feature.warm_up :]
                assert b.size and a.tobytes() == b.tobytes(), feature.name


SIGNED = ("delta", "quote_imbalance", "microprice", "ofi")


@MANY
@given(tapes())
def test_bought_and_sold_changed_over_turn_the_sign(bars: np.ndarray) -> None:
    """The market in a mirror: what has a direction turns its sign, everything else stays."""
    other = bars.copy()
    other["bid_volume"], other["ask_volume"] = bars["ask_volume"], bars["bid_volume"]
    other["bid_size"], other["ask_size"] = bars["ask_size"], bars["bid_size"]
    other["imbalance"] = -bars["imbalance"]
    turned = rows(other)
    for name, value in rows(bars).items():
        assert np.array_equal(turned[name], -value if name.startswith(SIGNED) else value), name


@MANY
@given(tapes())
def test_every_value_is_finite_and_within_its_bounds(bars: np.ndarray) -> None:
    found = rows(bars)
    for name, value in found.items():
        assert np.isfinite(value).all(), name
    for name in (*(f"delta_{k}" for k in (*SHORT.flow, "day")), *(f"quote_imbalance_{k}" for k in SHORT.flow)):
        assert (np.abs(found[name]) <= 1).all(), name
    for name in ("largest", "inferred_9"):
        assert ((found[name] >= 0) & (found[name] <= 1)).all(), name
    assert ((found["quote_age"] >= 0) & (found["quote_age"] <= 60)).all()
    assert (found["spread"] >= 0).all() and (np.abs(found["microprice"]) <= found["spread"] / 2).all()


def bar(**fields: int) -> np.ndarray:
    """One minute with a trade, and of the flow what `fields` tell."""
    one = np.zeros(1, BAR)
    one["ts_ns"], one["close"], one["volume"] = DAY.open_ns, 16_000, 10
    for name, value in fields.items():
        one[name] = value
    return one


@pytest.mark.kernel
def test_flow_by_hand() -> None:
    told = TRADES | SIDES
    bars = np.concatenate(
        [
            bar(known=told, trades=5, ask_volume=8, bid_volume=2, inferred_volume=5, largest=4),
            bar(volume=6),  # nothing told: it counts nowhere
            bar(volume=0, carried=1),
            bar(volume=30, known=told, trades=5, ask_volume=10, bid_volume=20, largest=15),
        ]
    )
    found = {name: value.tolist() for name, value in rows(bars).items()}
    assert found["delta"] == [6, 0, 0, -10]
    assert found["delta_2"] == [0.6, 0.6, 0, -10 / 30]
    assert found["delta_5"][3] == found["delta_day"][3] == -4 / 40
    assert found["trades_2"] == [2, 0, 0, 2]
    assert found["trade_size"] == [2, 0, 0, 6]
    assert found["trade_size_9"] == [1, 0, 0, 6 / (40 / 10)]
    assert found["largest"] == [0.4, 0, 0, 0.5]
    assert found["largest_9"][3] == 15 / (40 / 10)
    assert found["inferred_9"] == [0.5, 0.5, 0.5, 5 / 40]


@pytest.mark.kernel
def test_the_day_s_delta_begins_anew_at_half_past_nine() -> None:
    bars = np.repeat(bar(known=SIDES, ask_volume=10), 3)
    bars["ts_ns"] = DAY.ny(9, 30) + np.array([-1, 0, 1]) * MINUTE
    bars["ask_volume"], bars["bid_volume"] = [10, 1, 3], [0, 3, 1]
    assert rows(bars)["delta_day"].tolist() == [1.0, -0.5, 0.0]


@pytest.mark.kernel
def test_a_quote_stands_for_sixty_bars() -> None:
    quoted = bar(known=QUOTES | IMBALANCE, spread=3, bid_size=30, ask_size=10, imbalance=12)
    found = rows(np.concatenate([bar(), quoted, np.repeat(bar(volume=0, carried=1), 70)]))
    assert found["quote_age"].tolist() == [60, *range(60), *[60] * 11]
    assert found["spread"].tolist() == [1, *[3] * 60, *[1] * 11]
    assert found["quote_imbalance"].tolist() == [0, *[0.5] * 60, *[0] * 11]
    assert found["microprice"].tolist() == [0, *[0.75] * 60, *[0] * 11]
    assert found["ofi_9"][:11].tolist() == [0, *[12 / 20] * 9, 0]
    assert found["quote_imbalance_2"][:3].tolist() == [0, 0.25, 0.5]
    assert found["spread_9"][8] == 3 * 9 / 25 and found["spread_9"][-1] == 1
