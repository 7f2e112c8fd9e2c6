"""The networks: their graphs, which need no torch; and where it is installed, that they learn and keep the rules."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.learn import Dataset, Feed, Model, train
from scalper.learn.estimators import Estimator, Target, conformance, estimator
from scalper.learn.estimators.base import Kind
from scalper.learn.estimators.batches import batches, look
from scalper.learn.estimators.epochs import torch
from scalper.learn.estimators.layers import MOST, Dense, Draft, Layers, Recurrent, Scaling, Weights, finished
from scalper.learn.export import OPSET
from scalper.learn.runtime import open_session
from scalper.settings import ModelSettings
from scalper.settings.learning import NetworkSettings

Make = Callable[..., Dataset]
NAMES = ("feedforward", "lstm")
TINY = NetworkSettings(hidden=4, span=3, epochs=2, batch=64)
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is an optional extra: make networks"
)


def small(name: str, **network: object) -> ModelSettings:
    told: dict[str, Any] = {"hidden": 8, "span": 3, "epochs": 6, "batch": 64, "learning_rate": 0.02} | network
    return ModelSettings(estimator=name, network=NetworkSettings(**told), early_stopping=3, threads=1, least_rows=1)


# ------------------------------------------------------------- graphs, without torch


def plain(layers: Dense | Recurrent, weights: Weights, z: np.ndarray) -> np.ndarray:
    """The margins as the books write them, row by row and step by step in float64."""
    known = {name: one.astype(np.float64) for name, one in weights.items()}

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 0.5 * (1 + np.tanh(a / 2))

    margins: list[np.ndarray] = []
    for one in z.astype(np.float64):
        rows = np.atleast_2d(one)
        for number in range(weights_of(weights)):
            w, b = known[f"w{number}"], known[f"b{number}"]
            if isinstance(layers, Dense):
                rows = np.maximum(rows @ w.T + b, 0)
                continue
            hidden = cell = np.zeros(layers.hidden)
            held: list[np.ndarray] = []
            for row in rows:
                i, f, g, o = np.split(w @ row + known[f"r{number}"] @ hidden + b, 4)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
                hidden = sigmoid(o) * np.tanh(cell)
                held.append(hidden)
            rows = np.array(held)
        margins.append(known["w"] @ rows[-1] + known["b"])
    return np.array(margins)


def weights_of(weights: Weights) -> int:
    """Number of layers below the last one."""
    return sum(name.startswith("w") for name in weights) - 1


def graph_of(layers: Layers, scaling: Scaling, weights: Weights, shape: Sequence[int]) -> Callable[..., np.ndarray]:
    from onnx import TensorProto, helper

    draft = Draft("n_")
    part = finished(draft, layers.graph(draft, weights, scaling.graph(draft, "x")))
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, *shape])
    leaves = helper.make_tensor_value_info(part.output, TensorProto.FLOAT, [None, None])
    graph = helper.make_graph(part.nodes, "network", [entry], [leaves], part.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session = open_session(model.SerializeToString())
    return lambda x: session.run([part.output], {"x": x})[0]


@pytest.mark.parametrize(
    "layers", [Dense(5, 1), Dense(3, 2), Recurrent(4, 1, 3), Recurrent(3, 2, 5)], ids=lambda one: type(one).__name__
)
def test_the_graph_is_what_the_books_write(layers: Dense | Recurrent) -> None:
    """Strong weights, missing values, the ends of float32: the graph of any weights gives these margins."""
    draw = np.random.default_rng(3)
    weights = layers.first(6, 3, draw)
    weights = {name: (3 * one + draw.normal(size=one.shape)).astype(np.float32) for name, one in weights.items()}
    scaling = Scaling(draw.normal(size=6).astype(np.float32), draw.uniform(0.5, 2, 6).astype(np.float32))
    shape = (6,) if layers.span == 1 else (layers.span, 6)
    x = (draw.normal(size=(20, *shape)) * 3).astype(np.float32)
    x[draw.random(x.shape) < 0.1] = np.nan
    x[1], x[2], x[3], x[4, ..., ::2] = np.nan, 3e38, -3e38, 3e38
    wanted = plain(layers, weights, scaling.apply(x))
    assert np.abs(graph_of(layers, scaling, weights, shape)(x) - wanted).max() < 1e-6 * np.abs(wanted).max()
    assert np.ptp(wanted, axis=0).min() > 0.1


# ---------------------------------------------------------------------- rows


def test_one_pass_gives_mean_spread_and_what_is_usual(make: Make) -> None:
    data = make(sessions=6, rows=20)
    data.x[:, 2], data.x[:, 3] = 7.1, np.nan
    scaling, bias = look(Target(class_weights=(1.0, 2.0, 4.0)), Feed.of(data))
    told = [0, 1, 4, 5, 6, 7]
    np.testing.assert_allclose(scaling.mean[told], np.nanmean(data.x[:, told].astype(np.float64), axis=0), rtol=1e-5)
    np.testing.assert_allclose(scaling.spread[told], np.nanstd(data.x[:, told].astype(np.float64), axis=0), rtol=1e-5)
    z = scaling.apply(data.x + np.float32(100))
    assert np.abs(z[:, 2:4]).max() < 1e-30, "a feature that never changed says nothing when it does"
    assert z[:, [0, 1]][~np.isnan(data.x[:, [0, 1]])].min() == MOST, "what is far out is cut"
    weighed = np.bincount(data.label, minlength=3) * [1, 2, 4] + 1
    np.testing.assert_allclose(np.exp(bias), weighed / weighed.sum(), rtol=1e-5)
    usual = look(Target("size"), Feed.of(data))[1]
    np.testing.assert_allclose(usual, [np.abs(data.move_ticks / 4).mean()], rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), size=st.integers(1, 40), seed=st.integers(0, 99))
def test_batches_hold_every_row_once_with_the_rows_before_it(sizes: list[int], size: int, seed: int) -> None:
    """And nothing of another session; only a rest of less than half a batch is left out."""
    session = np.repeat(np.arange(len(sizes)), sizes)
    data = conformance.market(len(sizes), 30).rows(slice(0, sum(sizes)))
    x = np.repeat(np.arange(sum(sizes), dtype=np.float32)[:, None], conformance.FEATURES, axis=1)
    feed = Feed.of(replace(data, x=x, session=session.astype(np.int32)))
    found = list(batches(Target(), feed, 3, size, np.random.default_rng(seed)))
    got = np.concatenate([one.x[:, :, 0] for one in found])
    assert all(len(one) == size for one in found[:-1])
    left_out = sum(sizes) - len(got)
    assert len(np.unique(got[:, -1])) == len(got)
    assert left_out == 0 or (left_out * 2 < size and len(found) > 0)
    first = np.concatenate([[0], np.cumsum(sizes)])
    for before, last, now in got:
        start = first[session[int(now)]]
        assert last == now - 1 if now > start else np.isnan(last)
        assert before == now - 2 if now > start + 1 else np.isnan(before)
    assert {int(label) for one in found for label in one.wanted} <= {0, 1, 2}


def test_batches_are_shuffled_anew_by_the_generator() -> None:
    """Sessions and the rows within: no two seeds, and so no two epochs, go the same way."""
    data = conformance.market(5, 20)
    at = np.repeat(np.arange(100, dtype=np.float32)[:, None], conformance.FEATURES, axis=1)
    feed = Feed.of(replace(data, x=at))
    orders = [
        np.concatenate([one.x[:, 0] for one in batches(Target(), feed, 1, 20, np.random.default_rng(seed))])
        for seed in (*range(8), 0)
    ]
    assert orders[0].tobytes() == orders[-1].tobytes()
    assert len({one.tobytes() for one in orders}) == 8
    assert len({one[0] // 20 for one in orders}) > 1, "the sessions come in another order"
    assert (np.diff(orders[0][:20]) < 0).any(), "and so do their rows"


# ------------------------------------------------------------------ without torch


@pytest.mark.parametrize("name", NAMES)
def test_without_torch_it_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert ModelSettings(estimator=name).network.hidden
    with pytest.raises(BadInput, match="make networks"):
        estimator(name)


def test_what_brings_torch_leaves_the_rest_as_it_is() -> None:
    """`make networks` adds packages to .venv and changes none: what both locks have is of the same version."""
    root = Path(__file__).parents[2]
    main, extra = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", (root / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-networks.lock")
    )
    assert "torch" in extra
    assert "torch" not in main
    assert {name: version for name, version in extra.items() if name in main and main[name] != version} == {}


# -------------------------------------------------------------------- with torch


@needs_torch
@pytest.mark.parametrize("rule", conformance.RULES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_they_keep_the_rules(name: str, rule: conformance.Rule) -> None:
    rule(estimator(name), ModelSettings(network=TINY, early_stopping=2), ("classes",))


@needs_torch
@pytest.mark.long
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_they_keep_the_rules_for_moves_and_sizes_too(name: str, layers: int) -> None:
    network = TINY.model_copy(update={"layers": layers})
    conformance.check(estimator(name), ModelSettings(network=network, early_stopping=2))


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_the_margins_are_those_of_the_books(name: str) -> None:
    """torch's, that is: the graph's are held against them above."""
    fitted: Any = fit(name)
    x = np.concatenate([x for x, _ in Feed.of(conformance.market(1, seed=3)).sequences(fitted.span)])
    wanted = plain(fitted.layers, fitted.weights, fitted.scaling.apply(x))
    np.testing.assert_allclose(fitted.raw(x), wanted, atol=1e-6)
    x[..., 4] = np.nan
    weighed = fitted.importance(x)["gradient"]
    assert weighed[4] == 0, "what is never known matters nothing"
    assert weighed[:2].min() > 2 * weighed[2:4].max()


@cache
def fit(name: str, watched: bool = True, **changes: Any) -> Any:
    """Learned from the small market of the conformance suite."""
    target = changes.pop("target", Target())
    watch = Feed.of(conformance.market(3, seed=1)) if watched else None
    return estimator(name).fit(target, Feed.of(conformance.market()), watch, small(name, **changes), seed=1)


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_it_is_the_same_in_a_session_as_in_a_batch(
    name: str, fit_rows: Dataset, later_rows: Dataset
) -> None:
    """From training by the lane's own way to predictions row by row, bit for bit."""
    window = fit_rows.dates[0], fit_rows.dates[-1]
    told: dict[str, Any] = {"lane": "toy", "window": window, "data_digest": "d" * 64, "kernel_version": "1-abc"}
    trained = train(Feed.of(fit_rows), Feed.of(later_rows), small(name, epochs=8), **told)
    assert trained.parity < 1e-6
    assert trained.papers.row_by_row
    assert trained.curves["tail"][-1] < 0.95 * trained.curves["tail"][0]
    weighed = trained.importance["gradient"]
    assert sorted(weighed, key=weighed.__getitem__)[-2:] == ["feature_1", "feature_0"]
    model = Model.load(trained.onnx)
    day = later_rows.between(1, 2)
    batch = model.predict(day.x, day.volatility_ticks)
    scorer = model.scorer()
    steps = [scorer.predict(day.x[i : i + 1], float(day.volatility_ticks[i])) for i in range(len(day))]
    assert np.concatenate(steps).tobytes() == batch.tobytes()
    assert np.ptp(batch["up"]) > 0.3


@needs_torch
def test_only_the_lstm_remembers_the_row_before() -> None:
    """A label that tells of the feature one row ago: a network of one row cannot know it."""

    def remembered(seed: int) -> Dataset:
        data = conformance.market(20, 40, seed)
        before = np.roll(np.nan_to_num(data.x[:, 0]), 1)
        return replace(data, label=np.where(before > 0, 2, 0).astype(np.int8))

    losses = {
        name: min(
            estimator(name)
            .fit(Target(), Feed.of(remembered(0)), Feed.of(remembered(1)), small(name, epochs=8), seed=1)
            .curves["tail"]
        )
        for name in NAMES
    }
    assert losses["lstm"] < 0.4
    assert losses["feedforward"] > 0.65


@needs_torch
def test_torch_is_told_to_be_deterministic_on_one_thread() -> None:
    library = torch()
    assert library.are_deterministic_algorithms_enabled()
    assert library.get_num_threads() == 1


@needs_torch
def test_each_epoch_reads_every_session_in_an_order_of_its_own() -> None:
    feed, read = Feed.of(conformance.market()), list[date]()

    def noted(day: date) -> Dataset:
        read.append(day)
        return feed.read(day)

    estimator("feedforward").fit(Target(), replace(feed, read=noted), None, small("feedforward", epochs=3), seed=1)
    passes = [tuple(read[at : at + len(feed.dates)]) for at in range(0, len(read), len(feed.dates))]
    assert all(sorted(one) == list(feed.dates) for one in passes)
    assert len(passes) == len(set(passes)) == 4, "one for mean and spread, and three epochs"


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_it_stops_where_the_watched_rows_get_no_better(name: str) -> None:
    early, late = fit(name, epochs=40, learning_rate=0.1), fit(name, watched=False, epochs=4)
    losses = early.curves["tail"]
    assert early.rounds == int(np.argmin(losses)) + 1 == len(losses) - 3 < 37
    assert fit(name, epochs=early.rounds, learning_rate=0.1).weights["w"].tobytes() == early.weights["w"].tobytes()
    assert list(late.curves) == ["train"]
    assert late.rounds == len(late.curves["train"]) == 4


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_a_row_counts_what_its_weight_says(name: str) -> None:
    """A class of more weight is told more often; rows of none teach nothing."""
    x = np.concatenate([x for x, _ in Feed.of(conformance.market(2, seed=3)).sequences(fit(name).span)])
    heavy = fit(name, target=Target(class_weights=(1.0, 1.0, 20.0))).raw(x).argmax(axis=1) == 2
    assert heavy.mean() > 1.5 * (fit(name).raw(x).argmax(axis=1) == 2).mean()
    rows = conformance.market()
    spoiled = replace(rows, label=np.where(rows.label == 0, 2, rows.label).astype(np.int8))
    both = replace(
        spoiled,
        label=np.where(np.arange(len(rows)) % 2 == 0, rows.label, spoiled.label).astype(np.int8),
        weight=np.where(np.arange(len(rows)) % 2 == 0, 2, 0).astype(np.float32),
    )
    kind: Estimator = estimator(name)
    raw = kind.fit(Target(weights="uniqueness"), Feed.of(both), None, small(name, epochs=12), seed=1).raw(x)
    blind = kind.fit(Target(), Feed.of(both), None, small(name, epochs=12), seed=1).raw(x)
    assert (raw.argmax(axis=1) == 0).mean() > 1.3 * (blind.argmax(axis=1) == 0).mean()


@needs_torch
@pytest.mark.parametrize("kind", ["classes", "move"])
def test_what_stops_it_is_the_loss_of_the_watched_rows(kind: Kind) -> None:
    """By the class weights, but not by uniqueness; of a move the root of the mean square."""
    heavy = (1.0, 2.0, 3.0) if kind == "classes" else (1.0, 1.0, 1.0)
    fitted = fit("feedforward", target=Target(kind, weights="uniqueness", class_weights=heavy))
    rows = conformance.market(3, seed=1)
    raw = fitted.raw(rows.x).astype(np.float64)
    if kind == "classes":
        each = np.log(np.exp(raw).sum(axis=1)) - raw[np.arange(len(rows)), rows.label]
        wanted = np.average(each, weights=np.array(heavy)[rows.label])
    else:
        wanted = np.sqrt(((raw[:, 0] - rows.move_ticks / rows.volatility_ticks) ** 2).mean())
    assert min(fitted.curves["tail"]) == pytest.approx(wanted, rel=1e-5)


@needs_torch
def test_the_first_step_is_as_long_as_the_learning_rate() -> None:
    """So Adam's are: whatever the gradient, a weight that has any moves by the rate."""
    told: dict[str, Any] = {"watched": False, "batch": 1000, "epochs": 1, "learning_rate": 0.02}
    fitted = fit("lstm", **told, dropout=0.0)
    before = fitted.layers.first(conformance.FEATURES, 3, np.random.default_rng((1, 0)))
    before["b"] = look(Target(), Feed.of(conformance.market()))[1]
    for name in ("w", "b", "w0", "r0", "b0"):
        moved = np.abs(fitted.weights[name] - before[name])
        assert np.median(moved) == pytest.approx(0.02, rel=0.001)
        assert moved.max() < 0.02001
    assert fit("lstm", **told, dropout=0.5).weights["w"].tobytes() != fitted.weights["w"].tobytes()


@needs_torch
def test_it_asks_for_the_memory_of_one_session_and_not_of_all_rows() -> None:
    """A year of seconds needs what a week of them needs; measured peaks (torch's 470 MiB apart) are given."""
    kind, usual = estimator("lstm"), ModelSettings()
    needs = [kind.needs_bytes(rows, rows // 7, 60, usual) for rows in (20_000, 500_000, 9_000_000)]
    assert needs[0] > (470 + 358) << 20
    assert needs[0] < needs[1] == needs[2]
    assert estimator("feedforward").needs_bytes(6_000, 2_000, 60, usual) > (470 + 17) << 20


@needs_torch
def test_a_loss_that_is_lost_says_what_to_lower() -> None:
    with pytest.raises(BadInput, match=r"the loss of epoch \d+ is .*lower model.network.learning_rate \(0.99\)"):
        fit("feedforward", hidden=32, layers=80, learning_rate=0.99, batch=320)
