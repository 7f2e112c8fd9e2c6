"""`scalper bench learn`: training against a plain XGBClassifier, a whole fold, a search, and one row scored live."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import learn_rows
from bench.measure import ratios
from scalper.errors import DataUnavailable
from scalper.lake import Lake
from scalper.settings import REPOSITORY

ROWS, FEATURES = 1_000_000, 60
FOLD = 4
"""The fold has so many times the rows."""
THREADS, ROUNDS, FOLD_ROUNDS = 2, 100, 200
FEW = 5
"""Rounds where only memory is measured, which does not grow with them."""
MISSING = 0.01
DISK = 6
"""Bytes a value on disk at most."""


def run(size: int | None = None, features: int | None = None) -> dict[str, Any]:
    """`rows` are those of one training on two threads, from the lake's files to the booster; the peer reads the same
    files. The fold has four times the rows; the search has as many bars as there are rows. Every part runs in a
    process of its own after a small training.
    """
    rows, width = size or ROWS, features or FEATURES
    with TemporaryDirectory() as folder:
        place, holes = Path(folder) / "lake", Path(folder) / "missing"
        free, needed = shutil.disk_usage(folder).free, (2 * FOLD + 1) * rows * width * DISK
        if free < needed:
            raise DataUnavailable(f"{folder}: {free >> 20} MiB are free, {needed >> 20} are needed; set TMPDIR")
        sessions = FOLD * rows // learn_rows.SESSION
        learn_rows.write(Lake(place), (FOLD * rows) + (sessions // 10 + 2) * learn_rows.SESSION, width)
        learn_rows.write(Lake(holes), rows, width, MISSING)
        given = {"place": str(place), "rows": rows, "features": width, "threads": THREADS, "rounds": ROUNDS}
        found = alone("own", **given, memory="ram")
        found |= {"features": width, "threads": THREADS, "rounds": ROUNDS}
        found["on_disk"] = alone("own", **given, memory="disk")
        few = given | {"rounds": FEW, "place": str(holes), "missing": True}
        kinds = ("ram", "disk")
        found["with_missing_values"] = {memory: _memory(alone("own", **few, memory=memory)) for memory in kinds}
        frame = alone("classifier", **given, memory="")
        whole = given | {"rows": FOLD * rows, "rounds": FOLD_ROUNDS}
        found["fold"] = alone("fold", **whole, memory="ram")
        found["search"] = _process("bench.learn_search", str(Path(folder) / "home"), str(rows))
    found["live"] = found["search"].pop("live")
    peers = {"XGBClassifier on a pandas frame": frame["rows_per_second"]}
    found |= {"peer": frame, "peers": peers, "ratios": ratios(found["rows_per_second"], peers)}
    return found | {"memory_of_the_peer": round(frame["peak_mib_of_training"] / found["peak_mib_of_training"], 2)}


def alone(part: str, **given: Any) -> dict[str, Any]:
    """The figures of a part, see learn_alone."""
    return _process("bench.learn_alone", part, json.dumps(given))


def _process(module: str, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", module, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def _memory(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if "mib" in name or "times" in name}
