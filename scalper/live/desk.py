"""A lane's desk: its lock, its heartbeat, its halt flag, and what a person does at it.

Everything is a small file below `<home>/state`, so a person can look, halt and resume with nothing else running.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from scalper import clock
from scalper.errors import BadInput, Refused
from scalper.files import write_json
from scalper.live.account import AccountFile, read_json
from scalper.live.journal import fields
from scalper.policy import account as person
from scalper.policy import rules
from scalper.settings import Home, Lane

Verb = Literal["clear-review", "reset-kill", "deposit", "withdraw"]
NONE = "lane {lane} has no paper account yet; its first paper session opens one"


class Desk:
    """The files of one lane; `home` says where."""

    def __init__(self, home: Home, lane: str) -> None:
        self.lane = lane
        live = home.state / "live"
        self.heartbeat, self.flag, self.lock = live / f"{lane}.json", live / f"{lane}.halt", live / f"{lane}.lock"
        self.halts = live / f"{lane}.halts.jsonl"
        self.account = AccountFile(home, lane)

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


def change_account(home: Home, lane: Lane, verb: Verb, who: str, why: str, cents: int = 0) -> dict[str, Any]:
    """Change the paper account of a lane that is not running; recorded with who, why and every field that moved.

    `cents` is what a deposit or a withdrawal moves. Raises Refused while the lane runs, with a position open, or when
    there is nothing to change; BadInput without who or why.
    """
    if not who.strip() or not why.strip():
        raise BadInput("--who and --why: say both; they are what the record is for")
    desk = Desk(home, lane.name)
    with desk.occupied():
        kept = desk.account.kept(lane.risk)
        if kept is None:
            raise Refused(NONE.format(lane=lane.name))
        after = _changed(kept.account, rules(lane), verb, cents)
        was, now = fields(kept.account[0]), fields(after[0])
        moved = {key: [was[key], now[key]] for key in now if was[key] != now[key]}
        found = {"what": verb, "who": who, "why": why, "at": clock.iso(clock.now_ns()), "moved": moved}
        desk.account.keep(replace(kept, account=after), found, sync=True)
    return found


def _changed(account: np.ndarray, limits: np.ndarray, verb: Verb, cents: int) -> np.ndarray:
    match verb:
        case "clear-review":
            return person.clear_review(account)
        case "reset-kill":
            return person.reset_kill(account, limits)
        case "deposit":
            return person.deposit(account, limits, cents)
        case "withdraw":
            return person.withdraw(account, limits, cents)


def account_of(home: Home, lane: Lane) -> dict[str, Any]:
    """The paper account, how far it is from the limits that outlive a session, and what people changed.

    Raises Refused if there is none, and as `AccountFile.kept` does.
    """
    file = AccountFile(home, lane.name)
    kept, found = file.kept(lane.risk), file.shown()
    if kept is None or found is None:
        raise Refused(NONE.format(lane=lane.name))
    return found | {"limits": person.limits(kept.account, rules(lane))}


def status(home: Home, lane: str) -> dict[str, Any]:
    """What a person wants to know: who runs the lane, its last heartbeat, a halt, the paper account and its changes."""
    desk = Desk(home, lane)
    return {
        "lane": lane,
        "pid": desk.runner(),
        "heartbeat": read_json(desk.heartbeat),
        "halt": desk.halted(),
        "account": desk.account.summary(),
    }
