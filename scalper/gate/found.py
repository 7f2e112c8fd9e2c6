"""What an audit found: how many of the lane's rows it looked at, and the first thing that is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Result = dict[str, Any]
"""One audit: id, passed, detail (on failure the column and the first offending time, if it has one), rows looked at, of
how many rows the lane has, and coverage, their ratio."""
AGAIN = "; run the lane again, which makes damaged and edited files anew"
"""The end of a message on a stored file: what to do about it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One look: `rows` of the lane's feature rows it covers, what is wrong (None: nothing), and what was counted."""

    rows: int = 0
    wrong: str | None = None
    counts: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class Tally:
    """The looks of one audit, added up; the first that finds something wrong ends it."""

    id: str
    rows: int = 0
    looks: int = 0
    wrong: str | None = None
    counts: Counter[str] = field(default_factory=Counter[str])

    def add(self, found: Found) -> None:
        """Take one more look."""
        self.looks += 1
        self.rows += found.rows
        self.wrong = self.wrong or found.wrong
        self.counts.update(found.counts)

    def result(self, of: int) -> Result:
        """The audit's result. An audit that had nothing to look at has failed: it proves nothing."""
        empty = [name for name, count in self.counts.items() if count == 0]
        wrong = self.wrong
        if wrong is None and (self.rows == 0 or empty):
            wrong = f"nothing was audited: no {', no '.join(empty) or 'row'} to look at"
        counted = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        return {
            "id": f"audit.{self.id}",
            "passed": wrong is None,
            "detail": wrong or counted,
            "coverage": round(min(self.rows / of, 1.0), 4) if of else 0.0,
            "rows": self.rows,
            "of": of,
        }
