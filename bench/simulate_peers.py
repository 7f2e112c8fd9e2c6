"""The backtesters that people use, on the bars and signals of `scalper bench simulate`; run by .peers/bin/python.

    .peers/bin/python bench/simulate_peers.py SIGNALS.npz

Standalone on purpose: vectorbt (Apache 2.0 with the Commons Clause) and backtesting.py (AGPL) live in an environment of
their own, so that neither their licences nor their pins touch ours (`make peers`). Prints one JSON document: a peer's
name to `bars`, `seconds`, `processor_seconds`, `trades` and `bars_per_second`. Every peer is compiled and warm before
its clock starts; its time is the best of three passes, of fewer where one is long.

The file holds, a bar each (n,), prices in ticks: open, high, low, close; side, +1 or -1 where the prediction at that
close passes confidence and expected move, else 0; stop and target, the distances in ticks that our policy would take;
last, the bars after which nothing may be open. And single numbers: cost (commission) and slippage of a contract and
side, in ticks; begin, the bar of the first regular open.

Both trade one contract at the next open, with stop, target, slippage of a tick and commission, leave on the opposite
signal, and are flat at a session's end. What both leave out: size, tiers, bands, partial exits, breakeven, trailing
and every later move of the stop, the time exit, cooldown, reversals and their bound, every limit of the account, the
firm's rules, pauses, market conditions, latency, lapsing orders, and the reason of a refusal.
- vectorbt: one call of `Portfolio.from_signals` on ready numpy arrays, with each of its engines (`rust`: the compiled
  wheel of its authors). The bars are given several times over, so that the milliseconds which a call takes beside its
  loop do not count against it. Its stops act from the bar after the entry's. It leaves orders and cash; equity,
  trades and every figure are worked out when they are asked for, which is outside the clock.
- backtesting.py: a Strategy whose `next` reads ready lists by its own counter and asks for nothing else of the bars;
  stop and target are set from the close of the signal, as the next open is not known. Its statistics, which `run`
  always computes, are inside the clock. It gets 50,000 bars from `begin` on.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PASSES, LONG_S = 3, 2.0
LEAST_BARS = 2_000_000
"""What vectorbt gets at least, if there is a whole session."""
SLOW_BARS = 50_000
CASH = 1e9
WARM = 3000
Rows = dict[str, np.ndarray]


def main(path: str) -> dict[str, Any]:
    """All peers on the signals of a file."""
    with np.load(path) as file:
        given = {name: file[name] for name in file.files}
    begin, found = int(given["begin"]), dict[str, Any]()
    warm, many = at_opens(part(given, begin, WARM)), at_opens(repeated(given))
    for engine in ("rust", "numba"):
        with_vectorbt(warm, engine)
        found[f"vectorbt, {engine}"] = measured(many, lambda rows, engine=engine: with_vectorbt(rows, engine))
    with_backtesting(part(given, begin, WARM))
    found["backtesting.py"] = measured(part(given, begin, SLOW_BARS), with_backtesting)
    return found


def part(given: Rows, begin: int, count: int) -> Rows:
    """Some bars; what is one number stays."""
    return {name: values[begin : begin + count] if values.ndim else values for name, values in given.items()}


def repeated(given: Rows) -> Rows:
    """The bars again and again, until there are LEAST_BARS of them."""
    times = -(-LEAST_BARS // given["close"].size) if given["close"].size >= SLOW_BARS else 1
    return {name: np.tile(values, times) if values.ndim else values for name, values in given.items()}


def measured(given: Rows, work: Callable[[Rows], Callable[[], int]]) -> dict[str, Any]:
    """The best of some passes, on the wall and in processor time; the trades are counted afterwards."""
    bars, best, least, began = given["close"].size, float("inf"), float("inf"), time.perf_counter()
    for _ in range(PASSES):
        start, used = time.perf_counter(), time.process_time()
        count = work(given)
        end, least = time.perf_counter(), min(least, time.process_time() - used)
        best = min(best, end - start)
        if end - began > LONG_S:
            break
    figures = {"bars": bars, "seconds": round(best, 6), "processor_seconds": round(least, 6), "trades": count()}
    return figures | {"bars_per_second": round(bars / best, 1)}


def at_opens(given: Rows) -> Rows:
    """Signals on the bar at whose open they are filled, and distances as shares of that open: vectorbt's own terms."""
    opened = given["open"]
    side = np.concatenate([[0], given["side"][:-1]])
    side[given["last"]] = 0
    moved = {name: np.concatenate([[0.0], given[name][:-1]]) / opened for name in ("stop", "target")}
    slip = given["slippage"] / opened
    return given | moved | {"long": side > 0, "short": side < 0, "slip": slip}


def with_vectorbt(given: Rows, engine: str) -> Callable[[], int]:
    """Signals with stops, of at_opens."""
    import vectorbt as vbt

    made = vbt.Portfolio.from_signals(
        given["close"],
        entries=given["long"],
        short_entries=given["short"],
        exits=given["last"],
        short_exits=given["last"],
        upon_opposite_entry="close",
        size=1.0,
        price=given["open"],
        slippage=given["slip"],
        fixed_fees=float(given["cost"]),
        open=given["open"],
        high=given["high"],
        low=given["low"],
        sl_stop=given["stop"],
        tp_stop=given["target"],
        stop_entry_price="fillprice",
        stop_exit_price="stopmarket",
        init_cash=CASH,
        max_orders=given["close"].size,
        engine=engine,
    )
    return lambda: int(made.positions.count())


def with_backtesting(given: Rows) -> Callable[[], int]:
    """A strategy object asked bar by bar."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    side, close = given["side"].tolist(), given["close"].tolist()
    stop, target, last = given["stop"].tolist(), given["target"].tolist(), given["last"].tolist()

    class Signals(Strategy):
        at = 0

        def init(self) -> None:
            pass

        def next(self) -> None:
            self.at = at = self.at + 1
            wanted = side[at]
            if self.trades:
                if last[at] or wanted * self.trades[0].size < 0:
                    self.trades[0].close()
            elif wanted > 0 and not last[at]:
                self.buy(size=1, sl=close[at] - stop[at], tp=close[at] + target[at])
            elif wanted < 0 and not last[at]:
                self.sell(size=1, sl=close[at] + stop[at], tp=close[at] - target[at])

    names = {"Open": "open", "High": "high", "Low": "low", "Close": "close"}
    frame = pd.DataFrame({name: given[key] for name, key in names.items()})
    frame.index = pd.date_range("2025-01-01", periods=len(frame), freq="s")
    paid = float(given["cost"])
    spread = float(given["slippage"] / given["close"].mean())
    test = Backtest(frame, Signals, cash=CASH, spread=spread, commission=(paid, 0.0), finalize_trades=True)
    told = test.run()
    return lambda: int(told["# Trades"])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
