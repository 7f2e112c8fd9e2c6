"""Audit of what crosses from one session to the next: the context of the one before, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from scalper import features
from scalper.features import Block
from scalper.gate.found import Found
from scalper.gate.futures import perturb
from scalper.gate.subject import Array, Subject, first, joined, unequal
from scalper.lake import Lake, bar_keys
from scalper.lake.schema import FRONT_KEYS
from scalper.learn.session import prepare
from scalper.market import Session, from_ticks, sessions
from scalper.settings import Lane

Prepare = Callable[[Lake, Lane, Session, Session | None], Block]
"""The features of a session, made from a lake, given the session before it."""
LOOK_AHEAD = timedelta(days=10)
OTHER = "OTHERH99"
"""A contract that no lane holds."""


def prepared(lake: Lake, lane: Lane, session: Session, before: Session | None) -> Block:
    """The features as every stage of the lane gets them from the lake."""
    return prepare(lake, lane, session, before).block


def crossing(one: Subject, rng: np.random.Generator, make: Prepare = prepared) -> Found:
    """A lane of three sessions in a lake of its own; the middle one is made again and again beside other neighbours.

    Another session after it, or none: nothing changes. Another one before it: only columns of kind context do, and one
    of them does. None before it, or one of another contract: these are as without a context.
    """
    before, lane = one.before, one.lane.model_copy(update={"roll": "volume"})
    if before is None:
        return Found()
    after = sessions(lane.symbol, one.session.date + timedelta(days=1), one.session.date + LOOK_AHEAD)[0]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))

        def put(session: Session, bars: Array, contract: str = one.contract) -> None:
            _put(lake, lane, session, _moved(bars, one.session, session), contract)

        def look() -> Array:
            return joined(make(lake, lane, one.session, before))

        put(one.session, one.traded)
        put(before, one.traded)
        base = look()
        for words, bars in (("appears", one.traded), ("changes", perturb(one.traded, -1, "noise", rng))):
            put(after, bars)
            if wrong := first(one, unequal(base, look())):
                return Found(0, f"{wrong} changes when the session after it {words}")
        put(before, perturb(one.traded, -1, "noise", rng))
        if wrong := _other_before(one, unequal(base, look())):
            return Found(0, wrong)
        bare = joined(features.compute(*_bare(one)))
        put(before, one.traded, OTHER)
        if wrong := first(one, unequal(bare, look())):
            return Found(0, f"{wrong} takes something from the session before although the contract rolled")
        lake.delete("bars", _keys(lane, before))
        if wrong := first(one, unequal(bare, look())):
            return Found(0, f"{wrong} takes something from a session before that is not there")
    return Found(int(one.kept.sum()), counts={"sessions": 1, "neighbours changed": 5})


def _other_before(one: Subject, changed: Array) -> str | None:
    """What is wrong with the numbers that another session before changed: only context may, and it has to."""
    own = np.array([column.kind == "context" for column in one.watched])
    if wrong := first(one, changed & ~own):
        return f"{wrong} changes with the session before, and is not of kind context"
    still = own.any() and not changed[one.kept].any()
    return f"no column of the session {one.session.date} changes with the session before it" if still else None


def _bare(one: Subject) -> tuple[Array, Array, Array, Array, int]:
    """What features.compute needs for the session without a context."""
    return features.fresh(one.contract, None, one.windows), one.windows, one.bars, one.timetable, len(one.columns)


def _moved(bars: Array, own: Session, to: Session) -> Array:
    """The bars of a session as those of another, as far as that one is as long and open."""
    moved = bars.copy()
    moved["ts_ns"] += to.open_ns - own.open_ns
    inside = moved["ts_ns"] < to.close_ns
    for begin, end in to.halts:
        inside &= (moved["ts_ns"] < begin) | (moved["ts_ns"] >= end)
    return moved[inside]


def _keys(lane: Lane, session: Session) -> dict[str, str]:
    return bar_keys(lane.source_key, lane.symbol, lane.interval, session.date)


def _put(lake: Lake, lane: Lane, session: Session, bars: Array, contract: str) -> None:
    """Write a session's bars; the roll rule by volume takes the contract that stands in the file."""
    frame = from_ticks(bars, lane.instrument.tick, contract, flow=True)
    lake.write("bars", _keys(lane, session), frame, {FRONT_KEYS["v"]: contract})
