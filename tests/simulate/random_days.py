"""Random sessions for the laws of test_properties.py: lanes with every feature on in random combinations, and markets
that gap, thin out, rest, and are watched by a forecast that knows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from scalper.features import AUX
from scalper.market import BAR
from scalper.market.bars import QUOTES
from scalper.policy import MINUTES, NORM, PREDICTION
from scalper.settings import Lane
from tests.policy.support import DAY, MINUTE, P, Played, lane, mirrored, play, with_cash

PRICES = ("open", "high", "low", "close")
HISTORIES: tuple[dict[str, int], ...] = (
    {"cash_cents": 72_000},
    {"cash_cents": 100_000},
    {"cash_cents": 100_001, "peak_cents": 117_500},
    {"cash_cents": 160_000, "deposits_cents": 50_000},
    {"cash_cents": 400_000, "peak_cents": 418_500, "firm_peak_cents": 106_500},
    {"cash_cents": 101_500, "firm_peak_cents": 105_500},
    {"cash_cents": 71_000, "deposits_cents": -25_000},
    {"cash_cents": 74_000, "forgiven_cents": 22_000},
)
"""What the account has been through: cash, peaks, deposits, a kill that was reset."""
N_LANES = 80


def one_of(rng: np.random.Generator, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _stop(rng: np.random.Generator) -> dict[str, Any]:
    kind = one_of(rng, None, "atr", "fixed", "swing", "label")
    stop: dict[str, Any] = {"kind": kind}
    if kind == "fixed":
        stop["fixed_ticks"] = int(rng.integers(4, 17))
    if rng.random() < 0.6:
        stop |= {"breakeven_at": one_of(rng, 0.5, 1.0), "breakeven_ticks": one_of(rng, 0, 1, 2)}
    if rng.random() < 0.6:
        stop |= {"trail_atr": one_of(rng, 0.5, 1.0, 2.0), "trail_from": one_of(rng, 0.0, 0.5, 1.0)}
    return stop | {"late_share": one_of(rng, None, 0.3, 0.7)}


def _policy(rng: np.random.Generator) -> dict[str, Any]:
    windows = [{"from": "10:05", "to": "10:40", "times": 0.5}, {"from": "14:50", "to": "15:20", "times": 0.25}]
    return {
        "stop": _stop(rng),
        "partial": one_of(rng, 0.0, 0.34, 0.5),
        "hold_bars": one_of(rng, None, 4, 40),
        "cooldown_s": one_of(rng, 0, 30, 120),
        "max_trades": one_of(rng, 3, 10, 10),
        "max_reversals": one_of(rng, 0, 1, 2),
        "end_of_day": {"half_times": one_of(rng, 0.5, 1.0), "no_entry_min": one_of(rng, 5, 15)},
        "times": one_of(rng, [], windows),
        "market": {"times": one_of(rng, 0.5, 1.0, 1.0), "spread_pause_s": one_of(rng, 0, 60)},
    }


def a_lane(seed: int) -> Lane:
    """A lane of everything, in one of many combinations."""
    rng = np.random.default_rng(seed)
    policy = _policy(rng)
    labels: dict[str, Any] = {"horizon": one_of(rng, 6, 12)}
    if policy["stop"]["kind"] == "label":
        labels |= {
            "kind": "barrier",
            "stop": {"atr": 1.5},
            "target": one_of(rng, {"atr": 3.0}, {"reward_to_risk": 2.0}),
        }
    profile = one_of(rng, "own", "topstep", "apex")
    firm = {"profile": profile, "contracts": one_of(rng, None, 2)} | (
        {} if profile == "own" else {"maximum_loss": one_of(rng, 27, 60)}
    )
    day = one_of(rng, (0.03, 0.075), (0.035, 0.1), (0.15, 0.026), (0.05, 0.03))
    risk = {"firm": firm, "day_loss": day[0], "day_drawdown": day[1]}
    slippage = int(rng.integers(0, 3))
    simulation = {
        "mode": one_of(rng, "realistic", "conservative", "optimistic"), "latency_bars": one_of(rng, 0, 0, 1, 2),
        "slippage_ticks": slippage, "slippage_thin": slippage + 1, "slippage_most": slippage + one_of(rng, 1, 3),
        "volume_share": one_of(rng, None, None, 0.01, 0.1),
    }  # fmt: skip
    return lane(
        interval=one_of(rng, "1m", "1m", "1s", "1s", "5m"), hours="all", policy=policy, labels=labels,
        risk=risk, simulation=simulation, features={"groups": ["volatility", "structure"]},
    )  # fmt: skip


LANES = [a_lane(seed) for seed in range(N_LANES)]


@dataclass(frozen=True, slots=True)
class Case:
    """A session to be played: the lane, the cash it starts with, and what is read at each bar."""

    by: Lane
    account: np.ndarray
    """(1,) of ACCOUNT that the session starts with."""
    bars: np.ndarray
    aux: np.ndarray
    forecast: np.ndarray
    norms: np.ndarray

    @property
    def cash(self) -> int:
        """The cash that the session starts with, in cents."""
        return int(self.account["cash_cents"][0])

    def play(self, upto: int | None = None) -> Played:
        """Play the first bars, or all of them."""
        return play(
            self.bars[:upto], self.forecast[:upto], self.by,
            account=self.account, aux=self.aux[:upto], usual=self.norms,
        )  # fmt: skip

    def upside_down(self) -> Case:
        """The same session with every rise a fall."""
        aux, forecast = self.aux.copy(), self.forecast.copy()
        for name, source in (("swing_high", "swing_low"), ("swing_low", "swing_high")):
            aux[name] = np.where(self.aux[source] == 0, 0, 2 * P - self.aux[source])
        forecast["up"], forecast["down"] = self.forecast["down"], self.forecast["up"]
        forecast["move_ticks"] = -self.forecast["move_ticks"]
        return Case(self.by, self.account, mirrored(self.bars), aux, forecast, self.norms)


def walk(rng: np.random.Generator, n: int, step_ns: int, start_ns: int, gaps: float) -> np.ndarray:
    """A calm or a wild walk in ticks whose opens sometimes jump; seconds may be carried, minutes missing."""
    jump = np.where(rng.random(n) < gaps, rng.integers(-25, 26, n), rng.integers(-1, 2, n))
    most = int(rng.integers(1, 4))
    path = np.cumsum(rng.integers(-most, most + 1, (n, 6)), axis=1)
    moves = jump + path[:, -1]
    made = np.zeros(n, BAR)
    made["open"] = P + np.cumsum(moves) - path[:, -1]
    made["close"] = made["open"] + path[:, -1]
    made["high"] = made["open"] + np.maximum(path.max(axis=1), 0)
    made["low"] = made["open"] + np.minimum(path.min(axis=1), 0)
    made["volume"] = rng.choice([3, 60, 100, 100, 150], n)
    made["spread"], made["known"] = rng.choice([1, 1, 1, 1, 1, 2, 3], n), QUOTES
    made["ts_ns"] = start_ns + np.arange(n) * step_ns
    kept = rng.random(n) > 0.05
    kept[0] = True
    if step_ns >= MINUTE:
        return made[kept]
    for index in np.flatnonzero(~kept):
        for name in PRICES:
            made[name][index] = made["close"][index - 1]
        made["carried"][index], made["volume"][index] = 1, 0
    return made


def random_forecast(rng: np.random.Generator, n: int) -> np.ndarray:
    """Confident predictions of any side, some of them none."""
    made = np.zeros(n, PREDICTION)
    made["valid"] = rng.random(n) > 0.05
    side = rng.choice([-1, 0, 0, 0, 1], n)
    confidence = rng.uniform(0.55, 1.0, n)
    for name, of in (("down", -1), ("flat", 0), ("up", 1)):
        made[name] = np.where(side == of, confidence, (1 - confidence) / 2)
    made["move_ticks"] = side * rng.uniform(5.0, 40.0, n)
    made["move_ticks"][rng.random(n) < 0.02] = np.nan
    return made


def random_aux(rng: np.random.Generator, bars: np.ndarray) -> np.ndarray:
    """Volatility that is sometimes unknown, swings on both sides that are sometimes none."""
    made = np.zeros(bars.size, AUX)
    made["volatility_ticks"] = rng.uniform(1.0, 9.0, bars.size)
    made["volatility_ticks"][rng.random(bars.size) < 0.03] = np.nan
    for name, side in (("swing_high", 1), ("swing_low", -1)):
        made[name] = bars["close"] + side * rng.integers(-2, 18, bars.size)
        made[name][rng.random(bars.size) < 0.1] = 0
    return made


def random_norms(rng: np.random.Generator) -> np.ndarray:
    """Norms in which most minutes are usual ones, some are not and some are unknown."""
    made = np.zeros(MINUTES, NORM)
    made["volatility_ticks"] = rng.choice([0.3, 2.0, 5.0, 5.0, 5.0, 9.0, np.nan], MINUTES)
    made["volume"] = rng.choice([100.0, 100.0, 100.0, 100.0, 2_000.0, np.nan], MINUTES)
    return made


def a_case(rng: np.random.Generator, by: Lane, history: dict[str, int], n: int, after: int, gaps: float) -> Case:
    """n minutes (of seconds: n bars) that end `after` minutes after the flat time."""
    step = by.interval_ns
    end = DAY.ny(16, 30) + after * MINUTE
    if by.interval == "1s":
        end = DAY.ny(16, 26) if after > 0 else DAY.ny(10, 5)
    n = max(n * MINUTE // step, 1) if step > MINUTE else n
    made = walk(rng, n, step, end // step * step - n * step, gaps)
    account = with_cash(history["cash_cents"], by, **history)
    return Case(by, account, made, random_aux(rng, made), random_forecast(rng, made.size), random_norms(rng))


@st.composite
def cases(draw: st.DrawFn, gaps: float = 0.03) -> Case:
    """Up to 240 bars that end after the flat time, or long before it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    by = LANES[draw(st.integers(0, N_LANES - 1))]
    history, after = draw(st.sampled_from(HISTORIES)), draw(st.sampled_from([-400, 5, 25]))
    return a_case(rng, by, history, draw(st.integers(1, 240)), after, gaps)
