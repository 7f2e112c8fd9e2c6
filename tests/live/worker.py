"""A process of its own that trades a session of the tiny lane, to be killed from outside."""

from __future__ import annotations

import sys
from pathlib import Path

from scalper.lake import Lake
from scalper.learn import Model
from scalper.learn.recipe import Recipe
from scalper.live import Preflight, run_session
from scalper.policy import Choice
from scalper.settings import Home
from tests.live.conftest import the_lane


def main(home: Path, lake: Path, model: Path, pace: float) -> None:
    recipe = Recipe(the_lane(), Model.load(model), Choice(0.40, 1.5, 1.5))
    place = Home(root=home)
    checks = Preflight(
        lambda: recipe, place, mode="paper", broker="sim", feed="replay:last", pace=pace, lake=Lake(lake)
    )
    run_session(checks, place, bundle="tests")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
