"""A search on a hill that costs nothing; run as a program it is a worker that may be killed at a moment of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scalper.learn.search import Axis, Found, Space, Trial, run
from scalper.learn.search.engine import Make, Stop
from scalper.learn.search.space import Point
from scalper.learn.search.storage import open_storage
from scalper.policy import Choice
from scalper.settings import Range, SearchSettings

SAMPLERS = ("tpe", "random", "qmc", "grid", "nsga2")
PLAIN = Choice(0.61, 1.7, 2.3)
SPACE = Space(
    (
        Axis("confidence", Range(low=0.6, high=0.8, step=0.1)),
        Axis("stop_atr", Range(low=1, high=3, step=0.5)),
        Axis("model.depth", listed=(2, 3, 4, 6)),
    ),
    PLAIN,
)
TINY = Space(
    (
        Axis("confidence", Range(low=0.6, high=0.8, step=0.1)),
        Axis("stop_atr", Range(low=1, high=2, step=1)),
        Axis("model.depth", listed=(2, 3)),
    ),
    PLAIN,
)
"""Twelve points."""


class Halt(Exception):
    """Ends a search in the middle."""


def small(sampler: str, *, seed: int = 1, trials: int = 14, windows: int = 1, two: bool = False) -> SearchSettings:
    """Settings of a small search; a grid has room for all of its points."""
    found: dict[str, Any] = {"sampler": sampler, "seed": seed, "windows": windows, "prune": windows > 1}
    found["trials"] = max(trials, 60) if sampler == "grid" else trials
    if two:
        found["objectives"] = ("sharpe", "drawdown")
    return SearchSettings(**found)


def hill(point: Point) -> float:
    """0 at the top, above 0 elsewhere."""
    away = (float(point["confidence"]) - 0.7) ** 2 + (float(point["stop_atr"]) - 2) ** 2
    return away + abs(float(point["model.depth"]) - 3) / 4


def make(by: SearchSettings, tried: list[int] | None = None, height: Callable[[Point], float] | None = None) -> Make:
    """Tries a point on the hill, which is a little higher in every window; a score for each objective."""
    how = height or (lambda point: 1 - hill(point))

    def one(number: int, point: Point, stop: Stop) -> Found:
        if tried is not None:
            tried.append(number)
        steps: list[float] = []
        status = "complete"
        for step in range(by.windows):
            steps.append(how(point) + 0.1 * step)
            if step + 1 < by.windows and stop(step, steps[-1]):
                status = "pruned"
                break
        scores = (steps[-1], abs(steps[-1]))[: len(by.objectives)]
        return Found(status, scores, tuple(steps), {"error": 0.1, "daily": [steps[-1]]})

    return one


def searched(by: SearchSettings, height: Callable[[Point], float] | None = None, space: Space = SPACE) -> list[Trial]:
    """A search from its beginning to its end, in memory."""
    return run(by, space, make(by, None, height), "study", open_storage("memory", Path()))


def main() -> None:
    """A worker: folder for what it found, folder of the journal, settings, and the trial to be killed in (or -1)."""
    folder, place, document, kill = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    by = SearchSettings.model_validate_json(document)

    def one(number: int, point: Point, stop: Stop) -> Found:
        if number == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        return make(by)(number, point, stop)

    found = run(by, SPACE, one, "study", open_storage("journal", place / "a.journal"))
    rows = [{"number": one.number, "point": one.point, "found": one.found.document()} for one in found]
    (folder / "found.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
