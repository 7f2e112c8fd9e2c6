"""What a session's run came to, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from scalper.live.protocols import Mode


@dataclass(frozen=True, slots=True)
class SessionReport:
    """The session report. Money in dollars; `decisions` are those that asked for an action; latencies in ms.

    `latency_ms`: `decide_` is from the bar's arrival to the decision, `bar_` to the end of everything that the bar led
    to, journal and saved account included.
    """

    lane: str
    mode: Mode
    session: date
    contract: str
    data: str
    why: str
    bars: int
    decisions: int
    trades: int
    late: int
    """Trades closed after the flat time."""
    halts: int
    net: float
    cash: float
    refusals: dict[str, int]
    """Bars without an action, by the gate that had the last word."""
    changed: dict[str, int]
    """Entries whose size a factor changed, by the factor."""
    latency_ms: dict[str, float]
    journal: Path | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return asdict(self) | {"session": self.session.isoformat(), "journal": self.journal and str(self.journal)}

    def text(self) -> str:
        """A few lines for a person."""
        gates = ", ".join(f"{gate.replace('_', ' ')} {n}" for gate, n in list(self.refusals.items())[:6]) or "none"
        sizes = ", ".join(f"{factor.replace('_', ' ')} {n}" for factor, n in self.changed.items() if n) or "none"
        speed = ", ".join(f"{key.replace('_', ' ')} {ms:.3f} ms" for key, ms in self.latency_ms.items()) or "none"
        lines = [
            f"{self.lane} {self.mode} {self.session} {self.contract} ({self.data}): {self.why}",
            f"  {self.bars} bars, {self.decisions} decisions, {self.trades} trades, net ${self.net:,.2f}, "
            f"cash ${self.cash:,.2f}",
            f"  no action: {gates}",
            f"  size changed: {sizes}",
            f"  latency: {speed}",
        ]
        if self.late or self.halts:
            lines.append(f"  late exits: {self.late}, halts by a person: {self.halts}")
        return "\n".join(lines)
