"""NautilusTrader's engine on the sessions of `scalper bench simulate`, through the referee's adapter.

The adapter asks our own rules at every bar, so this peer leaves out nothing but what a bar's volume fills (which
NautilusTrader does not know); orders, fills, account and fees are NautilusTrader's. Only its run is inside the clock:
making its bars, its ticks and the engine is not.
"""

from __future__ import annotations

import gc
from typing import Any

from bench.measure import LONG_S, PASSES, processor_s
from scalper import clock
from scalper.policy import open_account
from scalper.referee import require
from scalper.settings import Lane
from scalper.simulate import SessionInput

NAME = "NautilusTrader with our rules"


def measured(lane: Lane, one: SessionInput) -> dict[str, Any]:
    """Bars, trades and bars_per_second of the best of some passes. Raises DataUnavailable without the extra."""
    require()
    simulation = lane.simulation.model_copy(update={"volume_share": None})
    whole, trades, began = lane.model_copy(update={"simulation": simulation}), 0, clock.monotonic()
    best, least = float("inf"), float("inf")
    for _ in range(PASSES):
        seconds, used, trades = _pass(whole, one)
        gc.collect()  # NautilusTrader's objects may only go in the thread that made them
        best, least = min(best, seconds), min(least, used)
        if clock.monotonic() - began > LONG_S:
            break
    figures = {"bars": one.bars.size, "trades": trades, "processor_seconds": round(least, 6)}
    return figures | {"bars_per_second": round(one.bars.size / best, 1)}


def _pass(lane: Lane, one: SessionInput) -> tuple[float, float, int]:
    """Seconds of a run in a fresh engine, on the wall and of the processor, and its trades."""
    from nautilus_trader.trading import StrategyConfig

    from scalper.referee.adapter import Adapter
    from scalper.referee.plan import Plan
    from scalper.referee.venue import Slips, Ticks, bars, engine, futures_contract, opens

    plan, model, product = Plan.of(lane, one), Slips(), lane.execution
    ticks = Ticks(product.tick)
    adapter = Adapter(StrategyConfig(log_events=False, log_commands=False))
    adapter.begin([plan], ticks, model, open_account(lane))
    tape: list[Any] = bars(plan.contract, plan.bars, plan.interval_ns, ticks, plenty=True)
    tape += opens(plan.contract, plan.bars, ticks, plenty=True)
    made = engine([futures_contract(product, plan.contract)], tape, model, plan.fee_cents)
    made.add_strategy(adapter)
    start, used = clock.monotonic(), processor_s()
    made.run()
    seconds, used = clock.monotonic() - start, processor_s() - used
    made.dispose()
    if adapter.failure is not None:
        raise adapter.failure
    adapter.finish()
    return seconds, used, len(adapter.ledger.rows)
