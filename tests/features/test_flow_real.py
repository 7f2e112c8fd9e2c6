"""The order flow columns on real bars, read through the lake: exact, and such as a market makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scalper.features import catalogue
from scalper.market import SIDES, session
from scalper.settings import FeatureSettings
from tests.features import exact, reference_flow
from tests.features.real import SOURCES
from tests.features.support import Case


@pytest.fixture(scope="module", params=SOURCES)
def real(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A session of the lake, and the groups that it tells."""
    source = SOURCES[request.param]
    bars = source.read(real_data, tmp_path_factory.mktemp("real"))
    settings = FeatureSettings(groups=source.groups, atr=1)  # type: ignore[arg-type]
    return Case(session("ES", source.day), source.interval, settings, bars)


def test_batch_is_stream_is_restarted_stream(real: Case) -> None:
    batch = real.compute()
    warm = int(real.windows["warm_up"][0])
    assert len(batch.x) > warm + 50 and np.isfinite(batch.x[warm:]).all()
    for other in (real.stream(), real.stream(len(batch.x) - 40)):
        assert batch.x.tobytes() == other.x.tobytes()


def test_formulas(real: Case) -> None:
    flow, groups, expected = real.settings.flow, real.settings.groups, dict[str, np.ndarray]()
    if "trades" in groups:
        expected |= reference_flow.trades(real.bars, real.session.ny(9, 30), flow)
    if "quotes" in groups:
        expected |= reference_flow.quotes(real.bars, flow)
    found = exact.columns(real)
    assert list(expected) == real.names
    for name in real.names:
        assert np.allclose(found[name], expected[name], rtol=1e-12, atol=1e-9), name


def test_late_start_is_forgotten_to_the_bit(real: Case) -> None:
    whole = exact.columns(real)
    for late in (1, real.bars.size // 4):
        later = exact.columns(real, late)
        for feature in catalogue(real.settings, real.bar_ns):
            if feature.kind == "finite":
                a, b = whole[feature.name][late + feature.warm_up :], later[feature.name][feature.warm_up :]
                assert b.size and a.tobytes() == b.tobytes(), feature.name


def test_values_are_those_of_a_market(real: Case) -> None:
    """Who buys lifts the price, and the spread is mostly one tick."""
    found, bars = exact.columns(real), real.bars
    traded, moved = bars["carried"] == 0, np.diff(bars["close"], prepend=bars["open"][0])
    if "trades" in real.settings.groups:
        assert (bars["known"][traded] & SIDES).all()
        assert np.corrcoef(found["delta"][traded], moved[traded])[0, 1] > 0.25
        for k in real.settings.flow:
            assert (np.abs(found[f"delta_{k}"]) <= 1).all() and np.ptp(found[f"delta_{k}"]) > 0.01
        assert (found["trade_size"][traded] >= 1).all() and not found["trade_size"][~traded].any()
        (share,) = {source.inferred for source in SOURCES.values() if source.day == real.session.date}
        assert (found["inferred_60"][60:] == share).all()
    if "quotes" in real.settings.groups:
        assert ((found["quote_age"] == 0) == traded).all(), "every traded bar tells its quote"
        assert (found["spread"] >= 1).all() and (found["spread"] == 1).mean() > 0.6
        assert (np.abs(found["microprice"]) < found["spread"] / 2).all()
        assert np.ptp(found["quote_imbalance"]) > 1
    if bars["imbalance"].any():
        assert np.corrcoef(bars["imbalance"][traded], moved[traded])[0, 1] > 0.25
        assert 1 < np.abs(found["ofi_60"]).max() < 100
