"""The simulated market: sessions, the contracts listed in them, and their bars."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import exp
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scalper.errors import BadInput
from scalper.market import (
    BAR,
    Bars,
    RollRule,
    Session,
    aggregate,
    expiry,
    front_contract,
    instrument,
    roll_date,
    sessions,
)
from scalper.sandbox.path import walk
from scalper.sandbox.plan import plan_session
from scalper.sandbox.shape import MarketShape
from scalper.sandbox.tick_kernel import settle

SECOND_NS = 1_000_000_000
KEPT_SESSIONS = 8
"""Paths kept in memory; an older one is walked again from its recorded start, in a few milliseconds."""
THIN = 4.0
"""A contract with a share of volume below 1/THIN trades in THIN times that share of the seconds, else in all."""

SPREAD_EVERY = 600
"""A calendar spread trades in every so many-th second in which its near contract does."""

Path = NDArray[np.int32]
"""Traded seconds of one session: second, open, high, low, close (ticks, before the contract's basis), volume."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a session takes over from the one before it."""

    price: int  # ticks
    log_volatility: float


class SimulatedMarket:
    """A futures market whose every bar follows from (symbol, seed, edge, start, shape).

    At `edge` 0 the price of each contract is a martingale: nothing visible tells its direction. At `edge` > 0 impulses
    are followed by a drift of `edge * shape.aftermath_ticks` expected ticks. When impulses
    come, how volatile and busy a session is, does not depend on the edge.
    The path of a session depends on the seed and the sessions before it, not on the order of calls; safe to share
    between threads. Raises BadInput on an unknown symbol, reversed dates, a range without sessions, an edge below 0.
    """

    def __init__(
        self,
        symbol: str = "MES",
        seed: int = 7,
        edge: float = 1.0,
        *,
        start: date,
        end: date,
        shape: MarketShape | None = None,
    ) -> None:
        if not edge >= 0.0:
            raise BadInput(f"edge {edge} is below 0: give 0 for a market without an edge, 1 for the standard one")
        self.instrument = instrument(symbol)
        self.symbol, self.seed, self.edge = symbol, seed, edge
        self.shape = shape or MarketShape()
        self.sessions: list[Session] = sessions(symbol, start, end)
        if not self.sessions:
            raise BadInput(f"{symbol} has no session from {start} to {end}: choose dates on which the exchange opens")
        self._index = {s.date: i for i, s in enumerate(self.sessions)}
        self._chain = _chain(symbol, self.sessions[0].date, self.sessions[-1].date)
        self._basis = self._bases()
        self._lock = threading.Lock()
        self._starts = [Start(self.shape.start_ticks, 0.0)]
        self._paths: OrderedDict[int, Path] = OrderedDict()

    @property
    def source(self) -> str:
        """The key that the lake stores this market's data under."""
        return f"sandbox-{self.seed}-{self.edge:g}"

    def contracts(self, session: Session) -> list[str]:
        """The two contracts that trade in a session, nearest expiry first."""
        return list(self.shares(session.date))

    def front(self, session: Session, rule: RollRule) -> str:
        """The contract to hold by the roll rule; 'volume' means the largest volume of the session before."""
        if rule != "volume":
            return front_contract(self.symbol, session.date, rule)
        i = self._at(session)
        before = self.shares(self.sessions[i - 1].date if i else session.date - timedelta(days=1))
        return max(self.contracts(session), key=lambda name: before.get(name, 0.0))

    def shares(self, day: date) -> dict[str, float]:
        """Expected share of the day's volume of each listed contract, nearest expiry first.

        Volume crosses to the next contract on the Monday of expiry week: a logistic curve of the days from it.
        """
        near = next(i for i, (_, last) in enumerate(self._chain) if last >= day)
        (first, _), (second, _) = self._chain[near : near + 2]
        past = ((day - roll_date(first, "monday")).days + 0.5) / self.shape.roll_scale_days
        least = self.shape.back_share
        gone = min(max(1.0 / (1.0 + exp(-max(past, -50.0))), least), 1.0 - least)
        return {first: 1.0 - gone, second: gone}

    def bars(self, contract: str, session: Session, interval_ns: int = SECOND_NS) -> Bars:
        """Traded bars of a contract in a session, dtype BAR; coarser ones are the aggregate of the one-second ones.

        `contract` may be a calendar spread, such as 'MESU26-MESZ26': the far one's price minus the near one's. A second
        has a contract at least for each trade that its four prices need. Raises BadInput if the market does not have
        the session or the contract is not listed in it.
        """
        if not set(legs(contract)) <= set(self.contracts(session)):
            raise BadInput(f"{contract} does not trade in session {session.date}: ask for {self.contracts(session)}")
        if "-" in contract:
            bars = self._spread(contract, session)
            return bars if interval_ns == SECOND_NS else aggregate(bars, interval_ns)
        path = self._thinned(contract, session, self._path(self._at(session)))
        bars = np.zeros(len(path), BAR)
        bars["ts_ns"] = session.open_ns + path[:, 0].astype(np.int64) * SECOND_NS
        for column, name in enumerate(("open", "high", "low", "close"), 1):
            bars[name] = path[:, column] + self._basis[contract]
        bars["volume"] = path[:, 5]
        settle(bars)
        return bars if interval_ns == SECOND_NS else aggregate(bars, interval_ns)

    # ------------------------------------------------------------------ paths

    def _at(self, session: Session) -> int:
        if session.date not in self._index:
            first, last = self.sessions[0].date, self.sessions[-1].date
            raise BadInput(f"the simulated market has no session {session.date}: it runs from {first} to {last}")
        return self._index[session.date]

    def _path(self, index: int) -> Path:
        """The path of a session, after those of all sessions before it that have not been walked yet."""
        with self._lock:
            for i in range(min(index, len(self._starts) - 1), index + 1):
                if i == index and i in self._paths:
                    self._paths.move_to_end(i)
                elif i == index or i == len(self._starts) - 1:
                    self._walk(i)
            return self._paths[index]

    def _walk(self, index: int) -> None:
        shape, session, start = self.shape, self.sessions[index], self._starts[index]
        rng = np.random.Generator(np.random.PCG64([self.seed, session.date.toordinal()]))
        days = (session.date - self.sessions[index - 1].date).days if index else 0
        price = start.price + round(rng.normal(0.0, shape.gap_ticks) * days**0.5)
        shock = rng.normal(0.0, shape.daily_sd * (1.0 - shape.daily_memory**2 * (index > 0)) ** 0.5)
        log_volatility = shape.daily_memory * start.log_volatility + shock
        plan = plan_session(shape, session, log_volatility - shape.daily_sd**2, rng)
        rows = np.empty((60 * plan.variance.size, 6), np.int32)
        n, last = walk(
            rng,
            max(price, shape.floor_ticks),
            shape.floor_ticks,
            (plan.variance, plan.traded, plan.volume, plan.steps, plan.move, plan.aftermath),
            (shape.impulse_speed, shape.impulse_settle_s, shape.impulse_calm),
            self._drift_after(),
            rows,
        )
        if index == len(self._starts) - 1:
            self._starts.append(Start(int(last), log_volatility))
        self._paths[index] = rows[:n].copy()
        while len(self._paths) > KEPT_SESSIONS:
            self._paths.popitem(last=False)

    def _drift_after(self) -> NDArray[np.float64]:
        """Expected ticks a second that follow an impulse upwards."""
        weights = np.exp(-np.arange(self.shape.aftermath_s) / self.shape.aftermath_fade_s)
        return self.edge * self.shape.aftermath_ticks * weights / weights.sum()

    # -------------------------------------------------------------- contracts

    def _bases(self) -> dict[str, int]:
        """Ticks that each contract trades above the first. Constant: a spread that decayed would be a drift."""
        bases, basis = {self._chain[0][0]: 0}, 0
        for (_, _), (name, _) in pairwise(self._chain):
            basis += round(
                np.random.default_rng([self.seed, crc32(name.encode())]).normal(
                    self.shape.carry_ticks, self.shape.carry_sd_ticks
                )
            )
            bases[name] = basis
        return bases

    def _spread(self, contract: str, session: Session) -> Bars:
        """One bought and sold now and then; the price stands still, as the bases do."""
        near, far = legs(contract)
        bars = self.bars(near, session)[::SPREAD_EVERY].copy()
        for name in ("open", "high", "low", "close"):
            bars[name] = self._basis[far] - self._basis[near]
        bars["volume"] = 1
        return bars

    def _thinned(self, contract: str, session: Session, path: Path) -> Path:
        """The contract's part of the path: all of it for the leading one, a few seconds for the other.

        Seconds are kept by chance alone, so a thin contract is a martingale too. On its last day a contract trades
        until the regular open.
        """
        rng = np.random.default_rng([self.seed, session.date.toordinal(), crc32(contract.encode())])
        share = self.shares(session.date)[contract]
        kept = min(1.0, THIN * share)
        if session.date == expiry(contract):
            path = path[path[:, 0] < (session.regular_open_ns - session.open_ns) // SECOND_NS]
        path = path[rng.random(len(path)) < kept]
        path[:, 5] = np.maximum(np.rint(path[:, 5] * (share / kept)), 1)
        return path


def legs(contract: str) -> list[str]:
    """The near and the far contract of a calendar spread; of any other contract itself."""
    return contract.split("-")


def _chain(symbol: str, first: date, last: date) -> list[tuple[str, date]]:
    """Contracts with their expiries, in order: from the one nearest to `first` to the second after `last`."""
    months = instrument(symbol).months
    names = [f"{symbol}{m}{y % 100:02d}" for y in range(first.year, last.year + 3) for m in months]
    chain = [(name, expiry(name)) for name in names]
    after = next(i for i, (_, day) in enumerate(chain) if day > last)
    return [(name, day) for name, day in chain[: after + 3] if day >= first]
