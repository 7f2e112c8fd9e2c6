"""The files of features and labels of one session after another, on one thread."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper import clock
from scalper import features as feature_floor
from scalper.compiled import source_digest
from scalper.errors import BadInput, DataUnavailable, ScalperError
from scalper.features import Rows, RowScan
from scalper.labels import ROWS, balance, label_rows
from scalper.lake import Lake, SessionBars, bar_keys, contract_of
from scalper.learn.session import context_of, held, need_flow
from scalper.market import FLOW, INTERVALS, Session, in_steps
from scalper.settings import Lane

KINDS = ("features", "labels")
"""What is made, in this order."""
INPUT = "scalper.input"
"""In a file's metadata: the digest of all that it was made from."""
BALANCE = "scalper.balance"
"""In a label file's metadata: how many rows have each class, or none for each reason; a JSON object."""
Column = npt.NDArray[Any]


class Recipe:
    """What the files of all sessions of a lane have in common."""

    def __init__(self, lane: Lane) -> None:
        columns = feature_floor.catalogue(lane.features, lane.interval_ns)
        self.names = [one.name for one in columns]
        self.windows = feature_floor.params(lane.features, lane.interval_ns)
        self.reads_flow = any(name in FLOW for one in columns for name in one.inputs)
        sections, floors = ("features", "interval", "hours", "roll", "symbol"), ("market", "lake", "features", "learn")
        self.digests = {
            "features": f"{lane.digest(*sections)} {source_digest(*floors)}",
            "labels": f"{lane.digest(*sections, 'labels', 'policy')} {source_digest(*floors, 'labels')}",
        }

    def scan(self) -> RowScan:
        """What a thread scans with."""
        return RowScan(self.windows, len(self.names))


@dataclass(slots=True)
class Made:
    """A session: rows written and metadata by kind, whether it is flat, and seconds by step. No rows: it was fresh."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    told: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    flat: bool = False
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))

    @contextmanager
    def timed(self, step: str) -> Generator[None]:
        """Count the processor seconds of this thread inside: a busy machine does not stretch them."""
        started = clock.busy()
        try:
            yield
        finally:
            self.seconds[step] += clock.busy() - started


class Maker:
    """Makes the files of sessions, best in their order: the bars of one are the context of the next."""

    def __init__(self, lane: Lane, lake: Lake, recipe: Recipe, scan: RowScan) -> None:
        self._lane, self._lake, self._recipe, self._scan = lane, lake, recipe, scan
        self._bars: tuple[date, SessionBars | None] | None = None  # of the session read last
        self._digest: tuple[date, str] | None = None

    def make(self, one: Session, before: Session | None, kinds: Sequence[str]) -> Made:
        """Write those of a session's files whose inputs have changed. Raises ScalperError naming the session."""
        made = Made()
        keys = {"lane": self._lane.name, "date": one.date.isoformat()}
        try:
            due = self._due(made, keys, one, before, kinds)
            if due:
                self._write(made, keys, one, before, due)
        except ScalperError as error:
            if one.date.isoformat() in str(error):
                raise
            raise type(error)(f"lane {self._lane.name}, session {one.date}: {error}") from error
        return made

    def _due(
        self, made: Made, keys: dict[str, str], one: Session, before: Session | None, kinds: Sequence[str]
    ) -> dict[str, str]:
        """Kind to stamp, of the files that are missing, no longer as they were written, or of other inputs."""
        due: dict[str, str] = {}
        with made.timed("digests"):
            bars = f"{self._digest_of(before)} {self._digest_of(one)}"
            under = ""
            for kind in KINDS if "labels" in kinds else KINDS[:1]:
                told = self._told(kind, keys)
                stamp = hashlib.sha256(f"{self._recipe.digests[kind]} {bars} {under}".encode()).hexdigest()
                if kind in kinds:
                    made.told[kind] = told
                    if told.get(INPUT) != stamp:
                        due[kind] = stamp
                under = due.get(kind, told.get(INPUT, ""))  # labels stand on the features' rows
        return due

    def _write(
        self, made: Made, keys: dict[str, str], one: Session, before: Session | None, due: dict[str, str]
    ) -> None:
        with made.timed("context"):
            context = context_of(self._lane, self._read(before)) if before and "features" in due else None
        with made.timed("read"):
            found = self._read(one)
        made.flat = found is None
        rows = self._rows(made, found, context) if "features" in due else None
        for kind, stamp in due.items():
            if kind == "features":
                table, about = self._features(found, rows), {}
            else:
                table, about = self._labels(made, keys, found, rows)
            with made.timed(f"write {kind}"):
                made.told[kind] = {**about, INPUT: stamp}
                made.rows[kind] = table["ts_ns"].size
                self._lake.write(kind, keys, table, made.told[kind])

    def _rows(self, made: Made, found: SessionBars | None, context: np.ndarray | None) -> Rows | None:
        """The session's rows; None if it is flat."""
        if found is None:
            return None
        if self._recipe.reads_flow:
            need_flow(self._lane, found)
        if self._lane.interval_ns == INTERVALS["1s"]:
            in_steps(found.bars, found.session, self._lane.interval_ns)
        with made.timed("features"):
            state = feature_floor.fresh(found.contract, context, self._recipe.windows)
            return self._scan.scan(state, found.bars, self._lane.timetable(found.session))

    def _features(self, found: SessionBars | None, rows: Rows | None) -> dict[str, Column]:
        """The columns of a session's features."""
        if found is None or rows is None:
            nothing = np.empty(0, np.float32)
            return {"ts_ns": np.empty(0, np.int64), **dict.fromkeys((*self._recipe.names, "volatility_ticks"), nothing)}
        columns = dict(zip(self._recipe.names, rows.columns, strict=True))
        return {"ts_ns": found.bars["ts_ns"][rows.index], **columns, "volatility_ticks": _volatility(rows)}

    def _labels(
        self, made: Made, keys: dict[str, str], found: SessionBars | None, rows: Rows | None
    ) -> tuple[dict[str, Column], dict[str, str]]:
        """The columns of a session's labels, and their balance; of the rows of features just made, or in the lake."""
        if found is None:
            return _label_table(np.empty(0, np.int64), np.empty(0, ROWS))
        if rows is None:
            with made.timed("read"):
                index, volatility = self._stored(keys, found)
        else:
            index, volatility = rows.index, _volatility(rows)
        with made.timed("labels"):
            lane, bars = self._lane, found.bars
            stale_s = lane.policy.stale_s
            labelled = label_rows(bars, index, volatility, lane.timetable(found.session), lane.labels, stale_s=stale_s)
            return _label_table(bars["ts_ns"][index], labelled)

    def _stored(self, keys: dict[str, str], found: SessionBars) -> tuple[Column, Column]:
        """Which bars have feature rows in the lake, and their volatility."""
        wanted = self._lake.read("features", keys, ["ts_ns", "volatility_ticks"])
        ts_ns, stamps = np.ascontiguousarray(found.bars["ts_ns"]), wanted["ts_ns"].to_numpy()
        index = np.minimum(np.searchsorted(ts_ns, stamps), ts_ns.size - 1)
        if not np.array_equal(ts_ns[index], stamps):
            raise BadInput("the features in the lake stand on other bars; make the features anew first")
        return index, wanted["volatility_ticks"].to_numpy()

    def _read(self, one: Session) -> SessionBars | None:
        """The session's traded bars; None without any of the contract: the lane is flat then."""
        if self._bars is None or self._bars[0] != one.date:
            self._bars = one.date, held(self._lake, self._lane, one)
        return self._bars[1]

    def _digest_of(self, one: Session | None) -> str:
        """The digest of the session's file of bars, and the contract of them that the lane holds."""
        if one is None:
            return "none"
        if self._digest is None or self._digest[0] != one.date:
            keys = bar_keys(self._lane.source_key, self._lane.symbol, self._lane.interval, one.date)
            there = self._lake.exists("bars", keys)
            self._digest = one.date, f"{self._lake.digest('bars', keys)} {self._held(one)}" if there else "none"
        return self._digest[1]

    def _held(self, one: Session) -> str:
        """The session's contract; a rule that goes by volume finds it in the sessions before."""
        lane = self._lane
        keys = {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
        try:
            return contract_of(self._lake, **keys, session=one, roll=lane.roll)
        except DataUnavailable:
            return "none"

    def _told(self, kind: str, keys: dict[str, str]) -> dict[str, str]:
        """The metadata of a session's file; nothing if it is missing, damaged, edited or of an older schema."""
        try:
            return self._lake.metadata(kind, keys, sealed=True)
        except (BadInput, DataUnavailable):
            return {}


def _volatility(rows: Rows) -> Column:
    """As the files hold it: labels must not depend on whether it was read from one."""
    return rows.aux["volatility_ticks"].astype(np.float32)


def _label_table(ts_ns: Column, rows: Column) -> tuple[dict[str, Column], dict[str, str]]:
    """Columns and metadata of a session's labels."""
    columns = {name: np.ascontiguousarray(rows[name]) for name in ROWS.names or ()}
    return {"ts_ns": ts_ns, **columns}, {BALANCE: json.dumps(balance(rows))}
