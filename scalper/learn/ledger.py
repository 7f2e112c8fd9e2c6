"""The trial ledger: JSON lines that are only ever appended, each chained to the one before by its hash.

A process remembers what it has verified of a file and walks only what its writers appended since. Beside the file lie
`.head`, the last line's number and hash, and `.lock`, in which each writer leaves how it left the file: when anything
else has touched the file since, the whole chain is walked again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalper import log
from scalper.errors import BadInput, Refused
from scalper.files import write_bytes

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
    """Append the records that are not in the ledger yet, and sync them to the disk; returns how many were new.

    A line that a killed writer left half written is reported and removed first. Writers wait for each other. Raises
    Refused if what is there does not verify, BadInput for a record that is no JSON.
    """
    fresh = dict.fromkeys(_canonical(record) for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as lock:
        chain = _resume(path, os.pread(lock, _STAMP, 0))
        if chain.problem:
            raise Refused(f"{chain.problem}; restore the file from a copy before anything is added")
        new = [text for text in fresh if _digest(text) not in chain.known]
        if new or chain.torn:
            _write(path, chain, new)
        if chain.heads:
            _remember(path, chain, lock)
        _VERIFIED[str(path.absolute())] = chain
    return len(new)


def read(path: Path) -> list[Record]:
    """The records, oldest first; a missing file has none. A line cut off at the end is reported and left out.

    Walks the whole chain. Raises Refused if it is broken.
    """
    data = _bytes(path)
    chain = _whole(path, data)
    if chain.problem:
        raise Refused(f"{chain.problem}; restore the file from a copy")
    if chain.torn:
        log.warn(f"{path}: line {len(chain.heads) + 1} was cut off ({chain.torn} bytes) by a killed run; left out")
    return [json.loads(line)["record"] for line in data.split(b"\n")[:-1]]


def verify(path: Path, head: str | None = None) -> State:
    """Check every line, the remembered head, and that `head` (of a bundle, say) is still in the chain.

    An edited, removed, inserted or exchanged line is found, at the end too. Raises nothing: see `State.problem`.
    """
    chain = _whole(path, _bytes(path))
    if chain.problem is None and head is not None and head not in (START, *chain.heads):
        chain.problem = f"{path}: the line {head[:12]}… is no longer there: the ledger was cut or rewritten"
    return State(len(chain.heads), chain.head, chain.torn, chain.problem)


def _canonical(record: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise BadInput(f"a record of the ledger is no JSON ({error}): write None for what is not a number") from None


def _digest(record: bytes) -> bytes:
    return hashlib.blake2b(record, digest_size=16).digest()


def _line(number: int, before: str, record: bytes) -> tuple[bytes, str]:
    """A line without its end and its hash, which covers the number, the hash before and the record as written."""
    digest = hashlib.sha256(f"{number}\n{before}\n".encode() + record).hexdigest()
    return f'{{"n":{number},"before":"{before}","hash":"{digest}","record":'.encode() + record + b"}", digest


@dataclass(slots=True)
class _Chain:
    """What is known of a file, from its first line on: the hash of every line and the digest of every record."""

    heads: list[str] = field(default_factory=list[str])
    known: set[bytes] = field(default_factory=set[bytes])
    size: int = 0
    """Bytes of the whole lines."""
    last: bytes = b""
    """The last line."""
    torn: int = 0
    problem: str | None = None

    @property
    def head(self) -> str:
        return self.heads[-1] if self.heads else START

    def walk(self, path: Path, data: bytes) -> None:
        """Follow the chain through the bytes after `size`."""
        *lines, rest = data.split(b"\n")
        self.torn = len(rest)
        for line in lines:
            number = len(self.heads) + 1
            record = line[len(_line(number, self.head, b"")[0]) - 1 : -1]
            expected, digest = _line(number, self.head, record)
            if line != expected:
                self.problem = f"{path}: line {number} is not what was written there (edited, removed or exchanged)"
                return
            self.add(line, digest, record)

    def add(self, line: bytes, digest: str, record: bytes) -> None:
        """One line more."""
        self.heads.append(digest)
        self.known.add(_digest(record))
        self.size += len(line) + 1
        self.last = line


_VERIFIED: dict[str, _Chain] = {}
"""What this process has verified, by the file's path; only for the writer that holds the file's lock."""
_STAMP = 120


def _whole(path: Path, data: bytes) -> _Chain:
    """The whole chain walked, and held against the remembered head."""
    chain = _Chain()
    chain.walk(path, data)
    chain.problem = chain.problem or _cut(path, chain)
    return chain


def _resume(path: Path, left: bytes) -> _Chain:
    """The verified chain. `left` is how the last writer left the file.

    If nobody has touched the file since, all that this process has not verified was appended by writers who had
    verified it; else, or if the end that it remembers is not there, the whole chain is walked.
    """
    chain = _VERIFIED.pop(str(path.absolute()), None)
    if chain is None or not left or left != _stamp(path):
        return _whole(path, _bytes(path))
    with path.open("rb") as file:
        file.seek(chain.size - len(chain.last) - 1)
        if file.read(len(chain.last) + 1) != chain.last + b"\n":
            return _whole(path, _bytes(path))
        chain.walk(path, file.read())
    chain.problem = chain.problem or _cut(path, chain)
    return chain


def _write(path: Path, chain: _Chain, new: Iterable[bytes]) -> None:
    """Append records behind the chain's last whole line."""
    lines: list[tuple[bytes, str, bytes]] = []
    head = chain.head
    for number, record in enumerate(new, start=len(chain.heads) + 1):
        line, head = _line(number, head, record)
        lines.append((line, head, record))
    with path.open("ab") as file:
        if chain.torn:
            log.warn(
                f"{path}: line {len(chain.heads) + 1} was cut off ({chain.torn} bytes) by a killed run; it is removed"
            )
            file.truncate(chain.size)
        file.write(b"".join(line + b"\n" for line, _, _ in lines))
        file.flush()
        os.fsync(file.fileno())
    chain.torn = 0
    for one in lines:
        chain.add(*one)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _stamp(path: Path) -> bytes:
    """Which file it is, how long, and when its bytes and its entry were last changed; always of one length."""
    if not path.is_file():
        return b""
    found = path.stat()
    words = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return " ".join(map(str, words)).encode().ljust(_STAMP)


def _cut(path: Path, chain: _Chain) -> str | None:
    """A missing end breaks no link, so the remembered head must be there. A crash leaves it behind, never ahead."""
    note = _note(path)
    if not note.is_file():
        return None
    if (found := re.fullmatch(rb"(\d{1,18}) ([0-9a-f]{64})\n", note.read_bytes())) is None:
        return f"{note}: not what was written there, a number and a hash"
    count, head = int(found[1]), found[2].decode()
    here = chain.heads[count - 1] if 0 < count <= len(chain.heads) else None
    return None if here == head else f"{path}: line {count} is not there any more: lines were removed at the end"


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _remember(path: Path, chain: _Chain, lock: int) -> None:
    note = f"{len(chain.heads)} {chain.head}\n".encode()
    if _bytes(_note(path)) != note:
        write_bytes(_note(path), note)
    os.pwrite(lock, _stamp(path), 0)


@contextmanager
def _locked(path: Path) -> Generator[int]:
    """One writer at a time, over processes and threads."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)
