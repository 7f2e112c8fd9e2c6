"""Every group module has the shape that the kernel and the catalogue count on."""

from __future__ import annotations

import inspect
from collections import Counter
from types import ModuleType
from typing import get_args

import numpy as np
import pytest

from scalper.errors import BadInput
from scalper.features import catalogue, kernel, params
from scalper.features.catalogue import needed
from scalper.features.core import CORE, CORE_PARAMS, KINDS, Feature
from scalper.features.groups import ORDER
from scalper.market import BAR
from scalper.settings import FeatureSettings, Group
from tests.features.support import GROUPS, grouped
from tests.features.test_kernel import a_session

SECOND = 10**9
EVERY = grouped(FeatureSettings())
COUNTS = {
    "returns": 10, "trend": 12, "time": 8, "volatility": 8, "momentum": 6, "bar": 12, "volume": 5, "higher": 6,
    "trades": 13, "quotes": 11, "structure": 20, "regime": 9, "sessions": 3, "amd": 4, "confluence": 4,
}  # fmt: skip
"""Columns at the default windows: 131 in all."""
by_name = pytest.mark.parametrize("group", ORDER, ids=GROUPS)


@by_name
def test_shape(group: ModuleType) -> None:
    names = {"s", "p", "bar", "t"}
    assert group.__name__ == f"scalper.features.groups.{group.NAME}"
    assert 1 << ORDER.index(group) == group.BIT
    assert set(group.NEEDS) <= {one.NAME for one in ORDER[: ORDER.index(group)]}, "what it reads is updated before it"
    assert group.__doc__
    for function, given in (
        (group.catalogue, {"s", "bar_ns"}),
        (group.fill, {"row", "s", "bar_ns"}),
        (group.update, names),
        (group.write, names | {"out", "c"}),
    ):
        assert set(inspect.signature(getattr(function, "py_func", function)).parameters) == given
        assert inspect.getdoc(function)


def test_settings_name_the_groups() -> None:
    assert get_args(Group) == GROUPS == tuple(COUNTS)
    assert FeatureSettings().groups == GROUPS[:8]


def test_no_two_fields_have_a_name() -> None:
    for record, core, kind in ((kernel.STATE, CORE, "FIELDS"), (kernel.PARAMS, CORE_PARAMS, "PARAMS")):
        fields = [field[0] for field in core] + [field[0] for one in ORDER for field in getattr(one, kind)]
        assert list(record.names or ()) == fields and len(set(fields)) == len(fields)


def test_counts_at_the_default_windows() -> None:
    columns = catalogue(FeatureSettings(groups=GROUPS), SECOND)
    assert Counter(one.group for one in columns) == COUNTS
    assert len({one.name for one in columns}) == len(columns) == 131


@by_name
def test_catalogue(group: ModuleType) -> None:
    columns = group.catalogue(EVERY, SECOND)
    names = [one.name for one in columns]
    assert all(isinstance(one, Feature) and one.group == group.NAME for one in columns)
    for one in columns:
        assert one.formula and one.unit and one.kind in KINDS and one.warm_up >= 0
        assert one.inputs and set(one.inputs) <= set(BAR.names or ()) - {"known", "carried"}, one.name
        assert not one.missing or one.kind == "context", one.name
        assert not one.margin or (one.kind == "recursive" and one.margin in names), one.name


@by_name
def test_it_writes_as_many_columns_as_it_lists_and_no_more(group: ModuleType) -> None:
    case = a_session("1s", 60)
    state, windows = case.state(), case.windows
    for bar in case.bars:
        kernel.update(state[0], windows[0], bar, case.table[0])
    listed = len(group.catalogue(case.settings, case.bar_ns))
    row = np.full(len(case.names) + 6, 7.0, np.float32)
    at = len(case.names) - listed if group.NAME == "confluence" else 3  # it reads its parts from the row
    assert group.write(state[0], windows[0], case.bars[-1], case.table[0], row, at) == at + listed
    assert (row[:at] == 7.0).all() and (row[at + listed :] == 7.0).all()
    assert np.isfinite(row).all()


def test_what_a_group_needs_is_updated_but_not_written() -> None:
    alone = grouped(FeatureSettings(), ["regime"])
    row = params(alone, SECOND)[0]
    bits = {one.NAME: one.BIT for one in ORDER}
    assert row["columns"] == bits["regime"]
    assert [one.NAME for one in needed(alone)] == ["volatility", "higher", "regime"]
    assert row["updates"] == bits["volatility"] | bits["higher"] | bits["regime"]
    assert row["width"] == COUNTS["regime"] and row["n_higher"] == 2


def test_structure_alone_builds_frame_bars() -> None:
    assert params(FeatureSettings(), SECOND)["frame_ns"] == 0
    assert params(grouped(FeatureSettings(), ["structure"]), SECOND)["frame_ns"] == 60 * SECOND
    assert params(grouped(FeatureSettings(), ["structure"], "15s"), SECOND)["frame_ns"] == 15 * SECOND
    with pytest.raises(BadInput, match=r"features\.frame"):
        params(grouped(FeatureSettings(higher=("10m",), ema=(5,), volatility=(5,)), ["structure"], "7m"), 300 * SECOND)
