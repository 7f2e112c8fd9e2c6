"""The record of what has been seen out of sample: a hold-out is opened once, by one recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from scalper.files import locked
from scalper.learn import ledger

PATH, HOLDOUT = "path", "holdout"


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a hold-out; `refused` says why a later recipe may not look, else None.

    recipe: digest of configuration and code; data: of the hold-out's rows; model: of the final model and its choice.
    """

    opened_at: str
    lane: str
    recipe: str
    data: str
    model: str
    first: str
    last: str
    sessions: int
    first_opening: bool = True
    refused: str | None = None


def open_holdout(
    path: Path, days: Sequence[date], *, lane: str, recipe: str, data: str, model: str, now: str
) -> Opening:
    """Open the hold-out `days` for a recipe, once.

    The same recipe and model on the same data is answered from the record. Anything else is refused on every session
    that was seen before, in a hold-out or on a walk-forward path. `path` is an append-only, hash-chained ledger, one an
    underlying. Raises Refused if the record was tampered with.
    """
    wanted = Opening(now, lane, recipe, data, model, days[0].isoformat(), days[-1].isoformat(), len(days))
    with locked(path.with_suffix("")):  # nobody else reads, checks and appends meanwhile
        for row in ledger.read(path):
            kind = row["kind"]
            if kind == HOLDOUT and [row[key] for key in ("recipe", "data", "model")] == [recipe, data, model]:
                return replace(wanted, opened_at=row["opened_at"], lane=row["lane"], first_opening=False)
            if _meets(row, days):
                how = "opened" if kind == HOLDOUT else "walked over"
                when = f" on {row['opened_at']}" if kind == HOLDOUT else ""
                why = (
                    f"sessions {row['first']} to {row['last']} were {how}{when} by recipe {row['recipe'][:12]} of lane "
                    f"{row['lane']}; another recipe, model or data needs sessions that nobody has seen (wait for new "
                    "ones, or give a sandbox lane another --seed)"
                )
                return replace(wanted, first_opening=False, refused=why)
        content = {key: value for key, value in asdict(wanted).items() if key not in ("first_opening", "refused")}
        ledger.append(path, [{"kind": HOLDOUT, **content}])
    return wanted


def note_path(path: Path, days: Sequence[date], *, lane: str, recipe: str) -> None:
    """Record that a walk-forward path has seen these sessions: they are no hold-out for anybody any more."""
    span = {"first": days[0].isoformat(), "last": days[-1].isoformat()}
    with locked(path.with_suffix("")):  # nobody else reads, checks and appends meanwhile
        ledger.append(path, [{"kind": PATH, "lane": lane, "recipe": recipe, **span}])


def seen(path: Path, days: Sequence[date]) -> list[ledger.Record]:
    """What is recorded of any of these sessions, oldest first: openings of hold-outs and paths.

    Raises Refused if the record was tampered with.
    """
    return [row for row in ledger.read(path) if _meets(row, days)]


def _meets(row: ledger.Record, days: Sequence[date]) -> bool:
    """Whether a record speaks of any of these sessions."""
    return row["first"] <= days[-1].isoformat() and days[0].isoformat() <= row["last"]
