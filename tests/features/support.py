"""Generated sessions: missing minutes, halts, early closes, DST days, carried seconds, a single bar, order flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
from hypothesis import strategies as st

from scalper.features import AUX, Block, Stream, catalogue, compute, context, fresh, params, restore
from scalper.features.groups import ORDER
from scalper.market import BAR, FLOW, IMBALANCE, INTERVALS, QUOTES, SIDES, TRADES, Session, carry, session
from scalper.policy.rules import NO_END
from scalper.settings import FeatureSettings, Lane, RegimeSettings

SHORT = FeatureSettings(
    returns=(1, 3), ema=(3, 5), volatility=(4, 9), volume=(3, 7), atr=2, bollinger=6, rsi=5, stochastic=4,
    macd=(2, 4, 2), obv=4, vwap_slope=3, higher=("5m", "15m"),
)  # fmt: skip
WINDOWS = {
    "1m": SHORT,
    "1s": SHORT.model_copy(update={"higher": ("1m",)}),
    "5m": SHORT.model_copy(update={"higher": ("10m",)}),
}
GROUPS = tuple(group.NAME for group in ORDER)
"""Every group of features."""
DAYS = (
    date(2021, 6, 25),  # pause from 16:15 to 16:30
    date(2021, 11, 26),  # closes at 13:15
    date(2021, 4, 2),  # Good Friday: closes at 09:15, before the regular open
    date(2021, 3, 15),  # the first session of summer time
    date(2021, 11, 8),  # the first of winter time
    date(2021, 7, 14),
)
BEFORE = {"close": 15_990.0, "high": 16_100.0, "low": 15_900.0, "range": 200.0, "volatility": 7.5}
"""Context of a session before."""


def grouped(settings: FeatureSettings, groups: Sequence[str] = GROUPS, frame: str | None = None) -> FeatureSettings:
    """The same windows with these groups, and short windows for those beyond the base."""
    short = {"groups": tuple(groups), "flow": (3, 7), "regime": RegimeSettings(window=32), "frame": frame}
    return settings.model_copy(update=short)


@cache
def lane(interval: str) -> Lane:
    """A lane of such bars; made once, for settings cost more than a session of features."""
    return Lane(name="f", symbol="MES", source="import", interval=interval, start=date(2021, 1, 4))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Case:
    """A session of bars and everything that the kernel needs for it."""

    session: Session
    interval: str
    settings: FeatureSettings
    bars: np.ndarray
    masked: bool = True
    """Whether rows are held back until all columns are warm."""

    @property
    def bar_ns(self) -> int:
        """Length of a bar."""
        return INTERVALS[self.interval]

    @property
    def windows(self) -> np.ndarray:
        """PARAMS of the lane."""
        return params(self.settings, self.bar_ns, masked=self.masked)

    @property
    def names(self) -> list[str]:
        """The catalogue's names."""
        return [feature.name for feature in catalogue(self.settings, self.bar_ns)]

    @property
    def table(self) -> np.ndarray:
        """TIMETABLE of the session."""
        return lane(self.interval).timetable(self.session)

    def state(self) -> np.ndarray:
        """A fresh state with the context of a session before."""
        left = context("MESU21", self.bars, self.bar_ns)
        for name, value in BEFORE.items():
            left[name] = value
        return fresh("MESU21", left, self.windows)

    def compute(self, first: int = 0, last: int | None = None, bars: np.ndarray | None = None) -> Block:
        """The batch over a part of the session."""
        rows = (self.bars if bars is None else bars)[first:last]
        return compute(self.state(), self.windows, rows, self.table, len(self.names))

    def stream(self, restart: int = NO_END) -> Block:
        """Bar by bar; before bar `restart` the state is saved to bytes and restored."""
        state = self.state()
        live = Stream(state, self.windows, self.table, len(self.names))
        x, aux = np.empty((self.bars.size, len(self.names)), np.float32), np.empty(self.bars.size, AUX)
        for index in range(self.bars.size):
            if index == restart:
                state = restore(live.state.tobytes(), self.windows)
                live = Stream(state, self.windows, self.table, len(self.names))
            x[index] = live.push(self.bars[index : index + 1])[0][0]
            aux[index] = live.aux[0]
        return Block(x, aux)


def walk(rng: np.random.Generator, ts_ns: np.ndarray) -> np.ndarray:
    """A random walk in ticks, with still stretches and bars without volume."""
    bars = np.zeros(ts_ns.size, BAR)
    still = rng.random(ts_ns.size) < 0.15
    steps = np.where(still, 0, rng.integers(-6, 7, ts_ns.size))
    bars["ts_ns"] = ts_ns
    bars["close"] = 16_000 + np.cumsum(steps)
    bars["open"] = bars["close"] - np.where(still, 0, rng.integers(-4, 5, ts_ns.size))
    top, bottom = np.maximum(bars["open"], bars["close"]), np.minimum(bars["open"], bars["close"])
    bars["high"] = top + np.where(still, 0, rng.integers(0, 4, ts_ns.size))
    bars["low"] = bottom - np.where(still, 0, rng.integers(0, 4, ts_ns.size))
    bars["volume"] = rng.integers(0, 500, ts_ns.size) * (rng.random(ts_ns.size) > 0.1)
    add_flow(rng, bars)
    return bars


def add_flow(rng: np.random.Generator, bars: np.ndarray) -> None:
    """Order flow that fits the volume; each kind of it is unknown in some bars, quotes now and then for long."""
    n, volume = bars.size, bars["volume"]
    bars["known"] = rng.choice(16, n) | rng.choice([0, TRADES | SIDES | IMBALANCE], n, p=[0.2, 0.8])
    bars["known"] &= np.where(np.arange(n) // 70 % 2, ~QUOTES, 15)
    bars["trades"] = np.minimum(rng.integers(1, 60, n), volume)
    bars["bid_volume"] = rng.integers(0, volume + 1)
    bars["ask_volume"] = volume - bars["bid_volume"]
    bars["inferred_volume"] = rng.integers(0, volume // 4 + 1)
    bars["largest"] = np.where(volume > 0, rng.integers(1, volume // 2 + 2), 0)
    bars["spread"] = rng.integers(0, 4, n)
    bars["bid_size"], bars["ask_size"] = rng.integers(0, 90, n), rng.integers(0, 90, n)
    bars["imbalance"] = rng.integers(-300, 300, n)
    for name, bit in FLOW.items():
        bars[name][(bars["known"] & bit) == 0] = 0


@st.composite
def cases(draw: st.DrawFn, least: int = 1, groups: st.SearchStrategy[Sequence[str]] | None = None) -> Case:
    """A session that starts anywhere, around the regular open most of the time.

    `groups`: these instead of the base, and rows from the first bar on.
    """
    interval = draw(st.sampled_from(["1m", "1m", "5m", "1s"]))
    bar_ns, day = INTERVALS[interval], session("MES", draw(st.sampled_from(DAYS)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(least, {"1m": 260, "5m": 130, "1s": 900}[interval]))
    near = day.ny(9, 30) - draw(st.integers(0, n)) * bar_ns
    first = draw(st.sampled_from([near, day.open_ns, day.ny(15, 0)]))
    first = max(min(first, day.close_ns - n * bar_ns), day.open_ns) // bar_ns * bar_ns
    ts_ns = first + np.arange(n) * bar_ns
    kept = rng.random(n) > draw(st.sampled_from([0.0, 0.1, 0.5]))
    kept[0] = True
    kept &= ~np.logical_or.reduce([(ts_ns >= a) & (ts_ns < b) for a, b in day.halts] or [np.zeros(n, bool)])
    bars = walk(rng, ts_ns[kept] if kept.any() else ts_ns[:1])
    bars = carry(bars, day, bar_ns) if interval == "1s" else bars
    if groups is None:
        return Case(day, interval, WINDOWS[interval], bars)
    frame = draw(st.sampled_from({"1s": ["5s", "15s"], "1m": [None, "3m"], "5m": [None]}[interval]))
    return Case(day, interval, grouped(WINDOWS[interval], draw(groups), frame), bars, masked=False)
