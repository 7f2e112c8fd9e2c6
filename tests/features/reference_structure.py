"""Market structure read plainly over the whole list of frame bars: no rings, no running sums, nothing forgotten.

Every fact is a question to the list: when was this swing broken, what is left of this gap, which swings could bar j
see. Slow, and written apart from the kernel: only the definitions of docs/features.md are common to both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from scalper.settings import StructureSettings

Columns = dict[str, np.ndarray]
NEVER = 10**9


def frames(bars: np.ndarray, bar_ns: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame bars (m, 4) open, high, low, close; and for each row how many of them have completed by its end."""
    bucket = bars["ts_ns"] // length
    table = pl.DataFrame({name: bars[name] for name in ("open", "high", "low", "close")}).with_columns(bucket=bucket)
    made = table.group_by("bucket", maintain_order=True).agg(
        pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close")
    )
    ended = (bars["ts_ns"] + bar_ns) % length == 0
    return made.drop("bucket").to_numpy(), np.searchsorted(made["bucket"].to_numpy(), bucket) + ended


@dataclass(frozen=True)
class Swing:
    up: bool
    price: int
    at: int
    known: int
    broken: int
    """Frame bar that closed beyond it."""


@dataclass(frozen=True)
class Zone:
    up: bool
    low: int
    high: int
    born: int
    dead: int


@dataclass(frozen=True)
class Event:
    up: bool
    price: int
    at: int
    turned: bool = False


class Reading:
    """Everything there is in a list of frame bars (m, 4)."""

    def __init__(self, made: np.ndarray, s: StructureSettings) -> None:
        self.open, self.high, self.low, self.close = (made[:, i].tolist() for i in range(4))
        self.n, self.s = len(made), s

    def true_range(self, j: int) -> int:
        if j == 0:
            return self.high[0] - self.low[0]
        return max(self.high[j], self.close[j - 1]) - min(self.low[j], self.close[j - 1])

    def unit(self, done: int) -> float:
        """Mean true range of the last 14 of `done` frame bars."""
        last = range(max(done - 14, 0), done)
        return sum(map(self.true_range, last)) / len(last) if last else 0.0

    def first(self, after: int, holds: list[bool]) -> int:
        """The first frame bar beyond `after` at which something holds."""
        return next((j for j in range(after + 1, self.n) if holds[j]), NEVER)

    @cached_property
    def swings(self) -> list[Swing]:
        k, found = self.s.swing, []
        for at in range(k, self.n - k):
            h, low = self.high, self.low
            if max(h[at - k : at]) < h[at] >= max(h[at + 1 : at + k + 1]):
                found.append(Swing(True, h[at], at, at + k, self.first(at + k, [c > h[at] for c in self.close])))
            if min(low[at - k : at]) > low[at] <= min(low[at + 1 : at + k + 1]):
                found.append(Swing(False, low[at], at, at + k, self.first(at + k, [c < low[at] for c in self.close])))
        return found

    def active(self, up: bool, j: int, *, before: bool) -> list[Swing]:
        """Swings in force at frame bar j, oldest first: as its own bar finds them (`before`), or as it leaves them."""
        seen = [one for one in self.swings if one.up == up and one.known < j + (not before)][-4:]
        return [one for one in seen if j - one.at <= self.s.memory and one.broken >= j + (not before)]

    @cached_property
    def sweeps(self) -> list[Event]:
        taken: set[Swing] = set()
        found: list[Event] = []
        for j in range(self.n):
            high = [
                one
                for one in self.active(True, j, before=True)
                if one not in taken and self.close[j] <= one.price < self.high[j]
            ]
            low = [
                one
                for one in self.active(False, j, before=True)
                if one not in taken and self.low[j] < one.price <= self.close[j]
            ]
            taken.update(high, low)
            if high and low:
                if self.close[j] == self.open[j]:
                    continue
                high, low = ([], low) if self.close[j] > self.open[j] else (high, [])
            for side in (high, low):
                if side:
                    found.append(Event(side is low, side[-1].price, j))
        return found

    @cached_property
    def breaks(self) -> list[tuple[Event, Swing]]:
        found: list[tuple[Event, Swing]] = []
        for j in range(self.n):
            for up in (True, False):
                seen = self.active(up, j, before=True)
                if seen and seen[-1].broken == j:
                    last = found[-1][0] if found else None
                    turned = last is not None and last.up != up and j - last.at <= self.s.memory
                    found.append((Event(up, seen[-1].price, j, turned), seen[-1]))
                    break
        return found

    @cached_property
    def blocks(self) -> list[Zone]:
        found: list[Zone] = []
        for event, swing in self.breaks:
            j, up = event.at, event.up
            first = max(swing.at, j - self.s.lookback)
            span = self.close[j] - min(self.low[first : j + 1]) if up else max(self.high[first : j + 1]) - self.close[j]
            against = [
                i for i in range(first, j) if (self.close[i] < self.open[i] if up else self.close[i] > self.open[i])
            ]
            if span >= self.s.displacement * self.unit(j) and against:
                low, high = self.low[against[-1]], self.high[against[-1]]
                dead = self.first(j, [c < low if up else c > high for c in self.close])
                found.append(Zone(up, low, high, j, dead))
        return found

    @cached_property
    def gaps(self) -> list[Zone]:
        found: list[Zone] = []
        for j in range(2, self.n):
            rose, fell = self.close[j - 1] > self.open[j - 1], self.close[j - 1] < self.open[j - 1]
            if rose and self.low[j] - self.high[j - 2] >= self.s.min_gap:
                low, high = self.high[j - 2], self.low[j]
                found.append(Zone(True, low, high, j, self.first(j, [one <= low for one in self.low])))
            if fell and self.low[j - 2] - self.high[j] >= self.s.min_gap:
                low, high = self.high[j], self.low[j - 2]
                found.append(Zone(False, low, high, j, self.first(j, [one >= high for one in self.high])))
        return found

    def alive(self, zones: list[Zone], j: int) -> list[Zone]:
        """Of the newest eight at the end of frame bar j those that live, newest first."""
        seen = [one for one in zones if one.born <= j][-8:]
        return [one for one in reversed(seen) if j - one.born <= self.s.memory and one.dead > j]

    def edge(self, one: Zone, j: int, *, shrinks: bool) -> int:
        """The near edge of what is left of a zone at the end of frame bar j."""
        if one.up:
            return min([one.high, *self.low[one.born + 1 : j + 1]]) if shrinks else one.high
        return max([one.low, *self.high[one.born + 1 : j + 1]]) if shrinks else one.low


def clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def row(read: Reading, done: int, close: int) -> dict[str, float]:
    """The group's columns, but that of the session before, after `done` frame bars at a price."""
    j, memory, unit = done - 1, read.s.memory, read.unit(done)
    out: dict[str, float] = {}

    def distance(ticks: float, low: float = -10.0) -> float:
        return clipped(ticks / unit, low, 10.0) if unit else 0.0

    def faded(event: Event) -> float:
        return (1 if event.up else -1) * max(1 - (j - event.at) / (memory + 1), 0.0)

    sides = {what: read.active(what == "high", j, before=False) for what in ("high", "low")}
    for what, seen in sides.items():
        out[f"swing_{what}"] = distance(close - seen[-1].price) if seen else 0.0
        out[f"swing_{what}_age"] = (j - seen[-1].at) / memory if seen else 1.0
        near = [one for one in seen[:-1] if abs(one.price - seen[-1].price) <= read.s.equal]
        out[f"equal_{what}s"] = len(near)
    out["swing_position"] = 0.5
    if sides["high"] and sides["low"] and sides["high"][-1].price != sides["low"][-1].price:
        top, bottom = sides["high"][-1].price, sides["low"][-1].price
        out["swing_position"] = clipped((close - bottom) / (top - bottom), -1.0, 2.0)

    last = next((event for event, _ in reversed(read.breaks) if event.at <= j), None)
    fresh = last is not None and j - last.at <= memory
    out["structure_trend"] = (1 if last.up else -1) if last and fresh else 0
    out["bos"] = faded(last) if last and not last.turned else 0.0
    out["choch"] = faded(last) if last and last.turned else 0.0
    out["break_level"] = distance(close - last.price) if last and fresh else 0.0
    swept = next((event for event in reversed(read.sweeps) if event.at <= j), None)
    out["sweep"] = faded(swept) if swept else 0.0

    for what, zones in (("block", read.blocks), ("gap", read.gaps)):
        live = read.alive(zones, j)
        for face in ("bull", "bear"):
            mine = [one for one in live if one.up == (face == "bull")]
            here = [one for one in mine if (close >= one.low if one.up else close <= one.high)]
            edges = [read.edge(one, j, shrinks=what == "gap") for one in here]
            away = [max(close - edge if face == "bull" else edge - close, 0) for edge in edges]
            out[f"{what}_{face}"] = distance(min(away), 0.0) if away else 10.0
        holds = [one for one in live if one.low <= close <= one.high]
        out[f"{what}_inside"] = (1 if holds[0].up else -1) if holds else 0
        ups = sum(one.up for one in live)
        if what == "gap":
            out["gap_balance"] = (2 * ups - len(live)) / len(live) if live else 0.0
    return out


def reference(
    bars: np.ndarray, bar_ns: int, length: int, s: StructureSettings, prior: tuple[float, float, float]
) -> Columns:
    """Every column of the group over bars (n,) of BAR as float64, from the first row on.

    prior: close, high and low of the session before, in ticks.
    """
    made, done = frames(bars, bar_ns, length)
    read = Reading(made, s)
    rows = [row(read, int(d), int(c)) for d, c in zip(done, bars["close"], strict=True)]
    out = {name: np.array([one[name] for one in rows], np.float64) for name in rows[0]}
    _, high, low = prior
    close = bars["close"]
    below = (np.minimum.accumulate(bars["low"]) < low) & (close > low)
    above = (np.maximum.accumulate(bars["high"]) > high) & (close < high)
    out["prior_sweep"] = below.astype(np.float64) - above
    return out
