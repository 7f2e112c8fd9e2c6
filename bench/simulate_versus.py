"""The peers of `scalper bench simulate`: ourselves bar by bar, numpy, and the backtesters that people use."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bench import simulate_referee
from bench.measure import rate, ratios
from scalper.errors import DataUnavailable
from scalper.labels import distance
from scalper.live.broker import SimBroker
from scalper.policy import ACCOUNT, DECISION, TRADE, open_account, rules
from scalper.policy import kernel as policy
from scalper.settings import REPOSITORY, Lane
from scalper.simulate import SessionInput

if TYPE_CHECKING:
    from bench.simulate import Played

PEER_BARS = 20_000
"""Bars of what is asked from Python."""
PEERS_PYTHON = REPOSITORY / ".peers" / "bin" / "python"
NO_PEERS = "vectorbt and backtesting.py are not here: make peers"
Compiled = Callable[[Lane, list[SessionInput]], "Played"]
_policy, _distance = cast(Any, policy), cast(Any, distance)


def peers(lane: Lane, every: list[SessionInput], compiled: Compiled, own: float, paid: float) -> dict[str, Any]:
    """Ourselves bar by bar, what a vectorised backtest can do, and other people's backtesters on the same signals.

    `compiled` plays sessions in the loop that is compared; `own` is its rate on the wall, `paid` in processor time.
    """
    part = first(every[0], PEER_BARS)
    live = [0]

    def by_bar() -> None:
        live[0] = bar_by_bar(lane, part)

    rates = {
        "the live path, bar by bar from Python": rate(part.bars.size, by_bar),
        "numpy, fixed horizon: no stop, target, size, limit or account": rate(
            every[0].bars.size, lambda: fixed_horizon(lane, every[0])
        ),
    }
    same = live[0] == compiled(lane, [part]).trades
    found, missing = others(lane, every)
    rates |= {name: one["bars_per_second"] for name, one in found.items()}
    told = {"ratios": ratios(own, rates), "live_path_trades_the_same": same}
    costs = {name: one["bars"] / one["processor_seconds"] for name, one in found.items() if "processor_seconds" in one}
    told["ratios_of_processor_time"] = ratios(paid, costs)
    told["peer_trades"] = {name: {key: one[key] for key in ("bars", "trades")} for name, one in found.items()}
    return {"peers": rates} | told | ({"missing": missing} if missing else {})


def first(one: SessionInput, count: int) -> SessionInput:
    """The first `count` bars from the regular open on."""
    begin = int(np.searchsorted(one.bars["ts_ns"], one.timetable["regular_open_ns"][0]))
    of = slice(begin, begin + count)
    return SessionInput(
        one.date, one.contract, one.bars[of], one.aux[of], one.predictions[of], one.timetable, one.norms
    )


def others(lane: Lane, every: list[SessionInput]) -> tuple[dict[str, Any], list[str]]:
    """Each backtester's bars, trades and bars_per_second, by name; and what is missing, in words."""
    found: dict[str, Any] = {}
    missing: list[str] = []
    for ask in (_elsewhere, _referee):
        try:
            found |= ask(lane, every)
        except DataUnavailable as error:
            missing.append(str(error))
    return found, missing


def _referee(lane: Lane, every: list[SessionInput]) -> dict[str, Any]:
    return {simulate_referee.NAME: simulate_referee.measured(lane, first(every[0], PEER_BARS))}


def _elsewhere(lane: Lane, every: list[SessionInput]) -> dict[str, Any]:
    """simulate_peers.py in the environment of the peers. Raises DataUnavailable without it, and with its last words."""
    if not PEERS_PYTHON.is_file():
        raise DataUnavailable(NO_PEERS)
    script = Path(__file__).with_name("simulate_peers.py")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "signals.npz"
        np.savez(path, **signals(lane, every))
        done = subprocess.run([PEERS_PYTHON, script, path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:]
        raise DataUnavailable(f"{script.name} failed ({''.join(said)}); make it anew: rm -r .peers; make peers")
    return json.loads(done.stdout)


def signals(lane: Lane, every: list[SessionInput]) -> dict[str, Any]:
    """What simulate_peers.py reads: the bars and the entries that prediction, confidence and expected move allow."""
    bars = np.concatenate([one.bars for one in every])
    asked = np.concatenate([one.predictions for one in every])
    atr = np.nan_to_num(np.concatenate([one.aux["volatility_ticks"] for one in every]), nan=1.0)
    limits = rules(lane)[0]
    cost = float(limits["commission_cents"] / limits["tick_cents"])
    least = limits["move_over_cost"] * 2 * (limits["slippage"] + cost)
    side = np.where(asked["up"] > asked["down"], 1, -1)
    sure = np.maximum(asked["up"], asked["down"])
    wanted = (asked["valid"] == 1) & (sure > asked["flat"]) & (sure >= limits["confidence"])
    wanted &= side * asked["move_ticks"] >= least
    stop, target = np.empty(bars.size), np.empty(bars.size)
    _distance.away_rows(limits["stop_atr"], atr, limits["stop_min"], limits["stop_max"], stop)
    _distance.rewarded_rows(stop, limits["reward_to_risk"], target)
    last = np.concatenate([one.bars["ts_ns"] >= one.timetable["exit_ns"][0] for one in every])
    prices = {name: bars[name].astype(np.float64) for name in ("open", "high", "low", "close")}
    given = {"side": (side * wanted).astype(np.int8), "stop": stop, "target": target, "last": last}
    begin = int(np.searchsorted(bars["ts_ns"], every[0].timetable["regular_open_ns"][0]))
    return prices | given | {"cost": cost, "slippage": float(limits["slippage"]), "begin": begin}


def bar_by_bar(lane: Lane, one: SessionInput) -> int:
    """What replay and live do with a bar, without features and model; returns the number of trades."""
    limits = rules(lane)
    broker = SimBroker(lane.simulation, one.timetable, limits)
    account, trade, closed = open_account(lane), np.zeros(1, TRADE), 0
    assert account.dtype == ACCOUNT
    _policy.open_session(account[0], limits[0])
    for index in range(one.bars.size):
        bar = one.bars[index : index + 1]
        for fill in broker.advance(bar):
            closed += int(_policy.on_fill(account[0], limits[0], fill, trade[0]))
        decision = np.zeros(1, DECISION)
        x, q, t = one.aux[index], one.predictions[index], one.timetable[0]
        _policy.step(account[0], limits[0], bar[0], x, q, t, one.norms, decision[0])
        broker.submit(decision)
    for fill in broker.close_out(one.bars[-1:]):
        closed += int(_policy.on_fill(account[0], limits[0], fill, trade[0]))
    return closed


def fixed_horizon(lane: Lane, one: SessionInput) -> float:
    """A vectorised backtest: each confident bar enters at the next open and leaves a horizon later; net dollars."""
    bars, asked, hold = one.bars, one.predictions, lane.hold_bars
    side = np.where(asked["up"] > asked["down"], 1, -1) * (asked["valid"] == 1)
    sure = np.maximum(asked["up"], asked["down"]) >= lane.policy.confidence
    entry, leave = bars["open"][1:-hold], bars["open"][hold + 1 :]
    taken = (side * sure)[: entry.size]
    cost = 2 * (lane.simulation.slippage_ticks * float(lane.execution.tick_value)) + 0.84
    gained = taken * (leave - entry) * float(lane.execution.tick_value) - cost * np.abs(taken)
    return float(np.cumsum(gained)[-1])
