"""The journal: what a run decided, ordered and got, one JSON line each, only ever appended."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, date
from pathlib import Path
from typing import Any, Self

from scalper import clock
from scalper.errors import BadInput
from scalper.settings import Home

VERSION = 2
"""Of the records' fields; stands in a journal's first line. 2: decisions with their gate trace, stops that move."""


def plain(value: Any) -> Any:
    """A value as JSON knows it; what is not a finite number becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def fields(row: Any) -> dict[str, Any]:
    """A record of the core as names and plain values."""
    return {name: plain(row[name].item()) for name in row.dtype.names}


def journal_path(home: Home, lane: str, session: date) -> tuple[Path, str]:
    """Where a new run writes, and its run id: the UTC time at which it began."""
    run = clock.from_ns(clock.now_ns()).astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")
    return home.state / "journal" / lane / f"{session.isoformat()}-{run}.jsonl", run


class Journal:
    """Append-only file of one run; every record has its number, its wall time in UTC nanoseconds and its kind.

    A line is in the operating system's hands when `write` returns, so a killed process loses none; `sync` makes it
    survive the machine. Raises BadInput if the file exists: a run never goes on in another one's journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            raise BadInput(f"{path}: exists already; a run writes a journal of its own, start it again") from None
        self._records = 0

    def write(self, kind: str, content: Mapping[str, Any], *, sync: bool = False) -> None:
        """Append one record; `sync` forces it to the disk, as orders and fills are."""
        record = {"n": self._records, "at_ns": clock.now_ns(), "kind": kind, **content}
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._file, line) :]
        self._records += 1
        if sync:
            os.fsync(self._file)

    def close(self) -> None:
        """Force everything to the disk and close."""
        os.fsync(self._file)
        os.close(self._file)

    def __enter__(self) -> Self:
        """The open journal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The records of a run in order. A torn last line (the process died while writing) is left out.

    Raises BadInput naming the line when one in the middle is damaged or missing.
    """
    lines = path.read_bytes().split(b"\n")
    whole, torn = lines[:-1], lines[-1]
    found: list[dict[str, Any]] = []
    for number, line in enumerate(whole, 1):
        try:
            record: dict[str, Any] = json.loads(line)
        except ValueError:
            if number == len(whole) and not torn:
                break  # the machine died: the file system kept the length, not the bytes
            raise BadInput(f"{path}: line {number} is no JSON; the journal was changed after it was written") from None
        if record.get("n") != number - 1:
            raise BadInput(f"{path}: line {number} has number {record.get('n')}; a line is missing or was added")
        found.append(record)
    return found
