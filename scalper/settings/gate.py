"""Section of the gate: thresholds of its checks."""

from __future__ import annotations

from pydantic import Field

from scalper.settings.base import MOST, Fraction, Positive, Section, Seed


class GateSettings(Section):
    """Thresholds of the gate's checks; strict on purpose."""

    sharpe: float = 1.0
    calmar: float = 0.5
    profit_factor: float = 1.2
    folds: Positive = 12
    trades_per_fold: Positive = 100
    profitable_folds: Fraction = 0.60
    accuracy: Fraction = 0.52
    drawdown: Fraction = 0.20
    calibration_error: Fraction = 0.03
    quarantined: Fraction = 0.03
    coverage: Fraction = 0.99
    parity: float = 1e-6
    inference_ms: float = 10.0
    bootstrap: Positive = 2000
    audit_rows: int = Field(default=2 * MOST, gt=0, le=1000 * MOST)
    """Bars that the look-ahead audit streams and labels anew; of a lane that has more, sessions drawn by the seed."""
    seed: Seed = 1
