"""The suite of an estimator's rules: XGBoost keeps them, so does a class of one's own, and each catches who breaks it.

The networks are held against it in test_networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
import pytest
from onnx import TensorProto, helper

from scalper.learn.estimators import Checkpoint, Estimator, Fitted, Part, Target, conformance, estimator
from scalper.learn.estimators.base import Matrix
from scalper.learn.feed import Feed
from scalper.settings import ModelSettings

LIMIT = 10.0


class Line(Fitted):
    """weights (f + 1, outputs): the last row is what is added."""

    def __init__(self, weights: Matrix, curves: Mapping[str, list[float]]) -> None:
        self.weights, self._curves = weights, curves

    @property
    def rounds(self) -> int:
        return 1

    @property
    def curves(self) -> Mapping[str, list[float]]:
        return self._curves

    def raw(self, x: Matrix) -> Matrix:
        return seen(x) @ self.weights[:-1] + self.weights[-1]

    def graph(self, prefix: str, source: str) -> Part:
        def node(kind: str, inputs: list[str], output: str) -> Any:
            return helper.make_node(kind, inputs, [prefix + output], name=prefix + output)

        def constant(name: str, values: Matrix) -> Any:
            return helper.make_tensor(prefix + name, TensorProto.FLOAT, values.shape, values.ravel().tolist())

        p = prefix
        nodes = [
            node("IsNaN", [source], "missing"),
            node("Where", [p + "missing", p + "zero", source], "known"),
            node("Clip", [p + "known", p + "low", p + "high"], "seen"),
            node("MatMul", [p + "seen", p + "weights"], "product"),
            node("Add", [p + "product", p + "more"], "margins"),
        ]
        numbers = {"zero": 0.0, "low": -LIMIT, "high": LIMIT}
        constants = [constant(name, np.array(value, np.float32)) for name, value in numbers.items()]
        constants += [constant("weights", self.weights[:-1]), constant("more", self.weights[-1])]
        return Part(nodes, constants, p + "margins")

    def importance(self, x: Matrix) -> dict[str, Any]:
        return {"size": np.abs(self.weights[:-1]).mean(axis=1).astype(np.float64)}


def seen(x: Matrix) -> Matrix:
    return np.clip(np.where(np.isnan(x), np.float32(0), x), -LIMIT, LIMIT)


class Linear(Estimator):
    """Least squares with a ridge, added up block by block."""

    name = "linear"
    row_by_row: ClassVar[bool] = True

    def fit(
        self,
        target: Target,
        learn: Feed,
        watch: Feed | None,
        settings: ModelSettings,
        *,
        seed: int,
        checkpoint: Checkpoint | None = None,
    ) -> Line:
        size = len(learn.names) + 1
        square, product = np.eye(size), np.zeros((size, target.outputs))
        for x, wanted in self.blocks(target, learn):
            square, product = square + x.T @ x, product + x.T @ wanted
        line = Line(self.solved(np.linalg.solve(square, product), checkpoint).astype(np.float32), {})
        watched = list(self.blocks(target, watch or learn)) if watch is None or len(watch.dates) else []
        losses = [float(np.square(x @ line.weights - wanted).mean()) for x, wanted in watched]
        return Line(line.weights, {"train" if watch is None else "tail": [float(np.mean(losses))] if losses else []})

    def blocks(self, target: Target, feed: Feed) -> Any:
        for block in feed.blocks():
            if len(rows := target.usable(block)):
                wanted = target.of(rows)
                wanted = np.eye(3)[wanted] if target.kind == "classes" else wanted[:, None].astype(np.float64)
                yield np.column_stack([seen(rows.x), np.ones(len(rows))]).astype(np.float64), wanted

    def solved(self, weights: Any, checkpoint: Checkpoint | None) -> Any:
        return weights

    def needs_bytes(
        self, rows: int, watched: int, features: int, settings: ModelSettings, *, missing: bool = True
    ) -> int:
        return 8 * features**2


@pytest.mark.parametrize("rule", conformance.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("kind", [lambda: estimator("xgboost"), Linear], ids=["xgboost", "linear"])
def test_it_keeps_the_rules(kind: Any, rule: conformance.Rule) -> None:
    rule(kind())


def test_xgboost_keeps_them_on_disk_too() -> None:
    settings = conformance.SETTINGS.model_copy(update={"memory": "disk", "rounds": 3})
    conformance.check(estimator("xgboost"), settings, ["classes"])


# ---------------------------------------------------------------- who breaks them


class Moody(Linear):
    """Draws from the generator that everybody shares."""

    def solved(self, weights: Any, checkpoint: Checkpoint | None) -> Any:
        return weights + np.random.normal(size=weights.shape)  # noqa: NPY002


class Forgetful(Linear):
    """Goes on from a checkpoint as if it were something else."""

    def solved(self, weights: Any, checkpoint: Checkpoint | None) -> Any:
        if checkpoint is None or (kept := checkpoint.load()) is None:
            if checkpoint is not None:
                checkpoint.save(b"state", {})
            return weights
        return weights + len(kept[0])


class Stubborn(Linear):
    """Goes on when it is to end."""

    def solved(self, weights: Any, checkpoint: Checkpoint | None) -> Any:
        with suppress(conformance._Kill):  # what it must not do
            if checkpoint is not None:
                checkpoint.save(b"state", {})
        return weights


class Writer(Linear):
    """Replaces what is missing in the rows that it was given."""

    def blocks(self, target: Target, feed: Feed) -> Any:
        for block in feed.blocks():
            block.x[np.isnan(block.x)] = 0.0
        yield from super().blocks(target, feed)


class Hoarder(Linear):
    """Takes all blocks at once."""

    def blocks(self, target: Target, feed: Feed) -> Any:
        held = list(feed.blocks())
        yield from super().blocks(target, feed)
        assert held


class Picky(Linear):
    """Cannot do with a single row."""

    def blocks(self, target: Target, feed: Feed) -> Any:
        for x, wanted in super().blocks(target, feed):
            assert len(x) > 1, "at least two rows, please"
            yield x, wanted


class Spread(Linear):
    """Divides by the spread of its rows."""

    def solved(self, weights: Any, checkpoint: Checkpoint | None) -> Any:
        return weights / np.sign(np.abs(weights[0]))


def other(**changes: Any) -> type[Linear]:
    """A Linear whose lines have other methods."""
    kind = type("Bent", (Line,), changes)

    class Bent(Linear):
        def fit(self, *words: Any, **named: Any) -> Line:
            line = super().fit(*words, **named)
            return kind(line.weights, line.curves)

    return Bent


def _bent_graph(**attributes: Any) -> Any:
    """A graph of other numbers, or with a name that is not its own."""

    def graph(self: Line, prefix: str, source: str) -> Part:
        found = Line(self.weights + np.float32(attributes.get("more", 0)), {}).graph(prefix, source)
        if "name" in attributes:
            found.nodes[0].output[:] = found.nodes[1].input[:1] = [attributes["name"]]
        return found

    return graph


def _raw(bent: Any) -> Any:
    return lambda self, x: bent(Line.raw(self, x))


BROKEN: dict[str, tuple[conformance.Rule, type[Linear], str]] = {
    "draws": (conformance.the_same_twice, Moody, "the same classes learned twice: other numbers"),
    "forgets": (conformance.the_same_after_a_kill, Forgetful, "classes called again when it was over: other numbers"),
    "goes on": (conformance.the_same_after_a_kill, Stubborn, "it goes on after a kill"),
    "batch": (conformance.rows_stand_alone, other(raw=_raw(lambda z: z - z.mean(axis=0))), "raw of a row alone"),
    "order": (
        conformance.rows_stand_alone,
        other(raw=_raw(lambda z: z + np.arange(len(z), dtype=np.float32)[:, None] * (len(z) > 1))),
        "raw of a row alone",
    ),
    "graph": (conformance.rows_stand_alone, other(graph=_bent_graph(more=1e-4)), "the graph does not repeat raw"),
    "prefix": (conformance.rows_stand_alone, other(graph=_bent_graph(name="known")), "do not begin with one_: known"),
    "float64": (conformance.rows_stand_alone, other(raw=_raw(lambda z: z.astype(np.float64))), "float64, not float32"),
    "shape": (conformance.rows_stand_alone, other(raw=_raw(lambda z: z[:, :2])), r"\(328, 2\), not \(328, 3\)"),
    "infinite": (conformance.rows_stand_alone, other(raw=_raw(lambda z: z / 0)), "not finite on missing or extreme"),
    "writes": (conformance.feeds_are_only_read, Writer, "it writes into the rows of its feed"),
    "hoards": (conformance.feeds_are_only_read, Hoarder, "blocks are held at once, not 3"),
    "one row": (conformance.poor_rows_do_not_stop_it, Picky, "at least two rows"),
    "spread": (conformance.poor_rows_do_not_stop_it, Spread, "raw is not finite"),
    "importance": (
        conformance.poor_rows_do_not_stop_it,
        other(importance=lambda self, x: {"size": np.zeros(3)}),
        r"size has the shape \(3,\)",
    ),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_catches_who_breaks_it(name: str) -> None:
    rule, kind, words = BROKEN[name]
    with pytest.raises(AssertionError, match=words):
        rule(kind())
