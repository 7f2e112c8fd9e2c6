"""A lane's desk: its lock, its heartbeat, its halt flag, and the account that survives restarts.

Everything is a small file below `<home>/state`, so a person can look, halt and resume with nothing else running.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from scalper import clock
from scalper.errors import BadInput, Refused
from scalper.files import write_json
from scalper.live.journal import fields
from scalper.policy import ACCOUNT
from scalper.settings import Home
from scalper.simulate.kernel import BOOK

VERSION = 1


def read_json(path: Path) -> dict[str, Any] | None:
    """A document, None if there is none. Raises BadInput if it is damaged."""
    try:
        found: Any = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadInput(f"{path}: no JSON ({error}); restore the file or remove it") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: a JSON object was expected; restore the file or remove it")
    return found  # pyright: ignore[reportUnknownVariableType]


@dataclass(frozen=True, slots=True)
class Kept:
    """A paper account on disk: account (1,) of ACCOUNT, book (1,) of BOOK, and how far its last session came."""

    account: np.ndarray
    book: np.ndarray
    session: date
    last_ns: int
    """Start of the last bar that was decided on."""
    complete: bool
    """The session was closed; if not, it was interrupted and can be gone on with."""


class Desk:
    """The files of one lane; `home` says where."""

    def __init__(self, home: Home, lane: str) -> None:
        self.lane = lane
        live = home.state / "live"
        self.heartbeat, self.flag, self.lock = live / f"{lane}.json", live / f"{lane}.halt", live / f"{lane}.lock"
        self.halts = live / f"{lane}.halts.jsonl"
        self.account = home.state / "account" / f"{lane}.json"

    @contextmanager
    def occupied(self) -> Generator[None]:
        """Hold the lane's lock; the system frees it when the process dies. Raises Refused naming who has it."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with self.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                who = file.read().strip() or "unknown"
                raise Refused(f"lane {self.lane} is run by process {who} already; stop it first") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def runner(self) -> int | None:
        """The process that holds the lane's lock, None if nobody does."""
        try:
            with self.lock.open("r") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read().strip() or 0)
        except FileNotFoundError:
            pass
        return None

    def halted(self) -> dict[str, Any] | None:
        """Who halted the lane, when and why; None if nobody did. A damaged flag is a halt."""
        try:
            return read_json(self.flag)
        except BadInput:
            return {"who": "unknown", "why": f"{self.flag.name} is damaged", "at": "unknown"}

    def keep(self, kept: Kept, capital_cents: int, *, sync: bool) -> None:
        """Save the paper account."""
        document = {
            "version": VERSION,
            "lane": self.lane,
            "saved": clock.iso(clock.now_ns()),
            "capital_cents": capital_cents,
            "session": kept.session.isoformat(),
            "last_ns": kept.last_ns,
            "complete": kept.complete,
            "account": fields(kept.account[0]),
            "book": fields(kept.book[0]),
        }
        write_json(self.account, document, sync=sync)

    def kept(self, capital_cents: int) -> Kept | None:
        """The paper account, None if there is none yet.

        Raises BadInput if the file is damaged or of another version, Refused if it was opened with another capital.
        """
        found = read_json(self.account)
        if found is None:
            return None
        remedy = "move the file away to open a new paper account"
        if found.get("version") != VERSION:
            raise BadInput(f"{self.account}: version {found.get('version')}, this program reads {VERSION}; {remedy}")
        if found["capital_cents"] != capital_cents:
            raise Refused(
                f"{self.account}: opened with ${found['capital_cents'] / 100:,.2f}, the lane has "
                f"${capital_cents / 100:,.2f} and its limits are shares of that; {remedy}"
            )
        try:
            account, book = _record(found["account"], ACCOUNT), _record(found["book"], BOOK)
            return Kept(account, book, date.fromisoformat(found["session"]), found["last_ns"], found["complete"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{self.account}: {error} is missing or wrong; {remedy}") from None


def _record(found: dict[str, Any], dtype: np.dtype[Any]) -> np.ndarray:
    names = dtype.names or ()
    if set(found) != set(names):
        raise ValueError(f"fields {sorted(set(found) ^ set(names))}")
    row = np.zeros(1, dtype)
    for name in names:
        row[name] = found[name]
    return row


def _record_halt(desk: Desk, what: str, who: str, why: str) -> dict[str, Any]:
    found = {"what": what, "who": who, "why": why, "at": clock.iso(clock.now_ns())}
    desk.halts.parent.mkdir(parents=True, exist_ok=True)
    with desk.halts.open("a") as file:
        file.write(json.dumps(found) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return found


def halt(home: Home, lane: str, who: str, why: str) -> dict[str, Any]:
    """Stop trading at the next bar: no entry, and what is open is closed. Holds until `resume`; recorded."""
    desk = Desk(home, lane)
    found = _record_halt(desk, "halt", who, why)
    write_json(desk.flag, found, sync=True)
    return found


def resume(home: Home, lane: str, who: str, why: str) -> dict[str, Any]:
    """Take a halt back; recorded. Raises Refused if the lane is not halted."""
    desk = Desk(home, lane)
    if desk.halted() is None:
        raise Refused(f"lane {lane} is not halted; nothing to resume")
    found = _record_halt(desk, "resume", who, why)
    desk.flag.unlink(missing_ok=True)
    return found


def status(home: Home, lane: str) -> dict[str, Any]:
    """What a person wants to know: who runs the lane, its last heartbeat, a halt, and the paper account."""
    desk = Desk(home, lane)
    account = read_json(desk.account)
    money: dict[str, Any] | None = None
    if account is not None:
        row = account["account"]
        money = {key: row[f"{key}_cents"] / 100 for key in ("cash", "equity", "peak")}
        money |= {key: row[key] for key in ("kill", "review", "side", "contracts")}
        money |= {key: account[key] for key in ("saved", "session", "complete")}
    return {
        "lane": lane,
        "pid": desk.runner(),
        "heartbeat": read_json(desk.heartbeat),
        "halt": desk.halted(),
        "account": money,
    }
