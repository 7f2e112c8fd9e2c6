"""A state saved as bytes: restored where the same features made it, refused where others did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalper.errors import BadInput
from scalper.features import VERSION, compute, fresh, params, restore
from scalper.features.kernel import STATE
from scalper.settings import FeatureSettings
from tests.features.test_kernel import a_session

SECOND = 10**9
SAVED = fresh("MESU21", None, params(FeatureSettings(), SECOND)).tobytes()


def test_a_restored_state_is_the_saved_one_and_its_own() -> None:
    case = a_session("1m", 60)
    state = case.state()
    compute(state, case.windows, case.bars, case.table, len(case.names))
    again = restore(state.tobytes(), case.windows)
    assert again.tobytes() == state.tobytes()
    again["n"] += 1
    assert again["n"] == state["n"] + 1, "it can be changed, and is no view of the other"


@pytest.mark.parametrize(
    "changes",
    [
        {"ema": (9, 21, 50)},
        {"atr": 13},
        {"higher": ("1m",)},
        {"groups": ("returns", "trend", "time", "volatility", "momentum", "bar", "volume")},
        {"groups": ("returns", "trend", "time", "volatility", "momentum", "bar", "volume", "higher", "sessions")},
        {"returns": (1, 5, 10, 30, 61)},
    ],
)
def test_other_features_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="of other features or windows than this lane's; start from a new one"):
        restore(SAVED, params(FeatureSettings(**changes), SECOND))


def test_another_interval_is_refused() -> None:
    fits = FeatureSettings(ema=(9, 21), higher=("5m",), volatility=(10, 30))
    saved = fresh("MESU21", None, params(fits, 60 * SECOND)).tobytes()
    with pytest.raises(BadInput, match="of other features or windows"):
        restore(saved, params(fits, SECOND))


def test_windows_of_groups_that_are_off_do_not_matter() -> None:
    restore(SAVED, params(FeatureSettings(flow=(7, 8)), SECOND))
    restore(SAVED, params(FeatureSettings(), SECOND, masked=False))


def test_another_version_or_size_is_refused() -> None:
    state = np.frombuffer(SAVED, STATE).copy()
    state["version"] = VERSION - 1
    with pytest.raises(BadInput, match=f"version {VERSION - 1}, this is {VERSION}"):
        restore(state.tobytes(), params(FeatureSettings(), SECOND))
    for size in (0, STATE.itemsize - 1, STATE.itemsize + 8):
        with pytest.raises(BadInput, match=f"{size} bytes, this version has {STATE.itemsize}"):
            restore((SAVED + bytes(8))[:size], params(FeatureSettings(), SECOND))
