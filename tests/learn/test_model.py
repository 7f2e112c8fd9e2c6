"""The ONNX model: what it carries, what it refuses, and that a row is a row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.learn import Dataset, Model, Trained
from scalper.policy import PREDICTION


@pytest.fixture(scope="module")
def model(trained: Trained) -> Model:
    return Model.load(trained.onnx)


def test_it_knows_what_it_was_made_from(model: Model, trained: Trained, fit_rows: Dataset) -> None:
    papers = model.papers
    assert papers.lane == "toy"
    assert papers.features == fit_rows.names
    assert papers.window == ("2026-01-05", "2026-01-14")
    assert papers.data_digest == "d" * 64
    assert papers.kernel_version == "1-abc"
    ratio = fit_rows.move_ticks.astype(float) / fit_rows.volatility_ticks
    by_hand = [ratio[fit_rows.label == label].mean() for label in range(3)]
    assert papers.class_moves == pytest.approx(by_hand, rel=1e-6)
    assert sum(papers.priors) == pytest.approx(1)
    assert (
        model.metadata["members"]
        == papers.members
        == ({"horizon": 0, "seed": 1, "weight": 1.0, "rounds": trained.best_round},)
    )
    assert len(model.digest) == 64
    json.dumps(model.metadata)


def test_one_row_is_the_batch_bit_for_bit(model: Model, fit_rows: Dataset) -> None:
    x = np.tile(fit_rows.x, (13, 1))[:10_000]
    x[::7, 1] = np.nan
    batch = model.predict(x, np.linspace(0, 9, len(x)))
    volatility = batch["volatility_ticks"]
    for size in range(1, 65):
        assert np.array_equal(model.predict(x[:size], volatility[:size]), batch[:size])
        assert np.array_equal(model.predict(x[-size:], volatility[-size:]), batch[-size:])
    for row in range(0, len(x), 5):
        assert model.predict(x[row : row + 1], volatility[row : row + 1])[0] == batch[row]


@given(start=st.integers(0, 700), size=st.integers(1, 100))
def test_any_slice_is_the_batch(model: Model, fit_rows: Dataset, start: int, size: int) -> None:
    whole = model.probabilities(fit_rows.x)
    assert np.array_equal(model.probabilities(fit_rows.x[start : start + size]), whole[start : start + size])


def test_a_prediction_by_hand(model: Model, fit_rows: Dataset) -> None:
    volatility = np.array([4.0, 2.5, np.nan])
    found = model.predict(fit_rows.x[:3], volatility)
    assert found.dtype == PREDICTION
    prob = model.probabilities(fit_rows.x[:3]).astype(float)
    assert found["up"].tolist() == prob[:, 2].tolist()
    moves = np.array(model.papers.class_moves)
    assert found["move_ticks"][:2] == pytest.approx(volatility[:2] * (prob[:2] @ moves))
    assert found["valid"].tolist() == [1, 1, 0]
    assert len(model.predict(fit_rows.x[:0], volatility[:0])) == 0


def test_what_does_not_fit_is_refused_with_the_difference(trained: Trained, fit_rows: Dataset) -> None:
    names = fit_rows.names
    Model.load(trained.onnx, expect_features=names, expect_kernel="1-abc", expect_lane="toy")
    cases = [
        ({"expect_features": (*names, "extra")}, "it lacks extra"),
        ({"expect_features": names[1:]}, "it also wants feature_0"),
        ({"expect_features": (names[1], names[0], *names[2:])}, "another order, from column 0"),
        ({"expect_kernel": 2}, "kernel 1-abc, this is kernel 2"),
        ({"expect_lane": "other"}, "trained for lane toy, not other"),
    ]
    for expected, words in cases:
        with pytest.raises(Refused, match=words):
            Model.load(trained.onnx, **expected)  # type: ignore[arg-type]


def test_files(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(DataUnavailable, match="no such model"):
        Model.load(path)
    path.write_bytes(trained.onnx)
    assert Model.load(path).digest == Model.load(trained.onnx).digest
    for broken in (b"", b"not a model", trained.onnx[: len(trained.onnx) // 2]):
        path.write_bytes(broken)
        with pytest.raises(BadInput, match="not an ONNX model"):
            Model.load(path)


def stripped(trained: Trained, change: dict[str, str], drop: str = "") -> bytes:
    bare = onnx.load_model_from_string(trained.onnx)
    kept = {one.key: one.value for one in bare.metadata_props if one.key != drop} | change
    onnx.helper.set_model_props(bare, kept)
    return bare.SerializeToString()


def test_papers_that_are_not_in_order_are_refused(trained: Trained) -> None:
    with pytest.raises(Refused, match="lacks class_moves"):
        Model.load(stripped(trained, {}, "scalper.class_moves"))
    for garbled in ("{", "5"):
        with pytest.raises(BadInput, match="papers cannot be read"):
            Model.load(stripped(trained, {"scalper.features": garbled}))
    with pytest.raises(Refused, match="schema model/9"):
        Model.load(stripped(trained, {"scalper.schema": '"model/9"'}))
    with pytest.raises(Refused, match="takes rows of \\[8\\] and its papers speak of \\[1\\]"):
        Model.load(stripped(trained, {"scalper.features": '["only"]'}))


def test_the_file_is_plain_onnx(trained: Trained) -> None:
    graph = onnx.load_model_from_string(trained.onnx)
    onnx.checker.check_model(graph)
    assert [node.op_type for node in graph.graph.node] == ["TreeEnsembleClassifier", "Mul", "Add", "Softmax"]
    assert [one.name for one in graph.graph.output] == ["probabilities"]
