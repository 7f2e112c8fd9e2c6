"""The trial ledger: JSON lines that are only ever appended, each chained to the one before by its hash."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalper import log
from scalper.errors import BadInput, Refused

START = "0" * 64
"""What the first line is chained to."""
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """What a ledger holds. `head` is the hash of the last line; `torn` the bytes of a line that was cut off mid-write.

    `problem` is None for a ledger that can be trusted.
    """

    records: int
    head: str
    torn: int
    problem: str | None


def append(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Append the records that are not in the ledger yet; returns how many were new.

    A line that a killed writer left half written is reported and removed first. Writers wait for each other. Raises
    Refused if what is there does not verify, BadInput for a record that is no JSON.
    """
    fresh = [_canonical(record) for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        lines, torn = _lines(path)
        state, known = _walk(path, lines, torn)
        if state.problem:
            raise Refused(f"{state.problem}; restore the file from a copy before anything is added")
        new = [text for text in dict.fromkeys(fresh) if text not in known]
        if not new and not torn:
            return 0
        head, text = state.head, ""
        for number, record in enumerate(new, start=state.records + 1):
            line, head = _line(number, head, record)
            text += line
        with path.open("ab") as file:
            if torn:
                log.warn(f"{path}: line {state.records + 1} was cut off ({torn} bytes) by a killed run; it is removed")
                file.truncate(sum(len(line) + 1 for line in lines))
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        _remember(path, state.records + len(new), head)
    return len(new)


def read(path: Path) -> list[Record]:
    """The records, oldest first; a missing file has none. A line cut off at the end is reported and left out.

    Raises Refused if the chain is broken.
    """
    lines, torn = _lines(path)
    state, _ = _walk(path, lines, torn)
    if state.problem:
        raise Refused(f"{state.problem}; restore the file from a copy")
    if torn:
        log.warn(f"{path}: line {state.records + 1} was cut off ({torn} bytes) by a killed run; it is left out")
    return [json.loads(line)["record"] for line in lines]


def verify(path: Path, head: str | None = None) -> State:
    """Check every line, the remembered head, and that `head` (of a bundle, say) is still in the chain.

    An edited, removed, inserted or exchanged line is found, at the end too. Raises nothing: see `State.problem`.
    """
    lines, torn = _lines(path)
    state, _ = _walk(path, lines, torn)
    if state.problem is None and head is not None and head != START and head not in _hashes(lines):
        problem = f"{path}: the line {head[:12]}… is no longer there: the ledger was cut or rewritten"
        return State(state.records, state.head, torn, problem)
    return state


def _canonical(record: Mapping[str, Any]) -> str:
    try:
        return json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise BadInput(f"a record of the ledger is no JSON ({error}): write None for what is not a number") from None


def _line(number: int, before: str, record: str) -> tuple[str, str]:
    """A line and its hash, which covers the number, the hash before and the record as written."""
    digest = hashlib.sha256(f"{number}\n{before}\n{record}".encode()).hexdigest()
    return f'{{"n":{number},"before":"{before}","hash":"{digest}","record":{record}}}\n', digest


def _lines(path: Path) -> tuple[list[bytes], int]:
    """The whole lines without their end, and the bytes after the last end of line."""
    if not path.is_file():
        return [], 0
    *lines, rest = path.read_bytes().split(b"\n")
    return lines, len(rest)


def _hashes(lines: list[bytes]) -> set[str]:
    return {json.loads(line)["hash"] for line in lines}


def _walk(path: Path, lines: list[bytes], torn: int) -> tuple[State, set[str]]:
    """Follow the chain, and return the records known so far as text."""
    head, known = START, set[str]()
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        expected, digest = _line(number, head, record or "")
        if record is None or line + b"\n" != expected.encode():
            problem = f"{path}: line {number} is not what was written there (edited, removed or exchanged)"
            return State(number - 1, head, torn, problem), known
        head = digest
        known.add(record)
    return State(len(lines), head, torn, _cut(path, lines)), known


def _record(line: bytes) -> str | None:
    try:
        return _canonical(json.loads(line)["record"])
    except (ValueError, KeyError, TypeError, BadInput):
        return None


def _cut(path: Path, lines: list[bytes]) -> str | None:
    """A missing end breaks no link, so the remembered head must be there. A crash leaves it behind, never ahead."""
    note = _note(path)
    if not note.is_file():
        return None
    if (found := re.fullmatch(rb"(\d{1,18}) ([0-9a-f]{64})\n", note.read_bytes())) is None:
        return f"{note}: not what was written there, a number and a hash"
    count, head = int(found[1]), found[2].decode()
    here = json.loads(lines[count - 1])["hash"] if 0 < count <= len(lines) else None
    return None if here == head else f"{path}: line {count} is not there any more: lines were removed at the end"


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _remember(path: Path, count: int, head: str) -> None:
    if count == 0:
        return
    temporary = path.with_name(f".{path.name}.head.{os.getpid()}")
    temporary.write_text(f"{count} {head}\n")
    temporary.replace(_note(path))


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """One writer at a time, over processes and threads."""
    with path.with_name(path.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
