"""Ten markets with the edge and ten without: what the gate says of them. Takes a quarter of an hour."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = (1, 2, 3, 4, 5, 6, 8, 9, 10, 11)

pytestmark = pytest.mark.long


def verdict(home: Path, seed: int, *words: str) -> str:
    """The verdict of a demo in a home of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "scalper.cli", "demo", "--seed", str(seed), "--json", *words],
        env=os.environ | {"SCALPER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)["verdict"]


def test_nine_of_ten_markets_with_the_edge_are_go(tmp_path: Path) -> None:
    said = {seed: verdict(tmp_path / str(seed), seed) for seed in SEEDS}
    assert sum(one == "GO" for one in said.values()) >= 9, said


def test_no_market_without_the_edge_is_go(tmp_path: Path) -> None:
    said = {seed: verdict(tmp_path / str(seed), seed, "--null") for seed in SEEDS}
    assert set(said.values()) == {"NO-GO"}, said
