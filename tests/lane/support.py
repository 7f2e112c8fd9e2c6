"""A small lane on a simulated market."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from scalper.gate.verdict import Verdict
from scalper.settings import Home, Lane

FOLDS: dict[str, object] = {
    "unit": "sessions",
    "train": 10,
    "validate": 7,
    "test": 3,
    "step": 3,
    "holdout_sessions": 5,
}
TINY: dict[str, object] = {
    "name": "tiny",
    "symbol": "MES",
    "source": "sandbox",
    "interval": "1m",
    "sandbox": {"edge": 2.0},
    "start": "2025-02-03",
    "end": "2025-03-21",  # over the roll of 2025-03-17
    "features": {"ema": [9, 21, 40], "higher": ["5m", "15m"]},
    "labels": {"horizon": 8},
    "folds": FOLDS,
    "model": {"rounds": 30, "learning_rate": 0.2, "min_child_weight": 5},
    "search": {"trials": 6},
    "policy": {"max_trades": 40},
}


def write_lane(folder: Path, **changes: object) -> Path:
    """A lane file in `folder`."""
    document = TINY | changes
    path = folder / f"{document['name']}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@dataclass(frozen=True)
class Ran:
    """A lane that was run to its verdict."""

    path: Path
    lane: Lane
    home: Home
    verdict: Verdict
