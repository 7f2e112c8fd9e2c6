"""`python -m tests.lake.killing`: downloads that are killed at random moments while the vendor fails in every way.

The lake must end up as that of a download that nobody disturbed. Run by hand for more sessions, kills or another seed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from scalper import clock
from scalper.lake.files.dbn import records
from scalper.sandbox import DatabentoServer, SimulatedMarket
from scalper.sandbox.faults import Faults

REPOSITORY = Path(__file__).resolve().parents[2]
PASSING = ("401", "402", "422", "429", "504", "truncated", "cut", "warning", "206", "empty")
OF_JOBS = ("wrong_byte", "failed", "lost")
"""Faults that are served once each: asked again, the vendor answers as it should."""

LASTING = ("degraded", "missing_seconds")
"""Faults that an undisturbed download meets too."""

LANE = """
name: killed
symbol: MES
source: databento
interval: 1m
start: {start}
end: {end}
databento: {{mode: {mode}, chunk_sessions: 1, parallel: 3, status: true}}
"""
WHEN = {"fetched", "attempts", "warnings", "status", "not_found", "job", "files", "id"}
"""Of manifests: what depends on when and how often was asked. The files are compared record by record, as the header
of an answer 206 tells of a symbol that was not found."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a killed download came to: runs, kills among them, what each run that ended by itself returned."""

    runs: int
    kills: int
    codes: list[int]
    asked: int
    seconds: float


def contents(lake: Path) -> dict[str, Any]:
    """Everything in the lake that is not the program's own: bytes, records of raw files, manifests without WHEN."""
    found: dict[str, Any] = {}
    for path in sorted(lake.rglob("*")):
        name = path.relative_to(lake).as_posix()
        if not path.is_file() or any(part.startswith(".") for part in name.split("/")):
            continue
        top, ends = name.split("/")[0], path.suffix
        if name.endswith(".dbn.zst"):
            found[_place(name)] = b"".join(array.tobytes() for array in records(path))
        elif top in ("raw", "manifests") and ends == ".json":
            document = json.loads(path.read_bytes())
            if path.parent.name.endswith("Z"):  # a job's own words, with its id in them
                found[name] = None
                continue
            kept = {key: value for key, value in document.items() if key not in WHEN}
            found[_place(name) if top == "raw" else json.dumps(kept, sort_keys=True)] = kept
        else:
            found[name] = path.read_bytes()
    return found


def _place(name: str) -> str:
    """A raw file's name without a job's id."""
    return re.sub(r"GLBX-\d{8}-[0-9A-Z]+", "JOB", name)


def start(home: Path, lane: Path, server: DatabentoServer) -> subprocess.Popen[bytes]:
    """`scalper download` in a process of its own."""
    known = {"SCALPER_HOME": str(home), "DATABENTO_API_KEY": server.key, "DATABENTO_GATEWAY": server.url}
    command = [sys.executable, "-m", "scalper.cli", "download", "--config", str(lane), "--json"]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=os.environ | known, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def disturbed(
    home: Path, lane: Path, market: SimulatedMarket, faults: Faults, kills: int, chance: random.Random
) -> Outcome:
    """Download until a run ends well, killing the first `kills` runs at a random moment of their work."""
    began, runs, killed, codes = clock.monotonic(), 0, 0, list[int]()
    with DatabentoServer(market, faults=faults) as server:
        while runs < 40 * (kills + 1):
            runs += 1
            before = faults.requests.total()
            process = start(home, lane, server)
            if killed < kills:
                while process.poll() is None and faults.requests.total() == before:
                    clock.sleep(0.01)  # it still starts
                try:
                    process.wait(chance.expovariate(1.0))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
            _, said = process.communicate(timeout=300)
            if process.returncode == -signal.SIGKILL:
                continue
            codes.append(process.returncode)
            if process.returncode == 0:
                return Outcome(runs, killed, codes, faults.requests.total(), clock.monotonic() - began)
            assert process.returncode == 3, f"exit code {process.returncode}: {said.decode()}"
            assert server.key not in said.decode()
    raise AssertionError(f"not done after {runs} runs: {codes}")


def kill_and_compare(folder: Path, *, first: date, last: date, kills: int, seed: int, mode: str = "stream") -> Outcome:
    """Kill downloads until `kills` runs were killed, with every fault, and compare each lake that they end in with an
    undisturbed one. Raises AssertionError at a difference."""
    market = SimulatedMarket("MES", 5, 1.0, start=first, end=last)
    lane = folder / "killed.yaml"
    lane.write_text(LANE.format(start=first, end=last, mode=mode))
    chance, names = random.Random(seed), PASSING if mode == "stream" else PASSING + OF_JOBS
    disturbed(folder / "calm", lane, market, Faults(LASTING), 0, chance)
    right = contents(folder / "calm" / "data_lake")
    total = Outcome(0, 0, [], 0, 0.0)
    while total.kills < kills:
        home, faults = folder / f"round-{total.runs}", Faults((*names, *LASTING), every=2)
        one = disturbed(home, lane, market, faults, kills - total.kills, chance)
        found = contents(home / "data_lake")
        differing = sorted(name for name in found.keys() | right.keys() if found.get(name) != right.get(name))
        assert not differing, f"{len(differing)} of {len(right)} files differ after {one}: {differing[:5]}"
        assert mode == "batch" or not faults.left, f"{faults.left} were never served"
        total = Outcome(
            total.runs + one.runs,
            total.kills + one.kills,
            total.codes + one.codes,
            total.asked + one.asked,
            total.seconds + one.seconds,
        )
    return total


def main(arguments: Sequence[str] | None = None) -> None:
    """Thirty sessions and twenty kills, or as told."""
    parser = argparse.ArgumentParser(prog="python -m tests.lake.killing", description=__doc__)
    parser.add_argument("--start", type=date.fromisoformat, default=date(2026, 8, 10))
    parser.add_argument("--end", type=date.fromisoformat, default=date(2026, 9, 18))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=["stream", "batch"], default="stream")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = kill_and_compare(
            Path(folder), first=asked.start, last=asked.end, kills=asked.kills, seed=asked.seed, mode=asked.mode
        )
    print(f"{found}\nevery lake is that of an undisturbed download")


if __name__ == "__main__":
    main()
