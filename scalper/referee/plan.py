"""What the adapter trades from: a session's arrays with the lane's rules and fill model, in memory or in a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np

from scalper.errors import BadInput
from scalper.policy import rules
from scalper.settings import Lane
from scalper.simulate.session import SessionInput, market

ARRAYS = ("bars", "aux", "predictions", "timetable", "norms", "rules", "market")


@dataclass(frozen=True, slots=True)
class Plan:
    """A session: bars (n,) BAR, aux (n,) AUX, predictions (n,) PREDICTION, timetable (1,), norms (MINUTES,) NORM, the
    lane's RULES (1,) and MARKET (1,)."""

    date: date
    contract: str
    bars: np.ndarray
    aux: np.ndarray
    predictions: np.ndarray
    timetable: np.ndarray
    norms: np.ndarray
    rules: np.ndarray
    market: np.ndarray

    @classmethod
    def of(cls, lane: Lane, one: SessionInput) -> Self:
        """The plan of a session of the lane."""
        arrays = (one.bars, one.aux, one.predictions, one.timetable, one.norms)
        return cls(one.date, one.contract, *arrays, rules(lane, one.choice), market(lane.simulation))

    @classmethod
    def load(cls, path: Path) -> Self:
        """A plan that `save` wrote. Raises BadInput for another file."""
        try:
            with np.load(path, allow_pickle=False) as found:
                day, contract = found["session"].tolist()
                return cls(date.fromisoformat(day), contract, *(found[name] for name in ARRAYS))
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"{path}: not a session's plan ({error}); export the lane again") from None

    def save(self, path: Path) -> None:
        """Write the plan as one file of arrays."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        np.savez_compressed(path, session=np.array([self.date.isoformat(), self.contract]), **arrays)

    @property
    def fee_cents(self) -> int:
        """Commission and fee of a contract, one way."""
        return int(self.rules["commission_cents"][0])

    @property
    def interval_ns(self) -> int:
        """Length of a bar."""
        return int(self.timetable["interval_ns"][0])

    def end_ns(self, index: int) -> int:
        """When bar `index` ends."""
        return int(self.bars["ts_ns"][index]) + self.interval_ns
