"""What the benchmarks run on: a lane, and a few sessions of the simulated market that are gone through repeatedly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from scalper.features import Block, catalogue, compute, context, fresh, params
from scalper.market import Session, carry
from scalper.sandbox import SimulatedMarket
from scalper.settings import Lane

SESSIONS = 5
"""Sessions in memory: a benchmark of any size needs the memory of so many."""


@dataclass(frozen=True, slots=True)
class Tape:
    """One session: its traded one-second bars (n,) of BAR, as they come from a vendor."""

    session: Session
    contract: str
    bars: np.ndarray


def lane(**changes: Any) -> Lane:
    """A one-second MES lane with the specification's numbers; `changes` are sections or keys."""
    fixed = {"name": "bench", "symbol": "MES", "source": "import", "interval": "1s", "start": date(2025, 7, 7)}
    return Lane(**fixed | changes)


def tapes(count: int = SESSIONS, edge: float = 1.0) -> list[Tape]:
    """The first sessions of a simulated market, about 42,000 traded seconds each, 82,800 with the carried ones."""
    market = SimulatedMarket("MES", 7, edge, start=date(2025, 7, 7), end=date(2025, 7, 18))
    found: list[Tape] = []
    for session in market.sessions[:count]:
        contract = market.front(session, "monday")
        found.append(Tape(session, contract, market.bars(contract, session)))
    return found


def until(every: list[Tape], rows: int) -> list[int]:
    """Indices of the sessions, round and round, until they hold `rows` traded rows: whole sessions, at least one."""
    chosen: list[int] = []
    held = 0
    while held < rows or not chosen:
        chosen.append(len(chosen) % len(every))
        held += every[chosen[-1]].bars.size
    return chosen


def filled(lane: Lane, tape: Tape) -> np.ndarray:
    """The session's bars with the carried seconds."""
    return carry(tape.bars, tape.session, lane.interval_ns)


def features(lane: Lane, every: list[Tape]) -> Iterator[tuple[Tape, np.ndarray, Block]]:
    """Each session's bars with the carried seconds, and its features."""
    windows, columns = params(lane.features, lane.interval_ns), len(catalogue(lane.features, lane.interval_ns))
    before: np.ndarray | None = None
    for tape in every:
        bars = filled(lane, tape)
        yield tape, bars, compute(fresh(tape.contract, before), windows, bars, lane.timetable(tape.session), columns)
        before = context(tape.contract, bars)
