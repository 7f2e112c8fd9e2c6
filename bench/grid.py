"""`scalper bench grid`: a thousand parameter sets over the same bars, each with its own account and book."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bench.measure import peak_mib, processor_s, ratios, result, timed
from bench.simulate import every_rule, scripts
from bench.simulate_versus import first
from scalper import clock
from scalper.settings import Lane
from scalper.simulate import SessionInput, simulate
from scalper.simulate.grid import grid
from scalper.simulate.rule_sets import Axes, RuleSet, rule_sets

BARS = 1_000_000
FEW, THREADS, PEER_SETS = 10, 2, 3
AXES: Axes = {
    "policy.confidence": [round(0.60 + 0.015 * i, 3) for i in range(10)],
    "policy.stop.atr_multiple": [round(1.0 + 0.2 * i, 1) for i in range(10)],
    "policy.reward_to_risk": [round(1.2 + 0.2 * i, 1) for i in range(10)],
}


def run(size: int | None = None) -> dict[str, Any]:
    """The sessions of `scalper bench simulate` with every rule on; `size` are the bars of one set.

    `bars` counts each set's; `seconds` are of one pass on two threads. `peak_mib_of_10_sets` is the most memory that
    the process had held after a first grid of ten sets, and `peak_mib` after all. `stopped` are sets whose account a
    limit ended for good: these are cheap to step.
    """
    lane = every_rule()
    ready = _sessions(lane, size or BARS)
    sets = rule_sets(lane, AXES)
    grid(lane, sets[:FEW], ready, threads=THREADS)
    few = peak_mib()
    began, used = clock.monotonic(), processor_s()
    found = grid(lane, sets, ready, threads=THREADS)
    seconds, used = clock.monotonic() - began, processor_s() - used
    bars = sum(one.bars.size for one in ready)
    document = result("bars", bars * len(sets), seconds)
    document |= {"sets": len(sets), "bars_of_a_set": bars, "threads": THREADS}
    document |= {"processor_seconds": round(used, 3), "peak_mib_of_10_sets": few}
    document |= {"trades": int(found.trades.sum()), "stopped": sum(1 for one in found.stopped if one)}
    document["halts"] = int(found.halts.sum())
    return document | _peers(sets, ready, document["bars_per_second"], found.net_cents)


def _sessions(lane: Lane, size: int) -> list[SessionInput]:
    """Whole sessions with so many bars, or the first bars of one."""
    every = scripts(lane)
    if size < every[0].bars.size:
        return [first(every[0], size)]
    return [every[i % len(every)] for i in range(-(-size // every[0].bars.size))]


def _peers(sets: list[RuleSet], ready: list[SessionInput], own: float, net: np.ndarray) -> dict[str, Any]:
    """simulate(), set after set, with all its decisions: what a grid is without this one; on a few of the sets."""
    chosen = np.linspace(0, len(sets) - 1, PEER_SETS).astype(int).tolist()
    alone = dict[int, list[int]]()

    def work() -> None:
        for i in chosen:
            played = simulate(sets[i].lane, [replace(one, choice=sets[i].choice(one.choice)) for one in ready])
            alone[i] = [one.cash_after - one.cash_before for one in played.sessions]

    bars = sum(one.bars.size for one in ready) * len(chosen)
    peers = {"simulate(), set after set on one thread": round(bars / timed(work), 1)}
    same = all(net[i].tolist() == alone[i] for i in chosen)
    return {"peers": peers, "ratios": ratios(own, peers), "simulate_gives_the_same": same}
