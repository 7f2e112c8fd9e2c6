"""The paper account on disk: `<home>/state/account/<lane>.json`, and beside it the record of what people changed.

The file is the commit point and is replaced whole. A change by a person travels inside it until it stands in the record
(`<lane>.jsonl`, chained line by line as the trial ledger is), so a process that dies in between loses neither. The
record must verify, and its sums must be the account's, before anything is made of the account.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from scalper import clock, log
from scalper.errors import BadInput, Refused, ScalperError
from scalper.files import locked, write_json
from scalper.learn import ledger
from scalper.live import parsed
from scalper.live.journal import fields
from scalper.policy import ACCOUNT, Gate, open_account
from scalper.policy.records import VERSION
from scalper.settings import Home, Lane, RiskSettings
from scalper.simulate import new_book
from scalper.simulate.kernel import BOOK

FIXED = ("capital", "account", "share", "firm")
"""Keys of `risk` that an account keeps for life; the other limits may change with the lane's configuration."""
Change = dict[str, Any]
"""What a person changed: what, who, why, at, and the fields before and after."""
SUMS = ("deposits_cents", "forgiven_cents")
"""Fields of an account that only people change, so the record adds up to them."""


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
    """A paper account: account (1,) of ACCOUNT, book (1,) of BOOK, and how far its last session came."""

    risk: RiskSettings
    account: np.ndarray
    book: np.ndarray
    session: date | None
    """None: opened, and nothing traded yet."""
    last_ns: int
    """Start of the last bar that was decided on."""
    complete: bool
    """The session was closed; if not, it was interrupted and can be gone on with."""


def opened(lane: Lane) -> Kept:
    """A new account with the lane's share of the capital."""
    return Kept(lane.risk, open_account(lane), new_book(), None, 0, True)


class AccountFile:
    """The paper account of one lane; `home` says where."""

    def __init__(self, home: Home, lane: str) -> None:
        self.lane = lane
        self.path = home.state / "account" / f"{lane}.json"
        self.record = self.path.with_suffix(".jsonl")

    def keep(self, kept: Kept, change: Change | None = None, *, sync: bool) -> None:
        """Save the account, and put a person's change into the record.

        Once the file is replaced the change stands: what keeps it out of the record then is a warning and no error, for
        whoever is told of an error makes the change again.
        """
        document = {
            "version": VERSION,
            "lane": self.lane,
            "saved": clock.iso(clock.now_ns()),
            "risk": kept.risk.model_dump(mode="json"),
            "session": kept.session and kept.session.isoformat(),
            "last_ns": kept.last_ns,
            "complete": kept.complete,
            "account": fields(kept.account[0]),
            "book": fields(kept.book[0]),
            "change": change,
        }
        if change is None:
            write_json(self.path, document, sync=sync)
            return
        self.record.open("ab").close()  # one that cannot be written is found before anything is booked
        try:
            write_json(self.path, document, sync=True)
            ledger.append(self.record, [change])
        except (OSError, Refused, KeyboardInterrupt) as error:
            if (read_json(self.path) or {}).get("change") != change:
                raise
            log.warn(
                f"{change['what']}: booked, do not make it again; {self.record} was not written "
                f"({str(error) or 'interrupted'}) and is finished when the account is next read"
            )

    def kept(self, risk: RiskSettings) -> Kept | None:
        """The account, None if there is none yet.

        Raises BadInput if the file is damaged or of another version, Refused if it was opened with another capital,
        share, account or firm, or if its record does not verify or does not add up to it.
        """
        if (opened := self._open()) is None:
            return None
        _, kept, _ = opened
        for key in FIXED:
            was, wanted = getattr(kept.risk, key), getattr(risk, key)
            if was != wanted:
                raise Refused(
                    f"{self.path}: opened with `risk.{key}` {was}, the lane has {wanted} and its limits are shares of "
                    f"what an account was opened with; {REMEDY}"
                )
        return replace(kept, risk=risk)

    def risk(self) -> RiskSettings | None:
        """The limits that the account trades under, None if there is no account."""
        found = self._document()
        return None if found is None else self._read(found).risk

    def summary(self) -> dict[str, Any] | None:
        """The account for a person, money in dollars, with what people changed; None if there is none.

        One that cannot be read, or whose record does not verify, says why under `problem`.
        """
        try:
            return self.shown()
        except (ScalperError, OSError) as error:
            return {"problem": str(error)}

    def shown(self) -> dict[str, Any] | None:
        """As `summary`, but raises what `kept` raises of files that do not fit."""
        if (opened := self._open()) is None:
            return None
        found, kept, changes = opened
        row = fields(kept.account[0])
        money = {key: row[f"{key}_cents"] / 100 for key in ("cash", "equity", "peak", "deposits", "forgiven")}
        state = {key: row[key] for key in ("kill", "review", "firm", "side", "contracts")}
        state["blocked"] = Gate(row["blocked"]).name.lower() if row["blocked"] else None
        of = {"account": kept.risk.account, "share": kept.risk.share}
        return money | state | of | {key: found[key] for key in ("saved", "session", "complete")} | {"changes": changes}

    def _document(self) -> dict[str, Any] | None:
        found = read_json(self.path)
        if found is not None and found.get("version") != VERSION:
            raise BadInput(f"{self.path}: version {found.get('version')}, this program reads {VERSION}; {REMEDY}")
        return found

    def _open(self) -> tuple[dict[str, Any], Kept, list[Change]] | None:
        """The document, its account and what people changed, when all agree; None without an account.

        Then the record gets the change that was saved by a process which died before it was recorded.
        """
        changes = ledger.read(self.record)  # first: a change that is made in between travels inside the account
        found = self._document()
        if found is None:
            self._demand_sums(changes, {})
            return None
        kept, change = self._read(found), found["change"]
        missing = [] if change is None or change in changes else [change]
        self._demand_sums(changes + missing, fields(kept.account[0]))
        if missing:
            ledger.append(self.record, missing)
        return found, kept, changes + missing

    def _demand_sums(self, changes: list[Change], account: dict[str, Any]) -> None:
        """A record that was removed, or is another account's, verifies as well; it adds up to something else."""
        try:
            moves = parsed.moves(changes)
        except ValidationError:
            raise Refused(
                f"{self.record}: not every line is a change of an account; restore it from a copy, or {REMEDY}"
            ) from None
        for name in SUMS:
            recorded = sum(move[name][1] - move[name][0] for move in moves if name in move)
            if recorded != account.get(name, 0):
                raise Refused(
                    f"{self.record}: the changes add up to {name} {recorded}, the account has {account.get(name, 0)}: "
                    f"one of the two was removed or exchanged; restore both from a copy, or {REMEDY}"
                )

    def _read(self, found: dict[str, Any]) -> Kept:
        part = "risk"
        try:
            risk = RiskSettings.model_validate(found["risk"])
            account, book = parsed.row(found["account"], ACCOUNT), parsed.row(found["book"], BOOK)
            session = None if found["session"] is None else date.fromisoformat(found["session"])
            if type(found["complete"]) is not bool or type(found["saved"]) is not str:
                raise ValueError("complete or saved")
            part = "change"
            parsed.change(found["change"])
            return Kept(risk, account, book, session, parsed.whole("last_ns", found["last_ns"]), found["complete"])
        except ValidationError as error:
            keys = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
            raise BadInput(f"{self.path}: {part}: {keys or 'keys contradict one another'}; {REMEDY}") from None
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{self.path}: {error} is missing or wrong; {REMEDY}") from None


REMEDY = "move the file away, and its record (.jsonl and .jsonl.head) with it, to open a new paper account"


def risks(home: Home) -> dict[str, RiskSettings]:
    """The limits of all paper accounts on disk, by their file. Raises BadInput for one that cannot be read."""
    found: dict[str, RiskSettings] = {}
    for path in sorted((home.state / "account").glob("*.json")):
        risk = AccountFile(home, path.stem).risk()
        if risk is not None:
            found[path.name] = risk
    return found


@contextmanager
def taking_shares(home: Home) -> Generator[None]:
    """One executor at a time looks at the shares that are taken and takes its own."""
    with locked(home.state / "account" / "shares"):
        yield
