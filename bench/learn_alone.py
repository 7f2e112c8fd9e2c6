"""A part of `scalper bench learn` in a process of its own: `python -m bench.learn_alone PART JSON` prints figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.learn_rows import LANE, SESSION, days_of, feed, write
from bench.measure import peak_mib, processor_s
from scalper import clock
from scalper.lake import Lake
from scalper.learn import train
from scalper.learn.estimators import Checkpoint, Target, estimator
from scalper.learn.estimators.xgboost import BINS
from scalper.settings import ModelSettings

MIB = 1 << 20
WARM = 3000
CALIBRATE = 10
"""Of so many train sessions there is one to calibrate on."""
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def own(
    place: Path, rows: int, features: int, threads: int, rounds: int, memory: str, missing: bool = False
) -> dict[str, Any]:
    """The training alone: rows read from the lake block by block, every time that XGBoost asks for them.

    missing: whether values of the lake's rows are.
    """
    settings = ModelSettings.model_validate({"rounds": rounds, "fold_threads": threads, "memory": memory})
    kind, lake = estimator("xgboost"), Lake(place)
    _warm(place, settings)
    days, told = days_of(rows), _Peak()
    found = told.of(lambda: kind.fit(Target(), feed(lake, days, features, keep=0), None, settings, seed=1))
    needs = kind.needs_bytes(rows, 0, features, settings, missing=missing)
    return told.figures(rows, features) | {"needs_mib": round(needs / MIB), "trees": 3 * found.rounds}


def classifier(place: Path, rows: int, features: int, threads: int, rounds: int, memory: str) -> dict[str, Any]:
    """The peer: one pandas frame of the same files, and XGBClassifier with the same parameters."""
    import pandas as pd
    from xgboost import XGBClassifier

    s = ModelSettings()
    model: Any = XGBClassifier(
        n_estimators=rounds, max_depth=s.depth, learning_rate=s.learning_rate, min_child_weight=s.min_child_weight,
        subsample=s.subsample, colsample_bytree=s.colsample, max_bin=BINS, tree_method="hist", n_jobs=threads,
        random_state=1,
    )  # fmt: skip
    _warm(place, s)
    names, told, fitting = [f"feature_{index}" for index in range(features)], _Peak(), 0.0

    def work() -> None:
        nonlocal fitting
        files = {kind: [_file(place, kind, day) for day in days_of(rows)] for kind in ("features", "labels")}
        frame = pd.concat([pd.read_parquet(file, columns=names) for file in files["features"]], ignore_index=True)
        label = pd.concat([pd.read_parquet(file, columns=["label"]) for file in files["labels"]], ignore_index=True)
        started = clock.monotonic()
        model.fit(frame, label["label"])
        fitting = clock.monotonic() - started

    told.of(work)
    return told.figures(rows, features) | {"seconds_of_fit": round(fitting, 3), "trees": 3 * rounds}


def _file(place: Path, kind: str, day: object) -> Path:
    return place / kind / f"lane={LANE}" / f"date={day}" / "part.parquet"


def fold(place: Path, rows: int, features: int, threads: int, rounds: int, memory: str) -> dict[str, Any]:
    """A fold from its files to the proven ONNX graph: early stopping, calibration, importance, export, proof."""
    settings = ModelSettings.model_validate({"rounds": rounds, "fold_threads": threads, "threads": 1, "memory": memory})
    lake, days = Lake(place), days_of(rows + max(1, rows // SESSION // CALIBRATE) * SESSION)
    cut = len(days_of(rows))
    _warm(place, settings)
    told = _Peak()
    both = feed(lake, days[:cut], features)
    found = told.of(
        lambda: train(
            both,
            both.between(days[cut:]),
            settings,
            lane=LANE,
            window=(days[0], days[cut - 1]),
            data_digest="",
            kernel_version="",
            checkpoint=Checkpoint(place / "checkpoint", "bench"),
        )
    )
    figures = told.figures(rows, features) | {"calibrated_on_rows": sum(1 for _ in days[cut:]) * SESSION}
    losses = found.curves["tail"]
    figures |= {"rounds": len(losses), "best_round": found.best_round, "parity": found.parity}
    return figures | {"log_loss": min(losses), "onnx_kib": len(found.onnx) >> 10}


class _Peak:
    """Seconds and memory of one piece of work. Above what the process held before where the system tells (/proc)."""

    def of(self, work: Any) -> Any:
        if CLEAR.exists():
            CLEAR.write_text("5")  # the peak begins anew
        self._before, self._busy = self._held(), processor_s()
        started = clock.monotonic()
        found = work()
        self._seconds, self._most = clock.monotonic() - started, self._held()
        self._busy = processor_s() - self._busy
        return found

    def _held(self) -> float:
        return int(STATUS.read_text().partition("VmHWM:")[2].split()[0]) / 1024 if CLEAR.exists() else peak_mib()

    def figures(self, rows: int, features: int) -> dict[str, Any]:
        """times_the_table: of float32; times_the_binned: of a byte a value, which BINS fit into."""
        values = rows * features / MIB
        above = self._most - self._before
        found: dict[str, Any] = {"rows": rows, "seconds": round(self._seconds, 3)}
        found |= {"rows_per_second": round(rows / self._seconds, 1), "processor_seconds": round(self._busy, 3)}
        found |= {"peak_mib": round(self._most, 1), "peak_mib_of_training": round(above, 1)}
        return found | {"times_the_table": round(above / values / 4, 3), "times_the_binned": round(above / values, 3)}


def _warm(place: Path, settings: ModelSettings) -> None:
    """A small training first: imports and the first use of the libraries are outside the figures."""
    with TemporaryDirectory(dir=place.parent) as folder:
        lake = Lake(Path(folder))
        write(lake, WARM, 5)
        small = settings.model_copy(update={"rounds": 2})
        estimator("xgboost").fit(Target(), feed(lake, days_of(WARM), 5), None, small, seed=1)


PARTS = {"own": own, "classifier": classifier, "fold": fold}

if __name__ == "__main__":
    part, given = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(PARTS[part](Path(given.pop("place")), **given)))
