"""The flow columns written out plainly: for each row numpy over the bars of its window, nothing remembered."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from scalper.market import QUOTES

Columns = dict[str, np.ndarray]
HOLD = 60


def over(a: float, b: float) -> float:
    """a / b, 0 where b is 0."""
    return a / b if b else 0.0


def trades(bars: np.ndarray, regular_open_ns: int, flow: tuple[int, ...]) -> Columns:
    """Columns of the group trades, float64 (n,) each."""
    names = ("ask_volume", "bid_volume", "inferred_volume", "trades", "largest", "volume")
    buy, sell, guess, count, largest, volume = (bars[name].astype(np.float64) for name in names)
    regular, n, long = bars["ts_ns"] >= regular_open_ns, bars.size, flow[-1]
    out: Columns = {"delta": buy - sell}
    for k in flow:
        out[f"delta_{k}"] = np.zeros(n)
    out["delta_day"] = np.zeros(n)
    for k in flow:
        out[f"trades_{k}"] = np.zeros(n)
    for name in ("trade_size", f"trade_size_{long}", "largest", f"largest_{long}", f"inferred_{long}"):
        out[name] = np.zeros(n)
    for i in range(n):
        for k in flow:
            last = slice(max(i + 1 - k, 0), i + 1)
            out[f"delta_{k}"][i] = over((buy[last] - sell[last]).sum(), (buy[last] + sell[last]).sum())
            out[f"trades_{k}"][i] = over(count[i], count[last].sum() / k)
        day = (np.arange(n) <= i) & (regular == regular[i])
        out["delta_day"][i] = over((buy[day] - sell[day]).sum(), (buy[day] + sell[day]).sum())
        last = slice(max(i + 1 - long, 0), i + 1)
        size = over(volume[last][count[last] > 0].sum(), count[last].sum())
        out["trade_size"][i] = over(volume[i], count[i])
        out[f"trade_size_{long}"][i] = over(over(volume[i], count[i]), size)
        out["largest"][i] = over(largest[i], volume[i])
        out[f"largest_{long}"][i] = over(largest[i], size)
        out[f"inferred_{long}"][i] = over(guess[last].sum(), (buy[last] + sell[last]).sum())
    return out


def held(bars: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Spread, bid size, ask size and age of the quote that stands at each bar."""
    quoted, found = (bars["known"] & QUOTES).tolist(), list[tuple[int, int, int, int]]()
    for i in range(bars.size):
        newest = [j for j in range(max(i + 1 - HOLD, 0), i + 1) if quoted[j]]
        if newest:
            bar = bars[newest[-1]]
            found.append((int(bar["spread"]), int(bar["bid_size"]), int(bar["ask_size"]), i - newest[-1]))
        else:
            found.append((1, 0, 0, HOLD))
    return found


def quotes(bars: np.ndarray, flow: tuple[int, ...]) -> Columns:
    """Columns of the group quotes, float64 (n,) each."""
    rows, n, long = held(bars), bars.size, flow[-1]
    spread, bid, ask, age = (np.array(part, np.float64) for part in zip(*rows, strict=True))
    queue = [Fraction(b - a, b + a) if b + a else Fraction(0) for _, b, a, _ in rows]
    rounded = np.array([round(1_000_000 * one) for one in queue])
    depth, event = (bid + ask) / 2, bars["imbalance"].astype(np.float64)
    imbalance = np.array([float(one) for one in queue])
    out: Columns = {"spread": spread, f"spread_{long}": np.zeros(n), "quote_age": age, "quote_imbalance": imbalance}
    for k in flow:
        out[f"quote_imbalance_{k}"] = np.zeros(n)
    out["microprice"] = np.array([(b * s - a * s) / (2 * (a + b)) if a + b else 0.0 for s, b, a, _ in rows])
    for k in flow:
        out[f"ofi_{k}"] = np.zeros(n)
    for i in range(n):
        for k in flow:
            last = slice(max(i + 1 - k, 0), i + 1)
            quoted = depth[last][depth[last] > 0]
            out[f"quote_imbalance_{k}"][i] = rounded[last].sum() / k / 1e6
            out[f"ofi_{k}"][i] = over(event[last].sum(), quoted.mean()) if quoted.size else 0.0
        mean = spread[max(i + 1 - long, 0) : i + 1].sum() / long
        out[f"spread_{long}"][i] = spread[i] / mean if mean else 1.0
    return out
