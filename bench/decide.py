"""`scalper bench decide`: one bar from its arrival to the decision, as the live engine goes, and its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import numpy as np

from bench import tape as tape_of
from bench.features import ohlcv
from bench.features_peers import with_polars
from bench.measure import peak_mib, quantiles_ms
from bench.tape import Tape
from scalper import clock
from scalper.features import Block, Stream, catalogue, fresh, params
from scalper.learn.dataset import Dataset
from scalper.learn.digests import kernel_version
from scalper.learn.estimators.xgboost import Trees
from scalper.learn.feed import Feed
from scalper.learn.model import Model
from scalper.learn.norms import FEWEST, medians
from scalper.learn.norms import seen as seen_in
from scalper.learn.recipe import Recipe
from scalper.learn.session import labels_of, tradable
from scalper.learn.train import Trained, train
from scalper.live.broker import SimBroker
from scalper.live.engine import Engine
from scalper.policy import DECISION, PREDICTION, Action, Choice, kernel, open_account, rules
from scalper.settings import Lane

BARS = 10_000
EVERY = 6
"""Each sixth row of a session trains: enough for trees of full depth, in a few seconds."""
BUFFER = 600
"""Bars that a program without a streaming kernel computes anew for each one."""
RECOMPUTED = 100
_policy = cast(Any, kernel)


@dataclass(slots=True)
class Seen:
    """Seconds of each bar on which the model was asked, and what came of them."""

    whole: list[float] = field(default_factory=list[float])
    rows: list[np.ndarray] = field(default_factory=list[np.ndarray])
    bars: list[int] = field(default_factory=list[int])
    orders: int = 0
    trades: int = 0


def run(size: int | None = None) -> dict[str, Any]:
    """`bars` counts traded seconds in regular hours, where the model is asked; `seconds` is the whole session's loop.

    A model of the lane's full size (200 rounds of three trees) is trained on the first session of a simulated market,
    calibrated on the second and asked on the third. `decision` is fills, features, score and policy (the live engine);
    `parts` are the same steps alone.
    """
    lane, every = tape_of.lane(model={"every": EVERY}), tape_of.tapes(3, edge=4.0)
    trained = learned(lane, every[:2])
    model = Model(trained.onnx)
    choice = Choice(confidence=0.5, stop_atr=1.5, reward_to_risk=2.0)
    recipe = Recipe(lane, model, choice)
    bars = tape_of.filled(lane, every[2])
    seen = Seen()
    began = clock.monotonic()
    while len(seen.whole) < (size or BARS):
        _session(recipe, every[2], bars, size or BARS, seen)
    found: dict[str, Any] = {"bars": len(seen.whole), "seconds": round(clock.monotonic() - began, 4)}
    found |= {"decision": quantiles_ms(seen.whole), "parts": _parts(recipe, every[2], bars, seen)}
    found |= {"peak_mib": peak_mib(), "trees": 3 * trained.best_round, "columns": len(trained.papers.features)}
    found |= {"orders": seen.orders, "trades": seen.trades, "threads": 1}
    peers = _peers(lane, trained, bars, seen)
    own = {"xgboost": found["parts"]["score"], "polars": found["parts"]["features"]}
    ratios = {name: round(one["p50_ms"] / own[name.split()[0]]["p50_ms"], 2) for name, one in peers.items()}
    return found | {"peers": peers, "ratios": ratios}


def learned(lane: Lane, every: list[Tape]) -> Trained:
    """A model of the lane's full size from the first session, calibrated on the second."""
    read = list(tape_of.features(lane, every))
    fit, calibrate = (_dataset(lane, *one) for one in read)
    minutes = [seen_in(bars, block.aux, lane.timetable(tape.session)) for tape, bars, block in read]
    window = (every[0].session.date, every[0].session.date)
    return train(
        Feed.of(fit, limit_ns=int(calibrate.ts_ns[0])),
        Feed.of(calibrate),
        lane.model,
        lane=lane.name,
        window=window,
        data_digest="",
        kernel_version=kernel_version(),
        norms=medians(minutes * FEWEST),
    )


def _dataset(lane: Lane, tape: Tape, bars: np.ndarray, block: Block) -> Dataset:
    """The session's rows as a lane would load them from its files."""
    table = lane.timetable(tape.session)
    rows = tradable(bars, table) & block.warm
    labels = labels_of(lane, bars, table, block.volatility, rows)
    dates: tuple[date, ...] = (tape.session.date,)
    return Dataset(
        x=block.x[rows],
        **{name: labels[name] for name in ("label", "reason", "move_ticks", "weight", "end_ns")},
        volatility_ticks=block.volatility[rows].astype(np.float32),
        ts_ns=bars["ts_ns"][rows],
        session=np.zeros(int(rows.sum()), np.int32),
        dates=dates,
        names=tuple(one.name for one in catalogue(lane.features, lane.interval_ns)),
    )


def _session(recipe: Recipe, tape: Tape, bars: np.ndarray, most: int, seen: Seen) -> None:
    """One session through the engine, until `most` bars were asked in all."""
    table = recipe.lane.timetable(tape.session)
    broker = SimBroker(recipe.lane.simulation, table, rules(recipe.lane, recipe.choice))
    engine = Engine(recipe, tape.session, tape.contract, broker)
    engine.open()
    for index in range(bars.size):
        step = engine.on_bar(bars[index : index + 1])
        engine.submit(step)
        seen.trades += step.trades.size
        if step.prediction["valid"][0]:
            seen.whole.append(step.seconds)
            seen.rows.append(step.row)
            seen.bars.append(index)
            seen.orders += int(step.decision["action"][0] != Action.HOLD)
            if len(seen.whole) >= most:
                return


def _parts(recipe: Recipe, tape: Tape, bars: np.ndarray, seen: Seen) -> dict[str, dict[str, float]]:
    """The steps of the bars that were asked, each alone: features, score, policy."""
    lane, table = recipe.lane, recipe.lane.timetable(tape.session)
    windows, columns = params(lane.features, lane.interval_ns), len(catalogue(lane.features, lane.interval_ns))
    stream = Stream(fresh(tape.contract, None, windows), windows, table, columns)
    account, limits, decision = open_account(lane), rules(lane, recipe.choice), np.zeros(1, DECISION)
    _policy.open_session(account[0], limits[0])
    seconds: dict[str, list[float]] = {"features": [], "score": [], "policy": []}
    for index, row in zip(seen.bars, seen.rows, strict=True):
        bar = bars[index : index + 1]
        start = clock.monotonic()
        stream.push(bar)
        seconds["features"].append(clock.monotonic() - start)
        start = clock.monotonic()
        asked: np.ndarray = recipe.model.predict(row, np.array([4.0]))
        seconds["score"].append(clock.monotonic() - start)
        assert asked.dtype == PREDICTION
        start = clock.monotonic()
        _policy.step(account[0], limits[0], bar[0], stream.aux[0], asked[0], table[0], recipe.norms, decision[0])
        seconds["policy"].append(clock.monotonic() - start)
        account["working"] = Action.HOLD
    return {name: quantiles_ms(taken) for name, taken in seconds.items()}


# ---------------------------------------------------------------------- peers


def _peers(lane: Lane, trained: Trained, bars: np.ndarray, seen: Seen) -> dict[str, dict[str, float]]:
    """One row through the booster itself; and the features of the newest bar computed anew from a buffer."""
    booster = cast(Trees, trained.ensemble.members[0].fitted).booster
    booster.set_param({"nthread": 1})
    scored: list[float] = []
    for row in seen.rows[:2000]:
        start = clock.monotonic()
        booster.inplace_predict(row)
        scored.append(clock.monotonic() - start)
    anew: list[float] = []
    for index in seen.bars[:RECOMPUTED]:
        buffer = ohlcv(bars[index - BUFFER + 1 : index + 1])
        start = clock.monotonic()
        with_polars(buffer, lane)
        anew.append(clock.monotonic() - start)
    return {
        "xgboost inplace_predict of one row, against score": quantiles_ms(scored),
        f"polars over the last {BUFFER} bars, against features": quantiles_ms(anew),
    }
