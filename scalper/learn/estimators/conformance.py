"""Whether an estimator keeps the rules of `base`: a suite for anybody's own class.

    for rule in conformance.RULES:
        rule(MyEstimator(), settings)

Each rule is a function that raises AssertionError with what is wrong; `check` runs them all. The rows are a small
market with missing values (small_market), so `settings` should be of a few rounds; SETTINGS will do for most.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import ref

import numpy as np

from scalper.learn.dataset import COLUMNS, Dataset
from scalper.learn.estimators.base import Checkpoint, Estimator, Fitted, Kind, Matrix, Target
from scalper.learn.estimators.small_market import FEATURES, inputs, market, odd, poor
from scalper.learn.feed import Feed
from scalper.settings import ModelSettings
from scalper.settings.learning import NetworkSettings

SETTINGS = ModelSettings(
    rounds=9,
    early_stopping=4,
    depth=2,
    min_child_weight=1.0,
    subsample=0.7,
    colsample=0.6,
    checkpoint_rounds=2,
    network=NetworkSettings(hidden=4, span=3, epochs=3, batch=32),
)
PARITY = 1e-6
"""Largest difference between the graph and `raw`, relative to 1."""
AT_ONCE = 3
"""Blocks of a feed that may be held at the same time: the one in use, and the next."""
KINDS: tuple[Kind, ...] = ("classes", "move", "size")


def check(estimator: Estimator, settings: ModelSettings = SETTINGS, kinds: Sequence[Kind] = KINDS) -> None:
    """All the rules. Raises AssertionError with what is wrong."""
    for rule in RULES:
        rule(estimator, settings, kinds)


# --------------------------------------------------------------------- the rules


def the_same_twice(estimator: Estimator, settings: ModelSettings = SETTINGS, kinds: Sequence[Kind] = KINDS) -> None:
    """Rule 1: the same arguments give the same numbers and the same graph, whatever was drawn or learned before."""
    for kind in kinds:
        first = _fit(estimator, Target(kind), settings)
        np.random.seed(random.randrange(1000))  # noqa: NPY002 - the generator that a careless estimator draws from
        np.random.random(7)  # noqa: NPY002
        _fit(type(estimator)(), Target(kind), settings, seed=2)
        again = _fit(type(estimator)(), Target(kind), settings)
        _same(first, again, f"the same {kind} learned twice")


def the_same_after_a_kill(
    estimator: Estimator, settings: ModelSettings = SETTINGS, kinds: Sequence[Kind] = KINDS
) -> None:
    """Rule 2: killed before or after any of its saves and called again, a training gives what it would have given.

    So does one that was over, and one whose checkpoint is damaged. An estimator that saves nothing keeps the rule.
    """
    for kind in kinds:
        whole = _fit(estimator, Target(kind), settings)
        with TemporaryDirectory() as folder:
            counted = _Killed(Path(folder) / "whole", "rows")
            _same(whole, _fit(estimator, Target(kind), settings, counted), f"{kind} learned with a checkpoint")
            saves = counted.saves[0]
            _same(whole, _fit(estimator, Target(kind), settings, counted), f"{kind} called again when it was over")
            for at in range(saves):
                for after in (False, True):
                    saved = _Killed(Path(folder) / f"{at}{after}", "rows", at, after)
                    assert _is_killed(estimator, Target(kind), settings, saved), f"{kind}: it goes on after a kill"
                    goes_on = Checkpoint(saved.path, saved.input)
                    words = f"{kind} killed {'after' if after else 'before'} save {at + 1} and called again"
                    _same(whole, _fit(type(estimator)(), Target(kind), settings, goes_on), words)
            counted.path.write_bytes(b"{}\nnonsense")
            damaged = Checkpoint(counted.path, counted.input)
            _same(whole, _fit(estimator, Target(kind), settings, damaged), f"{kind} with a damaged checkpoint")


def rows_stand_alone(estimator: Estimator, settings: ModelSettings = SETTINGS, kinds: Sequence[Kind] = KINDS) -> None:
    """Rule 3: a row's numbers are the same alone and among others, and the graph repeats them on odd rows too.

    A graph whose batch differs from its rows one by one must say so (row_by_row).
    """
    for kind in kinds:
        fitted = _fit(estimator, Target(kind), settings)
        x = odd(inputs(market(seed=3), fitted.span))
        raw = fitted.raw(x)
        shape = (len(x), Target(kind).outputs)
        assert raw.shape == shape, f"{kind}: raw gives {raw.shape}, not {shape}"
        assert raw.dtype == np.float32, f"{kind}: raw gives {raw.dtype}, not float32"
        assert np.isfinite(raw).all(), f"{kind}: raw is not finite on missing or extreme values"
        alone = np.concatenate([fitted.raw(x[at : at + 1]) for at in range(len(x))])
        turned = fitted.raw(np.ascontiguousarray(x[::-1]))[::-1]
        for name, other in {"alone": alone, "in another order": turned}.items():
            _near(raw, other, f"{kind}: raw of a row {name} is not that of it among others")
        session = _session(fitted, x)
        got = np.concatenate([session(x[at : at + 1]) for at in range(len(x))])
        assert got.shape == shape, f"{kind}: the graph gives {got.shape}, not {shape}"
        assert got.dtype == np.float32, f"{kind}: the graph gives {got.dtype}, not float32"
        _near(raw, got, f"{kind}: the graph does not repeat raw")
        batch = session(x)
        _near(got, batch, f"{kind}: the graph's batch is not its rows")
        if not estimator.row_by_row:
            bits = np.array_equal(batch, got)
            assert bits, f"{kind}: the graph's batch differs from its rows in the last bits; set row_by_row"


def feeds_are_only_read(
    estimator: Estimator, settings: ModelSettings = SETTINGS, kinds: Sequence[Kind] = KINDS
) -> None:
    """Rule 4: a feed is read block by block, never held whole, and nothing is written into it.

    The blocks of the test cannot be written to, and only AT_ONCE of them may live at a time.
    """
    for kind in kinds:
        whole = _fit(estimator, Target(kind), settings)
        learn, watch = (_Watched.over(feed) for feed in _feeds())
        try:
            fitted = estimator.fit(Target(kind), learn, watch, settings, seed=1)
        except ValueError as error:
            raise AssertionError(f"{kind}: it writes into the rows of its feed: {error}") from error
        for feed in (learn, watch):
            most = feed.most[0]
            assert most <= AT_ONCE, f"{kind}: {most} of {len(feed.dates)} blocks are held at once, not {AT_ONCE}"
        _same(whole, fitted, f"{kind} from rows that cannot be written to")


def poor_rows_do_not_stop_it(
    estimator: Estimator, settings: ModelSettings = SETTINGS, kinds: Sequence[Kind] = KINDS
) -> None:
    """Rule 5: a missing class, features without content, one class only and a single row all give a model."""
    for kind in kinds:
        for name, rows in poor().items():
            for watch in (Feed.of(market(2, seed=5)), Feed.of(rows.rows(slice(0, 1))), None):
                watched = "nothing" if watch is None else f"{len(watch.gather())} rows"
                words = f"{kind} from {name}, watched on {watched}"
                fitted = estimator.fit(Target(kind), Feed.of(rows), watch, settings, seed=1)
                x = odd(inputs(market(2, seed=4), fitted.span))
                raw = fitted.raw(x)
                assert np.isfinite(raw).all(), f"{words}: raw is not finite"
                assert fitted.rounds >= 1, f"{words}: no round was learned"
                _near(raw, _session(fitted, x)(x), f"{words}: the graph does not repeat raw")
                for measure, values in fitted.importance(x[:20]).items():
                    assert values.shape == (FEATURES,), f"{words}: {measure} has the shape {values.shape}"
                    assert np.isfinite(values).all(), f"{words}: {measure} is not finite"
                for curve, losses in fitted.curves.items():
                    assert np.isfinite(losses).all(), f"{words}: the losses on {curve} are not finite"


Rule = Callable[..., None]
RULES: tuple[Rule, ...] = (
    the_same_twice,
    the_same_after_a_kill,
    rows_stand_alone,
    feeds_are_only_read,
    poor_rows_do_not_stop_it,
)


# ---------------------------------------------------------------------- tools


def _feeds() -> tuple[Feed, Feed]:
    return Feed.of(market()), Feed.of(market(3, seed=1))


def _fit(
    estimator: Estimator, target: Target, settings: ModelSettings, checkpoint: Checkpoint | None = None, seed: int = 1
) -> Fitted:
    learn, watch = _feeds()
    return estimator.fit(target, learn, watch, settings, seed=seed, checkpoint=checkpoint)


def _same(one: Fitted, other: Fitted, words: str) -> None:
    """Numbers, curves and graph are the same, to the byte."""
    x = odd(inputs(market(2, seed=3), one.span))
    assert np.array_equal(one.raw(x), other.raw(x)), f"{words}: other numbers"
    curves, others = dict(one.curves), dict(other.curves)
    assert curves == others, f"{words}: other curves, {curves} and {others}"
    assert one.rounds == other.rounds, f"{words}: {one.rounds} and {other.rounds} rounds"
    assert _bytes(one) == _bytes(other), f"{words}: another graph"


def _near(one: Matrix, other: Matrix, words: str) -> None:
    worst = float((np.abs(one.astype(np.float64) - other) / np.maximum(1.0, np.abs(one))).max())
    assert worst <= PARITY, f"{words}: they differ by up to {worst:.2g}, {PARITY:g} is allowed"


def _bytes(fitted: Fitted) -> list[bytes]:
    part = fitted.graph("p_", "x")
    return [one.SerializeToString(deterministic=True) for one in (*part.nodes, *part.constants)]


def _session(fitted: Fitted, x: Matrix) -> Callable[[Matrix], Matrix]:
    """The graph, twice in one model under two prefixes, so that a name without its prefix is found; runs the first."""
    from onnx import TensorProto, helper

    from scalper.learn.export import OPSET
    from scalper.learn.runtime import open_session

    parts = [fitted.graph(prefix, "x") for prefix in ("one_", "two_")]
    for prefix, part in zip(("one_", "two_"), parts, strict=True):
        names = [name for node in part.nodes for name in (node.name, *node.output) if name]
        names += [constant.name for constant in part.constants]
        strange = [name for name in names if not name.startswith(prefix)]
        assert not strange, f"names of the graph that do not begin with {prefix}: {', '.join(strange)}"
    shape = [None, *x.shape[1:]]
    graph = helper.make_graph(
        [node for part in parts for node in part.nodes],
        "part",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(part.output, TensorProto.FLOAT, [None, None]) for part in parts],
        [constant for part in parts for constant in part.constants],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = open_session(model.SerializeToString())
    return lambda rows: session.run([parts[0].output], {"x": rows})[0]


class _Kill(BaseException):
    """The training's end at a save; nobody should catch it."""


@dataclass(frozen=True, slots=True)
class _Killed(Checkpoint):
    """A checkpoint that ends its training before or after a save; without a number it only counts them."""

    at: int | None = None
    after: bool = False
    saves: list[int] = field(default_factory=lambda: [0])

    def save(self, state: bytes, told: Mapping[str, Any]) -> None:
        self.saves[0] += 1
        ends = self.at is not None and self.saves[0] == self.at + 1
        if ends and not self.after:
            raise _Kill
        Checkpoint.save(self, state, told)
        if ends:
            raise _Kill


def _is_killed(estimator: Estimator, target: Target, settings: ModelSettings, saved: _Killed) -> bool:
    try:
        _fit(estimator, target, settings, saved)
    except _Kill:
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Watched(Feed):
    """A feed whose blocks cannot be written to, and that counts how many of them are alive."""

    alive: list[ref[Matrix]] = field(default_factory=list[ref[Matrix]])
    most: list[int] = field(default_factory=lambda: [0])

    def sequences(self, span: int) -> Iterator[tuple[Matrix, Dataset]]:
        for x, rows in Feed.sequences(self, span):
            for values in (x, *(getattr(rows, name) for name in COLUMNS)):
                values.flags.writeable = False
            self.alive[:] = [one for one in self.alive if one() is not None] + [ref(x)]
            self.most[0] = max(self.most[0], len(self.alive))
            yield x, rows

    @classmethod
    def over(cls, feed: Feed) -> _Watched:
        return cls(feed.read, feed.dates, feed.names, feed.limit_ns, feed.every, feed.where)


__all__ = ["FEATURES", "KINDS", "PARITY", "RULES", "SETTINGS", "Rule", "check", "market"]
