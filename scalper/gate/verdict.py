"""The verdict: GO only if every check passed, with the three reasons that decide it, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from scalper.errors import Refused
from scalper.gate.check import Check

REASONS = 3
FAILURES = (
    # first what makes every other figure worthless, then what says that there is no edge, then how fragile it is
    *("audit", "data", "parity.replay", "parity.stream", "parity.onnx", "eod"),
    *("holdout", "oos.skill", "wf.sharpe", "stress", "wf.profit_factor", "wf.folds"),
    *("risk.drawdown", "risk.day", "concentration", "wf.recent", "wf.calmar", "calibration", "latency"),
)
"""Which failure a person should hear of first."""
PROTECTIONS = (
    *("holdout", "wf.sharpe", "oos.skill", "stress", "concentration", "wf.profit_factor", "wf.folds", "audit"),
    *("wf.recent", "risk.drawdown", "risk.day", "wf.calmar", "calibration", "data"),
    *("parity.replay", "parity.stream", "parity.onnx", "eod", "latency"),
)
"""Which passed check says most for the lane."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A lane's verdict at a stage. A NO-GO is an answer, not an error."""

    verdict: Literal["GO", "NO-GO"]
    stage: str
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]
    """The three that decide, weightiest first."""
    bundle: Path | None = None
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds each stage of the run took."""

    @property
    def go(self) -> bool:
        """Whether the lane may go on."""
        return self.verdict == "GO"

    def at(self, bundle: Path | None, seconds: Mapping[str, float]) -> Verdict:
        """The same verdict with its bundle and the seconds it took."""
        return replace(self, bundle=bundle, seconds=seconds)

    def as_dict(self) -> dict[str, Any]:
        """The document of `run`, `demo` and `gate` with --json."""
        return {
            "verdict": self.verdict,
            "stage": self.stage,
            "checks": [one.as_dict() for one in self.checks],
            "reasons": list(self.reasons),
            "bundle": None if self.bundle is None else str(self.bundle),
            "seconds": dict(self.seconds),
        }


def decide(checks: Sequence[Check], stage: str = "PAPER") -> Verdict:
    """GO if every check passed, NO-GO if one failed or could not be evaluated.

    Raises Refused for no checks, or one that is there twice: such a verdict would mean nothing.
    """
    if not checks or len({one.id for one in checks}) != len(checks):
        raise Refused("a verdict needs checks, each once; evaluate the gate again")
    failed = [one for one in checks if not one.passed]
    order = FAILURES if failed else PROTECTIONS

    def weight(one: Check) -> int:
        """Place in the order; a replay or a flat time without a trade only says that the lane does not trade."""
        idle = one.id in ("parity.replay", "eod") and one.status == "CANNOT EVALUATE"
        return order.index(one.id) if one.id in order and not idle else len(order)

    chosen = sorted(failed or checks, key=weight)
    reasons = tuple(f"{one.id}: {one.detail}" for one in chosen[:REASONS])
    return Verdict("NO-GO" if failed else "GO", stage, tuple(checks), reasons)
