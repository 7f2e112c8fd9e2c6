"""What holds for every kind of calibration and any rows, by numpy and in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.learn.calibration import Calibration, Kind, Vector, fit
from scalper.learn.calibration.table import SHARE, STEEPEST, Table
from scalper.learn.runtime import open_session

KINDS: tuple[Kind, ...] = ("vector", "isotonic", "venn_abers")
EXTREME = np.array(
    [[0, 0, 0], [1e4, -1e4, 0], [-1e4, 1e4, 1e4], [1e30, 0, -1e30], [88, 0, -104], [1e-30, 0, -1e-30]], np.float32
)
Rows = tuple[np.ndarray, np.ndarray]


@st.composite
def learned(make: st.DrawFn) -> Rows:
    """Margins and labels that have more or less to do with them, or the contrary; few or many, of few classes."""
    random = np.random.default_rng(make(st.integers(0, 2**32 - 1)))
    rows = make(st.sampled_from([0, 1, 2, 10, 60, 250]))
    margin = random.normal(size=(rows, 3)) * make(st.sampled_from([0.001, 0.3, 1, 5, 50]))
    sense, classes = make(st.sampled_from([-1, 0, 1, 4])), make(st.integers(1, 3))
    label = (sense * margin + random.gumbel(size=(rows, 3)))[:, :classes].argmax(axis=1)
    return np.round(margin, make(st.sampled_from([1, 6]))).astype(np.float32), label.astype(np.int8)


def built(calibration: Calibration) -> bytes:
    """The graph alone, as the export makes it."""
    from onnx import TensorProto, helper

    part = calibration.graph("c_", "margins")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3]) for name in ("margins", part.output)]
    graph = helper.make_graph(part.nodes, "calibration", ends[:1], ends[1:], part.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return model.SerializeToString(deterministic=True)


def asked(session: Any, margin: np.ndarray) -> np.ndarray:
    return session.run(None, {"margins": margin})[0]


@settings(max_examples=120)
@given(kind=st.sampled_from(KINDS), rows=learned())
def test_the_graph_repeats_numpy_and_a_batch_its_rows(kind: Kind, rows: Rows) -> None:
    calibration = fit(kind, *rows)
    session = open_session(built(calibration))
    margin = np.concatenate([rows[0][:20], EXTREME, np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)])
    found, wanted = asked(session, margin), calibration.apply(margin)
    assert found.dtype == wanted.dtype == np.float32
    assert np.isfinite(wanted).all()
    assert wanted.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert np.abs(found.astype(np.float64) - wanted).max() < 1e-6
    alone = np.concatenate([asked(session, margin[i : i + 1]) for i in range(20)])
    assert (alone == found[:20]).all()
    if kind != "vector":
        assert (wanted > 0).all() and (wanted < 1).all()
    assert all(name.startswith("c_") for node in calibration.graph("c_", "m").nodes for name in node.output)
    assert all(one.name.startswith("c_") for one in calibration.graph("c_", "m").constants)


@settings(max_examples=120)
@given(kind=st.sampled_from(KINDS), rows=learned(), seed=st.integers(0, 99))
def test_the_order_of_the_rows_is_nothing(kind: Kind, rows: Rows, seed: int) -> None:
    """Vector scaling adds in their order, so that its last bits may differ; tables count."""
    order = np.random.default_rng(seed).permutation(len(rows[0]))
    one, other = fit(kind, *rows), fit(kind, rows[0][order], rows[1][order])
    if isinstance(one, Vector) and isinstance(other, Vector):
        assert (other.scale, *other.bias) == pytest.approx((one.scale, *one.bias), rel=1e-4, abs=1e-5)
    else:
        assert built(one) == built(other)
    assert built(fit(kind, *rows)) == built(one)


@settings(max_examples=120)
@given(kind=st.sampled_from(KINDS), rows=learned(), seed=st.integers(0, 99), own=st.integers(0, 2))
def test_a_class_never_loses_by_its_own_margin(kind: Kind, rows: Rows, seed: int, own: int) -> None:
    calibration = fit(kind, *rows)
    margin = np.tile(np.random.default_rng(seed).normal(size=3).astype(np.float32), (400, 1))
    margin[:, own] = np.concatenate([[-1e4, -30], np.linspace(-8, 8, 396), [30, 1e4]])
    assert (np.diff(calibration.apply(margin)[:, own].astype(np.float64)) > -2e-7).all()


@settings(max_examples=120)
@given(
    kind=st.sampled_from(KINDS[1:]), rows=learned(), seed=st.integers(0, 99), size=st.sampled_from([1e-6, 1e-4, 1e-2])
)
def test_a_small_difference_of_the_margins_stays_small(kind: Kind, rows: Rows, seed: int, size: float) -> None:
    """What bounds the difference between XGBoost's own margins and the graph's."""
    calibration = fit(kind, *rows)
    assert isinstance(calibration, Table)
    random = np.random.default_rng(seed)
    margin = random.normal(size=(500, 3)).astype(np.float32)
    other = margin + (random.choice([-1, 1], size=margin.shape) * size).astype(np.float32)
    moved = np.abs(calibration.apply(other).astype(np.float64) - calibration.apply(margin)).max()
    assert moved <= STEEPEST / SHARE * calibration.vector.scale * np.abs(other - margin).max() + 1e-6
