"""The record of the final hold-out: it is opened once, by one recipe."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a hold-out; `refused` says why a later recipe may not look, else None."""

    opened_at: str
    lane: str
    recipe: str
    data: str
    first: str
    last: str
    sessions: int
    first_opening: bool = True
    refused: str | None = None


def open_holdout(path: Path, days: Sequence[date], *, lane: str, recipe: str, data: str, now: str) -> Opening:
    """Open the hold-out `days` for a recipe, once.

    The same recipe on the same data is answered from the record. Another recipe is refused on every session that has
    been seen before: its hold-out must be new sessions. `path` is an append-only JSON-lines file.
    """
    wanted = Opening(now, lane, recipe, data, days[0].isoformat(), days[-1].isoformat(), len(days))
    for seen in _read(path):
        if seen.recipe == recipe and seen.data == data:
            return replace(seen, first_opening=False)
        if seen.first <= wanted.last and wanted.first <= seen.last:
            why = (
                f"sessions {seen.first} to {seen.last} were opened on {seen.opened_at} by recipe {seen.recipe[:12]} of "
                f"lane {seen.lane}; another recipe needs sessions that nobody has seen (wait for new ones, or give a "
                "sandbox lane another --seed)"
            )
            return replace(wanted, first_opening=False, refused=why)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(asdict(wanted), sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return wanted


def _read(path: Path) -> list[Opening]:
    if not path.exists():
        return []
    return [Opening(**json.loads(line)) for line in path.read_text().splitlines() if line.endswith("}")]
