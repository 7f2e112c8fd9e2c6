"""What a session will be like, minute by minute: volatility, trading, volume, and where impulses and decoys fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalper.market import Session
from scalper.sandbox.shape import MarketShape

MINUTE_NS = 60_000_000_000
FULL_REGULAR_MIN = 390

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """One entry a minute of the session; nothing in it knows a direction."""

    variance: Floats  # ticks squared a second
    traded: Floats  # probability that a second has a trade; 0 in a halt
    volume: Floats  # mean contracts of a traded second
    steps: Ints  # least number of price steps in a traded second
    move: Ints  # ticks that the minute will move, one way or the other; 0: an ordinary minute
    aftermath: NDArray[np.bool_]  # True: an impulse, whose direction goes on at edge > 0


def plan_session(shape: MarketShape, session: Session, log_volatility: float, rng: np.random.Generator) -> Plan:
    """The plan of one session; `log_volatility` is the daily regime."""
    minutes = -(-(session.close_ns - session.open_ns) // MINUTE_NS)
    at = session.open_ns + np.arange(minutes, dtype=np.int64) * MINUTE_NS
    regular = (at >= session.regular_open_ns) & (at < session.regular_close_ns)
    since_open = (at - session.regular_open_ns) / MINUTE_NS
    to_close = (session.regular_close_ns - at) / MINUTE_NS
    europe = np.exp(
        -0.5 * (((at - session.open_ns) / MINUTE_NS - shape.europe_after_min) / shape.europe_width_min) ** 2
    )
    opening = np.exp(-np.maximum(since_open, 0.0) / shape.open_fade_min)
    closing = np.exp(-np.maximum(to_close, 0.0) / shape.close_rise_min)

    sd = np.where(
        regular,
        shape.sd_midday + shape.sd_open * opening + shape.sd_close * closing,
        shape.sd_night + shape.sd_europe * europe,
    )
    volume = np.where(
        regular,
        shape.volume_midday + shape.volume_open * opening + shape.volume_close * closing,
        shape.volume_night + shape.volume_europe * europe,
    )
    traded = np.where(regular, shape.traded_regular, shape.traded_night + shape.traded_europe * europe)

    regime = log_volatility + _intraday_regime(shape, minutes, rng)
    impulse, busy, moving = _events(shape, regular, rng)
    heavy = np.where(impulse | busy, shape.impulse_volume, 1.0)
    traded = 1.0 - (1.0 - traded) ** heavy
    move = rng.integers(shape.impulse_ticks_low, shape.impulse_ticks_high + 1, minutes)
    return Plan(
        variance=sd**2 / 60.0 * np.exp(2.0 * regime),
        traded=np.where(_halted(session, at), 0.0, traded),
        volume=volume * np.exp(regime) * heavy,
        steps=np.where(regular, shape.steps_regular, shape.steps_night).astype(np.int64),
        move=np.where(impulse | moving, move, 0),
        aftermath=impulse,
    )


def _intraday_regime(shape: MarketShape, minutes: int, rng: np.random.Generator) -> Floats:
    """Autoregressive log volatility of the session's minutes, its exponential squared having mean 1."""
    shocks = rng.normal(0.0, shape.minute_sd * np.sqrt(1.0 - shape.minute_memory**2), minutes)
    value = rng.normal(0.0, shape.minute_sd)
    regime = np.empty(minutes)
    for i, shock in enumerate(shocks.tolist()):
        value = shape.minute_memory * value + shock
        regime[i] = value
    return regime - shape.minute_sd**2


def _halted(session: Session, at: Ints) -> NDArray[np.bool_]:
    halted = np.zeros(at.size, dtype=np.bool_)
    for start, end in session.halts:
        halted |= (at >= start) & (at < end)
    return halted


def _events(
    shape: MarketShape, regular: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which minutes are impulses, volume decoys and move decoys; they never coincide nor touch an impulse."""
    impulse, busy, moving = (np.zeros(regular.size, dtype=np.bool_) for _ in range(3))
    minutes = np.flatnonzero(regular)
    if minutes.size == 0:
        return impulse, busy, moving
    usable = FULL_REGULAR_MIN - shape.impulse_first_min - shape.impulse_quiet_end_min
    wait = max(usable / shape.impulses - shape.impulse_gap_min, 0.0) if shape.impulses > 0 else np.inf
    last = minutes[-1] + 1 - shape.impulse_quiet_end_min
    at = minutes[0] + shape.impulse_first_min + rng.exponential(wait) if np.isfinite(wait) else last
    while at < last:
        impulse[int(at)] = True
        at += shape.impulse_gap_min + rng.exponential(wait)
    near = impulse | np.roll(impulse, 1) | np.roll(impulse, -1)
    free = rng.permutation(np.flatnonzero(regular & ~near))
    fraction = minutes.size / FULL_REGULAR_MIN
    n_busy, n_moving = rng.poisson((shape.decoys_volume * fraction, shape.decoys_move * fraction))
    busy[free[:n_busy]] = True
    moving[free[n_busy : n_busy + n_moving]] = True
    return impulse, busy, moving
