"""Sessions to audit, drawn by a seed, and looks ahead to plant in them: each has the audit that must catch it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np

from scalper import features
from scalper.features import Block
from scalper.gate.audit_labels import Label, kept, made
from scalper.gate.subject import Array, Compute, Subject, batch
from scalper.labels import LABELLED, UP, label_rows
from scalper.market import BAR, FLOW, Session, aggregate, carry, session, sessions
from scalper.settings import FeatureSettings, Lane

MINUTE = 60_000_000_000
DAY = date(2021, 6, 24)
"""A session with a pause from 16:15 to 16:30 New York."""
EVERY = (
    "returns", "trend", "time", "volatility", "momentum", "bar", "volume", "higher",
    "trades", "quotes", "structure", "regime", "sessions", "amd", "confluence",
)  # fmt: skip
WINDOWS: dict[str, Any] = {
    "groups": EVERY, "returns": (1, 3), "ema": (3, 5), "volatility": (4, 9), "volume": (3, 7), "atr": 2,
    "bollinger": 6, "rsi": 5, "stochastic": 4, "macd": (2, 4, 2), "obv": 4, "vwap_slope": 3,
    "higher": ("5m", "15m"), "flow": (5, 10), "regime": {"window": 32},
    "structure": {"swing": 2, "memory": 15, "lookback": 5}, "amd": {"from": "20:00", "to": "02:00"},
}  # fmt: skip
SECONDS: dict[str, Any] = {
    "groups": ("returns", "trend", "volatility", "bar", "volume", "trades", "quotes"), "higher": ("1m",),
}  # fmt: skip
"""Of one-second bars: groups that are warm within minutes."""
BARRIERS: dict[str, Any] = {"kind": "barrier", "horizon": 10, "stop": {"atr": 1.0, "min": 2}, "target": {"ticks": 7}}


def lane_of(interval: str = "1m", labels: dict[str, Any] | None = None, **changes: Any) -> Lane:
    """A lane with every group of features."""
    windows: dict[str, Any] = WINDOWS | (
        SECONDS if interval == "1s" else {"higher": ("10m",)} if interval == "5m" else {}
    )
    document: dict[str, Any] = {"name": "peek", "symbol": "MES", "source": "import", "interval": interval}
    document |= {"start": date(2021, 1, 4), "labels": labels or {"horizon": 10}, "features": FeatureSettings(**windows)}
    return Lane(**document | changes)


def drawn(ts_ns: Array, rng: np.random.Generator) -> Array:
    """A random walk in ticks with order flow, some of which the source does not tell."""
    n = ts_ns.size
    bars = np.zeros(n, BAR)
    bars["ts_ns"], bars["close"] = ts_ns, 16_000 + np.cumsum(rng.integers(-6, 7, n))
    bars["open"] = bars["close"] - rng.integers(-4, 5, n)
    bars["high"] = np.maximum(bars["open"], bars["close"]) + rng.integers(0, 4, n)
    bars["low"] = np.minimum(bars["open"], bars["close"]) - rng.integers(0, 4, n)
    bars["volume"] = rng.integers(1, 500, n)
    bars["known"] = np.where(rng.random(n) < 0.9, 15, rng.integers(0, 16, n))
    for name, bit in FLOW.items():
        bars[name] = np.where(bars["known"] & bit, rng.integers(1, 100, n), 0)
    return bars


def subject_of(
    lane: Lane,
    one: Session | None = None,
    *,
    seed: int = 1,
    first: int | None = None,
    size: int | None = None,
    present: float | None = None,
) -> Subject:
    """A session of drawn bars, a share of which is `present`; `first` ns and `size` bars cut a stretch out of it."""
    one, rng = one or session("MES", DAY), np.random.default_rng(seed)
    share = present or (0.95 if lane.interval_ns >= MINUTE else 0.6)
    begin = (first or one.open_ns) // lane.interval_ns * lane.interval_ns
    end = begin + size * lane.interval_ns if size else one.close_ns
    ts = np.arange(begin, end, lane.interval_ns)
    open_ = rng.random(ts.size) < share
    open_[:1] = True
    for a, b in one.halts:
        open_ &= (ts < a) | (ts >= b)
    return built(lane, one, drawn(ts[open_], rng), rng)


def built(lane: Lane, one: Session, traded: Array, rng: np.random.Generator) -> Subject:
    """A subject of these traded bars."""
    before = sessions("MES", one.date - timedelta(days=10), one.date)[-2]
    left = features.context("MESU21", drawn(before.open_ns + np.arange(300) * MINUTE, rng), lane.interval_ns)
    bars = carry(traded, one, lane.interval_ns) if lane.interval == "1s" else traded
    columns = features.catalogue(lane.features, lane.interval_ns)
    windows = features.params(lane.features, lane.interval_ns)
    return Subject(lane, one, before, "MESU21", traded, bars, lane.timetable(one), left, columns, windows)


Column = Callable[[str], Array]
Change = Callable[[Subject, Array, Array, Column], None]
"""Plants a flaw: subject, traded bars, carried bars, and a column of the features by its name."""


def leaking(change: Change) -> Compute:
    """The lane's features with a flaw."""

    def compute(one: Subject, traded: Array) -> Block:
        block = batch(one, traded)
        names = [column.name for column in one.columns]
        if traded.size > 2:
            change(one, traded, one.carried(traded), lambda name: block.x[:, names.index(name)])
        return block

    return compute


def on_other_bars(change: Callable[[Array], None]) -> Compute:
    """The lane's features, computed from carried bars that were tampered with."""

    def compute(one: Subject, traded: Array) -> Block:
        bars = one.carried(traded).copy()
        change(bars)
        return features.compute(one.fresh(), one.windows, bars, one.timetable, len(one.columns))

    return compute


def next_close(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("return_1")[:-1] = np.diff(bars["close"])


def every_997th(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    rows = np.arange(996, bars.size - 1, 997)
    column("rsi")[rows] += (bars["close"][rows + 1] > bars["close"][rows]) + 1


def out_of_hours(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    rows = np.flatnonzero(bars["ts_ns"][:-1] < one.timetable["trade_from_ns"])
    column("rsi")[rows] += np.sign(bars["close"][rows + 1] - bars["close"][rows])


def whole_mean(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("ema_3")[:] -= np.float32(bars["close"].mean())


def z_score(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    x = column("volatility_9")
    x[:] = (x - np.nanmean(x)) / np.nanstd(x)


def centred_mean(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    x = column("return_3")
    x[1:-1] = (x[:-2] + x[1:-1] + x[2:]) / 3


def session_length(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("return_1")[:] += bars.size


def unfinished_bucket(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    coarse = aggregate(traded, 5 * MINUTE)
    mine = np.searchsorted(coarse["ts_ns"], bars["ts_ns"], "right") - 1
    column("trend_5m")[:] = coarse["close"][mine] - bars["close"]


def swing_at_its_extreme(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    for name in ("swing_high", "swing_low"):
        column(name)[:-2] = column(name)[2:].copy()


def gap_at_the_middle_bar(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("gap_bull")[:-1] = column("gap_bull")[1:].copy()


def block_of_a_later_break(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    x = column("block_bull")
    for born in np.flatnonzero((x[3:] < 10) & (x[2:-1] == 10)) + 3:
        x[born - 3 : born] = x[born]


def amd_by_the_close(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("amd_side")[:] = np.sign(bars["close"][-1] - bars["close"][0])


def vwap_of_the_session(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("vwap")[:] = bars["close"] - (bars["close"] * bars["volume"]).sum() / bars["volume"].sum()


def nan_before_a_gap(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("return_1")[:-1][np.diff(bars["ts_ns"]) > one.lane.interval_ns] = np.nan


def next_quote(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("spread")[:-1] = bars["spread"][1:]


def label_as_column(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    index = np.arange(traded.size)
    found = label_rows(traded, index, np.full(traded.size, 5.0), one.timetable, one.lane.labels, stale_s=60)
    column("return_1")[bars["carried"] == 0] = found["label"]


def long_memory(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("return_1")[:] += np.arange(bars.size) // 600


def one_bar_too_long(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("return_3")[4:] += bars["close"][:-4] % 7


def fading_slowly(one: Subject, traded: Array, bars: Array, column: Column) -> None:
    column("ema_3")[:] += 5 * np.exp(-np.arange(bars.size) / 60)


def next_trade_carried(bars: Array) -> None:
    """Seconds without a trade are filled with the price of the next one."""
    traded = np.flatnonzero(bars["carried"] == 0)
    after = traded[np.minimum(np.searchsorted(traded, np.arange(bars.size)), traded.size - 1)]
    for name in ("open", "high", "low", "close"):
        bars[name] = np.where(bars["carried"] == 1, bars["open"][after], bars[name])


def flow_filled_backwards(bars: Array) -> None:
    """Sides that the source does not tell are taken from the next bar that has them."""
    known = np.flatnonzero(bars["ask_volume"] > 0)
    if known.size:
        after = known[np.minimum(np.searchsorted(known, np.arange(bars.size)), known.size - 1)]
        for name in ("bid_volume", "ask_volume"):
            bars[name] = np.where(bars[name] == 0, bars[name][after], bars[name])


def own_context(one: Subject, traded: Array) -> Block:
    """The session's own high, low and close stand where those of the one before belong."""
    bars = one.carried(traded)
    state = features.fresh(one.contract, features.context(one.contract, traded, one.lane.interval_ns), one.windows)
    return features.compute(state, one.windows, bars, one.timetable, len(one.columns))


def rolled_volatility(one: Subject, traded: Array) -> Block:
    """The volatility that stops are made of is the next bar's."""
    block = batch(one, traded)
    return Block(block.x, np.roll(block.aux, -1))


def next_swing(one: Subject, traded: Array) -> Block:
    """The swing that a stop is put behind is the one that the next bars confirm."""
    block = batch(one, traded)
    block.aux["swing_low"][:-2] = block.aux["swing_low"][2:].copy()
    return block


FEATURES: dict[str, tuple[Compute, str]] = {
    "the next close": (leaking(next_close), "return_1"),
    "every 997th row": (leaking(every_997th), "rsi"),
    "out of hours only": (leaking(out_of_hours), "rsi"),
    "mean of the whole session": (leaking(whole_mean), "ema_3"),
    "z-score of the whole session": (leaking(z_score), "volatility_9"),
    "centred mean": (leaking(centred_mean), "return_3"),
    "length of the session": (leaking(session_length), "return_1"),
    "the unfinished coarser bar": (leaking(unfinished_bucket), "trend_5m"),
    "swing stamped at its extreme": (leaking(swing_at_its_extreme), "swing_"),
    "gap stamped at its middle bar": (leaking(gap_at_the_middle_bar), "gap_bull"),
    "order block found by a later break": (leaking(block_of_a_later_break), "block_bull"),
    "direction of the day by its close": (leaking(amd_by_the_close), "amd_side"),
    "VWAP of the whole session": (leaking(vwap_of_the_session), "vwap"),
    "NaN where the next bar is missing": (leaking(nan_before_a_gap), "return_1"),
    "quote of the next bar": (leaking(next_quote), "spread"),
    "the label as a column": (leaking(label_as_column), "return_1"),
    "order flow filled backwards": (on_other_bars(flow_filled_backwards), "delta"),
    "context of its own session": (own_context, "prior_close"),
    "volatility of the next bar": (rolled_volatility, "volatility_ticks"),
    "swing of the next bars": (next_swing, "swing_low"),
}
"""Features that know the future, and the column in which it shows."""

MEMORIES: dict[str, tuple[Compute, str]] = {
    "bars counted since the start": (leaking(long_memory), "return_1"),
    "one bar beyond the warm-up": (leaking(one_bar_too_long), "return_3"),
    "an average that fades too slowly": (leaking(fading_slowly), "ema_3"),
}
"""Features that remember more than they declare."""


def _changed(change: Callable[[Subject, Array, Array, Array], None]) -> Label:
    def label(one: Subject, traded: Array) -> Array:
        rows, found = kept(one, traded), made(one, traded)
        change(one, one.carried(traded), rows, found)
        return found

    return label


def _further(one: Subject, bars: Array, rows: Array, found: Array) -> None:
    """Looks one bar beyond its horizon."""
    ahead = np.minimum(rows + one.lane.labels.horizon + 1, bars.size - 1)
    up = (found["reason"] == LABELLED) & (bars["high"][ahead] > bars["close"][rows] + 7)
    found["label"][up] = UP


def _early(one: Subject, bars: Array, rows: Array, found: Array) -> None:
    """Says it is known a bar before it is."""
    found["end_ns"] -= np.where(found["reason"] == LABELLED, one.lane.interval_ns, 0)


def _by_path(one: Subject, bars: Array, rows: Array, found: Array) -> None:
    """Admits rows near the end whose first bars moved far."""
    out = np.flatnonzero(found["reason"] != LABELLED)
    out = out[rows[out] + 1 < bars.size]
    moved = out[np.abs(bars["close"][rows[out] + 1] - bars["close"][rows[out]]) >= 4]
    found["reason"][moved], found["label"][moved], found["move_ticks"][moved] = LABELLED, UP, 4


def _everywhere(one: Subject, bars: Array, rows: Array, found: Array) -> None:
    """Weights as if all sessions were one: by their mean."""
    if found["weight"].any():
        found["weight"] /= found["weight"].mean()


def _anywhere(one: Subject, timetable: Array, stale_s: int, traded: Array) -> Array:
    bars, rows = one.carried(traded), kept(one, traded)
    index = np.searchsorted(traded["ts_ns"], bars["ts_ns"][rows])
    volatility = batch(one, traded).volatility[rows]
    return label_rows(traded, index, volatility, timetable, one.lane.labels, stale_s=stale_s)


def _across_a_halt(one: Subject, traded: Array) -> Array:
    table = one.timetable.copy()
    table["halts"] = 0
    return _anywhere(one, table, one.lane.policy.stale_s, traded)


def _across_a_gap(one: Subject, traded: Array) -> Array:
    return _anywhere(one, one.timetable, 10**6, traded)


def _past_the_flat_time(one: Subject, traded: Array) -> Array:
    table = one.timetable.copy()
    table["flat_ns"] = one.session.close_ns
    return _anywhere(one, table, one.lane.policy.stale_s, traded)


LABELS: dict[str, tuple[Label, str]] = {
    "a bar beyond the horizon": (_changed(_further), "label"),
    "known earlier than it is": (_changed(_early), "end_ns"),
    "admission by the path": (_changed(_by_path), "label"),
    "weights over all sessions": (_changed(_everywhere), "weight"),
    "across a halt": (_across_a_halt, "label"),
    "across a stale gap": (_across_a_gap, "label"),
    "past the flat time": (_past_the_flat_time, "label"),
}
"""Labels that look further than they say, and the column in which it shows."""
