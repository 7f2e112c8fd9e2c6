"""From checked rows to session files: locate, merge with what the lake has, stage; sessions are written by threads."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.clock import iso
from scalper.errors import BadInput
from scalper.lake.files.dbn import Codes
from scalper.lake.files.merging import Fault, Merged, Piece, merge
from scalper.lake.files.places import NOTHING, NOWHERE, Calendar
from scalper.lake.files.readers import DAY_NS, KNOWN, LENGTHS, OUTSIDE, UNTRADED, day_of, numbered
from scalper.lake.schema import MADE_OF_KEY, SCHEMA_KEY
from scalper.lake.store import Keys, Lake, bar_keys, write_table
from scalper.lake.transaction import Transaction
from scalper.market import RollRule, front_contract

FLUSH = 1_000_000
"""Rows held before those of sessions that seem over are written."""
WRITERS = 2
WAITING = 24
"""Sessions that the writers may have before them; more would only hold memory."""


@dataclass(slots=True)
class Tally:
    """What became of the rows; `sessions` are those that rows were kept of, `seen` all that the files have bars of."""

    kept: int = 0
    bars: int = 0
    enriched: int = 0
    volume: int = 0
    named: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    contracts: set[str] = field(default_factory=set[str])
    sessions: set[date] = field(default_factory=set[date])
    seen: set[date] = field(default_factory=set[date])


class Intake:
    """The rows of one import for one (source, symbol, interval), merged session by session into a transaction.

    A row with the stamp and contract of one that is already there (in the lake, or from a file before it in the same
    import) is dropped as `already in the lake` if it tells nothing new, enriches it if it tells optional columns that
    it lacks, and refuses the import if it contradicts it.
    """

    def __init__(
        self,
        lake: Lake,
        into: Transaction,
        keys: Keys,
        *,
        roll: RollRule,
        fronts: Mapping[date, Mapping[str, str]] | None = None,
    ) -> None:
        """`keys` are source, symbol and interval; `fronts` metadata of session files, by date."""
        self.tally = Tally()
        self.staged = 0
        self._lake, self._into, self._keys = lake, into, keys
        self._roll: RollRule = roll
        self._fronts = fronts or {}
        self._calendar = Calendar(keys["symbol"], keys["interval"])
        self._names = [""]  # code 0: the file names none
        self._files: list[Path] = []
        self._held: dict[int, list[Piece]] = {}
        self._rows = 0
        self._aggregated: dict[date, Counter[str]] = {}
        self._staging = Lock()
        self._pool = ThreadPoolExecutor(WRITERS, "writer")
        self._writing: deque[tuple[date, Future[Merged]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def codes(self, contracts: pl.Series) -> Codes:
        """The contracts of a chunk as numbers, the same ones throughout the import; 0 where none is named."""
        if contracts.null_count() == len(contracts):
            return np.zeros(len(contracts), np.int32)
        texts, numbers = numbered(contracts)
        table = np.zeros(len(texts) + 1, np.int32)  # the last one is what -1, null, gets
        for number in np.flatnonzero(np.bincount(numbers + 1)[1:]).tolist():
            if texts[number] not in self._names:
                self._names.append(texts[number])
            table[number] = self._names.index(texts[number])
        return table[numbers]

    def begin(self, path: Path) -> None:
        """What is added from now on comes from this file."""
        self._files.append(path)

    def add(self, frame: pl.DataFrame, codes: Codes) -> None:
        """Take checked rows of the file: `row`, the bar columns, and `codes` of their contracts.

        Raises BadInput naming the row of a conflict.
        """
        if frame.is_empty():
            return
        frame = frame.drop("contract")
        place, outside, untraded = self._calendar.places(frame["ts_ns"].to_numpy(), frame["volume"].to_numpy())
        if "count" in frame.columns and (outside or untraded):
            counts = frame["count"].to_numpy()  # a bar of several rows of the file is lost with all of them
            outside, untraded = int(counts[place == NOWHERE].sum()), int(counts[place == NOTHING].sum())
        self.tally.dropped[OUTSIDE] += outside
        self.tally.dropped[UNTRADED] += untraded
        if outside or untraded:
            inside = place >= 0
            frame, codes, place = frame.filter(pl.Series(inside)), codes[inside], place[inside]
        if frame.is_empty():
            return
        if (np.diff(place) < 0).any():
            order = np.argsort(place, kind="stable")
            frame, codes, place = frame[order], codes[order], place[order]
        for start, end in _runs(place):
            one, mine = frame.slice(start, end - start), codes[start:end]
            piece = Piece(len(self._files) - 1, one, self._named(int(place[start]), mine))
            self._held.setdefault(int(place[start]), []).append(piece)
        self._rows += len(frame)
        if self._rows >= FLUSH:
            self._write([day for day in self._held if day != place[-1]] or list(self._held))

    def finish(self) -> list[str]:
        """Merge and stage what is still held; notes on what it takes the place of. Raises BadInput on a conflict."""
        self._write(list(self._held))
        self._settle()
        return self._thinned()

    def _named(self, place: int, codes: Codes) -> Codes:
        """Rows without a contract get the one that the roll rule holds in their session."""
        unnamed = codes == 0
        if not unnamed.any():
            return codes
        self.tally.named += int(unnamed.sum())
        contract = front_contract(self._keys["symbol"], day_of(place * DAY_NS), self._roll)
        if contract not in self._names:
            self._names.append(contract)
        return np.where(unnamed, self._names.index(contract), codes).astype(np.int32)

    def _write(self, places: Sequence[int]) -> None:
        """Have the writers merge and stage these sessions; waits while they have too many to do, or one of these."""
        names = tuple(self._names)
        for place in sorted(places):
            pieces, day = self._held.pop(place), day_of(place * DAY_NS)
            self._settle(0 if any(day == busy for busy, _ in self._writing) else WAITING)
            self._rows -= sum(len(piece.frame) for piece in pieces)
            self._writing.append((day, self._pool.submit(self._session, day, pieces, names)))

    def _settle(self, most: int = 0) -> None:
        """Wait until the writers have at most so many sessions to do; count what they did.

        Raises BadInput for a row in conflict, the first one of the sessions under way.
        """
        faults: list[Fault] = []
        while len(self._writing) > (0 if faults else most):
            day, future = self._writing.popleft()
            done = future.result()
            faults += [done.fault] if done.fault is not None else []
            self.tally.dropped[KNOWN] += done.known
            self.tally.kept += done.kept
            self.tally.bars += done.bars
            self.tally.enriched += done.enriched
            self.tally.volume += done.volume
            self.tally.contracts |= done.contracts
            self.tally.sessions |= {day} if done.kept else set()
            self.tally.seen.add(day)
            self.staged += done.frame is not None
        for fault in sorted(faults, key=lambda one: (one.file, one.row)):
            raise self._refusal(fault)

    def _session(self, day: date, pieces: Sequence[Piece], names: Sequence[str]) -> Merged:
        """Merge and stage one session; runs in a writer's thread."""
        keys = bar_keys(self._keys["source"], self._keys["symbol"], self._keys["interval"], day)
        present, metadata = self._present(day, keys)
        done = merge(present, pieces, names, LENGTHS[self._keys["interval"]])
        wanted = {**metadata, **self._fronts.get(day, {})}
        if done.frame is None and done.fault is None and wanted != metadata:
            done.frame = present
        if done.frame is not None:
            with self._staging:
                target = self._into.stage(self._lake.name("bars", keys))
            write_table(target, "bars", done.frame, wanted)
        return done

    def _present(self, day: date, keys: Keys) -> tuple[pl.DataFrame | None, dict[str, str]]:
        """The bars that the session has already, staged or in the lake, and the metadata of its file."""
        staged = self._into.staged(self._lake.name("bars", keys))
        if staged is not None:
            frame: pl.DataFrame = pl.read_parquet(staged, hive_partitioning=False, glob=False)
            return frame, _own(pl.read_parquet_metadata(staged))
        if self._lake.exists("bars", keys):
            metadata, frame = _own(self._lake.metadata("bars", keys)), self._lake.read("bars", keys)
            if MADE_OF_KEY not in metadata:
                return frame, metadata
            self._aggregated[day] = Counter(frame["contract"].to_list())  # made of finer bars: they give way
        return None, {}

    def _thinned(self) -> list[str]:
        """A note if sessions now have fewer bars of a contract than the aggregated ones that gave way to them."""
        found: list[str] = []
        for day, before in sorted(self._aggregated.items()):
            keys = bar_keys(self._keys["source"], self._keys["symbol"], self._keys["interval"], day)
            frame, _ = self._present(day, keys)
            now = Counter[str]() if frame is None else Counter(frame["contract"].to_list())
            fewer = [name for name in before if now[name] < before[name]]
            found += [f"{day}: {now[name]} of {name}, {before[name]} before" for name in fewer[:1]]
        if not found:
            return []
        return [
            f"bars aggregated from finer ones gave way to fewer in {len(found)} of the sessions ({found[0]}); import "
            "the rest, or delete these sessions from the lake and have them aggregated again"
        ]

    def _refusal(self, fault: Fault) -> BadInput:
        where, stamp = f"{self._files[fault.file]}: row {fault.row}: ", iso(fault.ts_ns)
        if fault.repeated:
            return BadInput(f"{where}stamp {stamp} is there twice for {fault.contract}; remove one of the rows")
        return BadInput(
            f"{where}{fault.contract} at {stamp} differs from the {self._keys['interval']} bar that the lake (source "
            f"{self._keys['source']}) or a file before it has; import only one of the two, or delete the session "
            f"date={day_of(fault.ts_ns)} from the lake first"
        )


def _runs(place: npt.NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """[start, end) of the runs of equal places."""
    cuts = (np.flatnonzero(np.diff(place)) + 1).tolist()
    return zip([0, *cuts], [*cuts, len(place)], strict=True)


def _own(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What a session file's writer left beside its schema."""
    return {key: str(value) for key, value in metadata.items() if key not in (SCHEMA_KEY, "ARROW:schema")}
