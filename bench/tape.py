"""What the benchmarks run on: a lane, and a few sessions of the simulated market that are gone through repeatedly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from scalper.errors import BadInput
from scalper.features import Block, catalogue, compute, context, fresh, params
from scalper.market import Session, carry, front_contract, sessions
from scalper.sandbox import SimulatedMarket
from scalper.settings import Lane

SESSIONS = 5
"""Sessions in memory: a benchmark of any size needs the memory of so many."""
FIRST, LAST = date(2021, 7, 6), date(2026, 10, 30)
"""The sessions that tapes are spread over; none of them has a halt."""


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
    market = SimulatedMarket("MES", 7, edge, start=date(2025, 7, 7), end=date(2025, 8, 8))
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


def spread(every: list[Tape], rows: int) -> Iterator[Tape]:
    """The tapes on the dates of as many sessions as hold `rows` traded rows, round and round; what falls out of a
    shorter session is dropped. Raises BadInput above what the calendar holds.
    """
    held = 0
    for number, one in enumerate(sessions("MES", FIRST, LAST)):
        tape = every[number % len(every)]
        bars = tape.bars.copy()
        bars["ts_ns"] += one.open_ns - tape.session.open_ns
        bars = bars[bars["ts_ns"] < one.close_ns]
        yield Tape(one, front_contract("MES", one.date, "monday"), bars)
        held += bars.size
        if held >= rows:
            return
    raise BadInput(f"--rows {rows}: the sessions from {FIRST} to {LAST} hold {held}; ask for fewer")


def filled(lane: Lane, tape: Tape) -> np.ndarray:
    """The session's bars with the carried seconds."""
    return carry(tape.bars, tape.session, lane.interval_ns)


def features(lane: Lane, every: list[Tape]) -> Iterator[tuple[Tape, np.ndarray, Block]]:
    """Each session's bars with the carried seconds, and its features."""
    windows, columns = params(lane.features, lane.interval_ns), len(catalogue(lane.features, lane.interval_ns))
    before: np.ndarray | None = None
    for tape in every:
        bars = filled(lane, tape)
        state = fresh(tape.contract, before, windows)
        yield tape, bars, compute(state, windows, bars, lane.timetable(tape.session), columns)
        before = context(tape.contract, bars, lane.interval_ns)
